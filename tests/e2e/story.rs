//! The story: an agent's change of prod is denied, reviewed, and passes unchanged, once.

use serde_json::{Value, json};

use super::harness::shared;

#[test]
fn an_agents_change_passes_unchanged_and_once_after_a_review() {
    let area = shared().area();
    let agent = area.person("deployer");
    area.put(&area.deployment("web", 2));
    let scaled = area.deployment("web", 5);

    let ticket = area.ticket(agent.apply(&scaled));
    assert_eq!(ticket.state(), "Pending");
    assert_eq!(ticket.change("/spec/replicas"), (json!("2"), json!("5")));
    for _ in 0..3 {
        assert_eq!(area.ticket(agent.apply(&scaled)).name, ticket.name);
    }
    assert_eq!(area.tickets_of("agent:deployer").len(), 1);

    ticket.approve(area.person("rita"));
    ticket.becomes("Approved");
    agent.apply(&scaled).done();
    assert_eq!(area.get("deployment web")["spec"]["replicas"], 5);
    ticket.becomes("Consumed");

    area.put(&area.deployment("web", 2));
    let again = area.ticket(agent.apply(&scaled));
    assert_ne!(again.name, ticket.name);
    assert_eq!(again.state(), "Pending");
    assert_eq!(area.get("deployment web")["spec"]["replicas"], 2);
}

#[test]
fn a_used_ticket_says_so_to_those_who_wait() {
    let area = shared().area();
    let ticket = area.with_approval(|| {
        area.person("deployer")
            .apply(&area.config_map("app", &json!({"a": "1"})))
    });

    let wait = format!(
        "wait --for=condition=Consumed --timeout=60s approvalticket/{} -n {}",
        ticket.name, ticket.namespace
    );
    area.person("olga").kubectl(&wait).done();
    let status = &ticket.object()["status"];
    assert_eq!(status["state"], "Consumed");
    assert_eq!(status["approvals"], 1);
    assert_eq!(status["reviews"][0]["reviewer"], "user:rita");
    for (condition, holds) in [("Approved", "True"), ("Denied", "False"), ("Ready", "False")] {
        assert_eq!(ticket.condition(condition), holds, "{condition}");
    }
}

#[test]
fn the_api_server_keeps_no_account_of_who_manages_a_ticket_of_the_operators() {
    let area = shared().area();
    let agent = area.person("deployer");
    let used = area.with_approval(|| agent.apply(&area.config_map("app", &json!({"a": "1"}))));
    used.becomes("Consumed");
    let shown = |what: &str| area.get(&format!("{what} --show-managed-fields"))["metadata"].clone();
    let ticket = shown(&format!("approvalticket {}", used.name));
    assert_eq!(ticket["managedFields"], json!(null));
    assert_ne!(shown("configmap app")["managedFields"], json!(null));
}

#[test]
fn a_ticket_shows_a_new_object_and_a_removal() {
    let area = shared().area();
    let agent = area.person("deployer");
    let object = area.config_map("app", &json!({"colour": "blue"}));

    let create = area.approved(|| agent.create(&object));
    assert_eq!(create.change("/data/colour"), (json!(null), json!("\"blue\"")));
    assert_eq!(create.object()["spec"]["binding"]["operation"], "Create");
    agent.create(&object).done();

    let delete = format!("delete configmap app -n {}", area.namespace);
    let removal = area.approved(|| agent.kubectl(&delete));
    let spec = &removal.object()["spec"];
    assert_eq!(spec["binding"]["operation"], "Delete");
    let command: Value = serde_json::from_str(spec["command"].as_str().unwrap()).unwrap();
    assert_eq!(command["propagationPolicy"], "Background");
    agent.kubectl(&delete).done();
    removal.becomes("Consumed");
    area.ticket(agent.create(&object));
}
