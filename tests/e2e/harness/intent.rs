//! Intents as a program signs and sends them.

use base64::{Engine, engine::general_purpose::STANDARD};
use countersign_core::{dsse::Signable, intent::Statement};
use ed25519_dalek::{Signer, SigningKey};
use http::{Request, Response};
use jiff::Timestamp;
use kube::{Client, client::Body};
use serde_json::{Value, json};

/// An intent of the agent scribe, signed now; each number is another.
pub fn signed(namespace: &str, cluster_id: &str, number: u64) -> Value {
    let statement = Statement {
        agent: "agent:scribe".parse().unwrap(),
        cluster_id: cluster_id.to_owned(),
        namespace: namespace.to_owned(),
        action: "look".to_owned(),
        resource: None,
        deletes: Vec::new(),
        reason: "to know".to_owned(),
        nonce: format!("{number:032x}"),
        time: Timestamp::from_second(Timestamp::now().as_second()).unwrap(),
    };
    let signature = SigningKey::from_bytes(&[7; 32]).sign(&statement.signed_bytes().unwrap());
    json!({
        "apiVersion": "countersign.dev/v1alpha1",
        "kind": "Intent",
        "metadata": { "name": statement.name(), "namespace": namespace },
        "spec": {
            "agentID": statement.agent, "clusterID": cluster_id, "action": statement.action,
            "reason": statement.reason, "nonce": statement.nonce, "time": statement.time,
            "signature": STANDARD.encode(signature.to_bytes()),
        },
    })
}

/// The answer to one intent, not tried again.
pub async fn post(client: &Client, namespace: &str, intent: &Value) -> Result<Response<Body>, kube::Error> {
    let request = Request::post(format!(
        "/apis/countersign.dev/v1alpha1/namespaces/{namespace}/intents"
    ))
    .header("content-type", "application/json")
    .body(Body::from(intent.to_string().into_bytes()))
    .unwrap();
    client.send(request).await
}
