//! The story by `kubectl countersign`: asked for beforehand, read, approved, waited for, made.

use std::fs;

use serde_json::json;

use super::harness::{Area, pods, shared, wait::until};

/// A manifest as a file, which lives as long as the cluster.
fn file(area: &Area<'_>, object: &serde_json::Value) -> String {
    let file = area
        .cluster
        .control_plane()
        .dir()
        .join(format!("{}.json", area.namespace));
    fs::write(&file, object.to_string()).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn a_preview_tells_the_hash_that_the_denial_tells() {
    let area = shared().area();
    let agent = area.person("deployer");
    area.put(&area.deployment("web", 2));
    let scaled = area.deployment("web", 5);
    let diff = format!("diff -f {}", file(&area, &scaled));
    // Its controller may write the status while the command looks at it; then it says so.
    let preview = until("a preview", || {
        let preview = agent.countersign(&diff);
        (!preview.stderr.contains("changed meanwhile")).then_some(preview)
    });
    assert!(!preview.succeeded(), "something would change: {}", preview.stdout);
    assert!(area.tickets_of("agent:deployer").is_empty());

    let ticket = area.ticket(agent.apply(&scaled)).object();
    let hash = ticket["spec"]["binding"]["resourceHash"].as_str().unwrap();
    assert!(
        preview.stdout.contains(hash),
        "{}{}",
        preview.stdout,
        preview.stderr
    );
}

#[test]
fn a_change_is_requested_reviewed_and_made() {
    let area = shared().area();
    let (agent, rita) = (area.person("deployer"), area.person("rita"));
    let object = area.config_map("app", &json!({ "colour": "blue" }));
    let request = format!("request -f {} --reason nicer -o json", file(&area, &object));
    let ticket: serde_json::Value = serde_json::from_str(&agent.countersign(&request).done()).unwrap();
    assert_eq!(ticket["spec"]["reason"], "nicer");
    let named = format!(
        "{} -n {}",
        ticket["metadata"]["name"].as_str().unwrap(),
        area.namespace
    );

    let shown = rita.countersign(&format!("describe {named}")).done();
    for part in ["agent:deployer", "blue", "nicer"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let listed = rita.countersign(&format!("list -n {}", area.namespace)).done();
    assert!(listed.contains("Pending") && listed.contains("0/1"), "{listed}");
    rita.countersign(&format!("approve {named} --yes")).done();
    agent
        .countersign(&format!("wait {named} --for=state=Approved --timeout=60s"))
        .done();
    agent.apply(&object).done();
    agent
        .countersign(&format!("wait {named} --for=state=Consumed --timeout=60s"))
        .done();
}

/// The policy leaves this annotation of PodTemplates out of their hash.
#[test]
fn what_is_not_bound_is_asked_for_too_and_is_told() {
    let area = shared().area();
    let (agent, rita) = (area.person("deployer"), area.person("rita"));
    let template = |at: &str, app: &str| {
        json!({
            "apiVersion": "v1", "kind": "PodTemplate",
            "metadata": { "name": "web", "namespace": area.namespace, "annotations": { "example.com/at": at } },
            "template": { "metadata": { "labels": { "app": app } }, "spec": pods(app)["spec"] },
        })
    };
    let manifest = file(&area, &template("noon", "web"));
    let asked = agent
        .countersign(&format!("request -f {manifest} -o json"))
        .done();
    let ticket: serde_json::Value = serde_json::from_str(&asked).unwrap();
    let named = format!(
        "{} -n {}",
        ticket["metadata"]["name"].as_str().unwrap(),
        area.namespace
    );
    let approved = rita.countersign(&format!("approve {named} --yes")).done();
    let told = "not bound, whatever it becomes: /metadata/annotations/example.com~1at";
    assert!(approved.contains(told), "{approved}");
    agent.countersign(&format!("wait {named} --timeout=60s")).done();
    agent.create(&template("midnight", "web")).done();
}

#[test]
fn each_decision_has_its_command() {
    let area = shared().area();
    for (command, person, state) in [
        ("deny", "rita", "Denied"),
        ("cancel", "deployer", "Cancelled"),
        ("revoke", "rita", "Revoked"),
    ] {
        let want = || {
            area.person("deployer")
                .apply(&area.config_map(command, &json!({ "a": "1" })))
        };
        let ticket = if command == "revoke" {
            area.approved(want)
        } else {
            area.ticket(want())
        };
        let decide = format!("{command} {} -n {} --yes", ticket.name, ticket.namespace);
        let foreign = area.person("mallory").countersign(&decide);
        assert!(
            foreign.stderr.contains("IneligibleReviewer"),
            "{command}: {}",
            foreign.stderr
        );
        area.person(person).countersign(&decide).done();
        ticket.becomes(state);
    }
}

#[test]
fn who_asks_is_told_whether_and_why() {
    let area = shared().area();
    let ask = format!("can-i update deployments.apps/web -n {}", area.namespace);
    for (person, verdict, why) in [
        ("deployer", "needs approval", "team:shop"),
        ("mallory", "no", "NotOfZone"),
        ("ron", "no", "ReaderWrites"),
    ] {
        let told = area.person(person).countersign(&ask);
        let said = told.stdout + &told.stderr;
        assert!(said.contains(verdict) && said.contains(why), "{person}: {said}");
    }
    let told = area.person("mallory").countersign(&format!("{ask} -o json"));
    assert!(!told.succeeded());
    let told: serde_json::Value = serde_json::from_str(&told.stdout).unwrap();
    let zone = json!({ "kind": "Zone", "name": area.namespace, "field": "spec.owner" });
    assert_eq!((&told["reason"], &told["cause"]), (&json!("NotOfZone"), &zone));
}
