//! The hash beside a naive one that is written on whole JSON values.

use proptest::{collection, prelude::*, sample};
use serde_json::{Map, Value as Json, json};
use sha2::{Digest as _, Sha256};

use super::*;

type Granules = BTreeMap<String, Json>;

const SPLIT: [&str; 4] = ["spec", "status", "data", "binaryData"];
const SERVER: [&str; 4] = ["managedFields", "resourceVersion", "generation", "uid"];

fn pointer(parts: &[&str]) -> String {
    parts.iter().fold(String::new(), |pointer, part| {
        pointer + "/" + &part.replace('~', "~0").replace('/', "~1")
    })
}

/// Every granule of an object; `noop` keeps what only the hash leaves out.
fn granules_of(object: &Json, noop: bool) -> Granules {
    let mut granules = Granules::new();
    for (key, value) in object.as_object().unwrap() {
        match (key.as_str(), value) {
            ("metadata", Json::Object(metadata)) => {
                for (key, value) in metadata {
                    match (key.as_str(), value) {
                        ("labels" | "annotations", Json::Object(entries)) => {
                            for (name, value) in entries {
                                granules.insert(pointer(&["metadata", key, name]), value.clone());
                            }
                        }
                        (server, _) if SERVER.contains(&server) => {}
                        ("name", _) if !noop => {}
                        _ => drop(granules.insert(pointer(&["metadata", key]), value.clone())),
                    }
                }
            }
            ("apiVersion" | "kind", _) if !noop => {}
            (section, Json::Object(entries)) if SPLIT.contains(&section) && !entries.is_empty() => {
                for (name, value) in entries {
                    granules.insert(pointer(&[section, name]), value.clone());
                }
            }
            _ => drop(granules.insert(pointer(&[key]), value.clone())),
        }
    }
    granules
}

fn sha256(text: &str) -> String {
    Sha256::digest(text)
        .iter()
        .fold("sha256:".to_owned(), |hex, byte| hex + &format!("{byte:02x}"))
}

/// Values in these tests have ASCII keys and integers, so that the plain text of a sorted map is canonical.
fn root(side: &Granules, pointers: &[&String]) -> String {
    let list: Vec<_> = pointers
        .iter()
        .map(|pointer| json!([pointer, side.get(*pointer).map(|v| sha256(&v.to_string()))]))
        .collect();
    sha256(&format!(
        "countersign.dev/resource-hash/v1\n{}",
        json!([WIDGET.0, WIDGET.1, "", list])
    ))
}

fn changed_between<'a>(old: &'a Granules, new: &'a Granules) -> Vec<&'a String> {
    let mut pointers: Vec<_> = old
        .keys()
        .chain(new.keys())
        .filter(|key| old.get(*key) != new.get(*key))
        .collect();
    pointers.sort();
    pointers.dedup();
    pointers
}

fn key_name() -> impl Strategy<Value = String> {
    sample::select(vec![
        "a", "b", "a/b", "a~b", "~1", "", "*", "0", "é", "\"q\\", "spec",
    ])
    .prop_map(str::to_owned)
}

fn leaf() -> impl Strategy<Value = Json> {
    prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        (-2_i64..3).prop_map(Json::from),
        "[a-c\"\\\\\n\u{e9}]{0,3}".prop_map(Json::from),
    ]
}

fn value() -> impl Strategy<Value = Json> {
    leaf().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            collection::vec(inner.clone(), 0..3).prop_map(Json::from),
            collection::btree_map(key_name(), inner, 0..3)
                .prop_map(|map| Json::Object(map.into_iter().collect())),
        ]
    })
}

fn metadata() -> impl Strategy<Value = Json> {
    let strings = || collection::btree_map(key_name(), "[a-b]{0,2}", 0..3);
    let names = sample::subsequence(vec!["name", "finalizers", "ownerReferences", "other"], 0..=4);
    (
        strings(),
        strings(),
        names,
        0_u8..2,
        sample::subsequence(SERVER.to_vec(), 0..=4),
    )
        .prop_map(|(labels, annotations, names, value, server)| {
            let mut map = Map::from_iter([
                ("labels".to_owned(), json!(labels)),
                ("annotations".to_owned(), json!(annotations)),
            ]);
            map.extend(names.into_iter().map(|name| (name.to_owned(), json!(value))));
            map.extend(server.into_iter().map(|name| (name.to_owned(), json!(value))));
            Json::Object(map)
        })
}

fn any_object() -> impl Strategy<Value = Json> {
    let sections = sample::select(vec!["spec", "status", "data", "rules", "apiVersion", "kind"]);
    (
        metadata(),
        collection::btree_map(sections.prop_map(str::to_owned), value(), 0..4),
    )
        .prop_map(|(metadata, fields)| {
            let mut map: Map<_, _> = fields.into_iter().collect();
            map.insert("metadata".to_owned(), metadata);
            Json::Object(map)
        })
}

/// Two objects that often share most of their fields.
fn pair() -> impl Strategy<Value = (Json, Json)> {
    (any_object(), any_object(), any::<u32>()).prop_map(|(old, other, choice)| {
        let mut new = old.clone();
        for (index, (key, value)) in other.as_object().unwrap().iter().enumerate() {
            if choice >> index & 1 == 1 {
                new[key] = value.clone();
            }
        }
        (old, new)
    })
}

