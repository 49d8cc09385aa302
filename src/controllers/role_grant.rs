//! RoleGrant: in force, unless its team is unknown or another grant contradicts it.

use countersign_api::{RoleGrant, RoleGrantStatus, role_grant};
use countersign_core::{identity::IdentityKind, read_access::Source, snapshot::Snapshot};
use kube::ResourceExt;

use super::{
    Assessed, Known,
    status::{Problem, set_standing},
};
use crate::read_access::tell;

impl Assessed for RoleGrant {
    type Status = RoleGrantStatus;

    /// `lastSeen` is written by the sightings.
    fn shown(&self) -> Option<RoleGrantStatus> {
        self.status.clone().map(|status| RoleGrantStatus {
            last_seen: None,
            ..status
        })
    }

    fn assess(&self, known: &Known) -> RoleGrantStatus {
        let mut status = self.shown().unwrap_or_default();
        status.observed_generation = self.metadata.generation;
        let (seal, unsealed) = known.seal(self, &[]);
        status.seal = seal;
        set_standing(
            &mut status.conditions,
            unsealed.or_else(|| problem(self, &known.snapshot)),
            self.metadata.generation,
            known.now,
        );
        let source = Source::Grant(self.name_any().into());
        let at = (self.metadata.generation, known.now);
        tell(&known.read_access, &source, &mut status.conditions, at);
        status
    }
}

fn problem(object: &RoleGrant, snapshot: &Snapshot) -> Option<Problem> {
    let (identity, grant) = match role_grant::parse(object) {
        Ok(parsed) => parsed,
        Err(invalid) => return Some(Problem::new("Invalid", invalid.to_string())),
    };
    if identity.kind() == IdentityKind::Team && !snapshot.teams.contains_key(&identity) {
        return Some(Problem::new(
            "UnknownTeam",
            format!("spec.identity: there is no {identity}"),
        ));
    }
    let other = snapshot
        .grants
        .get(&identity)?
        .iter()
        .find(|other| other.role != grant.role)?;
    let message = format!(
        "spec.role: RoleGrant `{}` gives {identity} the role {}: the lesser counts until one of them is changed",
        other.name, other.role
    );
    Some(Problem::new("Conflicts", message))
}
