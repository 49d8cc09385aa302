//! What the API server asks twice, once or under another name when something is deleted: each approval is spent once.

use countersign_core::audit::record::Verdict;
use serde_json::{Value, json};

use super::harness::{Area, Outcome, Ticket, pods, shared};

/// A pod that no kubelet looks after: it stays when it is deleted, unless that is forced.
fn pod(area: &Area<'_>) -> Value {
    let mut pod = pods("web");
    pod["apiVersion"] = json!("v1");
    pod["kind"] = json!("Pod");
    pod["metadata"] = json!({ "name": "web", "namespace": area.namespace });
    pod
}

fn is_there(area: &Area<'_>, what: &str) -> bool {
    let get = format!("get {what} -n {}", area.namespace);
    area.cluster.admin().kubectl(&get).succeeded()
}

/// How often the webhook let a call pass under this ticket, by the audit log.
fn passes(ticket: &Ticket<'_>, area: &Area<'_>) -> usize {
    let log = super::outages::audit_log(area.cluster);
    let name = json!(ticket.name).to_string();
    let allowed = json!(Verdict::Allow).to_string();
    let of_ticket = |line: &&str| {
        line.contains(r#""type":"Decision""#)
            && line.contains(&format!(r#""name":{name}"#))
            && line.contains(&format!(r#""verdict":{allowed}"#))
    };
    log.lines().filter(of_ticket).count()
}

#[test]
fn a_forced_deletion_of_a_pod_is_asked_twice_and_spends_one_ticket() {
    let area = shared().area();
    area.put(&pod(&area));
    let delete = || {
        let delete = format!(
            "delete pod web -n {} --grace-period=0 --force --wait=false",
            area.namespace
        );
        area.person("deployer").kubectl(&delete)
    };
    let ticket = area.with_approval(delete);
    ticket.becomes("Consumed");
    assert!(!is_there(&area, "pod web"));
    // Once more where somebody else wrote the pod meanwhile.
    let passes = passes(&ticket, &area);
    assert!(passes >= 2, "E8: {passes}");

    area.put(&pod(&area));
    assert_ne!(area.ticket(delete()).name, ticket.name);
    assert!(is_there(&area, "pod web"));
}

fn evict(area: &Area<'_>, options: &Value) -> Outcome {
    let eviction = json!({
        "apiVersion": "policy/v1", "kind": "Eviction", "deleteOptions": options,
        "metadata": { "name": "web", "namespace": area.namespace },
    });
    let create = format!(
        "create --raw /api/v1/namespaces/{}/pods/web/eviction -f -",
        area.namespace
    );
    area.person("deployer")
        .kubectl_with(&create, &eviction.to_string())
}

#[test]
fn an_eviction_is_spent_by_the_real_one_alone() {
    let area = shared().area();
    area.put(&pod(&area));
    let now = json!({ "gracePeriodSeconds": 0 });
    let only_tried = json!({ "gracePeriodSeconds": 0, "dryRun": ["All"] });
    evict(&area, &only_tried).done();
    assert!(
        area.tickets_of("agent:deployer").is_empty(),
        "a dry run makes no ticket"
    );

    let ticket = area.approved(|| evict(&area, &now));
    evict(&area, &only_tried).done();
    assert_eq!(ticket.state(), "Approved");
    assert!(is_there(&area, "pod web"));

    evict(&area, &now).done();
    ticket.becomes("Consumed");
    assert!(!is_there(&area, "pod web"));
}

#[test]
fn a_finalizer_is_taken_away_under_a_ticket_of_its_own() {
    let area = shared().area();
    let mut object = area.config_map("kept", &json!({ "a": "1" }));
    object["metadata"]["finalizers"] = json!(["example.com/keep"]);
    area.put(&object);
    let delete = format!("delete configmap kept -n {} --wait=false", area.namespace);
    let deletion = area.with_approval(|| area.person("deployer").kubectl(&delete));
    deletion.becomes("Consumed");
    assert!(is_there(&area, "configmap kept"));

    let patch = ["patch", "configmap", "kept", "-n", &area.namespace];
    let removed = ["--type=merge", "-p", r#"{"metadata":{"finalizers":null}}"#];
    let remove = || area.person("deployer").run(&[&patch[..], &removed].concat(), "");
    let removal = area.with_approval(remove);
    assert_ne!(removal.name, deletion.name);
    removal.becomes("Consumed");
    assert!(!is_there(&area, "configmap kept"));
}

#[test]
fn a_collection_is_deleted_object_by_object() {
    let area = shared().area();
    let names = ["one", "other"];
    for name in names {
        let mut object = area.config_map(name, &json!({ "a": "1" }));
        object["metadata"]["labels"] = json!({ "of": "two" });
        area.put(&object);
    }
    let delete = || {
        let delete = format!(
            "delete --raw /api/v1/namespaces/{}/configmaps?labelSelector=of%3Dtwo",
            area.namespace
        );
        area.person("deployer").kubectl(&delete)
    };
    let first = area.approved(delete);
    let second = area.approved(delete);
    assert_ne!(
        first.name, second.name,
        "the API server stops at the first denial"
    );
    delete().done();
    for (ticket, name) in [first, second].iter().zip(names) {
        ticket.becomes("Consumed");
        assert!(!is_there(&area, &format!("configmap {name}")));
    }
}
