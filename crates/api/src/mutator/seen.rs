//! The mutators that can change Countersign's own objects, from the objects that configure them.

use std::{collections::BTreeMap, sync::Arc};

use countersign_core::mutator::{Mutator, MutatorKind, Presence};
use jiff::{SignedDuration, Timestamp};
use kube::{ResourceExt, api::DynamicObject};

use super::{Reach, of_binding, of_policy, of_webhooks};

/// How long a change of a configuration may stay unseen while its watch counts as fresh, and some more.
const UNSEEN: SignedDuration = SignedDuration::from_secs(60);

/// How many mutators that are gone are remembered one by one.
const REMEMBERED: usize = 256;

/// The kinds that configure mutators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// MutatingWebhookConfigurations.
    Webhooks,
    /// MutatingAdmissionPolicies.
    Policies,
    /// MutatingAdmissionPolicyBindings: a policy without one does nothing.
    Bindings,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Webhooks, Self::Policies, Self::Bindings];

    /// The kind, and the plural name of its resource.
    pub const fn kind(self) -> (&'static str, &'static str) {
        match self {
            Self::Webhooks => ("MutatingWebhookConfiguration", "mutatingwebhookconfigurations"),
            Self::Policies => ("MutatingAdmissionPolicy", "mutatingadmissionpolicies"),
            Self::Bindings => (
                "MutatingAdmissionPolicyBinding",
                "mutatingadmissionpolicybindings",
            ),
        }
    }
}

/// A configuration that reaches Countersign's own kinds.
#[derive(Clone, Debug)]
struct Reaching {
    since: Timestamp,
    /// The policy that a binding binds, else the object itself.
    name: Arc<str>,
    reach: Reach,
}

impl Reaching {
    fn of(part: Part, object: &DynamicObject, since: Timestamp) -> Option<Self> {
        let (name, reach) = match part {
            Part::Webhooks => (object.name_any(), of_webhooks(object)),
            Part::Policies => (object.name_any(), of_policy(object)),
            Part::Bindings => of_binding(object)?,
        };
        (!reach.is_empty()).then(|| Self {
            since,
            name: name.into(),
            reach,
        })
    }
}

/// What was seen of all that configures mutators. What does not reach Countersign's own kinds is forgotten.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    reaching: BTreeMap<(Part, String), Reaching>,
    /// In the order in which they came.
    presences: Vec<Presence>,
}

impl Seen {
    /// Takes these for all there are of a kind. One that was not known may be as old as it says.
    pub fn replace(&mut self, part: Part, objects: &[DynamicObject], now: Timestamp) {
        let before = self.reaching.clone();
        self.reaching.retain(|(of, _), _| *of != part);
        for object in objects {
            let key = (part, object.name_any());
            let since = before
                .get(&key)
                .map_or_else(|| created(object), |known| known.since);
            if let Some(reaching) = Reaching::of(part, object, since) {
                self.reaching.insert(key, reaching);
            }
        }
        self.note(now);
    }

    /// Takes one that was made or changed.
    pub fn apply(&mut self, part: Part, object: &DynamicObject, now: Timestamp) {
        let key = (part, object.name_any());
        let since = self
            .reaching
            .remove(&key)
            .map_or_else(|| created(object).max(now - UNSEEN), |known| known.since);
        if let Some(reaching) = Reaching::of(part, object, since) {
            self.reaching.insert(key, reaching);
        }
        self.note(now);
    }

    /// Takes one out.
    pub fn remove(&mut self, part: Part, name: &str, now: Timestamp) {
        self.reaching.remove(&(part, name.to_owned()));
        self.note(now);
    }

    /// The mutators that are there and that were.
    pub fn presences(&self) -> Arc<[Presence]> {
        self.presences.as_slice().into()
    }

    fn note(&mut self, now: Timestamp) {
        let mut present = self.present();
        for presence in self.presences.iter_mut().filter(|one| one.gone.is_none()) {
            if present.remove(&presence.mutator).is_none() {
                presence.gone = Some(now);
            }
        }
        let new = present.into_iter().map(|(mutator, since)| Presence {
            mutator,
            since,
            gone: None,
        });
        self.presences.extend(new);
        self.forget();
    }

    /// The mutators that are there, and since when.
    fn present(&self) -> BTreeMap<Mutator, Timestamp> {
        let mut present = BTreeMap::new();
        for ((part, _), reaching) in &self.reaching {
            let (kind, since) = match part {
                Part::Webhooks => (MutatorKind::Webhook, reaching.since),
                Part::Policies => match self.bound_since(reaching) {
                    Some(since) => (MutatorKind::Policy, since),
                    None => continue,
                },
                Part::Bindings => continue,
            };
            let name = reaching.name.clone();
            present.insert(Mutator { kind, name }, since);
        }
        present
    }

    /// Since when a policy is bound where it reaches.
    fn bound_since(&self, policy: &Reaching) -> Option<Timestamp> {
        let bindings = self.reaching.iter().filter(|((part, _), binding)| {
            *part == Part::Bindings && binding.name == policy.name && binding.reach.meets(&policy.reach)
        });
        let since = bindings.map(|(_, binding)| binding.since).min()?;
        Some(since.max(policy.since))
    }

    /// Of too many that are gone, the time of the oldest is put down to the next.
    fn forget(&mut self) {
        let gone = |presences: &[Presence]| presences.iter().position(|one| one.gone.is_some());
        while self.presences.iter().filter(|one| one.gone.is_some()).count() > REMEMBERED {
            let Some(oldest) = gone(&self.presences).map(|at| self.presences.remove(at)) else {
                return;
            };
            if let Some(next) = self.presences.iter_mut().find(|one| one.gone.is_some()) {
                next.since = next.since.min(oldest.since);
                next.gone = next.gone.max(oldest.gone);
            }
        }
    }
}

fn created(object: &DynamicObject) -> Timestamp {
    let created = object.metadata.creation_timestamp.as_ref();
    created.map_or(Timestamp::MIN, |created| created.0)
}
