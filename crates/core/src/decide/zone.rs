//! Rule 5: what the subject may do in the place, by the zone that holds it.

use super::{End, subject::Actor};
use crate::{
    decision::{Cause, Denial, Reason},
    environment::Environment,
    identity::Identity,
    place::{Contest, Place, zones_about},
    policy::Policy,
    request::{Operation, Request},
    role::Role,
    snapshot::Snapshot,
    zones::Zone,
};

/// That the subject may write in the place, and whether the place asks for a review of it.
pub(super) struct Standing {
    /// Whether the zone asks for a review of this subject.
    pub(super) reviewed: bool,
    /// What gives the standing.
    pub(super) cause: Cause,
}

/// The part that somebody has in a zone.
#[derive(PartialEq, Eq)]
enum Part {
    Owner,
    Cooperator,
    None,
}

/// The subject's standing in the place of the request.
pub(super) fn standing(
    request: &Request<'_>,
    actor: &Actor,
    environment: Environment,
    (snapshot, policy): (&Snapshot, &Policy),
) -> Result<Standing, End> {
    let place = Place::of(&request.target);
    let zone = place
        .zone(snapshot)
        .map_err(|contest| contested(&place, &contest))?;
    let standing = match zone {
        Some(zone) => in_zone(&zone, actor, policy),
        None => outside_zones(&place, actor, environment, policy),
    }?;
    if ends_namespace(request) {
        return among_contents(standing, &place, actor, (snapshot, policy));
    }
    Ok(standing)
}

fn ends_namespace(request: &Request<'_>) -> bool {
    let target = &request.target;
    request.operation == Operation::Delete && target.is("", "namespaces") && target.subresource.is_empty()
}

/// Whoever ends a namespace ends what is in it: that takes a part in each zone that is about it.
fn among_contents(
    mut standing: Standing,
    place: &Place<'_>,
    actor: &Actor,
    (snapshot, policy): (&Snapshot, &Policy),
) -> Result<Standing, End> {
    for zone in zones_about(place.name, snapshot) {
        let zone = zone.map_err(|contest| contested(place, &contest))?;
        let inside = in_zone(&zone, actor, policy)?;
        if !standing.reviewed {
            standing = inside;
        }
    }
    Ok(standing)
}

/// The denial of a place that nobody can be said to own.
pub(super) fn contested(place: &Place<'_>, contest: &Contest) -> Denial {
    let zones = contest.zones();
    let message = format!(
        "`{}` is contested: zones {zones} must be changed first",
        place.path()
    );
    Denial::new(Reason::ZoneContested, message).because(Cause::new("Zone", zones, "spec.objects"))
}

fn in_zone(zone: &Zone, actor: &Actor, policy: &Policy) -> Result<Standing, Denial> {
    let cause = |field| Cause::new("Zone", zone.name.clone(), field);
    match part(zone, actor) {
        Part::Owner => Ok(Standing {
            reviewed: false,
            cause: cause("spec.owner"),
        }),
        _ if actor.is_admin() => Ok(Standing {
            reviewed: false,
            cause: actor.role_cause(),
        }),
        Part::Cooperator => Ok(Standing {
            reviewed: zone.require_review.unwrap_or(policy.defaults.require_review),
            cause: cause("spec.cooperators"),
        }),
        Part::None => {
            let message = format!(
                "{} has no part in zone `{}`: ask its owner {} to make the change, or to add you as a cooperator",
                actor.subject.identity, zone.name, zone.owner
            );
            Err(Denial::new(Reason::NotOfZone, message).because(cause("spec.owner")))
        }
    }
}

/// An agent inside the owning team counts as a cooperator.
fn part(zone: &Zone, actor: &Actor) -> Part {
    let subject = &actor.subject;
    let through_team = |identity: &Identity| subject.teams.contains(identity);
    if subject.identity == zone.owner || (through_team(&zone.owner) && subject.identity.is_user()) {
        return Part::Owner;
    }
    let cooperates = |identity: &Identity| subject.identity == *identity || through_team(identity);
    if through_team(&zone.owner) || zone.cooperators.iter().any(cooperates) {
        return Part::Cooperator;
    }
    Part::None
}

fn outside_zones(
    place: &Place<'_>,
    actor: &Actor,
    environment: Environment,
    policy: &Policy,
) -> Result<Standing, Denial> {
    let public = environment != Environment::Prod && place.is_under(&policy.defaults.public_objects);
    if public {
        let cause = Cause::of_policy("spec.defaults.publicObjects");
        return Ok(Standing {
            reviewed: false,
            cause,
        });
    }
    let least = if environment == Environment::Prod {
        policy.unzoned.prod
    } else {
        policy.unzoned.elsewhere
    };
    let who = &actor.subject.identity;
    if who.is_user() && actor.role.role >= least && actor.role.role > Role::Reader {
        return Ok(Standing {
            reviewed: false,
            cause: actor.role_cause(),
        });
    }
    let lacking = if who.is_agent() {
        "agents need a zone or a public place".to_owned()
    } else {
        format!("{who} is {}, and {least} is needed", actor.role.role)
    };
    let message = format!(
        "`{}` is in no zone ({environment}): {lacking}; an admin can add it to a zone",
        place.path()
    );
    Err(Denial::new(Reason::Unzoned, message).because(Cause::of_policy("spec.unzoned")))
}
