//! The kubelet of `node1`, played: pods run as soon as they are there, those of Jobs succeed, deleted ones go.

use std::{path::PathBuf, thread, time::Duration};

use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions},
};
use serde_json::{Value, json};
use tokio::{runtime::Builder, time::sleep};

use super::person::client;

const NODE: &str = "node1";

/// Plays the kubelet with this credential for as long as this process lives, or until the API server is gone.
pub fn play(kubeconfig: PathBuf) {
    thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let client = client(&kubeconfig).await;
            register(&client).await;
            while kubeconfig.exists() {
                if let Err(error) = look_after_pods(&client).await {
                    eprintln!("kubelet: {error}");
                }
                sleep(Duration::from_millis(300)).await;
            }
        });
    });
}

async fn register(client: &Client) {
    let node: Node = serde_json::from_value(json!({ "metadata": { "name": NODE } })).unwrap();
    let nodes: Api<Node> = Api::all(client.clone());
    nodes.create(&PostParams::default(), &node).await.unwrap();
}

async fn look_after_pods(client: &Client) -> kube::Result<()> {
    let pods: Api<Pod> = Api::all(client.clone());
    let own = ListParams::default().fields(&format!("spec.nodeName={NODE}"));
    for pod in pods.list(&own).await? {
        look_after(&pod, client).await?;
    }
    Ok(())
}

async fn look_after(pod: &Pod, client: &Client) -> kube::Result<()> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), &pod.namespace().unwrap());
    let (name, phase) = (
        pod.name_any(),
        pod.status.as_ref().and_then(|status| status.phase.clone()),
    );
    if pod.metadata.deletion_timestamp.is_some() {
        let this = Preconditions {
            uid: pod.uid(),
            resource_version: None,
        };
        let now = DeleteParams::default().grace_period(0).preconditions(this);
        return gone_or(pods.delete(&name, &now).await.map(drop));
    }
    if phase.as_deref() == Some("Pending") {
        let status = Patch::Merge(json!({ "status": status(pod) }));
        return gone_or(
            pods.patch_status(&name, &PatchParams::default(), &status)
                .await
                .map(drop),
        );
    }
    Ok(())
}

/// A pod that somebody else finished meanwhile is no failure.
fn gone_or(outcome: kube::Result<()>) -> kube::Result<()> {
    match outcome {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        other => other,
    }
}

fn status(pod: &Pod) -> Value {
    let is_of_job = pod.owner_references().iter().any(|owner| owner.kind == "Job");
    let (phase, ready, state) = if is_of_job {
        (
            "Succeeded",
            false,
            json!({ "terminated": { "exitCode": 0, "reason": "Completed" } }),
        )
    } else {
        ("Running", true, json!({ "running": {} }))
    };
    let image = "registry.example/main:1";
    json!({
        "phase": phase,
        "conditions": [
            { "type": "Ready", "status": if ready { "True" } else { "False" } },
            { "type": "ContainersReady", "status": if ready { "True" } else { "False" } },
        ],
        "containerStatuses": [{
            "name": "main", "image": image, "imageID": image, "ready": ready, "restartCount": 0, "state": state,
        }],
    })
}
