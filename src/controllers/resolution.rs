//! What became of a claimed write: it was stored, it was not and never will be, or nobody can tell.

use std::time::Duration;

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

/// What was found out of the write that holds `ticket`, if anything, and when to look again.
pub async fn resolve(
    ticket: &Ticket,
    snapshot: &Snapshot,
    context: &Context,
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
    let past = match claim.resource_version.as_deref() {
        Some(version) => trace.since(version, None, &context.client).await?,
        None => Past::Lost,
    };
    let over = now >= claim.settled_at();
    let event = match past {
        Past::Committed => Some(Event::Committed),
        Past::Untouched if over => Some(Event::NotCommitted),
        Past::Lost => present(&trace, ticket, over, context).await?,
        Past::Untouched | Past::Untold => None,
    };
    Ok((event, age(claim, now).clamp(SOON, LATE)))
}

/// How long until the write of a claim can have been stored.
pub fn too_early(claim: &Claim, now: Timestamp) -> Option<Duration> {
    FIRST.checked_sub(age(claim, now))
}

fn age(claim: &Claim, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(claim.claimed_at)).unwrap_or_default()
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
            Past::Untouched if over => Some(Event::NotCommitted),
            Past::Lost if over => Some(Event::Unknowable),
            Past::Untouched | Past::Untold | Past::Lost => None,
        },
    )
}
