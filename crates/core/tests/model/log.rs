//! What a replica's audit log says of the tickets: the last step of each that it knows; as `src/audit/standing.rs`.

use countersign_core::{digest::Digest, ticket::TicketState};

use super::{
    pair::{Nth, Pair},
    world::Stored,
};

/// One replica's log; it outlives the replica.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Log(Pair<Option<Recorded>>);

/// The last step of a ticket that is on record.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Recorded {
    to: &'static str,
    steps: u8,
    bind: Option<Digest>,
}

impl Recorded {
    /// The step that led a ticket where it stands. Every version of a ticket is one step.
    pub fn of(ticket: &Stored) -> Self {
        Self {
            to: ticket.state.as_str(),
            steps: ticket.version,
            bind: ticket.state.claim().map(|claim| claim.bind),
        }
    }

    fn led_to(&self, ticket: &Stored) -> bool {
        let same_claim = match &ticket.state {
            TicketState::Claimed { claim, .. } => self.bind == Some(claim.bind),
            _ => true,
        };
        self.steps == ticket.version && self.to == ticket.state.as_str() && same_claim
    }
}

impl Log {
    /// As old as the tickets, and empty.
    pub const fn new() -> Self {
        Self(Pair::new(None, None))
    }

    /// Takes note of a step, unless a later one is known.
    pub fn note(&mut self, nth: Nth, step: Recorded) {
        let last = &mut self.0[nth];
        if last.as_ref().is_none_or(|last| last.steps <= step.steps) {
            *last = Some(step);
        }
    }

    /// Whether the ticket was led further than its status says, or somewhere else.
    pub fn contradicts(&self, nth: Nth, ticket: &Stored) -> bool {
        let last = self.0[nth].as_ref();
        last.is_some_and(|last| ticket.version <= last.steps && !last.led_to(ticket))
    }

    /// Records where the ticket stands, if the log does not know of the steps that led there.
    pub fn record_finding(&mut self, nth: Nth, ticket: &Stored) {
        let lags = match &self.0[nth] {
            Some(last) => ticket.version > last.steps || ticket.version == last.steps && !last.led_to(ticket),
            None => ticket.version > 0,
        };
        if lags {
            self.note(nth, Recorded::of(ticket));
        }
    }
}
