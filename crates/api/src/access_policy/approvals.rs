//! How tickets live, who reviews them, and what an emergency opens.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    approval_review::ProofType,
    duration::{DURATION_PATTERN, MAX_DURATION},
};

/// How tickets live and who reviews them.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase", default = "Approvals::shipped")]
pub struct Approvals {
    /// How long a ticket waits for its reviews, and how long a denied change is not asked for again: a duration
    /// such as `24h` (the default) or `90m`, 1 minute to 720 hours.
    #[serde(rename = "pendingTTL")]
    #[schemars(length(min = 2, max = MAX_DURATION), regex(pattern = DURATION_PATTERN))]
    #[x_kube(validation = Rule::new(
        "duration(self) >= duration('1m') && duration(self) <= duration('720h')"
    ).message("pendingTTL is 1m to 720h"))]
    pub pending_ttl: String,

    /// How long an approved change may be made: a duration such as `15m` (the default), 1 minute to 24 hours.
    #[serde(rename = "approvedTTL")]
    #[schemars(length(min = 2, max = MAX_DURATION), regex(pattern = DURATION_PATTERN))]
    #[x_kube(validation = Rule::new(
        "duration(self) >= duration('1m') && duration(self) <= duration('24h')"
    ).message("approvedTTL is 1m to 24h"))]
    pub approved_ttl: String,

    /// Whether a refused write makes the ticket that would open it. Default: true. When false, tickets are made
    /// by hand (`kubectl countersign request`).
    pub mint_on_denial: bool,

    /// How many tickets of one subject may wait in one namespace, 1 to 1000; beyond it writes are refused
    /// without a ticket. Default: 50.
    #[schemars(range(min = 1, max = 1000))]
    pub max_pending: u32,

    /// For how long after an approved change its subject may undo exactly that, once, without another approval: put
    /// the replaced values back, or delete the object that it made, as it was made. A duration, 1 minute to 24
    /// hours. Never when absent (the default). Deletions and connections cannot be undone so, and what permits never.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = MAX_DURATION), regex(pattern = DURATION_PATTERN))]
    #[x_kube(validation = Rule::new(
        "duration(self) >= duration('1m') && duration(self) <= duration('24h')"
    ).message("rollbackWindow is 1m to 24h"))]
    pub rollback_window: Option<String>,

    /// How long finished tickets, their reviews and tasks are kept in the cluster: a duration such as `168h` (the
    /// default), 1 hour to 8760 hours; a denied ticket for `pendingTTL` and a used one for `rollbackWindow` where that
    /// is longer. Tickets that ended before anybody reviewed them are kept for ten minutes. The audit log tells of
    /// them all for ever.
    #[schemars(length(min = 2, max = MAX_DURATION), regex(pattern = DURATION_PATTERN))]
    #[x_kube(validation = Rule::new(
        "duration(self) >= duration('1h') && duration(self) <= duration('8760h')"
    ).message("retention is 1h to 8760h"))]
    pub retention: String,

    /// Whether the owner of an agent counts as a reviewer of the agent's changes. Default: false.
    pub agent_owner_may_review: bool,

    /// The weakest proof of a reviewer's identity that counts in prod: `Kubernetes` (the default), the API
    /// server's authentication, or `SSH`, a signature with a key that `directory.sshKeys` lists for the
    /// reviewer. It is asked for when somebody approves and again when the ticket is used; whoever says no
    /// need not sign. List the keys of two admins before you ask for it: they alone can change it back.
    pub required_proof: ProofType,

    /// How fresh and how strong the authentication of a reviewer must be. Anyhow when absent (the default). Not
    /// supported yet: a policy that asks for it is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step_up: Option<StepUp>,
}

impl Approvals {
    fn shipped() -> Self {
        Self {
            pending_ttl: "24h".to_owned(),
            approved_ttl: "15m".to_owned(),
            mint_on_denial: true,
            max_pending: 50,
            rollback_window: None,
            retention: "168h".to_owned(),
            agent_owner_may_review: false,
            required_proof: ProofType::Kubernetes,
            step_up: None,
        }
    }
}

impl Default for Approvals {
    fn default() -> Self {
        Self::shipped()
    }
}

/// How fresh and how strong an authentication must be.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(
    "has(self.maxAge) || (has(self.acrValues) && size(self.acrValues) > 0)"
).message("stepUp needs at least one of maxAge and acrValues"))]
pub struct StepUp {
    /// How old the authentication may be at most: a duration such as `10m`, 1 minute to 24 hours. Any age when
    /// absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = MAX_DURATION), regex(pattern = DURATION_PATTERN))]
    #[x_kube(validation = Rule::new(
        "duration(self) >= duration('1m') && duration(self) <= duration('24h')"
    ).message("maxAge is 1m to 24h"))]
    pub max_age: Option<String>,

    /// The authentication context classes (`acr` of OpenID Connect) of which one is needed. Any when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 256)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub acr_values: Vec<String>,
}

/// What a break-glass window opens, and for how long at most.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default = "BreakGlassPolicy::shipped")]
pub struct BreakGlassPolicy {
    /// Whose writes a window lets pass. `Opener` (the default): those of the person who opened it. `Everyone`:
    /// those of every person. Never those of agents.
    pub scope: BreakGlassScope,

    /// How long a window may last at most: a duration such as `2h` (the default), 1 minute to 24 hours.
    #[schemars(length(min = 2, max = MAX_DURATION), regex(pattern = DURATION_PATTERN))]
    #[x_kube(validation = Rule::new(
        "duration(self) >= duration('1m') && duration(self) <= duration('24h')"
    ).message("maxDuration is 1m to 24h"))]
    pub max_duration: String,
}

impl BreakGlassPolicy {
    fn shipped() -> Self {
        Self {
            scope: BreakGlassScope::Opener,
            max_duration: "2h".to_owned(),
        }
    }
}

impl Default for BreakGlassPolicy {
    fn default() -> Self {
        Self::shipped()
    }
}

/// Whose writes a break-glass window lets pass.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BreakGlassScope {
    /// Those of who opened it.
    #[default]
    Opener,
    /// Those of every person.
    Everyone,
}
