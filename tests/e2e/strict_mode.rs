//! Strict mode: before it violations pass with a warning, it needs two live admins, and then it holds.

use serde_json::json;

use super::{
    harness::{Area, Cluster, Outcome, Person, Ticket, wait::until},
    seals::{is_degraded, is_ready},
};

#[test]
fn strict_mode_needs_two_live_admins_and_then_holds() {
    let cluster = Cluster::with_company(2);
    observes(&cluster.area());
    needs_two_live_admins(&cluster);
    cluster.see_admins();
    cluster.enforce();
    assert_eq!(cluster.failure_policy(), "Fail");
    holds(&cluster);
    is_turned_off_by_two_admins(&cluster);
}

/// Whoever breaks a rule is told, and the write is made.
fn observes(area: &Area<'_>) {
    assert_eq!(area.cluster.failure_policy(), "Ignore");
    let object = area.config_map("app", &json!({ "a": "1" }));
    for (person, reason) in [
        ("mallory", "NotOfZone"),
        ("ron", "ReaderWrites"),
        ("deployer", "ApprovalRequired"),
    ] {
        let created = area.person(person).create(&object);
        assert!(
            created.stderr.contains("Warning: "),
            "{person}: {}",
            created.stderr
        );
        assert!(created.stderr.contains(reason), "{person}: {}", created.stderr);
        created.done();
        let delete = format!("delete configmap app -n {}", area.namespace);
        area.person(person).kubectl(&delete).done();
    }
    let overlapping = json!({
        "apiVersion": "countersign.dev/v1alpha1",
        "kind": "Zone",
        "metadata": { "name": "second" },
        "spec": { "owner": "user:mallory", "objects": [format!("{}/configmaps/*", area.namespace)] },
    });
    area.person("ada").create(&overlapping).denied("ZoneOverlap");
    assert!(area.tickets_of("agent:deployer").is_empty());
}

/// Admins who never did anything are no live admins.
fn needs_two_live_admins(cluster: &Cluster) {
    let lacks_admins = |live: &str| {
        let denial = switch(cluster.person("ada"), true).denied("TooFewAdmins");
        denial.contains(&format!(
            "spec.strictMode: {live} live human admins, and 2 are needed"
        ))
    };
    assert!(lacks_admins("0"));
    cluster
        .person("ada")
        .kubectl("annotate namespace agents seen=yes")
        .done();
    until("ada to be seen", || lacks_admins("1").then_some(()));
    assert_eq!(cluster.failure_policy(), "Ignore");
    let enforcing = cluster.admin().get("accesspolicy default")["status"]["conditions"].clone();
    let enforcing = enforcing
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["type"] == "Enforcing");
    assert_eq!(enforcing.unwrap()["reason"], "Observing");
}

fn holds(cluster: &Cluster) {
    let area = cluster.area();
    area.person("mallory")
        .create(&area.config_map("app", &json!({})))
        .denied("NotOfZone");
    let ada = cluster.person("ada");
    let denial = ada.kubectl("delete accesspolicy default").denied("StrictMode");
    assert!(
        denial.contains("the AccessPolicy is not deleted while strict mode is on"),
        "{denial}"
    );
    let denial = ada.kubectl("delete rolegrant ben").denied("TooFewAdmins");
    assert!(
        denial.contains("1 live human admins would remain, and strict mode needs 2"),
        "{denial}"
    );
    for person in ["olga", "admin", "deployer"] {
        let denial = switch(cluster.person(person), false).denied("StrictMode");
        let why = if person == "deployer" {
            "is an agent: only people turn strict mode on and off, and lock it"
        } else {
            "is no human admin: only they turn strict mode off"
        };
        assert!(denial.contains(why), "{denial}");
    }
}

fn is_turned_off_by_two_admins(cluster: &Cluster) {
    let off = || switch(cluster.person("ada"), false);
    let ticket = Ticket::named_in(&off().denied("ApprovalRequired"), cluster);
    ticket
        .review(cluster.person("ada"), "Approve")
        .denied("IneligibleReviewer");
    ticket.approve(cluster.person("ben"));
    ticket.becomes("Approved");
    assert_eq!(cluster.operator().counted("countersign_strict_mode"), Some(1));
    off().done();
    until("the failure policy to be Ignore", || {
        (cluster.failure_policy() == "Ignore").then_some(())
    });
    assert_eq!(cluster.operator().counted("countersign_strict_mode"), Some(0));
    let event =
        "get events -A --field-selector=reason=StrictModeOff,involvedObject.kind=AccessPolicy -o name";
    until("an Event to tell of it", || {
        (!cluster.admin().kubectl(event).done().is_empty()).then_some(())
    });
}

fn switch(by: &Person, strict: bool) -> Outcome {
    let patch = json!({ "spec": { "strictMode": strict } }).to_string();
    by.run(
        &["patch", "accesspolicy", "default", "--type=merge", "-p", &patch],
        "",
    )
}

