//! Agent: an autonomous actor, the accounts it acts with, and the human who answers for it.

use countersign_core::{
    agent_key::AgentKey,
    identity::Identity,
    own::{AgentDraft, FormerKey},
    role::Role,
    rotation::Rotation,
    snapshot::{self, Impersonation},
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    condition,
    invalid::{Invalid, Kinds, Problem, name, required, signed_time},
    schema,
};

/// `ed25519:` and the base64 of a SubjectPublicKeyInfo: 12 fixed bytes, then the 32 of the key.
pub(crate) const PUBLIC_KEY: &str = "^ed25519:MCowBQYDK2VwAyEA[A-Za-z0-9+/]{43}=$";

/// Who the agent is and who answers for it.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "countersign.dev",
    version = "v1alpha1",
    kind = "Agent",
    status = "AgentStatus",
    derive = "PartialEq",
    doc = "An Agent is the identity `agent:<metadata.name>`: an autonomous actor, such as an AI agent or a GitOps \
           controller, with its own key, its own role and a human owner who answers for it. A service account \
           that no Agent lists is unregistered, and its writes are refused.",
    shortname = "csa",
    category = "countersign",
    selectable = ".spec.owner",
    selectable = ".spec.role",
    printcolumn(name = "Role", type_ = "string", json_path = ".spec.role"),
    printcolumn(name = "Owner", type_ = "string", json_path = ".spec.owner"),
    printcolumn(name = "Suspended", type_ = "boolean", json_path = ".spec.suspend"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason"
    ),
    printcolumn(name = "Pending", type_ = "integer", json_path = ".status.pending"),
    printcolumn(name = "Last-Used", type_ = "date", json_path = ".status.lastUsed"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.signing == 'NotSupported' || has(self.publicKey)").message(
    "publicKey is required unless signing is NotSupported"
))]
pub struct AgentSpec {
    /// The key that the agent signs its intents with: `ed25519:` and the base64 of the key in
    /// SubjectPublicKeyInfo form (`openssl pkey -pubout -outform DER | base64 -w0`). Required unless `signing`
    /// is `NotSupported`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 68), regex(pattern = PUBLIC_KEY))]
    pub public_key: Option<String>,

    /// How the agent came by `publicKey` when it had another key before: without it a changed key is refused.
    /// `kubectl countersign agent rotate` makes it. Who lost the key deletes the Agent and registers it anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<KeyRotation>,

    /// What the agent may do at most. `agent` (the default) writes in its zones and in public places, with more
    /// guardrails; `contributor` is for trusted automation such as a GitOps controller. An agent is never
    /// `admin`, and no team raises its role.
    #[serde(default = "agent")]
    #[schemars(schema_with = "schema::agent_role")]
    pub role: Role,

    /// The human who answers for the agent: a `user:` identity. Each record of what the agent does, and
    /// each Event of what it is denied, names the owner, who does not count as a reviewer of the agent's changes
    /// unless the AccessPolicy says so.
    #[schemars(length(max = schema::MAX_IDENTITY), regex(pattern = schema::USER))]
    pub owner: String,

    /// How many intents the agent may make in any minute, 1 to 6000, counted over all replicas. Default: 120.
    #[serde(default = "intents")]
    #[schemars(range(min = 1, max = 6000))]
    pub intents_per_minute: u32,

    /// The service accounts that act as this agent. Each account belongs to one agent at most. The operator pins
    /// the uid of each in `status.serviceAccounts`, so that an account which is deleted and made anew is a
    /// stranger until an admin edits the Agent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["namespace".into(), "name".into()]))]
    pub service_accounts: Vec<ServiceAccountRef>,

    /// Whether who impersonates one of the service accounts is the agent, too: `Refused` (the default) or `Accepted`,
    /// for a GitOps controller that impersonates by name alone, as Flux and Argo CD do. The API server does not tell
    /// who impersonates: accept it only where RBAC lets nobody else impersonate these accounts, the built-in
    /// ClusterRoles `edit` and `admin` included. Such a change needs one reviewer more.
    #[serde(default, skip_serializing_if = "is_refused")]
    #[schemars(schema_with = "schema::impersonation")]
    pub impersonation: Impersonation,

    /// Whether the agent signs its intents. `Required` (the default) or `NotSupported`, for a client that cannot
    /// sign; such an agent can never make the intents that delete-class writes need.
    #[serde(default)]
    pub signing: Signing,

    /// Set to true to refuse every write of the agent at once, without unregistering it. Default: false.
    #[serde(default)]
    pub suspend: bool,
}

/// The word of a key that it gives way to another.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct KeyRotation {
    /// The `publicKey` that the agent had.
    #[schemars(length(max = 68), regex(pattern = PUBLIC_KEY))]
    pub previous_key: String,

    /// When it was signed, in whole seconds and UTC (`2026-01-31T12:00:00Z`); each rotation is later than the last.
    #[schemars(length(min = 20, max = 20), regex(pattern = schema::SIGNED_TIME))]
    pub time: String,

    /// Base64 of the raw Ed25519 signature, with `previousKey`, over the DSSE pre-authentication encoding of
    /// `application/vnd.countersign.key-rotation+json` and the canonical JSON (RFC 8785) of `agentID`, `clusterID`,
    /// `previousKey`, `publicKey` and `time`.
    #[schemars(length(min = 88, max = 88), regex(pattern = schema::SIGNATURE))]
    pub signature: String,
}

