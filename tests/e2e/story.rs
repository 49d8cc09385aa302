//! The story: an agent's change of prod is denied, reviewed, and passes unchanged, once.

use serde_json::json;

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
    ticket.approve(area.person("rita"));
    ticket.becomes("Approved");

    agent.apply(&scaled).done();
    assert_eq!(area.get("deployment web")["spec"]["replicas"], 5);
    ticket.becomes("Consumed");
}
