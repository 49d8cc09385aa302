//! The servers: an echo, and the webhook, behind the same listener and the same secret path.

use std::{fs, path::PathBuf, sync::Arc};

use axum::{Router, extract::State, http::header::CONTENT_TYPE, response::IntoResponse, routing::post};
use clap::ValueEnum;
use countersign::{
    admission::Admission,
    audit::Log,
    clock::Clock,
    emergencies::Emergencies,
    metrics::{AdmissionMetrics, AuditMetrics, ListenerMetrics, ViolationMetrics, registry},
    quota::Quotas,
    run::{MAX_BODIES, MAX_BODY},
    server::{BodyBudget, BoundedBody},
    sightings::Sightings,
    state,
    turns::Taken,
    violations::Violations,
    webhook,
};
use countersign_api::seal::Seals;
use countersign_core::digest::MacKey;
use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::{
    cluster::Cluster,
    listener::{echo, input_closed, listen},
};

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

/// Serves until standard input closes.
#[tokio::main]
pub async fn serve(served: Served) -> anyhow::Result<()> {
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
    let (server, listener, announcement) = listen(routes, metrics).await?;
    println!("{}", serde_json::to_string(&announcement)?);
    server.serve(listener, input_closed()).await;
    if let Some(webhook) = webhook {
        fs::remove_dir_all(webhook.directory)?;
    }
    Ok(())
}

fn mirror(bodies: BodyBudget) -> Router {
    let answer = async |State(_): State<BodyBudget>, body: BoundedBody| {
        ([(CONTENT_TYPE, "application/json")], body.bytes.clone()).into_response()
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
        let snapshot = cluster.index.snapshot().clone();
        let state = Arc::new(state::State::new(snapshot, Vec::new(), Clock::default()));
        let directory =
            PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("webhook-{}", std::process::id()));
        let mut metrics = registry();
        let log = Log::open(&directory, Timestamp::now(), AuditMetrics::register(&mut metrics))?;
        // Nobody listens there: none of the requests needs a call.
        let nowhere = kube::Config::new("http://127.0.0.1:1".parse()?);
        let client = kube::Client::try_from(nowhere)?;
        let violations = Violations::start(client.clone(), ViolationMetrics::register(&mut metrics));
        let quotas = Quotas::new(client.clone(), "countersign-system");
        let of_emergencies = (client.clone(), quotas.clone());
        let emergencies = Emergencies::start(of_emergencies, state.clone(), &mut metrics);
        let admission = Admission::new(
            (state, Seals::new(MacKey::new([4; 32]), "cluster")),
            (client, quotas, Taken::default()),
            (log, Sightings::new(sightings), violations, emergencies),
            AdmissionMetrics::register(&mut metrics),
        );
        Ok(Self {
            admission: Arc::new(admission),
            directory,
            _cluster: cluster,
        })
    }
}
