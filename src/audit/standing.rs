//! Where each ticket stands by the log's own word, whatever its status says.

use std::{
    collections::{HashMap, hash_map::Entry},
    fs,
    path::Path,
    sync::{Mutex, PoisonError},
};

use countersign_core::{
    audit::{Event, Record, record::Word},
    digest::Digest,
    ticket::{Claim, TicketState},
};
use jiff::{SignedDuration, Timestamp};

use super::directory::{OpenError, failed, segments};

/// No ticket is older when it is used: `pendingTTL` is 30 days at most and `approvedTTL` one, and one day more.
pub const TICKET_LIFE: SignedDuration = SignedDuration::from_hours(32 * 24);

/// What the step that makes a ticket usable, or usable again, leads to.
const APPROVED: &str = "Approved";

/// The state that the last recorded step led to, by the ticket's uid; of every ticket that may still be used.
#[derive(Debug, Default)]
pub(super) struct Standing(Mutex<Steps>);

#[derive(Debug, Default)]
struct Steps {
    last: HashMap<String, Last>,
    /// How many there may be before the old ones are let go.
    room: usize,
}

impl Standing {
    /// What the log in `path` says.
    pub fn read(path: &Path, now: Timestamp) -> Result<Self, OpenError> {
        let mut last = HashMap::new();
        for segment in segments(path)?.iter().rev() {
            let bytes = fs::read(segment).map_err(failed(segment))?;
            let text = String::from_utf8_lossy(&bytes);
            let (mut recent, mut old) = (false, false);
            // Most records are of decisions, and there can be millions.
            for line in text.rsplit('\n').filter(|line| line.contains("TicketTransition")) {
                // One that is skipped could be the one that says that a ticket was used.
                let record = serde_json::from_str(line).map_err(|source| OpenError::Unreadable {
                    path: segment.clone(),
                    source,
                })?;
                let Some((uid, step)) = step(&record) else {
                    continue;
                };
                recent |= !is_old(step.time, now);
                old |= is_old(step.time, now);
                if let Entry::Vacant(place) = last.entry(uid) {
                    place.insert(step);
                }
            }
            if old && !recent {
                break;
            }
        }
        Ok(Self(Mutex::new(Steps { last, room: 0 })))
    }

    /// Takes note of a record.
    pub fn note(&self, record: &Record) {
        let Some((uid, step)) = step(record) else { return };
        let mut steps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if steps.last.len() >= steps.room {
            steps.last.retain(|_, last| !is_old(last.time, record.time));
            steps.room = 2 * steps.last.len().max(512);
        }
        steps.last.insert(uid, step);
    }

    /// Whether the last step of the ticket led somewhere else than its status says. What approves is recorded first: where
    /// no step is on record, because the log was lost, nobody knows whether an approved ticket was used.
    pub fn denies(&self, uid: &str, state: &TicketState) -> bool {
        let steps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_usable = || matches!(state, TicketState::Approved { .. } | TicketState::Claimed { .. });
        steps
            .last
            .get(uid)
            .map_or_else(is_usable, |last| !last.led_to(state))
    }

    /// Whether the last step of the ticket led to what has this name, and with this claim, if one is named; of a ticket
    /// that nobody heard of, no.
    pub fn led_to(&self, uid: &str, name: &str, claim: Option<&Claim>) -> bool {
        let steps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |last: &Last| last.to == name && claim.is_none_or(|claim| last.is_of(claim));
        steps.last.get(uid).is_some_and(is_it)
    }

    /// Whether the ticket's status is one step ahead: a claim is written first and recorded then, and whoever wrote
    /// it may have died between.
    pub fn lags(&self, uid: &str, state: &TicketState) -> bool {
        let steps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_open = |last: &Last| last.to == APPROVED;
        state.claim().is_some() && steps.last.get(uid).is_some_and(is_open)
    }
}

/// A step.
#[derive(Debug)]
struct Last {
    time: Timestamp,
    to: Word,
    bind: Option<Digest>,
}

impl Last {
    /// Whether it can have led to this state.
    fn led_to(&self, state: &TicketState) -> bool {
        let same_claim = match state {
            TicketState::Claimed { claim, .. } => self.is_of(claim),
            _ => true,
        };
        self.to == state.as_str() && same_claim
    }

    /// Whether the claim is one of the same content, and not a later one.
    fn is_of(&self, claim: &Claim) -> bool {
        self.bind == Some(claim.bind) && claim.claimed_at <= self.time
    }
}

fn step(record: &Record) -> Option<(String, Last)> {
    let Event::TicketTransition(step) = &record.event else {
        return None;
    };
    let last = Last {
        time: record.time,
        to: step.to.clone(),
        bind: step.bind,
    };
    Some((step.ticket.uid.clone()?, last))
}

fn is_old(time: Timestamp, now: Timestamp) -> bool {
    now.duration_since(time) > TICKET_LIFE
}

#[cfg(test)]
mod tests;
