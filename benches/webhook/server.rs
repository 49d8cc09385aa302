//! The servers: an echo, and the webhook, behind the same listener and the same secret path.

use std::{fs, io::Read, path::PathBuf, sync::Arc};

use axum::{Json, Router, extract::State, http::header::CONTENT_TYPE, response::IntoResponse, routing::post};
use clap::ValueEnum;
use countersign::{
    admission::{Admission, review},
    audit::Log,
    certs::{Callers, CertificateAuthority, ServingTls},
    clock::Clock,
    keys::PathKey,
    metrics::{AdmissionMetrics, AuditMetrics, ListenerMetrics, ViolationMetrics, registry},
    run::{MAX_BODIES, MAX_BODY},
    server::{BodyBudget, BoundedBody, Limits, Server, Transport, behind_secret},
    sightings::Sightings,
    state,
    violations::Violations,
    webhook,
};
use countersign_api::seal::Seals;
use countersign_core::digest::MacKey;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::{net::TcpListener, sync::mpsc, task::spawn_blocking};

use crate::cluster::Cluster;

/// What a process serves.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Served {
    /// The bytes that came.
    Mirror,
    /// Every review's uid, allowed.
    Echo,
    /// The webhook.
    Admission,
}

impl Served {
    /// As its figures are called, and as `--serve` takes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mirror => "mirror",
            Self::Echo => "echo",
            Self::Admission => "admission",
        }
    }
}

/// Where a server listens, as it says on its standard output.
#[derive(Debug, Serialize, Deserialize)]
pub struct Announcement {
    /// On the loopback.
    pub port: u16,
    /// Of the route that answers.
    pub path: String,
    /// The certificate in PEM that proves who serves.
    pub ca_bundle: String,
}

/// Serves until standard input closes.
#[tokio::main]
pub async fn serve(served: Served) -> anyhow::Result<()> {
    let now = Timestamp::now();
    let (certificate, key) = CertificateAuthority::generate(now)?;
    let authority = CertificateAuthority::from_pem(&certificate, &key)?;
    let tls = Arc::new(ServingTls::new(
        authority,
        vec!["localhost".to_owned()],
        Callers::default(),
        now,
    )?);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let metrics = ListenerMetrics::default();
    let bodies = BodyBudget::new(MAX_BODY, MAX_BODIES, metrics.clone());
    let (routes, webhook) = match served {
        Served::Mirror => (mirror(bodies), None),
        Served::Echo => (echo(bodies), None),
        Served::Admission => {
            let webhook = Webhook::new()?;
            (webhook::router(webhook.admission.clone(), bodies), Some(webhook))
        }
    };
    let key = PathKey::new(MacKey::new([3; 32]));
    let announcement = Announcement {
        port: listener.local_addr()?.port(),
        path: format!("/{}/validate", key.current(now)),
        ca_bundle: tls.ca_bundle().to_owned(),
    };
    println!("{}", serde_json::to_string(&announcement)?);
    let server = Server {
        transport: Transport::Tls(tls),
        router: behind_secret(routes, key),
        limits: Limits::default(),
        metrics,
    };
    server.serve(listener, input_closed()).await;
    if let Some(webhook) = webhook {
        fs::remove_dir_all(webhook.directory)?;
    }
    Ok(())
}

async fn input_closed() {
    let mut rest = Vec::new();
    // One that cannot be read has closed as well.
    let _ = spawn_blocking(move || std::io::stdin().read_to_end(&mut rest)).await;
}

fn mirror(bodies: BodyBudget) -> Router {
    let answer = async |State(_): State<BodyBudget>, body: BoundedBody| {
        ([(CONTENT_TYPE, "application/json")], body.bytes.clone()).into_response()
    };
    Router::new().route("/validate", post(answer)).with_state(bodies)
}

fn echo(bodies: BodyBudget) -> Router {
    let answer = async |State(_): State<BodyBudget>, body: BoundedBody| {
        let response = json!({"uid": review::uid_of(&body.bytes), "allowed": true});
        Json(json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}))
    };
    Router::new().route("/validate", post(answer)).with_state(bodies)
}

/// The webhook, and what lives as long.
struct Webhook {
    admission: Arc<Admission>,
    /// Of the audit log.
    directory: PathBuf,
    /// What the operator keeps in memory of the cluster beside what decisions read.
    _cluster: Cluster,
}

impl Webhook {
    fn new() -> anyhow::Result<Self> {
        let cluster = Cluster::new()?;
        let (sightings, mut seen) = mpsc::channel(1024);
        // The operator finds each of them written already.
        tokio::spawn(async move { while seen.recv().await.is_some() {} });
        let state = state::State::new(cluster.index.snapshot().clone(), Vec::new(), Clock::default());
        let directory =
            PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("webhook-{}", std::process::id()));
        let mut metrics = registry();
        let log = Log::open(&directory, Timestamp::now(), AuditMetrics::register(&mut metrics))?;
        // Nobody listens there: none of the requests needs a call.
        let nowhere = kube::Config::new("http://127.0.0.1:1".parse()?);
        let client = kube::Client::try_from(nowhere)?;
        let violations = Violations::start(client.clone(), ViolationMetrics::register(&mut metrics));
        let admission = Admission::new(
            (Arc::new(state), Seals::new(MacKey::new([4; 32]), "cluster")),
            client,
            (log, Sightings::new(sightings), violations),
            AdmissionMetrics::register(&mut metrics),
        );
        Ok(Self {
            admission: Arc::new(admission),
            directory,
            _cluster: cluster,
        })
    }
}
