//! From any bindings that are there to those that should be.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use countersign_core::read_access::{LABEL, Reader, Reading, Source};
use k8s_openapi::{
    api::rbac::v1::{ClusterRoleBinding, RoleBinding},
    apimachinery::pkg::apis::meta::v1::{OwnerReference, Time},
};

use super::{
    Outcome, Outcomes, Told,
    binding::{Binding, Bindings},
    outcomes::MAX_NAMESPACES,
    plan::{Step, plan},
    told,
};

fn user(name: &str) -> Reader {
    Reader::User(name.to_owned())
}

fn ada() -> Source {
    Source::Grant("ada".into())
}

fn everywhere(people: &[&str]) -> Reading {
    Reading::Everywhere(people.iter().map(|name| user(name)).collect())
}

fn inside(namespaces: &[&str]) -> Reading {
    let readers = BTreeSet::from([user("ada")]);
    Reading::In(
        namespaces
            .iter()
            .map(|name| ((*name).into(), readers.clone()))
            .collect(),
    )
}

fn bindings(readings: &[(Source, Reading)]) -> Bindings {
    let mut bindings = Bindings::default();
    for (source, reading) in readings {
        bindings.add(source, "uid-1", reading);
    }
    bindings
}

/// The binding of `ada` as the API server has it.
fn stored() -> ClusterRoleBinding {
    let wanted = bindings(&[(ada(), everywhere(&["ada"]))]);
    let mut stored = wanted.everywhere.into_values().next().unwrap();
    stored.metadata.resource_version = Some("7".to_owned());
    stored.metadata.uid = Some("uid-of-binding".to_owned());
    stored
}

fn steps(seen: &ClusterRoleBinding) -> Vec<Step<ClusterRoleBinding>> {
    let wanted = bindings(&[(ada(), everywhere(&["ada"]))]);
    plan(&wanted.everywhere, &[Arc::new(seen.clone())])
}

#[test]
fn a_binding_names_the_view_its_owner_and_nobody_else() {
    let readers = [
        user("ada"),
        Reader::Group("staff".into()),
        Reader::ServiceAccount {
            namespace: "ci".into(),
            name: "bot".into(),
        },
    ];
    let reading = Reading::In(BTreeMap::from([("shop".into(), readers.into())]));
    let bindings = bindings(&[(Source::Agent("bot".into()), reading)]);
    assert!(bindings.everywhere.is_empty());
    let binding = serde_json::to_value(bindings.inside.into_values().next().unwrap()).unwrap();
    let expected = serde_json::json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {
            "name": "countersign:read:agents:bot",
            "namespace": "shop",
            "labels": { "app.kubernetes.io/managed-by": "countersign", LABEL: "agents" },
            "ownerReferences": [
                { "apiVersion": "countersign.dev/v1alpha1", "kind": "Agent", "name": "bot", "uid": "uid-1" },
            ],
        },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view" },
        "subjects": [
            { "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "ada" },
            { "apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "staff" },
            { "kind": "ServiceAccount", "name": "bot", "namespace": "ci" },
        ],
    });
    assert_eq!(binding, expected);
}

#[test]
fn what_is_as_it_should_be_is_left_alone() {
    assert_eq!(steps(&stored()), []);
    let mut noted = stored();
    noted.labels().insert("team".to_owned(), "shop".to_owned());
    noted.metadata.annotations = Some(BTreeMap::from([("note".to_owned(), "x".to_owned())]));
    assert_eq!(steps(&noted), []);
}

trait Labels {
    fn labels(&mut self) -> &mut BTreeMap<String, String>;
}

impl Labels for ClusterRoleBinding {
    fn labels(&mut self) -> &mut BTreeMap<String, String> {
        self.metadata.labels.get_or_insert_default()
    }
}

/// What somebody does to a binding.
type Change = fn(&mut ClusterRoleBinding);

#[test]
fn whatever_else_differs_is_put_back() {
    let changes: [(&str, Change); 7] = [
        ("a subject more", |one| {
            let more = one.subjects().first().cloned().unwrap();
            one.subjects.get_or_insert_default().push(more);
        }),
        ("no subject", |one| one.subjects = None),
        ("another subject", |one| {
            one.subjects.as_mut().unwrap()[0].name = "eve".to_owned();
        }),
        ("another label", |one| {
            drop(one.labels().insert(LABEL.to_owned(), "agents".to_owned()));
        }),
        ("an owner more", |one| {
            one.metadata
                .owner_references
                .as_mut()
                .unwrap()
                .push(OwnerReference::default());
        }),
        ("no owner", |one| one.metadata.owner_references = None),
        ("a finalizer", |one| {
            one.metadata.finalizers = Some(vec!["x/y".to_owned()]);
        }),
    ];
    for (what, change) in changes {
        let mut seen = stored();
        change(&mut seen);
        let steps = steps(&seen);
        let [Step::Mend(mended)] = steps.as_slice() else {
            panic!("{what}: {steps:?}")
        };
        assert_eq!(mended.metadata.resource_version.as_deref(), Some("7"), "{what}");
        assert_eq!(mended.subjects(), stored().subjects(), "{what}");
        assert_eq!(
            mended.metadata.owner_references,
            stored().metadata.owner_references,
            "{what}"
        );
    }
}

