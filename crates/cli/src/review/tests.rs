//! What a review says, and of which tickets.

use super::{submit::rewritten, *};
use crate::ticket::tests::ticket;

fn review(hash: Option<Digest>) -> Review {
    Review {
        chosen: Chosen {
            ticket: Some("t".to_owned()),
            ..Chosen::default()
        },
        reason: None,
        hash,
        signing: Signing::default(),
        yes: true,
        output: Format::Table,
    }
}

fn of_batch(hash: Option<Digest>) -> Review {
    Review {
        chosen: Chosen {
            batch: Some("rollout".to_owned()),
            ..Chosen::default()
        },
        ..review(hash)
    }
}

fn seen(replicas: &str) -> Seen {
    let ticket = ticket(&[("/spec/replicas", Some("2"), Some(replicas))]);
    let hash = shown_hash(&ticket, ReviewDecision::Approve).unwrap();
    Seen { ticket, hash }
}

#[test]
fn a_review_is_of_the_very_ticket_and_hash_that_was_shown() {
    let seen = seen("3");
    let draft = review(None).draft(&seen, ReviewDecision::Approve).unwrap();
    assert_eq!(Some(draft.spec.binding_hash), seen.ticket.spec.binding_hash);
    assert_eq!(
        (draft.spec.ticket_ref.uid.as_str(), draft.metadata.name),
        ("t1", None)
    );
    let prefix = "deployment-my-api-0123456789-approve-";
    assert_eq!(draft.metadata.generate_name.as_deref(), Some(prefix));
}

#[test]
fn another_hash_than_the_one_looked_at_is_refused() {
    let other = Some(Digest::of(&[]));
    let error = review(other).check_hash(&[seen("3")]).unwrap_err().to_string();
    assert!(
        error.starts_with("the ticket's hash is ") && error.ends_with(": look at it again"),
        "{error}"
    );
    assert!(review(Some(seen("3").hash)).check_hash(&[seen("3")]).is_ok());
}

#[test]
fn a_batch_that_somebody_joined_meanwhile_has_another_hash() {
    let looked_at = [seen("3"), seen("4")];
    let review = of_batch(Some(batch_hash(&looked_at)));
    assert!(review.check_hash(&looked_at).is_ok());
    let joined = [seen("3"), seen("4"), seen("9")];
    let error = review.check_hash(&joined).unwrap_err().to_string();
    assert!(error.starts_with("the batch's hash is "), "{error}");
}

#[test]
fn a_ticket_that_shows_something_else_can_be_denied_and_not_approved() {
    let mut forged = ticket(&[("/spec/replicas", Some("2"), Some("3"))]);
    forged.spec.change[0].new = Some("2".to_owned());
    let error = shown_hash(&forged, ReviewDecision::Approve).unwrap_err();
    assert_eq!(error.to_string(), "this ticket does not show what it binds");
    let denied = shown_hash(&forged, ReviewDecision::Deny).unwrap();
    assert_eq!(Some(denied.to_string()), forged.spec.binding_hash);
}

#[test]
fn of_a_batch_what_is_over_is_left_out() {
    use ReviewDecision::{Approve, Cancel, Deny, Revoke};
    use TicketState::{Approved, Claimed, Consumed, Denied, Pending};
    for (state, open) in [
        (Pending, vec![Approve, Deny, Cancel]),
        (Approved, vec![Deny, Revoke, Cancel]),
        (Claimed, vec![Deny, Revoke, Cancel]),
        (Consumed, vec![]),
        (Denied, vec![]),
    ] {
        for decision in [Approve, Deny, Revoke, Cancel] {
            assert_eq!(
                is_open_to(decision, state),
                open.contains(&decision),
                "{decision:?} {state:?}"
            );
        }
    }
}

#[test]
fn a_review_that_says_something_else_than_was_sent_is_noticed() {
    let sent = review(None).draft(&seen("3"), ReviewDecision::Deny).unwrap();
    let mut stored = sent.clone();
    stored.metadata.name = Some("r".to_owned());
    stored.spec.reviewer = Some("user:ada".to_owned());
    stored.spec.stamp = Some("stamp".to_owned());
    assert_eq!(rewritten(&sent, &stored), None);
    stored.spec.decision = ReviewDecision::Approve;
    stored.spec.ticket_ref.uid = "t2".to_owned();
    let told = "spec.ticketRef.uid was `t1` and is `t2`, spec.decision was `Deny` and is `Approve`";
    assert_eq!(rewritten(&sent, &stored).as_deref(), Some(told));
}
