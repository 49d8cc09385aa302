//! Team: in force, unless a member is an agent that is not registered.

use countersign_api::{Team, TeamStatus, team};
use countersign_core::snapshot::Snapshot;

use super::{
    Assessed, Known,
    status::{Problem, set_standing},
};

impl Assessed for Team {
    type Status = TeamStatus;

    fn shown(&self) -> Option<TeamStatus> {
        self.status.clone()
    }

    fn assess(&self, known: &Known) -> TeamStatus {
        let mut status = self.status.clone().unwrap_or_default();
        status.observed_generation = self.metadata.generation;
        status.member_count = u32::try_from(self.spec.members.len()).ok();
        let (seal, unsealed) = known.seal(self, &[]);
        status.seal = seal;
        set_standing(
            &mut status.conditions,
            unsealed.or_else(|| problem(self, &known.snapshot)),
            self.metadata.generation,
            known.now,
        );
        status
    }
}

fn problem(object: &Team, snapshot: &Snapshot) -> Option<Problem> {
    let (_, team) = match team::parse(object) {
        Ok(parsed) => parsed,
        Err(invalid) => return Some(Problem::new("Invalid", invalid.to_string())),
    };
    let unknown = team
        .members
        .iter()
        .find(|member| member.is_agent() && !snapshot.agents.contains_key(*member))?;
    Some(Problem::new(
        "UnknownIdentity",
        format!("spec.members: {unknown} is not registered"),
    ))
}
