//! What an agent signs when it makes an intent, and what is wrong with one that is not taken.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::MAX_AGE;
use crate::{
    agent_key::BadSignature,
    dsse::Signable,
    identity::Identity,
    plain::{excerpt, plain},
    resource_name::{InvalidResourceName, ResourceName},
    rotation::MAX_AHEAD,
    snapshot::Agent,
};

/// How many hex digits a nonce has.
const NONCE_DIGITS: usize = 32;

/// What an agent is about to do, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Statement {
    /// Who says so.
    #[serde(rename = "agentID")]
    pub agent: Identity,
    /// The uid of the namespace kube-system.
    #[serde(rename = "clusterID")]
    pub cluster_id: String,
    /// The namespace that the intent lives in.
    pub namespace: String,
    /// What it is about to do, in its own words or as an action: `object.deployments.apps.delete`.
    pub action: String,
    /// To what, as a resource name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// What it is about to delete, each as [`resource`](crate::binding::resource) writes it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deletes: Vec<String>,
    /// Why.
    pub reason: String,
    /// 128 bits that the agent chose, in hex.
    pub nonce: String,
    /// When it was signed.
    pub time: Timestamp,
}

/// A statement and the signature of its agent, in base64.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// What is said.
    pub statement: Statement,
    /// Who said it, proven.
    pub signature: String,
}

/// Why an intent is not taken: the field, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadIntent {
    /// By another than the one who makes it.
    #[error("spec.agentID: an intent of {0} is not yours to make")]
    OtherAgent(Identity),
    /// For another cluster.
    #[error("spec.clusterID: `{}` is not this cluster: sign for `{here}`", excerpt(.said))]
    OtherCluster {
        /// The cluster that it names.
        said: String,
        /// This one.
        here: String,
    },
    /// No nonce.
    #[error("spec.nonce: `{}` is not {NONCE_DIGITS} lower-case hex digits", excerpt(.0))]
    Nonce(String),
    /// A name under which it could be made again.
    #[error("metadata.name: `{}` is not the name of an intent of this nonce: call it `{expected}`", excerpt(.said))]
    Name {
        /// Its name.
        said: String,
        /// The one that it must have.
        expected: String,
    },
    /// A text that deceives who reads it.
    #[error("{field}: `{}` holds characters that a reader does not see or that a terminal obeys", excerpt(.text))]
    Deceptive {
        /// The field.
        field: &'static str,
        /// The text.
        text: String,
    },
    /// A text that says nothing.
    #[error("{0}: it says nothing")]
    Empty(&'static str),
    /// No resource.
    #[error("{field}: {problem}")]
    Resource {
        /// The field.
        field: String,
        /// What is wrong with it.
        problem: InvalidResourceName,
    },
    /// A resource that is elsewhere.
    #[error("{field}: an intent about `{resource}` belongs in namespace `{home}`, not in `{namespace}`")]
    OtherNamespace {
        /// The field.
        field: String,
        /// The resource.
        resource: String,
        /// Where the intent belongs.
        home: String,
        /// Where it is.
        namespace: String,
    },
    /// A resource that is not called so.
    #[error("{field}: `{resource}` is called `{expected}`")]
    OtherResource {
        /// The field.
        field: String,
        /// The resource as it is named.
        resource: String,
        /// What it is called.
        expected: String,
    },
    /// The agent signs nothing.
    #[error("spec.signature: {0} signs nothing: an admin gives its Agent a publicKey, and signing: Required")]
    NoKey(Identity),
    /// Signed too long ago.
    #[error("spec.time: it was signed {} seconds ago, and {} are the most: sign it anew", .0.as_secs(), MAX_AGE.as_secs())]
    Stale(SignedDuration),
    /// Signed in the future.
    #[error("spec.time: it is {} seconds ahead of the operator's clock: set the clock that signs", .0.as_secs())]
    Early(SignedDuration),
    /// By the key that the agent had before.
    #[error("spec.signature: it is by {retired}, which {agent} no longer has: sign with {present}")]
    RetiredKey {
        /// Whose.
        agent: Identity,
        /// Fingerprint of the key that signed.
        retired: String,
        /// Fingerprint of the key that should have.
        present: String,
    },
    /// The signature proves nothing.
    #[error("spec.signature: {problem}: sign it with {present}, the key of {agent}")]
    Signature {
        /// What is wrong.
        problem: BadSignature,
        /// Whose.
        agent: Identity,
        /// Fingerprint of the key that should have signed.
        present: String,
    },
}

