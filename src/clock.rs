//! Whether the operator's clock agrees with that of the API server, whose answers are dated.
//!
//! Objects are dated by the one, and how long they count is measured by the other.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use countersign_core::decision::{Denial, Reason};
use http::{Response, header::DATE};
use jiff::{Timestamp, fmt::rfc2822::DateTimeParser};

/// How far the clocks may be apart, in seconds; answers are dated to the second.
const MOST: u64 = 60;

/// By how many seconds the operator's clock was ahead when the API server last answered. Clones know the same.
#[derive(Clone, Debug, Default)]
pub struct Clock(Arc<AtomicI64>);

impl Clock {
    /// Hands on an answer that came at this time, and takes note of its date.
    pub fn note<B>(&self, answer: Response<B>, now: Timestamp) -> Response<B> {
        let date = answer.headers().get(DATE).and_then(|date| date.to_str().ok());
        if let Some(date) = date.and_then(|date| DateTimeParser::new().parse_timestamp(date).ok()) {
            let ahead = now.as_second().saturating_sub(date.as_second());
            self.0.store(ahead, Ordering::Relaxed);
        }
        answer
    }

    /// Denies what would be decided by a wrong clock.
    pub fn check(&self) -> Result<(), Denial> {
        let ahead = self.0.load(Ordering::Relaxed);
        if ahead.unsigned_abs() <= MOST {
            return Ok(());
        }
        let side = if ahead > 0 { "ahead of" } else { "behind" };
        let message = format!(
            "the operator's clock is {} s {side} the API server's, so what has expired is not known: set it",
            ahead.unsigned_abs()
        );
        Err(Denial::new(Reason::WrongClock, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(dates: &[&str], now: &str) -> Option<String> {
        let clock = Clock::default();
        for date in dates {
            let answer = Response::builder().header(DATE, *date).body(()).unwrap();
            clock.note(answer, now.parse().unwrap());
        }
        clock.note(Response::new(()), now.parse().unwrap());
        clock.check().err().map(|denial| {
            assert_eq!(denial.reason, Reason::WrongClock);
            denial.message
        })
    }

    #[test]
    fn the_last_date_that_can_be_read_tells_whether_the_clock_is_right() {
        let (noon, one) = ("Sun, 06 Nov 1994 12:00:00 GMT", "Sun, 06 Nov 1994 13:00:00 GMT");
        assert_eq!(after(&[], "1994-11-06T12:00:00Z"), None);
        assert_eq!(after(&[noon], "1994-11-06T12:01:00Z"), None);
        assert_eq!(after(&[noon], "1994-11-06T11:59:00Z"), None);
        assert_eq!(after(&[one, noon, "noon"], "1994-11-06T12:00:30Z"), None);
        let ahead = after(&[noon], "1994-11-06T12:01:01Z").unwrap();
        assert!(ahead.contains("is 61 s ahead of the API server's"), "{ahead}");
        let behind = after(&[noon, one], "1994-11-06T12:00:00Z").unwrap();
        assert!(behind.contains("is 3600 s behind the API server's"), "{behind}");
    }
}
