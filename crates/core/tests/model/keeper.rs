//! A replica's controller: adds up the reviews of a ticket, keeps its time, resolves its claim; as
//! `src/controllers/ticket.rs` and `resolution.rs`. A step is recorded first and written then.

use countersign_core::ticket::{Claim, End, Event, Step, TicketState};

use super::{
    bug::{Bug, faulty_step},
    log::Recorded,
    pair::Nth,
    plan::Plan,
    proof::{Past, of_present, since},
    protocol::Protocol,
    time::{NOW, TICK, USABLE},
    world::{Stored, World, Write},
};

impl Protocol {
    /// A replica looks at a ticket, and records the step that follows.
    pub fn reconcile(&self, world: &mut World, replica: Nth, nth: Nth) -> Option<()> {
        if world.keeping.is_some() {
            return None;
        }
        let ticket = world.known(replica, nth)?;
        world.replicas[replica].log.record_finding(nth, &ticket);
        let next = Write {
            ticket: nth,
            state: self.next(world, nth, &ticket.state),
            expected: ticket.version,
            contested: ticket.contested,
        };
        let next = unless_rewound(world, replica, &ticket, next)?;
        if next.state != ticket.state {
            let log = &mut world.replicas[replica].log;
            log.note(nth, Recorded::of(&next.makes()));
            world.keeping = Some(next);
        }
        Some(())
    }

    fn next(&self, world: &World, nth: Nth, state: &TicketState) -> TicketState {
        let reviews = world.reviews[nth];
        let is_pending = matches!(state, TicketState::Pending { .. });
        let event = if reviews.deny {
            Event::Deny
        } else if reviews.revoke {
            Event::Revoke
        } else if is_pending && (reviews.approve || self.bug == Some(Bug::NoReviewIsApproval)) {
            Event::Approve(TICK * USABLE)
        } else {
            Event::Tick
        };
        let stepped = self.stepped(state.clone(), event);
        match &stepped {
            TicketState::Claimed { claim, .. } => {
                let event = self.resolve(world, nth, claim).unwrap_or(Event::Tick);
                self.stepped(stepped, event)
            }
            _ => stepped,
        }
    }

    fn stepped(&self, state: TicketState, event: Event) -> TicketState {
        match faulty_step(self.bug, &state, event, NOW) {
            Ok(Step::To(next)) => next,
            Ok(Step::Stay | Step::ProveUncommitted) | Err(_) => state,
        }
    }

    fn resolve(&self, world: &World, nth: Nth, claim: &Claim) -> Option<Event> {
        let (plan, collection) = (self.plans[nth], &world.collection);
        let over = self.is_over(claim);
        match self.past(since(plan, claim, collection.version, collection), plan, world) {
            Past::Committed => Some(Event::Committed),
            Past::Untouched => over.then_some(Event::NotCommitted),
            Past::Lost => match (of_present(plan, claim, collection), over) {
                (Past::Committed, _) => Some(Event::Committed),
                (Past::Untouched, true) => Some(Event::NotCommitted),
                (Past::Lost, true) => Some(self.unknowable()),
                (Past::Untouched | Past::Lost, false) => None,
            },
        }
    }

    fn is_over(&self, claim: &Claim) -> bool {
        match self.bug {
            Some(Bug::WindowIgnored) => true,
            Some(Bug::ReleaseAtTheDeadline) => NOW >= claim.deadline(),
            _ => NOW >= claim.settled_at(),
        }
    }

    fn past(&self, past: Past, plan: Plan, world: &World) -> Past {
        let absent = self.bug == Some(Bug::ReleaseOnAbsence)
            && plan == Plan::Create
            && world.collection.object.is_none();
        if absent { Past::Untouched } else { past }
    }

    const fn unknowable(&self) -> Event {
        match self.bug {
            Some(Bug::ReleaseWithoutProof) => Event::NotCommitted,
            Some(Bug::ConsumeWithoutProof) => Event::Committed,
            _ => Event::Unknowable,
        }
    }

    /// A recorded step arrives at the API server.
    pub fn keep(&self, world: &mut World) -> Option<()> {
        let write = world.keeping.take()?;
        world.swap(write, self.bug == Some(Bug::SwapWithoutVersion));
        Some(())
    }
}

/// The end of a ticket whose status somebody else set back; `None` when only our knowledge of it is old.
fn unless_rewound(world: &World, replica: Nth, ticket: &Stored, next: Write) -> Option<Write> {
    let (log, nth) = (&world.replicas[replica].log, next.ticket);
    let follows = if next.state == ticket.state {
        ticket.clone()
    } else {
        next.makes()
    };
    let is_open = matches!(
        next.state,
        TicketState::Pending { .. } | TicketState::Approved { .. }
    );
    if !is_open || !log.contradicts(nth, ticket) || !log.contradicts(nth, &follows) {
        return Some(next);
    }
    (world.tickets[nth].version == ticket.version).then_some(Write {
        state: TicketState::Ended(End::Indeterminate),
        ..next
    })
}
