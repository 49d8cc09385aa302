//! Where each ticket stands by the log's own word, whatever its status says.

use std::{
    collections::{HashMap, hash_map::Entry},
    fs::{self, File},
    io::{BufRead, BufReader},
    path::Path,
    sync::{Mutex, PoisonError},
};

use countersign_core::{
    audit::{Event, Record, record::Word},
    digest::Digest,
    ticket::{Ticket, TicketState},
};
use jiff::{SignedDuration, Timestamp};

use super::directory::{OpenError, failed, segments};

/// No ticket is older when it is used: `pendingTTL` is 30 days at most and `approvedTTL` one, and one day more.
pub const TICKET_LIFE: SignedDuration = SignedDuration::from_hours(32 * 24);

/// The state that the last recorded step led to, by the ticket's uid; of every ticket that may still be used.
#[derive(Debug, Default)]
pub(super) struct Standing(Mutex<Steps>);

#[derive(Debug, Default)]
struct Steps {
    /// When the log began: of older tickets it may have missed steps.
    began: Timestamp,
    last: HashMap<String, Last>,
    /// How many there may be before the old ones are let go.
    room: usize,
}

impl Standing {
    /// What the log in `path` says.
    pub fn read(path: &Path, now: Timestamp) -> Result<Self, OpenError> {
        let mut last = HashMap::new();
        let segments = segments(path)?;
        let began = segments.first().map(|first| beginning(first)).transpose()?;
        for segment in segments.iter().rev() {
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
                keep(uid, step, &mut last, |known, found| known < found);
            }
            if old && !recent {
                break;
            }
        }
        Ok(Self(Mutex::new(Steps {
            began: began.flatten().unwrap_or(now),
            last,
            room: 0,
        })))
    }

    /// Takes note of a record.
    pub fn note(&self, record: &Record) {
        let Some((uid, step)) = step(record) else { return };
        let mut steps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if steps.last.len() >= steps.room {
            steps.last.retain(|_, last| !is_old(last.time, record.time));
            steps.room = 2 * steps.last.len().max(512);
        }
        keep(uid, step, &mut steps.last, |known, found| known <= found);
    }

    /// Whether the ticket was led further than its status says, or somewhere else, or may have been: what somebody else
    /// than the operator wrote opens nothing; and where no step is on record nobody knows of a ticket that is older
    /// than the log whether it was used.
    pub fn denies(&self, ticket: &Ticket) -> bool {
        let steps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_usable = matches!(
            ticket.state,
            TicketState::Approved { .. } | TicketState::Claimed { .. }
        );
        match (steps.last.get(&*ticket.uid), ticket.steps) {
            (Some(last), count) => {
                count <= Some(last.steps) && !last.led_to(ticket) || is_usable && count.is_none()
            }
            (None, Some(_)) => is_usable && ticket.created < steps.began,
            (None, None) => is_usable,
        }
    }

    /// Whether the last step of the ticket led where its status says, with this very claim; of a ticket that nobody heard
    /// of, no.
    pub fn confirms(&self, ticket: &Ticket) -> bool {
        let steps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let same_claim = |last: &Last| last.bind == ticket.last_claim().map(|claim| claim.bind);
        let last = steps.last.get(&*ticket.uid);
        last.is_some_and(|last| last.led_to(ticket) && same_claim(last))
    }

    /// Whether the last step of the ticket led to what has this name.
    pub fn led_to(&self, uid: &str, name: &str) -> bool {
        let steps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        steps.last.get(uid).is_some_and(|last| last.to == name)
    }

    /// Whether the operator led the ticket further than is on record, or somewhere else: another replica did, or one that
    /// died before it could record that.
    pub fn lags(&self, ticket: &Ticket) -> bool {
        let steps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match (steps.last.get(&*ticket.uid), ticket.steps) {
            (_, None) => false,
            (Some(last), Some(count)) => count > last.steps || count == last.steps && !last.led_to(ticket),
            (None, Some(count)) => count > 0 && ticket.created >= steps.began,
        }
    }
}

/// When the log began, by its first record.
fn beginning(segment: &Path) -> Result<Option<Timestamp>, OpenError> {
    let file = File::open(segment).map_err(failed(segment))?;
    let mut line = String::new();
    BufReader::new(file)
        .read_line(&mut line)
        .map_err(failed(segment))?;
    let first: Option<Record> = serde_json::from_str(&line).ok();
    Ok(first.map(|record| record.time))
}

/// A step.
#[derive(Debug)]
struct Last {
    time: Timestamp,
    to: Word,
    steps: u32,
    bind: Option<Digest>,
}

impl Last {
    /// Whether it led the ticket where it stands.
    fn led_to(&self, ticket: &Ticket) -> bool {
        let same_claim = match &ticket.state {
            TicketState::Claimed { claim, .. } => self.bind == Some(claim.bind),
            _ => true,
        };
        Some(self.steps) == ticket.steps && self.to == ticket.standing() && same_claim
    }
}

/// Keeps a step of a ticket, unless one is known that came later.
fn keep(uid: String, step: Last, last: &mut HashMap<String, Last>, replaces: fn(u32, u32) -> bool) {
    match last.entry(uid) {
        Entry::Vacant(place) => drop(place.insert(step)),
        Entry::Occupied(mut known) if replaces(known.get().steps, step.steps) => drop(known.insert(step)),
        Entry::Occupied(_) => {}
    }
}

fn step(record: &Record) -> Option<(String, Last)> {
    let Event::TicketTransition(step) = &record.event else {
        return None;
    };
    let last = Last {
        time: record.time,
        to: step.to.clone(),
        steps: step.steps.unwrap_or_default(),
        bind: step.bind,
    };
    Some((step.ticket.uid.clone()?, last))
}

fn is_old(time: Timestamp, now: Timestamp) -> bool {
    now.duration_since(time) > TICKET_LIFE
}

#[cfg(test)]
mod tests;
