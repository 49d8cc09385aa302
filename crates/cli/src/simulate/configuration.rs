//! Countersign's configuration as it was exported, compiled as the operator compiles it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, bail};
use countersign_api::{
    AccessPolicy, Agent, GROUP, RoleGrant, Team, VERSION, WriteDelegation, Zone, access_policy,
    agent::{AgentStatus, PinnedServiceAccount},
    index::{Index, Indexed},
};
use countersign_core::{identity::Identity, policy::Policy, snapshot::Snapshot};
use k8s_openapi::api::core::v1::Namespace;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{document::Document, located::Located};
use crate::{connection::operator_namespace, known::cluster, who::Who};

/// The uid of a service account that no status tells.
const SOME_UID: &str = "some";

/// What the rules need to know, and what had to be supposed for it.
pub struct Configuration {
    index: Index,
    policy: Policy,
    /// Agents whose service accounts are taken for the registered ones.
    supposed: BTreeSet<String>,
    assumptions: Vec<String>,
}

/// The documents that configure Countersign. Whatever else an export or a repository holds is not its configuration.
pub fn documents(all: &[Document]) -> anyhow::Result<Vec<&Document>> {
    let mut documents = Vec::new();
    for document in all {
        if configures(document)? {
            documents.push(document);
        }
    }
    Ok(documents)
}

fn configures(document: &Document) -> anyhow::Result<bool> {
    let ((group, version), kind) = (document.group_version(), document.kind.as_str());
    if group != GROUP {
        return Ok((group, version, kind) == ("", "v1", "Namespace"));
    }
    match kind {
        "AccessPolicy" | "RoleGrant" | "Team" | "Agent" | "Zone" | "WriteDelegation"
            if version == VERSION =>
        {
            Ok(true)
        }
        "ApprovalTicket" | "ApprovalReview" if version == VERSION => Ok(false),
        _ => {
            let (source, api_version) = (&document.source, &document.api_version);
            bail!("{source}: kind: `{kind}` of {api_version} is not known to this version")
        }
    }
}

/// The reason for which the operator calls the object Degraded, if it does.
fn degraded(document: &Document) -> Option<&str> {
    let conditions = document.object.pointer("/status/conditions")?.as_array()?;
    let degraded = conditions.iter().find(|condition| {
        condition.get("type").is_some_and(|name| name == "Degraded")
            && condition.get("status").is_some_and(|status| status == "True")
    })?;
    degraded.get("reason").and_then(Value::as_str)
}

impl Configuration {
    /// Compiles the documents; one that the operator could not use is an error here.
    pub fn read(documents: &BTreeMap<String, Located<'_>>) -> anyhow::Result<Self> {
        let documents = || documents.values().map(|located| located.document);
        let policy = documents()
            .find(|document| document.kind == "AccessPolicy")
            .context("--config holds no AccessPolicy: add what kubectl get accesspolicies -o yaml prints")?;
        let (object, source) = (policy.typed::<AccessPolicy>()?, &policy.source);
        let id = object
            .status
            .as_ref()
            .and_then(|status| status.cluster_id.clone());
        let cluster = cluster(&id.unwrap_or_default(), &operator_namespace(Some(&object)));
        let mut configuration = Self {
            index: Index::new(cluster),
            policy: access_policy::parse(&object).with_context(|| source.to_string())?,
            supposed: BTreeSet::new(),
            assumptions: Vec::new(),
        };
        for document in documents() {
            configuration.add(document)?;
        }
        configuration.suppose_strict(object.spec.strict_mode);
        Ok(configuration)
    }

