//! Intents: those that bear the operator's stamp, while they may still explain something.

use std::{cmp::Ordering, sync::Arc};

use countersign_core::{intent::USABLE, map::Vector, rotation::MAX_AHEAD};
use jiff::Timestamp;

use super::{Index, Indexed, Intent, Key};
use crate::{intent::stamped, invalid::Invalid};

type Filed = Vector<Arc<countersign_core::intent::Intent>>;

impl Indexed for Intent {
    const PERMITS: bool = false;

    fn file(&self, index: &mut Index) -> Result<(), Invalid> {
        let intent = Arc::new(stamped(self, &index.snapshot.cluster)?);
        let key = Key::of(self);
        Self::unfile(&key, index);
        let of_agent = index.snapshot.intents.entry(intent.agent.clone()).or_default();
        index.intents.insert(key, intent.agent.clone());
        // In the order of their times: they come in any, when all are read anew.
        let after = of_agent.binary_search_by(|other| other.time.cmp(&intent.time).then(Ordering::Less));
        of_agent.insert(after.unwrap_or_else(|place| place), intent);
        for key in forget_old(of_agent) {
            index.intents.remove(&key);
        }
        Ok(())
    }

    fn unfile(key: &Key, index: &mut Index) {
        let Some(agent) = index.intents.remove(key) else {
            return;
        };
        let Some(intents) = index.snapshot.intents.get_mut(&agent) else {
            return;
        };
        intents.retain(|intent| intent.name != key.name || intent.namespace != key.namespace);
        if intents.is_empty() {
            index.snapshot.intents.remove(&agent);
        }
    }

    fn filed(index: &Index) -> Vec<Key> {
        index.intents.keys().cloned().collect()
    }
}

/// Drops what explains nothing any more: whoever signed the latest did so a minute ahead of now, at the most. The keys of
/// what is dropped.
fn forget_old(intents: &mut Filed) -> Vec<Key> {
    let mut dropped = Vec::new();
    let latest = intents.back().map(|intent| intent.time);
    let is_old = |time: Timestamp| {
        latest.is_some_and(|latest| latest.duration_since(time) >= USABLE.saturating_add(MAX_AHEAD))
    };
    while let Some(oldest) = intents.front().filter(|intent| is_old(intent.time)).cloned() {
        intents.pop_front();
        dropped.push(Key {
            namespace: oldest.namespace.clone(),
            name: oldest.name.clone(),
        });
    }
    dropped
}
