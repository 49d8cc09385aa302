//! Time: it is always now, and what bears a date grows older. So what differs in its age alone is one state, and time
//! never ends.

use countersign_core::ticket::{Claim, TicketState};
use jiff::{SignedDuration, Timestamp};

/// Always.
pub const NOW: Timestamp = Timestamp::UNIX_EPOCH;

/// How far time jumps: for so long the API server works on one call (E2). A claim's window ends between the second
/// and the third jump, and its write is settled before the fourth.
pub const TICK: SignedDuration = SignedDuration::from_secs(34);

/// For how many ticks a ticket waits for reviews.
pub const PENDING: i32 = 1;

/// For how many ticks it may be used: one longer than a claim holds it, so that it can be used after a release.
pub const USABLE: i32 = 5;

/// No deadline is further from its claim; what is older is as old.
const OLDEST: i32 = 4;

/// So many ticks from now.
pub fn after(ticks: i32) -> Timestamp {
    NOW + TICK * ticks
}

/// Lets a tick pass for a ticket.
pub fn age(state: &mut TicketState) {
    match state {
        TicketState::Pending { until } => age_end(until),
        TicketState::Approved { usable_until } => age_end(usable_until),
        TicketState::Claimed {
            usable_until, claim, ..
        } => {
            age_end(usable_until);
            age_claim(claim);
        }
        TicketState::Consumed { claim } => age_claim(claim),
        TicketState::Ended(_) => {}
    }
}

fn age_claim(claim: &mut Claim) {
    claim.claimed_at = (claim.claimed_at - TICK).max(after(-OLDEST));
}

/// What is over is over.
fn age_end(end: &mut Timestamp) {
    if *end != Timestamp::MAX {
        *end = (*end - TICK).max(NOW);
    }
}
