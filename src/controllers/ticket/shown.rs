//! What a ticket's status shows: a pure function of the object, its state, and what its reviews add up to.

use countersign_api::{
    ApprovalTicket, ApprovalTicketStatus,
    approval_review::ProofType,
    approval_ticket::CountedReview,
    condition::{ConditionStatus, Observation, set_condition},
};
use countersign_core::{
    review::{Review, ReviewDecision, Tally},
    ticket::{End, TicketState},
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// How a ticket came to its end whose change was undone.
const ROLLED_BACK: &str = "the change was made, and its subject was let undo it without another approval";

/// The status that the ticket shall have.
pub fn shown(
    object: &ApprovalTicket,
    state: &TicketState,
    tally: &Tally,
    now: Timestamp,
) -> ApprovalTicketStatus {
    let mut status = object.status.clone().unwrap_or_default();
    status.set_state(state, now);
    status.observed_generation = object.metadata.generation;
    status.contested.get_or_insert(false);
    if !state.is_final() || status.required_reviews.is_none() {
        status.required_reviews = Some(tally.required).filter(|required| *required < u32::MAX);
        status.approvals = Some(approvals(tally));
        status.reviews = tally.counted.iter().map(|review| counted(review)).collect();
    }
    status.resolution = Some(match status.rollback {
        None => resolution(state).to_owned(),
        Some(_) => ROLLED_BACK.to_owned(),
    });
    let mut conditions = vec![
        ("Ready", matches!(state, TicketState::Approved { .. })),
        ("Approved", status.approved_at.is_some()),
        ("Denied", *state == TicketState::Ended(End::Denied)),
        ("Consumed", matches!(state, TicketState::Consumed { .. })),
    ];
    conditions.extend(status.rollback.is_some().then_some(("RolledBack", true)));
    for (kind, holds) in conditions {
        let observed = Observation {
            kind,
            status: ConditionStatus::from(holds),
            reason: state.as_str(),
            message: String::new(),
        };
        set_condition(&mut status.conditions, observed, object.metadata.generation, now);
    }
    status
}

fn approvals(tally: &Tally) -> u32 {
    let approving = tally
        .counted
        .iter()
        .filter(|review| review.decision == ReviewDecision::Approve);
    u32::try_from(approving.count()).unwrap_or(u32::MAX)
}

fn counted(review: &Review) -> CountedReview {
    CountedReview {
        reviewer: review.reviewer.to_string(),
        decision: review.decision,
        name: review.name.to_string(),
        uid: review.uid.to_string(),
        time: Time(review.created),
        proof: ProofType::from(&review.proof),
    }
}

const fn resolution(state: &TicketState) -> &'static str {
    match state {
        TicketState::Pending { .. } => "waits for reviews",
        TicketState::Approved { .. } => "the change may be made, once",
        TicketState::Claimed { stop: None, .. } => {
            "a write holds it, and whether it was stored is being found out"
        }
        TicketState::Claimed { stop: Some(_), .. } => {
            "ended while a write held it, whose outcome is being found out"
        }
        TicketState::Consumed { .. } => "the change was made",
        TicketState::Ended(End::Denied) => "a reviewer denied it",
        TicketState::Ended(End::Expired) => "its time ran out",
        TicketState::Ended(End::Cancelled) => "who asked for it took it back",
        TicketState::Ended(End::Superseded) => "the subject asked for a newer change of the same object",
        TicketState::Ended(End::Revoked) => "a reviewer took the approval back",
        TicketState::Ended(End::Indeterminate) => "whether the change was made cannot be known: ask anew",
    }
}
