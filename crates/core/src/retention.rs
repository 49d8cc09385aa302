//! How long a finished ticket stays in the cluster. The audit log keeps what became of it for ever.

use jiff::SignedDuration;

use crate::{
    policy::Approvals,
    ticket::{End, TicketState},
};

/// How long a ticket stays that ended before anybody but its own people looked at it: whoever asks in a loop leaves
/// no more behind than that.
pub const UNREVIEWED: SignedDuration = SignedDuration::from_mins(10);

/// How long a ticket stays after its end; `None` before. `reviewed` says whether somebody else than who asked for it
/// reviewed it.
///
/// A ticket stays for as long as a rule asks for it: a denied change is not asked for again for a while, and a used
/// approval covers its inverse for a while.
pub fn kept_for(state: &TicketState, reviewed: bool, approvals: &Approvals) -> Option<SignedDuration> {
    let retention = approvals.retention;
    match state {
        TicketState::Pending { .. } | TicketState::Approved { .. } | TicketState::Claimed { .. } => None,
        TicketState::Ended(End::Expired | End::Superseded | End::Cancelled) if !reviewed => Some(UNREVIEWED),
        TicketState::Ended(End::Denied) => Some(retention.max(approvals.pending_ttl)),
        TicketState::Consumed { .. } => Some(retention.max(approvals.rollback_window.unwrap_or_default())),
        TicketState::Ended(_) => Some(retention),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fixtures::{after, approved, digest, now, pending},
        ticket::Claim,
    };

    fn claim() -> Claim {
        Claim {
            bind: digest(1),
            by: "call".into(),
            claimed_at: now(),
            object_uid: None,
            resource_version: None,
            resent: false,
        }
    }

    const fn hours(hours: i64) -> SignedDuration {
        SignedDuration::from_hours(hours)
    }

    #[test]
    fn what_is_not_finished_stays() {
        let claimed = TicketState::Claimed {
            usable_until: after(9),
            claim: claim(),
            stop: None,
        };
        for state in [pending(), approved(), claimed] {
            for reviewed in [true, false] {
                assert_eq!(
                    kept_for(&state, reviewed, &Approvals::default()),
                    None,
                    "{state:?}"
                );
            }
        }
    }

    #[test]
    fn what_nobody_else_looked_at_leaves_within_minutes_and_the_rest_is_kept() {
        let approvals = Approvals {
            retention: SignedDuration::from_hours(2),
            pending_ttl: SignedDuration::from_hours(1),
            ..Approvals::default()
        };
        let consumed = TicketState::Consumed { claim: claim() };
        let soon = Some(UNREVIEWED);
        for (state, unreviewed) in [
            (TicketState::Ended(End::Expired), soon),
            (TicketState::Ended(End::Superseded), soon),
            (TicketState::Ended(End::Cancelled), soon),
            (TicketState::Ended(End::Denied), Some(hours(2))),
            (TicketState::Ended(End::Revoked), Some(hours(2))),
            (TicketState::Ended(End::Indeterminate), Some(hours(2))),
            (consumed, Some(hours(2))),
        ] {
            assert_eq!(kept_for(&state, false, &approvals), unreviewed, "{state:?}");
            assert_eq!(kept_for(&state, true, &approvals), Some(hours(2)), "{state:?}");
        }
    }

    #[test]
    fn a_ticket_stays_for_as_long_as_a_rule_asks_for_it() {
        let approvals = Approvals {
            retention: SignedDuration::from_hours(1),
            pending_ttl: SignedDuration::from_hours(24),
            rollback_window: Some(hours(3)),
            ..Approvals::default()
        };
        let consumed = TicketState::Consumed { claim: claim() };
        assert_eq!(
            kept_for(&TicketState::Ended(End::Denied), true, &approvals),
            Some(hours(24))
        );
        assert_eq!(kept_for(&consumed, true, &approvals), Some(hours(3)));
        let never = Approvals {
            rollback_window: None,
            ..approvals
        };
        assert_eq!(kept_for(&consumed, true, &never), Some(hours(1)));
    }
}
