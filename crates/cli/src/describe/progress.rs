//! What became of a ticket so far: its reviews, its claim, its conditions.

use std::fmt::Write as _;

use countersign_api::{ApprovalTicket, approval_review::ProofType};
use countersign_core::plain::plain;
use jiff::Timestamp;

/// The reviews that counted, and what followed.
pub fn told(ticket: &ApprovalTicket, now: Timestamp) -> String {
    let status = ticket.status.clone().unwrap_or_default();
    let mut text = match status.required_reviews {
        Some(required) => format!("\nReviews ({required} must approve):\n"),
        None => "\nReviews:\n".to_owned(),
    };
    for review in &status.reviews {
        let ago = crate::output::age(now.as_second() - review.time.0.as_second());
        let _ = writeln!(
            text,
            "  {} by {}, {ago} ago{}",
            review.decision.as_str(),
            plain(&review.reviewer),
            if review.proof == ProofType::SSH {
                ", signed"
            } else {
                ""
            }
        );
    }
    if status.reviews.is_empty() {
        text.push_str("  none yet\n");
    }
    if let Some(claim) = &status.claim {
        let _ = writeln!(
            text,
            "\nUsed by a write at {}, held until {}",
            claim.claimed_at.0, claim.deadline.0
        );
    }
    if let Some(resolution) = &status.resolution {
        let _ = writeln!(text, "\nNote: {}", plain(resolution));
    }
    if !status.conditions.is_empty() {
        text.push_str("\nConditions:\n");
    }
    for condition in &status.conditions {
        let said = [
            &condition.type_,
            "=",
            &condition.status,
            " (",
            &condition.reason,
            ") ",
            &condition.message,
        ];
        let _ = writeln!(text, "  {}", plain(said.concat().trim_end()));
    }
    text
}
