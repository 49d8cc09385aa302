//! Numbers that a status tells in passing. Each replica counts what it has seen: corrected at once, they would be corrected
//! all the time, by each of the others.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use kube::{Resource, ResourceExt};

use super::spread;

/// How long a number is left as another replica wrote it, at least and at most.
const LEAST: Duration = Duration::from_millis(1500);
const MOST: Duration = Duration::from_secs(4);

/// How long after that an object that was not looked at again is forgotten: it is gone.
const GONE: Duration = Duration::from_mins(1);

/// The objects whose numbers are not what this replica counts.
#[derive(Debug, Default)]
pub struct Numbers(Mutex<HashMap<Key, Patience>>);

/// Kind and name of a cluster-scoped object.
type Key = (String, String);

#[derive(Debug)]
struct Patience {
    /// The version of the object that shows them.
    version: Option<String>,
    end: Instant,
}

impl Numbers {
    /// How much longer what this version of the object shows is left alone; `None` once it was.
    pub fn wait<K: Resource<DynamicType = ()>>(&self, object: &K) -> Option<Duration> {
        let (now, version) = (Instant::now(), object.resource_version());
        let fresh = || Patience {
            version: version.clone(),
            end: now + spread(LEAST, MOST),
        };
        let mut differing = self.differing();
        differing.retain(|_, patience| now < patience.end + GONE);
        let patience = differing.entry(key(object)).or_insert_with(fresh);
        if patience.version != version {
            *patience = fresh();
        }
        let left = patience.end.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }

    /// The object shows what this replica counts, or it was told to.
    pub fn settle<K: Resource<DynamicType = ()>>(&self, object: &K) {
        self.differing().remove(&key(object));
    }

    fn differing(&self) -> MutexGuard<'_, HashMap<Key, Patience>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key<K: Resource<DynamicType = ()>>(object: &K) -> Key {
    (K::kind(&()).into_owned(), object.name_any())
}

#[cfg(test)]
mod tests {
    use countersign_api::Zone;
    use serde_json::{from_value, json};

    use super::*;

    fn zone(version: &str) -> Zone {
        let zone = json!({
            "apiVersion": "countersign.dev/v1alpha1", "kind": "Zone",
            "metadata": { "name": "shop", "resourceVersion": version },
            "spec": { "owner": "team:shop", "objects": ["shop/**"] },
        });
        from_value(zone).unwrap()
    }

    #[test]
    fn what_each_version_shows_is_left_alone_for_a_while() {
        let numbers = Numbers::default();
        assert!(numbers.wait(&zone("1")).is_some());
        let is_over = || {
            let mut differing = numbers.differing();
            differing.values_mut().for_each(|wait| wait.end = Instant::now());
        };
        is_over();
        assert_eq!(numbers.wait(&zone("1")), None);
        assert!(numbers.wait(&zone("2")).is_some(), "another wrote since");
        is_over();
        numbers.settle(&zone("2"));
        assert!(numbers.wait(&zone("2")).is_some());
    }
}
