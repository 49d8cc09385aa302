//! Tickets and reviews cannot be forged, changed or taken away.

use serde_json::{Value, json};

use super::harness::{Area, Outcome, Person, Ticket, shared};

/// An area, and the ticket for what the agent wants to change there.
fn wanted() -> (Area<'static>, Ticket<'static>) {
    let area = shared().area();
    let ticket = area.ticket(want(&area));
    (area, ticket)
}

fn want(area: &Area<'_>) -> Outcome {
    area.person("deployer")
        .apply(&area.config_map("app", &json!({"a": "1"})))
}

fn patch(by: &Person, what: &str, flags: &str, patch: &Value) -> Outcome {
    let patch = patch.to_string();
    let mut arguments = vec!["patch"];
    arguments.extend(what.split_whitespace());
    arguments.extend(flags.split_whitespace());
    arguments.extend(["--type=merge", "-p", &patch]);
    by.run(&arguments, "")
}

fn named(ticket: &Ticket<'_>) -> String {
    format!("approvalticket {} -n {}", ticket.name, ticket.namespace)
}

#[test]
fn a_tickets_state_is_the_operators() {
    let (area, ticket) = wanted();
    let approved = json!({ "status": { "state": "Approved", "usableUntil": "2099-01-01T00:00:00Z" } });
    for person in ["admin", "ada", "rita", "deployer"] {
        let outcome = patch(
            area.person(person),
            &named(&ticket),
            "--subresource=status",
            &approved,
        );
        let denial = outcome.denied("OperatorOnly");
        assert!(denial.contains("is written by the operator alone"), "{denial}");
    }
    area.ticket(want(&area));
    assert_eq!(ticket.state(), "Pending");
}

