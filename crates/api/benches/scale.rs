//! The index at 100 000 zones and 10 000 grants, all sealed and strict mode latched, as the operator keeps it.
//!
//! * Cold start: from the pages that the API server answers a list with, 500 objects each, as text, to a published
//!   snapshot. Each object is read, its seal is proven, its patterns are compiled and filed.
//! * Memory: what the process holds more once all is filed; and again after each zone was changed once and every change
//!   published.
//! * One change: from the object to a snapshot that decisions read, while readers still hold the one before.
//!
//! Zone `i` holds the workloads of a namespace of its own, for ten zones a team. It prints `name value unit`.

use std::{
    error::Error,
    fs,
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use countersign_api::{
    RoleGrant, Zone,
    index::{Index, Indexed},
    seal::{Sealed, Seals, content},
};
use countersign_core::{digest::MacKey, snapshot, zones::Holding};
use kube::{
    Resource,
    core::{DeserializeGuard, ObjectList},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

type Outcome<T> = Result<T, Box<dyn Error>>;

const ZONES: usize = 100_000;

const GRANTS: usize = 10_000;

/// How many objects the operator asks for at a time.
const PAGE: usize = 500;

/// How many changes are timed.
const CHANGES: usize = 2_000;

fn seals() -> Seals {
    Seals::new(MacKey::new([3; 32]), "cluster")
}

fn index() -> Index {
    let mut index = Index::new(snapshot::Cluster {
        id: "cluster".into(),
        operator: "system:serviceaccount:countersign-system:countersign".into(),
        operator_uid: "operator".into(),
        namespace: "countersign-system".into(),
        redaction: MacKey::new([1; 32]),
        stamp: MacKey::new([2; 32]),
    })
    .proving(seals());
    index.set_latched(true);
    index
}

/// An object as the API server stores it, of this generation, with its seal.
fn object<K>(kind: &str, name: &str, generation: i64, spec: &Value) -> Outcome<Value>
where
    K: Resource<DynamicType = ()> + Sealed + DeserializeOwned,
{
    let mut object = json!({
        "apiVersion": "countersign.dev/v1alpha1", "kind": kind,
        "metadata": {
            "name": name, "uid": format!("uid-of-{name}"), "generation": generation, "resourceVersion": "1000",
            "creationTimestamp": "2026-06-01T12:00:00Z",
            "managedFields": [{
                "manager": "kubectl", "operation": "Apply", "apiVersion": "countersign.dev/v1alpha1",
                "time": "2026-06-01T12:00:00Z", "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {}},
            }],
        },
        "spec": spec,
    });
    let read: K = serde_json::from_value(object.clone())?;
    let content = content(&read).ok_or("an object without metadata")?;
    let seal = seals().sign(&content, &[]).ok_or("a spec without a digest")?;
    if let Some(fields) = object.as_object_mut() {
        let conditions = json!([{
            "type": "Ready", "status": "True", "reason": "InForce", "message": "it is in force",
            "observedGeneration": generation, "lastTransitionTime": "2026-06-01T12:00:00Z",
        }]);
        let status = json!({"observedGeneration": generation, "conditions": conditions, "seal": seal});
        fields.insert("status".to_owned(), status);
    }
    Ok(object)
}

fn zone(i: usize, generation: i64) -> Outcome<Value> {
    let (team, next) = (i / 10, i / 10 + 1);
    let spec = json!({
        "owner": format!("team:team-{team}"),
        "cooperators": [format!("agent:bot-{next}"), format!("user:person-{next}-{generation}")],
        "objects": [format!("ns-{i}/*.apps/*")],
        "requireReview": false,
    });
    object::<Zone>("Zone", &format!("zone-{i}"), generation, &spec)
}

fn grant(i: usize) -> Outcome<Value> {
    let spec = json!({"identity": format!("user:person-{i}"), "role": "contributor"});
    object::<RoleGrant>("RoleGrant", &format!("person-{i}"), 1, &spec)
}

/// What the API server answers, page after page.
fn pages(kind: &str, objects: impl Iterator<Item = Outcome<Value>>) -> Outcome<Vec<String>> {
    let objects = objects.collect::<Outcome<Vec<Value>>>()?;
    let page = |items: &[Value]| {
        serde_json::to_string(&json!({
            "apiVersion": "countersign.dev/v1alpha1", "kind": format!("{kind}List"),
            "metadata": {"resourceVersion": "1000"}, "items": items,
        }))
    };
    Ok(objects.chunks(PAGE).map(page).collect::<Result<_, _>>()?)
}

/// Reads the pages, and makes what they hold all of its kind.
fn list<K>(pages: &[String], index: &mut Index) -> Outcome<()>
where
    K: Resource<DynamicType = ()> + Indexed + DeserializeOwned + Serialize + 'static,
{
    let mut objects = Vec::new();
    for page in pages {
        let list: ObjectList<DeserializeGuard<K>> = serde_json::from_str(page)?;
        objects.extend(list.items);
    }
    let read = |object: DeserializeGuard<K>| object.0.map_err(|invalid| invalid.error);
    let objects = objects.into_iter().map(read).collect::<Result<Vec<K>, _>>()?;
    index.replace(objects.iter().map(Ok));
    Ok(())
}

fn cold_start() -> Outcome<Duration> {
    let zones = pages("Zone", (0..ZONES).map(|i| zone(i, 1)))?;
    let grants = pages("RoleGrant", (0..GRANTS).map(grant))?;
    let start = Instant::now();
    let mut index = index();
    list::<Zone>(&zones, &mut index)?;
    list::<RoleGrant>(&grants, &mut index)?;
    let published = Arc::new(index.snapshot().clone());
    let time = start.elapsed();
    check(&index)?;
    drop(black_box(published));
    Ok(time)
}

/// Everything is filed and in force.
fn check(index: &Index) -> Outcome<()> {
    let snapshot = index.snapshot();
    let counts = (
        snapshot.zones.len(),
        snapshot.grants.len(),
        snapshot.unreadable_zones.len(),
        index.unsealed(),
    );
    if counts == (ZONES, GRANTS, 0, 0) {
        Ok(())
    } else {
        Err(format!("zones, grants, unreadable, unsealed: {counts:?}").into())
    }
}

/// What the process holds, in KiB.
fn resident() -> Outcome<u32> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let size = line.and_then(|line| line.split_whitespace().next());
    Ok(size.ok_or("no VmRSS")?.parse()?)
}

/// The index, filed one object after the other.
fn fill() -> Outcome<Index> {
    let mut index = index();
    for i in 0..ZONES {
        index.apply(&serde_json::from_value::<Zone>(zone(i, 1)?)?);
    }
    for i in 0..GRANTS {
        index.apply(&serde_json::from_value::<RoleGrant>(grant(i)?)?);
    }
    check(&index)?;
    Ok(index)
}

/// Changes a zone and publishes what is known then, in the place of what was; a decision reads it. The times from the
/// object to the snapshot.
fn change(index: &mut Index, published: &mut Arc<snapshot::Snapshot>, i: usize) -> Outcome<Duration> {
    let zone: Zone = serde_json::from_value(zone(i, 2)?)?;
    let before = published.clone();
    let start = Instant::now();
    index.apply(&zone);
    *published = Arc::new(index.snapshot().clone());
    let time = start.elapsed();
    let who = |snapshot: &snapshot::Snapshot| match snapshot.zones.object(
        &format!("ns-{i}"),
        "deployments.apps",
        "web",
    ) {
        Holding::One(zone) => zone.cooperators.last().map(ToString::to_string),
        _ => None,
    };
    if who(&before) == who(published) {
        return Err(format!("the change of zone {i} is not to be seen").into());
    }
    Ok(time)
}

fn figure(name: &str, value: impl std::fmt::Display, unit: &str) {
    println!("{name} {value} {unit}");
}

fn main() -> Outcome<()> {
    let empty = resident()?;
    let grown = || Ok::<_, Box<dyn Error>>(resident()?.saturating_sub(empty) / 1024);
    let mut index = fill()?;
    figure("index_memory_100000_zones", grown()?, "MiB");
    let mut published = Arc::new(index.snapshot().clone());
    // A step that has no factor in common with the number of zones spreads the changes over them.
    let mut times = (0..ZONES)
        .map(|k| change(&mut index, &mut published, k * 7919 % ZONES))
        .collect::<Outcome<Vec<_>>>()?;
    check(&index)?;
    figure("index_memory_100000_changes_later", grown()?, "MiB");
    times.truncate(CHANGES);
    times.sort_unstable();
    for (name, of_100) in [("median", 50), ("p99", 99)] {
        let time = times
            .get(times.len() * of_100 / 100)
            .ok_or("no change was timed")?;
        figure(
            &format!("zone_change_published_{name}_100000_zones"),
            time.as_micros(),
            "us",
        );
    }
    drop((index, published));
    figure(
        "cold_start_100000_zones_10000_grants",
        cold_start()?.as_millis(),
        "ms",
    );
    Ok(())
}
