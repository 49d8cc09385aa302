//! The model: what can happen next in each state of the world.

use jiff::Timestamp;
use stateright::{Model, Property};

use super::{
    bug::Bug,
    collection::{Collection, Object, Value},
    log::Log,
    pair::{BOTH, Nth, Pair},
    plan::{ORIGINAL, Plan},
    properties,
    time::{PENDING, after},
    world::{Bounds, Cache, Doing, Replica, Reviews, Stored, Story, World},
};
use countersign_core::ticket::TicketState;

/// The protocol, on two tickets: the first waits for reviews, and all that can happen to a ticket happens to it; the second
/// is approved for ever.
#[derive(Clone, Debug)]
pub struct Protocol {
    /// What the tickets approve.
    pub plans: Pair<Plan>,
    /// Which replicas hear late of what happens to tickets.
    pub lagging: Pair<bool>,
    pub bounds: Bounds,
    pub bug: Option<Bug>,
}

/// What a reviewer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    Approve,
    Deny,
    Revoke,
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    Tick,
    Contest(Nth),
    Review(Nth, Says),
    /// A client asks for the change of a ticket, or for another one.
    Start(Nth, Strange),
    Abort(Nth),
    Persist(Nth),
    Touch,
    Vanish,
    Compact,
    /// The replica judges the client's call.
    Judge(Nth, Nth),
    Land(Nth),
    LandUnheard(Nth),
    GoAstray(Nth),
    LandStray,
    ReadBack(Nth),
    Record(Nth),
    Answer(Nth),
    /// The replica looks at the ticket.
    Reconcile(Nth, Nth),
    Keep,
    Refresh(Nth),
    Crash(Nth),
}

/// Whether a client asks for another change than the approved one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strange {
    No,
    Yes,
}

impl Model for Protocol {
    type State = World;
    type Action = Act;

    fn init_states(&self) -> Vec<World> {
        let waits = TicketState::Pending {
            until: after(PENDING),
        };
        let usable = TicketState::Approved {
            usable_until: Timestamp::MAX,
        };
        let approval = Reviews {
            approve: true,
            ..Reviews::default()
        };
        vec![World {
            tickets: Pair::new(
                Stored {
                    state: waits,
                    version: 0,
                    contested: false,
                },
                Stored {
                    state: usable,
                    version: 1,
                    contested: false,
                },
            ),
            reviews: Pair::new(Reviews::default(), approval),
            collection: Collection::of(self.original()),
            calls: Pair::new(None, None),
            replicas: Pair::new(self.replica(Nth::First), self.replica(Nth::Second)),
            keeping: None,
            stray: None,
            left: self.bounds,
            story: Story {
                spent: Pair::new(0, 0),
                unapproved: false,
                denied_passed: false,
            },
        }]
    }

    fn actions(&self, world: &World, acts: &mut Vec<Act>) {
        acts.push(Act::Tick);
        offer(acts, world.left.foreign > 0, [Act::Touch, Act::Vanish]);
        offer(acts, world.left.compactions > 0, [Act::Compact]);
        offer(acts, world.stray.is_some(), [Act::LandStray]);
        offer(acts, world.keeping.is_some(), [Act::Keep]);
        for one in BOTH {
            let says = [Says::Approve, Says::Deny, Says::Revoke];
            offer(acts, one == Nth::First, says.map(|says| Act::Review(one, says)));
            offer(
                acts,
                one == Nth::First && world.left.refusals > 0,
                [Act::Contest(one)],
            );
            let starts = [Strange::No, Strange::Yes].map(|strange| Act::Start(one, strange));
            offer(acts, world.left.calls > 0, starts);
            if world.calls[one].is_some() {
                acts.extend([Act::Abort(one), Act::Persist(one)]);
                acts.extend(BOTH.map(|replica| Act::Judge(replica, one)));
            }
            if let Some(job) = &world.replicas[one].job {
                let swaps = matches!(job.doing, Doing::Swapping(_));
                offer(acts, swaps, [Act::Land(one)]);
                offer(
                    acts,
                    swaps && world.left.lost > 0,
                    [Act::LandUnheard(one), Act::GoAstray(one)],
                );
                acts.extend([Act::ReadBack(one), Act::Record(one), Act::Answer(one)]);
            }
            offer(
                acts,
                world.keeping.is_none(),
                BOTH.map(|ticket| Act::Reconcile(one, ticket)),
            );
            acts.push(Act::Refresh(one));
            offer(acts, world.left.crashes > 0, [Act::Crash(one)]);
        }
    }

