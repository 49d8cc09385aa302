//! Many namespaces of prod in one zone, each with a ConfigMap that was there before anybody had to ask.

use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::{Api, Client, api::PostParams};
use serde_json::{Value, json};

use crate::harness::{Cluster, Setup};

use super::wish::Clients;

/// Enough calls at once to keep the machine busy.
const AT_ONCE: usize = 16;

/// A strict cluster with these places: written by the agents, reviewed by rita.
pub async fn cluster_with(places: usize, setup: &Setup<'_>) -> Cluster {
    let cluster = observing_with(places, setup).await;
    cluster.see_admins();
    cluster.enforce();
    cluster
}

/// The same cluster before anything is refused.
pub async fn observing_with(places: usize, setup: &Setup<'_>) -> Cluster {
    let cluster = Cluster::observing_as(setup).of_company(0);
    let zone = json!({
        "apiVersion": "countersign.dev/v1alpha1", "kind": "Zone", "metadata": { "name": "places" },
        "spec": {
            "owner": "team:shop", "cooperators": ["agent:deployer"], "reviewers": ["user:rita"],
            "objects": ["place-*/**"],
        },
    });
    cluster.admin().apply(&zone).done();
    let ready = "wait --for=condition=Ready --timeout=60s zone/places";
    cluster.admin().kubectl(ready).done();
    let admin = cluster.admin().client().await;
    stream::iter(0..places)
        .for_each_concurrent(AT_ONCE, |number| furnish(number, &admin))
        .await;
    cluster
}

/// The namespace of this number.
pub fn place(number: usize) -> String {
    format!("place-{number}")
}

async fn furnish(number: usize, admin: &Client) {
    let namespaces: Api<Namespace> = Api::all(admin.clone());
    let namespace: Namespace = parsed(json!({ "metadata": { "name": place(number) } }));
    namespaces
        .create(&PostParams::default(), &namespace)
        .await
        .unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(admin.clone(), &place(number));
    let map = parsed(json!({ "metadata": { "name": "app" }, "data": { "a": "0" } }));
    maps.create(&PostParams::default(), &map).await.unwrap();
}

fn parsed<T: serde::de::DeserializeOwned>(object: Value) -> T {
    serde_json::from_value(object).unwrap()
}

/// Who asks for changes there, and who approves them.
pub async fn clients(cluster: &Cluster) -> Clients {
    Clients {
        agent: cluster.person("deployer").client().await,
        reviewer: cluster.person("rita").client().await,
    }
}
