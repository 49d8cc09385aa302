//! Waiting for a condition, never for a while.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

/// How long anything may take on a busy machine.
pub const LONG: Duration = Duration::from_mins(1);

/// Asks until there is an answer; after `limit` the test fails with what it waited for.
pub fn within<T>(limit: Duration, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + limit;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < end, "waited {limit:?} in vain for {what}");
        sleep(Duration::from_millis(50));
    }
}

/// Asks until there is an answer, for as long as anything may take.
pub fn until<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    within(LONG, what, ask)
}
