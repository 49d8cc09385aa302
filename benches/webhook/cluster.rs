//! A strict cluster of 10 000 zones, as the operator keeps it: the index, and the objects that its controllers read.
//!
//! It is the cluster of `crates/core/benches/decide.rs`: zone `i` has a namespace of its own, labelled `dev`. Of ten
//! zones six hold its workloads, four hold Deployments by two prefixes; three more hold Secrets by a prefix in every
//! namespace. Ten zones have one team of five people, each with a grant; the team owns them, the next team's agent
//! and first member are cooperators.

use anyhow::{Context as _, ensure};
use countersign_api::{
    AccessPolicy, Agent, ENVIRONMENT_LABEL, RoleGrant, Team, Zone,
    index::{Index, Indexed},
};
use countersign_core::{digest::MacKey, snapshot};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Resource,
    runtime::{
        reflector::{self, Store},
        watcher::Event,
    },
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Zones with a namespace of their own.
pub const ZONES: usize = 10_000;

const ZONES_OF_A_TEAM: usize = 10;

const TEAMS: usize = ZONES / ZONES_OF_A_TEAM;

const MEMBERS: usize = 5;

/// What the operator holds in memory.
pub struct Cluster {
    /// What decisions read.
    pub index: Index,
    _zones: Store<Zone>,
    _namespaces: Store<Namespace>,
    _grants: Store<RoleGrant>,
    _teams: Store<Team>,
    _agents: Store<Agent>,
    _policies: Store<AccessPolicy>,
}

impl Cluster {
    /// The whole cluster; an object that is not valid is an error.
    pub fn new() -> anyhow::Result<Self> {
        let mut index = Index::new(snapshot::Cluster {
            id: "cluster".into(),
            operator: "system:serviceaccount:countersign-system:countersign".into(),
            operator_uid: "operator".into(),
            namespace: "countersign-system".into(),
            redaction: MacKey::new([1; 32]),
            stamp: MacKey::new([2; 32]),
        });
        index.set_latched(true);
        let cluster = Self {
            _zones: file((0..ZONES).map(zone).chain((0..3).map(global_zone)), &mut index)?,
            _namespaces: file((0..ZONES).map(namespace), &mut index)?,
            _grants: file((0..TEAMS * MEMBERS).map(grant), &mut index)?,
            _teams: file((0..TEAMS).map(team), &mut index)?,
            _agents: file((0..TEAMS).map(agent), &mut index)?,
            _policies: file(std::iter::once(policy()), &mut index)?,
            index,
        };
        let snapshot = cluster.index.snapshot();
        ensure!(
            snapshot.unreadable_zones.is_empty(),
            "{:?}",
            snapshot.unreadable_zones
        );
        ensure!(
            snapshot.zones.len() == ZONES + 3,
            "{} zones",
            snapshot.zones.len()
        );
        ensure!(snapshot.agents.len() == TEAMS, "{} agents", snapshot.agents.len());
        let strict = snapshot.policy.get().is_some_and(|policy| policy.strict_mode);
        ensure!(strict, "{:?}", snapshot.policy);
        Ok(cluster)
    }
}

/// The name of the namespace of a zone.
pub fn namespace_of(i: usize) -> String {
    let suffix = if holds_prefixes(i) { "-x" } else { "" };
    format!("ns-{i}{suffix}")
}

/// A member of the team that owns a zone.
pub fn owner_of(i: usize) -> String {
    person(i / ZONES_OF_A_TEAM, i)
}

fn person(team: usize, i: usize) -> String {
    format!("person-{team}-{}", i % MEMBERS)
}

const fn holds_prefixes(i: usize) -> bool {
    i % 10 >= 6
}

/// Files the objects in the index, and keeps them for controllers, as the operator's feeds do.
fn file<K>(objects: impl Iterator<Item = Value>, index: &mut Index) -> anyhow::Result<Store<K>>
where
    K: Resource<DynamicType = ()> + Indexed + DeserializeOwned + 'static,
{
    let (store, mut writer) = reflector::store();
    for object in objects {
        let object: K = serde_json::from_value(object).with_context(|| K::kind(&()).into_owned())?;
        index.apply(&object);
        writer.apply_watcher_event(&Event::Apply(object));
    }
    Ok(store)
}

/// An object as the API server stores it: with its own metadata, and with who applied what.
fn object(kind: &str, name: &str, spec: &Value) -> Value {
    let applied: serde_json::Map<_, _> = spec
        .as_object()
        .into_iter()
        .flatten()
        .map(|(field, _)| (format!("f:{field}"), json!({})))
        .collect();
    let conditions = json!([{
        "type": "Ready", "status": "True", "reason": "InForce", "message": "it is in force",
        "observedGeneration": 1, "lastTransitionTime": "2026-06-01T12:00:00Z",
    }]);
    json!({
        "apiVersion": "countersign.dev/v1alpha1", "kind": kind,
        "metadata": {
            "name": name, "uid": format!("uid-of-{name}"), "generation": 1, "resourceVersion": "1000",
            "creationTimestamp": "2026-06-01T12:00:00Z",
            "managedFields": [{
                "manager": "kubectl", "operation": "Apply", "apiVersion": "countersign.dev/v1alpha1",
                "time": "2026-06-01T12:00:00Z", "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": applied},
            }],
        },
        "spec": spec,
        "status": {"observedGeneration": 1, "conditions": conditions},
    })
}

fn zone(i: usize) -> Value {
    let (namespace, team) = (namespace_of(i), i / ZONES_OF_A_TEAM);
    let objects = if holds_prefixes(i) {
        format!("{namespace}/deployments.apps/{{a,b}}*")
    } else {
        format!("{namespace}/*.apps/*")
    };
    zone_of(&format!("zone-{i}"), team, &objects)
}

fn global_zone(i: usize) -> Value {
    zone_of(&format!("global-{i}"), 0, &format!("*/secrets/global-{i}-*"))
}

fn zone_of(name: &str, team: usize, objects: &str) -> Value {
    let next = (team + 1) % TEAMS;
    let spec = json!({
        "owner": format!("team:team-{team}"),
        "cooperators": [format!("agent:bot-{next}"), format!("user:{}", person(next, 0))],
        "objects": [objects],
        "requireReview": false,
    });
    object("Zone", name, &spec)
}

fn namespace(i: usize) -> Value {
    let name = namespace_of(i);
    json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {
            "name": name, "uid": format!("uid-of-{name}"), "resourceVersion": "1000",
            "labels": {ENVIRONMENT_LABEL: "dev", "kubernetes.io/metadata.name": name},
        },
    })
}

fn grant(i: usize) -> Value {
    let person = person(i / MEMBERS, i);
    let spec = json!({"identity": format!("user:{person}"), "role": "contributor"});
    object("RoleGrant", &person, &spec)
}

fn team(i: usize) -> Value {
    let members: Vec<_> = (0..MEMBERS).map(|k| format!("user:{}", person(i, k))).collect();
    object("Team", &format!("team-{i}"), &json!({"members": members}))
}

fn agent(i: usize) -> Value {
    let name = format!("bot-{i}");
    let spec = json!({
        "owner": format!("user:{}", person(i, 0)),
        "signing": "NotSupported",
        "serviceAccounts": [{"namespace": "bots", "name": name}],
    });
    object("Agent", &name, &spec)
}

fn policy() -> Value {
    object("AccessPolicy", "default", &json!({"strictMode": true}))
}
