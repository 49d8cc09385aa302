//! A ticket is marked before a review that refuses it is stored: from then on no claim relies on what is known of its
//! reviews, so that whoever was told that a denial is stored can rely on that.

use std::time::Duration;

use countersign_core::{
    decision::{Cause, Denial, Reason},
    own::ReviewDraft,
    review::ReviewDecision,
    snapshot::Snapshot,
    ticket::{Ticket, TicketState},
};
use tokio::time::sleep;

use crate::tickets::Tickets;

/// How often the mark is tried while others write the ticket.
const ATTEMPTS: usize = 7;

/// How long others take to write it.
const MOMENT: Duration = Duration::from_millis(25);

/// Marks the ticket of a review that denies, revokes or cancels. Tells which version the ticket has then, as far as is
/// known.
pub async fn contest(
    review: &ReviewDraft,
    tickets: &Tickets,
    snapshot: &Snapshot,
) -> Result<Option<String>, Denial> {
    let refuses = review.decision != ReviewDecision::Approve;
    let Some(mut ticket) = review.ticket.clone().filter(|_| refuses) else {
        let known = review
            .ticket
            .as_ref()
            .map(|ticket| ticket.resource_version.to_string());
        return Ok(known);
    };
    for _ in 0..ATTEMPTS {
        if ticket.contested == Some(true) || matches!(ticket.state, TicketState::Ended(_)) {
            return Ok(Some(ticket.resource_version.to_string()));
        }
        match tickets.contest(&ticket, &snapshot.cluster).await {
            Ok(version) => return Ok(Some(version)),
            Err(kube::Error::Api(status)) if status.is_conflict() => sleep(MOMENT).await,
            Err(error) => return Err(unmarked(&ticket, &error.to_string())),
        }
        let read = tickets.again(&ticket, snapshot).await;
        let read = read.map_err(|error| unmarked(&ticket, &error.to_string()))?;
        ticket = read.ok_or_else(|| unmarked(&ticket, "it is gone"))?;
    }
    Err(unmarked(&ticket, "it changes too fast"))
}

fn unmarked(ticket: &Ticket, why: &str) -> Denial {
    let message = format!(
        "ticket `{}` could not be marked as contested, so the review is not stored: {why}; try again",
        ticket.name
    );
    Denial::new(Reason::Unreadable, message).because(Cause::of_ticket(ticket, "status.contested"))
}
