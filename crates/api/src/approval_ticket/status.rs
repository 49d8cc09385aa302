//! The state of a ticket: written by the operator alone.

use countersign_core::review::ReviewDecision;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, MicroTime, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{approval_review::ProofType, condition, schema};

/// The state of the ticket; only the operator writes it.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalTicketStatus {
    /// Where the ticket is. `Pending`: it waits for reviews. `Approved`: its change may be made once, until
    /// `usableUntil`. `Claimed`: a write uses it right now. `Consumed`: it was used. `Denied`: a reviewer refused
    /// it. `Expired`: nobody approved or used it in time. `Cancelled`: who asked withdrew it. `Superseded`: a
    /// newer ticket took its place. `Revoked`: an approval was taken back. `Indeterminate`: a write was let
    /// through and nobody can tell whether it was stored. The last seven are final.
    #[serde(default)]
    pub state: TicketState,

    /// The `metadata.generation` that this status describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// `Approved`, `Denied` and `Consumed` say so for `kubectl wait`; `Ready` is True while the change may be
    /// made; `RolledBack` is there once the change was undone without another approval.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "condition::schema")]
    pub conditions: Vec<Condition>,

    /// How many people must approve, 1 to 20; it is computed anew when the ticket is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 20))]
    pub required_reviews: Option<u32>,

    /// How many people approved so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 64))]
    pub approvals: Option<u32>,

    /// Whether somebody asked to deny, revoke or cancel it. `true` is written before the review is stored, and never
    /// taken back. Unless it is `false`, whoever uses the ticket reads its reviews once more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contested: Option<bool>,

    /// The reviews that counted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["uid".into()]))]
    pub reviews: Vec<CountedReview>,

    /// Until when the ticket waits for reviews, as an RFC 3339 time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_until: Option<Time>,

    /// When the last review that was needed approved it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_at: Option<Time>,

    /// Until when the approved change may be made, as an RFC 3339 time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usable_until: Option<Time>,

    /// The write that uses the ticket, or used it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<Claim>,

    /// The write that undid the change without another approval, within `rollbackWindow` of the AccessPolicy. There is
    /// one at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<Claim>,

    /// When the change was found stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumed_at: Option<Time>,

    /// When the ticket came to its end. It is kept for `retention` of the AccessPolicy from then on, and for ten
    /// minutes if nobody but who asked for it had a say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,

    /// How the ticket came to its end, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub resolution: Option<String>,

    /// The name of the Task that tells what became of the change since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = schema::MAX_NAME))]
    pub task: Option<String>,

    /// The name of the newer ticket that took this one's place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = schema::MAX_NAME))]
    pub superseded_by: Option<String>,

    /// How many steps led to this state: each one more than the one before. Whoever knows of a later one knows that
    /// the status was set back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 1_000_000))]
    pub steps: Option<u32>,

    /// The operator's proof that it wrote this state after so many steps; without it the ticket opens nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = schema::MAX_MAC))]
    pub seal: Option<String>,
}

/// Where a ticket is in its life.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TicketState {
    /// It waits for reviews.
    #[default]
    Pending,
    /// It may be used once.
    Approved,
    /// A reviewer refused it.
    Denied,
    /// Nobody approved or used it in time.
    Expired,
    /// Who asked withdrew it.
    Cancelled,
    /// A newer ticket took its place.
    Superseded,
    /// A write uses it.
    Claimed,
    /// It was used.
    Consumed,
    /// Its approval was taken back.
    Revoked,
    /// A write was let through, and nobody can tell whether it was stored.
    Indeterminate,
}

/// A review that had its effect on the ticket.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct CountedReview {
    /// Who decided.
    #[schemars(length(max = schema::MAX_IDENTITY))]
    pub reviewer: String,
    /// What was decided.
    #[schemars(schema_with = "schema::review_decision")]
    pub decision: ReviewDecision,
    /// The name of the ApprovalReview.
    #[schemars(length(max = schema::MAX_NAME))]
    pub name: String,
    /// The uid of the ApprovalReview.
    #[schemars(length(max = schema::MAX_UID))]
    pub uid: String,
    /// When the review was made.
    pub time: Time,
    /// How the reviewer was known: `Kubernetes` or `SSH`.
    #[serde(default)]
    pub proof: ProofType,
}

/// The reservation of a ticket by one write.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Claim {
    /// The digest of ticket, subject, operation, object and effective change: only a repetition of the very
    /// same write passes again.
    #[schemars(length(max = schema::MAX_DIGEST), regex(pattern = schema::DIGEST))]
    pub bind: String,
    /// When the write passed first.
    pub claimed_at: MicroTime,
    /// Until when a repetition of the write passes, as an RFC 3339 time; afterwards the operator finds out
    /// whether it was stored.
    pub deadline: MicroTime,
    /// The uid of the admission call that passed first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = schema::MAX_UID))]
    pub uid: Option<String>,
    /// The uid of the object that the write creates: by it the operator knows the object when it is stored.
    #[serde(rename = "objectUID", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = schema::MAX_UID))]
    pub object_uid: Option<String>,
    /// The `resourceVersion` of the object before the write: from there the operator watches for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = schema::MAX_UID))]
    pub old_resource_version: Option<String>,
    /// Whether a connection was made again by a client that had to fall back to another protocol. Default:
    /// false.
    #[serde(default)]
    pub resent: bool,
    /// The replica that answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = schema::MAX_NAME))]
    pub replica: Option<String>,
    /// Set when the ticket ended while it was claimed (`Denied`, `Revoked`, `Cancelled` or `Expired`): no further
    /// repetition passes, and this is its state if the write turns out not to be stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<ClaimStop>,
}

/// Why no further pass of a claimed ticket is admitted.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimStop {
    /// A reviewer refused it after all.
    Denied,
    /// A reviewer took the approval back.
    Revoked,
    /// Who asked withdrew it.
    Cancelled,
    /// Its time was over.
    Expired,
}
