//! What became of a claimed write: it was stored, it was not and never will be, or nobody can tell.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use countersign_core::{
    snapshot::Snapshot,
    ticket::{Claim, Event, Ticket, TicketState},
};
use jiff::Timestamp;

use super::{Context, ReconcileError};
use crate::admission::{Past, Trace};

/// How long a write takes at least to be stored after its claim.
const FIRST: Duration = Duration::from_millis(100);

/// How soon to look again at first, and at most.
const SOON: Duration = Duration::from_millis(500);
const LATE: Duration = Duration::from_secs(5);

/// How far the past of each claimed object is known: nothing of the write was stored up to this version. A later look
/// goes on from there, since the API server soon forgets the past of a kind that changes often.
#[derive(Debug, Default)]
pub struct Progress(Mutex<HashMap<Arc<str>, (Timestamp, u64)>>);

impl Progress {
    fn of(&self, ticket: &Ticket, claim: &Claim) -> Option<String> {
        let known = self.known().get(&ticket.uid).copied();
        let known = known.filter(|(claimed_at, _)| *claimed_at == claim.claimed_at);
        let known = known.map(|(_, version)| version.to_string());
        known.or_else(|| claim.resource_version.as_deref().map(str::to_owned))
    }

    fn note(&self, ticket: &Ticket, claim: &Claim, version: u64) {
        self.known()
            .insert(ticket.uid.clone(), (claim.claimed_at, version));
    }

    /// The ticket is not held by a write, or no more.
    pub fn forget(&self, ticket: &Ticket) {
        self.known().remove(&ticket.uid);
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Arc<str>, (Timestamp, u64)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was found out of the write that holds `ticket`, if anything, and when to look again.
pub async fn resolve(
    ticket: &Ticket,
    snapshot: &Snapshot,
    (progress, context): (&Progress, &Context),
) -> Result<(Option<Event>, Duration), ReconcileError> {
    let TicketState::Claimed { claim, .. } = &ticket.state else {
        return Ok((None, LATE));
    };
    let target = ticket.binding.target.target();
    let ignore = snapshot
        .policy
        .get()
        .map(|policy| policy.hash_ignore(target.group, target.kind));
    let trace = Trace::new(ticket, &snapshot.cluster.redaction, ignore.unwrap_or_default());
    let now = Timestamp::now();
    let past = match progress.of(ticket, claim) {
        Some(version) => trace.since(&version, None, &context.client).await?,
        None => Past::Lost,
    };
    let over = now >= claim.settled_at();
    let event = match past {
        Past::Committed => Some(Event::Committed),
        Past::Untouched(_) if over => Some(Event::NotCommitted),
        Past::Lost => present(&trace, ticket, over, context).await?,
        Past::Untouched(version) => {
            progress.note(ticket, claim, version);
            None
        }
        Past::Untold => None,
    };
    Ok((event, age(claim, now).unwrap_or_default().clamp(SOON, LATE)))
}

/// How long until the write of a claim can have been stored.
pub fn too_early(claim: &Claim, now: Timestamp) -> Option<Duration> {
    FIRST.checked_sub(age(claim, now)?)
}

fn age(claim: &Claim, now: Timestamp) -> Option<Duration> {
    Duration::try_from(now.duration_since(claim.claimed_at)).ok()
}

/// What the object as it is now tells: that it bears the mark of the write, or nothing before the time is over.
async fn present(
    trace: &Trace<'_>,
    ticket: &Ticket,
    over: bool,
    context: &Context,
) -> Result<Option<Event>, ReconcileError> {
    let TicketState::Claimed { claim, .. } = &ticket.state else {
        return Ok(None);
    };
    Ok(
        match trace
            .of_present(claim.resource_version.as_deref(), &context.client)
            .await?
        {
            Past::Committed => Some(Event::Committed),
            Past::Untouched(_) if over => Some(Event::NotCommitted),
            Past::Lost if over => Some(Event::Unknowable),
            Past::Untouched(_) | Past::Untold | Past::Lost => None,
        },
    )
}
