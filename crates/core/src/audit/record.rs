//! What one audit record says: who did, asked or changed what, when, and by which line of configuration.
//!
//! A record outlives the program that wrote it. So it holds words and digests and none of the program's own
//! types of decision; its numbers fit a double, since RFC 8785 knows no others.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{digest::Digest, environment::Environment, identity::Identity, intent, rotation, seal::Content};

/// A word of a closed vocabulary: a reason, a state, an operation; as messages and objects write it.
pub type Word = Cow<'static, str>;

/// One event and when it happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// When the writer saw it, by its own clock.
    pub time: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// Everything that is recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum Event {
    /// A guarded write was judged.
    Decision(Box<Decision>),
    /// A permission object was created, changed or deleted.
    PermissionChange(Box<PermissionChange>),
    /// An agent has another key, and the one that it had says so.
    KeyRotation(Box<KeyRotation>),
    /// A ticket went from one state to another.
    TicketTransition(TicketTransition),
    /// Somebody reviewed a ticket.
    Review(Review),
    /// A window of break-glass was seen open, over, or reviewed.
    BreakGlass(BreakGlass),
    /// The permission state in force was replaced as a whole: at start, or by a new list of a kind.
    Reload(Reload),
    /// The operator's webhook configuration was changed by somebody else.
    WebhookConfiguration(WebhookConfiguration),
    /// The writer opened its log.
    Opened(Opened),
}

/// What the rules said of a write. Without `relaxation` the verdict is what the API server was told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// What the rules said.
    pub verdict: Verdict,
    /// The stable reason, PascalCase.
    pub reason: Word,
    /// The message that the caller was given.
    pub message: String,
    /// Why the write was allowed in spite of the verdict; absent when the verdict held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relaxation: Option<Word>,
    /// The window of break-glass that let the write pass: name of the BreakGlass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<String>,
    /// The line of configuration that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<DecidedBy>,
    /// Who asked.
    pub caller: Caller,
    /// What was asked.
    pub request: Request,
    /// The ticket that supplied the approval, or that was made for the denied write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<ObjectRef>,
    /// The intent that was admitted: what the agent said, whole, and its signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<SignedIntent>,
}

impl Decision {
    /// Whether the API server was told that the write may happen.
    pub const fn allows(&self) -> bool {
        matches!(self.verdict, Verdict::Allow) || self.relaxation.is_some()
    }
}

/// What the rules say of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It may happen.
    Allow,
    /// It may not.
    Deny,
    /// It may, once somebody has approved it.
    RequireApproval,
}

impl Verdict {
    /// The verdict as records write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::RequireApproval => "require_approval",
        }
    }
}

/// A field of an object that decided: a line that somebody can be shown.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DecidedBy {
    /// Kind, such as `Zone`.
    pub kind: Word,
    /// Name of the object.
    pub name: String,
    /// Path of the field, such as `spec.owner`.
    pub field: Word,
}

/// Who asked, as the API server said it and as it was understood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Caller {
    /// The identity; absent when the username is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Identity>,
    /// The human who answers for an agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Identity>,
    /// The username as the API server gave it.
    pub username: String,
    /// The credential, `authentication.kubernetes.io/credential-id`, when the API server named it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential_id: Option<String>,
}

/// What was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// The uid of the admission review; new for every call of the webhook (E1).
    pub uid: String,
    /// `Create`, `Update`, `Delete` or `Connect`.
    pub operation: Word,
    /// Place in the object space: `<namespace>/<resource>.<group>/<name>`.
    pub object: String,
    /// Subresource; absent for the object itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subresource: Option<String>,
    /// Environment of the place; absent when it could not be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<Environment>,
    /// The zone that holds the place; several, separated by commas, where it is contested; absent outside zones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Whether nothing was to be stored.
    pub dry_run: bool,
    /// Digest of the change; absent where nothing was hashed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_hash: Option<Digest>,
    /// What an object of a kind that permits would say: what the operator seals when the write was allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
}

/// One object, and which of those that bore its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectRef {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Uid; absent while the object is not there yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
}

