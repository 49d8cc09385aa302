//! How many tickets wait in each zone, and of each agent: counted once for all of them, whenever tickets change.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use countersign_api::{Agent, Zone};
use countersign_core::{identity::Identity, place::Place, snapshot::Snapshot};
use futures::{Stream, StreamExt, stream};
use kube::runtime::reflector::ObjectRef;
use tokio::sync::watch;

use super::gathered_for;
use crate::state::State;

/// How long tickets are gathered before they are counted again.
const GATHER: Duration = Duration::from_secs(1);

/// The number of waiting tickets by the name of the zone; none is not there.
pub type Counts = HashMap<Arc<str>, u32>;

/// The present counts.
#[derive(Debug, Default)]
pub struct Pending(Mutex<Arc<Counts>>);

impl Pending {
    /// The present counts.
    pub fn counts(&self) -> Arc<Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts anew; the zones whose number is another now.
    fn renew(&self, snapshot: &Snapshot) -> Vec<Arc<str>> {
        let next = Arc::new(count_of_zones(snapshot));
        let before = std::mem::replace(
            &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner),
            next.clone(),
        );
        differing(&before, &next)
    }
}

/// The keys whose number is another now.
fn differing<K: Clone + Eq + Hash + Ord>(before: &HashMap<K, u32>, next: &HashMap<K, u32>) -> Vec<K> {
    let differs = |key: &&K| before.get(*key) != next.get(*key);
    let mut moved: Vec<_> = before
        .keys()
        .chain(next.keys())
        .filter(differs)
        .cloned()
        .collect();
    moved.sort_unstable();
    moved.dedup();
    moved
}

fn count_of_zones(snapshot: &Snapshot) -> Counts {
    let mut counts = Counts::new();
    for ticket in snapshot.pending.values().flatten() {
        if let Ok(Some(zone)) = Place::of(&ticket.binding.target.target()).zone(snapshot) {
            *counts.entry(zone.name.clone()).or_default() += 1;
        }
    }
    counts
}

/// The zones whose number of waiting tickets changes.
pub fn moved_zones(
    pending: Arc<Pending>,
    state: Arc<State>,
    changes: watch::Receiver<u64>,
) -> impl Stream<Item = ObjectRef<Zone>> + Send + 'static {
    gathered_for(GATHER, changes).flat_map(move |()| {
        let moved = pending.renew(&state.snapshot());
        stream::iter(moved.into_iter().map(|zone| ObjectRef::new(&zone)))
    })
}

/// The agents whose number of waiting tickets changes.
pub fn moved_agents(
    state: Arc<State>,
    changes: watch::Receiver<u64>,
) -> impl Stream<Item = ObjectRef<Agent>> + Send + 'static {
    let mut before = HashMap::new();
    gathered_for(GATHER, changes).flat_map(move |()| {
        let next = count_of_agents(&state.snapshot());
        let moved = differing(&before, &next);
        before = next;
        stream::iter(moved.into_iter().map(|agent| ObjectRef::new(agent.local())))
    })
}

fn count_of_agents(snapshot: &Snapshot) -> HashMap<Identity, u32> {
    let mut counts = HashMap::new();
    for ((subject, _), tickets) in &snapshot.pending {
        if subject.is_agent() {
            let waiting = u32::try_from(tickets.len()).unwrap_or(u32::MAX);
            let count: &mut u32 = counts.entry(subject.clone()).or_default();
            *count = count.saturating_add(waiting);
        }
    }
    counts
}
