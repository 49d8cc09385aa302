//! Finished tickets leave when their time is over, and their reviews with them; so does a review whose ticket is gone.

use std::{sync::Arc, time::Duration};

use countersign_api::{ApprovalReview, ApprovalTicket};
use countersign_core::{
    policy::{Approvals, Policy},
    retention::kept_for,
    review::ReviewDecision,
    snapshot::Snapshot,
    ticket::{Ticket, TicketState},
};
use futures::{Stream, StreamExt};
use jiff::Timestamp;
use kube::{
    ResourceExt,
    runtime::{
        controller::{Action, Config, Controller},
        reflector::{ObjectRef, Store},
        watcher,
    },
};

use super::{CONCURRENCY, Context, ReconcileError, retry};
use crate::{
    admission::{REMOVED, removal},
    tickets::Tickets,
};

/// How soon, at the latest, what is kept is looked at again: clocks are set, and what a review is of may be taken away.
const LOOK: Duration = Duration::from_hours(1);

/// Removes a ticket that came to its end at `finished`, when its time is over, with its reviews. Else says when to
/// look again.
pub async fn outlive(
    ticket: &Ticket,
    finished: Timestamp,
    (snapshot, policy): (&Snapshot, &Policy),
    context: &Context,
) -> Result<Option<Duration>, ReconcileError> {
    let left = |reviewed| left(&ticket.state, finished, reviewed, &policy.approvals);
    let of_ticket = snapshot.reviews.get(&ticket.uid).into_iter().flatten();
    let known = of_ticket.into_iter().any(|review| is_of_others(review.decision));
    if let Some(left) = left(known) {
        return Ok(Some(left));
    }
    // What is known may be older than the last review.
    let tickets = Tickets::new(context.client.clone());
    let reviews = tickets.reviews(ticket).await?;
    let reviewed = reviews.iter().any(|review| is_of_others(review.spec.decision));
    if let Some(left) = left(reviewed) {
        return Ok(Some(left));
    }
    // It may have been tried before.
    if !context.log.led_to(ticket, REMOVED) {
        context.log.append(removal(ticket, snapshot)).await?;
    }
    tickets.remove(ticket, &reviews).await?;
    Ok(None)
}

/// How long until the ticket leaves, or is looked at again; `None` when its time is over. One that is not finished
/// stays, whatever its status says of an end.
fn left(state: &TicketState, finished: Timestamp, reviewed: bool, approvals: &Approvals) -> Option<Duration> {
    let Some(kept) = kept_for(state, reviewed, approvals) else {
        return Some(LOOK);
    };
    let leaves = finished.saturating_add(kept).unwrap_or(Timestamp::MAX);
    let left = Duration::try_from(leaves.duration_since(Timestamp::now())).ok()?;
    (!left.is_zero()).then_some(left.min(LOOK))
}

/// Only who asked takes a request back.
const fn is_of_others(decision: ReviewDecision) -> bool {
    !matches!(decision, ReviewDecision::Cancel)
}

/// What removes reviews.
struct Keeper {
    context: Arc<Context>,
    tickets: Store<ApprovalTicket>,
}

/// Removes each review whose ticket is gone: somebody took that away while nobody judged.
pub async fn keep_reviews(
    touched: impl Stream<Item = Result<ApprovalReview, watcher::Error>> + Send + 'static,
    store: Store<ApprovalReview>,
    tickets: Store<ApprovalTicket>,
    context: Arc<Context>,
) {
    // A store whose writer is gone knows nothing more; then the operator ends.
    let _ = tickets.wait_until_ready().await;
    Controller::for_stream(touched, store)
        .with_config(Config::default().concurrency(CONCURRENCY))
        .run(
            reconcile,
            |_, error, _| retry(error),
            Arc::new(Keeper { context, tickets }),
        )
        .for_each(|_| async {})
        .await;
}

async fn reconcile(review: Arc<ApprovalReview>, keeper: Arc<Keeper>) -> Result<Action, ReconcileError> {
    let of = &review.spec.ticket_ref;
    let namespace = review.namespace().unwrap_or_default();
    let known = keeper.tickets.get(&ObjectRef::new(&of.name).within(&namespace));
    let is_known = known.is_some_and(|ticket| ticket.uid().as_deref() == Some(&of.uid));
    let tickets = Tickets::new(keeper.context.client.clone());
    if is_known || tickets.uid(&namespace, &of.name).await?.as_deref() == Some(&of.uid) {
        return Ok(Action::requeue(LOOK));
    }
    let (name, ticket) = (review.name_any(), &of.name);
    tracing::warn!(name, ticket, "the ticket of a review is gone: so is the review");
    tickets.remove_review(&review).await?;
    Ok(Action::await_change())
}

#[cfg(test)]
mod tests {
    use countersign_core::ticket::End;

    use super::*;

    #[test]
    fn an_end_that_somebody_wrote_on_an_open_ticket_ends_nothing() {
        let long_ago = Timestamp::UNIX_EPOCH;
        let left = |state| left(&state, long_ago, true, &Approvals::default());
        for open in [
            TicketState::Pending { until: long_ago },
            TicketState::Approved {
                usable_until: long_ago,
            },
        ] {
            assert_eq!(left(open.clone()), Some(LOOK), "{open:?}");
        }
        assert_eq!(left(TicketState::Ended(End::Revoked)), None);
    }

    #[test]
    fn only_who_asked_cancels() {
        for decision in [
            ReviewDecision::Approve,
            ReviewDecision::Deny,
            ReviewDecision::Revoke,
        ] {
            assert!(is_of_others(decision), "{decision:?}");
        }
        assert!(!is_of_others(ReviewDecision::Cancel));
    }
}
