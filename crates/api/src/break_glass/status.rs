//! What the operator observed of a window of break-glass.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{condition, schema};

/// How many relaxed writes a status lists.
pub const MAX_WRITES: usize = 200;

/// Whether a window is open.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowState {
    /// It is.
    Open,
    /// It is over: its time, or ended early.
    Ended,
}

/// What the operator observed of the window.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct BreakGlassStatus {
    /// The `metadata.generation` that this status describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// `Ready` is True where the window bears the operator's stamp; `Reviewed` is False until an admin other than the
    /// opener has reviewed what was done in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "condition::schema")]
    pub conditions: Vec<Condition>,

    /// `Open` or `Ended`. The operator goes by the time and not by this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<WindowState>,

    /// When the window is over by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,

    /// How many writes the window let pass, as far as they were told here: the audit log has them all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 1_000_000_000))]
    pub relaxed_writes: Option<u32>,

    /// The first 200 of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MAX_WRITES))]
    pub writes: Vec<RelaxedWrite>,
}

/// One write that a window let pass.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct RelaxedWrite {
    /// When.
    pub time: Time,
    /// The username of who made it.
    #[schemars(length(max = 1024))]
    pub by: String,
    /// `Create`, `Update`, `Delete` or `Connect`.
    #[schemars(schema_with = "schema::operation")]
    pub operation: String,
    /// The object: `<namespace>/<resource>.<group>/<name>`.
    #[schemars(length(max = 1024))]
    pub object: String,
    /// The reason for which it would have been denied.
    #[schemars(length(max = 63))]
    pub reason: String,
}
