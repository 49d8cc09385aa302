//! How a reviewer is known, and whether that is proof enough.

use std::sync::Arc;

use super::ReviewDecision;
use crate::{
    environment::Environment,
    identity::Identity,
    policy::Policy,
    ssh::{self, BadSignature, Statement},
    ticket::Ticket,
};

/// How a reviewer is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The API server said so.
    Kubernetes,
    /// A key that the directory lists for the reviewer signed the decision.
    Ssh {
        /// The signature, in armour.
        signature: Arc<str>,
        /// The fingerprint of the key.
        fingerprint: Arc<str>,
    },
}

/// Why a review is not proven to be the reviewer's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    /// It is not signed, and in prod it has to be.
    #[error("in prod the AccessPolicy asks for a signed approval: kubectl countersign approve --ssh-key")]
    Unsigned,
    /// The signature proves nothing.
    #[error("the signature of {0} proves nothing: {1}")]
    Signature(Identity, BadSignature),
}

impl Proof {
    /// Whether it proves what `reviewer` decides on `ticket`, as strongly as the policy asks for.
    pub fn check(
        &self,
        (reviewer, decision): (&Identity, ReviewDecision),
        ticket: &Ticket,
        policy: &Policy,
    ) -> Result<(), Unproven> {
        let Self::Ssh {
            signature,
            fingerprint,
        } = self
        else {
            let in_prod = ticket.binding.environment == Environment::Prod;
            let asked = policy.approvals.signed_in_prod && in_prod && decision == ReviewDecision::Approve;
            return if asked { Err(Unproven::Unsigned) } else { Ok(()) };
        };
        let statement = Statement {
            cluster_id: &ticket.binding.cluster_id,
            ticket_uid: &ticket.uid,
            binding_hash: ticket.binding_hash(),
            decision,
            reviewer,
        };
        let keys = policy.ssh_keys.get(reviewer).map(Vec::as_slice);
        ssh::verify(signature, fingerprint, &statement, keys.unwrap_or_default())
            .map_err(|why| Unproven::Signature(reviewer.clone(), why))
    }
}
