//! One change has one hash, however it is made: shown by diff, tried in a dry run, created, tried again, applied by the
//! client or by the server. Proven for a new object of every kind at once.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::harness::{Cluster, Outcome, ticket::named_in, wait::until};

const OBJECTS: &str = include_str!("coverage/objects.yaml");
const KINDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/coverage/kinds.yaml");
const NAMESPACE: &str = "area-1";

/// Groups whose objects change what happens here, are written by the API server, or are sent to no webhook (E16).
const UNTRIED: [&str; 3] = [
    "countersign.dev/",
    "apiregistration.k8s.io/",
    "admissionregistration.k8s.io/",
];

/// The hashes of a change to each object, by its place.
type Hashes = BTreeMap<String, String>;

#[test]
fn one_change_has_one_hash_however_it_is_made() {
    let cluster = Cluster::with_company(1);
    let objects = prepare(&cluster);
    let created = same_hash(&cluster, &list(&objects));
    println!("hash_equal_for_creates {} kinds", created.len());
}

/// Tries to create all objects in every way, and creates them with approval.
fn same_hash(cluster: &Cluster, objects: &str) -> Hashes {
    let agent = cluster.person("deployer");
    let shown = hashes_shown(&agent.kubectl_with("diff -f -", objects));
    assert!(shown.len() > 50, "only {} hashes are shown", shown.len());
    for way in ["apply", "apply --server-side --force-conflicts", "create"] {
        let dry = agent.kubectl_with(&format!("{way} --dry-run=server -f -"), objects);
        assert_eq!(hashes_shown(&dry), shown, "{way}: {}", dry.stderr);
    }
    let make = "create -f -";
    let denied = agent.kubectl_with(make, objects);
    let bound = hashes_bound(cluster, &denied);
    assert_eq!(bound, shown, "{}", denied.stderr);
    assert_eq!(
        hashes_bound(cluster, &agent.kubectl_with(make, objects)),
        shown,
        "tried again"
    );
    approve(cluster, &denied);
    agent.kubectl_with(make, objects).done();
    shown
}

/// The hashes in the warnings of a dry run, by place.
fn hashes_shown(outcome: &Outcome) -> Hashes {
    let field = |line: &str, name: &str| {
        let mut fields = line.split(' ').filter_map(|word| word.split_once('='));
        fields
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.to_owned())
    };
    let lines = outcome
        .stderr
        .lines()
        .filter(|line| line.contains("needs approval of"));
    lines
        .map(|line| {
            (
                field(line, "place").unwrap(),
                field(line, "resourceHash").unwrap(),
            )
        })
        .collect()
}

