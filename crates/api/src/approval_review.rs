//! ApprovalReview: one person's word on one ticket.

use countersign_core::review::{Proof, Review, ReviewDecision};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    condition,
    invalid::{Invalid, Kinds, Problem, name, required},
    schema,
};

/// Which ticket, which content, which decision, and whose.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "countersign.dev",
    version = "v1alpha1",
    kind = "ApprovalReview",
    namespaced,
    status = "ApprovalReviewStatus",
    derive = "PartialEq",
    doc = "An ApprovalReview is one person's decision about one ApprovalTicket, in the same namespace. It is \
           made once and never changed. `kubectl countersign approve` shows the change and makes it.",
    shortname = "csrv",
    category = "countersign",
    selectable = ".spec.ticketRef.name",
    selectable = ".spec.ticketRef.uid",
    selectable = ".spec.reviewer",
    selectable = ".spec.decision",
    printcolumn(name = "Ticket", type_ = "string", json_path = ".spec.ticketRef.name"),
    printcolumn(name = "Decision", type_ = "string", json_path = ".spec.decision"),
    printcolumn(name = "Reviewer", type_ = "string", json_path = ".spec.reviewer"),
    printcolumn(
        name = "Counted",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Counted\")].status"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Counted\")].reason",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self == oldSelf").message("a review is immutable: make another review"))]
pub struct ApprovalReviewSpec {
    /// The ticket that is reviewed, beside this review.
    pub ticket_ref: TicketRef,

    /// The ticket's `spec.bindingHash` as the reviewer saw it (`sha256:` and 64 hex digits): a review of other
    /// content is refused.
    #[schemars(length(max = schema::MAX_DIGEST), regex(pattern = schema::DIGEST))]
    pub binding_hash: String,

    /// `Approve` or `Deny`, by an eligible reviewer while the ticket is pending; one Deny refuses the ticket for
    /// good. `Revoke`, by an eligible reviewer, takes back an approval that was not yet used. `Cancel`, by the
    /// ticket's subject or requester, withdraws the request.
    #[schemars(schema_with = "schema::review_decision")]
    pub decision: ReviewDecision,

    /// Why, for whoever asked and for the audit log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = schema::MAX_REASON))]
    pub reason: Option<String>,

    /// Who decided. Leave it out: the operator sets it from the authenticated request and overwrites what was
    /// sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = schema::MAX_IDENTITY), regex(pattern = schema::USER_OR_AGENT))]
    pub reviewer: Option<String>,

    /// How the reviewer is known. Default: `type: Kubernetes`.
    #[serde(default)]
    pub proof: ReviewProof,

    /// The operator's proof that it set `reviewer` and saw this decision. Leave it out; without a valid stamp a
    /// review does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = schema::MAX_MAC))]
    pub stamp: Option<String>,
}

/// One ApprovalTicket, and no other of the same name.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct TicketRef {
    /// The ticket's name, in the review's namespace.
    #[schemars(length(min = 1, max = schema::MAX_NAME), regex(pattern = schema::DNS_NAME))]
    pub name: String,
    /// The ticket's `metadata.uid`.
    #[schemars(length(min = 1, max = schema::MAX_UID))]
    pub uid: String,
}

/// How a reviewer is known.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(
    "self.type == 'SSH' ? has(self.signature) && has(self.keyFingerprint) \
     : !has(self.signature) && !has(self.keyFingerprint)"
).message("signature and keyFingerprint belong to a proof of type SSH, which needs both"))]
pub struct ReviewProof {
    /// `Kubernetes` (the default): by the API server's authentication, which whoever may impersonate can forge.
    /// `SSH`: as well by a signature with a key that the AccessPolicy's `directory.sshKeys` lists for the reviewer
    /// (`kubectl countersign approve --ssh-key`).
    #[serde(rename = "type", default)]
    pub type_: ProofType,

    /// The signature, as `ssh-keygen -Y sign -n review@countersign.dev` writes it, over six lines:
    /// `countersign.dev/review/v1`, `cluster <uid>`, `ticket <uid>`, `binding <bindingHash>`,
    /// `decision <decision>` and `reviewer <identity>`, each with a line feed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8192))]
    pub signature: Option<String>,

    /// The fingerprint of the key that signed, as `ssh-keygen -l` writes it (`SHA256:` and 43 characters).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 50), regex(pattern = "^SHA256:[A-Za-z0-9+/]{43}$"))]
    pub key_fingerprint: Option<String>,
}

/// The kind of proof that a reviewer is who it is, weakest first.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProofType {
    /// The API server said so.
    #[default]
    Kubernetes,
    /// A key of the directory signed.
    SSH,
}

impl ReviewProof {
    /// A proof by this signature.
    pub const fn ssh(signature: String, fingerprint: String) -> Self {
        Self {
            type_: ProofType::SSH,
            signature: Some(signature),
            key_fingerprint: Some(fingerprint),
        }
    }

    fn parse(&self) -> Result<Proof, Invalid> {
        Ok(match self.type_ {
            ProofType::Kubernetes => Proof::Kubernetes,
            ProofType::SSH => Proof::Ssh {
                signature: required("spec.proof.signature", self.signature.as_ref())?.into(),
                fingerprint: required("spec.proof.keyFingerprint", self.key_fingerprint.as_ref())?.into(),
            },
        })
    }
}

impl From<&Proof> for ProofType {
    fn from(proof: &Proof) -> Self {
        match proof {
            Proof::Kubernetes => Self::Kubernetes,
            Proof::Ssh { .. } => Self::SSH,
        }
    }
}

/// What the operator observed of the review.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalReviewStatus {
    /// The `metadata.generation` that this status describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// `Counted` tells whether the review had its effect on the ticket, with a reason when it had none
    /// (`NotEligible`, `BadProof`, `ForeignMutator`, `TicketFinished`, `TicketGone`, `BadStamp`); `Ready` is True once
    /// the operator has dealt with the review.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "condition::schema")]
    pub conditions: Vec<Condition>,
}

/// The review, compiled; its stamp is still to be verified.
pub fn parse(object: &ApprovalReview) -> Result<Review, Invalid> {
    let (meta, spec) = (&object.metadata, &object.spec);
    let proof = spec.proof.parse()?;
    let hash = spec.binding_hash.parse();
    let binding_hash = hash.map_err(|error| Problem::Digest(error).at("spec.bindingHash"))?;
    let reviewer = required("spec.reviewer", spec.reviewer.as_ref())?;
    let created = meta.creation_timestamp.as_ref();
    Ok(Review {
        name: name(meta)?,
        uid: required("metadata.uid", meta.uid.as_ref())?.into(),
        ticket_uid: spec.ticket_ref.uid.as_str().into(),
        binding_hash,
        reviewer: Kinds::USER_OR_AGENT
            .parse(reviewer)
            .map_err(|problem| problem.at("spec.reviewer"))?,
        decision: spec.decision,
        created: created
            .ok_or_else(|| Problem::Missing.at("metadata.creationTimestamp"))?
            .0,
        proof,
    })
}
