//! An approval opens exactly one change: by one subject, of one object, by one verb.

use serde_json::json;

use super::harness::{Area, Outcome, Ticket, pods, shared};

/// An area with a Deployment `web` of two replicas, and an approved ticket of the agent's for five.
fn approved_for_five() -> (Area<'static>, Ticket<'static>) {
    let area = shared().area();
    area.put(&area.deployment("web", 2));
    let ticket = area.approved(|| five(&area));
    (area, ticket)
}

fn five(area: &Area<'_>) -> Outcome {
    area.person("deployer").apply(&area.deployment("web", 5))
}

/// Nothing else passes, and afterwards the approved change still does.
#[track_caller]
fn opens_nothing_but_its_own(other: impl Fn(&Area<'static>) -> Outcome) {
    let (area, ticket) = approved_for_five();
    let foreign = area.ticket(other(&area));
    assert_ne!(foreign.name, ticket.name);
    assert_eq!(ticket.state(), "Approved");
    five(&area).done();
    ticket.becomes("Consumed");
}

#[test]
fn another_value_needs_another_approval() {
    opens_nothing_but_its_own(|area| area.person("deployer").apply(&area.deployment("web", 6)));
}

#[test]
fn one_more_field_needs_another_approval() {
    opens_nothing_but_its_own(|area| {
        let mut more = area.deployment("web", 5);
        more["metadata"]["labels"] = json!({"tier": "front"});
        area.person("deployer").apply(&more)
    });
}

#[test]
fn another_subject_needs_another_approval() {
    opens_nothing_but_its_own(|area| area.person("helper").apply(&area.deployment("web", 5)));
}

#[test]
fn another_verb_needs_another_approval() {
    opens_nothing_but_its_own(|area| {
        let delete = format!("delete deployment web -n {}", area.namespace);
        area.person("deployer").kubectl(&delete)
    });
}

#[test]
fn the_same_value_through_a_subresource_needs_another_approval() {
    opens_nothing_but_its_own(|area| {
        let scale = format!("scale deployment web --replicas=5 -n {}", area.namespace);
        area.person("deployer").kubectl(&scale)
    });
}

#[test]
fn a_proxied_call_is_made_once() {
    let area = shared().area();
    area.put(&json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": { "name": "web", "namespace": area.namespace },
        "spec": { "ports": [{ "port": 80 }] },
    }));
    let call = format!(
        "get --raw /api/v1/namespaces/{}/services/web/proxy/",
        area.namespace
    );
    let called = || area.person("deployer").kubectl(&call);
    let ticket = area.approved(called);
    called().refused("not found");
    ticket.becomes("Consumed");
    area.ticket(called());
}

#[test]
fn a_name_of_any_characters_is_approved_like_any_other_and_its_ticket_is_used() {
    let area = shared().area();
    let role = |name: &str, verbs: &[&str]| {
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
            "metadata": { "name": name, "namespace": area.namespace },
            "rules": [{ "apiGroups": [""], "resources": ["pods"], "verbs": verbs }],
        })
    };
    for name in ["two words", r"a&b?c#d, e=f\g+h"] {
        for verbs in [&["get"][..], &["get", "list"]] {
            let write = || area.person("olga").apply(&role(name, verbs));
            area.with_approval(write).becomes("Consumed");
        }
    }
}

#[test]
fn a_pod_is_bound_under_one_ticket_wherever_the_binding_is_posted() {
    let area = shared().area();
    let mut pod = pods("web");
    pod["apiVersion"] = json!("v1");
    pod["kind"] = json!("Pod");
    pod["metadata"] = json!({ "name": "web", "namespace": area.namespace });
    pod["spec"]["nodeName"] = json!(null);
    area.put(&pod);
    let binding = json!({
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": { "name": "web", "namespace": area.namespace },
        "target": { "kind": "Node", "name": "node2" },
    });
    let post = |path: &str| {
        let create = format!("create --raw /api/v1/namespaces/{}/{path} -f -", area.namespace);
        area.person("deployer")
            .kubectl_with(&create, &binding.to_string())
    };
    let ticket = area.approved(|| post("pods/web/binding"));
    post("bindings").done();
    ticket.becomes("Consumed");
    assert_eq!(area.get("pod web")["spec"]["nodeName"], "node2");
    let uid = area.get("pod web")["metadata"]["uid"].clone();
    assert_eq!(ticket.object()["spec"]["binding"]["target"]["uid"], uid);
}

#[test]
fn another_object_needs_another_approval() {
    let (area, ticket) = approved_for_five();
    area.put(&area.deployment("web2", 2));
    let foreign = area.ticket(area.person("deployer").apply(&area.deployment("web2", 5)));
    assert_ne!(foreign.name, ticket.name);
    assert_eq!(ticket.state(), "Approved");
}

#[test]
fn a_change_of_what_was_replaced_voids_the_approval() {
    let (area, ticket) = approved_for_five();
    area.put(&area.deployment("web", 3));
    let next = area.ticket(five(&area));
    assert_ne!(next.name, ticket.name);
    assert_eq!(next.change("/spec/replicas"), (json!("3"), json!("5")));
}

#[test]
fn who_has_no_part_in_the_zone_is_told_whom_to_ask() {
    let (area, _) = approved_for_five();
    let denial = area
        .person("mallory")
        .apply(&area.deployment("web", 5))
        .denied("NotOfZone");
    let advice = format!(
        "user:mallory has no part in zone `{}`: ask its owner team:shop",
        area.namespace
    );
    assert!(denial.contains(&advice), "{denial}");
    area.person("ron")
        .apply(&area.deployment("web", 5))
        .denied("ReaderWrites");
}

#[test]
fn a_name_that_the_server_chooses_is_not_approved() {
    let area = shared().area();
    let mut object = area.config_map("", &json!({"a": "1"}));
    object["metadata"] = json!({ "generateName": "app-", "namespace": area.namespace });
    let denial = area.person("deployer").create(&object).denied("GeneratedName");
    assert!(
        denial.contains("must name its object: give it a metadata.name"),
        "{denial}"
    );
}
