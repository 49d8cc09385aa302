use countersign_core::{
    digest::MacKey,
    environment::Environment::{self, Dev, Prod},
    policy::Policy,
    snapshot::Cluster,
};
use serde_json::json;

use super::*;
use crate::seal::NamespaceSeals;

fn namespace(uid: &str, environment: &str) -> Namespace {
    serde_json::from_value(json!({
        "metadata": {"name": "shop", "uid": uid, "labels": {"countersign.dev/environment": environment}},
    }))
    .unwrap()
}

fn content_of(object: &Namespace) -> countersign_core::seal::Content {
    let metadata = object.metadata.clone();
    labels_content("shop", metadata.uid.unwrap(), &metadata.labels).unwrap()
}

fn kept(object: &Namespace, seals: &Seals) -> NamespaceSeals {
    let seal = seals.sign(&content_of(object), &[]).unwrap();
    [("shop".to_owned(), seal)].into()
}

fn index(seals: &Seals) -> Index {
    let cluster = Cluster {
        id: "cluster".into(),
        operator: "operator".into(),
        operator_uid: "".into(),
        namespace: "ops".into(),
        redaction: MacKey::new([1; 32]),
        stamp: MacKey::new([2; 32]),
    };
    Index::new(cluster).proving(seals.clone())
}

fn environment(index: &Index) -> Environment {
    index
        .snapshot()
        .environment_of_namespace("shop", &Policy::default())
}

#[test]
fn labels_count_as_they_are_until_strict_mode_and_then_with_a_seal_only() {
    let seals = Seals::new(MacKey::new([5; 32]), "cluster");
    let mut index = index(&seals);
    let dev = namespace("u1", "dev");
    index.apply(&dev);
    assert_eq!((environment(&index), index.unsealed()), (Dev, 1));
    index.set_latched(true);
    assert_eq!(environment(&index), Prod);
    seals.keep_namespaces(kept(&dev, &seals));
    index.look_at_namespaces_again();
    assert_eq!((environment(&index), index.unsealed()), (Dev, 0));
}

#[test]
fn strict_mode_is_turned_on_for_labels_as_well() {
    let seals = Seals::new(MacKey::new([5; 32]), "cluster");
    let mut index = index(&seals);
    let digest = |index: &Index| index.snapshot().permissions.digest();
    let none = digest(&index);
    index.apply(&namespace("u1", "dev"));
    let dev = digest(&index);
    assert_ne!(dev, none);
    index.apply(&namespace("u1", "prod"));
    assert_ne!(digest(&index), dev);
    index.replace([Ok(&namespace("u2", "dev"))]);
    assert_eq!(digest(&index), dev, "what it says, and not which it is");
    index.replace::<Namespace>([]);
    assert_eq!(digest(&index), none);
}

#[test]
fn a_seal_is_of_the_labels_of_one_namespace() {
    let seals = Seals::new(MacKey::new([5; 32]), "cluster");
    let mut index = index(&seals);
    index.set_latched(true);
    seals.keep_namespaces(kept(&namespace("u1", "dev"), &seals));
    for (object, expected) in [
        (namespace("u1", "dev"), Dev),
        (namespace("u1", "test"), Prod),
        (namespace("u2", "dev"), Prod),
        (namespace("u1", "dev"), Dev),
    ] {
        index.apply(&object);
        assert_eq!(environment(&index), expected, "{object:?}");
    }
    seals.keep_namespaces(NamespaceSeals::new());
    index.apply(&namespace("u1", "dev"));
    assert_eq!(environment(&index), Prod);
    assert!(
        index.snapshot().namespaces.contains_key("shop"),
        "it is still there"
    );
}

#[test]
fn what_was_admitted_counts_until_the_namespace_bears_a_later_seal() {
    let seals = Seals::new(MacKey::new([5; 32]), "cluster");
    let mut index = index(&seals);
    index.set_latched(true);
    let (dev, prod) = (namespace("u1", "dev"), namespace("u1", "prod"));
    seals.admit(content_of(&dev));
    index.apply(&dev);
    assert_eq!(environment(&index), Dev);
    seals.admit(content_of(&prod));
    seals.keep_namespaces(kept(&prod, &seals));
    seals.forget(&content_of(&prod));
    index.apply(&dev);
    assert_eq!(
        environment(&index),
        Prod,
        "nobody goes back to what was admitted before"
    );
}
