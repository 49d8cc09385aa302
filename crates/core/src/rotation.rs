//! Rotations: that an agent changes its key is signed by the key that it had.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    agent_key::{AgentKey, BadSignature},
    dsse::Signable,
    identity::Identity,
};

/// How far ahead of the operator's clock a statement may be signed.
pub const MAX_AHEAD: SignedDuration = SignedDuration::from_mins(1);

/// What is signed when a key is changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Statement {
    /// Whose key it is.
    #[serde(rename = "agentID")]
    pub agent: Identity,
    /// The uid of the namespace kube-system.
    #[serde(rename = "clusterID")]
    pub cluster_id: String,
    /// The key that signs, and that is no longer used.
    pub previous_key: String,
    /// The key that is used from then on.
    pub public_key: String,
    /// When it was signed.
    pub time: Timestamp,
}

impl Signable for Statement {
    const PAYLOAD_TYPE: &'static str = "application/vnd.countersign.key-rotation+json";
}

/// The last change of an agent's key, as its Agent shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// The key that the agent had.
    pub previous: AgentKey,
    /// When it was signed.
    pub time: Timestamp,
    /// Base64 of the signature by that key.
    pub signature: Arc<str>,
}

impl Rotation {
    /// What has to be signed.
    pub fn statement(&self, agent: &Identity, cluster_id: &str, key: &AgentKey) -> Statement {
        Statement {
            agent: agent.clone(),
            cluster_id: cluster_id.to_owned(),
            previous_key: self.previous.to_string(),
            public_key: key.to_string(),
            time: self.time,
        }
    }

    /// Proves that the previous key gives way to `key`.
    pub fn verify(&self, agent: &Identity, cluster_id: &str, key: &AgentKey) -> Result<(), BadSignature> {
        self.previous
            .verify(&self.statement(agent, cluster_id, key), &self.signature)
    }
}
