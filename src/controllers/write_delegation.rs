//! WriteDelegation: in force, unless its subject is a person or an agent, or its time is over; whether the API server
//! is to check it.

use countersign_api::{
    WriteDelegation, WriteDelegationStatus,
    condition::{ConditionStatus, Observation, remove_condition, set_condition},
    write_delegation,
};
use countersign_core::{
    delegation::{Delegation, Evaluation, NotInForce, at_startup},
    snapshot::Snapshot,
};
use jiff::Timestamp;

use super::{
    Assessed, Known,
    status::{Problem, set_standing},
};
use crate::webhook_config::MAX_STARTUP_DELEGATIONS;

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
        let (snapshot, now) = (&known.snapshot, known.now);
        let parsed = write_delegation::parse(self);
        let problem = match &parsed {
            Ok(delegation) => problem(delegation, snapshot, now),
            Err(invalid) => Some(Problem::new("Invalid", invalid.to_string())),
        };
        let problem = unsealed.or(problem);
        let compiled = parsed.ok().filter(|one| one.evaluation == Evaluation::Startup);
        let compiled = compiled.map(|one| compiled_of(&one, problem.as_ref(), snapshot, now));
        let generation = self.metadata.generation;
        match compiled {
            Some(observed) => set_condition(&mut status.conditions, observed, generation, now),
            None => remove_condition(&mut status.conditions, COMPILED),
        }
        set_standing(&mut status.conditions, problem, generation, now);
        status
    }

    fn due(&self) -> Option<Timestamp> {
        self.spec.expires_at.as_ref().map(|end| end.0)
    }
}

/// The condition that tells whether the API server is to check a delegation while the operator is down.
const COMPILED: &str = "Compiled";

fn problem(delegation: &Delegation, snapshot: &Snapshot, now: Timestamp) -> Option<Problem> {
    let why = delegation.in_force(snapshot, now).err()?;
    let reason = match &why {
        NotInForce::Degraded(_) => "Invalid",
        NotInForce::Expired => "Expired",
        NotInForce::SubjectIsAgent => "SubjectIsAgent",
        NotInForce::SubjectIsUser => "SubjectIsUser",
    };
    Some(Problem::new(reason, why.to_string()))
}

fn compiled_of(
    delegation: &Delegation,
    problem: Option<&Problem>,
    snapshot: &Snapshot,
    now: Timestamp,
) -> Observation<'static> {
    let first = at_startup(snapshot, now);
    let is_first = || {
        let mut first = first.iter().take(MAX_STARTUP_DELEGATIONS);
        first.any(|one| one.name == delegation.name)
    };
    let (holds, reason, message) = match problem {
        Some(_) => (false, "NotInForce", String::new()),
        None if is_first() => (true, "Compiled", String::new()),
        None => {
            let message = format!(
                "the API server checks the first {MAX_STARTUP_DELEGATIONS} delegations by name, the operator this one"
            );
            (false, "TooMany", message)
        }
    };
    Observation {
        kind: COMPILED,
        status: ConditionStatus::from(holds),
        reason,
        message,
    }
}
