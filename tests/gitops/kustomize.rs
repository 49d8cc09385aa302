//! Flux' kustomize-controller delivers from Git, in strict mode.

use serde_json::{Value, json};

use super::{
    flux::{LONG, flux, get, wait_for},
    harness::wait::within,
    place::{config_map, deployment},
};

/// The most that a denial says.
const MAX_MESSAGE: usize = 512;

#[test]
fn what_flux_tries_again_and_again_waits_for_one_ticket_and_is_applied_once() {
    let (flux, place) = (flux(), flux().place("retry"));
    let change = |value: &str| place.publish(&[("one.yaml", config_map("one", "retry", value))]);
    change("second");

    // The dry run before was allowed: it is the real call that is denied, and its words come through.
    let said = place.says(flux, "denied the request: ");
    let ticket = place.waiting(flux);
    assert!(!said.contains("dry-run failed"), "{said}");
    let (_, denial) = said.split_once("denied the request: ").unwrap();
    let denial = denial.lines().next().unwrap();
    assert!(
        denial.starts_with("ApprovalRequired: update of `retry/configmaps/one` needs approval (2 reviews)")
    );
    let command = format!("kubectl countersign approve {} -n retry", ticket.name);
    assert!(denial.contains(&command), "{denial}");
    assert!(denial.len() <= MAX_MESSAGE, "{} bytes: {denial}", denial.len());

    place.failed(4, flux);
    let tickets = place.tickets(flux);
    assert_eq!(tickets.len(), 1, "{tickets:#?}");
    let spec = &tickets[0]["spec"];
    assert_eq!(spec["authorship"], "Unverified");
    assert_eq!(spec["deliveredBy"]["kind"], "Kustomization");
    assert_eq!(spec["deliveredBy"]["name"], "app");
    let revision = spec["deliveredBy"]["revision"].as_str().unwrap();
    assert!(revision.starts_with("main@sha1:"), "{revision}");

    place.approve(&ticket, flux);
    place.has("one", "second", flux);
    ticket.becomes("Consumed");
    place.says(flux, "Applied revision");

    // The same content again is another change, once it was taken back.
    change("first");
    let back = place.waiting(flux);
    place.approve(&back, flux);
    place.has("one", "first", flux);
    back.becomes("Consumed");
    change("second");
    let again = place.waiting(flux);
    assert!(![&ticket.name, &back.name].contains(&&again.name));
    assert_eq!(ticket.state(), "Consumed");
    place.has("one", "first", flux);
}

#[test]
fn tickets_of_one_revision_share_a_batch_and_an_approval_is_followed_at_once() {
    let (flux, place) = (flux(), flux().place("waves"));
    place.publish(&[
        ("one.yaml", config_map("one", "waves", "second")),
        ("two.yaml", config_map("two", "waves", "second")),
    ]);
    // Both were tried dry, and one for real.
    let first = place.waiting(flux);
    place.says(flux, "denied the request: ");
    assert_eq!(place.tickets(flux).len(), 1);

    // Flux would come back in an hour.
    place.approve(&first, flux);
    place.has("one", "second", flux);
    first.becomes("Consumed");
    let second = place.waiting(flux);
    place.approve(&second, flux);
    place.has("two", "second", flux);
    let batches = [&first, &second].map(|ticket| ticket.object()["spec"]["batch"].clone());
    assert_eq!(batches[0], batches[1]);
    let batch = batches[0].as_str().unwrap();
    assert!(batch.starts_with("kustomization-app-"), "{batch}");

    let events = "events.events.k8s.io --field-selector=reason=OwnerNudged";
    let events = wait_for(&flux.cluster, events, "waves", |events| {
        events["items"].as_array().is_some_and(|events| events.len() == 2)
    });
    let note = &events["items"][0]["note"];
    assert_eq!(*note, "Kustomization waves/app was asked to try again");
}

#[test]
fn what_flux_may_replace_by_force_outlives_a_denial() {
    let (flux, place) = (flux(), flux().place("forced"));
    let uid = || get(&flux.cluster, "configmap one", "outside")["metadata"]["uid"].clone();
    let before = uid();
    place.publish(&[("one.yaml", config_map("one", "outside", "second"))]);
    let said = place.says(flux, "dry-run failed (Forbidden)");
    assert!(said.contains("denied the request: "), "{said}");
    assert!(!said.contains("ApprovalRequired"), "{said}");
    place.failed(3, flux);
    assert_eq!(uid(), before);
    assert_eq!(place.tickets(flux), Vec::<Value>::new());
}

