//! `admin attest`: an admin's word that what a permission object says now, and nobody judged, may take effect.

use std::io::{self, IsTerminal, Write};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use countersign_api::{
    AccessPolicy, Agent, FIELD_MANAGER, RoleGrant, Team, WriteDelegation, Zone,
    seal::{ATTEST_ANNOTATION, Sealed, attestation, content},
};
use countersign_core::digest::Digest;
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::{confirm::confirmed, connection::Session, failure::Outcome, yaml};

/// Attest a permission object that bears no seal
///
/// Shows all of what the object says and, when you confirm, sets an annotation with the digest of exactly that. The
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

/// The kinds that take effect with a seal only, by their plural.
#[derive(ValueEnum, Clone, Copy, Debug)]
#[value(rename_all = "lowercase")]
pub enum Kind {
    /// The policy
    AccessPolicies,
    /// An agent
    Agents,
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
            Kind::AccessPolicies => self.attest(&Api::<AccessPolicy>::all(client), out).await,
            Kind::Agents => self.attest(&Api::<Agent>::all(client), out).await,
            Kind::RoleGrants => self.attest(&Api::<RoleGrant>::all(client), out).await,
            Kind::Teams => self.attest(&Api::<Team>::all(client), out).await,
            Kind::WriteDelegations => self.attest(&Api::<WriteDelegation>::all(client), out).await,
            Kind::Zones => self.attest(&Api::<Zone>::all(client), out).await,
        }
    }

    async fn attest<K>(&self, objects: &Api<K>, out: &mut impl Write) -> anyhow::Result<Outcome>
    where
        K: Sealed + Clone + std::fmt::Debug + DeserializeOwned,
    {
        let object = objects.get(&self.name).await?;
        let content = content(&object).context("the object has no uid or generation")?;
        let digest = content.spec.to_string();
        if let Some(expected) = self.hash.filter(|expected| *expected != content.spec) {
            bail!("what the object says has the digest {digest}, not {expected}: look at it again");
        }
        writeln!(out, "{} {} says:", content.kind, content.name)?;
        for line in yaml::lines(&serde_json::to_string(object.spec())?) {
            writeln!(out, "  {line}")?;
        }
        writeln!(out, "digest: {digest}")?;
        out.flush()?;
        if !self.yes && io::stdin().is_terminal() && !confirmed("Attest", &mut io::stdin().lock())? {
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
