//! What else changes objects before they are stored: nothing is approved while something could put other words into a
//! reviewer's mouth, unless the policy accepts it.

use serde_json::{Value, json};

use super::harness::{Area, Cluster, Ticket, wait::until};

const ADMISSION: &str = "admissionregistration.k8s.io/v1";
const POLICY: &str = "MutatingAdmissionPolicy/redirect";
const ENGINE: &str = "MutatingWebhookConfiguration/engine";

#[test]
fn nothing_is_approved_while_something_could_rewrite_a_review() {
    let cluster = Cluster::strict(1);
    let area = cluster.area();
    redirected_reviews_are_refused(&area);
    an_engine_that_matches_everything_is_accepted(&area);
    the_command_line_notices_what_an_accepted_mutator_does(&area);
}

/// Alan has two changes wanted, and a policy that no webhook sees makes an approval of one an approval of the other.
fn redirected_reviews_are_refused(area: &Area<'_>) {
    let (harmless, evil) = (wanted(area, "harmless"), wanted(area, "evil"));
    let stays = wanted(area, "stays");
    let [policy, binding] = redirecting(&harmless, &evil);
    area.cluster.admin().create(&policy).done();
    // It does nothing before it is bound.
    assert_eq!(foreign(area.cluster), None);
    area.cluster.admin().create(&binding).done();
    is_told(area.cluster, POLICY);

    let denial = harmless
        .review(area.person("rita"), "Approve")
        .denied("ForeignMutator");
    assert!(
        denial.contains("leave the group countersign.dev out of its rules"),
        "{denial}"
    );
    assert!(denial.contains(POLICY), "{denial}");
    want(area, "another").denied("ForeignMutator");
    stays.review(area.person("otto"), "Deny").done();
    stays.becomes("Denied");

    area.cluster
        .admin()
        .kubectl("delete mutatingadmissionpolicybinding redirect")
        .done();
    until("the binding to be forgotten", || {
        approve_once_possible(&harmless, area).then_some(())
    });
    assert_eq!(foreign(area.cluster), None);
    harmless.becomes("Approved");
    want(area, "harmless").done();
    assert_eq!(evil.state(), "Pending");
}

/// It matches every kind, and it must go once for the policy to be changed.
fn an_engine_that_matches_everything_is_accepted(area: &Area<'_>) {
    let cluster = area.cluster;
    let ticket = wanted(area, "accepted");
    cluster.admin().create(&engine()).done();
    is_told(cluster, ENGINE);
    ticket
        .review(area.person("rita"), "Approve")
        .denied("ForeignMutator");

    cluster
        .admin()
        .kubectl("delete mutatingwebhookconfiguration engine")
        .done();
    let accepted = json!({ "spec": { "acceptedMutators": [ENGINE, POLICY] } }).to_string();
    let patch = [
        "patch",
        "accesspolicy",
        "default",
        "--type=merge",
        "-p",
        &accepted,
    ];
    let accept = || cluster.person("ada").run(&patch, "");
    let change = until("a ticket for the policy", || {
        let denied = accept();
        denied
            .stderr
            .contains("ApprovalRequired")
            .then_some(denied.stderr)
    });
    Ticket::named_in(&change, cluster).approve(cluster.person("ben"));
    until("the policy to be changed", || accept().succeeded().then_some(()));

    cluster.admin().create(&engine()).done();
    ticket.approve(area.person("rita"));
    ticket.becomes("Approved");
    want(area, "accepted").done();
    assert_eq!(foreign(cluster), None);
    cluster
        .admin()
        .kubectl("delete mutatingwebhookconfiguration engine")
        .done();
}

fn the_command_line_notices_what_an_accepted_mutator_does(area: &Area<'_>) {
    let (honest, evil) = (wanted(area, "honest"), wanted(area, "wicked"));
    for object in redirecting(&honest, &evil) {
        area.cluster.admin().apply(&object).done();
    }
    let rita = area.person("rita");
    until("the API server to redirect reviews", || {
        let tried = rita.kubectl_with(
            "create --dry-run=server -o json -f -",
            &honest.reviewed("Approve").to_string(),
        );
        let stored: Value = serde_json::from_str(&tried.done()).ok()?;
        (stored["spec"]["ticketRef"]["name"] == evil.name.as_str()).then_some(())
    });
    let approve = format!("approve {} -n {} --yes", honest.name, honest.namespace);
    let said = rita.countersign(&approve);
    assert!(!said.succeeded(), "{}", said.stdout);
    assert!(
        said.stderr.contains("THE REVIEW WAS CHANGED ON ITS WAY"),
        "{}",
        said.stderr
    );
    assert!(
        said.stderr.contains(&format!("and is `{}`", evil.name)),
        "{}",
        said.stderr
    );
    evil.becomes("Denied");
    assert_eq!(honest.state(), "Pending");
}

