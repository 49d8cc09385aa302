//! Objects of Countersign's own kinds as a request shows them, parsed by the same parsers that compile the snapshot.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;

use crate::{
    agent_key::AgentKey,
    binding::Binding,
    delegation::Delegation,
    digest::Digest,
    emergency::Emergency,
    identity::Identity,
    intent::Signed,
    policy::Policy,
    review::{Proof, ReviewDecision},
    role::Role,
    snapshot::{Agent, Team},
    ticket::Ticket,
    zones::Zone,
};

/// What one of Countersign's own objects would be after the request.
#[derive(Clone, Debug)]
pub enum Own {
    /// A Zone.
    Zone(Zone),
    /// A RoleGrant.
    RoleGrant {
        /// `user:` or `team:`.
        identity: Identity,
        /// The role.
        role: Role,
    },
    /// A Team.
    Team(Team),
    /// An Agent.
    Agent(Box<AgentDraft>),
    /// A WriteDelegation.
    WriteDelegation(Delegation),
    /// The AccessPolicy.
    AccessPolicy(Box<Policy>),
    /// An ApprovalTicket.
    Ticket(Box<TicketDraft>),
    /// An ApprovalReview.
    Review(Box<ReviewDraft>),
    /// An Intent.
    Intent(Box<IntentDraft>),
    /// A BreakGlass that is made.
    BreakGlass(Box<EmergencyDraft>),
    /// A BreakGlass that is ended early, or reviewed.
    BreakGlassChange(Box<EmergencyChange>),
    /// The object is removed.
    Removed,
    /// The object as it is bears no seal, and the write does not attest what it would be; also of a Namespace.
    Unsealed {
        /// The annotation, `key=value`, that would attest it.
        attestation: String,
    },
    /// The object cannot be read: the field, the value and the rule.
    Invalid(String),
}

/// An agent that somebody registers or changes.
#[derive(Clone, Debug)]
pub struct AgentDraft {
    /// The agent as it would be.
    pub agent: Agent,
    /// The key that it has until then; none where it is registered anew, or had none that could be read.
    pub former: Option<FormerKey>,
}

/// The key that an agent has before a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FormerKey {
    /// The key.
    pub key: AgentKey,
    /// When the rotation was signed by which it came by that.
    pub rotated: Option<Timestamp>,
}

/// An intent that an agent makes.
#[derive(Clone, Debug)]
pub struct IntentDraft {
    /// What it says, and the signature.
    pub signed: Signed,
    /// Whether the stamp is the operator's, over exactly this.
    pub stamped: bool,
}

/// A ticket that somebody makes.
#[derive(Clone, Debug)]
pub struct TicketDraft {
    /// What it would approve.
    pub binding: Binding,
    /// The nonce that the server chose.
    pub nonce: String,
    /// The binding hash that the server stamped.
    pub binding_hash: Digest,
    /// Who requests it, as stamped.
    pub requester: Identity,
    /// Whether the stamp is the operator's, over exactly this.
    pub stamped: bool,
    /// The granules of the change that it shows, with the digests of their new values.
    pub change: BTreeMap<String, Option<Digest>>,
    /// The digest of the present values of those granules, read from the cluster.
    pub present: Present,
}

/// The target of a ticket as the cluster shows it at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Present {
    /// There is no such object.
    Absent,
    /// It is there.
    Object {
        /// Its uid.
        uid: String,
        /// Digest of the present values of the granules that the ticket changes.
        old_hash: Option<Digest>,
    },
}

/// A review that somebody makes.
#[derive(Clone, Debug)]
pub struct ReviewDraft {
    /// The ticket that it is about, read from the cluster; none when there is none of this name.
    pub ticket: Option<Arc<Ticket>>,
    /// The uid that the review names.
    pub ticket_uid: String,
    /// The hash that the reviewer saw.
    pub binding_hash: Digest,
    /// The decision.
    pub decision: ReviewDecision,
    /// Who reviews, as stamped.
    pub reviewer: Identity,
    /// How the reviewer is known.
    pub proof: Proof,
    /// Whether the stamp is the operator's, over exactly this.
    pub stamped: bool,
}

/// A window that somebody opens. That the passcode signed it is told by the stamp.
#[derive(Clone, Debug)]
pub struct EmergencyDraft {
    /// The window as it would be.
    pub window: Emergency,
    /// The cluster that was signed.
    pub cluster_id: String,
    /// The nonce that was signed.
    pub nonce: String,
    /// Why it is opened.
    pub reason: String,
    /// Whether the stamp is the operator's, over exactly this.
    pub stamped: bool,
}

/// A window that somebody ends early, or reviews.
#[derive(Clone, Debug)]
pub struct EmergencyChange {
    /// The window as it is.
    pub before: Emergency,
    /// The window as it would be.
    pub after: Emergency,
    /// Who wrote in it, by username, as far as its status tells.
    pub writers: Vec<String>,
}
