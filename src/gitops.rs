//! GitOps: where the change of a denied write comes from, and how its controller is asked to try again.

mod authors;
mod nudge;
mod object;
mod rollback;

use std::time::Duration;

use countersign_core::{
    digest::Digest,
    gitops::{Authorship, Delivery, Owner, Provenance, Tool, claimed_owner, unproven_authorship},
    naming::batch_name,
    request::Request,
    snapshot::Snapshot,
};
use kube::Client;
use tokio::time::timeout;

pub use self::nudge::nudge;
use self::object::Deployer;

/// How long the look may take: what is not known by then is not proven.
const PATIENCE: Duration = Duration::from_millis(1500);

/// Where the change of a write comes from.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// Who wrote it, and what delivers it.
    pub provenance: Provenance,
    /// The name that the tickets of one owner and revision share.
    pub batch: Option<String>,
    /// Whether this is Helm's way back from a release that failed, which nobody asked for.
    pub is_rollback: bool,
}

impl Origin {
    /// Nothing is known but what the write says of its author.
    fn unproven(authorship: Authorship) -> Self {
        let provenance = Provenance {
            authorship,
            ..Provenance::default()
        };
        Self {
            provenance,
            ..Self::default()
        }
    }
}

/// Where the change comes from: of what a service account writes that the marks of a GitOps client are on.
///
/// The marks prove nothing by themselves. They are believed where the object that they name lets this very account
/// act for it; otherwise, and where the object cannot be read, the authors are not proven.
pub async fn origin(request: &Request<'_>, snapshot: &Snapshot, client: &Client) -> Origin {
    let found = match (claimed_owner(request), request.caller.service_account()) {
        (Ok(Some(owner)), Some(account)) => {
            timeout(PATIENCE, delivered(owner, account, snapshot, client)).await
        }
        _ => return Origin::unproven(unproven_authorship(request)),
    };
    let mut origin = found
        .ok()
        .and_then(|found| {
            found
                .inspect_err(|error| tracing::warn!(%error, "who delivers a change could not be read"))
                .ok()
                .flatten()
        })
        .unwrap_or_else(|| Origin::unproven(Authorship::Unverified));
    if request.caller.is_account_in_name_only() {
        // Whoever may impersonate the account may have set the marks.
        origin.provenance.authorship = Authorship::Unverified;
    }
    origin
}

/// What the owner says of itself, if it lets this account act for it.
async fn delivered(
    owner: Owner,
    account: (&str, &str),
    snapshot: &Snapshot,
    client: &Client,
) -> Result<Option<Origin>, kube::Error> {
    let Some(deployer) = Deployer::read(&owner, client).await? else {
        return Ok(None);
    };
    if !owner.is_served_by(account, deployer.account(&owner)) {
        return Ok(None);
    }
    let revision = deployer.revision();
    let authors = match owner.tool {
        Tool::Kustomization => authors::of(&owner, &deployer, snapshot, client).await?,
        Tool::HelmRelease | Tool::Application => Vec::new(),
    };
    let is_rollback = owner.tool == Tool::HelmRelease && rollback::runs(&deployer, client).await?;
    let authorship = if authors.is_empty() {
        Authorship::Unverified
    } else {
        Authorship::Verified
    };
    let generation = deployer.status.last_attempted_generation;
    let batch = revision
        .as_deref()
        .map(|revision| batch_of(&owner, revision, generation));
    let provenance = Provenance {
        authors,
        authorship,
        delivered_by: Some(Delivery { owner, revision }),
    };
    Ok(Some(Origin {
        provenance,
        batch,
        is_rollback,
    }))
}

/// Of a HelmRelease the same chart is another attempt with other values.
fn batch_of(owner: &Owner, revision: &str, generation: Option<i64>) -> String {
    let kind = owner.tool.kind();
    let attempt = generation
        .map(|generation| generation.to_string())
        .unwrap_or_default();
    let lines = [kind, &owner.namespace, &owner.name, revision, &attempt].join("\n");
    batch_name(kind, &owner.name, &Digest::of(&[lines.as_bytes()]))
}
