//! The zones at the API server: each holds the workloads of a namespace of its own, for ten zones a team.

use countersign_api::Zone;
use futures::{StreamExt, TryStreamExt, stream};
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

/// How many requests are under way at a time while they are made.
const CONCURRENT: usize = 64;

pub fn name(i: usize) -> String {
    format!("zone-{i}")
}

/// Whom change `number` makes the cooperator.
pub fn cooperator(number: usize) -> String {
    format!("user:person-{number}")
}

pub fn namespace(i: usize) -> String {
    format!("ns-{i}")
}

pub async fn create(client: &Client, count: usize) -> anyhow::Result<()> {
    let api: Api<Zone> = Api::all(client.clone());
    stream::iter(0..count)
        .map(|i| {
            let api = api.clone();
            async move {
                let zone = serde_json::from_value(zone(i))?;
                api.create(&PostParams::default(), &zone).await?;
                Ok(())
            }
        })
        .buffer_unordered(CONCURRENT)
        .try_collect()
        .await
}

fn zone(i: usize) -> Value {
    let team = i / 10;
    json!({
        "apiVersion": "countersign.dev/v1alpha1", "kind": "Zone",
        "metadata": {"name": name(i)},
        "spec": {
            "owner": format!("team:team-{team}"),
            "cooperators": [format!("agent:bot-{}", team + 1)],
            "objects": [format!("{}/*.apps/*", namespace(i))],
        },
    })
}

/// Gives zone `i` another cooperator.
pub async fn change(client: &Client, i: usize, number: usize) -> anyhow::Result<()> {
    let patch = json!({"spec": {"cooperators": [cooperator(number)]}});
    Api::<Zone>::all(client.clone())
        .patch(&name(i), &PatchParams::default(), &Patch::Merge(patch))
        .await?;
    Ok(())
}
