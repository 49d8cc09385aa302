//! The examples, as they stand but for the address of the repository.

use std::{fs, path::PathBuf};

use serde_json::{Value, json};

use super::{
    flux::{flux, wait_for},
    git::Server,
    harness::Cluster,
    place::{chart_maps, condition, config_map},
};

const FLUX: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/flux");
const ARGO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/argo");

/// The address in the examples.
const URL: &str = "https://git.example.com/billing.git";

#[test]
fn the_examples_deliver() {
    let flux = flux();
    for delivered in ["kustomization billing", "helmrelease web"] {
        wait_for(&flux.cluster, delivered, "billing", |delivered| {
            condition(delivered, "Ready")["status"] == "True"
        });
    }
    for (map, value) in [("shown", "by kustomize"), ("one", "by helm")] {
        wait_for(&flux.cluster, &format!("configmap {map}"), "billing", |map| {
            map["data"]["value"] == value
        });
    }
}

/// Applies the examples while strict mode is off.
pub fn prepare(git: &Server, cluster: &Cluster) {
    let repository = git.repository("billing");
    let chart = json!({ "apiVersion": "v2", "name": "web", "version": "0.1.0" });
    let (_, map) = &chart_maps("by helm")[0];
    repository.push(&[
        (
            "deploy/shown.yaml",
            config_map("shown", "billing", "by kustomize").to_string(),
        ),
        ("charts/web/Chart.yaml", chart.to_string()),
        ("charts/web/templates/one.yaml", map.to_string()),
    ]);
    let admin = cluster.admin();
    for object in place() {
        admin.apply(&object).done();
    }
    for file in files(FLUX) {
        let objects = fs::read_to_string(file).unwrap();
        let objects = objects.replace(URL, &git.url("billing"));
        admin.kubectl_with("apply -f -", &objects).done();
    }
    // All but what needs Argo CD's own kinds.
    for file in files(ARGO) {
        if !file.ends_with("40-application.yaml") {
            admin.kubectl(&format!("apply -f {}", file.display())).done();
        }
    }
}

/// Where they deliver to: what the examples leave to the reader. In dev, where nobody has to review it.
fn place() -> [Value; 2] {
    let namespace = json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": { "name": "billing", "labels": { "countersign.dev/environment": "dev" } },
    });
    let zone = json!({
        "apiVersion": "countersign.dev/v1alpha1", "kind": "Zone", "metadata": { "name": "billing" },
        "spec": {
            "owner": "team:shop", "cooperators": ["agent:flux-billing"], "objects": ["billing/**"],
            "requireReview": false,
        },
    });
    [namespace, zone]
}

fn files(folder: &str) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|found| found == "yaml"))
        .collect();
    files.sort();
    files
}