#[test]
fn a_ticket_is_not_edited() {
    let (area, ticket) = wanted();
    let ada = area.person("ada");
    let reason = json!({ "spec": { "reason": "because" } });
    patch(ada, &named(&ticket), "", &reason).refused("the spec of a ticket is immutable: request another");
    let label = json!({ "metadata": { "labels": { "a": "b" } } });
    patch(ada, &named(&ticket), "", &label).denied("Immutable");
    let owner = json!({ "metadata": { "ownerReferences": [
        { "apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "00000000-0000-0000-0000-000000000000" },
    ] } });
    patch(ada, &named(&ticket), "", &owner).denied("Immutable");
}

#[test]
fn neither_a_ticket_nor_a_review_is_deleted() {
    let (area, ticket) = wanted();
    ticket.approve(area.person("rita"));
    for person in ["admin", "ada", "deployer"] {
        let person = area.person(person);
        person
            .kubectl(&format!("delete {}", named(&ticket)))
            .denied("Immutable");
        let reviews = format!("delete approvalreviews --all -n {}", area.namespace);
        person.kubectl(&reviews).denied("Immutable");
    }
}

#[test]
fn a_review_is_of_what_the_reviewer_saw() {
    let (area, ticket) = wanted();
    let (_, other) = wanted();
    let rita = area.person("rita");
    let with = |field: &str, value: Value| {
        let mut review = ticket.reviewed("Approve");
        *review["spec"].pointer_mut(field).unwrap() = value;
        rita.create(&review).denied("BindingMismatch")
    };

    let hash = with("/bindingHash", other.object()["spec"]["bindingHash"].clone());
    assert!(hash.contains("spec.bindingHash: ticket `"), "{hash}");
    let uid = with("/ticketRef/uid", other.object()["metadata"]["uid"].clone());
    assert!(uid.contains("spec.ticketRef.uid: ticket `"), "{uid}");
    let name = with("/ticketRef/name", json!("no-such-ticket"));
    assert!(
        name.contains("spec.ticketRef.name: there is no such ticket"),
        "{name}"
    );
    assert_eq!(ticket.state(), "Pending");
}

#[test]
fn a_review_is_by_whoever_makes_it() {
    let (area, ticket) = wanted();
    let posing_as = |name: &str| {
        let mut review = ticket.reviewed("Approve");
        review["spec"]["reviewer"] = json!(name);
        review["spec"]["stamp"] = json!("v1.forged");
        review
    };
    let denial = area
        .person("mallory")
        .create(&posing_as("user:rita"))
        .denied("IneligibleReviewer");
    assert!(denial.contains("user:mallory is neither owner"), "{denial}");

    area.person("otto").create(&posing_as("user:rita")).done();
    ticket.becomes("Approved");
    assert_eq!(ticket.object()["status"]["reviews"][0]["reviewer"], "user:otto");
}

#[test]
fn a_review_is_not_changed_and_not_moved_to_another_ticket() {
    let (area, ticket) = wanted();
    ticket.review(area.person("rita"), "Deny").done();
    ticket.becomes("Denied");
    let review = area.get("approvalreviews")["items"][0]["metadata"]["name"].clone();
    let what = format!(
        "approvalreview {} -n {}",
        review.as_str().unwrap(),
        area.namespace
    );
    let approve = json!({ "spec": { "decision": "Approve" } });
    patch(area.person("rita"), &what, "", &approve).refused("a review is immutable: make another review");
    let counted = json!({ "status": { "conditions": [] } });
    patch(area.person("rita"), &what, "--subresource=status", &counted).denied("OperatorOnly");
}

/// What a client sends when it makes the ticket of another by hand.
pub fn copy_of(ticket: &Ticket<'_>) -> Value {
    let mut spec = ticket.object()["spec"].clone();
    spec.as_object_mut().unwrap().remove("policyDigest");
    json!({
        "apiVersion": "countersign.dev/v1alpha1",
        "kind": "ApprovalTicket",
        "metadata": { "name": "by-hand", "namespace": ticket.namespace },
        "spec": spec,
    })
}

#[test]
fn a_ticket_is_for_ones_own_change() {
    let (area, ticket) = wanted();
    for person in ["helper", "olga", "ada"] {
        let denial = area
            .person(person)
            .create(&copy_of(&ticket))
            .denied("ForeignSubject");
        assert!(
            denial.contains("a ticket for agent:deployer is not yours to request"),
            "{denial}"
        );
    }
}

#[test]
fn what_a_client_may_not_choose_is_overwritten() {
    let (area, minted) = wanted();
    let mut sent = copy_of(&minted);
    sent["spec"]["binding"]["nonce"] = json!("0".repeat(32));
    sent["spec"]["requester"] = json!("user:olga");
    sent["spec"]["stamp"] = json!("v1.forged");
    area.person("deployer").create(&sent).done();

    let stored = minted.beside("by-hand").object()["spec"].clone();
    assert_eq!(stored["requester"], "agent:deployer");
    assert_eq!(stored["binding"]["nonce"].as_str().unwrap().len(), 32);
    for field in ["/binding/nonce", "/bindingHash", "/stamp"] {
        assert_ne!(stored.pointer(field), sent["spec"].pointer(field), "{field}");
    }
}

#[test]
fn what_only_the_operator_says_on_a_ticket_is_refused_from_others() {
    let (area, minted) = wanted();
    for (field, value) in [
        ("policyDigest", minted.object()["spec"]["policyDigest"].clone()),
        ("changeSummary", json!("nothing to see here")),
        ("ignored", json!(["/data/b"])),
    ] {
        let mut sent = copy_of(&minted);
        sent["spec"][field] = value;
        let denial = area.person("deployer").create(&sent).denied("Invalid");
        let why = format!("spec.{field}: it is the operator's to write");
        assert!(denial.contains(&why), "{denial}");
    }
}

#[test]
fn a_tickets_change_is_the_one_that_its_hash_says() {
    let (area, ticket) = wanted();
    let agent = area.person("deployer");
    let mut shows_less = copy_of(&ticket);
    shows_less["spec"]["change"].as_array_mut().unwrap().remove(0);
    let denial = agent.create(&shows_less).denied("Invalid");
    assert!(denial.contains("spec.binding.resourceHash: `"), "{denial}");

    let mut elsewhere = copy_of(&ticket);
    elsewhere["spec"]["binding"]["clusterID"] = json!("another-cluster");
    let denial = agent.create(&elsewhere).denied("BindingMismatch");
    assert!(
        denial.contains("`another-cluster` is not this cluster"),
        "{denial}"
    );

    let mut lowered = copy_of(&ticket);
    let resource = lowered["spec"]["binding"]["resource"].as_str().unwrap();
    lowered["spec"]["binding"]["resource"] = json!(resource.replace("/prod/", "/dev/"));
    lowered["spec"]["binding"]["env"] = json!("dev");
    let denial = agent.create(&lowered).denied("BindingMismatch");
    assert!(denial.contains("is prod"), "{denial}");
}
