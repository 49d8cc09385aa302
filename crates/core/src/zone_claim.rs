//! Claims of zones: what takes a zone from whoever owns it, or lets an agent in. The present owner acknowledges it.

use std::{collections::BTreeSet, fmt, str::FromStr, sync::Arc};

use crate::{
    decision::{Cause, Denial, Reason},
    identity::Identity,
    object::ObjectError,
    own::Own,
    request::{Request, Subject},
    snapshot::{Snapshot, Team},
    zones::Zone,
};

/// The action of a ticket for a write that claims a zone.
pub const ACTION: &str = "zone.claim";

/// A zone that somebody owns, and who has to acknowledge that this changes.
///
/// Its text is `<zone>/<generation> <owner>`; the generation is left out where the write is none of the zone itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ZoneClaim {
    /// The zone.
    pub zone: Arc<str>,
    /// The generation of the zone that is claimed.
    pub generation: Option<i64>,
    /// Who owns it now: a person, or a team of which one person acknowledges it.
    pub owner: Identity,
}

impl ZoneClaim {
    /// Whether it is for this person to acknowledge it.
    pub fn is_for(&self, person: &Subject) -> bool {
        person.identity.is_user() && is_or_belongs_to(person, &self.owner)
    }
}

impl fmt::Display for ZoneClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.zone)?;
        if let Some(generation) = self.generation {
            write!(f, "/{generation}")?;
        }
        write!(f, " {}", self.owner)
    }
}

/// A text that is no claim of a zone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not `<zone>/<generation> <owner>`")]
pub struct InvalidClaim(String);

impl FromStr for ZoneClaim {
    type Err = InvalidClaim;

    fn from_str(text: &str) -> Result<Self, InvalidClaim> {
        let read = || {
            let (place, owner) = text.split_once(' ')?;
            let (zone, generation) = match place.split_once('/') {
                Some((zone, generation)) => (zone, Some(generation.parse().ok()?)),
                None => (place, None),
            };
            let owner = owner.parse().ok()?;
            Some(Self {
                zone: zone.into(),
                generation,
                owner,
            })
        };
        let claim = read().filter(|claim| claim.to_string() == text);
        claim.ok_or_else(|| InvalidClaim(text.to_owned()))
    }
}

/// The most zones that one write claims.
pub const MOST: usize = 64;

/// What the write of a Zone or a Team takes from somebody who is there to be asked, and does not ask for it.
pub fn zone_claims(
    request: &Request<'_>,
    who: &Subject,
    snapshot: &Snapshot,
) -> Result<Vec<ZoneClaim>, Denial> {
    let mut claims = Vec::new();
    for (claim, lets_agent_in) in claimed(request, snapshot)? {
        let can_be_asked = can_be_asked(&claim.owner, snapshot);
        if claim.is_for(who) {
            continue;
        }
        if lets_agent_in && !can_be_asked {
            return Err(unacknowledged(&claim));
        }
        // Somebody who is gone keeps no zone for ever.
        if can_be_asked {
            claims.push(claim);
        }
    }
    if claims.len() > MOST {
        let message = format!(
            "spec.members: {} zones would be claimed at once, and {MOST} are the most",
            claims.len()
        );
        return Err(Denial::new(Reason::Invalid, message));
    }
    claims.sort_unstable();
    Ok(claims)
}

fn unacknowledged(claim: &ZoneClaim) -> Denial {
    let message = format!(
        "an agent would come into zone `{}`, and nobody is known as {}, who would have to acknowledge it: give the zone to \
         a person first, whom a RoleGrant or a Team names",
        claim.zone, claim.owner
    );
    Denial::new(Reason::Invalid, message).because(Cause::new("Zone", claim.zone.clone(), "spec.owner"))
}

/// Whether an agent would become owner or cooperator of a zone that people own, and whoever asks is none of them: nothing
/// relaxes what is decided then.
pub fn lets_agent_in(
    request: &Request<'_>,
    who: Option<&Subject>,
    snapshot: &Snapshot,
) -> Result<bool, Denial> {
    let claimed = claimed(request, snapshot)?;
    let is_asked_for = |claim: &ZoneClaim| who.is_some_and(|who| claim.is_for(who));
    Ok(claimed
        .iter()
        .any(|(claim, lets_agent_in)| *lets_agent_in && !is_asked_for(claim)))
}

