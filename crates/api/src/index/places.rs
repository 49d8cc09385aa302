//! Zones and namespaces.

use std::sync::Arc;

use countersign_core::{digest::Digest, snapshot};

use super::{Index, Indexed, Key, Namespace, Zone};
use crate::{
    invalid::Invalid,
    seal::{self, Seals},
    zone,
};

impl Indexed for Zone {
    fn is_sealed(&self, seals: &Seals) -> bool {
        seals.vouch_for(self)
    }

    fn says(&self) -> Option<Digest> {
        seal::digest(&self.spec)
    }

    fn file(&self, index: &mut Index) -> Result<(), Invalid> {
        match zone::parse(self) {
            Ok(zone) => {
                index.snapshot.unreadable_zones.remove(&zone.name);
                index.snapshot.zones.insert(Arc::new(zone));
                Ok(())
            }
            Err(invalid) => {
                if let Some(places) = zone::readable_places(self) {
                    index.snapshot.zones.insert(Arc::new(places));
                }
                Err(invalid)
            }
        }
    }

    /// Places that it had stay its own: nobody frees them by a change that was not judged. A new one gets what it says.
    fn file_scope(&self, index: &mut Index) {
        let name = Key::of(self).name;
        let had = index.snapshot.zones.get(&name).is_some();
        if let Some(places) = zone::readable_places(self).filter(|_| !had) {
            index.snapshot.zones.insert(Arc::new(places));
        }
    }

    fn unfile(key: &Key, index: &mut Index) {
        index.snapshot.zones.remove(&key.name);
        index.snapshot.unreadable_zones.remove(&key.name);
    }

    /// The part of its places that can be read stays in the index: nobody writes there until the zone is mended.
    fn unreadable(key: &Key, why: &str, index: &mut Index) {
        index
            .snapshot
            .unreadable_zones
            .insert(key.name.clone(), why.into());
    }

    fn filed(index: &Index) -> Vec<Key> {
        let zones = index.snapshot.zones.iter().map(|zone| zone.name.clone());
        let unreadable = index.snapshot.unreadable_zones.keys().cloned();
        zones
            .chain(unreadable)
            .map(|name| Key {
                namespace: "".into(),
                name,
            })
            .collect()
    }
}

impl Indexed for Namespace {
    const PERMITS: bool = false;

    fn file(&self, index: &mut Index) -> Result<(), Invalid> {
        let metadata = &self.metadata;
        let labels = metadata.labels.iter().flatten();
        let namespace = snapshot::Namespace {
            uid: metadata.uid.as_deref().unwrap_or_default().into(),
            labels: labels
                .map(|(key, value)| (key.as_str().into(), value.as_str().into()))
                .collect(),
            terminating: metadata.deletion_timestamp.is_some(),
        };
        index
            .snapshot
            .namespaces
            .insert(Key::of(self).name, Arc::new(namespace));
        Ok(())
    }

    fn unfile(key: &Key, index: &mut Index) {
        index.snapshot.namespaces.remove(&key.name);
    }

    fn filed(index: &Index) -> Vec<Key> {
        index
            .snapshot
            .namespaces
            .keys()
            .map(|name| Key {
                namespace: "".into(),
                name: name.clone(),
            })
            .collect()
    }
}
