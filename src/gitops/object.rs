//! The objects of Flux and Argo CD, as far as they are read.

use countersign_core::{
    gitops::{Owner, Tool},
    request::Target,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta};
use kube::Client;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use crate::admission::{object_path, read_path};

/// On an owner: the name of the account that acts for it, where its spec does not name one (a default of the
/// controller's, or a kubeconfig with a token).
pub const ACCOUNT_ANNOTATION: &str = "countersign.dev/service-account";

/// A Kustomization, a HelmRelease or an Application.
#[derive(Debug, Deserialize)]
pub struct Deployer {
    pub metadata: ObjectMeta,
    #[serde(default)]
    pub spec: Spec,
    #[serde(default)]
    pub status: Status,
    /// Of an Application: what is to be done now.
    pub operation: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Spec {
    pub service_account_name: Option<String>,
    pub source_ref: Option<SourceRef>,
    pub destination: Option<Destination>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Destination {
    pub namespace: String,
}

#[derive(Debug, Deserialize)]
pub struct SourceRef {
    pub kind: String,
    pub name: String,
    pub namespace: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Status {
    pub last_attempted_revision: Option<String>,
    pub last_attempted_generation: Option<i64>,
    pub storage_namespace: Option<String>,
    pub history: Vec<Value>,
    pub operation_state: Option<OperationState>,
}

/// What became of the operation of an Application.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OperationState {
    pub phase: String,
    pub operation: Value,
    pub sync_result: Option<SyncResult>,
}

#[derive(Debug, Deserialize)]
pub struct SyncResult {
    pub revision: Option<String>,
}

/// A GitRepository.
#[derive(Debug, Deserialize)]
pub struct Repository {
    pub metadata: ObjectMeta,
    pub spec: RepositorySpec,
    #[serde(default)]
    pub status: RepositoryStatus,
}

#[derive(Debug, Deserialize)]
pub struct RepositorySpec {
    pub verify: Option<Verify>,
    /// Other repositories whose content is laid into this one's, verified or not.
    #[serde(default)]
    pub include: Vec<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verify {
    pub secret_ref: Named,
}

#[derive(Debug, Deserialize)]
pub struct Named {
    pub name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct RepositoryStatus {
    pub artifact: Option<Artifact>,
    pub conditions: Vec<Condition>,
}

#[derive(Debug, Deserialize)]
pub struct Artifact {
    pub revision: String,
}

impl Deployer {
    /// The owner, if it is there.
    pub async fn read(owner: &Owner, client: &Client) -> Result<Option<Self>, kube::Error> {
        get(&owner.target(), client).await
    }

    /// The account that it says acts for it: Flux' is in the owner's namespace, Argo CD's where it delivers to.
    pub fn account<'a>(&'a self, owner: &'a Owner) -> Option<(&'a str, &'a str)> {
        let annotations = self.metadata.annotations.as_ref();
        let annotated = annotations.and_then(|all| all.get(ACCOUNT_ANNOTATION));
        let named = self.spec.service_account_name.as_ref().or(annotated);
        let named = named.filter(|name| !name.is_empty())?;
        let namespace = match owner.tool {
            Tool::Kustomization | Tool::HelmRelease => &owner.namespace,
            Tool::Application => &self.spec.destination.as_ref()?.namespace,
        };
        Some((namespace, named))
    }

    /// The revision that its controller tried last.
    pub fn revision(&self) -> Option<String> {
        let synced = || {
            self.status
                .operation_state
                .as_ref()?
                .sync_result
                .as_ref()?
                .revision
                .clone()
        };
        self.status.last_attempted_revision.clone().or_else(synced)
    }
}

/// The object, if it is there and of the form that is known.
pub async fn get<T: DeserializeOwned>(
    target: &Target<'_>,
    client: &Client,
) -> Result<Option<T>, kube::Error> {
    let text = read_path(&object_path(target), client).await?;
    text.map(|text| serde_json::from_str(&text))
        .transpose()
        .map_err(kube::Error::SerdeError)
}
