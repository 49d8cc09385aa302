//! ApprovalTicket: one change, shown, hashed, reviewed and used once.

mod change;
mod parse;
mod state;
mod status;
#[cfg(test)]
mod tests;

use countersign_core::{
    environment::Environment,
    gitops::{Authorship, Tool},
    request::Operation,
};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    change::{ChangedPart, Side, digests, summary},
    parse::parse,
    status::{ApprovalTicketStatus, Claim, ClaimStop, CountedReview, TicketState},
};
use crate::schema;

/// The most parts that the change of one ticket may have.
pub const MAX_PARTS: usize = 4096;

/// What is bound, what changes, and who asks.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "countersign.dev",
    version = "v1alpha1",
    kind = "ApprovalTicket",
    namespaced,
    status = "ApprovalTicketStatus",
    derive = "PartialEq",
    doc = "An ApprovalTicket asks for approval of one change by one subject to one object. It is bound to the \
           change's content and can be used once. The operator makes one when it refuses a write that needs \
           approval; `kubectl countersign request` makes one beforehand. It lives in the namespace of the object \
           that it is about, or in the operator's when that one has none.",
    shortname = "cst",
    category = "countersign",
    selectable = ".spec.binding.subjectID",
    selectable = ".spec.binding.env",
    selectable = ".spec.binding.resource",
    selectable = ".spec.binding.resourceHash",
    selectable = ".spec.requester",
    selectable = ".spec.batch",
    selectable = ".status.state",
    printcolumn(name = "State", type_ = "string", json_path = ".status.state"),
    printcolumn(name = "Subject", type_ = "string", json_path = ".spec.binding.subjectID"),
    printcolumn(name = "Operation", type_ = "string", json_path = ".spec.binding.operation"),
    printcolumn(name = "Resource", type_ = "string", json_path = ".spec.binding.resource"),
    printcolumn(name = "Approvals", type_ = "integer", json_path = ".status.approvals"),
    printcolumn(name = "Needed", type_ = "integer", json_path = ".status.requiredReviews"),
    printcolumn(name = "Usable-Until", type_ = "string", json_path = ".status.usableUntil", priority = 1),
    printcolumn(name = "Pending-Until", type_ = "string", json_path = ".status.pendingUntil", priority = 1),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.resolution", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("!has(oldSelf.status) || has(self.status)").message(
        "the status of a ticket cannot be removed"
    ),
    validation = Rule::new(
        "!has(oldSelf.status) || !has(self.status) || self.status.state == oldSelf.status.state \
         || !(oldSelf.status.state in ['Denied', 'Expired', 'Cancelled', 'Superseded', 'Consumed', 'Revoked', \
         'Indeterminate'])"
    ).message("the state of a finished ticket is final"),
    validation = Rule::new(
        "!has(oldSelf.status) || !has(oldSelf.status.contested) || !oldSelf.status.contested \
         || (has(self.status) && has(self.status.contested) && self.status.contested)"
    ).message("a ticket that was contested stays so")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self == oldSelf").message("the spec of a ticket is immutable: request another"))]
pub struct ApprovalTicketSpec {
    /// What an approval holds for: exactly this, and nothing else.
    pub binding: Binding,

    /// `sha256:` over `countersign.dev/binding/v1`, a line feed, and the fields of `binding` as one canonical JSON
    /// object (RFC 8785) in which those of `target` are called `target.<field>`. Leave it out: the operator sets
    /// it and overwrites what was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = schema::MAX_DIGEST), regex(pattern = schema::DIGEST))]
    pub binding_hash: Option<String>,

    /// Who made the ticket: for one that the operator made at a denial, the denied subject. Leave it out: the
    /// operator sets it from the authenticated request and overwrites what was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = schema::MAX_IDENTITY), regex(pattern = schema::USER_OR_AGENT))]
    pub requester: Option<String>,

    /// The digest of the AccessPolicy under which the ticket was made. It is recorded, not bound: a ticket
    /// survives a change of the policy, and the decision is always made under the present one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = schema::MAX_DIGEST), regex(pattern = schema::DIGEST))]
    pub policy_digest: Option<String>,

