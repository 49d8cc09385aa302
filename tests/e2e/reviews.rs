//! Who opens a ticket, and who closes it.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::{
    forgery::copy_of,
    harness::{Area, Ticket, shared},
};

/// The ticket for what the agent wants to change here.
fn wanted_by_the_agent<'a>(area: &Area<'a>) -> Ticket<'a> {
    area.ticket(want(area))
}

fn want(area: &Area<'_>) -> super::harness::Outcome {
    area.person("deployer").apply(&area.deployment("web", 3))
}

#[test]
fn who_has_no_say_does_not_open_a_ticket() {
    let area = shared().area();
    let ticket = wanted_by_the_agent(&area);
    for (person, why) in [
        ("deployer", "agent:deployer is not a human: only people review"),
        ("helper", "agent:helper is not a human: only people review"),
        ("olga", "user:olga owns the agent that asks"),
        (
            "mallory",
            "user:mallory is neither owner, cooperator, reviewer nor team member of zone",
        ),
        ("ron", "user:ron is reader: a reviewer here must be contributor"),
        (
            "admin",
            "user:admin is reader: a reviewer here must be contributor",
        ),
    ] {
        for decision in ["Approve", "Deny"] {
            let denial = ticket
                .review(area.person(person), decision)
                .denied("IneligibleReviewer");
            assert!(denial.contains(why), "{person}: {denial}");
        }
    }
    assert_eq!(wanted_by_the_agent(&area).name, ticket.name);
    assert_eq!(ticket.state(), "Pending");
}

#[test]
fn nobody_opens_a_ticket_of_their_own() {
    let area = shared().area();
    let write = || area.person("olga").apply(&area.deployment("web", 3));
    let ticket = area.ticket(write());
    let denial = ticket
        .review(area.person("olga"), "Approve")
        .denied("IneligibleReviewer");
    assert!(
        denial.contains("user:olga asks for this change: somebody else must review it"),
        "{denial}"
    );
    assert_eq!(area.ticket(write()).name, ticket.name);
}

#[test]
fn one_of_two_reviewers_is_not_enough() {
    let area = shared().area_of_two_reviews();
    let denial = want(&area).denied("ApprovalRequired");
    assert!(denial.contains("needs approval (2 reviews)"), "{denial}");
    let ticket = Ticket::named_in(&denial, area.cluster);

    ticket.approve(area.person("rita"));
    ticket.counts(1);
    let twice = ticket
        .review(area.person("rita"), "Approve")
        .denied("BindingMismatch");
    assert!(twice.contains("user:rita has reviewed ticket"), "{twice}");
    assert_eq!(wanted_by_the_agent(&area).name, ticket.name);
    assert_eq!(ticket.state(), "Pending");

    ticket.approve(area.person("otto"));
    ticket.becomes("Approved");
    want(&area).done();
    ticket.becomes("Consumed");
}

#[test]
fn nobody_approves_alone_what_they_asked_for_as_an_agent() {
    let area = shared().area();
    let rita = area.person("rita");
    let as_agent = |object: &Value| {
        let create = ["create", "-f", "-", "--as=system:serviceaccount:agents:helper"];
        rita.run(&create, &object.to_string())
    };
    let write = || as_agent(&area.config_map("app", &json!({})));
    // Beside the ticket of the denial she asks for one herself, and says that the authors are known.
    let minted = area.ticket(write());
    let mut asked = copy_of(&minted);
    asked["spec"]["authorship"] = json!("Verified");
    let denial = as_agent(&asked).denied("Invalid");
    assert!(
        denial.contains("spec.authorship: it is the operator's to write"),
        "{denial}"
    );
    asked["spec"]["authorship"] = json!("Claimed");
    as_agent(&asked).done();
    let ticket = minted.beside("by-hand");
    assert_eq!(ticket.object()["spec"]["authorship"], "Unverified");

    ticket.approve(rita);
    ticket.counts(1);
    write().denied("ApprovalRequired");
    assert_eq!(ticket.state(), "Pending");
    ticket.approve(area.person("otto"));
    ticket.becomes("Approved");
    write().done();
    ticket.becomes("Consumed");
}

#[test]
fn an_admin_opens_any_ticket_of_others() {
    let area = shared().area();
    let ticket = wanted_by_the_agent(&area);
    ticket.approve(area.person("ada"));
    ticket.becomes("Approved");
    want(&area).done();
}

#[test]
fn one_denial_wins_over_an_approval() {
    let area = shared().area_of_two_reviews();
    let ticket = wanted_by_the_agent(&area);
    ticket.approve(area.person("rita"));
    ticket.review(area.person("otto"), "Deny").done();
    ticket.becomes("Denied");

    let late = ticket
        .review(area.person("ada"), "Approve")
        .denied("BindingMismatch");
    assert!(late.contains("is Denied and not open to this"), "{late}");
    let denial = want(&area).denied("TicketDenied");
    assert!(denial.contains("this change was denied"), "{denial}");
}

#[test]
fn an_approved_ticket_can_still_be_denied() {
    let area = shared().area();
    let ticket = area.approved(|| want(&area));
    ticket.review(area.person("otto"), "Deny").done();
    ticket.becomes("Denied");
    want(&area).denied("TicketDenied");
}

#[test]
fn who_asked_takes_it_back() {
    let area = shared().area();
    let ticket = wanted_by_the_agent(&area);
    let foreign = ticket
        .review(area.person("rita"), "Cancel")
        .denied("IneligibleReviewer");
    assert!(foreign.contains("only they cancel it"), "{foreign}");

    ticket.review(area.person("deployer"), "Cancel").done();
    ticket.becomes("Cancelled");
    let next = wanted_by_the_agent(&area);
    assert_ne!(next.name, ticket.name);
}

#[test]
fn what_was_taken_back_often_can_be_asked_for_once_more() {
    let area = shared().area();
    let mut names = HashSet::new();
    for _ in 0..6 {
        let ticket = wanted_by_the_agent(&area);
        assert!(names.insert(ticket.name.clone()), "{}", ticket.name);
        ticket.review(area.person("deployer"), "Cancel").done();
        ticket.becomes("Cancelled");
    }
}

#[test]
fn a_reviewer_takes_an_approval_back() {
    let area = shared().area();
    let ticket = area.approved(|| want(&area));
    ticket
        .review(area.person("mallory"), "Revoke")
        .denied("IneligibleReviewer");
    ticket.review(area.person("rita"), "Revoke").done();
    ticket.becomes("Revoked");

    let next = wanted_by_the_agent(&area);
    assert_ne!(next.name, ticket.name);
    assert_eq!(next.state(), "Pending");
}

#[test]
fn a_newer_wish_for_the_same_object_replaces_the_older() {
    let area = shared().area();
    let older = wanted_by_the_agent(&area);
    older.is_of_another_second();
    let newer = area.ticket(area.person("deployer").apply(&area.deployment("web", 4)));
    older.becomes("Superseded");
    assert_eq!(newer.state(), "Pending");
    let denial = older
        .review(area.person("rita"), "Approve")
        .denied("BindingMismatch");
    assert!(denial.contains("is Superseded and not open to this"), "{denial}");
}
