//! The people of a revision, as far as a signature proves them.
//!
//! Flux' source-controller verifies the commit and names the key by its fingerprint; the Secret that holds the keys
//! names, behind each, whose it is. The author that a commit names proves nothing: anybody writes there what he likes.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD},
};
use countersign_core::{
    authn::username, environment::Environment, gitops::Owner, identity::Identity, request::Target,
    snapshot::Snapshot,
};
use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use sha2::{Digest as _, Sha256};

use super::object::{Deployer, Repository, get};

/// Flux reads these keys of the Secret as public keys of SSH.
const SSH_SUFFIX: &str = ".sshpub";

/// The people of the revision that the Kustomization tried last; none if that cannot be proven.
///
/// Elsewhere than in prod whoever may write objects of Flux may say of a revision what they like, so nothing is proven by
/// what is there.
pub async fn of(
    owner: &Owner,
    deployer: &Deployer,
    snapshot: &Snapshot,
    client: &Client,
) -> Result<Vec<Identity>, kube::Error> {
    let (Some(target), Some(policy)) = (source(owner, deployer), snapshot.policy.get()) else {
        return Ok(Vec::new());
    };
    let is_prod = |name| snapshot.environment_of_namespace(name, policy) == Environment::Prod;
    if !is_prod(&owner.namespace) || !target.namespace.is_some_and(is_prod) {
        return Ok(Vec::new());
    }
    let Some(repository) = get::<Repository>(&target, client).await? else {
        return Ok(Vec::new());
    };
    let (Some(message), Some(verify)) = (verified(&repository, deployer), &repository.spec.verify) else {
        return Ok(Vec::new());
    };
    let secret = Target {
        group: "",
        version: "v1",
        kind: "Secret",
        resource: "secrets",
        name: &verify.secret_ref.name,
        ..target
    };
    let Some(keys) = get::<Secret>(&secret, client).await? else {
        return Ok(Vec::new());
    };
    let people = signers(message, &known_keys(&keys)).unwrap_or_default();
    // Who is nobody to the API server reviews under another name, and would not be recognised.
    let are_known = people.iter().all(|who| username(who, policy).is_some());
    Ok(if are_known { people } else { Vec::new() })
}

/// The GitRepository that the Kustomization is made of, if it is.
fn source<'a>(owner: &'a Owner, deployer: &'a Deployer) -> Option<Target<'a>> {
    let source = deployer.spec.source_ref.as_ref()?;
    (source.kind == "GitRepository").then(|| Target {
        group: "source.toolkit.fluxcd.io",
        version: "v1",
        kind: "GitRepository",
        resource: "gitrepositories",
        subresource: "",
        namespace: Some(source.namespace.as_deref().unwrap_or(&owner.namespace)),
        name: &source.name,
    })
}

/// What source-controller says of the signatures of the very commit that the Kustomization tried last.
fn verified<'a>(repository: &'a Repository, deployer: &Deployer) -> Option<&'a str> {
    let status = &repository.status;
    let revision = &status.artifact.as_ref()?.revision;
    let (_, commit) = revision.rsplit_once("sha1:")?;
    let mut conditions = status.conditions.iter();
    let verified = conditions.find(|condition| condition.type_ == "SourceVerified")?;
    let holds = verified.status == "True"
        && repository.spec.include.is_empty()
        && verified.observed_generation == repository.metadata.generation
        && deployer.status.last_attempted_revision.as_ref() == Some(revision)
        && verified
            .message
            .contains(&format!("commit '{commit}' with key '"));
    holds.then_some(&verified.message)
}

/// The keys of SSH in the Secret: fingerprint, and whose it is by its comment.
fn known_keys(secret: &Secret) -> Vec<(String, Identity)> {
    let files = secret.data.iter().flatten();
    let files = files.filter(|(name, _)| name.ends_with(SSH_SUFFIX));
    files
        .filter_map(|(_, file)| std::str::from_utf8(&file.0).ok())
        .flat_map(str::lines)
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let key = STANDARD.decode(words.nth(1)?).ok()?;
            let who: Identity = words.next()?.parse().ok()?;
            let fingerprint = format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(key)));
            who.is_user().then_some((fingerprint, who))
        })
        .collect()
}

/// Whose keys the message names; `None` if one of them is nobody's.
fn signers(message: &str, known: &[(String, Identity)]) -> Option<Vec<Identity>> {
    let mut signers = Vec::new();
    for part in message.split("with key '").skip(1) {
        let (fingerprint, _) = part.split_once('\'')?;
        let mut of_key = known.iter().filter(|(known, _)| known == fingerprint);
        let (_, who) = of_key.next()?;
        // A key that two people have proves neither.
        if of_key.any(|(_, other)| other != who) {
            return None;
        }
        signers.push(who.clone());
    }
    signers.sort_unstable();
    signers.dedup();
    Some(signers)
}

#[cfg(test)]
mod tests;
