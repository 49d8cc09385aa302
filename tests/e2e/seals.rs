//! Seals: what nobody judged has no effect, until an admin attests it and another approves.

use serde_json::{Value, json};

use super::harness::{Cluster, Person, Ticket, wait::until};

/// Both webhook configurations, by what kubectl calls them.
const CONFIGURATIONS: &str = "validatingwebhookconfiguration,mutatingwebhookconfiguration";

/// Writes while no webhook is there to judge.
pub fn behind_its_back(cluster: &Cluster, write: impl Fn(&Person)) {
    cluster.operator().kill();
    let remove = format!("delete {CONFIGURATIONS} countersign");
    cluster.admin().kubectl(&remove).done();
    write(cluster.admin());
    cluster.operator().restart();
    until("the failure policy to be Fail", || {
        let configuration = cluster
            .admin()
            .kubectl("get validatingwebhookconfiguration countersign");
        (configuration.succeeded() && cluster.failure_policy() == "Fail").then_some(())
    });
}

fn grant(name: &str, who: &str) -> Value {
    json!({
        "apiVersion": "countersign.dev/v1alpha1",
        "kind": "RoleGrant",
        "metadata": { "name": name },
        "spec": { "identity": who, "role": "admin" },
    })
}

/// Waits until the object is degraded for this reason.
pub fn is_degraded(cluster: &Cluster, what: &str, reason: &str) {
    until(&format!("{what} to be {reason}"), || {
        let object = cluster.admin().get(what);
        let conditions = object["status"]["conditions"].as_array()?.clone();
        let degraded = conditions.iter().find(|one| one["type"] == "Degraded")?;
        (degraded["reason"] == reason).then_some(())
    });
}

/// Waits until the object is in force.
pub fn is_ready(cluster: &Cluster, what: &str) {
    let wait = format!("wait --for=condition=Ready --timeout=30s {what}");
    cluster.admin().kubectl(&wait).done();
}

#[test]
fn what_was_written_while_the_webhook_was_away_has_no_effect() {
    let cluster = Cluster::strict(1);
    let area = cluster.area();
    behind_its_back(&cluster, |admin| {
        let role = json!({ "spec": { "role": "admin" } }).to_string();
        let patch = ["patch", "rolegrant", "mallory", "--type=merge", "-p", &role];
        admin.run(&patch, "").done();
    });
    is_degraded(&cluster, "rolegrant mallory", "Unsealed");
    let object = area.config_map("hers", &json!({}));
    let is_nobody = || area.person("mallory").create(&object).denied("ReaderWrites");
    is_nobody();

    let ada = area.person("ada");
    let changed = ada.kubectl("label rolegrant mallory team=shop");
    assert!(
        changed
            .denied("Unsealed")
            .contains("admin attest rolegrants mallory")
    );
    let attest = "admin attest rolegrants mallory --yes";
    let ticket = Ticket::named_in(&ada.countersign(attest).stderr, &cluster);
    is_nobody();
    ticket.approve(area.person("ben"));
    ticket.becomes("Approved");
    ada.countersign(attest).done();
    is_ready(&cluster, "rolegrant/mallory");
    let ticket = Ticket::named_in(
        &area.person("mallory").create(&object).denied("ApprovalRequired"),
        &cluster,
    );
    ticket.becomes("Pending");
}

#[test]
fn a_zone_that_was_changed_behind_its_back_is_nobodys_until_it_is_deleted() {
    let cluster = Cluster::strict(1);
    let area = cluster.area();
    behind_its_back(&cluster, |admin| {
        let mine = json!({ "spec": { "owner": "user:mallory" } }).to_string();
        let patch = ["patch", "zone", &area.namespace, "--type=merge", "-p", &mine];
        admin.run(&patch, "").done();
    });
    is_degraded(&cluster, &format!("zone {}", area.namespace), "Unsealed");
    let object = area.config_map("app", &json!({}));
    for person in ["mallory", "olga"] {
        area.person(person).create(&object).denied("ZoneContested");
    }
    let ada = area.person("ada");
    let delete = || ada.kubectl(&format!("delete zone {}", area.namespace));
    let ticket = Ticket::named_in(&delete().denied("ApprovalRequired"), &cluster);
    ticket.approve(area.person("ben"));
    ticket.becomes("Approved");
    delete().done();
}

#[test]
fn a_seal_is_of_one_content_of_one_object() {
    let cluster = Cluster::strict(1);
    let seal = |grant: &str| cluster.admin().get(&format!("rolegrant {grant}"))["status"]["seal"].clone();
    behind_its_back(&cluster, |admin| {
        admin.create(&grant("mallory-too", "user:mallory")).done();
        let status = json!({ "status": { "seal": seal("ada") } }).to_string();
        let forge = [
            "patch",
            "rolegrant",
            "mallory-too",
            "--subresource=status",
            "--type=merge",
            "-p",
            &status,
        ];
        admin.run(&forge, "").done();
    });
    is_degraded(&cluster, "rolegrant mallory-too", "Unsealed");
    let area = cluster.area();
    let object = area.config_map("hers", &json!({}));
    area.person("mallory").create(&object).denied("NotOfZone");
}

#[test]
fn a_ticket_that_was_used_is_not_used_again_whatever_its_status_says() {
    let cluster = Cluster::strict(1);
    let area = cluster.area();
    let object = area.config_map("app", &json!({}));
    let create = || area.person("deployer").create(&object);
    let ticket = area.with_approval(create);
    ticket.becomes("Consumed");
    behind_its_back(&cluster, |admin| {
        let remove = format!("delete configmap app -n {}", area.namespace);
        admin.kubectl(&remove).done();
        // By the schema's own rules what is finished stays so: whoever gets here can take these away, too.
        let rules = "/spec/versions/0/schema/openAPIV3Schema/x-kubernetes-validations";
        let rules = json!([{ "op": "remove", "path": rules }]).to_string();
        let lift = [
            "patch",
            "crd",
            "approvaltickets.countersign.dev",
            "--type=json",
            "-p",
            &rules,
        ];
        admin.run(&lift, "").done();
        let (name, namespace) = (&ticket.name, &ticket.namespace);
        let patch =
            format!("patch approvalticket {name} -n {namespace} --subresource=status --type=merge -p");
        let mut patch: Vec<_> = patch.split_whitespace().collect();
        patch.push(r#"{"status":null}"#);
        admin.run(&patch, "").done();
    });
    assert!(!create().succeeded());
    ticket.becomes("Indeterminate");
    create().denied("ApprovalRequired");
}

#[test]
fn what_was_admitted_is_sealed_even_if_the_operator_dies_at_once() {
    let cluster = Cluster::strict(1);
    let object = grant("carl", "user:carl");
    let ada = cluster.person("ada");
    let ticket = Ticket::named_in(&ada.create(&object).denied("ApprovalRequired"), &cluster);
    ticket.approve(cluster.person("ben"));
    ticket.becomes("Approved");
    ada.create(&object).done();
    cluster.operator().kill();
    cluster.operator().restart();
    is_ready(&cluster, "rolegrant/carl");
}