impl KeyRotation {
    fn parse(&self) -> Result<Rotation, Invalid> {
        Ok(Rotation {
            previous: key_at("spec.rotation.previousKey", &self.previous_key)?,
            time: signed_time("spec.rotation.time", &self.time)?,
            signature: self.signature.as_str().into(),
        })
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_refused(impersonation: &Impersonation) -> bool {
    *impersonation == Impersonation::Refused
}

fn agent() -> Role {
    Role::Agent
}

const fn intents() -> u32 {
    120
}

/// Whether an agent signs its intents.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Signing {
    /// It does.
    #[default]
    Required,
    /// Its client cannot.
    NotSupported,
}

/// A service account by name.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct ServiceAccountRef {
    /// The namespace of the service account.
    #[schemars(length(max = schema::MAX_LABEL), regex(pattern = schema::PLURAL))]
    pub namespace: String,
    /// The name of the service account.
    #[schemars(length(max = schema::MAX_NAME), regex(pattern = schema::DNS_NAME))]
    pub name: String,
}

/// What the operator observed of the agent.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct AgentStatus {
    /// The `metadata.generation` that this status describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// `Ready` tells whether the agent may act; `Degraded` is there only while it may not, with a reason:
    /// `BadKey`, `UnknownOwner`, `KeyShared` (another Agent has the same key), `AccountMissing`, `AccountReplaced`,
    /// `AccountShared` (another Agent lists the same service account), `AccountDelegated` (a WriteDelegation is for
    /// it), `Invalid` or `Unsealed`. `Materialised` is there while `readAccess` of the
    /// AccessPolicy is `RBAC` and the agent is in force and not suspended: whether RBAC lets its accounts read
    /// what its role reads.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "condition::schema")]
    pub conditions: Vec<Condition>,

    /// The service accounts of the agent with the uid that the operator pinned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["namespace".into(), "name".into()]))]
    pub service_accounts: Vec<PinnedServiceAccount>,

    /// When the webhook last saw a request of the agent, to the minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used: Option<Time>,

    /// How many tickets of the agent wait for reviews.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 1_000_000))]
    pub pending: Option<u32>,

    /// The operator's proof that this generation passed admission. Without it the agent may not act.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = schema::MAX_MAC))]
    pub seal: Option<String>,
}

/// A service account and the uid that the operator saw when the Agent was admitted.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct PinnedServiceAccount {
    /// The namespace of the service account.
    #[schemars(length(max = schema::MAX_LABEL))]
    pub namespace: String,
    /// The name of the service account.
    #[schemars(length(max = schema::MAX_NAME))]
    pub name: String,
    /// The uid of the one service account that is the agent.
    #[schemars(length(max = schema::MAX_UID))]
    pub uid: String,
}

fn key_at(field: &str, text: &str) -> Result<AgentKey, Invalid> {
    let bad = |why| Problem::Key {
        value: text.to_owned(),
        why,
    };
    text.parse().map_err(|why| bad(why).at(field))
}

/// The agent as it would be, and the key that it has until then, if what is stored can be read.
pub fn draft(object: &Agent, stored: Option<&Agent>) -> Result<AgentDraft, Invalid> {
    let former = stored.and_then(|stored| {
        let spec = &stored.spec;
        let rotation = spec.rotation.as_ref();
        Some(FormerKey {
            key: spec.public_key.as_deref()?.parse().ok()?,
            rotated: rotation.and_then(|rotation| rotation.time.parse::<Timestamp>().ok()),
        })
    });
    Ok(AgentDraft {
        agent: parse(object)?,
        former,
    })
}

/// The agent, compiled, with the service account uids that the operator pinned.
pub fn parse(object: &Agent) -> Result<snapshot::Agent, Invalid> {
    let spec = &object.spec;
    let name = name(&object.metadata)?;
    let identity = Identity::agent(&name).map_err(|error| Problem::from(error).at("metadata.name"))?;
    if !matches!(spec.role, Role::Agent | Role::Contributor) {
        return Err(
            Problem::unexpected(spec.role.as_str(), "a role of an agent: use agent or contributor")
                .at("spec.role"),
        );
    }
    let signs = spec.signing == Signing::Required;
    if signs {
        required("spec.publicKey", spec.public_key.as_ref())?;
    }
    let key = spec
        .public_key
        .as_deref()
        .map(|key| key_at("spec.publicKey", key));
    let pinned = object
        .status
        .iter()
        .flat_map(|status| &status.service_accounts)
        .collect::<Vec<_>>();
    let account = |account: &ServiceAccountRef| snapshot::Account {
        namespace: account.namespace.as_str().into(),
        name: account.name.as_str().into(),
        uid: pinned
            .iter()
            .find(|pin| pin.namespace == account.namespace && pin.name == account.name)
            .map(|pin| pin.uid.as_str().into()),
    };
    Ok(snapshot::Agent {
        identity,
        role: spec.role,
        owner: Kinds::USER
            .parse(&spec.owner)
            .map_err(|problem| problem.at("spec.owner"))?,
        suspended: spec.suspend,
        key: key.transpose()?,
        signs,
        rotation: spec.rotation.as_ref().map(KeyRotation::parse).transpose()?,
        intents_per_minute: spec.intents_per_minute,
        accounts: spec.service_accounts.iter().map(account).collect(),
        impersonation: spec.impersonation,
        degraded: None,
    })
}
