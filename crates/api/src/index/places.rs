//! Zones and namespaces.

use std::sync::Arc;

use countersign_core::{digest::Digest, snapshot};
use kube::Resource;

use super::{Index, Indexed, Key, Namespace, Zone};
use crate::{
    invalid::Invalid,
    seal::{self, Seals, labels_content},
    zone,
};

impl Indexed for Zone {
    fn is_sealed(&self, seals: &Seals) -> bool {
        seals.vouch_for(self)
    }

    fn says(&self) -> Option<Digest> {
        seal::digest(&self.spec)
    }

    fn permits_as(&self, other: &Self) -> bool {
        seal::permits_as(self, other)
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
    const SHOWN: bool = true;

    fn is_sealed(&self, seals: &Seals) -> bool {
        let metadata = &self.metadata;
        let (name, uid) = (Key::of(self).name, metadata.uid.as_deref().unwrap_or_default());
        let labels = metadata.labels.clone().unwrap_or_default();
        labels_content(&*name, uid, &labels).is_some_and(|content| seals.vouch_for_labels(&content))
    }

    fn says(&self) -> Option<Digest> {
        seal::digest(&self.metadata.labels.clone().unwrap_or_default())
    }

    fn file(&self, index: &mut Index) -> Result<(), Invalid> {
        file_namespace(self, true, index);
        Ok(())
    }

    fn file_scope(&self, index: &mut Index) {
        file_namespace(self, false, index);
    }

    fn unfile(key: &Key, index: &mut Index) {
        index.snapshot.namespaces.remove(&*key.name);
    }

    /// It stays where it is, and is prod.
    fn unreadable(key: &Key, _: &str, index: &mut Index) {
        set_sealed(&key.name, false, index);
    }

    fn filed(index: &Index) -> Vec<Key> {
        index
            .snapshot
            .namespaces
            .keys()
            .map(|name| Key {
                namespace: "".into(),
                name: name.as_str().into(),
            })
            .collect()
    }
}

fn file_namespace(object: &Namespace, sealed: bool, index: &mut Index) {
    let metadata = &object.metadata;
    let labels = metadata.labels.iter().flatten();
    let labels = labels.map(|(key, value)| (key.as_str().into(), value.as_str().into()));
    let uid = metadata.uid.as_deref().unwrap_or_default();
    let mut namespace = snapshot::Namespace::new(uid, labels.collect());
    namespace.sealed = sealed;
    namespace.terminating = metadata.deletion_timestamp.is_some();
    let name = metadata.name.as_deref().unwrap_or_default();
    index.snapshot.namespaces.insert(name.into(), Arc::new(namespace));
}

fn set_sealed(name: &str, sealed: bool, index: &mut Index) {
    if let Some(namespace) = index.snapshot.namespaces.get_mut(name) {
        Arc::make_mut(namespace).sealed = sealed;
    }
}

impl Index {
    /// Looks again at the namespaces whose labels nobody had judged, after some were sealed.
    pub fn look_at_namespaces_again(&mut self) {
        let Some(seals) = self.seals.clone() else {
            return;
        };
        let kind = Namespace::kind(&());
        let unsealed = self.unsealed.keys().filter(|(of, _)| *of == kind);
        let keys: Vec<Key> = unsealed.map(|(_, key)| key.clone()).collect();
        for key in keys {
            let known = self.snapshot.namespaces.get(&*key.name);
            let content = known.and_then(|known| labels_content(&*key.name, &*known.uid, known.labels()));
            if content.is_some_and(|content| seals.vouch_for_labels(&content)) {
                self.note_seal::<Namespace>(&key, true);
                set_sealed(&key.name, true, self);
            }
        }
    }
}

#[cfg(test)]
mod tests;
