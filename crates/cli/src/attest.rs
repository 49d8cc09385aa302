//! `admin attest`: an admin's word that what a permission object says now, or the labels of a namespace, and nobody
//! judged, may take effect.

use std::io::{self, IsTerminal, Write};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use countersign_api::{
    AccessPolicy, Agent, FIELD_MANAGER, RoleGrant, Team, WriteDelegation, Zone,
    seal::{ATTEST_ANNOTATION, Sealed, attestation, content, labels_content},
};
use countersign_core::{digest::Digest, seal::Content};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Resource, ResourceExt,
    api::{Patch, PatchParams},
};
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::{confirm::confirmed, connection::Session, failure::Outcome, yaml};

/// Attest a permission object, or the labels of a namespace, that bear no seal
///
/// Shows all of what is said there and, when you confirm, sets an annotation with the digest of exactly that. The
/// write is judged like any change of the object: in strict mode another admin approves it. Then the operator seals the
/// object, and it takes effect.
#[derive(Args, Clone, Debug)]
pub struct Attest {
    /// The kind of the object
    #[arg(value_enum)]
    pub kind: Kind,
    /// Its name
    pub name: String,
    /// The digest that was looked at: an object with another one is refused
    #[arg(long, value_name = "sha256:...")]
    pub hash: Option<Digest>,
    /// Do not ask to confirm
    #[arg(short, long)]
    pub yes: bool,
}

/// The kinds that take effect with a seal only, or whose labels do, by their plural.
#[derive(ValueEnum, Clone, Copy, Debug)]
#[value(rename_all = "lowercase")]
pub enum Kind {
    /// The policy
    AccessPolicies,
    /// An agent
    Agents,
    /// The labels of a namespace
    Namespaces,
    /// A role grant
    RoleGrants,
    /// A team
    Teams,
    /// A delegation
    WriteDelegations,
    /// A zone
    Zones,
}

impl Attest {
    /// Shows the object, asks, and attests it.
    pub async fn run(&self, session: &Session, out: &mut impl Write) -> anyhow::Result<Outcome> {
        let client = session.client.clone();
        match self.kind {
            Kind::AccessPolicies => self.attest(&Api::<AccessPolicy>::all(client), spec, out).await,
            Kind::Agents => self.attest(&Api::<Agent>::all(client), spec, out).await,
            Kind::Namespaces => self.attest(&Api::<Namespace>::all(client), labels, out).await,
            Kind::RoleGrants => self.attest(&Api::<RoleGrant>::all(client), spec, out).await,
            Kind::Teams => self.attest(&Api::<Team>::all(client), spec, out).await,
            Kind::WriteDelegations => self.attest(&Api::<WriteDelegation>::all(client), spec, out).await,
            Kind::Zones => self.attest(&Api::<Zone>::all(client), spec, out).await,
        }
    }

    async fn attest<K>(
        &self,
        objects: &Api<K>,
        says: fn(&K) -> Option<(Content, String)>,
        out: &mut impl Write,
    ) -> anyhow::Result<Outcome>
    where
        K: Resource + Clone + std::fmt::Debug + DeserializeOwned,
    {
        let object = objects.get(&self.name).await?;
        let (content, text) = says(&object).context("the object has no uid or generation")?;
        let digest = content.spec.to_string();
        if let Some(expected) = self.hash.filter(|expected| *expected != content.spec) {
            bail!("what the object says has the digest {digest}, not {expected}: look at it again");
        }
        writeln!(out, "{} {} says:", content.kind, content.name)?;
        for line in yaml::lines(&text) {
            writeln!(out, "  {line}")?;
        }
        writeln!(out, "digest: {digest}")?;
        out.flush()?;
        if !self.yes && io::stdin().is_terminal() && !confirmed("Attest this", &mut io::stdin().lock())? {
            eprintln!("nothing was done");
            return Ok(Outcome::No);
        }
        let present = object.annotations().get(ATTEST_ANNOTATION);
        let patch = json!({"metadata": {
            "uid": content.uid,
            "resourceVersion": object.meta().resource_version,
            "annotations": {ATTEST_ANNOTATION: attestation(&content, present.map(String::as_str))},
        }});
        let parameters = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        objects
            .patch(&self.name, &parameters, &Patch::Merge(&patch))
            .await?;
        writeln!(out, "{} {} attested", content.kind, content.name)?;
        Ok(Outcome::Yes)
    }
}

/// What an object of a kind that permits says.
fn spec<K: Sealed>(object: &K) -> Option<(Content, String)> {
    Some((content(object)?, serde_json::to_string(object.spec()).ok()?))
}

/// What the labels of a namespace say.
fn labels(namespace: &Namespace) -> Option<(Content, String)> {
    let labels = namespace.labels();
    let content = labels_content(namespace.name_any(), namespace.uid()?, labels)?;
    Some((content, serde_json::to_string(labels).ok()?))
}
