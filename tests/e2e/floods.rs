//! An agent that asks without end: so many of its tickets wait as the policy lets, and nobody else is refused for it.
//!
//! `COUNTERSIGN_E2E_WAITING` sets how many tickets wait, 100 by default.

use std::{env, iter};

use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client, api::PostParams};
use serde_json::json;

use super::harness::{Area, Cluster};

/// In how many namespaces it asks.
const PLACES: usize = 10;

/// How many of its writes are under way at once.
const AT_ONCE: usize = 16;

fn waiting() -> usize {
    env::var("COUNTERSIGN_E2E_WAITING").map_or(100, |waiting| waiting.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_waiting_tickets_of_an_agent_cost_nobody_else_anything() {
    let each = waiting() / PLACES;
    let cluster = Cluster::with_company(PLACES + 1);
    let most = json!({ "spec": { "approvals": { "maxPending": each } } }).to_string();
    let patch = ["patch", "accesspolicy", "default", "--type=merge", "-p", &most];
    cluster.admin().run(&patch, "").done();
    cluster.see_admins();
    cluster.enforce();
    let areas: Vec<_> = iter::repeat_with(|| cluster.area()).take(PLACES).collect();
    let quiet = cluster.area();
    let agent = cluster.person("deployer").client().await;
    let wishes = areas
        .iter()
        .flat_map(|area| (0..each).map(move |number| (area, number)));
    let denied: Vec<_> = stream::iter(wishes)
        .map(|(area, number)| asks(area, number, &agent))
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    assert!(denied.iter().all(|denial| denial.contains("ApprovalRequired: ")));
    for area in &areas {
        refuses_more(area, each, &agent).await;
        assert_eq!(
            area.tickets_of("agent:deployer").len(),
            each,
            "{}",
            area.namespace
        );
    }
    let zone = format!("zone/{}", areas[0].namespace);
    for (who, number) in [("agent/deployer", waiting()), (&zone, each)] {
        let wait = format!("wait --for=jsonpath={{.status.pending}}={number} --timeout=60s {who}");
        cluster.admin().kubectl(&wait).done();
    }
    let ticket = quiet.with_approval(|| {
        let object = quiet.config_map("made", &json!({}));
        cluster.person("olga").create(&object)
    });
    ticket.becomes("Consumed");
}

/// Wishes for one more ConfigMap, and tells the denial.
async fn asks(area: &Area<'_>, number: usize, agent: &Client) -> String {
    creates(area, &format!("wish-{number}"), agent)
        .await
        .unwrap_err()
        .to_string()
}

/// What is asked beyond the limit is refused, as often as it is asked, and makes no ticket.
async fn refuses_more(area: &Area<'_>, most: usize, agent: &Client) {
    let why = format!(
        "TooManyPending: agent:deployer has {most} pending tickets in `{}`: cancel some, or have them reviewed",
        area.namespace
    );
    for number in most..most + 20 {
        let denial = asks(area, number, agent).await;
        assert!(denial.contains(&why), "{denial}");
    }
}

async fn creates(area: &Area<'_>, name: &str, by: &Client) -> Result<ConfigMap, kube::Error> {
    let api: Api<ConfigMap> = Api::namespaced(by.clone(), &area.namespace);
    let object = serde_json::from_value(area.config_map(name, &json!({}))).unwrap();
    api.create(&PostParams::default(), &object).await
}