    /// The change, part by part, sorted by pointer; `binding.resourceHash` is computed over exactly these. A
    /// ticket holds at most 128 KiB of values; beyond that parts are shown by their digests, and
    /// `kubectl countersign describe -f <manifest>` shows and verifies them. Empty for `Connect`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MAX_PARTS))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["pointer".into()]))]
    pub change: Vec<ChangedPart>,

    /// The parts that change but that `hashIgnore` of the AccessPolicy leaves out of the hash, as JSON pointers: what
    /// is written there is not bound.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 256),
        inner(length(max = schema::MAX_POINTER), regex(pattern = schema::POINTER))
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub ignored: Vec<String>,

    /// What changes in a sentence or two, when there is too much to show it all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub change_summary: Option<String>,

    /// What `binding.commandHash` is over, readable: container, arguments and streams of an exec, ports of a
    /// port-forward, the propagation policy and other options of a delete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16384))]
    pub command: Option<String>,

    /// Why the change is wanted, for the reviewers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = schema::MAX_REASON))]
    pub reason: Option<String>,

    /// Who wrote the change, when that is somebody else than the subject: the people of the verified revision
    /// that a GitOps controller applies. An author does not count as a reviewer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(length(max = schema::MAX_IDENTITY), regex(pattern = schema::USER_OR_AGENT))
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub authors: Vec<String>,

    /// How the authors are known. `Claimed` (the default): the subject wrote the change, or the requester names who
    /// did. `Verified`: the listed authors signed the revision that is delivered. `Unverified`: somebody wrote it whom
    /// nothing proves, so one reviewer more is needed. The operator alone says other than `Claimed`.
    #[serde(default, skip_serializing_if = "is_claimed")]
    #[schemars(schema_with = "schema::authorship")]
    pub authorship: Authorship,

    /// The GitOps object whose controller makes the change, where the subject proves that. The operator alone says
    /// so, and asks that controller to try again once the ticket is approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered_by: Option<DeliveredBy>,

    /// A name that tickets share which belong together, such as those of one rollout, so that they can be listed
    /// and reviewed together (`kubectl countersign approve --batch`): letters, digits and `. _ : / @ + -`. It grants
    /// nothing, and anybody may write it: what belongs together has one subject and one requester as well. While
    /// such tickets are being used, the others that were there when they were approved stay usable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = schema::MAX_NAME), regex(pattern = schema::BATCH))]
    pub batch: Option<String>,

    /// The operator's proof that it set `requester`, `bindingHash` and the nonce. Leave it out; without a valid
    /// stamp a ticket is refused or, if it slipped in, ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = schema::MAX_MAC))]
    pub stamp: Option<String>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_claimed(authorship: &Authorship) -> bool {
    *authorship == Authorship::Claimed
}

/// A GitOps object, and the revision that it delivers.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct DeliveredBy {
    /// `Kustomization` or `HelmRelease` of Flux, `Application` of Argo CD.
    #[schemars(schema_with = "schema::gitops_kind")]
    pub kind: Tool,
    /// Its namespace.
    #[schemars(length(min = 1, max = schema::MAX_LABEL), regex(pattern = schema::PLURAL))]
    pub namespace: String,
    /// Its name.
    #[schemars(length(min = 1, max = schema::MAX_NAME), regex(pattern = schema::DNS_NAME))]
    pub name: String,
    /// The revision that its controller tried last when the ticket was made, as it writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub revision: Option<String>,
}

