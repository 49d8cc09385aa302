//! Zone: in force, unless it overlaps, cannot be read, or nobody is there to own it.

use countersign_api::{
    Zone, ZoneStatus,
    zone::{self, Overlap},
};
use countersign_core::{identity::IdentityKind, snapshot::Snapshot, zones};

use super::{
    Assessed, Known,
    status::{Problem, set_standing},
};

impl Assessed for Zone {
    type Status = ZoneStatus;

    fn shown(&self) -> Option<ZoneStatus> {
        self.status.clone()
    }

    fn assess(&self, known: &Known) -> ZoneStatus {
        let mut status = ZoneStatus {
            conditions: self
                .status
                .iter()
                .flat_map(|status| status.conditions.clone())
                .collect(),
            observed_generation: self.metadata.generation,
            ..ZoneStatus::default()
        };
        let problem = match zone::parse(self) {
            Err(invalid) => Some(Problem::new("Invalid", invalid.to_string())),
            Ok(zone) => {
                status.overlaps = overlaps(&zone, &known.snapshot);
                status.pending = Some(known.pending.get(&zone.name).copied().unwrap_or_default());
                overlap_problem(&status.overlaps).or_else(|| owner_problem(&zone, &known.snapshot))
            }
        };
        let (seal, unsealed) = known.seal(self, &[]);
        status.seal = seal;
        set_standing(
            &mut status.conditions,
            unsealed.or(problem),
            self.metadata.generation,
            known.now,
        );
        status
    }

    fn keep_numbers(status: &mut ZoneStatus, other: &ZoneStatus) {
        status.pending = other.pending;
    }
}

fn overlaps(zone: &zones::Zone, snapshot: &Snapshot) -> Vec<Overlap> {
    let overlap = snapshot.zones.overlap(zone);
    overlap
        .map(|overlap| Overlap {
            zone: overlap.other.to_string(),
            witness: overlap.witness,
        })
        .into_iter()
        .collect()
}

fn overlap_problem(overlaps: &[Overlap]) -> Option<Problem> {
    let overlap = overlaps.first()?;
    let message = format!(
        "zone `{}` holds `{}` too: nobody writes where both hold until one of them is changed",
        overlap.zone, overlap.witness
    );
    Some(Problem::new("Overlaps", message))
}

fn owner_problem(zone: &zones::Zone, snapshot: &Snapshot) -> Option<Problem> {
    let owner = &zone.owner;
    if !snapshot.knows(owner) {
        return Some(Problem::new(
            "UnknownIdentity",
            format!("spec.owner: {owner} is not known"),
        ));
    }
    if let Some(other) = zone
        .cooperators
        .iter()
        .chain(&zone.reviewers)
        .find(|other| !snapshot.knows(other))
    {
        return Some(Problem::new("UnknownIdentity", format!("{other} is not known")));
    }
    let empty = snapshot
        .teams
        .get(owner)
        .is_some_and(|team| team.members.is_empty() && team.groups.is_empty());
    let alone = owner.kind() == IdentityKind::Team && empty;
    alone.then(|| Problem::new("NoLiveOwner", format!("spec.owner: {owner} has no members")))
}
