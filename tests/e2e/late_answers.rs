//! Answers that come too late: the operator gave up, or the API server did. The write was not made, nothing is used up,
//! and nobody else waits.

use std::thread;

use serde_json::{Value, json};

use super::{
    harness::{
        Area, Cluster, Outcome, Setup,
        proxy::Fault,
        wait::{until, within},
    },
    outages::{AWAY, CLAIM_IS_OVER, audit_log, wants},
};

/// A cluster whose operator can be disturbed.
fn cluster() -> Cluster {
    let setup = Setup {
        proxied: true,
        ..Setup::default()
    };
    let cluster = Cluster::observing_as(&setup).of_company(2);
    cluster.see_admins();
    cluster.enforce();
    cluster
}

fn makes(area: &Area<'_>) -> Outcome {
    area.person("deployer")
        .create(&area.config_map("new", &json!({})))
}

#[test]
fn who_is_answered_too_late_writes_once_all_the_same() {
    let cluster = cluster();
    let (area, other) = (cluster.area(), cluster.area());
    area.put(&area.config_map("app", &json!({ "a": "0" })));
    is_given_up_by_the_operator(&cluster, &area, &other);
    is_given_up_by_the_api_server(&cluster, &area);
}

#[test]
fn a_claim_whose_answer_is_lost_is_on_record_before_its_write() {
    let cluster = cluster();
    for fault in [Fault::DropAnswer, Fault::FailureAfter] {
        let area = cluster.area();
        area.put(&area.config_map("app", &json!({ "a": "0" })));
        let ticket = area.approved(|| wants(&area, "1"));
        let claim = ("patch approvaltickets/status", 0);
        cluster.proxy().disturb(&area.namespace, claim, fault);
        wants(&area, "1").done();
        ticket.becomes("Consumed");
        let uid = ticket.object()["metadata"]["uid"].clone();
        let log = audit_log(&cluster);
        let records = log
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        let steps: Vec<_> = records
            .filter(|record| record["ticket"]["uid"] == uid)
            .map(|record| record["to"].as_str().unwrap_or("Write").to_owned())
            .collect();
        let claimed = steps.iter().position(|step| step == "Claimed").unwrap();
        let write = steps.iter().position(|step| step == "Write").unwrap();
        assert!(claimed < write, "{fault:?}: {steps:?}");
    }
}

/// The claim is stored, and the operator hears of it too late.
fn is_given_up_by_the_operator(cluster: &Cluster, area: &Area<'_>, other: &Area<'_>) {
    let ticket = area.approved(|| wants(area, "1"));
    let waiting = other.approved(|| wants(other, "1"));
    let claim = ("patch approvaltickets/status", 0);
    cluster.proxy().disturb(&area.namespace, claim, Fault::Delay);
    let denial = thread::scope(|scope| {
        let late = scope.spawn(|| wants(area, "1"));
        until("the claim to be under way", || {
            cluster.proxy().has_disturbed(&area.namespace).then_some(())
        });
        wants(other, "1").done();
        assert!(!late.is_finished(), "nobody waits for the other");
        late.join().unwrap().denied("DeadlineExceeded")
    });
    assert!(
        denial.contains("the decision took too long: try again"),
        "{denial}"
    );
    waiting.becomes("Consumed");
    assert_eq!(ticket.state(), "Claimed");
    assert_eq!(area.get("configmap app")["data"]["a"], "0");
    wants(area, "1").done();
    ticket.becomes("Consumed");
    assert_ne!(area.ticket(wants(area, "0")).name, ticket.name);
}

/// The operator stands still until nobody waits for its answer any more.
fn is_given_up_by_the_api_server(cluster: &Cluster, area: &Area<'_>) {
    let changes = area.approved(|| wants(area, "2"));
    let creates = area.approved(|| makes(area));
    cluster.operator().pause();
    wants(area, "2").refused(AWAY);
    makes(area).refused(AWAY);
    cluster.operator().resume();
    until("others to write again", || {
        wants_elsewhere(cluster).succeeded().then_some(())
    });
    wants(area, "2").done();
    changes.becomes("Consumed");
    // If the late call claimed the ticket, it is free again once nothing of it can be stored any more.
    within(CLAIM_IS_OVER, "the object to be made", || {
        makes(area).succeeded().then_some(())
    });
    creates.becomes("Consumed");
}

fn wants_elsewhere(cluster: &Cluster) -> Outcome {
    cluster
        .person("mallory")
        .apply(&json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "some", "namespace": "workshop" } }))
}
