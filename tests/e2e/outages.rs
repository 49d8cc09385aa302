//! The operator away, killed, or switched off: prod waits for it, nothing is lost, and what others did meanwhile
//! counts for nothing.

use std::{fs, thread, time::Duration};

use countersign_core::audit::{Start, verify};
use serde_json::json;

use super::harness::{Area, Cluster, Outcome, Ticket, wait::until};

/// What the API server says when the operator does not answer.
pub const AWAY: &str = r#"failed calling webhook "validate.countersign.dev""#;

/// The window of a claim, and then some.
pub const CLAIM_IS_OVER: Duration = Duration::from_secs(150);

/// The agent's wish: the ConfigMap `app` with this value.
pub fn wants(area: &Area<'_>, value: &str) -> Outcome {
    area.person("deployer")
        .apply(&area.config_map("app", &json!({ "a": value })))
}

#[test]
fn without_its_operator_prod_waits_and_the_control_plane_comes_back() {
    let cluster = Cluster::strict(1);
    let area = cluster.area();
    let pending = area.ticket(wants(&area, "1"));

    cluster.operator().kill();
    wants(&area, "1").refused(AWAY);
    area.person("ada").kubectl("create namespace other").refused(AWAY);
    cluster.control_plane().component("restart", "apiserver");
    cluster.control_plane().component("restart", "controller-manager");
    wants(&area, "1").refused(AWAY);

    cluster.operator().restart();
    assert_eq!(area.ticket(wants(&area, "1")).name, pending.name);
    pending.approve(area.person("rita"));
    pending.becomes("Approved");
    wants(&area, "1").done();
    pending.becomes("Consumed");
}

#[test]
fn an_operator_killed_at_any_moment_loses_nothing() {
    let cluster = Cluster::strict(1);
    let area = cluster.area();
    area.put(&area.config_map("app", &json!({ "a": "0" })));
    for round in 1..=6_u64 {
        let value = round.to_string();
        // By the golden ratio the moments of all rounds are spread over the whole flow.
        let delay = Duration::from_millis(round * 618 % 1000);
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(delay);
                cluster.operator().kill();
            });
            begins(&area, &value);
        });
        cluster.operator().restart();
        finishes(&area, &value);
    }
    cluster.operator().kill();
    let text = audit_log(&cluster);
    for state in ["Pending", "Approved", "Claimed", "Consumed"] {
        assert!(
            text.contains(&format!("\"to\":\"{state}\"")),
            "no transition to {state}"
        );
    }
}

/// Goes through the whole flow, in which any step may fail.
fn begins(area: &Area<'_>, value: &str) {
    let denied = wants(area, value);
    if denied.stderr.contains("ApprovalRequired") {
        area.ticket(denied).review(area.person("rita"), "Approve");
        wants(area, value);
    }
}

/// Brings the flow to its end: the change is made, and under one ticket.
fn finishes(area: &Area<'_>, value: &str) {
    until("the change to be made", || {
        let outcome = wants(area, value);
        if outcome.succeeded() {
            return Some(());
        }
        // Whether rita's review of before was lost, or is only not yet counted, she does not know either.
        area.ticket(outcome).review(area.person("rita"), "Approve");
        None
    });
    assert_eq!(area.get("configmap app")["data"]["a"], value);
    let all = area.tickets_of("agent:deployer");
    let shown = json!(json!(value).to_string());
    let mut of_value = all.iter().filter(|one| one["spec"]["change"][0]["new"] == shown);
    let name = of_value.next().unwrap()["metadata"]["name"].as_str().unwrap();
    assert_eq!(of_value.count(), 0, "one ticket for {value}");
    Ticket::new(&area.namespace, name, area.cluster).becomes("Consumed");
}

/// The text of the audit log, whose chain must hold.
pub fn audit_log(cluster: &Cluster) -> String {
    let entries = fs::read_dir(cluster.operator().audit_log()).unwrap();
    let mut segments: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "ndjson"))
        .collect();
    segments.sort();
    let text: String = segments
        .iter()
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    verify(Start::Genesis, text.lines()).unwrap().unwrap();
    text
}

#[test]
fn what_was_done_while_nobody_watched_approves_nothing() {
    let cluster = Cluster::strict(1);
    let area = cluster.area();
    let ticket = area.approved(|| wants(&area, "1"));
    let switch = "annotate validatingwebhookconfiguration countersign countersign.dev/enforcement";
    cluster.admin().kubectl(&format!("{switch}=off")).done();
    until("the failure policy to be Ignore", || {
        (cluster.failure_policy() == "Ignore").then_some(())
    });
    cluster.operator().kill();

    let mut again = ticket.object();
    cluster
        .admin()
        .kubectl(&format!(
            "delete approvalticket {} -n {}",
            ticket.name, ticket.namespace
        ))
        .done();
    again["metadata"] = json!({ "name": ticket.name, "namespace": ticket.namespace });
    cluster.admin().create(&again).done();
    let forged = json!({ "status": again["status"] }).to_string();
    let what = [ticket.name.as_str(), "-n", &ticket.namespace];
    let patch = |status: &str| {
        let how = ["--subresource=status", "--type=merge", "-p", status];
        let arguments = [&["patch", "approvalticket"], &what[..], &how].concat();
        cluster.admin().run(&arguments, "")
    };
    patch(&forged).done();
    assert_eq!(ticket.state(), "Approved");
    patch(r#"{"status":{"contested":true}}"#).done();
    patch(r#"{"status":{"contested":false}}"#).refused("a ticket that was contested stays so");
    patch(r#"{"status":{"contested":null}}"#).refused("a ticket that was contested stays so");

    cluster.operator().restart();
    cluster.admin().kubectl(&format!("{switch}-")).done();
    until("the failure policy to be Fail", || {
        (cluster.failure_policy() == "Fail").then_some(())
    });
    ticket.becomes("Indeterminate");
    assert_ne!(area.ticket(wants(&area, "1")).name, ticket.name);
}

#[test]
fn an_environment_that_fails_open_does_so_in_its_own_namespaces_only() {
    let cluster = Cluster::with_company(2);
    let (prod, dev) = (cluster.area(), cluster.area());
    let environment =
        |namespace: &str| format!("label namespace {namespace} countersign.dev/environment=dev --overwrite");
    cluster.admin().kubectl(&environment(&dev.namespace)).done();
    let policy = r#"{"spec":{"environments":[{"name":"dev","failurePolicy":"Ignore"}]}}"#;
    let patch = ["patch", "accesspolicy", "default", "--type=merge", "-p", policy];
    cluster.admin().run(&patch, "").done();
    cluster.see_admins();
    cluster.enforce();
    until("the configuration to tell the environments apart", || {
        let configuration = cluster.admin().get("validatingwebhookconfiguration countersign");
        (configuration["webhooks"].as_array()?.len() == 3).then_some(())
    });
    wants(&dev, "0").done();
    prod.ticket(wants(&prod, "0"));

    cluster.operator().kill();
    wants(&dev, "1").done();
    wants(&prod, "1").refused(AWAY);
    let ada = cluster.person("ada");
    ada.kubectl("create clusterrole reads --verb=get --resource=pods")
        .refused(AWAY);
    for write in [
        environment(&prod.namespace),
        format!("label namespace {} team=shop", dev.namespace),
        format!("label zone {} team=shop", dev.namespace),
    ] {
        let away = r#"failed calling webhook "validate-always.countersign.dev""#;
        ada.kubectl(&write).refused(away);
    }
}
