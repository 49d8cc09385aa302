//! What needs no approval and leaves no trace: dry runs, writes without effect; and what no ticket ever shows.

use std::fs;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;

use super::harness::{shared, wait::until};

#[test]
fn a_dry_run_tells_the_hash_and_uses_nothing_up() {
    let area = shared().area();
    let agent = area.person("deployer");
    area.put(&area.deployment("web", 2));
    let scaled = area.deployment("web", 5);
    let preview = || {
        let outcome = agent.kubectl_with("apply --dry-run=server -f -", &scaled.to_string());
        let warning = outcome.stderr.clone();
        outcome.done();
        warning
    };

    let warning = preview();
    assert!(
        warning.contains("countersign: needs approval of team:shop"),
        "{warning}"
    );
    assert!(area.tickets_of("agent:deployer").is_empty());

    let ticket = area.approved(|| agent.apply(&scaled));
    let hash = &ticket.object()["spec"]["binding"]["resourceHash"];
    assert!(
        warning.contains(&format!("resourceHash={}", hash.as_str().unwrap())),
        "{warning}"
    );
    preview();
    assert_eq!(ticket.state(), "Approved");
    agent.apply(&scaled).done();
    ticket.becomes("Consumed");
}

#[test]
fn a_dry_run_that_would_be_denied_is_denied() {
    let area = shared().area();
    let object = area.config_map("app", &json!({"a": "1"})).to_string();
    let preview = "apply --dry-run=server -f -";
    area.person("mallory")
        .kubectl_with(preview, &object)
        .denied("NotOfZone");
}

#[test]
fn a_write_without_effect_needs_no_ticket() {
    let area = shared().area();
    let agent = area.person("deployer");
    let web = area.deployment("web", 2);
    area.put(&web);

    let apply = "apply --server-side --force-conflicts --field-manager=agent -f -";
    agent.kubectl_with(apply, &web.to_string()).done();
    // Its controller may have written the status in between.
    until("a replacement without a conflict", || {
        let live = area.get("deployment web").to_string();
        agent
            .kubectl_with("replace -f -", &live)
            .succeeded()
            .then_some(())
    });
    assert!(area.tickets_of("agent:deployer").is_empty());
}

#[test]
fn a_secrets_value_is_nowhere_but_in_the_secret() {
    let area = shared().area();
    let (plain, next) = ("correct-horse-battery", "staple-of-another-colour");
    let secret = |value: &str| {
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": { "name": "login", "namespace": area.namespace },
            "stringData": { "password": value },
        })
    };
    let agent = area.person("deployer");
    let create = area.with_approval(|| agent.apply(&secret(plain)));
    create.becomes("Consumed");
    let preview = agent.kubectl_with("apply --dry-run=server -f -", &secret(next).to_string());
    let update = area.ticket(agent.apply(&secret(next)));
    assert_eq!(update.object()["spec"]["change"].as_array().unwrap().len(), 1);
    update.approve(area.person("rita"));
    update.becomes("Approved");
    agent.apply(&secret(next)).done();
    update.becomes("Consumed");

    let mut seen = create.object().to_string() + &update.object().to_string() + &preview.stderr;
    for segment in fs::read_dir(area.cluster.operator().audit_log()).unwrap() {
        seen.push_str(&fs::read_to_string(segment.unwrap().path()).unwrap());
    }
    seen.push_str(&area.cluster.operator().log());
    assert!(seen.contains("/data/password"));
    for value in [plain, next] {
        assert!(
            !seen.contains(value) && !seen.contains(&STANDARD.encode(value)),
            "{value} is shown"
        );
    }
}
