//! How many tickets wait in each zone: counted once for all zones, whenever tickets change.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use countersign_api::Zone;
use countersign_core::{place::Place, snapshot::Snapshot};
use futures::{Stream, StreamExt, stream};
use kube::runtime::reflector::ObjectRef;
use tokio::sync::watch;

use super::gathered;
use crate::state::State;

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
        let next = Arc::new(count(snapshot));
        let before = std::mem::replace(
            &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner),
            next.clone(),
        );
        let differs = |zone: &&Arc<str>| before.get(*zone) != next.get(*zone);
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
}

fn count(snapshot: &Snapshot) -> Counts {
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
    gathered(changes).flat_map(move |()| {
        let moved = pending.renew(&state.snapshot());
        stream::iter(moved.into_iter().map(|zone| ObjectRef::new(&zone)))
    })
}