/// What a permission object says, or the labels of a namespace, before and after a write that was let through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PermissionChange {
    /// The uid of the admission review: the record of its decision says who asked, and by what it was allowed.
    pub request: String,
    /// The username of who changed it.
    pub by: String,
    /// The human who answers for that agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Identity>,
    /// Kind of the object.
    pub kind: Word,
    /// Name of the object.
    pub name: String,
    /// Digest of the spec before; absent when it was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Digest>,
    /// Digest of the spec after; absent when it was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Digest>,
    /// JSON pointers of what was changed, the first 64; none when it was created or deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    /// Whether strict mode is asked for from now on, where that changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict_mode: Option<bool>,
    /// The claims of zones that the ticket for it carries, which their owners acknowledged: `<zone>/<generation> <owner>`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub zone_claims: Vec<String>,
}

/// An intent that was admitted, with all that is needed to verify it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignedIntent {
    /// The key of the agent that signed it.
    pub public_key: String,
    /// What it says, and the signature.
    #[serde(flatten)]
    pub signed: intent::Signed,
}

/// The change of an agent's key, with all that is needed to verify it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyRotation {
    /// The username of who changed it.
    pub by: String,
    /// The human who answers for the agent.
    pub owner: Identity,
    /// What the previous key signed.
    pub statement: rotation::Statement,
    /// Base64 of its signature.
    pub signature: String,
}

/// A ticket's step from state to state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketTransition {
    /// The ticket.
    pub ticket: ObjectRef,
    /// Who may use it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Identity>,
    /// The human who answers for that agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Identity>,
    /// State before; absent when the ticket was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Word>,
    /// State after.
    pub to: Word,
    /// How many steps led there since it was made; absent when it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<u32>,
    /// Who or what caused it: an identity, or the rule (`expiry`, `resolution`).
    pub by: Word,
    /// What the claim is bound to, while there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bind: Option<Digest>,
}

/// One person's word on one ticket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Review {
    /// The ticket.
    pub ticket: ObjectRef,
    /// The review itself.
    pub review: ObjectRef,
    /// Who reviewed.
    pub reviewer: Identity,
    /// `Approve`, `Deny`, `Revoke` or `Cancel`.
    pub decision: Word,
    /// The binding that the reviewer saw.
    pub binding_hash: Digest,
    /// What the reviewer wrote.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// How the reviewer was known: `Kubernetes` or `SSH`.
    pub proof: Word,
}

/// What was seen of a window of break-glass. Opening it was a decision before, on record before the window was there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BreakGlass {
    /// Name of the object.
    pub window: String,
    /// Who opened it.
    pub person: Identity,
    /// `Opened`, `Ended` or `Reviewed`.
    pub what: Word,
    /// Why it was opened; of a review what the reviewer says.
    pub reason: String,
    /// When it is over by itself.
    pub expires_at: Timestamp,
    /// Who reviewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reviewer: Option<Identity>,
}

/// The whole permission state, replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reload {
    /// What made it necessary.
    pub cause: Word,
    /// Digest of the state before; absent at start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Digest>,
    /// Digest of the state after.
    pub after: Digest,
}

/// A foreign change of a webhook configuration of the operator's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookConfiguration {
    /// Kind of the configuration.
    pub kind: Word,
    /// What followed.
    pub outcome: WebhookOutcome,
    /// The field managers that wrote the object, latest first: the API server's word on who changed it.
    pub managers: Vec<String>,
    /// Paths of the fields that differed from what the operator wants.
    pub fields: Vec<String>,
}

/// What followed a change of a webhook configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WebhookOutcome {
    /// It was undone.
    Restored,
    /// Enforcement was switched off by the documented annotation.
    SwitchedOff,
    /// The annotation is gone.
    SwitchedOn,
}

/// The first record of every run of a writer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// Version of the program.
    pub version: Word,
    /// The unfinished record that a crash left behind, and that was cut off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub torn: Option<Torn>,
}

/// What a crash left of a record that nobody was given a receipt for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Torn {
    /// File that held it.
    pub segment: String,
    /// Its length in bytes.
    pub bytes: u32,
    /// Its digest.
    pub digest: Digest,
}

#[cfg(test)]
mod tests;
