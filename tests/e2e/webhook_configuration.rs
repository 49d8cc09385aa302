//! The webhook configurations, which no webhook guards: whatever anybody does to them is undone within 5 s.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::harness::{
    Cluster,
    wait::{until, within},
};

const VALIDATING: &str = "validatingwebhookconfiguration";
const BOTH: [&str; 2] = [VALIDATING, "mutatingwebhookconfiguration"];

/// One step of a JSON patch.
fn step(op: &str, path: &str, value: &Value) -> Value {
    json!({ "op": op, "path": format!("/webhooks/0{path}"), "value": value })
}

/// What weakens either configuration, by what it does.
fn weakenings(foreign_authority: &str) -> Vec<(&'static str, Value)> {
    let never = json!({ "name": "never", "expression": "false" });
    let some = json!({ "matchLabels": { "guarded": "yes" } });
    let narrow = |field: &str, values: Value| step("replace", &format!("/rules/0/{field}"), &values);
    vec![
        (
            "failure policy",
            step("replace", "/failurePolicy", &json!("Ignore")),
        ),
        ("time", step("replace", "/timeoutSeconds", &json!(1))),
        ("groups", narrow("apiGroups", json!(["batch"]))),
        ("versions", narrow("apiVersions", json!(["v2"]))),
        ("operations", narrow("operations", json!(["DELETE"]))),
        ("resources", narrow("resources", json!(["leases"]))),
        ("scope", narrow("scope", json!("Cluster"))),
        ("all rules", step("replace", "/rules", &json!([]))),
        (
            "match policy",
            step("replace", "/matchPolicy", &json!("Equivalent")),
        ),
        ("namespaces", step("replace", "/namespaceSelector", &some)),
        ("objects", step("replace", "/objectSelector", &some)),
        ("a condition", step("add", "/matchConditions", &json!([never]))),
        (
            "address",
            step(
                "replace",
                "/clientConfig/url",
                &json!("https://localhost:1/elsewhere"),
            ),
        ),
        (
            "authority",
            step("replace", "/clientConfig/caBundle", &json!(foreign_authority)),
        ),
        ("name", step("replace", "/name", &json!("other.countersign.dev"))),
        (
            "all webhooks",
            json!({ "op": "replace", "path": "/webhooks", "value": [] }),
        ),
    ]
}

#[test]
fn whatever_weakens_a_webhook_configuration_is_undone_in_5_s() {
    let cluster = Cluster::strict(0);
    let foreign = cluster.authority();
    let intact = BOTH.map(|kind| webhooks(&cluster, kind).unwrap());
    for (what, step) in weakenings(&foreign) {
        let patch = json!([step]).to_string();
        let done = Instant::now();
        for kind in BOTH {
            let weaken = ["patch", kind, "countersign", "--type=json", "-p", &patch];
            cluster.admin().run(&weaken, "").done();
        }
        for (kind, intact) in BOTH.iter().zip(&intact) {
            is_restored(&cluster, kind, intact, what, done);
        }
    }
    let done = Instant::now();
    for kind in BOTH {
        cluster
            .admin()
            .kubectl(&format!("delete {kind} countersign"))
            .done();
    }
    for (kind, intact) in BOTH.iter().zip(&intact) {
        is_restored(&cluster, kind, intact, "deletion", done);
    }
    let [intact, _] = intact;
    another_managers_condition_is_undone(&cluster, &intact);
    switched_off_as_documented(&cluster, &intact);
}

/// Server-side apply leaves what its manager does not name: the condition is a foreign one beside ours.
fn another_managers_condition_is_undone(cluster: &Cluster, intact: &Value) {
    let condition = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": { "name": "countersign" },
        "webhooks": [{
            "name": "validate.countersign.dev",
            "matchConditions": [{ "name": "never", "expression": "false" }],
        }],
    });
    let done = Instant::now();
    let apply = "apply --server-side --field-manager=other -f -";
    cluster.admin().kubectl_with(apply, &condition.to_string()).done();
    is_restored(cluster, VALIDATING, intact, "another manager's condition", done);
}

/// The annotation that switches enforcement off is respected, and told.
fn switched_off_as_documented(cluster: &Cluster, intact: &Value) {
    let annotate = format!("annotate {VALIDATING} countersign countersign.dev/enforcement");
    cluster.admin().kubectl(&format!("{annotate}=off")).done();
    until("the failure policy to be Ignore", || {
        (webhooks(cluster, VALIDATING)?[0]["failurePolicy"] == "Ignore").then_some(())
    });
    let enforcing = "wait accesspolicy/default --for=condition=Enforcing=False --timeout=60s";
    cluster.admin().kubectl(enforcing).done();
    cluster.admin().kubectl(&format!("{annotate}-")).done();
    is_restored(cluster, VALIDATING, intact, "the switch", Instant::now());
}

fn is_restored(cluster: &Cluster, kind: &str, intact: &Value, what: &str, since: Instant) {
    let left = Duration::from_secs(5).saturating_sub(since.elapsed());
    let waited = format!("{kind} to be restored: {what}");
    within(left, &waited, || {
        (webhooks(cluster, kind).as_ref() == Some(intact)).then_some(())
    });
}

/// What the configuration says, if it is there.
fn webhooks(cluster: &Cluster, kind: &str) -> Option<Value> {
    let found = cluster
        .admin()
        .kubectl(&format!("get {kind} countersign -o json --ignore-not-found"));
    let configuration: Value = serde_json::from_str(&found.done()).ok()?;
    Some(configuration["webhooks"].clone())
}
