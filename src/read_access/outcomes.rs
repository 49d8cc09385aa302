//! What became of each grant's and agent's reading, for the conditions of their objects.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use countersign_api::{
    Agent, RoleGrant,
    condition::{Observation, remove_condition, set_condition},
};
use countersign_core::read_access::{Reading, Source};
use futures::{Stream, stream::poll_fn};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::runtime::reflector::ObjectRef;
use tokio::sync::mpsc;

/// The most namespaces that one grant or agent is bound in.
pub const MAX_NAMESPACES: usize = 1000;

/// The type of the condition.
const MATERIALISED: &str = "Materialised";

/// What became of one reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is bound, and what it shows.
    Bound(String),
    /// Nobody would see anything.
    Nothing,
    /// It would be bound in more namespaces than [`MAX_NAMESPACES`], and is in none.
    TooMany(usize),
    /// The API server refused a binding, with this message.
    Refused(String),
}

impl Outcome {
    /// What becomes of a reading that is bound.
    pub fn of(reading: &Reading) -> Self {
        match reading {
            Reading::Everywhere(readers) if readers.is_empty() => Self::Nothing,
            Reading::Everywhere(_) => Self::Bound("the whole cluster".to_owned()),
            Reading::In(namespaces) => match namespaces.len() {
                0 => Self::Nothing,
                number if number > MAX_NAMESPACES => Self::TooMany(number),
                number => Self::Bound(format!("namespaces: {number}")),
            },
        }
    }

    fn observation(&self) -> Observation<'static> {
        let (holds, reason, message) = match self {
            Self::Bound(place) => (true, "Bound", place.clone()),
            Self::Nothing => (
                false,
                "NothingToRead",
                "there is nobody whom RBAC can name, or no namespace of a zone of theirs".to_owned(),
            ),
            Self::TooMany(number) => (
                false,
                "TooManyNamespaces",
                format!(
                    "{number} namespaces are more than {MAX_NAMESPACES}: a reader sees the whole cluster"
                ),
            ),
            Self::Refused(why) => (false, "Refused", format!("the API server refused: {why}")),
        };
        Observation {
            kind: MATERIALISED,
            status: holds.into(),
            reason,
            message,
        }
    }
}

/// The outcomes by what they are outcomes of; none where nothing is in force, or none is wanted.
pub type Told = HashMap<Source, Outcome>;

/// Sets the condition of an object, or removes it.
pub fn tell(
    told: &Told,
    source: &Source,
    conditions: &mut Vec<Condition>,
    (generation, now): (Option<i64>, Timestamp),
) {
    match told.get(source) {
        Some(outcome) => set_condition(conditions, outcome.observation(), generation, now),
        None => remove_condition(conditions, MATERIALISED),
    }
}

/// The present outcomes.
#[derive(Debug)]
pub struct Outcomes {
    present: Mutex<Arc<Told>>,
    grants: mpsc::UnboundedSender<ObjectRef<RoleGrant>>,
    agents: mpsc::UnboundedSender<ObjectRef<Agent>>,
}

/// The objects whose outcome changes.
#[derive(Debug)]
pub struct Moved {
    grants: mpsc::UnboundedReceiver<ObjectRef<RoleGrant>>,
    agents: mpsc::UnboundedReceiver<ObjectRef<Agent>>,
}

impl Moved {
    /// The grants, and the agents.
    pub fn split(
        self,
    ) -> (
        impl Stream<Item = ObjectRef<RoleGrant>> + Send + 'static,
        impl Stream<Item = ObjectRef<Agent>> + Send + 'static,
    ) {
        let Self {
            mut grants,
            mut agents,
        } = self;
        (
            poll_fn(move |context| grants.poll_recv(context)),
            poll_fn(move |context| agents.poll_recv(context)),
        )
    }
}

impl Outcomes {
    /// None yet.
    pub fn new() -> (Arc<Self>, Moved) {
        let (grants, moved_grants) = mpsc::unbounded_channel();
        let (agents, moved_agents) = mpsc::unbounded_channel();
        let outcomes = Self {
            present: Mutex::default(),
            grants,
            agents,
        };
        let moved = Moved {
            grants: moved_grants,
            agents: moved_agents,
        };
        (Arc::new(outcomes), moved)
    }

    /// The present ones.
    pub fn present(&self) -> Arc<Told> {
        self.present
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Puts these in the place of the present ones.
    pub fn publish(&self, next: Told) {
        let next = Arc::new(next);
        let before = std::mem::replace(
            &mut *self.present.lock().unwrap_or_else(PoisonError::into_inner),
            next.clone(),
        );
        let vanished = before.keys().filter(|source| !next.contains_key(*source));
        let changed = next
            .iter()
            .filter(|(source, outcome)| before.get(*source) != Some(*outcome))
            .map(|(source, _)| source);
        for source in vanished.chain(changed) {
            // Nobody listens once the operator stops.
            match source {
                Source::Grant(name) => drop(self.grants.send(ObjectRef::new(name))),
                Source::Agent(name) => drop(self.agents.send(ObjectRef::new(name))),
            }
        }
    }
}
