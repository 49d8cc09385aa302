//! `environments[]`: where an environment lies, and how it is enforced.

use std::collections::BTreeMap;

use countersign_core::environment::Environment;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::StepUp;
use crate::schema;

/// One environment: where it lies and how it is enforced.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.name != 'prod' || self.failurePolicy != 'Ignore'").message(
    "failurePolicy of prod is Fail: otherwise a stopped operator would let every change pass"
))]
pub struct EnvironmentRule {
    /// Which environment: `dev`, `test`, `preview` or `prod`.
    #[schemars(schema_with = "schema::environment")]
    pub name: Environment,

    /// Which namespaces belong to it when they have no label `countersign.dev/environment`, and whether
    /// cluster-scoped objects do. Nothing when absent.
    #[serde(default)]
    pub selection: Selection,

    /// What happens to a violation there while strict mode is on. `Enforce`: it is blocked. `Warn`: it is
    /// allowed with a warning and a record. Default: `Enforce` for `prod` and `preview`, `Warn` for `dev` and
    /// `test`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enforcement: Option<Enforcement>,

    /// What the API server does with writes there while the operator does not answer and strict mode is on.
    /// `Fail` (the default): it refuses them. `Ignore`: it lets them pass, in namespaces that carry the label
    /// `countersign.dev/environment` with this environment, sealed or not. Always `Fail` for `prod`.
    #[serde(default)]
    pub failure_policy: FailurePolicy,

    /// How fresh and how strong the authentication of a reviewer must be for changes there. Default: what
    /// `approvals.stepUp` says. Not supported yet: a policy that asks for it is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_up: Option<StepUp>,
}

/// What belongs to an environment.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Selection {
    /// Namespaces by exact name, without wildcards.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 256),
        inner(length(min = 1, max = schema::MAX_LABEL), regex(pattern = schema::PLURAL))
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub namespaces: Vec<String>,

    /// Namespaces by their labels, which must all be there with exactly these values; they are selected beside
    /// those in `namespaces`. Selects none when empty.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::match_labels")]
    pub match_labels: BTreeMap<String, String>,

    /// Whether cluster-scoped objects, other than Namespaces, belong to this environment. Default: false. They
    /// are `prod` when no entry says so; when several do, the first wins.
    #[serde(default)]
    pub cluster_scoped: bool,
}

/// What happens to a violation in strict mode.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enforcement {
    /// It is blocked.
    Enforce,
    /// It is allowed with a warning and a record.
    Warn,
}

/// What the API server does while the operator does not answer.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FailurePolicy {
    /// It refuses writes.
    #[default]
    Fail,
    /// It lets them pass.
    Ignore,
}
