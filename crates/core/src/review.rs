//! Reviews: who may review a ticket, and what the reviews that count add up to.

mod proof;

use std::sync::Arc;

use jiff::Timestamp;

pub use self::proof::{Proof, Unproven};
use crate::{
    authn,
    digest::Digest,
    identity::Identity,
    place::{Contest, Place},
    policy::Policy,
    request::Subject,
    role::Role,
    role_of::{RoleSource, user_role},
    snapshot::Snapshot,
    ticket::Ticket,
    zone_claim::ZoneClaim,
    zones::Zone,
};

/// What a reviewer decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum ReviewDecision {
    /// The change may happen.
    Approve,
    /// It may not.
    Deny,
    /// An approval is taken back, before the change happened.
    Revoke,
    /// The subject or the requester takes the request back.
    Cancel,
}

impl ReviewDecision {
    /// The decision as objects write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "Approve",
            Self::Deny => "Deny",
            Self::Revoke => "Revoke",
            Self::Cancel => "Cancel",
        }
    }
}

/// One ApprovalReview whose stamp is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    /// Name of the object.
    pub name: Arc<str>,
    /// Uid of the object.
    pub uid: Arc<str>,
    /// Uid of the ticket it is about.
    pub ticket_uid: Arc<str>,
    /// The binding hash that the reviewer saw.
    pub binding_hash: Digest,
    /// Who reviewed.
    pub reviewer: Identity,
    /// What was decided.
    pub decision: ReviewDecision,
    /// When.
    pub created: Timestamp,
    /// How the reviewer is known.
    pub proof: Proof,
}

/// Why somebody's review of a ticket does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ineligible {
    /// Agents and teams do not review.
    #[error("{0} is not a human: only people review")]
    NotHuman(Identity),
    /// The one whose change it is.
    #[error("{0} asks for this change: somebody else must review it")]
    Subject(Identity),
    /// The one who requested the ticket.
    #[error("{0} requested this ticket: somebody else must review it")]
    Requester(Identity),
    /// An author of the change.
    #[error("{0} is an author of this change: somebody else must review it")]
    Author(Identity),
    /// The owner of the agent whose change it is.
    #[error("{0} owns the agent that asks: the AccessPolicy does not let owners review their agents")]
    AgentOwner(Identity),
    /// The reviewer's role is not enough.
    #[error("{who} is {role}: a reviewer here must be {needed}")]
    Role {
        /// The reviewer.
        who: Identity,
        /// The role held.
        role: Role,
        /// The roles of which one is needed.
        needed: String,
    },
    /// The reviewer has nothing to do with the zone.
    #[error("{who} is neither owner, cooperator, reviewer nor team member of zone `{zone}`")]
    NotOfZone {
        /// The reviewer.
        who: Identity,
        /// The zone.
        zone: Arc<str>,
    },
    /// Outside every zone.
    #[error("{0} is not an admin: outside every zone only admins review")]
    NotAdmin(Identity),
    /// The subject or requester alone cancels.
    #[error("{0} neither asks for this change nor requested the ticket: only they cancel it")]
    NotTheirs(Identity),
    /// Two zones claim the place.
    #[error("the place is contested by several zones: {0}")]
    Contested(String),
}

impl From<Contest> for Ineligible {
    fn from(contest: Contest) -> Self {
        Self::Contested(contest.zones())
    }
}

/// What a place asks of reviews.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needs {
    /// How many people must approve, at least 1.
    pub count: u32,
    /// The roles of which a reviewer must hold one; admins always may.
    pub roles: Vec<Role>,
    /// The zone of the place, if any.
    pub zone: Option<Arc<Zone>>,
    /// The zones that the write claims, whose owners must be among those who approve.
    pub zone_claims: Vec<ZoneClaim>,
}

impl Needs {
    /// What the place asks under the policy: the most that zone, matching rules and defaults ask.
    pub fn of(place: &Place<'_>, snapshot: &Snapshot, policy: &Policy) -> Result<Self, Contest> {
        let zone = place.zone(snapshot)?;
        let rules = policy
            .review_rules
            .iter()
            .filter(|rule| place.is_under(&rule.objects));
        let mut needs = Self {
            count: policy.defaults.min_reviewers.max(1),
            roles: zone
                .as_ref()
                .map_or_else(|| vec![Role::Contributor], |zone| zone.reviewer_roles.clone()),
            zone,
            zone_claims: Vec::new(),
        };
        needs.count = needs
            .count
            .max(needs.zone.as_ref().map_or(0, |zone| zone.min_reviewers));
        for rule in rules {
            needs.count = needs.count.max(rule.min_reviewers);
            needs.roles.retain(|role| rule.reviewer_roles.contains(role));
        }
        Ok(needs)
    }