/// The claims that the write makes, each with whether it lets an agent in.
fn claimed(request: &Request<'_>, snapshot: &Snapshot) -> Result<Vec<(ZoneClaim, bool)>, ObjectError> {
    let name = request.target.name;
    let next = match (request.own, request.target.resource) {
        (Some(Own::Zone(next)), _) => Some(next),
        (Some(Own::Removed), "zones") => None,
        (Some(Own::Team(team)), _) => return Ok(claimed_for_team(name, Some(team), snapshot)),
        (Some(Own::Removed), "teams") => return Ok(claimed_for_team(name, None, snapshot)),
        _ => return Ok(Vec::new()),
    };
    // Of one that nobody judged, or that cannot be read, nobody knows whose it is: whoever forged it is not asked.
    let is_known = !snapshot.unreadable_zones.contains_key(name);
    let zone = snapshot
        .zones
        .get(name)
        .filter(|zone| is_known && !zone.owner.is_agent());
    let Some(zone) = zone else {
        return Ok(Vec::new());
    };
    let gains = next.is_some_and(|next| !agents_in(next, snapshot).is_subset(&agents_in(zone, snapshot)));
    if !gains && next.is_some_and(|next| next.owner == zone.owner && holds_all_of(next, zone)) {
        return Ok(Vec::new());
    }
    let generation = request.change.before().map(crate::object::Object::generation);
    let claim = ZoneClaim {
        zone: zone.name.clone(),
        generation: generation.transpose()?.flatten(),
        owner: zone.owner.clone(),
    };
    Ok(vec![(claim, gains)])
}

/// Whether nothing that the zone held is left out: what is, somebody else may take.
fn holds_all_of(next: &Zone, zone: &Zone) -> bool {
    zone.objects.iter().all(|glob| next.objects.contains(glob))
        && zone.paths.iter().all(|glob| next.paths.contains(glob))
        && zone.function_ids.iter().all(|id| next.function_ids.contains(id))
}

/// Agents that join a team take part in its zones; of a team without people nobody owns them.
fn claimed_for_team(name: &str, next: Option<&Team>, snapshot: &Snapshot) -> Vec<(ZoneClaim, bool)> {
    let Ok(identity) = Identity::team(name) else {
        return Vec::new();
    };
    let present = snapshot.teams.get(&identity);
    let is_new = |member: &&Identity| present.is_none_or(|team| !team.members.contains(member));
    let members = next.map(|team| team.members.as_slice()).unwrap_or_default();
    let joins = members.iter().filter(is_new).any(Identity::is_agent);
    let ends = present.is_some_and(|team| has_people(team)) && !next.is_some_and(has_people);
    if !joins && !ends {
        return Vec::new();
    }
    let takes_part =
        |zone: &&Arc<Zone>| zone.owner == identity || (joins && zone.cooperators.contains(&identity));
    let zones = snapshot.zones.iter().filter(takes_part);
    zones
        .filter(|zone| !zone.owner.is_agent())
        .map(|zone| {
            let claim = ZoneClaim {
                zone: zone.name.clone(),
                generation: None,
                owner: zone.owner.clone(),
            };
            (claim, joins)
        })
        .collect()
}

fn has_people(team: &Team) -> bool {
    team.members.iter().any(Identity::is_user)
}

/// The agents that own the zone or cooperate there, by themselves or in a team.
fn agents_in(zone: &Zone, snapshot: &Snapshot) -> BTreeSet<Identity> {
    let named = std::iter::once(&zone.owner).chain(&zone.cooperators);
    let members = |identity: &Identity| {
        let team = snapshot.teams.get(identity);
        team.map(|team| team.members.clone()).unwrap_or_default()
    };
    named
        .flat_map(|identity| members(identity).into_iter().chain([identity.clone()]))
        .filter(Identity::is_agent)
        .collect()
}

/// Whether somebody is known who could acknowledge it. Who belongs to a team by a directory group alone cannot review.
fn can_be_asked(owner: &Identity, snapshot: &Snapshot) -> bool {
    match snapshot.teams.get(owner) {
        Some(team) => has_people(team),
        None => owner.is_user() && snapshot.knows(owner),
    }
}

fn is_or_belongs_to(person: &Subject, owner: &Identity) -> bool {
    person.identity == *owner || person.teams.contains(owner)
}

#[cfg(test)]
mod tests;
