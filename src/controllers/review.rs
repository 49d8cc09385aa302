//! ApprovalReview: whether it counts, and if not, why.

use countersign_api::{
    ApprovalReview, ApprovalReviewStatus,
    condition::{ConditionStatus, Observation, set_condition},
};
use countersign_core::{
    authn,
    review::{Review, ReviewDecision, Tally, check_eligible},
    snapshot::Snapshot,
    ticket::Ticket,
};
use jiff::Timestamp;
use kube::{
    Client,
    runtime::reflector::{ObjectRef, Store},
};

use super::{ReconcileError, status};

/// Tells each review of the ticket whether it counts.
pub async fn tell(
    reviews: &Store<ApprovalReview>,
    (ticket, tally): (&Ticket, &Tally),
    snapshot: &Snapshot,
    client: &Client,
) -> Result<(), ReconcileError> {
    for review in snapshot.reviews.get(&ticket.uid).into_iter().flatten() {
        let Some(object) = reviews.get(&ObjectRef::new(&review.name).within(&ticket.namespace)) else {
            continue;
        };
        let next = assess(&object, review, (ticket, tally), snapshot);
        if object.status.as_ref() != Some(&next) {
            status::apply_to(&*object, &next, client).await?;
        }
    }
    Ok(())
}

/// Why a review of an open ticket does not count.
fn why_not(review: &Review, ticket: &Ticket, snapshot: &Snapshot) -> (&'static str, String) {
    let subject = authn::absent(&review.reviewer, snapshot);
    if let Err(why) = check_eligible(&subject, review.decision, ticket, snapshot) {
        return ("NotEligible", why.to_string());
    }
    let said = (&review.reviewer, review.decision);
    let proven = snapshot
        .policy
        .get()
        .map(|policy| review.proof.check(said, ticket, policy));
    match proven {
        Some(Err(why)) => ("BadProof", why.to_string()),
        Some(Ok(())) | None => (
            "NotEligible",
            "another review of the same person counts".to_owned(),
        ),
    }
}

fn assess(
    object: &ApprovalReview,
    review: &Review,
    (ticket, tally): (&Ticket, &Tally),
    snapshot: &Snapshot,
) -> ApprovalReviewStatus {
    let (generation, now) = (object.metadata.generation, Timestamp::now());
    let mut status = object.status.clone().unwrap_or_default();
    status.observed_generation = generation;
    let counts = tally.counted.iter().any(|counted| counted.uid == review.uid);
    let (reason, message) = if counts {
        ("Counted", String::new())
    } else if ticket.state.is_final() {
        (
            "TicketFinished",
            format!("ticket `{}` is {}", ticket.name, ticket.state.as_str()),
        )
    } else if review.decision == ReviewDecision::Approve && snapshot.may_be_rewritten(review.created) {
        let message = "a foreign mutator may have changed it before it was stored: make it again".to_owned();
        ("ForeignMutator", message)
    } else {
        why_not(review, ticket, snapshot)
    };
    let counted = Observation {
        kind: "Counted",
        status: ConditionStatus::from(counts),
        reason,
        message,
    };
    set_condition(&mut status.conditions, counted, generation, now);
    let ready = Observation {
        kind: "Ready",
        status: ConditionStatus::True,
        reason: "DealtWith",
        message: String::new(),
    };
    set_condition(&mut status.conditions, ready, generation, now);
    status
}
