//! Helm's way back from a release that failed: nobody asked for it, so that nobody is asked to approve it.

use countersign_core::request::Target;
use k8s_openapi::api::core::v1::Secret;
use kube::Client;

use super::object::{Deployer, get};

/// How many records may follow the last one that the HelmRelease knows of.
const AHEAD: i64 = 2;

/// Whether Helm is on its way back: before it touches anything, it records that.
///
/// The HelmRelease tells which release was the last that it looked at; Helm's record of the one that is being made
/// follows, and says what it is made for.
pub async fn runs(deployer: &Deployer, client: &Client) -> Result<bool, kube::Error> {
    let (status, last) = (&deployer.status, deployer.status.history.first());
    let last = last.and_then(|last| Some((last.get("name")?.as_str()?, last.get("version")?.as_i64()?)));
    let (Some((release, version)), Some(namespace)) = (last, &status.storage_namespace) else {
        return Ok(false);
    };
    for number in version..=version.saturating_add(AHEAD) {
        let name = format!("sh.helm.release.v1.{release}.v{number}");
        let record = Target {
            group: "",
            version: "v1",
            kind: "Secret",
            resource: "secrets",
            subresource: "",
            namespace: Some(namespace),
            name: &name,
        };
        let record = get::<Secret>(&record, client).await?;
        let labels = record
            .and_then(|record| record.metadata.labels)
            .unwrap_or_default();
        if labels
            .get("status")
            .is_some_and(|status| status == "pending-rollback")
        {
            return Ok(true);
        }
    }
    Ok(false)
}
