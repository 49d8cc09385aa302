//! Tickets and reviews that were copied, replayed or made by hand approve nothing, and cost nobody else anything.

use serde_json::{Value, json};

use super::{
    forgery::copy_of,
    harness::{Area, Cluster, Outcome, Ticket, shared},
    outages::wants,
    seals::behind_its_back,
};

/// Far beyond any time that a policy allows.
const FAR: &str = "2099-01-01T00:00:00Z";

/// Somebody else asks, reviews and writes as ever.
#[track_caller]
fn costs_nobody_anything(area: &Area<'_>) {
    let made = area.config_map("elsewhere", &json!({}));
    let ticket = area.with_approval(|| area.person("olga").create(&made));
    ticket.becomes("Consumed");
}

#[test]
fn a_ticket_is_of_one_namespace() {
    let (area, other) = (shared().area(), shared().area());
    let ticket = area.ticket(wants(&area, "1"));
    let mut copy = copy_of(&ticket);
    copy["metadata"]["namespace"] = json!(other.namespace);
    let denial = area.person("deployer").create(&copy).denied("BindingMismatch");
    let why = format!(
        "a ticket for `{0}/configmaps/app` belongs in `{0}`",
        area.namespace
    );
    assert!(denial.contains(&why), "{denial}");
    assert_eq!(other.tickets_of("agent:deployer"), Vec::<Value>::new());
    costs_nobody_anything(&other);
}

#[test]
fn a_ticket_lasts_as_long_as_the_policy_says_whatever_it_says_itself() {
    let area = shared().area();
    let minted = area.ticket(wants(&area, "1"));
    let agent = area.person("deployer");
    let mut sent = copy_of(&minted);
    sent["metadata"]["creationTimestamp"] = json!(FAR);
    sent["status"] = json!({ "state": "Approved", "usableUntil": FAR, "approvedAt": FAR });
    agent.create(&sent).done();

    let stored = minted.beside("by-hand");
    assert_eq!(stored.state(), "Pending");
    let object = stored.object();
    assert_ne!(object["metadata"]["creationTimestamp"], FAR);
    assert_eq!(object["status"]["usableUntil"], Value::Null);
    wants(&area, "1").denied("ApprovalRequired");
    for field in ["expiresAt", "usableUntil"] {
        sent["metadata"]["name"] = json!(format!("until-{}", field.to_lowercase()));
        sent["spec"][field] = json!(FAR);
        let unknown = format!("unknown field \"spec.{field}\"");
        agent.create(&sent).refused(&unknown);
    }
    costs_nobody_anything(&area);
}

#[test]
fn a_used_ticket_is_not_played_again() {
    let area = shared().area();
    let (agent, rita) = (area.person("deployer"), area.person("rita"));
    area.put(&area.config_map("app", &json!({ "a": "0" })));
    let used = area.with_approval(|| wants(&area, "1"));
    used.becomes("Consumed");
    let denial = rita.create(&used.reviewed("Approve")).denied("BindingMismatch");
    assert!(denial.contains("is Consumed and not open to this"), "{denial}");
    let denial = agent.create(&copy_of(&used)).denied("BindingMismatch");
    assert!(denial.contains("has changed since, request it again"), "{denial}");

    // Put back, the same change is a new one.
    area.put(&area.config_map("app", &json!({ "a": "0" })));
    agent.create(&copy_of(&used)).done();
    let anew = used.beside("by-hand");
    let mut review = used.reviewed("Approve");
    review["spec"]["ticketRef"] = json!({ "name": anew.name, "uid": anew.object()["metadata"]["uid"] });
    let denial = rita.create(&review).denied("BindingMismatch");
    assert!(denial.contains("spec.bindingHash: ticket `by-hand`"), "{denial}");
    wants(&area, "1").denied("ApprovalRequired");
    assert_eq!(anew.state(), "Pending");
    costs_nobody_anything(&area);
}

#[test]
fn an_object_that_was_made_anew_needs_another_approval() {
    let area = shared().area();
    let first = area.config_map("app", &json!({ "a": "0" }));
    area.put(&first);
    let approved = area.approved(|| wants(&area, "1"));
    let delete = format!("delete configmap app -n {}", area.namespace);
    area.with_approval(|| area.person("olga").kubectl(&delete));
    area.put(&first);

    let next = area.ticket(wants(&area, "1"));
    assert_ne!(next.name, approved.name);
    let uid = |ticket: &Ticket<'_>| ticket.object()["spec"]["binding"]["target"]["uid"].clone();
    assert_ne!(uid(&next), uid(&approved));
    assert_eq!(approved.state(), "Approved");
}

