//! Task: what became of an approved change once it was made.

use countersign_core::request::Operation;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{approval_review::TicketRef, approval_ticket::Target, condition, schema};

/// Which ticket was used, and what was changed.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "countersign.dev",
    version = "v1alpha1",
    kind = "Task",
    namespaced,
    status = "TaskStatus",
    derive = "PartialEq",
    doc = "A Task tells what became of an approved change once it was made: whether the workload that was changed \
           came up, and how far it is. The operator opens one when a ticket is used, and it leaves with its ticket. \
           It is a record and never an approval: nothing is allowed because of it.",
    shortname = "cstk",
    category = "countersign",
    selectable = ".spec.ticketRef.name",
    selectable = ".spec.ticketRef.uid",
    selectable = ".spec.batch",
    selectable = ".status.state",
    printcolumn(name = "State", type_ = "string", json_path = ".status.state"),
    printcolumn(name = "Operation", type_ = "string", json_path = ".spec.operation"),
    printcolumn(name = "Kind", type_ = "string", json_path = ".spec.target.kind"),
    printcolumn(name = "Object", type_ = "string", json_path = ".spec.target.name"),
    printcolumn(name = "Progress", type_ = "string", json_path = ".status.progress"),
    printcolumn(
        name = "Ticket",
        type_ = "string",
        json_path = ".spec.ticketRef.name",
        priority = 1
    ),
    printcolumn(name = "Result", type_ = "string", json_path = ".status.result", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self == oldSelf").message("what a task is about never changes"))]
pub struct TaskSpec {
    /// The ticket that was used, beside this task.
    pub ticket_ref: TicketRef,

    /// The batch that the ticket belongs to, so that the tasks of one rollout can be listed together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = schema::MAX_NAME))]
    pub batch: Option<String>,

    /// What was done: `Create`, `Update`, `Delete` or `Connect`.
    #[schemars(schema_with = "schema::operation")]
    pub operation: Operation,

    /// The object that was changed, with its uid.
    pub target: Target,
}

/// What the operator observed since.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct TaskStatus {
    /// `Running`: the workload is not what was asked for yet. `Succeeded`: it is; of what is no workload, the change
    /// was stored. `Failed`: its controller gave up. `Unknown`: nobody can tell, such as where the operator may not
    /// read the object, or where it is gone. The last three are final.
    #[serde(default)]
    pub state: TaskState,

    /// The `metadata.generation` that this status describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// `Ready` is True once the task succeeded; `Reconciling` is True while it runs, and `Stalled` when it failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "condition::schema")]
    pub conditions: Vec<Condition>,

    /// How far it is, in a few words: `2 of 3 replicas are available`. What was said last stays when it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub progress: Option<String>,

    /// How it ended, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub result: Option<String>,

    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
}

/// Where a task is.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TaskState {
    /// The workload is on its way.
    #[default]
    Running,
    /// It is what was asked for.
    Succeeded,
    /// Its controller gave up.
    Failed,
    /// Nobody can tell.
    Unknown,
}

impl TaskState {
    /// The word that `status.state` shows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Unknown => "Unknown",
        }
    }
}