    fn add(&mut self, document: &Document) -> anyhow::Result<()> {
        if let Some(reason) = degraded(document) {
            let (kind, name) = (&document.kind, document.metadata("name")?.unwrap_or_default());
            self.assumptions.push(format!(
                "{kind} `{name}` is in force: --config calls it Degraded ({reason}), and a cluster may ignore it"
            ));
        }
        match document.kind.as_str() {
            "AccessPolicy" => self.file::<AccessPolicy>(document),
            "RoleGrant" => self.file::<RoleGrant>(document),
            "Team" => self.file::<Team>(document),
            "Agent" => self.add_agent(document),
            "Zone" => self.file::<Zone>(document),
            "WriteDelegation" => self.file::<WriteDelegation>(document),
            _ => self.file::<Namespace>(document),
        }
    }

    fn file<K: Indexed + DeserializeOwned>(&mut self, document: &Document) -> anyhow::Result<()> {
        let object: K = document.typed()?;
        let filed = object.file(&mut self.index);
        filed.with_context(|| document.source.to_string())
    }

    /// An Agent without any status was not read from a cluster: the uids of its accounts are supposed to be right.
    fn add_agent(&mut self, document: &Document) -> anyhow::Result<()> {
        let mut agent: Agent = document.typed()?;
        if agent.status.is_none() {
            self.supposed.extend(agent.metadata.name.clone());
            let accounts = agent.spec.service_accounts.iter();
            let pinned = accounts.map(|account| PinnedServiceAccount {
                namespace: account.namespace.clone(),
                name: account.name.clone(),
                uid: SOME_UID.to_owned(),
            });
            agent.status = Some(AgentStatus {
                service_accounts: pinned.collect(),
                ..AgentStatus::default()
            });
        }
        agent
            .file(&mut self.index)
            .with_context(|| document.source.to_string())
    }

    /// A policy that asks for strict mode is judged as strict: who was seen, and so lives, an export may not tell.
    fn suppose_strict(&mut self, asked: bool) {
        let (live, needed) = (self.snapshot().live_admins().len(), self.policy.admins_needed());
        if asked && live < needed {
            self.assumptions.push(format!(
                "strict mode is in force, as the AccessPolicy asks: of {needed} live admins that it needs, --config shows \
                 {live}"
            ));
        }
        self.index.set_latched(asked);
    }

    /// Adds the namespaces among these that the configuration does not hold.
    pub fn add_namespaces<'a>(
        &mut self,
        objects: impl IntoIterator<Item = &'a Located<'a>>,
    ) -> anyhow::Result<()> {
        for located in objects {
            let target = located.target();
            if !target.is("", "namespaces") || self.snapshot().namespaces.contains_key(target.name) {
                continue;
            }
            self.file::<Namespace>(located.document)?;
            let (name, source) = (target.name, &located.document.source);
            let assumption = format!("namespace `{name}` is as in {source}: --config does not hold it");
            self.assumptions.push(assumption);
        }
        Ok(())
    }

    /// What decisions read.
    pub const fn snapshot(&self) -> &Snapshot {
        self.index.snapshot()
    }

    /// The caller that an identity is.
    pub fn who(&self, identity: &Identity, groups: &[String]) -> anyhow::Result<Who> {
        Who::named(identity, groups, self.snapshot(), &self.policy)
    }

    /// What was supposed to judge the writes of this identity to these objects.
    pub fn assumptions<'a>(
        &self,
        identity: &Identity,
        written: impl IntoIterator<Item = &'a Located<'a>>,
    ) -> Vec<String> {
        let mut assumptions = self.assumptions.clone();
        if identity.is_agent() && self.supposed.contains(identity.local()) {
            assumptions.push(format!(
                "the service account of {identity} is the registered one: its Agent in --config has no status"
            ));
        }
        let namespaces: BTreeSet<_> = written
            .into_iter()
            .filter_map(|located| located.target().namespace)
            .filter(|namespace| !self.snapshot().namespaces.contains_key(*namespace))
            .collect();
        assumptions.extend(namespaces.into_iter().map(|namespace| {
            let environment = self.snapshot().environment_of_namespace(namespace, &self.policy);
            format!("namespace `{namespace}` has no labels and is {environment}: no file holds it")
        }));
        assumptions
    }
}
