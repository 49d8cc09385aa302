//! Where a live configuration differs from the one that the operator wants; fields unknown to this version count.

use std::collections::{BTreeMap, BTreeSet};

use kube::{ResourceExt, api::DynamicObject};
use serde_json::Value;

/// The paths of the fields that differ, such as `webhooks[validate.countersign.dev].failurePolicy`; empty when the live object is as it
/// should be. Other people's labels and annotations do no harm and are left alone.
pub(super) fn diff(live: &DynamicObject, desired: &DynamicObject) -> Vec<String> {
    let mut paths = Vec::new();
    for (label, value) in desired.labels() {
        if live.labels().get(label) != Some(value) {
            paths.push(format!("metadata.labels[{label}]"));
        }
    }
    if !live.owner_references().is_empty() {
        paths.push("metadata.ownerReferences".to_owned());
    }
    if !live.finalizers().is_empty() {
        paths.push("metadata.finalizers".to_owned());
    }
    compare("", &live.data, &desired.data, &mut paths);
    paths
}

fn compare(path: &str, live: &Value, desired: &Value, paths: &mut Vec<String>) {
    if live == desired {
        return;
    }
    let (Some(live), Some(desired)) = (parts(live), parts(desired)) else {
        paths.push(path.trim_start_matches('.').to_owned());
        return;
    };
    for part in live.keys().chain(desired.keys()).collect::<BTreeSet<_>>() {
        let value = |parts: &BTreeMap<_, _>| parts.get(part).copied().unwrap_or(&Value::Null);
        compare(&format!("{path}{part}"), value(&live), value(&desired), paths);
    }
}

/// The fields of an object, or the items of a list by their names, or else by their indices. In a list with names
/// order means nothing to the API server.
fn parts(value: &Value) -> Option<BTreeMap<String, &Value>> {
    match value {
        Value::Object(fields) => Some(
            fields
                .iter()
                .map(|(key, value)| (format!(".{key}"), value))
                .collect(),
        ),
        Value::Array(items) => {
            let parts: BTreeMap<_, _> = items.iter().enumerate().map(item).collect();
            (parts.len() == items.len()).then_some(parts)
        }
        _ => None,
    }
}

fn item((index, item): (usize, &Value)) -> (String, &Value) {
    let name = item.get("name").and_then(Value::as_str);
    (
        name.map_or_else(|| format!("[{index}]"), |name| format!("[{name}]")),
        item,
    )
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
    use serde_json::json;

    use super::*;
    use crate::webhook_config::desired::{Desired, tests::plan};

    const WEBHOOK: &str = "webhooks[validate.countersign.dev]";

    fn changed(change: impl FnOnce(&mut DynamicObject)) -> Vec<String> {
        let desired = Desired::new(&plan(), false).validating;
        let mut live = desired.clone();
        change(&mut live);
        diff(&live, &desired)
    }

    #[test]
    fn what_is_as_it_should_be_does_not_differ() {
        assert!(changed(|_| {}).is_empty());
        assert!(
            changed(|live| _ = live
                .annotations_mut()
                .insert("kubectl.kubernetes.io/x".into(), "y".into()))
            .is_empty()
        );
    }

    #[test]
    fn each_weakened_field_is_found_by_its_path() {
        let cases = [
            ("/failurePolicy", json!("Ignore"), "failurePolicy"),
            ("/timeoutSeconds", json!(1), "timeoutSeconds"),
            ("/matchPolicy", json!("Equivalent"), "matchPolicy"),
            ("/sideEffects", json!("None"), "sideEffects"),
            (
                "/admissionReviewVersions/0",
                json!("v1beta1"),
                "admissionReviewVersions[0]",
            ),
            (
                "/objectSelector",
                json!({"matchLabels": {"a": "b"}}),
                "objectSelector.matchLabels",
            ),
            (
                "/namespaceSelector",
                json!({"matchLabels": {"a": "b"}}),
                "namespaceSelector.matchLabels",
            ),
            ("/rules/0/scope", json!("Namespaced"), "rules[0].scope"),
            (
                "/rules/0/operations",
                json!(["CREATE", "UPDATE", "DELETE"]),
                "rules[0].operations[3]",
            ),
            ("/rules/0/resources", json!(["*"]), "rules[0].resources[0]"),
            ("/rules/0/apiGroups/0", json!("apps"), "rules[0].apiGroups[0]"),
            ("/rules/0/apiVersions/0", json!("v1"), "rules[0].apiVersions[0]"),
            ("/rules", json!([]), "rules[0]"),
            ("/clientConfig/url", json!("https://evil"), "clientConfig.url"),
            ("/clientConfig/caBundle", json!("AA=="), "clientConfig.caBundle"),
            (
                "/matchConditions/0/expression",
                json!("false"),
                "matchConditions[unguarded.countersign.dev/events].expression",
            ),
        ];
        for (pointer, value, path) in cases {
            let found = changed(|live| *live.data["webhooks"][0].pointer_mut(pointer).unwrap() = value);
            assert_eq!(found, [format!("{WEBHOOK}.{path}")]);
        }
    }

    #[test]
    fn what_was_added_or_removed_is_found() {
        let never = json!({"name": "never", "expression": "false"});
        for index in [0, 1] {
            let added = changed(|live| {
                let conditions = live.data["webhooks"][0]["matchConditions"]
                    .as_array_mut()
                    .unwrap();
                conditions.insert(index, never.clone());
            });
            assert_eq!(added, [format!("{WEBHOOK}.matchConditions[never]")]);
        }
        let doubled = changed(|live| {
            let conditions = live.data["webhooks"][0]["matchConditions"]
                .as_array_mut()
                .unwrap();
            conditions.insert(0, conditions[0].clone());
        });
        assert_eq!(doubled, [format!("{WEBHOOK}.matchConditions")]);
        assert_eq!(changed(|live| live.data["webhooks"] = json!([])), [WEBHOOK]);
        assert_eq!(changed(|live| live.data = json!({})), ["webhooks"]);
        let renamed = changed(|live| live.data["webhooks"][0]["name"] = "other.countersign.dev".into());
        assert_eq!(renamed, ["webhooks[other.countersign.dev]", WEBHOOK]);
        let unknown = changed(|live| live.data["webhooks"][0]["newField"] = json!(true));
        assert_eq!(unknown, [format!("{WEBHOOK}.newField")]);
    }

    #[test]
    fn metadata_that_endangers_the_object_is_found() {
        assert_eq!(
            changed(|live| live.metadata.labels = None),
            ["metadata.labels[app.kubernetes.io/managed-by]"]
        );
        assert_eq!(
            changed(|live| live.finalizers_mut().push("a/b".to_owned())),
            ["metadata.finalizers"]
        );
        let owned = changed(|live| live.owner_references_mut().push(OwnerReference::default()));
        assert_eq!(owned, ["metadata.ownerReferences"]);
    }
}