fn want(area: &Area<'_>, name: &str) -> super::harness::Outcome {
    area.person("deployer")
        .apply(&area.config_map(name, &json!({ "a": "1" })))
}

fn wanted<'a>(area: &Area<'a>, name: &str) -> Ticket<'a> {
    area.ticket(want(area, name))
}

/// What is gone may act for some seconds more.
fn approve_once_possible(ticket: &Ticket<'_>, area: &Area<'_>) -> bool {
    let review = ticket.review(area.person("rita"), "Approve");
    if !review.succeeded() {
        review.denied("ForeignMutator");
        return false;
    }
    true
}

/// What the AccessPolicy says of foreign mutators.
fn foreign(cluster: &Cluster) -> Option<Value> {
    let policy = cluster.admin().get("accesspolicy default");
    let conditions = policy["status"]["conditions"].as_array()?.clone();
    conditions
        .into_iter()
        .find(|one| one["type"] == "ForeignMutators")
}

/// Waits until the AccessPolicy and an Event name the mutator.
fn is_told(cluster: &Cluster, mutator: &str) {
    until("the condition ForeignMutators", || {
        let condition = foreign(cluster).filter(|one| one["status"] == "True")?;
        condition["message"].as_str()?.contains(mutator).then_some(())
    });
    until("an Event", || {
        let events = cluster
            .admin()
            .get("events -n default --field-selector reason=ForeignMutator");
        let events = events["items"].as_array()?.clone();
        let tells = |event: &Value| {
            event["message"]
                .as_str()
                .is_some_and(|text| text.contains(mutator))
        };
        events.iter().any(tells).then_some(())
    });
}

/// Makes rita's approvals of one ticket approvals of another.
fn redirecting(from: &Ticket<'_>, to: &Ticket<'_>) -> [Value; 2] {
    let target = to.object();
    let steps = [
        ("/spec/ticketRef/name", &target["metadata"]["name"]),
        ("/spec/ticketRef/uid", &target["metadata"]["uid"]),
        ("/spec/bindingHash", &target["spec"]["bindingHash"]),
    ]
    .map(|(path, value)| {
        let value = value.as_str().unwrap();
        format!("JSONPatch{{op: 'replace', path: '{path}', value: '{value}'}}")
    });
    let condition = format!(
        "request.userInfo.username == 'rita' && object.spec.ticketRef.name == '{}'",
        from.name
    );
    let policy = json!({
        "apiVersion": ADMISSION,
        "kind": "MutatingAdmissionPolicy",
        "metadata": { "name": "redirect" },
        "spec": {
            "matchConstraints": { "resourceRules": [{
                "apiGroups": ["countersign.dev"],
                "apiVersions": ["*"],
                "operations": ["CREATE"],
                "resources": ["approvalreviews"],
            }] },
            "matchConditions": [{ "name": "rita", "expression": condition }],
            "reinvocationPolicy": "Never",
            "mutations": [{
                "patchType": "JSONPatch",
                "jsonPatch": { "expression": format!("[{}]", steps.join(", ")) },
            }],
        },
    });
    let binding = json!({
        "apiVersion": ADMISSION,
        "kind": "MutatingAdmissionPolicyBinding",
        "metadata": { "name": "redirect" },
        "spec": { "policyName": "redirect" },
    });
    [policy, binding]
}

/// A webhook of a policy engine that is asked about everything, and is not there.
fn engine() -> Value {
    json!({
        "apiVersion": ADMISSION,
        "kind": "MutatingWebhookConfiguration",
        "metadata": { "name": "engine" },
        "webhooks": [{
            "name": "engine.example.com",
            "clientConfig": { "url": "https://localhost:1/" },
            "rules": [{
                "apiGroups": ["*"],
                "apiVersions": ["*"],
                "operations": ["*"],
                "resources": ["*/*"],
            }],
            "failurePolicy": "Ignore",
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
        }],
    })
}
