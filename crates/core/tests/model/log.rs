//! What the audit log says of a ticket: the last step on record, as `src/audit/standing.rs` keeps it. One log stands
//! for those of all replicas.

use countersign_core::{digest::Digest, ticket::TicketState};
use jiff::Timestamp;

use super::time::NOW;

/// The last step of a ticket that is on record.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Recorded {
    to: &'static str,
    bind: Option<Digest>,
    /// When it led to a claim.
    pub time: Option<Timestamp>,
}

impl Recorded {
    /// The step to this state, now.
    pub fn now(state: &TicketState) -> Self {
        let is_claimed = matches!(state, TicketState::Claimed { .. });
        Self {
            to: state.as_str(),
            bind: state.claim().map(|claim| claim.bind),
            time: is_claimed.then_some(NOW),
        }
    }

    /// The step to this claim, when it was made.
    pub fn then(state: &TicketState) -> Self {
        let now = Self::now(state);
        let made = state.claim().map(|claim| claim.claimed_at);
        Self {
            time: now.time.and(made),
            ..now
        }
    }

    fn led_to(&self, state: &TicketState) -> bool {
        let same_claim = match state {
            TicketState::Claimed { claim, .. } => {
                self.bind == Some(claim.bind) && Some(claim.claimed_at) <= self.time
            }
            _ => true,
        };
        self.to == state.as_str() && same_claim
    }
}

/// Whether the log says something else than the status.
pub fn contradicts(last: Option<&Recorded>, state: &TicketState) -> bool {
    let is_usable = || matches!(state, TicketState::Approved { .. } | TicketState::Claimed { .. });
    last.map_or_else(is_usable, |last| !last.led_to(state))
}

/// Whether the status is one step ahead.
pub fn lags_behind(last: Option<&Recorded>, state: &TicketState) -> bool {
    state.claim().is_some() && last.is_some_and(|last| last.to == "Approved")
}
