//! Ways out for whoever is locked out, as docs/operations.md tells them; and out of Countersign itself.

use serde_json::{Value, json};

use super::{
    harness::{Cluster, Outcome, Person, Ticket, wait::until},
    outages::AWAY,
    seals::{behind_its_back, is_degraded, is_ready},
};

const SWITCH: &str = "annotate validatingwebhookconfiguration countersign countersign.dev/enforcement";

/// Sets the documented annotation that switches enforcement off.
pub fn switch_off(cluster: &Cluster) {
    cluster.admin().kubectl(&format!("{SWITCH}=off")).done();
    becomes(cluster, "Ignore");
    until("the operator to know", || {
        let policy = cluster.admin().get("accesspolicy default");
        let conditions = policy["status"]["conditions"].as_array()?.clone();
        let off = |one: &Value| one["type"] == "Enforcing" && one["reason"] == "SwitchedOff";
        // Of a policy that cannot be read no status is written.
        (conditions.iter().any(off) || cluster.operator().log().contains("SwitchedOff")).then_some(())
    });
}

/// Takes it away again.
pub fn switch_on(cluster: &Cluster) {
    cluster.admin().kubectl(&format!("{SWITCH}-")).done();
    becomes(cluster, "Fail");
}

fn becomes(cluster: &Cluster, policy: &str) {
    let what = format!("the failure policy to be {policy}");
    until(&what, || (cluster.failure_policy() == policy).then_some(()));
}

/// `kubectl patch` of an object.
pub fn merge(by: &Person, what: &str, patch: &Value) -> Outcome {
    let patch = patch.to_string();
    let mut arguments: Vec<_> = ["patch"].into_iter().chain(what.split(' ')).collect();
    arguments.extend(["--type=merge", "-p", &patch]);
    by.run(&arguments, "")
}

#[test]
fn when_no_admin_is_left_others_take_over_in_the_open() {
    let cluster = Cluster::strict(1);
    // Ada and ben are not there any more.
    let raise = |by: &str, who: &str| {
        let admin = json!({ "spec": { "role": "admin" } });
        merge(cluster.person(by), &format!("rolegrant {who}"), &admin)
    };
    raise("olga", "olga").denied("AdminOnly");
    raise("admin", "olga").denied("ReaderWrites");

    switch_off(&cluster);
    for who in ["olga", "otto"] {
        let raised = raise("admin", who);
        assert!(
            raised.stderr.contains("Warning: countersign: ReaderWrites"),
            "{}",
            raised.stderr
        );
        raised.done();
        is_ready(&cluster, &format!("rolegrant/{who}"));
        let seen = format!("create configmap seen-{who} -n agents");
        cluster.person(who).kubectl(&seen).done();
    }
    until("four live admins", || {
        (cluster.admin().get("accesspolicy default")["status"]["counts"]["liveAdmins"] == 4).then_some(())
    });
    cluster.person("olga").kubectl("delete rolegrant ada ben").done();
    switch_on(&cluster);

    cluster
        .person("ada")
        .kubectl("create namespace hers")
        .denied("ReaderWrites");
    let hire = || raise("olga", "rita");
    let ticket = Ticket::named_in(&hire().denied("ApprovalRequired"), &cluster);
    ticket.approve(cluster.person("otto"));
    ticket.becomes("Approved");
    hire().done();
}

#[test]
fn a_policy_that_cannot_be_read_denies_says_so_and_can_be_mended() {
    let cluster = Cluster::strict(1);
    let area = cluster.area();
    behind_its_back(&cluster, |admin| {
        // A newer version knows more environments.
        let names = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/environments/items/properties/name/enum";
        let newer = json!([{ "op": "remove", "path": names }]).to_string();
        let crd = [
            "patch",
            "crd",
            "accesspolicies.countersign.dev",
            "--type=json",
            "-p",
            &newer,
        ];
        admin.run(&crd, "").done();
        let staging = json!({ "spec": { "environments": [{ "name": "staging" }] } });
        until("the API server to know them", || {
            merge(admin, "accesspolicy default", &staging)
                .succeeded()
                .then_some(())
        });
    });
    let object = area.config_map("app", &json!({}));
    for person in ["ada", "olga", "deployer"] {
        let denial = area.person(person).create(&object).denied("PolicyUnreadable");
        assert!(
            denial.contains("AccessPolicy `default` cannot be read: "),
            "{denial}"
        );
        assert!(denial.contains("staging"), "{denial}");
    }

    switch_off(&cluster);
    let mut mended = json!({ "spec": { "environments": null } });
    let mend = |mended: &Value| merge(area.person("ada"), "accesspolicy default", mended);
    let denial = mend(&mended).denied("Unsealed");
    let (_, value) = denial.split_once("annotate countersign.dev/attest=").unwrap();
    let (value, _) = value.split_once(')').unwrap();
    mended["metadata"] = json!({ "annotations": { "countersign.dev/attest": value } });
    mend(&mended).done();
    is_ready(&cluster, "accesspolicy/default");
    switch_on(&cluster);
    area.ticket(area.person("olga").create(&object));
}

