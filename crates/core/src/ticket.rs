//! The ticket's life: one pure transition function for webhook, controller and model.

use std::{collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};

use crate::{binding::Binding, digest::Digest, gitops::Provenance, identity::Identity};

/// How long one claim admits the same change again: above the API server's own ceiling for one call (34 s, E2),
/// twice over.
pub const CLAIM_WINDOW: SignedDuration = SignedDuration::from_secs(75);

/// How long after it passed a write may still be stored: the API server's ceiling for one call (34 s, E2), and what
/// its store takes at most.
pub const CALL_CEILING: SignedDuration = SignedDuration::from_secs(45);

/// How soon a client that falls back from WebSocket to SPDY connects again.
pub const RESEND_WINDOW: SignedDuration = SignedDuration::from_secs(5);

/// What the use of a ticket for the inverse of its change leads to.
pub const ROLLED_BACK: &str = "RolledBack";

/// Whether clients of this subresource fall back: of the two protocols only one may be spoken on the way. A proxied
/// call is plain HTTP.
pub fn falls_back(subresource: &str) -> bool {
    matches!(subresource, "exec" | "attach" | "portforward")
}

/// One ApprovalTicket, compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Namespace of the object.
    pub namespace: Arc<str>,
    /// Name of the object.
    pub name: Arc<str>,
    /// Uid of the object: reviews and claims hold on to it.
    pub uid: Arc<str>,
    /// The version that a compare-and-swap expects.
    pub resource_version: Arc<str>,
    /// What it approves.
    pub binding: Binding,
    /// The server's nonce.
    pub nonce: Arc<str>,
    /// Who asked for it: the subject, unless somebody asked on its behalf.
    pub requester: Identity,
    /// The granules that it changes, by JSON pointer, and the digests of their new values.
    pub parts: BTreeMap<String, Option<Digest>>,
    /// Where the change comes from.
    pub provenance: Provenance,
    /// The name that it shares with tickets that it belongs to; anybody may have written it.
    pub batch: Option<Arc<str>>,
    /// When the object was created.
    pub created: Timestamp,
    /// Where it stands.
    pub state: TicketState,
    /// The write that undid its own without another approval, if one did.
    pub rollback: Option<Claim>,
    /// How many steps led there, if the operator says so: none before its first word. `None` when somebody else wrote
    /// the status.
    pub steps: Option<u32>,
    /// Whether somebody asked to deny, revoke or cancel it: what is known of its reviews may be older than that. `None`
    /// where the operator says nothing of it.
    pub contested: Option<bool>,
}

impl Ticket {
    /// The hash that a reviewer signs.
    pub fn binding_hash(&self) -> Digest {
        self.binding.hash(Some(&self.nonce))
    }

    /// How many steps lead to the state that follows; of a status that somebody else wrote none is counted.
    pub fn next_steps(&self) -> u32 {
        self.steps.unwrap_or_default().saturating_add(1)
    }

    /// What the last step led to: the state, but for a used ticket whose write was undone without another approval.
    pub const fn standing(&self) -> &'static str {
        match (&self.state, &self.rollback) {
            (TicketState::Consumed { .. }, Some(_)) => ROLLED_BACK,
            (state, _) => state.as_str(),
        }
    }

    /// The claim of the last step, if that made or kept one.
    pub const fn last_claim(&self) -> Option<&Claim> {
        match (&self.state, &self.rollback) {
            (TicketState::Consumed { .. }, Some(claim)) => Some(claim),
            (state, _) => state.claim(),
        }
    }

    /// Whether this call of the webhook made the claim that holds the ticket, or that used it.
    pub fn is_held_by(&self, call: &str) -> bool {
        match &self.state {
            TicketState::Claimed { stop: None, .. } | TicketState::Consumed { .. } => {
                self.last_claim().is_some_and(|claim| *claim.by == *call)
            }
            _ => false,
        }
    }
}

/// Where a ticket stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TicketState {
    /// It waits for reviews until then.
    Pending {
        /// The end of the wait.
        until: Timestamp,
    },
    /// It may be used until then.
    Approved {
        /// The end of its use.
        usable_until: Timestamp,
    },
    /// One write holds it.
    Claimed {
        /// The end of its use, should it be released.
        usable_until: Timestamp,
        /// The claim.
        claim: Claim,
        /// What it becomes, should it be released, when somebody ended it meanwhile.
        stop: Option<End>,
    },
    /// The write happened.
    Consumed {
        /// The claim under which it did.
        claim: Claim,
    },
    /// It is over without a write.
    Ended(End),
}