#[test]
fn another_role_is_another_binding() {
    let mut seen = stored();
    seen.role_ref.name = "cluster-admin".to_owned();
    let steps = steps(&seen);
    let [Step::Remake { gone, made }] = steps.as_slice() else {
        panic!("{steps:?}")
    };
    assert_eq!(
        (gone.metadata.uid.as_deref(), gone.role().name.as_str()),
        (Some("uid-of-binding"), "cluster-admin")
    );
    assert_eq!(
        (made.metadata.uid.as_deref(), made.role().name.as_str()),
        (None, "view")
    );
}

#[test]
fn what_is_missing_is_made_and_what_is_left_over_goes_if_it_is_ours() {
    let wanted = bindings(&[(ada(), inside(&["lab", "shop"]))]);
    assert_eq!(plan(&wanted.inside, &[]).len(), 2);
    let places = |bindings: Bindings| -> Vec<Arc<RoleBinding>> {
        bindings.inside.into_values().map(Arc::new).collect()
    };
    let seen = places(bindings(&[(ada(), inside(&["lab", "shop", "old"]))]));
    let steps = plan(&wanted.inside, &seen);
    let [Step::Remove(gone)] = steps.as_slice() else {
        panic!("{steps:?}")
    };
    assert_eq!(gone.metadata.namespace.as_deref(), Some("old"));

    let mut foreign = RoleBinding::clone(&seen[0]);
    foreign.metadata.name = Some("developers".to_owned());
    let mut leaving = RoleBinding::clone(&seen[0]);
    leaving.metadata.deletion_timestamp = Some(Time(jiff::Timestamp::UNIX_EPOCH));
    assert_eq!(
        plan(&BTreeMap::new(), &[Arc::new(foreign), Arc::new(leaving)]),
        []
    );
}

#[test]
fn an_outcome_tells_what_became_of_a_reading() {
    let namespaces: Vec<String> = (0..=MAX_NAMESPACES).map(|number| number.to_string()).collect();
    let names: Vec<&str> = namespaces.iter().map(String::as_str).collect();
    assert_eq!(Outcome::of(&everywhere(&[])), Outcome::Nothing);
    assert_eq!(Outcome::of(&inside(&[])), Outcome::Nothing);
    assert_eq!(
        Outcome::of(&inside(&["lab"])),
        Outcome::Bound("namespaces: 1".to_owned())
    );
    assert_eq!(Outcome::of(&inside(&names)), Outcome::TooMany(MAX_NAMESPACES + 1));
    let bound = Told::from([(ada(), Outcome::of(&everywhere(&["ada"])))]);
    let refused = [(ada().binding(), "forbidden".to_owned())].into();
    assert_eq!(
        told(&bound, &refused)[&ada()],
        Outcome::Refused("forbidden".to_owned())
    );
    assert_eq!(told(&bound, &[].into()), bound);
}

#[tokio::test]
async fn only_objects_whose_outcome_changes_are_looked_at_again() {
    use futures::StreamExt;
    let (outcomes, moved) = Outcomes::new();
    let (mut grants, _agents) = moved.split();
    let bound = Outcome::of(&everywhere(&["ada"]));
    let eve = Source::Grant("eve".into());
    outcomes.publish(Told::from([(ada(), bound.clone()), (eve.clone(), bound.clone())]));
    let first = BTreeSet::from([
        grants.next().await.unwrap().name,
        grants.next().await.unwrap().name,
    ]);
    assert_eq!(first, BTreeSet::from(["ada".to_owned(), "eve".to_owned()]));
    outcomes.publish(Told::from([(ada(), bound.clone()), (eve, Outcome::Nothing)]));
    assert_eq!(grants.next().await.unwrap().name, "eve");
    outcomes.publish(Told::from([(ada(), bound)]));
    assert_eq!(grants.next().await.unwrap().name, "eve");
    drop(outcomes);
    assert!(grants.next().await.is_none());
}