    /// Whom to ask, for a message: the owner of the zone, or the admins; the owners of what is claimed.
    pub fn whom(&self) -> String {
        let owner = |claim: &ZoneClaim| format!("{} (owner of zone `{}`)", claim.owner, claim.zone);
        if !self.zone_claims.is_empty() {
            let owners: Vec<_> = self.zone_claims.iter().map(owner).collect();
            return owners.join(" and ");
        }
        self.zone.as_ref().map_or_else(
            || "an admin".to_owned(),
            |zone| format!("{} (owner of zone `{}`)", zone.owner, zone.name),
        )
    }
}

/// Whether `reviewer` may decide so on `ticket` under the present rules.
pub fn check_eligible(
    reviewer: &Subject,
    decision: ReviewDecision,
    ticket: &Ticket,
    snapshot: &Snapshot,
) -> Result<(), Ineligible> {
    let who = || reviewer.identity.clone();
    let is = |other: &Identity| *other == reviewer.identity;
    if decision == ReviewDecision::Cancel {
        let theirs = is(&ticket.binding.subject) || is(&ticket.requester);
        return if theirs {
            Ok(())
        } else {
            Err(Ineligible::NotTheirs(who()))
        };
    }
    if !reviewer.identity.is_user() {
        return Err(Ineligible::NotHuman(who()));
    }
    if is(&ticket.binding.subject) {
        return Err(Ineligible::Subject(who()));
    }
    if is(&ticket.requester) {
        return Err(Ineligible::Requester(who()));
    }
    // Who asks names the authors: that must not silence a denial.
    if decision == ReviewDecision::Approve && ticket.provenance.authors.iter().any(is) {
        return Err(Ineligible::Author(who()));
    }
    let Some(policy) = snapshot.policy.get() else {
        return Err(Ineligible::Contested(
            "the AccessPolicy cannot be read".to_owned(),
        ));
    };
    let owned = snapshot
        .agent(&ticket.binding.subject)
        .is_some_and(|agent| is(&agent.owner));
    if owned && !policy.approvals.agent_owner_may_review {
        return Err(Ineligible::AgentOwner(who()));
    }
    // Whoever owns what is claimed acknowledges it; as a review of the write that counts only for who may review it.
    let mut claims = ticket.binding.zone_claims.iter();
    if claims.any(|claim| claim.is_for(reviewer)) {
        return Ok(());
    }
    check_standing(reviewer, ticket, snapshot, policy)
}

fn check_standing(
    reviewer: &Subject,
    ticket: &Ticket,
    snapshot: &Snapshot,
    policy: &Policy,
) -> Result<(), Ineligible> {
    let role = user_role(reviewer, snapshot, policy).map_or(Role::Reader, |RoleSource { role, .. }| role);
    if role == Role::Admin {
        return Ok(());
    }
    let target = ticket.binding.target.target();
    let needs = Needs::of(&Place::of(&target), snapshot, policy)?;
    let who = || reviewer.identity.clone();
    let Some(zone) = &needs.zone else {
        return Err(Ineligible::NotAdmin(who()));
    };
    if !needs.roles.contains(&role) {
        let mut names: Vec<_> = needs.roles.iter().map(|role| role.as_str()).collect();
        names.push("admin");
        return Err(Ineligible::Role {
            who: who(),
            role,
            needed: names.join(" or "),
        });
    }
    let held = |identity: &Identity| *identity == reviewer.identity || reviewer.teams.contains(identity);
    let of_zone = held(&zone.owner) || zone.cooperators.iter().chain(&zone.reviewers).any(held);
    if of_zone {
        Ok(())
    } else {
        Err(Ineligible::NotOfZone {
            who: who(),
            zone: zone.name.clone(),
        })
    }
}

