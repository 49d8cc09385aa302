//! The patterns, bounds and shared schemas that the kinds' fields use.

use schemars::{Schema, SchemaGenerator, json_schema};

/// A name inside an identity: the same language as the core's `Identity`.
macro_rules! name {
    () => {
        "[a-z0-9]([a-z0-9._@+-]*[a-z0-9])?"
    };
}

/// The longest identity: `user:`, a realm and a name of 253 each.
pub const MAX_IDENTITY: usize = 512;
/// `user:` only.
pub const USER: &str = concat!("^user:(", name!(), ":)?", name!(), "$");
/// `agent:` only.
pub const AGENT: &str = concat!("^agent:", name!(), "$");
/// `user:` or `agent:`.
pub const USER_OR_AGENT: &str = concat!("^(user:(", name!(), ":)?|agent:)", name!(), "$");
/// `user:` or `team:`.
pub const USER_OR_TEAM: &str = concat!("^(user:(", name!(), ":)?|team:)", name!(), "$");
/// Any identity.
pub const IDENTITY: &str = countersign_core::identity::IDENTITY_PATTERN;
/// A realm of people, or none.
pub const REALM: &str = concat!("^(", name!(), ")?$");

/// The longest glob.
pub const MAX_GLOB: usize = 512;
/// What every glob has in common; the rest of the grammar is checked by the webhook.
pub const GLOB: &str = "^[^/[:cntrl:]][^[:cntrl:]]*$";
/// The longest function identity.
pub const MAX_FUNCTION: usize = 512;
/// A function identity.
pub const FUNCTION: &str = r"^fn:[^\s*?\[\]{}]+$";

/// A SHA-256 digest.
pub const DIGEST: &str = "^sha256:[0-9a-f]{64}$";
/// The length of a digest.
pub const MAX_DIGEST: usize = 71;
/// The longest stamp or seal.
pub const MAX_MAC: usize = 256;

/// A time of whole seconds in UTC: the one spelling that is signed.
pub const SIGNED_TIME: &str = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$";
/// A raw Ed25519 signature in base64.
pub const SIGNATURE: &str = "^[A-Za-z0-9+/]{86}==$";

/// A JSON pointer; the empty one is the whole object.
pub const POINTER: &str = "^(/([^/~]|~[01])*)*$";
/// The longest JSON pointer.
pub const MAX_POINTER: usize = 1024;

/// The name of a batch: what a shell and a field selector take as it is.
pub const BATCH: &str = "^[A-Za-z0-9]([A-Za-z0-9._:/@+-]*[A-Za-z0-9])?$";

/// An API group; empty is the core group.
pub const API_GROUP: &str = r"^([a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*)?$";
/// The plural name of a resource.
pub const PLURAL: &str = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$";
/// A kind.
pub const KIND: &str = "^[A-Z][A-Za-z0-9]*$";
/// The name of a namespace, of a service account or of another object named like a DNS subdomain.
pub const DNS_NAME: &str = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$";
/// A mutating webhook configuration or policy.
pub const MUTATOR: &str = "^Mutating(WebhookConfiguration|AdmissionPolicy)/[a-z0-9]([a-z0-9.-]*[a-z0-9])?$";
/// The longest name of an object.
pub const MAX_NAME: usize = 253;
/// The longest name of a namespace, a kind or a resource.
pub const MAX_LABEL: usize = 63;
/// The longest uid.
pub const MAX_UID: usize = 128;
/// The longest name of a resource with its type, namespace and environment.
pub const MAX_RESOURCE_NAME: usize = 640;
/// The longest reason that a person writes.
pub const MAX_REASON: usize = 2048;

fn words(words: &[&str]) -> Schema {
    json_schema!({ "type": "string", "enum": words })
}

/// Any of the four roles.
pub fn role(_: &mut SchemaGenerator) -> Schema {
    words(&["admin", "contributor", "reader", "agent"])
}

/// A role of people.
pub fn human_role(_: &mut SchemaGenerator) -> Schema {
    words(&["admin", "contributor", "reader"])
}

/// A role that writes.
pub fn writing_role(_: &mut SchemaGenerator) -> Schema {
    words(&["admin", "contributor"])
}

/// A role that an agent may have.
pub fn agent_role(_: &mut SchemaGenerator) -> Schema {
    words(&["agent", "contributor"])
}

/// A role that everybody may have without a grant.
pub fn default_role(_: &mut SchemaGenerator) -> Schema {
    words(&["reader", "contributor"])
}

/// The roles of which a reviewer must hold one.
pub fn reviewer_roles(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "minItems": 1,
        "maxItems": 3,
        "items": { "type": "string", "enum": ["admin", "contributor", "reader"] },
        "x-kubernetes-list-type": "set",
    })
}

/// An environment.
pub fn environment(_: &mut SchemaGenerator) -> Schema {
    words(&["dev", "test", "preview", "prod"])
}

/// An operation as admission sees it.
pub fn operation(_: &mut SchemaGenerator) -> Schema {
    words(&["Create", "Update", "Delete", "Connect"])
}

/// Whether an agent may be impersonated.
pub fn impersonation(_: &mut SchemaGenerator) -> Schema {
    words(&["Refused", "Accepted"])
}

/// A kind from which a GitOps controller deploys.
pub fn gitops_kind(_: &mut SchemaGenerator) -> Schema {
    words(&["Kustomization", "HelmRelease", "Application"])
}

/// How the authors of a change are known.
pub fn authorship(_: &mut SchemaGenerator) -> Schema {
    words(&["Claimed", "Verified", "Unverified"])
}

/// What a reviewer decides.
pub fn review_decision(_: &mut SchemaGenerator) -> Schema {
    words(&["Approve", "Deny", "Revoke", "Cancel"])
}

/// A set of operations.
pub fn operations(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "minItems": 1,
        "maxItems": 4,
        "items": operation(generator),
        "x-kubernetes-list-type": "set",
    })
}

/// Labels that must all be there.
pub fn match_labels(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 16,
        "additionalProperties": { "type": "string", "maxLength": 63 },
    })
}
