//! All that there is at one moment: what is stored, what is under way, what each replica knows.

use countersign_core::ticket::TicketState;

use super::{
    collection::{Collection, Object},
    log::{Log, Recorded},
    names::{Taken, number},
    pair::{Nth, Pair},
    plan::ORIGINAL,
};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    /// The tickets at the API server.
    pub tickets: Pair<Stored>,
    /// The reviews at the API server.
    pub reviews: Pair<Reviews>,
    pub collection: Collection,
    /// What each client has asked the API server for.
    pub calls: Pair<Option<Call>>,
    pub replicas: Pair<Replica>,
    /// The step that a controller has recorded, on its way to the API server.
    pub keeping: Option<Write>,
    /// A claim whose sender no longer waits for it, likewise.
    pub stray: Option<Write>,
    /// What may still go wrong.
    pub left: Bounds,
    /// What the properties are about.
    pub story: Story,
}

/// A ticket, and the version that a compare-and-swap expects: so many steps, and the mark.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Stored {
    pub state: TicketState,
    pub version: u8,
    /// Whether a replica let a refusal pass.
    pub contested: bool,
}

impl Write {
    /// The ticket as it will be.
    pub fn makes(&self) -> Stored {
        Stored {
            state: self.state.clone(),
            version: self.expected + 1,
            contested: self.contested,
        }
    }
}

/// Whether somebody reviewed so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Reviews {
    pub approve: bool,
    pub deny: bool,
    pub revoke: bool,
}

impl Reviews {
    pub const fn approves(self) -> bool {
        self.approve && !self.deny && !self.revoke
    }
}

/// One call of a client, at the API server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Call {
    pub ticket: Nth,
    /// Whether it is another change than the approved one.
    pub strange: bool,
    /// The object, as the API server read it for this pass.
    pub before: Option<Object>,
    /// The uid of this pass's review; of a create also that of its object (E1, E7).
    pub review: u8,
    pub pass: Pass,
    /// For how many ticks the API server has worked on it.
    pub age: u8,
}

/// How far the webhook is with one pass of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pass {
    /// The review is on its way.
    Sent,
    /// A replica has it.
    Taken,
    Allowed,
}

/// One replica of the operator: what it holds in memory, and its log.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Replica {
    pub cache: Cache,
    /// The webhook call that it answers.
    pub job: Option<Job>,
    pub log: Log,
}

/// What a replica's watch has told it of the tickets.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Cache {
    /// All, always.
    Live,
    /// What there was once; nothing after a start.
    Lagging(Option<Box<Pair<Stored>>>),
}

/// One webhook call at a replica.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Job {
    pub review: u8,
    pub ticket: Nth,
    pub doing: Doing,
    /// Whether a denial was stored before it began.
    pub after_denial: bool,
}

/// How far a webhook call is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Doing {
    /// The claim is on its way to the API server.
    Swapping(Write),
    /// The ticket is read again.
    Reading,
    /// The claim is stored, and not recorded.
    Recording(Recorded),
    /// The claim holds.
    Held,
}

/// A write of a ticket's status.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Write {
    pub ticket: Nth,
    pub state: TicketState,
    pub expected: u8,
    pub contested: bool,
}

/// How often each thing happens that need not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Bounds {
    /// Calls of clients.
    pub calls: u8,
    /// Writes of the object by others.
    pub foreign: u8,
    /// Operators that die.
    pub crashes: u8,
    /// Answers to the operator that are lost.
    pub lost: u8,
    /// Times that the API server forgets the past.
    pub compactions: u8,
    /// Reviews that arrive twice.
    pub duplicates: u8,
    /// Reviewers who say no.
    pub refusals: u8,
}

/// What happened, as nobody in the model knows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Story {
    /// How often the change of each ticket was stored.
    pub spent: Pair<u8>,
    /// Whether something was stored that nobody had approved.
    pub unapproved: bool,
    /// Whether a call that began after a denial was stored was allowed.
    pub denied_passed: bool,
}