#[test]
fn a_forged_zone_that_holds_everything_is_removed() {
    let cluster = Cluster::strict(1);
    let area = cluster.area();
    behind_its_back(&cluster, |admin| {
        let zone = json!({
            "apiVersion": "countersign.dev/v1alpha1",
            "kind": "Zone",
            "metadata": { "name": "forged" },
            "spec": { "owner": "user:mallory", "objects": ["**"] },
        });
        admin.create(&zone).done();
    });
    is_degraded(&cluster, "zone forged", "Unsealed");
    let object = area.config_map("app", &json!({}));
    for person in ["mallory", "olga"] {
        area.person(person).create(&object).denied("ZoneContested");
    }
    let delete = || area.person("ada").kubectl("delete zone forged");
    delete().denied("ZoneContested");
    switch_off(&cluster);
    delete().done();
    switch_on(&cluster);
    area.ticket(area.person("olga").create(&object));
}

#[test]
fn while_the_operator_cannot_start_the_configurations_are_the_way_out() {
    let cluster = Cluster::strict(1);
    let area = cluster.area();
    cluster.operator().kill();
    cluster.admin().kubectl(&format!("{SWITCH}=off")).done();
    let object = area.config_map("app", &json!({}));
    // Nobody is there to respect it.
    area.person("olga").create(&object).refused(AWAY);
    let remove = "delete validatingwebhookconfiguration,mutatingwebhookconfiguration countersign";
    cluster.admin().kubectl(remove).done();
    area.person("olga").create(&object).done();
    cluster.operator().restart();
    until("the configuration to be back", || {
        let get = "get validatingwebhookconfiguration countersign";
        (cluster.admin().kubectl(get).succeeded() && cluster.failure_policy() == "Fail").then_some(())
    });
    let other = area.config_map("other", &json!({}));
    area.ticket(area.person("olga").create(&other));
}

#[test]
fn uninstalled_it_leaves_nothing_behind_and_stops_nobody() {
    let cluster = Cluster::strict(1);
    let area = cluster.area();
    area.put(&area.config_map("app", &json!({})));
    let off = || {
        merge(
            cluster.person("ada"),
            "accesspolicy default",
            &json!({ "spec": { "strictMode": false } }),
        )
    };
    let ticket = Ticket::named_in(&off().denied("ApprovalRequired"), &cluster);
    ticket.approve(cluster.person("ben"));
    ticket.becomes("Approved");
    off().done();
    becomes(&cluster, "Ignore");

    cluster.operator().kill();
    let root = env!("CARGO_MANIFEST_DIR");
    let roles = format!(
        "-f {root}/charts/countersign/files/operator-clusterroles.yaml -f {root}/hack/demo/operator-rbac.yaml"
    );
    for what in [
        "validatingwebhookconfiguration,mutatingwebhookconfiguration countersign",
        &format!("-f {root}/crds/"),
        &roles,
    ] {
        cluster.admin().kubectl(&format!("delete {what}")).done();
    }
    let kinds = cluster
        .admin()
        .kubectl("api-resources --verbs=list -o name")
        .done();
    // Events go by themselves, after an hour.
    let kinds = kinds.lines().filter(|kind| !kind.starts_with("events"));
    for kind in kinds {
        let all = cluster.admin().kubectl(&format!("get {kind} -A -o name")).done();
        let left: Vec<_> = all.lines().filter(|name| name.contains("countersign")).collect();
        assert!(left.is_empty(), "{left:?}");
    }
    let written = area
        .person("mallory")
        .create(&area.config_map("hers", &json!({})));
    assert!(!written.stderr.contains("countersign"), "{}", written.stderr);
    written.done();
}