impl Signable for Statement {
    const PAYLOAD_TYPE: &'static str = "application/vnd.countersign.intent+json";
}

impl Statement {
    /// The only name of the object that may hold it.
    pub fn name(&self) -> String {
        format!("{}-{}", self.agent.local(), self.nonce)
    }

    /// Refuses what it says of itself, as far as that can be told without the cluster.
    pub fn check(&self, name: &str, cluster_id: &str) -> Result<(), BadIntent> {
        if self.cluster_id != cluster_id {
            return Err(BadIntent::OtherCluster {
                said: self.cluster_id.clone(),
                here: cluster_id.to_owned(),
            });
        }
        let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if self.nonce.len() != NONCE_DIGITS || !self.nonce.bytes().all(is_hex) {
            return Err(BadIntent::Nonce(self.nonce.clone()));
        }
        if self.name() != name {
            return Err(BadIntent::Name {
                said: name.to_owned(),
                expected: self.name(),
            });
        }
        harmless("spec.action", &self.action)?;
        harmless("spec.reason", &self.reason)
    }

    /// Everything that it names, each with its field.
    pub fn named(&self) -> impl Iterator<Item = (String, Result<ResourceName, BadIntent>)> {
        let resource = self
            .resource
            .iter()
            .map(|text| ("spec.resource".to_owned(), text));
        let deletes = self.deletes.iter().enumerate();
        let deletes = deletes.map(|(at, text)| (format!("spec.deletes[{at}]"), text));
        resource.chain(deletes).map(|(field, text)| {
            let name = text.parse().map_err(|problem| BadIntent::Resource {
                field: field.clone(),
                problem,
            });
            (field, name)
        })
    }
}

impl Signed {
    /// Refuses it unless `agent` signed it with its present key, a moment ago.
    pub fn check(&self, agent: &Agent, now: Timestamp) -> Result<(), BadIntent> {
        let statement = &self.statement;
        let identity = || agent.identity.clone();
        let key = agent.key.filter(|_| agent.signs);
        let key = key.ok_or_else(|| BadIntent::NoKey(identity()))?;
        let age = now.duration_since(statement.time);
        if age > MAX_AGE {
            return Err(BadIntent::Stale(age));
        }
        if -age > MAX_AHEAD {
            return Err(BadIntent::Early(-age));
        }
        let Err(problem) = key.verify(statement, &self.signature) else {
            return Ok(());
        };
        let retired = agent.rotation.as_ref().map(|rotation| rotation.previous);
        let retired = retired.filter(|retired| retired.verify(statement, &self.signature).is_ok());
        Err(match retired {
            Some(retired) => BadIntent::RetiredKey {
                agent: identity(),
                retired: retired.fingerprint(),
                present: key.fingerprint(),
            },
            None => BadIntent::Signature {
                problem,
                agent: identity(),
                present: key.fingerprint(),
            },
        })
    }
}

fn harmless(field: &'static str, text: &str) -> Result<(), BadIntent> {
    if text.trim().is_empty() {
        return Err(BadIntent::Empty(field));
    }
    if plain(text) == text {
        return Ok(());
    }
    Err(BadIntent::Deceptive {
        field,
        text: text.to_owned(),
    })
}

#[cfg(test)]
mod tests;