    fn next_state(&self, last: &World, act: Act) -> Option<World> {
        let mut world = last.clone();
        self.act(&mut world, act)?;
        world.normalise();
        (world != *last).then_some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}

fn offer<const N: usize>(acts: &mut Vec<Act>, possible: bool, offered: [Act; N]) {
    if possible {
        acts.extend(offered);
    }
}

impl Protocol {
    /// The object that is there at first, unless all that is asked for is to create it.
    fn original(&self) -> Option<Object> {
        let wanted = self.plans.iter().any(|plan| *plan != Plan::Create);
        wanted.then_some(Object {
            uid: ORIGINAL,
            version: 0,
            value: Value::Old,
            leaving: false,
        })
    }

    fn replica(&self, nth: Nth) -> Replica {
        let cache = if self.lagging[nth] {
            Cache::Lagging(None)
        } else {
            Cache::Live
        };
        Replica {
            cache,
            job: None,
            log: Log::new(),
        }
    }

    /// Makes it happen; `None` when it cannot.
    pub fn act(&self, world: &mut World, act: Act) -> Option<()> {
        match act {
            Act::Tick => world.tick(),
            Act::Contest(ticket) => world.contest(ticket),
            Act::Review(ticket, says) => {
                let is_let_by = world.tickets[ticket].contested || self.bug == Some(Bug::StoredUnmarked);
                (is_let_by || says == Says::Approve).then(|| world.review(ticket, says))?
            }
            Act::Start(ticket, strange) => world.start(&self.plans, ticket, strange == Strange::Yes),
            Act::Abort(client) => world.abort(client),
            Act::Persist(client) => world.persist(&self.plans, client),
            Act::Touch => world.touch(),
            Act::Vanish => world.vanish(),
            Act::Compact => world.compact(),
            Act::Judge(replica, client) => self.judge(world, replica, client),
            Act::Land(replica) => self.land(world, replica, true),
            Act::LandUnheard(replica) => self.land(world, replica, false),
            Act::GoAstray(replica) => self.go_astray(world, replica),
            Act::LandStray => {
                let write = world.stray.take()?;
                world.swap(write, self.bug == Some(Bug::SwapWithoutVersion));
                Some(())
            }
            Act::ReadBack(replica) => self.read_back(world, replica),
            Act::Record(replica) => world.record(replica),
            Act::Answer(replica) => self.answer(world, replica),
            Act::Reconcile(replica, ticket) => self.reconcile(world, replica, ticket),
            Act::Keep => self.keep(world),
            Act::Refresh(replica) => world.refresh(replica),
            Act::Crash(replica) => world.crash(replica),
        }
    }
}

impl World {
    /// A replica marks a ticket before it lets a refusal pass, which may be stored later, or never.
    fn contest(&mut self, ticket: Nth) -> Option<()> {
        let is_marked = std::mem::replace(&mut self.tickets[ticket].contested, true);
        (!is_marked && self.left.refusals > 0).then_some(())
    }

    fn review(&mut self, ticket: Nth, says: Says) -> Option<()> {
        if says != Says::Approve {
            self.left.refusals = self.left.refusals.checked_sub(1)?;
        }
        let reviews = &mut self.reviews[ticket];
        let said = match says {
            Says::Approve => &mut reviews.approve,
            Says::Deny => &mut reviews.deny,
            Says::Revoke => &mut reviews.revoke,
        };
        (!std::mem::replace(said, true)).then_some(())
    }

    /// A replica hears of the tickets as they are now.
    fn refresh(&mut self, replica: Nth) -> Option<()> {
        let Cache::Lagging(tickets) = &mut self.replicas[replica].cache else {
            return None;
        };
        *tickets = Some(Box::new(self.tickets.clone()));
        Some(())
    }

    /// A replica dies and comes back: what it held in memory is lost. A claim that it has sent may still arrive; the step
    /// that a controller has recorded is never written.
    fn crash(&mut self, replica: Nth) -> Option<()> {
        self.left.crashes = self.left.crashes.checked_sub(1)?;
        self.keeping = None;
        let replica = &mut self.replicas[replica];
        if replica.cache != Cache::Live {
            replica.cache = Cache::Lagging(None);
        }
        if let Some(Doing::Swapping(write)) = replica.job.take().map(|job| job.doing) {
            self.stray.get_or_insert(write);
        }
        Some(())
    }
}
