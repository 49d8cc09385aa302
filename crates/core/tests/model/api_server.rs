//! The API server: it works on the calls of clients, asks the webhook on each pass, and stores what was allowed.

use super::{
    collection::{Object, Value},
    pair::{BOTH, Nth, Pair},
    plan::{ORIGINAL, Plan},
    time,
    world::{Call, Doing, Job, Pass, Stored, World, Write},
};

impl World {
    /// A client asks for a write.
    pub fn start(&mut self, plans: &Pair<Plan>, ticket: Nth, strange: bool) -> Option<()> {
        let plan = plans[ticket];
        let before = self.collection.object;
        let client = BOTH.into_iter().find(|client| self.calls[*client].is_none())?;
        if !plan.fits(before.as_ref()) || self.left.calls == 0 {
            return None;
        }
        self.left.calls -= 1;
        let review = self.fresh_uid();
        self.calls[client] = Some(Call {
            ticket,
            strange,
            before,
            review,
            pass: Pass::Sent,
            age: 0,
        });
        Some(())
    }

    /// The call ends without a write: another webhook denies it, its time is over, the API server dies.
    pub fn abort(&mut self, client: Nth) -> Option<()> {
        self.calls[client].take().map(|_| ())
    }

    /// The API server stores what was allowed, or asks again because somebody else was first (E2).
    pub fn persist(&mut self, plans: &Pair<Plan>, client: Nth) -> Option<()> {
        let call = self.calls[client].take_if(|call| call.pass == Pass::Allowed)?;
        let plan = plans[call.ticket];
        match plan {
            Plan::Create => {
                if self.collection.object.is_none() {
                    self.collection.store(Object {
                        uid: call.review,
                        version: 0,
                        value: Value::Old,
                        leaving: false,
                    });
                    self.spend(&call);
                }
            }
            Plan::Connect => self.spend(&call),
            Plan::Set(_) | Plan::Delete if self.collection.object != call.before => {
                self.ask_again(plans, client, &call);
            }
            Plan::Set(value) => {
                let object = self.collection.object?;
                self.collection.store(Object { value, ..object });
                self.spend(&call);
            }
            Plan::Delete => {
                let object = self.collection.object?;
                if object.leaving {
                    self.collection.remove();
                } else {
                    self.collection.store(Object {
                        leaving: true,
                        ..object
                    });
                    self.spend(&call);
                    self.ask_again(plans, client, &call);
                }
            }
        }
        Some(())
    }

    fn ask_again(&mut self, plans: &Pair<Plan>, client: Nth, call: &Call) {
        let before = self.collection.object;
        if plans[call.ticket].fits(before.as_ref()) {
            let review = self.fresh_uid();
            self.calls[client] = Some(Call {
                before,
                review,
                pass: Pass::Sent,
                ..call.clone()
            });
        }
    }

    fn spend(&mut self, call: &Call) {
        self.story.spent[call.ticket] += 1;
        self.story.unapproved |= call.strange || !self.reviews[call.ticket].approve;
    }

    /// Somebody with a permission of his own writes another field of the object.
    pub fn touch(&mut self) -> Option<()> {
        let object = self.collection.object?;
        self.left.foreign = self.left.foreign.checked_sub(1)?;
        self.collection.store(object);
        Some(())
    }

    /// Somebody with a permission of his own removes the object.
    pub fn vanish(&mut self) -> Option<()> {
        self.collection.object.as_ref()?;
        self.left.foreign = self.left.foreign.checked_sub(1)?;
        self.collection.remove();
        Some(())
    }

    /// The API server forgets the past.
    pub fn compact(&mut self) -> Option<()> {
        self.left.compactions = self.left.compactions.checked_sub(1)?;
        self.collection.compact();
        Some(())
    }

    /// A ticket's status is written, if the ticket is still the version that is expected.
    pub fn swap(&mut self, write: Write, whatever_version: bool) -> bool {
        let stored = &mut self.tickets[write.ticket];
        let is_known = stored.version == write.expected && stored.contested == write.contested;
        if !is_known && !whatever_version {
            return false;
        }
        *stored = Stored {
            state: write.state,
            version: stored.version + 1,
            contested: stored.contested,
        };
        true
    }

    /// Time passes: what a replica does for a webhook call is done by then; a client's call lasts one tick at most.
    pub fn tick(&mut self) -> Option<()> {
        let is_busy = |job: &Job| matches!(job.doing, Doing::Swapping(_) | Doing::Recording(_));
        if self
            .replicas
            .iter()
            .filter_map(|replica| replica.job.as_ref())
            .any(is_busy)
        {
            return None;
        }
        for state in self.states_mut() {
            time::age(state);
        }
        for call in self.calls.iter_mut() {
            call.take_if(|call| call.pass != Pass::Allowed || call.age > 0);
            if let Some(call) = call {
                call.age += 1;
            }
        }
        for replica in self.replicas.iter_mut() {
            replica.job = None;
        }
        Some(())
    }

    /// Whether the original is on its way out or gone.
    pub fn is_deleted(&self) -> bool {
        let original = self
            .collection
            .object
            .as_ref()
            .filter(|object| object.uid == ORIGINAL);
        original.is_none_or(|object| object.leaving)
    }
}
