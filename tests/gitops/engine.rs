//! Argo CD's gitops-engine delivers from Git, in strict mode.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use serde_json::{Value, json};

use super::{
    client::{Running, folder, free_port},
    flux::{LONG, flux, get, wait_for},
    harness::wait::within,
    place::config_map,
};

/// As much of the kind as the operator reads and writes.
const APPLICATIONS: &str = include_str!("../data/gitops/applications.yaml");

#[test]
fn a_sync_that_failed_is_repeated_once_it_is_approved() {
    let (flux, place) = (flux(), flux().place("engine"));
    let account = &flux.engine;
    let port = free_port();
    let repository = place.repository.folder().to_str().unwrap();
    let program = folder("gitops-engine").join("gitops-engine");
    let port_flag = port.to_string();
    let words = [
        program.to_str().unwrap(),
        repository,
        "--path",
        ".",
        "--default-namespace",
        "engine",
        "--namespaced",
        "--resync-seconds",
        "3600",
        "--port",
        &port_flag,
    ];
    let variables = [("KUBECONFIG", account.kubeconfig().to_str().unwrap())];
    let dir = flux.cluster.control_plane().dir();
    let mut tracked = config_map("one", "engine", "first");
    tracked["metadata"]["annotations"] =
        json!({ "argocd.argoproj.io/tracking-id": "web:/ConfigMap:engine/one" });
    place.publish(&[("one.yaml", tracked.clone())]);
    let agent = Running::start("gitops-engine", &words, &variables, dir);
    let denied = |times| {
        within(LONG, "the engine to be denied", || {
            let log = agent.log();
            (log.matches("denied the request: ApprovalRequired").count() >= times).then_some(log)
        })
    };
    let said = denied(1);
    let ticket = place.waiting(flux);
    assert!(
        said.contains(&format!("kubectl countersign approve {}", ticket.name)),
        "{said}"
    );
    assert_eq!(ticket.object()["spec"]["deliveredBy"]["kind"], "Application");

    // Argo CD would not try again: its retries are spent. What the operator asks for is the operation that failed.
    place.approve(&ticket, flux);
    let application = wait_for_operation(flux);
    assert_eq!(
        application["operation"],
        application["status"]["operationState"]["operation"]
    );
    sync(port);
    place.has("one", "first", flux);
    ticket.becomes("Consumed");
    assert!(!agent.log().contains("ComparisonError"));
}

#[test]
fn a_diff_by_the_server_is_allowed_and_told_what_it_would_need() {
    let flux = flux();
    let area = flux.cluster.area();
    let map = |value: &str| area.config_map("shown", &json!({ "value": value }));
    area.put(&map("first"));
    // What Argo CD does for ServerSideDiff: the whole object, by force, in its own name.
    let diff =
        "apply --server-side --force-conflicts --field-manager=argocd-controller --dry-run=server -f -";
    let told = area.person("olga").kubectl_with(diff, &map("second").to_string());
    assert!(told.stderr.contains("Warning: "), "{}", told.stderr);
    assert!(told.stderr.contains("sha256:"), "{}", told.stderr);
    told.done();
    assert_eq!(area.tickets_of("user:olga").len(), 1);
}

/// Makes the kind and the Application whose sync fails; before strict mode begins.
pub fn prepare(flux: &super::harness::Cluster) {
    let admin = flux.admin();
    admin.kubectl_with("apply -f -", APPLICATIONS).done();
    admin
        .kubectl("wait --for=condition=Established crd/applications.argoproj.io")
        .done();
    let operation = json!({ "sync": { "revision": "abc", "prune": true } });
    let application = json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {
            "name": "web", "namespace": "argocd",
            "annotations": { "countersign.dev/service-account": "flux" },
        },
        "spec": { "destination": { "namespace": "engine" } },
        "status": { "operationState": {
            "phase": "Failed", "operation": operation, "syncResult": { "revision": "abc" },
        } },
    });
    admin.apply(&application).done();
}

fn wait_for_operation(flux: &super::flux::Flux) -> Value {
    wait_for(&flux.cluster, "application web", "argocd", |application| {
        application["operation"].is_object()
            && application["metadata"]["annotations"]["argocd.argoproj.io/refresh"] == "normal"
    });
    get(&flux.cluster, "application web", "argocd")
}

/// Asks the engine for a sync, as Argo CD asks it for an operation.
fn sync(port: u16) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let request =
        "POST /api/v1/sync HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
