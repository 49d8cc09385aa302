//! What should be bound at the moment, by what is known.

use std::{collections::BTreeMap, sync::Arc};

use countersign_api::{Agent, RoleGrant, Zone};
use countersign_core::{
    policy::{Policy, ReadAccess},
    read_access::{Permit, Reading, Source, readings},
    snapshot::Snapshot,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{
    Resource,
    runtime::reflector::{ObjectRef, Store},
};

use super::{
    binding::Bindings,
    outcomes::{Outcome, Told},
};
use crate::state::State;

/// What the bindings are made from.
#[derive(Clone)]
pub struct Sources {
    /// What is known.
    pub state: Arc<State>,
    /// All grants, with their standing.
    pub grants: Store<RoleGrant>,
    /// All agents, with theirs.
    pub agents: Store<Agent>,
    /// All zones, with theirs.
    pub zones: Store<Zone>,
}

/// What should be, by one snapshot.
pub struct Wanted {
    snapshot: Arc<Snapshot>,
    /// The bindings.
    pub bindings: Arc<Bindings>,
    /// What becomes of each reading, if all of them are made.
    pub told: Told,
}

/// What is known of what should be.
pub enum Renewed {
    /// Nothing: a watch is not fresh, or the policy cannot be read.
    Unknown,
    /// That it is what it was.
    Same,
    /// That it is this.
    Other(Wanted),
}

impl Sources {
    /// What should be, if it may be something else than it was.
    pub fn renew(&self, before: Option<&Wanted>) -> Renewed {
        let snapshot = self.state.snapshot();
        let Some(policy) = snapshot.policy.get().filter(|_| self.state.stale().is_none()) else {
            return Renewed::Unknown;
        };
        if before.is_some_and(|before| snapshot.permits_alike(&before.snapshot)) {
            return Renewed::Same;
        }
        let (bindings, told) = self.bound(&self.readings(&snapshot, policy));
        Renewed::Other(Wanted {
            snapshot,
            bindings: Arc::new(bindings),
            told,
        })
    }

    fn readings(&self, snapshot: &Snapshot, policy: &Policy) -> BTreeMap<Source, Reading> {
        match policy.read_access {
            ReadAccess::Unmanaged => BTreeMap::new(),
            ReadAccess::Rbac => readings(snapshot, policy, |permit| self.is_ready(permit).unwrap_or(false)),
        }
    }

    fn bound(&self, readings: &BTreeMap<Source, Reading>) -> (Bindings, Told) {
        let (mut bindings, mut told) = (Bindings::default(), Told::new());
        for (source, reading) in readings {
            let Some(uid) = self.uid(source) else {
                continue;
            };
            let outcome = Outcome::of(reading);
            if !matches!(outcome, Outcome::TooMany(_)) {
                bindings.add(source, &uid, reading);
            }
            told.insert(source.clone(), outcome);
        }
        (bindings, told)
    }

    /// What is Degraded gives nothing, for whatever reason.
    fn is_ready(&self, permit: Permit<'_>) -> Option<bool> {
        Some(match permit {
            Permit::Grant(name) => says_ready(&get(&self.grants, name)?.status.as_ref()?.conditions),
            Permit::Agent(name) => says_ready(&get(&self.agents, name)?.status.as_ref()?.conditions),
            Permit::Zone(name) => says_ready(&get(&self.zones, name)?.status.as_ref()?.conditions),
        })
    }

    fn uid(&self, source: &Source) -> Option<String> {
        match source {
            Source::Grant(name) => get(&self.grants, name)?.metadata.uid.clone(),
            Source::Agent(name) => get(&self.agents, name)?.metadata.uid.clone(),
        }
    }
}

fn get<K: Resource<DynamicType = ()> + Clone + 'static>(store: &Store<K>, name: &str) -> Option<Arc<K>> {
    store.get(&ObjectRef::new(name))
}

fn says_ready(conditions: &[Condition]) -> bool {
    conditions
        .iter()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True")
}
