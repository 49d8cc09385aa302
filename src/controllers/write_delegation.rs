//! WriteDelegation: in force, unless its subject is a person or an agent, or its time is over.

use countersign_api::{WriteDelegation, WriteDelegationStatus, write_delegation};
use countersign_core::snapshot::Snapshot;
use jiff::Timestamp;

use super::{
    Assessed, Known,
    status::{Problem, set_standing},
};

impl Assessed for WriteDelegation {
    type Status = WriteDelegationStatus;

    /// `lastUsed` is written by the sightings.
    fn shown(&self) -> Option<WriteDelegationStatus> {
        self.status.clone().map(|status| WriteDelegationStatus {
            last_used: None,
            ..status
        })
    }

    fn assess(&self, known: &Known) -> WriteDelegationStatus {
        let mut status = self.shown().unwrap_or_default();
        status.observed_generation = self.metadata.generation;
        let (seal, unsealed) = known.seal(self, &[]);
        status.seal = seal;
        set_standing(
            &mut status.conditions,
            unsealed.or_else(|| problem(self, &known.snapshot, known.now)),
            self.metadata.generation,
            known.now,
        );
        status
    }
}

fn problem(object: &WriteDelegation, snapshot: &Snapshot, now: Timestamp) -> Option<Problem> {
    let delegation = match write_delegation::parse(object) {
        Ok(parsed) => parsed,
        Err(invalid) => return Some(Problem::new("Invalid", invalid.to_string())),
    };
    if let Some(why) = delegation.degraded {
        return Some(Problem::new("Invalid", why.to_string()));
    }
    if delegation.expires_at.is_some_and(|end| now >= end) {
        return Some(Problem::new("Expired", "spec.expiresAt: its time is over"));
    }
    let account = delegation.username.strip_prefix("system:serviceaccount:");
    if account.is_some_and(|account| snapshot.service_accounts.contains_key(account)) {
        return Some(Problem::new(
            "SubjectIsAgent",
            "spec.subject: an Agent lists this service account",
        ));
    }
    let person = !delegation.username.starts_with("system:");
    person.then(|| {
        Problem::new(
            "SubjectIsUser",
            "spec.subject: people get roles and zones, not delegations",
        )
    })
}
