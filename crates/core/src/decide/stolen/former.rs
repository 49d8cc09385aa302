//! A former template, in a ControllerRevision: what its controller makes of the text, which nobody has checked.
//!
//! The API server stores `data` as it came. The StatefulSet controller lays it over the present object and reads the
//! result by `encoding/json`, to which keys that differ in case alone are the same.

use super::workload::ACCOUNT;
use crate::object::{Map, Object, ObjectError};

/// The maps around the spec of the pods.
const WAY: [&str; 3] = ["spec", "template", "spec"];

/// The lists of what runs.
const CONTAINERS: [&str; 2] = ["containers", "initContainers"];

/// Whether the text does not tell as whom the pods run: some reader may take another key for one that matters, or the
/// account is that of the template over which this one is laid.
pub(super) fn is_untold(object: &Object<'_>) -> Result<bool, ObjectError> {
    let (mut value, mut replaces) = (object.field(&["data"])?, false);
    for key in WAY {
        let Some(map) = value.map(Map::read).transpose()?.flatten() else {
            return Ok(false);
        };
        if has_alike(&map, &[key]) {
            return Ok(true);
        }
        replaces = map
            .get("$patch")
            .is_some_and(|patch| serde_json::from_str::<String>(patch.get()).is_ok_and(|it| it == "replace"));
        value = map.get(key).map(serde_json::value::RawValue::get);
    }
    let Some(pods) = value.map(Map::read).transpose()?.flatten() else {
        return Ok(false);
    };
    let lays_over = !replaces
        && pods
            .get(ACCOUNT[0])
            .is_none_or(|name| matches!(name.get(), "null" | "\"\""));
    let runs = CONTAINERS.iter().any(|key| pods.get(key).is_some());
    Ok(has_alike(&pods, &ACCOUNT) || has_alike(&pods, &CONTAINERS) || (lays_over && runs))
}

/// Whether a map has a key that is none of these names, and that a reader who folds case takes for one of them.
fn has_alike(map: &Map<'_>, names: &[&str]) -> bool {
    map.0.iter().any(|(key, _)| {
        let alike = |name: &&str| folded(key) == folded(name);
        !names.contains(&&**key) && names.iter().any(alike)
    })
}

/// One text for all that differ in case alone: both ways, for the signs that only one of them folds.
fn folded(text: &str) -> String {
    text.to_uppercase().to_lowercase()
}
