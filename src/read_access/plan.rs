//! From the bindings that are there to those that should be: pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use countersign_core::read_access::PREFIX;
use kube::api::ObjectMeta;

use super::binding::{Binding, Key};

/// One write.
#[derive(Debug, PartialEq)]
pub enum Step<K> {
    /// Make this one, which is not there.
    Make(K),
    /// Put this one in the place of the one that is there.
    Mend(K),
    /// Delete the one that is there, and make this one: a binding never changes its role.
    Remake {
        /// The one that is there.
        gone: K,
        /// The one that should be.
        made: K,
    },
    /// Delete this one.
    Remove(K),
}

/// What is to be written, so that those are there that are wanted. A binding that is not named as ours is left alone,
/// whatever label it bears.
pub fn plan<K: Binding>(wanted: &BTreeMap<Key, K>, seen: &[Arc<K>]) -> Vec<Step<K>> {
    let there: BTreeMap<Key, &Arc<K>> = seen.iter().map(|one| (one.key(), one)).collect();
    let towards = wanted
        .iter()
        .filter_map(|(key, binding)| towards(binding, there.get(key).map(|one| &***one)));
    let is_left_over = |one: &&Arc<K>| {
        let (_, name) = &one.key();
        let goes = one.meta().deletion_timestamp.is_some();
        name.starts_with(PREFIX) && !goes && !wanted.contains_key(&one.key())
    };
    let left_over = there.values().copied().filter(is_left_over);
    towards
        .chain(left_over.map(|one| Step::Remove(K::clone(one))))
        .collect()
}

/// What is to be written, so that this one is there.
pub fn towards<K: Binding>(wanted: &K, there: Option<&K>) -> Option<Step<K>> {
    let Some(there) = there else {
        return Some(Step::Make(wanted.clone()));
    };
    if there.role() != wanted.role() {
        return Some(Step::Remake {
            gone: there.clone(),
            made: wanted.clone(),
        });
    }
    let same = there.subjects() == wanted.subjects() && is_like(there.meta(), wanted.meta());
    (!same).then(|| {
        let mut mended = wanted.clone();
        mended
            .meta_mut()
            .resource_version
            .clone_from(&there.meta().resource_version);
        Step::Mend(mended)
    })
}

/// Whether our labels are there, and nobody else owns or holds it: it must go with its owner.
fn is_like(there: &ObjectMeta, wanted: &ObjectMeta) -> bool {
    let labels = |metadata: &ObjectMeta| -> BTreeSet<(String, String)> {
        metadata.labels.clone().unwrap_or_default().into_iter().collect()
    };
    let free = there.finalizers.iter().flatten().next().is_none();
    free && labels(there).is_superset(&labels(wanted)) && there.owner_references == wanted.owner_references
}