/// How a ticket ends without a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// A reviewer denied it.
    Denied,
    /// Its time ran out.
    Expired,
    /// The subject or the requester took it back.
    Cancelled,
    /// A newer ticket of the same subject for the same object and verb replaced it.
    Superseded,
    /// A reviewer took the approval back.
    Revoked,
    /// Whether the write happened cannot be known.
    Indeterminate,
}

/// The hold of one write on a ticket.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Claim {
    /// Digest of ticket and effective change.
    pub bind: Digest,
    /// The call that made it, by the uid of its review; empty until it is written down.
    pub by: Arc<str>,
    /// When the claim was made.
    pub claimed_at: Timestamp,
    /// The uid of the object that the write creates: by it the write is known when a watch shows it (E7).
    pub object_uid: Option<Arc<str>>,
    /// The old object's version at the claim; for a create the version of the collection just before.
    pub resource_version: Option<Arc<str>>,
    /// Whether a connection was already made again.
    pub resent: bool,
}

impl Claim {
    /// Until when the same change passes again.
    pub fn deadline(&self) -> Timestamp {
        self.claimed_at
            .saturating_add(CLAIM_WINDOW)
            .unwrap_or(Timestamp::MAX)
    }

    /// From when on nothing that passed under it is stored any more: the last call may have passed at its deadline.
    pub fn settled_at(&self) -> Timestamp {
        self.deadline()
            .saturating_add(CALL_CEILING)
            .unwrap_or(Timestamp::MAX)
    }
}

/// How often the API server may ask for one write, and what it shows of the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallKind {
    /// UPDATE, PATCH, apply: asked again on each conflict (E2).
    Update,
    /// DELETE: asked again although the first call's effect may be stored (E8).
    Delete,
    /// CREATE, binding: asked once.
    Once,
    /// Eviction: asked once, and again harmlessly once the pod is on its way out.
    Evict,
    /// A token request, a proxied call: asked once, and not to be seen afterwards.
    Unseen,
    /// exec and the like: asked once, and once again by a client that falls back.
    Connect,
}

/// What happens to a ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Enough eligible people approved; it may be used for so long.
    Approve(SignedDuration),
    /// An eligible person denied.
    Deny,
    /// An eligible person took an approval back.
    Revoke,
    /// The subject or the requester took it back.
    Cancel,
    /// A newer ticket took its place.
    Supersede,
    /// Another ticket of its batch was used: it stays usable until then.
    Prolong(Timestamp),
    /// A write wants to use it.
    Claim {
        /// Digest of ticket and effective change.
        bind: Digest,
        /// How often the API server may ask.
        call: CallKind,
        /// The version of the old object, or for a create of the collection.
        resource_version: Option<Arc<str>>,
    },
    /// The claimed write was found stored.
    Committed,
    /// It was proven that the claimed write was not stored and never will be.
    NotCommitted,
    /// It cannot be known whether the claimed write was stored.
    Unknowable,
    /// Time passed.
    Tick,
}

/// What a transition leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The state stays: the write passes again under its claim, or there is nothing to do.
    Stay,
    /// The state stays, and the write passes if a watch from the claim's version to the present one shows no
    /// commit of ours.
    ProveUncommitted,
    /// The state becomes this one.
    To(TicketState),
}

/// Why an event does nothing to a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not approved yet.
    #[error("the ticket still waits for approval")]
    NotApproved,
    /// Over.
    #[error("the ticket is {}", .0.adjective())]
    Over(End),
    /// Used.
    #[error("the ticket was used already")]
    AlreadyConsumed,
    /// Held by another change.
    #[error("the ticket is held by another write of the same change")]
    ClaimedElsewhere,
    /// The claim's time is over.
    #[error("the ticket is held by a write whose outcome is being determined")]
    WindowClosed,
    /// Somebody ended it while it was claimed.
    #[error("the ticket is {} while a write held it", .0.adjective())]
    Stopped(End),
    /// The event does not belong to the state.
    #[error("nothing claims the ticket")]
    NotClaimed,
}

