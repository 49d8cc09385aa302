//! Emergencies: the windows in which a person who opened one with the passcode is not held back by the rules.

pub mod passcode;
pub mod statement;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::{identity::Identity, snapshot::Snapshot};

/// How far the clock of whoever opens a window may be from the operator's.
pub const SKEW: SignedDuration = SignedDuration::from_mins(2);

/// What the name of a BreakGlass begins with; its nonce follows. A second one of the same nonce finds its name taken.
pub const NAME_PREFIX: &str = "break-glass-";

/// A window that was admitted: opened with the passcode, and stamped. Its end is a time, whoever runs then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emergency {
    /// Name of the BreakGlass object.
    pub name: Arc<str>,
    /// Who opened it.
    pub person: Identity,
    /// When it begins.
    pub begins: Timestamp,
    /// When it is over, at the latest.
    pub ends: Timestamp,
    /// Whether it was ended early.
    pub ended: bool,
    /// Who read afterwards what was done in it.
    pub review: Option<EmergencyReview>,
}

/// Somebody's word on what was done in a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmergencyReview {
    /// Who reviewed.
    pub reviewer: Identity,
    /// When.
    pub time: Timestamp,
}

impl Emergency {
    /// Whether it is open at this moment. It was signed by another clock, which may be a little ahead.
    pub fn is_open(&self, now: Timestamp) -> bool {
        !self.ended && self.begins.duration_since(now) <= SKEW && now < self.ends
    }
}

impl Snapshot {
    /// The window of a person that is open at this moment, of several the one that ends last.
    pub fn open_window(&self, person: &Identity, now: Timestamp) -> Option<&Arc<Emergency>> {
        latest(self.emergencies.get(person).into_iter().flatten(), now)
    }

    /// Anybody's window that is open at this moment, of several the one that ends last.
    pub fn any_open_window(&self, now: Timestamp) -> Option<&Arc<Emergency>> {
        latest(self.emergencies.values().flatten(), now)
    }
}

fn latest<'a>(
    windows: impl Iterator<Item = &'a Arc<Emergency>>,
    now: Timestamp,
) -> Option<&'a Arc<Emergency>> {
    windows
        .filter(|window| window.is_open(now))
        .max_by(|a, b| (a.ends, &a.name).cmp(&(b.ends, &b.name)))
}
