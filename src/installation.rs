//! Where the operator is: the cluster, its own identity in it, its namespace and its keys.

use std::{path::Path, time::Duration};

use anyhow::Context as _;
use countersign_api::seal::Seals;
use countersign_cli::Connection;
use countersign_core::snapshot::Cluster;
use jiff::Timestamp;
use k8s_openapi::api::{authentication::v1::SelfSubjectReview, core::v1::Namespace};
use kube::{
    Api, Client, Config, ResourceExt,
    api::PostParams,
    client::ClientBuilder,
    config::{KubeConfigOptions, Kubeconfig},
};
use tower::{layer::layer_fn, timeout::TimeoutLayer};

use crate::{
    clock::Clock,
    keys::{Keys, NamespaceVault, StrictLatch},
};

/// How long the API server may take to begin its answer: longer than over a write that waits for webhooks.
const PATIENCE: Duration = Duration::from_secs(15);

/// The client, and the clock that it tells of the dates of answers. It does not try again by itself: a call of the
/// webhook has a deadline, and a swap is read back. An answer that never comes is waited for a while only, since
/// whoever waits for it keeps a ticket from going on.
pub async fn client(connection: &Connection) -> anyhow::Result<(Client, Clock)> {
    let options = KubeConfigOptions {
        context: connection.context.clone(),
        ..KubeConfigOptions::default()
    };
    let mut config = match &connection.kubeconfig {
        Some(file) => {
            let kubeconfig =
                Kubeconfig::read_from(file).with_context(|| format!("--kubeconfig {}", file.display()))?;
            Config::from_custom_kubeconfig(kubeconfig, &options).await?
        }
        None => Config::infer()
            .await
            .context("no cluster: use --kubeconfig, or run in a pod")?,
    };
    config.default_retry = false;
    let clock = Clock::default();
    let dating = layer_fn(|client| clock.dating(client));
    let client = ClientBuilder::try_from(config)?
        .with_layer(&dating)
        .with_layer(&TimeoutLayer::new(PATIENCE))
        .build();
    Ok((client, clock))
}

/// The cluster, and what was made in it for the operator.
pub struct Installation {
    /// The cluster and who we are in it.
    pub cluster: Cluster,
    /// The keys.
    pub keys: Keys,
    /// The strict latch.
    pub latch: StrictLatch,
    /// Whether it is set.
    pub latched: bool,
    /// What makes and proves seals.
    pub seals: Seals,
    /// Where those of namespaces are kept.
    pub vault: NamespaceVault,
}

impl Installation {
    /// Finds the cluster, and makes what is missing; the operator's data is in `directory`.
    pub async fn find(client: &Client, namespace: &str, directory: &Path) -> anyhow::Result<Self> {
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let system = namespaces
            .get("kube-system")
            .await
            .context("the namespace kube-system")?;
        if namespaces.get_opt(namespace).await?.is_none() {
            let home = Namespace {
                metadata: kube::api::ObjectMeta {
                    name: Some(namespace.to_owned()),
                    ..Default::default()
                },
                ..Default::default()
            };
            namespaces
                .create(&PostParams::default(), &home)
                .await
                .with_context(|| format!("the namespace {namespace}"))?;
        }
        let reviews: Api<SelfSubjectReview> = Api::all(client.clone());
        let review = reviews
            .create(&PostParams::default(), &SelfSubjectReview::default())
            .await?;
        let user = review
            .status
            .and_then(|status| status.user_info)
            .context("the API server does not say who we are")?;
        let keys = Keys::load_or_create(client, namespace, Timestamp::now()).await?;
        let latch = StrictLatch::new(client, namespace, directory);
        let cluster = Cluster {
            id: system.uid().context("kube-system has no uid")?.into(),
            operator: user.username.unwrap_or_default().into(),
            operator_uid: user.uid.unwrap_or_default().into(),
            namespace: namespace.into(),
            redaction: keys.redaction().clone(),
            stamp: keys.stamp().clone(),
        };
        let vault = NamespaceVault::new(client, namespace);
        let seals = Seals::new(keys.seal().clone(), &cluster.id);
        seals.keep_namespaces(vault.seals().await?);
        Ok(Self {
            cluster,
            latched: latch.is_set().await?,
            latch,
            keys,
            seals,
            vault,
        })
    }
}
