//! What an operator can lose: room for its audit log, the log, its keys, what etcd held since a backup, the time. While it
//! lasts nothing passes; docs/operations.md tells the way back, and what was used up before stays used up.

use std::{fs, path::Path, process::Command};

use countersign_core::audit::record::Opened;
use serde_json::{Value, json};

use super::{
    harness::{Area, Cluster, Operator, Outcome, Ticket, wait::until},
    lockouts::{merge, switch_off, switch_on},
    outages::{AWAY, audit_log, wants},
    seals::{is_degraded, is_ready},
};

const CONFIGURATIONS: &str = "validatingwebhookconfiguration,mutatingwebhookconfiguration countersign";

/// Somebody writes what no rule stops: a ConfigMap outside prod.
fn passes(cluster: &Cluster, name: &str) -> Outcome {
    let create = format!("create configmap {name} -n workshop");
    cluster.person("mallory").kubectl(&create)
}

/// The agent's wish for a ConfigMap of its own.
fn makes(area: &Area<'_>, name: &str) -> Outcome {
    area.person("deployer").create(&area.config_map(name, &json!({})))
}

/// A change that was approved before needs another approval.
#[track_caller]
fn needs_another(area: &Area<'_>, write: impl Fn() -> Outcome, before: &Ticket<'_>) {
    let again = until("the write to need an approval", || {
        let outcome = write();
        let needs = outcome.stderr.contains("ApprovalRequired");
        assert!(!outcome.succeeded(), "{} was used twice", before.name);
        needs.then(|| area.ticket(outcome))
    });
    assert_ne!(again.name, before.name);
}

