use proptest::{collection::btree_map, prelude::*};
use serde_json::{Map, Value, json};

use super::*;
use crate::{
    hash::changed_pointers,
    object::{Change, Object},
};

#[test]
fn a_part_is_a_granule_or_a_map_of_granules() {
    for part in [
        "/rules",
        "/spec",
        "/spec/replicas",
        "/status/conditions",
        "/data/tls.crt",
        "/binaryData/a",
        "/metadata",
        "/metadata/finalizers",
        "/metadata/labels",
        "/metadata/labels/app",
        "/metadata/annotations/example.com~1a~0b",
    ] {
        assert!(is_part(part), "{part}");
    }
    for other in [
        "",
        "/",
        "spec",
        "spec/replicas",
        "/spec/",
        "/spec/template/spec",
        "/rules/0",
        "/stringData/password",
        "/metadata/ownerReferences/0",
        "/metadata/labels/",
        "/metadata/labels/example.com/app",
        "/data/a~2b",
        "/data/a~",
    ] {
        assert!(!is_part(other), "{other}");
    }
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        "[a-z]{0,3}".prop_map(Value::from)
    ];
    leaf.prop_recursive(3, 16, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            btree_map("[a-z/~]{1,4}", inner, 0..3).prop_map(|map| Value::from(Map::from_iter(map))),
        ]
    })
}

fn object() -> impl Strategy<Value = Value> {
    let strings = || btree_map("[a-z/~]{1,4}", "[a-z]{0,2}", 0..3);
    let metadata = (strings(), strings(), btree_map("[a-z]{9,10}", value(), 0..3));
    let root = prop::sample::select(vec![
        "spec",
        "status",
        "data",
        "binaryData",
        "stringData",
        "rules",
        "x/y",
        "x~y",
    ]);
    (metadata, btree_map(root, value(), 0..5)).prop_map(|((labels, annotations, metadata), root)| {
        let mut metadata: Map<_, _> = metadata.into_iter().collect();
        metadata.insert("labels".to_owned(), json!(labels));
        metadata.insert("annotations".to_owned(), json!(annotations));
        let mut object: Map<_, _> = root
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect();
        object.insert("metadata".to_owned(), Value::from(metadata));
        Value::from(object)
    })
}

proptest! {
    #[test]
    fn whatever_changes_is_a_part_and_covered_by_each_part_above_it(object in object()) {
        let text = object.to_string();
        let changed = changed_pointers(&Change::Create(Object::parse(&text).unwrap())).unwrap();
        for pointer in changed {
            prop_assert!(is_part(&pointer), "{}", pointer);
            let above = pointer.rsplit_once('/').map(|(above, _)| above).filter(|above| !above.is_empty());
            for part in above.into_iter().chain([pointer.as_str()]) {
                prop_assert!(is_part(part), "{}", part);
                prop_assert!(within(std::slice::from_ref(&pointer), &[part]));
            }
            let finer = format!("{pointer}/x");
            prop_assert!(!within(&[pointer], &[finer]));
        }
    }
}
