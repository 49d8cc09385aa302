//! An object of every kind, and a change of each.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::harness::Cluster;

const OBJECTS: &str = include_str!("../coverage/objects.yaml");
const KINDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/coverage/kinds.yaml");
const EDITS: &str = include_str!("edits.yaml");
const NAMESPACE: &str = "area-1";

/// A kind of one's own, which is an object too.
const ISLE: &str = r"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: isles.coverage.example.com}
spec:
  group: coverage.example.com
  scope: Cluster
  names: {kind: Isle, plural: isles, singular: isle, listKind: IsleList}
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}
";

/// What people add for kinds of their own, so that the operator sees what was stored.
const WATCH: &str = r#"
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: watch-coverage}
rules:
- {apiGroups: [coverage.example.com], resources: ["*"], verbs: [get, list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: watch-coverage}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: watch-coverage}
subjects:
- {apiGroup: rbac.authorization.k8s.io, kind: User, name: countersign-operator}
"#;

/// Groups whose objects change what happens here, are written by the API server, or are sent to no webhook (E16).
const UNTRIED: [&str; 3] = [
    "countersign.dev/",
    "apiregistration.k8s.io/",
    "admissionregistration.k8s.io/",
];

/// The objects of the test.
pub struct Objects {
    /// As they are created.
    pub first: Vec<Value>,
}

/// A change of each object.
pub struct Edited {
    /// The objects after it.
    pub whole: Vec<Value>,
    /// The changes, as merge patches.
    pub changes: Vec<Value>,
}

impl Objects {
    /// The objects, in a strict cluster where the agent needs approval for each of them.
    pub fn prepare(cluster: &Cluster) -> Self {
        let admin = cluster.admin();
        admin.kubectl(&format!("apply -f {KINDS}")).done();
        let established = format!("wait --for=condition=Established --timeout=60s -f {KINDS}");
        admin.kubectl(&established).done();
        admin.kubectl_with("apply -f -", WATCH).done();
        let (first, cluster_wide) = objects(cluster);
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
        Self { first }
    }

    /// The change of this number.
    pub fn edited(&self, number: usize) -> Edited {
        let edits = EDITS.replace("$N", &number.to_string());
        let edits: Vec<_> = serde_yaml::from_multiple::<Value>(&edits).unwrap();
        let mark = json!({ "walk": number.to_string() });
        let change = |object: &Value| {
            let mut change = json!({ "metadata": { "labels": mark, "annotations": mark } });
            let same = |edit: &&Value| ["apiVersion", "kind"].iter().all(|key| edit[key] == object[key]);
            if let Some(edit) = edits.iter().find(same) {
                merge(&mut change, edit);
            }
            change
        };
        let changes: Vec<_> = self.first.iter().map(change).collect();
        let mut whole = self.first.clone();
        for (object, change) in whole.iter_mut().zip(&changes) {
            merge(object, change);
        }
        Edited { whole, changes }
    }
}

/// A merge of maps; all else is replaced.
pub fn merge(into: &mut Value, change: &Value) {
    let Value::Object(change) = change else {
        *into = change.clone();
        return;
    };
    for (key, value) in change {
        merge(&mut into[key], value);
    }
}

/// What kubectl takes for several objects.
pub fn list(objects: &[Value]) -> String {
    json!({ "apiVersion": "v1", "kind": "List", "items": objects }).to_string()
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
    for mut object in serde_yaml::from_multiple::<Value>(&(stubs + "---" + ISLE)).unwrap() {
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
