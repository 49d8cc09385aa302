//! A webhook call at one replica: judged, claimed, recorded, answered; as `src/admission/claim.rs`.

use countersign_core::ticket::{Event, Step, TicketState};

use super::{
    bug::{Bug, faulty_step},
    log::Recorded,
    names::name,
    pair::Nth,
    plan::Plan,
    proof::{Past, since},
    protocol::Protocol,
    time::NOW,
    world::{Cache, Call, Doing, Job, Pass, Replica, Stored, World, Write},
};

/// What the webhook makes of a call, before it is answered.
enum Judged {
    Denied,
    Doing(Doing),
}

impl Protocol {
    /// A replica takes a review, and decides by what its watch has told it, which may be no refusal at all.
    pub fn judge(&self, world: &mut World, replica: Nth, client: Nth) -> Option<()> {
        let call = world.calls[client].clone()?;
        match call.pass {
            Pass::Sent => {}
            Pass::Taken => world.left.duplicates = world.left.duplicates.checked_sub(1)?,
            Pass::Allowed => return None,
        }
        if world.replicas[replica].job.is_some() {
            return None;
        }
        match self.judged(world, replica, &call) {
            Judged::Denied => world.calls[client] = None,
            Judged::Doing(doing) => {
                world.replicas[replica].job = Some(Job {
                    review: call.review,
                    ticket: call.ticket,
                    doing,
                    after_denial: world.reviews[call.ticket].deny || world.reviews[call.ticket].revoke,
                });
                world.calls[client] = Some(Call {
                    pass: Pass::Taken,
                    ..call
                });
            }
        }
        Some(())
    }

    fn judged(&self, world: &mut World, replica: Nth, call: &Call) -> Judged {
        let Some(mut ticket) = world.known(replica, call.ticket) else {
            return Judged::Denied;
        };
        // Who mints looks again: the ticket may be approved meanwhile.
        if matches!(ticket.state, TicketState::Pending { .. }) {
            ticket = world.tickets[call.ticket].clone();
        }
        let covered = match faulty_step(self.bug, &ticket.state, self.claim(call, None), NOW) {
            Ok(Step::To(TicketState::Ended(_))) | Err(_) => false,
            Ok(_) => !call.strange || self.bug == Some(Bug::SecondBind) && ticket.state.claim().is_some(),
        };
        if covered {
            self.attempt(world, replica, call, &ticket)
        } else {
            Judged::Denied
        }
    }

    /// Whether the reviews approve it, read anew where the ticket is not swapped, or is contested: no swap of what is not
    /// lands on what is.
    fn is_approved(&self, world: &World, ticket: (Nth, &Stored), swaps: bool) -> bool {
        let (nth, ticket) = ticket;
        let is_believed = match self.bug {
            Some(Bug::DenyIgnoredWhenClaimed) => !ticket.contested || !swaps,
            Some(Bug::MarkIgnored) => swaps,
            _ => !ticket.contested && swaps,
        };
        is_believed || world.reviews[nth].approves()
    }

    fn claim(&self, call: &Call, version: Option<u8>) -> Event {
        let plan = self.plans[call.ticket];
        Event::Claim {
            bind: plan.bind(call.strange),
            call: plan.call_kind(),
            resource_version: version.map(name),
        }
    }

    fn attempt(&self, world: &mut World, replica: Nth, call: &Call, ticket: &Stored) -> Judged {
        let log = &mut world.replicas[replica].log;
        if log.contradicts(call.ticket, ticket) {
            log.record_finding(call.ticket, &world.tickets[call.ticket]);
            return Judged::Doing(Doing::Reading);
        }
        let version = match self.plans[call.ticket] {
            Plan::Create => Some(world.collection.version),
            Plan::Connect => None,
            Plan::Set(_) | Plan::Delete => call.before.as_ref().map(|before| before.version),
        };
        match faulty_step(self.bug, &ticket.state, self.claim(call, version), NOW) {
            Ok(step) if !self.is_approved(world, (call.ticket, ticket), matches!(step, Step::To(_))) => {
                Judged::Denied
            }
            Ok(Step::Stay) => Judged::Doing(Doing::Held),
            Ok(Step::ProveUncommitted) if self.is_uncommitted(world, call, ticket) => {
                Judged::Doing(Doing::Held)
            }
            Ok(Step::To(TicketState::Ended(_)) | Step::ProveUncommitted) | Err(_) => Judged::Denied,
            Ok(Step::To(state)) => Judged::Doing(Doing::Swapping(Write {
                ticket: call.ticket,
                state: self.signed(state, call),
                expected: ticket.version,
                contested: ticket.contested,
            })),
        }
    }

    /// The claim with the marks of the call that makes it.
    fn signed(&self, mut state: TicketState, call: &Call) -> TicketState {
        if let TicketState::Claimed { claim, .. } | TicketState::Consumed { claim } = &mut state {
            claim.by = name(call.review);
            claim.object_uid = (self.plans[call.ticket] == Plan::Create).then(|| name(call.review));
        }
        state
    }

