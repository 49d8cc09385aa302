//! What an agent of the role `agent` ends, it explained; a contributor need not.

use serde_json::json;

use super::{
    harness::{Area, Ticket, pods, shared},
    intents::private_key,
};

/// The agent scribe says that it deletes this here.
fn explains(area: &Area<'_>, kind: &str, name: &str) {
    let key = private_key(area.cluster, 7);
    let namespace = &area.namespace;
    let intent = format!(
        "intent log --action tidy --deletes {kind}:{namespace}/prod/{name} --reason unused --key {}",
        key.display()
    );
    area.person("scribe").countersign(&intent).done();
}

/// Lets an agent into an area, as its owners say.
pub fn let_in(agent: &str, area: &Area<'_>) {
    let agents = ["deployer", "helper", agent].map(|name| format!("agent:{name}"));
    let patch = json!({ "spec": { "cooperators": agents } }).to_string();
    let lets_in = || {
        let arguments = ["patch", "zone", &area.namespace, "--type=merge", "-p", &patch];
        area.person("ada").run(&arguments, "")
    };
    let ticket = Ticket::named_in(&lets_in().denied("ApprovalRequired"), area.cluster);
    ticket.approve(area.person("ben"));
    ticket.approve(area.person("otto"));
    ticket.becomes("Approved");
    lets_in().done();
}

fn area_of_scribe() -> Area<'static> {
    let area = shared().area();
    let_in("scribe", &area);
    area
}

#[test]
fn an_agent_explains_what_it_ends_and_asks_for_the_approval_then() {
    let area = area_of_scribe();
    area.put(&area.config_map("old", &json!({ "a": "1" })));
    area.put(&area.deployment("web", 2));
    let namespace = &area.namespace;
    let act = |who: &str, what: &str| area.person(who).kubectl(&format!("{what} -n {namespace}"));
    for what in [
        "delete configmap old",
        "delete configmap --all",
        "delete configmap old --dry-run=server",
        "scale deployment web --replicas=0",
        "patch deployment web --type=merge -p {\"spec\":{\"replicas\":0}}",
        "patch deployment web --type=merge -p {\"spec\":{\"revisionHistoryLimit\":1}}",
    ] {
        let denial = act("scribe", what).denied("IntentRequired");
        assert!(
            denial.contains("kubectl countersign intent log --deletes"),
            "{denial}"
        );
        if !what.contains("dry-run") {
            act("deployer", what).denied("ApprovalRequired");
        }
    }
    act("scribe", "scale deployment web --replicas=1").denied("ApprovalRequired");

    explains(&area, "configmaps", "old");
    let deletes = || act("scribe", "delete configmap old");
    area.with_approval(deletes).becomes("Consumed");
    explains(&area, "deployments.apps", "web");
    let stops = || act("scribe", "scale deployment web --replicas=0");
    area.with_approval(stops).becomes("Consumed");
}

#[test]
fn an_eviction_is_explained_by_the_approval_that_it_got() {
    let area = area_of_scribe();
    let mut pod = pods("web");
    pod["apiVersion"] = json!("v1");
    pod["kind"] = json!("Pod");
    pod["metadata"] = json!({ "name": "web", "namespace": area.namespace });
    area.put(&pod);
    let eviction = json!({
        "apiVersion": "policy/v1", "kind": "Eviction",
        "metadata": { "name": "web", "namespace": area.namespace },
    });
    let create = format!(
        "create --raw /api/v1/namespaces/{}/pods/web/eviction -f -",
        area.namespace
    );
    let evict = || area.person("scribe").kubectl_with(&create, &eviction.to_string());
    evict().denied("IntentRequired");
    explains(&area, "pods", "web");
    let ticket = area.ticket(evict());
    assert!(
        ticket.object()["spec"]["binding"]["target"]["uid"].is_string(),
        "this very pod"
    );
    for reviewer in area.reviewers {
        ticket.approve(area.person(reviewer));
    }
    ticket.becomes("Approved");
    evict().done();
    ticket.becomes("Consumed");
}
