//! Adoption: while nothing is enforced, everybody learns what would be stopped, and what to do about it.

use serde_json::{Value, json};

use super::harness::{Area, Cluster, Outcome, wait::until};

const STRAY: &str = "system:serviceaccount:agents:stray";

#[test]
fn what_strict_mode_would_stop_is_told_counted_reported_and_can_be_delegated() {
    let cluster = Cluster::with_company(1);
    let area = cluster.area();
    let object = area.config_map("app", &json!({ "a": "1" }));
    warns(&area, &object);
    an_event_tells(&area, &object);
    it_is_counted(&cluster);
    it_is_reported(&area);
    what_an_account_does_is_suggested_as_a_delegation(&area);
}

/// The write passes, and its author reads which line would stop it.
fn warns(area: &Area<'_>, object: &Value) {
    let dry = area
        .person("mallory")
        .kubectl_with("create -f - --dry-run=server", &object.to_string());
    dry.done();
    let created = area.person("mallory").create(object);
    let cites = format!("[Zone/{} spec.owner]", area.namespace);
    for part in ["Warning: countersign: NotOfZone: ", &cites] {
        assert!(created.stderr.contains(part), "{part}: {}", created.stderr);
    }
    created.done();
}

/// The Event is on the object; more of the same writes make no second one.
fn an_event_tells(area: &Area<'_>, object: &Value) {
    let uid = area.get("configmap app")["metadata"]["uid"].clone();
    let events = || {
        let events = area.get("events.events.k8s.io")["items"]
            .as_array()
            .unwrap()
            .clone();
        let of_countersign = |event: &Value| event["reportingController"] == "countersign.dev/operator";
        events.into_iter().filter(of_countersign).collect::<Vec<_>>()
    };
    let event = until("an Event", || events().pop());
    assert_eq!(event["reason"], "NotOfZone");
    assert_eq!(event["regarding"]["kind"], "ConfigMap");
    assert_eq!(event["regarding"]["uid"], uid);
    assert_eq!(event["related"]["name"], "mallory");
    let note = event["note"].as_str().unwrap();
    assert!(
        note.starts_with("create by user:mallory would be denied if this were enforced: "),
        "{note}"
    );
    for value in ["2", "3"] {
        let mut changed = object.clone();
        changed["data"]["a"] = json!(value);
        area.person("mallory").apply(&changed).done();
    }
    let described = area
        .person("mallory")
        .kubectl(&format!("describe configmap app -n {}", area.namespace));
    assert!(described.done().contains("NotOfZone"));
    assert_eq!(events().len(), 1);
}

/// Three writes, and a dry run that does not count.
fn it_is_counted(cluster: &Cluster) {
    let violations = r#"countersign_violations_total{reason="NotOfZone",verdict="deny",environment="prod"}"#;
    assert_eq!(cluster.operator().counted(violations), Some(3));
    assert_eq!(
        cluster.operator().counted("countersign_violations_untold_total"),
        Some(0)
    );
}

fn report(area: &Area<'_>, arguments: &str) -> Outcome {
    let log = area.cluster.operator().audit_log();
    let report = format!("report --audit-dir {} {arguments}", log.display());
    area.cluster.admin().countersign(&report)
}

fn it_is_reported(area: &Area<'_>) {
    let json = report(area, "--since 1h -o json");
    assert!(!json.succeeded(), "something would have been denied");
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    let violations = json["violations"].as_array().unwrap();
    let of_mallory = violations
        .iter()
        .find(|one| one["subject"] == "user:mallory")
        .unwrap();
    let zone = json!({ "kind": "Zone", "name": area.namespace, "field": "spec.owner" });
    for (field, expected) in [
        ("count", json!(3)),
        ("verdict", json!("deny")),
        ("reason", json!("NotOfZone")),
        ("cause", zone),
        ("environment", json!("prod")),
        ("zone", json!(area.namespace)),
        ("namespace", json!(area.namespace)),
    ] {
        assert_eq!(of_mallory[field], expected, "{field}");
    }
    let table = report(area, "--since 1h").stdout;
    let line = table.lines().find(|line| line.contains("user:mallory")).unwrap();
    assert!(line.starts_with("3 ") && line.contains("NotOfZone"), "{line}");
    report(area, "--since 2099-01-01T00:00:00Z").done();
}

/// What is suggested is applied, and the same write warns no more.
fn what_an_account_does_is_suggested_as_a_delegation(area: &Area<'_>) {
    let admin = area.cluster.admin();
    admin.kubectl("create serviceaccount stray -n agents").done();
    let create = |name: &str| {
        let create = format!("create configmap {name} -n {}", area.namespace);
        admin.kubectl(&format!(
            "{create} --as {STRAY} --as-uid stray --as-group system:masters"
        ))
    };
    let created = create("first");
    assert!(
        created.stderr.contains("UnregisteredAccount"),
        "{}",
        created.stderr
    );
    created.done();
    let suggested = report(area, "--suggest").done();
    admin.kubectl_with("apply -f -", &suggested).done();
    let object = admin.get("writedelegation suggested-agents-stray-1");
    let resources = json!([{ "group": "", "resource": "configmaps", "subresource": "" }]);
    for (field, expected) in [
        (
            "subject",
            json!({ "serviceAccount": { "namespace": "agents", "name": "stray" } }),
        ),
        ("resources", resources),
        ("verbs", json!(["Create"])),
        ("namespaces", json!({ "names": [area.namespace] })),
    ] {
        assert_eq!(object["spec"][field], expected, "{field}");
    }
    let ready = "wait --for=condition=Ready --timeout=60s writedelegation/suggested-agents-stray-1";
    admin.kubectl(ready).done();
    let again = create("second");
    assert!(!again.stderr.contains("Warning"), "{}", again.stderr);
    again.done();
}