impl World {
    /// The call that this review is about.
    pub fn call_of(&self, review: u8) -> Option<&Call> {
        self.calls.iter().flatten().find(|call| call.review == review)
    }

    /// A uid that nobody knows.
    pub fn fresh_uid(&self) -> u8 {
        let mut taken = Taken::default();
        taken.take(ORIGINAL);
        for uid in self.collection.uids() {
            taken.take(uid);
        }
        for call in self.calls.iter().flatten() {
            taken.take(call.review);
            if let Some(before) = &call.before {
                taken.take(before.uid);
            }
        }
        for job in self.replicas.iter().filter_map(|replica| replica.job.as_ref()) {
            taken.take(job.review);
        }
        for state in self.states() {
            taken.take_of(state);
        }
        taken.free()
    }

    /// Every ticket, as anybody knows or writes it.
    pub fn states(&self) -> impl Iterator<Item = &TicketState> {
        let of_replicas = self.replicas.iter().flat_map(Replica::states);
        let written = self.stray.iter().chain(&self.keeping).map(|write| &write.state);
        let stored = self.tickets.iter().map(|stored| &stored.state);
        stored.chain(written).chain(of_replicas)
    }

    /// Every ticket, to be changed as it grows older.
    pub fn states_mut(&mut self) -> impl Iterator<Item = &mut TicketState> {
        let of_replicas = self.replicas.iter_mut().flat_map(Replica::states_mut);
        let written = self
            .stray
            .iter_mut()
            .chain(&mut self.keeping)
            .map(|write| &mut write.state);
        let stored = self.tickets.iter_mut().map(|stored| &mut stored.state);
        stored.chain(written).chain(of_replicas)
    }

    /// One form of what makes no difference: who of two that are alike, and a past that nobody asks for.
    pub fn normalise(&mut self) {
        let known = self.states().filter_map(|state| match state {
            TicketState::Claimed { claim, .. } => number(claim.resource_version.as_deref()?),
            _ => None,
        });
        let oldest = known.min().unwrap_or(self.collection.version);
        self.collection.forget(oldest);
        for state in self.states_mut() {
            forget_used(state);
        }
        // Who hears at once records at once.
        for replica in self.replicas.iter_mut() {
            if replica.cache == Cache::Live {
                replica.log.record_finding(Nth::First, &self.tickets[Nth::First]);
                replica
                    .log
                    .record_finding(Nth::Second, &self.tickets[Nth::Second]);
            }
        }
        self.calls.sort();
        self.replicas.sort();
    }
}

impl Replica {
    fn states(&self) -> impl Iterator<Item = &TicketState> {
        let cached = match &self.cache {
            Cache::Lagging(Some(tickets)) => Some(tickets.iter().map(|stored| &stored.state)),
            Cache::Live | Cache::Lagging(None) => None,
        };
        let swapped = self.job.iter().filter_map(|job| match &job.doing {
            Doing::Swapping(write) => Some(&write.state),
            Doing::Reading | Doing::Recording(_) | Doing::Held => None,
        });
        cached.into_iter().flatten().chain(swapped)
    }

    fn states_mut(&mut self) -> impl Iterator<Item = &mut TicketState> {
        let cached = match &mut self.cache {
            Cache::Lagging(Some(tickets)) => Some(tickets.iter_mut().map(|stored| &mut stored.state)),
            Cache::Live | Cache::Lagging(None) => None,
        };
        let swapped = self.job.iter_mut().filter_map(|job| match &mut job.doing {
            Doing::Swapping(write) => Some(&mut write.state),
            Doing::Reading | Doing::Recording(_) | Doing::Held => None,
        });
        cached.into_iter().flatten().chain(swapped)
    }
}

/// Of a used ticket nobody asks what became of its claim.
fn forget_used(state: &mut TicketState) {
    if let TicketState::Consumed { claim } = state {
        (claim.resource_version, claim.object_uid) = (None, None);
    }
}
