//! Batches: tickets that belong together, and how the use of one keeps the others usable.

use std::sync::Arc;

use jiff::Timestamp;

use crate::{
    binding::whole_seconds, identity::Identity, policy::Approvals, review::Tally, snapshot::Snapshot,
    ticket::Ticket,
};

/// What the tickets of one batch share. A name alone makes no batch, since anybody may write somebody else's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BatchKey {
    name: Arc<str>,
    subject: Identity,
    requester: Identity,
}

impl BatchKey {
    /// The batch that a ticket says it is of.
    pub fn of(ticket: &Ticket) -> Option<Self> {
        Some(Self {
            name: ticket.batch.clone()?,
            subject: ticket.binding.subject.clone(),
            requester: ticket.requester.clone(),
        })
    }
}

/// Until when an approved ticket stays usable since others of its batch are being used; `None` when none was.
///
/// The last use counts, for as long as a fresh approval would, and never beyond the time that a ticket may wait after
/// its own approval. Only tickets that were there at that approval count: its reviewers could see them, and whoever
/// asks cannot keep an old approval alive by asking for more.
pub fn usable_until(
    ticket: &Ticket,
    tally: &Tally,
    snapshot: &Snapshot,
    approvals: &Approvals,
) -> Option<Timestamp> {
    let approved_at = tally.approved_at?;
    let others = snapshot.batches.get(&BatchKey::of(ticket)?)?;
    let uses = others
        .iter()
        .filter(|other| other.uid != ticket.uid && other.created <= approved_at)
        .filter_map(|other| Some(other.state.claim()?.claimed_at));
    let later = |from: Timestamp, by| from.saturating_add(by).unwrap_or(Timestamp::MAX);
    let end = later(uses.max()?, approvals.approved_ttl);
    Some(whole_seconds(end.min(later(approved_at, approvals.pending_ttl))))
}

#[cfg(test)]
mod tests;
