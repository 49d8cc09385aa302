//! Zones that people own: an agent comes in, or the owner goes, when the owner acknowledges it.

use serde_json::{Value, json};

use super::{
    harness::{Area, Outcome, Ticket, shared},
    intents::recorded,
};

fn merge(area: &Area<'_>, by: &str, zone: &Value) -> Outcome {
    let patch = json!({ "spec": zone }).to_string();
    let arguments = ["patch", "zone", &area.namespace, "--type=merge", "-p", &patch];
    area.person(by).run(&arguments, "")
}

/// A zone of its own within the area, which `owner` owns.
fn garden(area: &Area<'_>, owner: &str) -> Value {
    json!({
        "apiVersion": "countersign.dev/v1alpha1", "kind": "Zone",
        "metadata": { "name": format!("garden-{}", area.namespace) },
        "spec": { "owner": owner, "objects": [format!("garden-{}/**", area.namespace)] },
    })
}

fn claims(ticket: &Ticket<'_>) -> Value {
    let binding = &ticket.object()["spec"]["binding"];
    assert_eq!(binding["action"], "zone.claim");
    binding["zoneClaims"].clone()
}

#[test]
fn an_agent_comes_into_a_zone_of_people_when_one_of_its_owners_says_so() {
    let area = shared().area();
    // The team shop owns the area: olga and otto.
    let zone = area.cluster.admin().get(&format!("zone {}", area.namespace));
    let generation = zone["metadata"]["generation"].as_i64().unwrap();
    let agents = json!({ "cooperators": ["agent:deployer", "agent:helper", "agent:stranger"] });
    let lets_in = || merge(&area, "ada", &agents);
    let denial = lets_in().denied("ApprovalRequired");
    assert!(denial.contains("team:shop"), "{denial}");
    let ticket = Ticket::named_in(&denial, area.cluster);
    assert_eq!(
        claims(&ticket),
        json!([format!("{}/{generation} team:shop", area.namespace)])
    );
    let shown = area
        .person("otto")
        .countersign(&format!("describe {} -n {}", ticket.name, ticket.namespace));
    assert!(shown.done().contains("team:shop"), "who acknowledges it");

    // Another admin's approval is one, and not that of the owner.
    ticket.approve(area.person("ben"));
    ticket.counts(1);
    assert_eq!(ticket.state(), "Pending");
    let again = lets_in().denied("ApprovalRequired");
    assert_eq!(Ticket::named_in(&again, area.cluster).name, ticket.name);
    ticket.approve(area.person("otto"));
    ticket.becomes("Approved");
    lets_in().done();
    ticket.becomes("Consumed");
    is_on_record(&area, generation);
}

/// What the zone was before and after, and who acknowledged it: the ticket leaves some day.
fn is_on_record(area: &Area<'_>, generation: i64) {
    let recorded = recorded();
    let records = recorded
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut changes = records
        .filter(|record| record["type"] == "PermissionChange" && record["name"] == area.namespace.as_str());
    let change = changes
        .find(|record| record["fields"] == json!(["/spec/cooperators"]))
        .unwrap();
    assert_eq!(change["kind"], "Zone");
    assert_eq!(change["by"], "ada");
    assert_eq!(
        change["zoneClaims"],
        json!([format!("{}/{generation} team:shop", area.namespace)])
    );
    assert!(change["before"].is_string() && change["before"] != change["after"]);
}

#[test]
fn whoever_owns_a_zone_gives_it_away_and_nobody_takes_it() {
    let area = shared().area();
    let admin = |object: &Value| area.person("ada").apply(object);
    let ticket = Ticket::named_in(
        &admin(&garden(&area, "user:olga")).denied("ApprovalRequired"),
        area.cluster,
    );
    assert_eq!(
        ticket.object()["spec"]["binding"]["zoneClaims"],
        Value::Null,
        "nobody owned it"
    );
    ticket.approve(area.person("ben"));
    ticket.becomes("Approved");
    admin(&garden(&area, "user:olga")).done();

    let takes = || admin(&garden(&area, "user:mallory"));
    let ticket = Ticket::named_in(&takes().denied("ApprovalRequired"), area.cluster);
    assert_eq!(
        claims(&ticket),
        json!([format!("garden-{}/1 user:olga", area.namespace)])
    );
    ticket
        .review(area.person("rita"), "Approve")
        .denied("IneligibleReviewer");
    ticket.approve(area.person("ben"));
    ticket.counts(1);
    takes().denied("ApprovalRequired");
    ticket.approve(area.person("olga"));
    ticket.becomes("Approved");
    takes().done();

    let removes = || {
        let delete = format!("delete zone garden-{}", area.namespace);
        area.person("ada").kubectl(&delete)
    };
    let ticket = Ticket::named_in(&removes().denied("ApprovalRequired"), area.cluster);
    assert_eq!(
        claims(&ticket),
        json!([format!("garden-{}/2 user:mallory", area.namespace)])
    );
    ticket.approve(area.person("mallory"));
    ticket.counts(1);
    removes().denied("ApprovalRequired");
    ticket.approve(area.person("ben"));
    ticket.becomes("Approved");
    removes().done();
}
