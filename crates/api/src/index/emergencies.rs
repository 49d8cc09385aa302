//! Windows of break-glass: those that bear the operator's stamp.

use std::sync::Arc;

use countersign_core::{emergency::Emergency, snapshot::Cluster};

use super::{BreakGlass, Index, Indexed, Key};
use crate::{
    break_glass,
    invalid::{Invalid, Problem},
};

/// The window, if it bears the operator's stamp.
pub fn stamped_emergency(object: &BreakGlass, cluster: &Cluster) -> Result<Emergency, Invalid> {
    let emergency = break_glass::parse(object)?;
    if break_glass::is_stamped(object, cluster) {
        return Ok(emergency);
    }
    let shown = object.spec.stamp.as_deref().unwrap_or_default();
    Err(Problem::unexpected(shown, "the operator's stamp over this object").at("spec.stamp"))
}

impl Indexed for BreakGlass {
    const PERMITS: bool = false;

    fn file(&self, index: &mut Index) -> Result<(), Invalid> {
        let emergency = stamped_emergency(self, &index.snapshot.cluster)?;
        let key = Key::of(self);
        Self::unfile(&key, index);
        index.emergencies.insert(key, emergency.person.clone());
        index
            .snapshot
            .emergencies
            .entry(emergency.person.clone())
            .or_default()
            .push_back(Arc::new(emergency));
        Ok(())
    }

    fn unfile(key: &Key, index: &mut Index) {
        let Some(person) = index.emergencies.remove(key) else {
            return;
        };
        let Some(windows) = index.snapshot.emergencies.get_mut(&person) else {
            return;
        };
        windows.retain(|window| window.name != key.name);
        if windows.is_empty() {
            index.snapshot.emergencies.remove(&person);
        }
    }

    fn filed(index: &Index) -> Vec<Key> {
        index.emergencies.keys().cloned().collect()
    }
}