/// Runs a program for which each file is full at so many bytes: what goes beyond is not written, as on a full disk.
const ON_A_FULL_DISK: [&str; 3] = ["sh", "-c", r#"trap "" XFSZ; exec prlimit --fsize="$0" -- "$@""#];

/// The bytes of the audit log's one segment, up to the end of its last record.
fn recorded(operator: &Operator) -> usize {
    let segment = operator.audit_log().join(format!("{:020}.ndjson", 0));
    let bytes = fs::read(segment).unwrap();
    bytes.iter().rposition(|byte| *byte == b'\n').unwrap() + 1
}

#[test]
fn on_a_full_disk_nothing_passes_and_with_room_it_goes_on() {
    let cluster = Cluster::strict(1);
    let (area, operator) = (cluster.area(), cluster.operator());
    area.put(&area.config_map("app", &json!({ "a": "0" })));
    let approved = area.approved(|| wants(&area, "1"));
    let waiting = area.ticket(area.person("olga").create(&area.config_map("other", &json!({}))));

    let few = (recorded(operator) + 4096).to_string();
    operator.restart_by(&[&ON_A_FULL_DISK[..], &[&few]].concat());
    let mut numbers = 0..;
    let (name, denial) = until("the disk to be full", || {
        let name = format!("some-{}", numbers.next()?);
        let written = passes(&cluster, &name);
        (!written.succeeded()).then(|| (name, written.denied("AuditUnavailable")))
    });
    let why = "the decision could not be recorded: the audit log is unavailable";
    assert!(denial.contains(why), "{denial}");
    wants(&area, "1").denied("AuditUnavailable");
    let review = waiting.review(area.person("rita"), "Approve");
    review.denied("AuditUnavailable");
    assert_eq!(area.get("configmap app")["data"]["a"], "0");
    until("the operator to say so", || (!operator.is_ready()).then_some(()));

    // As long as there is no room it does not start either.
    let none = (recorded(operator) + 50).to_string();
    let why = "audit log: cannot write its first record";
    operator.cannot_start_by(&[&ON_A_FULL_DISK[..], &[&none]].concat(), why);
    passes(&cluster, &name).refused(AWAY);

    operator.restart();
    passes(&cluster, &name).done();
    until("the approved change to be made", || {
        wants(&area, "1").succeeded().then_some(())
    });
    approved.becomes("Consumed");
    assert_eq!(waiting.state(), "Pending");
    let log = audit_log(&cluster);
    let mut openings = log.lines().filter(|line| line.contains(r#""type":"Opened""#));
    let last: Opened = serde_json::from_str(openings.next_back().unwrap()).unwrap();
    assert_eq!(last.torn.unwrap().bytes, 50, "what was cut off is noted");
}

#[test]
fn without_the_log_of_before_no_approval_of_before_counts() {
    let cluster = Cluster::strict(1);
    let (area, operator) = (cluster.area(), cluster.operator());
    let used = area.with_approval(|| makes(&area, "used"));
    used.becomes("Consumed");
    let open = area.approved(|| makes(&area, "open"));
    let waiting = area.ticket(makes(&area, "waiting"));

    fs::remove_dir_all(operator.audit_log()).unwrap();
    let denial = passes(&cluster, "some").denied("AuditUnavailable");
    assert!(denial.contains("the audit log is unavailable"), "{denial}");
    makes(&area, "open").denied("AuditUnavailable");
    operator.kill();
    fs::remove_file(operator.audit_log().with_file_name("strict-mode")).unwrap();

    operator.restart();
    open.becomes("Indeterminate");
    needs_another(&area, || makes(&area, "open"), &open);
    let delete = format!("delete configmap used -n {}", area.namespace);
    area.with_approval(|| area.person("olga").kubectl(&delete));
    needs_another(&area, || makes(&area, "used"), &used);
    waiting.approve(area.person("rita"));
    waiting.becomes("Approved");
    makes(&area, "waiting").done();
    passes(&cluster, "some").done();
    audit_log(&cluster);
}

#[test]
fn a_backup_of_etcd_gives_no_approval_back() {
    let cluster = Cluster::strict(1);
    let area = cluster.area();
    area.put(&area.config_map("app", &json!({ "a": "0" })));
    let used = area.approved(|| wants(&area, "1"));
    let revoked = area.approved(|| makes(&area, "revoked"));
    let open = area.approved(|| makes(&area, "open"));
    let backup = cluster.control_plane().backup();
    wants(&area, "1").done();
    used.becomes("Consumed");
    revoked.review(area.person("rita"), "Revoke").done();
    revoked.becomes("Revoked");

    cluster.operator().kill();
    cluster.control_plane().restore(&backup);
    assert_eq!(
        (used.state(), revoked.state()),
        ("Approved".into(), "Approved".into())
    );
    wants(&area, "1").refused(AWAY);
    cluster.operator().restart();
    needs_another(&area, || wants(&area, "1"), &used);
    needs_another(&area, || makes(&area, "revoked"), &revoked);
    used.becomes("Indeterminate");
    revoked.becomes("Indeterminate");
    makes(&area, "open").done();
    open.becomes("Consumed");
}

/// Loses the keys, by whoever may remove the webhook configurations, too; and forges a grant.
fn loses_its_keys(cluster: &Cluster) {
    let admin = cluster.admin();
    let configurations = admin.get(CONFIGURATIONS);
    cluster.operator().kill();
    admin.kubectl(&format!("delete {CONFIGURATIONS}")).done();
    admin
        .kubectl("delete secret countersign-keys -n countersign-system")
        .done();
    merge(
        admin,
        "rolegrant mallory",
        &json!({ "spec": { "role": "admin" } }),
    )
    .done();
    admin.create(&fresh(configurations)).done();
    // What was let through in the last two minutes is on record and sealed again: here that is everything.
    fs::remove_dir_all(cluster.operator().audit_log()).unwrap();
}

/// What kubectl lists, to be made again.
fn fresh(mut list: Value) -> Value {
    for item in list["items"].as_array_mut().unwrap() {
        item["metadata"] = json!({ "name": item["metadata"]["name"] });
    }
    list
}

fn attest(cluster: &Cluster, what: &str) {
    let attest = format!("admin attest {what} --yes");
    cluster.person("ada").countersign(&attest).done();
    is_ready(cluster, &what.replace(' ', "/"));
}

#[test]
fn with_other_keys_nothing_is_vouched_for_until_admins_attest_it() {
    let cluster = Cluster::strict(1);
    let area = cluster.area();
    let used = area.with_approval(|| makes(&area, "used"));
    let open = area.approved(|| makes(&area, "open"));
    let (ada, mallory) = (area.person("ada"), area.person("mallory"));
    loses_its_keys(&cluster);

    // While it is away nothing is written, not even its new keys.
    let no_keys = "secret `countersign-keys`: ApiError: Internal error occurred: failed calling webhook";
    cluster.operator().cannot_start_by(&[], no_keys);
    makes(&area, "open").refused(AWAY);
    cluster
        .admin()
        .kubectl(&format!("delete {CONFIGURATIONS}"))
        .done();
    cluster.operator().restart();
    until("enforcement to be back", || {
        let configuration = cluster.admin().kubectl(&format!("get {CONFIGURATIONS}"));
        (configuration.succeeded() && cluster.failure_policy() == "Fail").then_some(())
    });
    for who in [ada, mallory, area.person("deployer")] {
        let denial = who
            .create(&area.config_map("new", &json!({})))
            .denied("PolicyUnreadable");
        assert!(denial.contains("admin attest"), "{denial}");
    }

    switch_off(&cluster);
    for what in ["rolegrants ada", "rolegrants ben", "accesspolicies default"] {
        attest(&cluster, what);
    }
    switch_on(&cluster);
    is_degraded(&cluster, "rolegrant mallory", "Unsealed");
    mallory.kubectl("create namespace hers").denied("ReaderWrites");
    attests_all_others(&cluster);
    needs_another(&area, || makes(&area, "open"), &open);
    let delete = format!("delete configmap used -n {}", area.namespace);
    area.with_approval(|| area.person("olga").kubectl(&delete));
    needs_another(&area, || makes(&area, "used"), &used);
}

/// Strict mode is turned off and on again, for what an admin has looked at.
fn attests_all_others(cluster: &Cluster) {
    let ada = cluster.person("ada");
    let off = || {
        merge(
            ada,
            "accesspolicy default",
            &json!({ "spec": { "strictMode": false } }),
        )
    };
    let ticket = Ticket::named_in(&off().denied("ApprovalRequired"), cluster);
    ticket.approve(cluster.person("ben"));
    ticket.becomes("Approved");
    off().done();
    is_ready(cluster, "rolegrant/mallory");
    let shown = |looked: &Outcome| {
        let (_, digest) = looked.stdout.split_once("\ndigest: ").unwrap();
        digest.trim().to_owned()
    };
    let looked = ada.countersign("admin enable-strict");
    assert!(
        looked.stdout.contains("identity: user:mallory, role: admin"),
        "{}",
        looked.stdout
    );
    ada.kubectl("delete rolegrant mallory").done();
    let digest = until("the grant to be gone", || {
        let again = ada.countersign("admin enable-strict");
        (!again.stdout.contains("user:mallory, role")).then(|| shown(&again))
    });
    let enable = format!("admin enable-strict --digest {digest}");
    ada.countersign(&enable).done();
    assert_eq!(cluster.failure_policy(), "Fail");
}

#[test]
fn by_a_wrong_clock_nothing_passes_until_it_is_set() {
    let cluster = Cluster::strict(1);
    let (area, dir) = (cluster.area(), cluster.control_plane().dir());
    let (library, offset) = (dir.join("clock.so"), dir.join("clock"));
    compile(&library);
    let set = |seconds: i64| fs::write(&offset, seconds.to_string()).unwrap();
    set(0);
    let preload = format!("LD_PRELOAD={}", library.display());
    let told = format!("CLOCK_OFFSET={}", offset.display());
    cluster.operator().restart_by(&["env", &preload, &told]);

    area.put(&area.config_map("app", &json!({ "a": "0" })));
    let approved = area.approved(|| wants(&area, "1"));
    let waiting = area.ticket(area.person("olga").create(&area.config_map("other", &json!({}))));
    for (seconds, says) in [
        (7200, "s ahead of the API server's"),
        (-1800, "s behind the API server's"),
    ] {
        set(seconds);
        let denial = passes(&cluster, "some").denied("WrongClock");
        assert!(denial.contains(says), "{denial}");
        wants(&area, "1").denied("WrongClock");
        waiting
            .review(area.person("rita"), "Approve")
            .denied("WrongClock");
        assert_eq!(
            (approved.state(), waiting.state()),
            ("Approved".into(), "Pending".into())
        );
    }
    until("the operator to say so", || {
        (!cluster.operator().is_ready()).then_some(())
    });
    set(0);
    passes(&cluster, "some").done();
    wants(&area, "1").done();
    approved.becomes("Consumed");
}

/// Compiles the library that sets a program's clock.
fn compile(library: &Path) {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/e2e/clock.c");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-o"]).arg(library).arg(source);
    assert!(compiler.status().unwrap().success());
}
