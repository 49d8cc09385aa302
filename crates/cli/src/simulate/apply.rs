//! What an apply of a manifest makes of an object that exists.

use serde_json::{Map, Value};

/// Where kubectl keeps what it applied the last time.
const LAST_APPLIED: &str = "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration";

/// The object as the apply would leave it.
///
/// Where the object tells what was applied before, what the manifest does not mention stays, and what it no longer
/// mentions goes. Otherwise the manifest is taken for the whole object: exact when `old` is the manifest of before, and of
/// an object as the cluster stores it never taken for a change that is smaller than the real one.
pub fn applied(old: &Value, manifest: &Value) -> Value {
    let last = old.pointer(LAST_APPLIED).and_then(Value::as_str);
    match last.and_then(|last| serde_json::from_str(last).ok()) {
        Some(last) => merged(old, &last, &annotated(manifest)),
        None => manifest.clone(),
    }
}

/// The manifest as kubectl sends it: it adds an annotation of its own, so that the map itself never goes.
fn annotated(manifest: &Value) -> Value {
    let mut manifest = manifest.clone();
    if let Some(metadata) = manifest.get_mut("metadata").and_then(Value::as_object_mut) {
        let annotations = metadata.entry("annotations").or_insert(Value::Null);
        if annotations.is_null() {
            *annotations = Value::Object(Map::new());
        }
    }
    manifest
}

/// Items of lists are told apart by their position: where that is wrong the result differs from `old`, as the real one
/// does.
fn merged(old: &Value, last: &Value, new: &Value) -> Value {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => merged_maps(old, last, new),
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            let items = old.iter().zip(new).enumerate();
            let items = items.map(|(at, (old, new))| merged(old, last.get(at).unwrap_or(&Value::Null), new));
            items.collect()
        }
        _ => new.clone(),
    }
}

fn merged_maps(old: &Map<String, Value>, last: &Value, new: &Map<String, Value>) -> Value {
    let is_kept = |key: &str| !new.contains_key(key) && last.get(key).is_none();
    let kept = old.iter().filter(|(key, _)| is_kept(key));
    let kept = kept.map(|(key, value)| (key.clone(), value.clone()));
    // To apply a null is to remove.
    let named = new
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(key, value)| {
            let last = last.get(key).unwrap_or(&Value::Null);
            let value = old
                .get(key)
                .map_or_else(|| value.clone(), |old| merged(old, last, value));
            (key.clone(), value)
        });
    Value::Object(kept.chain(named).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The object as the API server stores what `last` was applied as.
    fn stored(last: &Value) -> Value {
        json!({
            "metadata": {
                "name": "a", "uid": "u1",
                "labels": { "app": "a", "added": "by-others" },
                "annotations": { "kubectl.kubernetes.io/last-applied-configuration": last.to_string() },
            },
            "spec": {
                "replicas": 2,
                "containers": [{ "name": "x", "image": "i:1", "pullPolicy": "IfNotPresent" }],
            },
            "status": { "ready": 2 },
        })
    }

    fn manifest() -> Value {
        json!({
            "metadata": { "name": "a", "labels": { "app": "a" }, "creationTimestamp": null },
            "spec": { "containers": [{ "name": "x", "image": "i:1" }] },
        })
    }

    #[test]
    fn what_was_applied_already_changes_nothing() {
        let old = stored(&manifest());
        assert_eq!(applied(&old, &manifest()), old);
    }

    #[test]
    fn what_the_manifest_sets_is_set_and_the_rest_stays() {
        let old = stored(&manifest());
        let mut new = manifest();
        new["spec"]["containers"][0]["image"] = json!("i:2");
        let mut expected = old.clone();
        expected["spec"]["containers"][0]["image"] = json!("i:2");
        assert_eq!(applied(&old, &new), expected);
    }

    #[test]
    fn what_the_manifest_no_longer_holds_goes() {
        let mut last = manifest();
        last["spec"]["replicas"] = json!(2);
        let old = stored(&last);
        assert_eq!(applied(&old, &manifest())["spec"].get("replicas"), None);

        let mut without_label = manifest();
        without_label["metadata"]["labels"] = json!({});
        let labels = json!({ "added": "by-others" });
        assert_eq!(applied(&old, &without_label)["metadata"]["labels"], labels);
    }

    #[test]
    fn annotations_of_others_stay_where_the_manifest_had_an_empty_map() {
        let mut last = manifest();
        last["metadata"]["annotations"] = json!({});
        let old = stored(&last);
        for annotations in [json!({}), Value::Null] {
            let mut new = manifest();
            new["metadata"]["annotations"] = annotations;
            assert_eq!(applied(&old, &new), old);
        }
        assert_eq!(applied(&old, &manifest()), old);
    }

    #[test]
    fn a_list_of_another_length_is_replaced() {
        let old = stored(&manifest());
        let mut new = manifest();
        new["spec"]["containers"] = json!([]);
        assert_eq!(applied(&old, &new)["spec"]["containers"], json!([]));
    }

    #[test]
    fn without_what_was_applied_before_the_manifest_is_the_object() {
        let mut old = stored(&manifest());
        assert_eq!(
            old.as_object_mut().unwrap()["metadata"]["annotations"].take(),
            stored(&manifest())["metadata"]["annotations"]
        );
        assert_eq!(applied(&old, &manifest()), manifest());
    }
}
