//! A listener as the operator has it, for whatever routes: the same TLS, the same secret path. And the routes of an echo.

use std::{io::Read, sync::Arc};

use axum::{Json, Router, extract::State, routing::post};
use countersign::{
    admission::review,
    certs::{Callers, CertificateAuthority, ServingTls},
    keys::PathKey,
    metrics::ListenerMetrics,
    server::{BodyBudget, BoundedBody, Limits, Server, Transport, behind_secret},
};
use countersign_core::digest::MacKey;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::{net::TcpListener, task::spawn_blocking};

/// Where a server listens.
#[derive(Debug, Serialize, Deserialize)]
pub struct Announcement {
    /// On the loopback.
    pub port: u16,
    /// Of the route that answers.
    pub path: String,
    /// The certificate in PEM that proves who serves.
    pub ca_bundle: String,
}

/// Listens, and tells where; the server is yet to serve.
pub async fn listen(
    routes: Router,
    metrics: ListenerMetrics,
) -> anyhow::Result<(Server, TcpListener, Announcement)> {
    let now = Timestamp::now();
    let (certificate, key) = CertificateAuthority::generate(now)?;
    let authority = CertificateAuthority::from_pem(&certificate, &key)?;
    let names = vec!["localhost".to_owned()];
    let tls = Arc::new(ServingTls::new(authority, names, Callers::default(), now)?);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let key = PathKey::new(MacKey::new([3; 32]));
    let announcement = Announcement {
        port: listener.local_addr()?.port(),
        path: format!("/{}/validate", key.current(now)),
        ca_bundle: tls.ca_bundle().to_owned(),
    };
    let server = Server {
        transport: Transport::Tls(tls),
        router: behind_secret(routes, key),
        limits: Limits::default(),
        metrics,
    };
    Ok((server, listener, announcement))
}

/// Returns when standard input closes: whoever started this process is gone, or wants its end.
pub async fn input_closed() {
    let mut rest = Vec::new();
    // One that cannot be read has closed as well.
    let _ = spawn_blocking(move || std::io::stdin().read_to_end(&mut rest)).await;
}

/// Every review's uid, allowed: the least that a webhook has to do.
pub fn echo(bodies: BodyBudget) -> Router {
    let answer = async |State(_): State<BodyBudget>, body: BoundedBody| {
        let response = json!({"uid": review::uid_of(&body.bytes), "allowed": true});
        Json(json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}))
    };
    Router::new().route("/validate", post(answer)).with_state(bodies)
}