    fn is_uncommitted(&self, world: &World, call: &Call, ticket: &Stored) -> bool {
        let (Some(claim), Some(before)) = (ticket.state.claim(), &call.before) else {
            return false;
        };
        let past = since(self.plans[call.ticket], claim, before.version, &world.collection);
        past == Past::Untouched
    }

    /// The claim arrives at the API server; `heard` if its answer comes back.
    pub fn land(&self, world: &mut World, replica: Nth, heard: bool) -> Option<()> {
        let Some(Doing::Swapping(write)) = world.replicas[replica].doing() else {
            return None;
        };
        let recorded = Recorded::of(&write.makes());
        let swapped = world.swap(write, self.bug == Some(Bug::SwapWithoutVersion));
        let believed = swapped && heard || !heard && self.bug == Some(Bug::BelieveTheUnheard);
        world.replicas[replica].does(if believed {
            Doing::Recording(recorded)
        } else {
            Doing::Reading
        });
        if !heard {
            world.left.lost = world.left.lost.checked_sub(1)?;
        }
        Some(())
    }

    /// The operator waits no longer for the answer; the claim may arrive later.
    pub fn go_astray(&self, world: &mut World, replica: Nth) -> Option<()> {
        let Some(Doing::Swapping(write)) = world.replicas[replica].doing() else {
            return None;
        };
        world.left.lost = world.left.lost.checked_sub(1)?;
        if world.stray.is_some() {
            return None;
        }
        world.replicas[replica].does(if self.bug == Some(Bug::BelieveTheUnheard) {
            Doing::Recording(Recorded::of(&write.makes()))
        } else {
            Doing::Reading
        });
        world.stray = Some(write);
        Some(())
    }

    /// The ticket is read again, and the claim is tried anew unless it is there.
    pub fn read_back(&self, world: &mut World, replica: Nth) -> Option<()> {
        let job = world.replicas[replica].job.clone()?;
        if job.doing != Doing::Reading {
            return None;
        }
        let Some(call) = world.call_of(job.review).cloned() else {
            world.replicas[replica].job = None;
            return Some(());
        };
        let ticket = world.tickets[job.ticket].clone();
        let held = match &ticket.state {
            TicketState::Claimed {
                claim, stop: None, ..
            }
            | TicketState::Consumed { claim } => claim.by == name(job.review),
            _ => false,
        };
        let judged = if !held {
            self.attempt(world, replica, &call, &ticket)
        } else if self.is_approved(world, (job.ticket, &ticket), true) {
            Judged::Doing(Doing::Held)
        } else {
            Judged::Denied
        };
        match judged {
            Judged::Denied => world.end(replica, false),
            Judged::Doing(doing) => world.replicas[replica].does(doing),
        }
        Some(())
    }

    /// The API server hears that the write may happen.
    pub fn answer(&self, world: &mut World, replica: Nth) -> Option<()> {
        let job = world.replicas[replica].job.clone()?;
        let early = self.bug == Some(Bug::AnswerBeforeTheClaim) && matches!(job.doing, Doing::Swapping(_));
        if job.doing != Doing::Held && !early {
            return None;
        }
        world.end(replica, true);
        if early {
            world.replicas[replica].job = Some(job);
        }
        Some(())
    }
}

impl World {
    /// The claim is recorded.
    pub fn record(&mut self, replica: Nth) -> Option<()> {
        let job = self.replicas[replica].job.clone()?;
        let Doing::Recording(recorded) = job.doing else {
            return None;
        };
        self.replicas[replica].log.note(job.ticket, recorded);
        self.replicas[replica].does(Doing::Held);
        Some(())
    }

    /// A ticket as a replica's watch has told it.
    pub fn known(&self, replica: Nth, ticket: Nth) -> Option<Stored> {
        match &self.replicas[replica].cache {
            Cache::Live => Some(self.tickets[ticket].clone()),
            Cache::Lagging(tickets) => tickets.as_ref().map(|tickets| tickets[ticket].clone()),
        }
    }

    /// A webhook call is over; who asked may have stopped to wait for it.
    fn end(&mut self, replica: Nth, allowed: bool) {
        let Some(job) = self.replicas[replica].job.take() else {
            return;
        };
        let waiting = |call: &&mut Option<Call>| {
            call.as_ref()
                .is_some_and(|call| call.review == job.review && call.pass == Pass::Taken)
        };
        let Some(call) = self.calls.iter_mut().find(waiting) else {
            return;
        };
        if let Some(call) = call.as_mut().filter(|_| allowed) {
            call.pass = Pass::Allowed;
            self.story.denied_passed |= job.after_denial;
        } else {
            *call = None;
        }
    }
}

impl Replica {
    fn doing(&self) -> Option<Doing> {
        self.job.as_ref().map(|job| job.doing.clone())
    }

    fn does(&mut self, doing: Doing) {
        if let Some(job) = &mut self.job {
            job.doing = doing;
        }
    }
}