/// The agent's wish for a ConfigMap of this name.
fn makes(area: &Area<'_>, name: &str) -> Outcome {
    area.person("deployer").create(&area.config_map(name, &json!({})))
}

/// Approved, by its own word.
fn approved_status() -> Value {
    json!({ "state": "Approved", "usableUntil": FAR, "approvedAt": FAR })
}

/// Stores a ticket with a status, and a review of it, as they are given: nobody judges.
fn smuggle(cluster: &Cluster, (name, namespace): (&str, &str), spec: &Value, review: &Value) {
    let admin = cluster.admin();
    let mut ticket = json!({
        "apiVersion": "countersign.dev/v1alpha1",
        "kind": "ApprovalTicket",
        "metadata": { "name": name, "namespace": namespace },
        "spec": spec,
    });
    admin.create(&ticket).done();
    let there = Ticket::new(namespace, name, cluster).object();
    ticket["metadata"]["resourceVersion"] = there["metadata"]["resourceVersion"].clone();
    ticket["status"] = approved_status();
    admin
        .kubectl_with("replace --subresource=status -f -", &ticket.to_string())
        .done();
    let mut review = review.clone();
    review["spec"]["ticketRef"] = json!({ "name": name, "uid": there["metadata"]["uid"] });
    review["metadata"] = json!({ "name": format!("of-{name}"), "namespace": namespace });
    admin.create(&review).done();
}

/// The review of a ticket, as it is stored.
fn review_of(ticket: &Ticket<'_>, cluster: &Cluster) -> Value {
    let all = cluster
        .admin()
        .get(&format!("approvalreviews -n {}", ticket.namespace));
    let mut all = all["items"].as_array().unwrap().iter();
    let review = all.find(|review| review["spec"]["ticketRef"]["name"] == *ticket.name);
    let mut review = review.unwrap().clone();
    review.as_object_mut().unwrap().remove("status");
    review
}

#[test]
fn what_was_copied_while_nobody_judged_approves_nothing() {
    let (foreign, cluster) = (Cluster::strict(1), Cluster::strict(2));
    let (away, here, there) = (foreign.area(), cluster.area(), cluster.area());
    assert_eq!(away.namespace, here.namespace);
    let from_away = away.approved(|| makes(&away, "of-another-cluster"));
    let from_here = here.approved(|| makes(&here, "of-another-namespace"));
    let good = here.approved(|| makes(&here, "good"));
    let spec = |ticket: &Ticket<'_>| ticket.object()["spec"].clone();
    let (away_spec, here_spec) = (spec(&from_away), spec(&from_here));
    let (away_review, here_review) = (review_of(&from_away, &foreign), review_of(&from_here, &cluster));
    let mut moved = here_spec.clone();
    moved["binding"]["target"]["namespace"] = json!(there.namespace);
    let mut adopted = away_spec.clone();
    adopted["binding"]["clusterID"] = here_spec["binding"]["clusterID"].clone();
    let mut chosen = here_spec.clone();
    chosen["binding"]["nonce"] = json!("0".repeat(32));
    let (of_here, of_there) = (&*here.namespace, &*there.namespace);

    behind_its_back(&cluster, |_| {
        smuggle(&cluster, ("as-it-is", of_here), &away_spec, &away_review);
        smuggle(&cluster, ("adopted", of_here), &adopted, &away_review);
        smuggle(&cluster, ("as-it-was", of_there), &here_spec, &here_review);
        smuggle(&cluster, ("moved", of_there), &moved, &here_review);
        smuggle(&cluster, ("chosen", of_here), &chosen, &here_review);
    });
    for (area, name) in [(&here, "of-another-cluster"), (&there, "of-another-namespace")] {
        let ticket = area.ticket(makes(area, name));
        assert!(!["as-it-is", "adopted", "as-it-was", "moved"].contains(&&*ticket.name));
        assert_eq!(ticket.state(), "Pending");
    }
    // What was approved before passes, each once.
    for (ticket, name) in [(&from_here, "of-another-namespace"), (&good, "good")] {
        makes(&here, name).done();
        ticket.becomes("Consumed");
        let delete = format!("delete configmap {name} -n {of_here}");
        here.with_approval(|| here.person("olga").kubectl(&delete));
        here.ticket(makes(&here, name));
    }
}
