//! The echo webhooks beside the operator's: each a server in a thread of its own, and what has the API server call it.

use std::{
    fs::File,
    future::pending,
    io::Write,
    sync::{Arc, Mutex},
    thread,
};

use axum::{
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::Response,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use countersign::{
    metrics::ListenerMetrics,
    run::{MAX_BODIES, MAX_BODY},
    server::BodyBudget,
};
use serde_json::{Value, json};
use tokio::{runtime::Runtime, sync::oneshot, task::spawn_blocking};

use crate::{
    kind::Kind,
    listener::{Announcement, echo, listen},
};

/// Serves until this process ends: the echo of this kind.
pub async fn serve(kind: Kind, log: File) -> Announcement {
    let (tell, told) = oneshot::channel();
    thread::spawn(move || {
        Runtime::new().unwrap().block_on(async {
            let metrics = ListenerMetrics::default();
            let bodies = BodyBudget::new(MAX_BODY, MAX_BODIES, metrics.clone());
            let routes = if kind == Kind::Recorded {
                echo(bodies).layer(from_fn_with_state(Arc::new(Mutex::new(log)), keep))
            } else {
                echo(bodies)
            };
            let (server, listener, announcement) = listen(routes, metrics).await.unwrap();
            tell.send(announcement).unwrap();
            server.serve(listener, pending()).await;
        });
    });
    told.await.unwrap()
}

/// As many bytes as a record has are on the disk before the answer is given.
async fn keep(State(log): State<Arc<Mutex<File>>>, request: Request, next: Next) -> Response {
    let answer = next.run(request).await;
    spawn_blocking(move || {
        let mut log = log.lock().unwrap();
        log.write_all(&[b'.'; 1024]).unwrap();
        log.sync_data().unwrap();
    })
    .await
    .unwrap();
    answer
}

/// Has the API server ask the echo about what is written in its namespace, as it asks the operator.
pub fn configuration(kind: Kind, echo: &Announcement) -> Value {
    let name = kind.namespace();
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": { "name": name },
        "webhooks": [{
            "name": format!("{name}.example.com"),
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