const ENABLE: &str = "admin enable-strict";

#[test]
fn strict_mode_begins_for_exactly_what_was_shown() {
    let cluster = Cluster::with_company(1);
    let ada = cluster.person("ada");
    let shown = looked_at(ada);
    let denial = ada.countersign(&format!("{ENABLE} --digest {shown}")).stderr;
    assert!(
        denial.contains("TooFewAdmins: spec.strictMode: 0 live human admins"),
        "{denial}"
    );
    cluster.see_admins();

    grants(&cluster, "admin");
    let late = ada.countersign(&format!("{ENABLE} --digest {shown}"));
    assert_eq!(late.code, Some(1), "{}", late.stderr);
    assert!(
        late.stderr.contains(&format!("not {shown}: look at it again")),
        "{}",
        late.stderr
    );
    let denial = bound(ada, &shown).denied("PermissionsChanged");
    assert!(
        denial.contains("spec.strictModeDigest: the permission objects have the digest"),
        "{denial}"
    );

    // While no operator answers nothing is refused, and still it does not begin.
    cluster.operator().kill();
    bound(ada, &shown).done();
    cluster.operator().restart();
    is_degraded(&cluster, "accesspolicy default", "PermissionsChanged");
    assert_eq!(cluster.failure_policy(), "Ignore");
    let area = cluster.area();
    area.person("mallory")
        .create(&area.config_map("app", &json!({})))
        .done();

    let before = looked_at(ada);
    assert_ne!(before, shown);
    let label = format!(
        "label namespace {} countersign.dev/environment=dev --overwrite",
        area.namespace
    );
    cluster.admin().kubectl(&label).done();
    let again = looked_at(ada);
    assert_ne!(again, before);
    bound(ada, &before).denied("PermissionsChanged");
    let turned_on = ada.countersign(&format!("{ENABLE} --digest {again}")).done();
    assert!(turned_on.ends_with("strict mode is on\n"), "{turned_on}");
    assert_eq!(cluster.failure_policy(), "Fail");
    for what in [
        "rolegrant/mallory",
        "accesspolicy/default",
        "zone/area-1",
        "agent/deployer",
    ] {
        is_ready(&cluster, what);
    }
    // What it was bound to it is no longer once it is on.
    let olga = r#"{"spec":{"role":"admin"}}"#;
    let raise = || ada.run(&["patch", "rolegrant", "olga", "--type=merge", "-p", olga], "");
    let ticket = Ticket::named_in(&raise().denied("ApprovalRequired"), &cluster);
    ticket.approve(cluster.person("ben"));
    ticket.becomes("Approved");
    raise().done();
    cluster.operator().restart();
    is_ready(&cluster, "rolegrant/olga");
    assert_eq!(cluster.failure_policy(), "Fail");
    assert_eq!(ada.countersign(ENABLE).done(), "strict mode is on already\n");
}

/// What a person reads who only looks, and its digest.
fn looked_at(who: &Person) -> String {
    let looked = who.countersign(ENABLE);
    assert_eq!(looked.code, Some(3), "{}", looked.stderr);
    let shows = |kind: &str, name: &str, says: &str| {
        let of_object = |line: &&str| line.split_whitespace().take(2).eq([kind, name]);
        let line = looked.stdout.lines().find(of_object).unwrap_or_default();
        assert!(line.ends_with(says), "{kind} {name}: {}", looked.stdout);
    };
    shows(
        "AccessPolicy",
        "default",
        " hashIgnore: [{kind: PodTemplate, pointers: [/metadata/annotations/example.com~1at]}]",
    );
    shows("RoleGrant", "ada", " identity: user:ada, role: admin");
    shows("Team", "shop", " members: [user:olga, user:otto]");
    shows("Namespace", "kube-system", " no labels");
    let (_, digest) = looked.stdout.split_once("\ndigest: ").unwrap();
    assert!(
        looked.stderr.contains(&format!("--digest {}", digest.trim())),
        "{}",
        looked.stderr
    );
    digest.trim().to_owned()
}

/// Gives mallory a role, as whoever may write grants can while nothing is enforced.
fn grants(cluster: &Cluster, role: &str) {
    let role = json!({ "spec": { "role": role } }).to_string();
    let patch = ["patch", "rolegrant", "mallory", "--type=merge", "-p", &role];
    cluster.admin().run(&patch, "").done();
}

/// Turns strict mode on for what has this digest, without the command.
fn bound(who: &Person, digest: &str) -> Outcome {
    let on = json!({ "spec": { "strictMode": true, "strictModeDigest": digest } }).to_string();
    who.run(
        &["patch", "accesspolicy", "default", "--type=merge", "-p", &on],
        "",
    )
}