/// What an approval holds for. All values are strings; what does not apply is left out.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Binding {
    /// The cluster: the uid of its namespace kube-system.
    #[serde(rename = "clusterID")]
    #[schemars(length(min = 1, max = schema::MAX_UID))]
    pub cluster_id: String,

    /// Who may make the change: a `user:` or `agent:` identity.
    #[serde(rename = "subjectID")]
    #[schemars(length(max = schema::MAX_IDENTITY), regex(pattern = schema::USER_OR_AGENT))]
    pub subject_id: String,

    /// The environment of the place: `dev`, `test`, `preview` or `prod`. A ticket is void when the place gets
    /// another one.
    #[schemars(schema_with = "schema::environment")]
    pub env: Environment,

    /// What is done, as `<domain>.<type>.<operation>`: `object.deployments.apps.update`.
    #[schemars(
        length(max = 400),
        regex(pattern = r"^[a-z][a-z0-9-]*(\.[a-z0-9][a-z0-9/-]*)+$")
    )]
    pub action: String,

    /// The object, as `<type>:<project>/<env>/<name>`: `deployments.apps:billing/prod/my-api`. The project is
    /// the namespace, or `@cluster`.
    #[schemars(
        length(max = 700),
        regex(
            pattern = r"^[a-z0-9][a-z0-9.-]*:(@cluster|[a-z0-9-]+)/(dev|test|preview|prod)/[^[:cntrl:]]+$"
        )
    )]
    pub resource: String,

    /// The object once more, field by field.
    pub target: Target,

    /// The operation as admission sees it: `Create`, `Update` (PUT, PATCH, apply), `Delete` or `Connect`.
    #[schemars(schema_with = "schema::operation")]
    pub operation: Operation,

    /// The digest of the change's new values (`sha256:` and 64 hex digits): the same for every client that asks
    /// for the same change.
    #[schemars(length(max = schema::MAX_DIGEST), regex(pattern = schema::DIGEST))]
    pub resource_hash: String,

    /// The digest of the values that the change replaces: when they change meanwhile, the ticket no longer fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = schema::MAX_DIGEST), regex(pattern = schema::DIGEST))]
    pub old_hash: Option<String>,

    /// The digest of the options of a connection or of a delete; `spec.command` shows what it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = schema::MAX_DIGEST), regex(pattern = schema::DIGEST))]
    pub command_hash: Option<String>,

    /// The zones that the change takes from their present owners, or lets an agent into, each as
    /// `<zone>/<generation> <owner>`; sorted. The ticket's action is `zone.claim` then, and each of these owners, or of
    /// a team one person, must be among those who approve it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 3, max = 700)))]
    pub zone_claims: Vec<String>,

    /// 128 random bits as 32 hex digits, so that no two tickets are alike. Leave it out: the operator sets it
    /// and overwrites what was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), regex(pattern = "^[0-9a-f]{32}$"))]
    pub nonce: Option<String>,
}

/// One object of the cluster.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// The API group, empty (the default) for the core group.
    #[serde(default)]
    #[schemars(length(max = schema::MAX_NAME), regex(pattern = schema::API_GROUP))]
    pub group: String,
    /// The API version of the request.
    #[schemars(length(min = 1, max = schema::MAX_LABEL), regex(pattern = schema::PLURAL))]
    pub version: String,
    /// The kind of what was sent: of a subresource the kind of its body, such as `Scale`.
    #[schemars(length(min = 1, max = schema::MAX_LABEL), regex(pattern = schema::KIND))]
    pub kind: String,
    /// The plural name of the resource.
    #[schemars(length(min = 1, max = schema::MAX_LABEL), regex(pattern = schema::PLURAL))]
    pub resource: String,
    /// The subresource, absent for the object itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = schema::MAX_LABEL), regex(pattern = "^[a-z0-9]([a-z0-9/-]*[a-z0-9])?$"))]
    pub subresource: Option<String>,
    /// The namespace, absent for a cluster-scoped object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = schema::MAX_LABEL), regex(pattern = schema::PLURAL))]
    pub namespace: Option<String>,
    /// The name: of some kinds, such as roles, it may hold spaces.
    #[schemars(length(min = 1, max = schema::MAX_NAME), regex(pattern = "^[^[:cntrl:]/]+$"))]
    pub name: String,
    /// The uid of the object, absent when it is yet to be created: an object that was deleted and made anew is
    /// another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = schema::MAX_UID))]
    pub uid: Option<String>,
}
