//! The echo webhook beside the operator's: a server in a thread of its own, and what has the API server call it.

use std::{future::pending, thread};

use base64::{Engine, engine::general_purpose::STANDARD};
use countersign::{
    metrics::ListenerMetrics,
    run::{MAX_BODIES, MAX_BODY},
    server::BodyBudget,
};
use serde_json::{Value, json};
use tokio::{runtime::Runtime, sync::oneshot};

use crate::{
    kind::Kind,
    listener::{Announcement, echo, listen},
};

/// Serves until this process ends.
pub async fn serve() -> Announcement {
    let (tell, told) = oneshot::channel();
    thread::spawn(move || {
        Runtime::new().unwrap().block_on(async {
            let metrics = ListenerMetrics::default();
            let bodies = BodyBudget::new(MAX_BODY, MAX_BODIES, metrics.clone());
            let (server, listener, announcement) = listen(echo(bodies), metrics).await.unwrap();
            tell.send(announcement).unwrap();
            server.serve(listener, pending()).await;
        });
    });
    told.await.unwrap()
}

/// Has the API server ask the echo about what is written in its namespace, as it asks the operator.
pub fn configuration(echo: &Announcement) -> Value {
    let name = Kind::Echoed.namespace();
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": { "name": "echo" },
        "webhooks": [{
            "name": "echo.example.com",
            "clientConfig": {
                "url": format!("https://localhost:{}{}", echo.port, echo.path),
                "caBundle": STANDARD.encode(&echo.ca_bundle),
            },
            "rules": [{
                "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"],
                "operations": ["CREATE", "UPDATE", "DELETE"],
            }],
            "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": name } },
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
        }],
    })
}