/// The same value in another spelling: keys reversed, white space, escaped letters in keys.
fn respelled(value: &Json) -> String {
    match value {
        Json::Object(map) => {
            let key = |key: &str| {
                json!(key)
                    .to_string()
                    .replace('a', "\\u0061")
                    .replace('p', "\\u0070")
            };
            let entries: Vec<_> = map
                .iter()
                .rev()
                .map(|(k, v)| format!(" {}\t:\n{} ", key(k), respelled(v)))
                .collect();
            format!("{{{}}}", entries.join(","))
        }
        Json::Array(list) => format!(
            "[ {} ]",
            list.iter().map(respelled).collect::<Vec<_>>().join(" ,")
        ),
        other => other.to_string(),
    }
}

/// Every value in place, with the path to it.
fn leaves(value: &Json, at: String, found: &mut Vec<String>) {
    match value {
        Json::Object(map) if !map.is_empty() => {
            map.iter()
                .for_each(|(key, value)| leaves(value, at.clone() + &pointer(&[key]), found));
        }
        Json::Array(list) if !list.is_empty() => {
            list.iter()
                .enumerate()
                .for_each(|(index, value)| leaves(value, format!("{at}/{index}"), found));
        }
        _ => found.push(at),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_update_hashes_like_the_oracle((old, new) in pair()) {
        let (old_text, new_text) = (old.to_string(), respelled(&new));
        let change = update(&old_text, &new_text);
        let (old_all, new_all) = (granules_of(&old, true), granules_of(&new, true));
        prop_assert_eq!(is_noop(&change).unwrap(), old_all == new_all);
        let mut pointers = changed_pointers(&change).unwrap();
        pointers.sort();
        prop_assert_eq!(pointers.iter().collect::<Vec<_>>(), changed_between(&old_all, &new_all));

        let (old, new) = (granules_of(&old, false), granules_of(&new, false));
        let expected = changed_between(&old, &new);
        let key = key();
        let found = effective_change(&change, &of(WIDGET, &key)).unwrap();
        prop_assert_eq!(found.granules.iter().map(|granule| &granule.pointer).collect::<Vec<_>>(), expected.clone());
        for granule in &found.granules {
            let shown = |value: &Option<Value>| value.as_ref().map(|value| serde_json::from_str(value.as_str()).unwrap());
            prop_assert_eq!(shown(&granule.old), old.get(&granule.pointer).cloned());
            prop_assert_eq!(shown(&granule.new), new.get(&granule.pointer).cloned());
        }
        prop_assert_eq!(found.resource_hash.to_string(), root(&new, &expected));
        prop_assert_eq!(found.old_hash.unwrap().to_string(), root(&old, &expected));
        let state = |text: &str| state_hash(&object(text), &expected, &of(WIDGET, &key)).unwrap();
        prop_assert_eq!(state(&new_text), found.resource_hash);
        prop_assert_eq!(Some(state(&old_text)), found.old_hash);
    }

    #[test]
    fn a_create_hashes_like_the_oracle_in_any_spelling(new in any_object()) {
        let key = key();
        let hash = |text: &str| effective_change(&Change::Create(object(text)), &of(WIDGET, &key)).unwrap();
        let found = hash(&new.to_string());
        prop_assert_eq!(&hash(&respelled(&new)), &found);
        let granules = granules_of(&new, false);
        prop_assert_eq!(found.resource_hash.to_string(), root(&granules, &granules.keys().collect::<Vec<_>>()));
        prop_assert_eq!(found.old_hash, None);
    }

    #[test]
    fn every_leaf_counts(spec in value(), index in any::<sample::Index>(), replacement in leaf()) {
        let mut all = Vec::new();
        leaves(&spec, String::new(), &mut all);
        let mut other = spec.clone();
        *other.pointer_mut(index.get::<String>(&all)).unwrap() = replacement;
        let key = key();
        let [text, other_text] = [&spec, &other].map(|spec| json!({"spec": {"x": spec}}).to_string());
        let hash = |text: &str| effective_change(&Change::Create(object(text)), &of(WIDGET, &key)).unwrap().resource_hash;
        prop_assert_eq!(hash(&text) == hash(&other_text), spec == other);
    }

    #[test]
    fn every_number_keeps_its_value(double in any::<f64>().prop_filter("finite", |d| d.is_finite()), integer in any::<u64>()) {
        let text = canonical(&format!("{double:e}")).unwrap();
        prop_assert_eq!(text.parse::<f64>().unwrap().to_bits(), if double == 0.0 { 0 } else { double.to_bits() });
        prop_assert_eq!(canonical(&text).unwrap(), text);
        prop_assert_eq!(canonical(&integer.to_string()).unwrap(), integer.to_string());
    }

    #[test]
    fn what_is_no_json_has_no_canonical_form(text in "[\\[\\],\"\\\\ 0-9eE.+\\-tfnulasrd\u{e9}]{0,16}") {
        prop_assert_eq!(canonical(&text).is_ok(), serde_json::from_str::<Json>(&text).is_ok());
    }
}