#[test]
fn replicas_that_change_meanwhile_leave_the_ticket_as_it_is() {
    let (flux, place) = (flux(), flux().place("scaled"));
    place.publish(&[("web.yaml", deployment("scaled", "second"))]);
    let ticket = place.waiting(flux);
    let scale = json!({
        "apiVersion": "autoscaling/v1",
        "kind": "Scale",
        "metadata": { "name": "web", "namespace": "scaled" },
        "spec": { "replicas": 3 },
    });
    let path = "/apis/apps/v1/namespaces/scaled/deployments/web/scale";
    let replace = format!("replace --raw {path} -f -");
    flux.scaler.kubectl_with(&replace, &scale.to_string()).done();
    place.approve(&ticket, flux);
    let image = |object: &Value| {
        object["spec"]["template"]["spec"]["containers"][0]["image"] == "registry.invalid/web:second"
    };
    let web = wait_for(&flux.cluster, "deployment web", "scaled", image);
    assert_eq!(web["spec"]["replicas"], 3);
    ticket.becomes("Consumed");
    assert_eq!(place.tickets(flux).len(), 1);
}

#[test]
fn a_ticket_that_another_webhook_left_unused_is_approved_again() {
    let (flux, place) = (flux(), flux().place("rival"));
    place.publish(&[("one.yaml", config_map("one", "rival", "second"))]);
    let ticket = place.waiting(flux);
    let rival = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": { "name": "rival" },
        "webhooks": [{
            "name": "rival.example.com",
            "clientConfig": { "url": "https://127.0.0.1:1/" },
            "rules": [{
                "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "operations": ["UPDATE"],
            }],
            "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": "rival" } },
            "matchConditions": [{ "name": "real", "expression": "!has(request.dryRun) || !request.dryRun" }],
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
        }],
    });
    let admin = flux.cluster.admin();
    admin.apply(&rival).done();
    place.approve(&ticket, flux);
    place.says(flux, "failed calling webhook");
    assert_eq!(ticket.state(), "Claimed");
    within(LONG, "the release of the claim", || {
        (ticket.state() == "Approved").then_some(())
    });
    place.has("one", "first", flux);

    admin
        .kubectl("delete validatingwebhookconfiguration rival")
        .done();
    place.repository.push(&[]);
    place.has("one", "second", flux);
    ticket.becomes("Consumed");
    assert_eq!(place.tickets(flux).len(), 1);
}

#[test]
fn a_rollout_goes_on_by_the_control_plane_and_nobody_takes_its_shape() {
    let (flux, place) = (flux(), flux().place("rollout"));
    let owner = get(&flux.cluster, "deployment web", "rollout")["metadata"]["uid"].clone();
    let reference = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": owner,
        "controller": true, "blockOwnerDeletion": true,
    });
    let replica_set = |references: Value| {
        let web = deployment("rollout", "evil");
        json!({
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": { "name": "web-5d9c8b7f6d", "namespace": "rollout", "ownerReferences": references },
            "spec": web["spec"],
        })
    };
    let mallory = flux.cluster.person("mallory");
    for references in [json!([]), json!([reference])] {
        for manager in ["kubectl", "kustomize-controller", "kube-controller-manager"] {
            let create = format!("create --field-manager={manager} -f -");
            let object = replica_set(references.clone()).to_string();
            mallory.kubectl_with(&create, &object).denied("NotOfZone");
        }
    }

    place.publish(&[("web.yaml", deployment("rollout", "second"))]);
    let ticket = place.waiting(flux);
    place.approve(&ticket, flux);
    let sets = wait_for(&flux.cluster, "replicasets", "rollout", |sets| {
        sets["items"].as_array().is_some_and(|sets| sets.len() == 2)
    });
    let controlled = |set: &Value| set["metadata"]["ownerReferences"][0]["uid"] == owner;
    assert!(sets["items"].as_array().unwrap().iter().all(controlled));
    wait_for(&flux.cluster, "pods", "rollout", |pods| {
        pods["items"].as_array().is_some_and(|pods| pods.len() == 2)
    });
    assert_eq!(place.tickets(flux).len(), 1);
}

#[test]
fn who_signed_the_revision_is_its_author_and_one_other_person_is_enough() {
    let (flux, place) = (flux(), flux().place("signed"));
    place.publish(&[("one.yaml", config_map("one", "signed", "second"))]);
    let ticket = place.waiting(flux);
    let spec = &ticket.object()["spec"];
    assert_eq!(spec["authorship"], "Verified");
    assert_eq!(spec["authors"], json!(["user:otto"]));
    let denial = ticket.review(flux.cluster.person("otto"), "Approve");
    let denial = denial.denied("IneligibleReviewer");
    assert!(
        denial.contains("user:otto is an author of this change"),
        "{denial}"
    );
    ticket.approve(flux.cluster.person("rita"));
    place.has("one", "second", flux);
    ticket.becomes("Consumed");
}
