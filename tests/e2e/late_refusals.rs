//! What the webhook lets through and nobody stores: its approval is not used up. Where nothing can tell whether it was
//! stored, the ticket says so.

use serde_json::{Value, json};

use super::{
    harness::{
        Area, Outcome, Ticket, shared,
        wait::{until, within},
    },
    large_objects::{costs_nobody_anything, creates, large},
    outages::{CLAIM_IS_OVER, wants},
};

/// All in one test, since all wait until a claim is over.
#[test]
fn what_is_refused_after_all_uses_nothing_up() {
    let full = used_up_quota();
    let too_large = [700, 1200].map(too_large);
    let unserved = no_longer_served();
    for (_, ticket) in &too_large {
        is_released(ticket);
    }
    let (area, ticket) = full;
    is_released(&ticket);
    let larger = r#"{"spec":{"hard":{"count/configmaps":"2"}}}"#;
    area.with_approval(|| {
        let (namespace, patch) = (
            area.namespace.as_str(),
            ["patch", "quota", "few", "--type=merge", "-p", larger],
        );
        area.person("olga")
            .run(&[&patch[..], &["-n", namespace]].concat(), "")
    });
    until("the write to pass", || {
        wants(&area, "1").succeeded().then_some(())
    });
    ticket.becomes("Consumed");
    within(CLAIM_IS_OVER, "the end of the unknown", || {
        (unserved.state() == "Indeterminate").then_some(())
    });
}

/// Waits until the ticket of a write that was not stored can be used again.
fn is_released(ticket: &Ticket<'_>) {
    within(CLAIM_IS_OVER, "the ticket to be free again", || {
        (ticket.state() == "Approved").then_some(())
    });
}

/// An area that may hold so many objects of a resource.
fn limited(resource: &str, most: u32) -> Area<'static> {
    let area = shared().area();
    let count = format!("count/{resource}");
    area.put(&json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "spec": { "hard": { count.as_str(): most.to_string() } },
        "metadata": { "name": "few", "namespace": area.namespace },
    }));
    area
}

/// A write that the quota refuses.
fn used_up_quota() -> (Area<'static>, Ticket<'static>) {
    let area = limited("configmaps", 1);
    // The one is the certificate of the cluster, which every namespace has.
    until("the quota to be used up", || {
        let quota = area.get("resourcequota few");
        (quota["status"]["used"]["count/configmaps"] == "1").then_some(())
    });
    let ticket = refused(&area, || wants(&area, "1"));
    (area, ticket)
}

/// A write that the store does not take: the API server asks once more without the managed fields, whether that helps
/// (E6) or not, which is told.
fn too_large(keys: usize) -> (Area<'static>, Ticket<'static>) {
    let area = shared().area();
    let object = large(&area, keys, 'a');
    let ticket = area.approved(|| creates(&area, &object));
    let denial = creates(&area, &object).denied("TicketSpent");
    let why =
        "the object is too large to be stored with its managed fields: make it smaller, or in several steps";
    assert!(denial.contains(why), "{denial}");
    assert_eq!(ticket.state(), "Claimed");
    let get = format!("get configmap large -n {}", area.namespace);
    area.cluster.admin().kubectl(&get).refused("not found");
    costs_nobody_anything(&area);
    (area, ticket)
}

/// A write of a custom object whose kind is gone when it is asked what became of it.
fn no_longer_served() -> Ticket<'static> {
    let area = limited("passing.example.com", 0);
    let ada = area.person("ada");
    by_admins(&area, || ada.apply(&passing_kind()));
    let established = "wait --for=condition=Established --timeout=60s crd/passing.example.com";
    area.cluster.admin().kubectl(established).done();
    let object = json!({
        "apiVersion": "example.com/v1", "kind": "Passing",
        "metadata": { "name": "one", "namespace": area.namespace },
    });
    let ticket = refused(&area, || area.person("deployer").create(&object));
    by_admins(&area, || ada.kubectl("delete crd passing.example.com"));
    ticket
}

/// The approved ticket of a write that the quota refuses.
fn refused(area: &Area<'static>, write: impl Fn() -> Outcome) -> Ticket<'static> {
    let ticket = area.approved(&write);
    write().refused("quota");
    assert_eq!(ticket.state(), "Claimed");
    ticket
}

/// Makes a write that another admin approves.
pub fn by_admins(area: &Area<'_>, write: impl Fn() -> Outcome) {
    let ticket = area.ticket(write());
    ticket.approve(area.person("ben"));
    ticket.becomes("Approved");
    write().done();
}

fn passing_kind() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": "passing.example.com" },
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": { "plural": "passing", "singular": "passing", "kind": "Passing", "listKind": "PassingList" },
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": { "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } },
            }],
        },
    })
}