impl End {
    /// How a sentence names it.
    pub const fn adjective(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Superseded => "superseded",
            Self::Revoked => "revoked",
            Self::Indeterminate => "indeterminate",
        }
    }
}

impl TicketState {
    /// The word that `status.state` shows.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Pending { .. } => "Pending",
            Self::Approved { .. } => "Approved",
            Self::Claimed { .. } => "Claimed",
            Self::Consumed { .. } => "Consumed",
            Self::Ended(End::Denied) => "Denied",
            Self::Ended(End::Expired) => "Expired",
            Self::Ended(End::Cancelled) => "Cancelled",
            Self::Ended(End::Superseded) => "Superseded",
            Self::Ended(End::Revoked) => "Revoked",
            Self::Ended(End::Indeterminate) => "Indeterminate",
        }
    }

    /// The claim that holds or used it.
    pub const fn claim(&self) -> Option<&Claim> {
        match self {
            Self::Claimed { claim, .. } | Self::Consumed { claim } => Some(claim),
            Self::Pending { .. } | Self::Approved { .. } | Self::Ended(_) => None,
        }
    }

    /// Whether nothing happens to it any more.
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Consumed { .. } | Self::Ended(_))
    }
}

/// What `event` does to a ticket in `state` at `now`.
///
/// Time counts before the event: what ran out is expired, whatever comes after.
pub fn step(state: &TicketState, event: Event, now: Timestamp) -> Result<Step, Refusal> {
    match state {
        TicketState::Pending { until } if now >= *until => Ok(ended(End::Expired)),
        TicketState::Pending { .. } => pending(&event, now),
        TicketState::Approved { usable_until } if now >= *usable_until => Ok(ended(End::Expired)),
        TicketState::Approved { usable_until } => approved(*usable_until, event, now),
        TicketState::Claimed {
            usable_until,
            claim,
            stop,
        } => claimed(
            &Held {
                usable_until: *usable_until,
                claim,
                stop: *stop,
            },
            event,
            now,
        ),
        TicketState::Consumed { claim } => consumed(claim, &event, now),
        TicketState::Ended(end) => match event {
            Event::Tick => Ok(Step::Stay),
            _ => Err(Refusal::Over(*end)),
        },
    }
}

const fn ended(end: End) -> Step {
    Step::To(TicketState::Ended(end))
}

fn pending(event: &Event, now: Timestamp) -> Result<Step, Refusal> {
    match event {
        Event::Approve(usable) => {
            let usable_until = now.saturating_add(*usable).unwrap_or(Timestamp::MAX);
            Ok(Step::To(TicketState::Approved { usable_until }))
        }
        Event::Deny | Event::Revoke => Ok(ended(End::Denied)),
        Event::Cancel => Ok(ended(End::Cancelled)),
        Event::Supersede => Ok(ended(End::Superseded)),
        Event::Prolong(_) | Event::Tick => Ok(Step::Stay),
        Event::Claim { .. } => Err(Refusal::NotApproved),
        Event::Committed | Event::NotCommitted | Event::Unknowable => Err(Refusal::NotClaimed),
    }
}

fn approved(usable_until: Timestamp, event: Event, now: Timestamp) -> Result<Step, Refusal> {
    match event {
        Event::Claim {
            bind,
            call,
            resource_version,
        } => {
            let claim = Claim {
                by: "".into(),
                object_uid: None,
                bind,
                claimed_at: now,
                resource_version,
                resent: false,
            };
            Ok(Step::To(match call {
                CallKind::Unseen | CallKind::Connect => TicketState::Consumed { claim },
                CallKind::Update | CallKind::Delete | CallKind::Once | CallKind::Evict => {
                    TicketState::Claimed {
                        usable_until,
                        claim,
                        stop: None,
                    }
                }
            }))
        }
        Event::Deny => Ok(ended(End::Denied)),
        Event::Revoke => Ok(ended(End::Revoked)),
        Event::Cancel => Ok(ended(End::Cancelled)),
        Event::Prolong(until) if until > usable_until => {
            Ok(Step::To(TicketState::Approved { usable_until: until }))
        }
        Event::Supersede | Event::Approve(_) | Event::Prolong(_) | Event::Tick => Ok(Step::Stay),
        Event::Committed | Event::NotCommitted | Event::Unknowable => Err(Refusal::NotClaimed),
    }
}

