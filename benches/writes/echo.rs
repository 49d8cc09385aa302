//! The echo webhooks beside the operator's, each a process like that, and what has the API server call it.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
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
use kube::{Client, api::DynamicObject};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use crate::{
    harness::Person,
    kind::Kind,
    likeness::{Known, Likeness},
    listener::{Announcement, echo, input_closed, listen},
};

/// The file in an echo's directory that holds a ticket, once there is one.
pub const TICKET: &str = "ticket.json";

/// What a webhook has that spends what is like a ticket.
struct Claims {
    client: Client,
    known: Known,
    file: PathBuf,
    ticket: OnceLock<DynamicObject>,
    made: AtomicUsize,
}

impl Claims {
    fn ticket(&self) -> Option<&DynamicObject> {
        if self.ticket.get().is_none()
            && let Ok(text) = fs::read(&self.file)
        {
            let _ = self.ticket.set(serde_json::from_slice(&text).unwrap());
        }
        self.ticket.get()
    }
}

/// Serves the echo of this kind until standard input closes. It keeps its records in `directory`, and claims with the
/// credential in `kubeconfig`.
pub async fn serve(kind: Kind, directory: &Path, kubeconfig: &Path) {
    let metrics = ListenerMetrics::default();
    let bodies = BodyBudget::new(MAX_BODY, MAX_BODIES, metrics.clone());
    let mut routes = echo(bodies);
    if kind != Kind::Echoed {
        let log = File::create(directory.join("log")).unwrap();
        routes = routes.layer(from_fn_with_state(Arc::new(Mutex::new(log)), keep));
    }
    if kind == Kind::Claimed {
        let client = Person::new(kubeconfig.to_owned(), Path::new("")).client().await;
        let claims = Claims {
            known: Known::follow(client.clone()),
            client,
            file: directory.join(TICKET),
            ticket: OnceLock::new(),
            made: AtomicUsize::new(0),
        };
        routes = routes.layer(from_fn_with_state(Arc::new(claims), claim));
    }
    let (server, listener, announcement) = listen(routes, metrics).await.unwrap();
    println!("{}", serde_json::to_string(&announcement).unwrap());
    server.serve(listener, input_closed()).await;
}

/// A step of what is like a ticket is stored before the answer is given.
async fn claim(State(claims): State<Arc<Claims>>, request: Request, next: Next) -> Response {
    if let Some(ticket) = claims.ticket() {
        let number = claims.made.fetch_add(1, Ordering::Relaxed);
        assert!(claims.known.has(number), "copy {number} is not known");
        let likeness = Likeness::of(ticket, claims.client.clone());
        likeness.patch(number, &format!("claim {number}")).await;
    }
    next.run(request).await
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
