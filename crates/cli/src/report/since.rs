//! From when on: an age or a time.

use std::str::FromStr;

use countersign_api::duration;
use jiff::{SignedDuration, Timestamp};

/// The beginning of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// So long ago.
    Age(SignedDuration),
    /// At this time.
    Time(Timestamp),
}

/// A text that is neither.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is neither an age such as 7d, 12h or 1h30m, nor a time such as 2026-03-01T00:00:00Z")]
pub struct InvalidSince(String);

impl Since {
    /// The moment that is meant.
    pub fn at(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Age(age) => now.saturating_sub(age).unwrap_or(Timestamp::MIN),
            Self::Time(time) => time,
        }
    }
}

impl FromStr for Since {
    type Err = InvalidSince;

    fn from_str(text: &str) -> Result<Self, InvalidSince> {
        let days = || -> Option<SignedDuration> {
            let days: u16 = text.strip_suffix('d')?.parse().ok()?;
            Some(SignedDuration::from_hours(24 * i64::from(days)))
        };
        let age = days().or_else(|| duration::parse(text).ok());
        age.filter(SignedDuration::is_positive)
            .map(Self::Age)
            .or_else(|| text.parse().ok().map(Self::Time))
            .ok_or_else(|| InvalidSince(text.to_owned()))
    }
}