/// The hashes in the tickets that a denial names, by place.
fn hashes_bound(cluster: &Cluster, denied: &Outcome) -> Hashes {
    let all = tickets(cluster);
    let bound = tickets_of(denied).into_iter().map(|ticket| {
        let binding = &all[&ticket]["spec"]["binding"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let target = &binding["target"];
        let (group, resource) = (text(&target["group"]), text(&target["resource"]));
        let suffix = if group.is_empty() {
            group
        } else {
            format!(".{group}")
        };
        let scope = target["namespace"].as_str().unwrap_or("@cluster");
        let place = format!("{scope}/{resource}{suffix}/{}", text(&target["name"]));
        (place, text(&binding["resourceHash"]))
    });
    bound.collect()
}

/// Namespace and name of each ticket that denials name.
fn tickets_of(denied: &Outcome) -> Vec<(String, String)> {
    let lines = denied.stderr.lines().filter_map(named_in);
    lines
        .map(|(namespace, name)| (namespace.to_owned(), name.to_owned()))
        .collect()
}

fn tickets(cluster: &Cluster) -> BTreeMap<(String, String), Value> {
    let all = cluster.admin().get("approvaltickets -A");
    let name = |ticket: &Value, field: &str| ticket["metadata"][field].as_str().unwrap().to_owned();
    let items = all["items"].as_array().unwrap().iter();
    items
        .map(|ticket| ((name(ticket, "namespace"), name(ticket, "name")), ticket.clone()))
        .collect()
}

/// Has all tickets that denials name approved.
fn approve(cluster: &Cluster, denied: &Outcome) {
    let all = tickets(cluster);
    let reviews: Vec<_> = tickets_of(denied).iter().map(|key| review(&all[key])).collect();
    let rita = cluster.person("rita");
    rita.kubectl_with("create -f -", &list(&reviews)).done();
    until("every ticket to be approved", || {
        let all = tickets(cluster);
        let mut named = tickets_of(denied).into_iter();
        named
            .all(|key| all[&key]["status"]["state"] == "Approved")
            .then_some(())
    });
}

fn review(ticket: &Value) -> Value {
    let metadata = &ticket["metadata"];
    json!({
        "apiVersion": "countersign.dev/v1alpha1",
        "kind": "ApprovalReview",
        "metadata": { "generateName": "each-", "namespace": metadata["namespace"] },
        "spec": {
            "ticketRef": { "name": metadata["name"], "uid": metadata["uid"] },
            "bindingHash": ticket["spec"]["bindingHash"],
            "decision": "Approve",
        },
    })
}

/// A strict cluster in which the agent needs approval for every object, and the objects.
fn prepare(cluster: &Cluster) -> Vec<Value> {
    let admin = cluster.admin();
    admin.kubectl(&format!("apply -f {KINDS}")).done();
    let established = format!("wait --for=condition=Established --timeout=60s -f {KINDS}");
    admin.kubectl(&established).done();
    let (objects, cluster_wide) = objects(cluster);
    let zone = json!({
        "apiVersion": "countersign.dev/v1alpha1",
        "kind": "Zone",
        "metadata": { "name": "cluster-wide" },
        "spec": {
            "owner": "team:shop",
            "cooperators": ["agent:deployer"],
            "reviewers": ["user:rita"],
            "requireReview": true,
            "objects": cluster_wide,
        },
    });
    admin.kubectl_with("apply -f -", &zone.to_string()).done();
    let ready = "wait --for=condition=Ready --timeout=60s zones.countersign.dev --all";
    admin.kubectl(ready).done();
    cluster.see_admins();
    cluster.enforce();
    objects
}

/// An object of every kind that can be created and read, and the places of those outside namespaces.
fn objects(cluster: &Cluster) -> (Vec<Value>, Vec<String>) {
    let served = cluster
        .admin()
        .kubectl("api-resources --verbs=create,update,get --no-headers")
        .done();
    let kinds: BTreeMap<_, _> = served.lines().map(kind_of).collect();
    let (mut objects, mut places) = (Vec::new(), Vec::new());
    let stubs = OBJECTS.replace("namespace: walk", &format!("namespace: {NAMESPACE}"));
    for mut object in serde_yaml::from_multiple::<Value>(&stubs).unwrap() {
        let kind = (text(&object, "apiVersion"), text(&object, "kind"));
        let Some((resource, namespaced)) = kinds.get(&kind) else {
            continue;
        };
        // Events are reports, and not guarded.
        if kind.1 == "Event" || UNTRIED.iter().any(|group| kind.0.starts_with(group)) {
            continue;
        }
        if *namespaced {
            object["metadata"]["namespace"] = json!(NAMESPACE);
        } else {
            let name = object["metadata"]["name"].as_str().unwrap();
            places.push(format!("@cluster/{resource}/{name}"));
        }
        objects.push(object);
    }
    (objects, places)
}

fn text(object: &Value, field: &str) -> String {
    object[field].as_str().unwrap().to_owned()
}

/// What a line of `kubectl api-resources` tells: API version and kind, and the resource and whether it is in namespaces.
fn kind_of(line: &str) -> ((String, String), (String, bool)) {
    let words: Vec<_> = line.split_whitespace().collect();
    let [.., version, namespaced, kind] = &*words else {
        panic!("`{line}`")
    };
    let group = version.split_once('/').map(|(group, _)| format!(".{group}"));
    let resource = format!("{}{}", words[0], group.unwrap_or_default());
    (
        ((*version).to_owned(), (*kind).to_owned()),
        (resource, *namespaced == "true"),
    )
}

fn list(objects: &[Value]) -> String {
    json!({ "apiVersion": "v1", "kind": "List", "items": objects }).to_string()
}