/// What the reviews of a ticket add up to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// What follows.
    pub outcome: Outcome,
    /// How many people must approve.
    pub required: u32,
    /// The reviews that count, oldest first.
    pub counted: Vec<Arc<Review>>,
    /// When the last approval was given that was needed.
    pub approved_at: Option<Timestamp>,
}

/// What follows from the reviews.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Too few approvals yet.
    Open,
    /// Enough people approved and nobody denied.
    Approved,
    /// Somebody denied.
    Denied,
    /// Somebody took an approval back.
    Revoked,
    /// The subject or requester took the request back.
    Cancelled,
}

/// Adds up the reviews of `ticket` that count: for this very binding, one for each person and decision.
///
/// An approval counts while its reviewer is eligible and its proof holds, unless a foreign mutator was there when it was
/// made. Whoever said no was eligible then, or the review would have been refused; it stays said, whatever becomes of the
/// person. A denial outweighs every approval, whatever the order.
pub fn tally(ticket: &Ticket, snapshot: &Snapshot) -> Tally {
    let hash = ticket.binding_hash();
    let mut counted: Vec<Arc<Review>> = Vec::new();
    let mut reviews: Vec<_> = snapshot.reviews.get(&ticket.uid).into_iter().flatten().collect();
    reviews.sort_by(|a, b| (a.created, &a.name).cmp(&(b.created, &b.name)));
    for review in reviews {
        let again =
            |other: &Arc<Review>| other.reviewer == review.reviewer && other.decision == review.decision;
        let said = (&review.reviewer, review.decision);
        let still = || {
            let subject = authn::absent(&review.reviewer, snapshot);
            check_eligible(&subject, review.decision, ticket, snapshot).is_ok()
                && !snapshot.may_be_rewritten(review.created)
                && snapshot
                    .policy
                    .get()
                    .is_some_and(|policy| review.proof.check(said, ticket, policy).is_ok())
        };
        if review.binding_hash == hash
            && !counted.iter().any(again)
            && (review.decision != ReviewDecision::Approve || still())
        {
            counted.push(review.clone());
        }
    }
    let required = required(ticket, snapshot);
    let approved_at = approved_at(ticket, &counted, required, snapshot);
    Tally {
        outcome: outcome(&counted, approved_at.is_some()),
        required,
        counted,
        approved_at,
    }
}

/// When enough people had approved, and the owner of each zone that the write claims among them.
fn approved_at(
    ticket: &Ticket,
    counted: &[Arc<Review>],
    required: u32,
    snapshot: &Snapshot,
) -> Option<Timestamp> {
    let policy = snapshot.policy.get()?;
    let claims = &ticket.binding.zone_claims;
    let (mut reviewers, mut people) = (0, Vec::new());
    let mut approvals = counted
        .iter()
        .filter(|review| review.decision == ReviewDecision::Approve);
    approvals
        .find(|review| {
            let person = authn::absent(&review.reviewer, snapshot);
            let reviews = claims.is_empty() || check_standing(&person, ticket, snapshot, policy).is_ok();
            reviewers += u32::from(reviews);
            people.push(person);
            let is_acknowledged = |claim: &ZoneClaim| people.iter().any(|person| claim.is_for(person));
            reviewers >= required && claims.iter().all(is_acknowledged)
        })
        .map(|review| review.created)
}

fn required(ticket: &Ticket, snapshot: &Snapshot) -> u32 {
    let target = ticket.binding.target.target();
    let needs = snapshot
        .policy
        .get()
        .map(|policy| Needs::of(&Place::of(&target), snapshot, policy));
    needs.and_then(Result::ok).map_or(u32::MAX, |needs| {
        needs.count.saturating_add(ticket.provenance.more_reviews())
    })
}

fn outcome(counted: &[Arc<Review>], is_approved: bool) -> Outcome {
    let of = |decision| {
        counted
            .iter()
            .filter(move |review| review.decision == decision)
            .count()
    };
    if of(ReviewDecision::Deny) > 0 {
        Outcome::Denied
    } else if of(ReviewDecision::Revoke) > 0 {
        Outcome::Revoked
    } else if of(ReviewDecision::Cancel) > 0 {
        Outcome::Cancelled
    } else if is_approved {
        Outcome::Approved
    } else {
        Outcome::Open
    }
}

#[cfg(test)]
mod tests;