/// The content of `TicketState::Claimed`.
struct Held<'a> {
    usable_until: Timestamp,
    claim: &'a Claim,
    stop: Option<End>,
}

fn claimed(held: &Held<'_>, event: Event, now: Timestamp) -> Result<Step, Refusal> {
    match event {
        Event::Claim {
            bind,
            call,
            resource_version,
        } => {
            if let Some(stop) = held.stop {
                return Err(Refusal::Stopped(stop));
            }
            readmit(held.claim, bind, call, resource_version.as_deref(), now)
        }
        Event::Deny => Ok(stopped(held, End::Denied)),
        Event::Revoke => Ok(stopped(held, End::Revoked)),
        Event::Cancel => Ok(stopped(held, End::Cancelled)),
        Event::Committed => Ok(Step::To(TicketState::Consumed {
            claim: held.claim.clone(),
        })),
        Event::NotCommitted => Ok(Step::To(released(held, now))),
        Event::Unknowable => Ok(ended(End::Indeterminate)),
        Event::Tick if held.stop.is_none() && now >= held.usable_until && now >= held.claim.deadline() => {
            Ok(stopped(held, End::Expired))
        }
        Event::Prolong(until) if held.stop.is_none() && until > held.usable_until => {
            Ok(Step::To(TicketState::Claimed {
                usable_until: until,
                claim: held.claim.clone(),
                stop: None,
            }))
        }
        Event::Supersede | Event::Approve(_) | Event::Prolong(_) | Event::Tick => Ok(Step::Stay),
    }
}

/// A claimed ticket ends only when its write is resolved; meanwhile nothing passes under it. A denial outweighs
/// every other reason to stop.
fn stopped(held: &Held<'_>, end: End) -> Step {
    let stop = match held.stop {
        Some(earlier) if end != End::Denied => earlier,
        _ => end,
    };
    if held.stop == Some(stop) {
        return Step::Stay;
    }
    let (usable_until, claim) = (held.usable_until, held.claim.clone());
    Step::To(TicketState::Claimed {
        usable_until,
        claim,
        stop: Some(stop),
    })
}

fn released(held: &Held<'_>, now: Timestamp) -> TicketState {
    match held.stop {
        Some(stop) => TicketState::Ended(stop),
        None if now >= held.usable_until => TicketState::Ended(End::Expired),
        None => TicketState::Approved {
            usable_until: held.usable_until,
        },
    }
}

fn readmit(
    claim: &Claim,
    bind: Digest,
    call: CallKind,
    resource_version: Option<&str>,
    now: Timestamp,
) -> Result<Step, Refusal> {
    if bind != claim.bind {
        return Err(Refusal::ClaimedElsewhere);
    }
    if now >= claim.deadline() {
        return Err(Refusal::WindowClosed);
    }
    match call {
        CallKind::Delete => Ok(Step::Stay),
        CallKind::Update
            if resource_version.is_some() && claim.resource_version.as_deref() == resource_version =>
        {
            Ok(Step::Stay)
        }
        CallKind::Update => Ok(Step::ProveUncommitted),
        CallKind::Once | CallKind::Evict | CallKind::Unseen | CallKind::Connect => {
            Err(Refusal::ClaimedElsewhere)
        }
    }
}

fn consumed(claim: &Claim, event: &Event, now: Timestamp) -> Result<Step, Refusal> {
    let Event::Claim { bind, call, .. } = event else {
        return if *event == Event::Tick {
            Ok(Step::Stay)
        } else {
            Err(Refusal::AlreadyConsumed)
        };
    };
    let same = *bind == claim.bind;
    let resend_ends = claim
        .claimed_at
        .saturating_add(RESEND_WINDOW)
        .unwrap_or(Timestamp::MAX);
    match call {
        // The first pass of a forced delete is stored before the second comes (E8).
        CallKind::Delete | CallKind::Evict if same && now < claim.deadline() => Ok(Step::Stay),
        CallKind::Connect if same && !claim.resent && now < resend_ends => {
            Ok(Step::To(TicketState::Consumed {
                claim: Claim {
                    resent: true,
                    ..claim.clone()
                },
            }))
        }
        _ => Err(Refusal::AlreadyConsumed),
    }
}

#[cfg(test)]
mod tests;
