//! Emergencies: the windows in which a person who opened one with the passcode is not held back by the rules.

use std::sync::Arc;

use jiff::Timestamp;

use crate::identity::Identity;

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
}

impl Emergency {
    /// Whether it is open at this moment.
    pub fn is_open(&self, now: Timestamp) -> bool {
        !self.ended && self.begins <= now && now < self.ends
    }
}
