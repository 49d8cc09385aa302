//! Names that the API server gives: few numbers, used again when nobody knows them any more.

use std::sync::{Arc, LazyLock};

use countersign_core::ticket::TicketState;

/// Uid or version, as the protocol carries it.
static NAMES: LazyLock<Vec<Arc<str>>> =
    LazyLock::new(|| (0..=u8::MAX).map(|n| n.to_string().into()).collect());

pub fn name(number: u8) -> Arc<str> {
    NAMES.get(usize::from(number)).cloned().unwrap_or_default()
}

/// `None` of the empty name.
pub fn number(name: &str) -> Option<u8> {
    name.parse().ok()
}

/// A set of uids.
#[derive(Default)]
pub struct Taken(u64);

impl Taken {
    pub fn take(&mut self, uid: u8) {
        self.0 |= 1 << uid;
    }

    /// Takes those that a ticket knows.
    pub fn take_of(&mut self, state: &TicketState) {
        let Some(claim) = state.claim() else { return };
        let uids = [Some(&claim.by), claim.object_uid.as_ref()];
        for uid in uids.into_iter().flatten().filter_map(|uid| number(uid)) {
            self.take(uid);
        }
    }

    /// One that nobody has.
    pub fn free(&self) -> u8 {
        u8::try_from(self.0.trailing_ones()).unwrap_or(u8::MAX)
    }
}
