//! The resource hash, version 1: what a write changes, as granules, and the digest that a ticket binds.
//!
//! docs/spec/resource-hash.md specifies it for other implementations; tests/data/resource-hash holds its vectors.

mod canonical;
mod chosen;
mod diff;
mod omit;
mod pattern;
mod state;

use std::{collections::BTreeMap, fmt, str::FromStr};

pub use canonical::{canonical, canonical_strings};
use canonical::{canonical_map, canonical_value, push_string};
pub use diff::{changed_pointers, is_noop};
pub(crate) use omit::is_identity;
pub use omit::{GitOpsClient, OMISSIONS, OPTION_OMISSIONS, Omission, Proof, When};
pub use pattern::{InvalidPattern, Pattern};
pub use state::state_hash;

use crate::{
    digest::{Digest, MacKey},
    object::{Change, Map, Object, ObjectError},
};

/// What the hash depends on beside the objects.
#[derive(Clone, Copy, Debug)]
pub struct HashContext<'a> {
    /// API version of the request's resource, `apps/v1`, of a subresource too.
    pub api_version: &'a str,
    /// Kind of the request: of a subresource the body's kind.
    pub kind: &'a str,
    /// Subresource, empty for the object itself.
    pub subresource: &'a str,
    /// The GitOps client that is the writer: its owner marks are left out.
    pub writer: Option<GitOpsClient>,
    /// What the policy leaves out for this kind (`hashIgnore`).
    pub ignore: &'a [Pattern],
    /// The key for what must not be shown.
    pub redaction: &'a MacKey,
}

impl HashContext<'_> {
    const fn object_kind(&self) -> (&str, &str) {
        (self.api_version, self.kind)
    }

    fn is_eviction(&self) -> bool {
        self.subresource == "eviction" && self.kind == "Eviction"
    }

    /// Whether the granule holds what nobody may read in a ticket.
    fn is_secret(&self, pointer: &str) -> bool {
        self.object_kind() == ("v1", "Secret")
            && ["data", "stringData"]
                .into_iter()
                .any(|root| pointer.split('/').nth(1) == Some(root))
    }
}

/// The value of a granule as a ticket shows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    /// The canonical text.
    Json(Box<str>),
    /// `hmac-sha256:<hex>` in place of a value that must not be shown.
    Redacted(Box<str>),
}

impl Value {
    /// The text that is shown and hashed; no canonical JSON begins like a redacted value.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Json(text) | Self::Redacted(text) => text,
        }
    }

    /// The digest that stands for the value in the hash.
    pub fn digest(&self) -> Digest {
        Digest::of(&[self.as_str().as_bytes()])
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is no value of a granule.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is neither canonical JSON nor `hmac-sha256:` and 64 lower-case hex digits")]
pub struct InvalidValue(pub String);

impl FromStr for Value {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let is_mac =
            |hex: &str| hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if text.strip_prefix("hmac-sha256:").is_some_and(is_mac) {
            Ok(Self::Redacted(text.into()))
        } else if canonical(text).is_ok_and(|canonical| canonical == text) {
            Ok(Self::Json(text.into()))
        } else {
            Err(InvalidValue(text.to_owned()))
        }
    }
}

/// One unit of change; the two values differ, but for a removed object, whose content is not bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granule {
    /// JSON pointer (RFC 6901); empty for the whole object.
    pub pointer: String,
    /// The value before the write, `None` when there is none.
    pub old: Option<Value>,
    /// The value after the write, `None` when it is removed.
    pub new: Option<Value>,
}

/// What a write changes, of what counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectiveChange {
    /// The granules in byte order of their pointers.
    pub granules: Vec<Granule>,
    /// Pointers of what the policy's `hashIgnore` left out of granules that the write touches, sorted.
    pub ignored: Vec<String>,
    /// The digest of the new values.
    pub resource_hash: Digest,
    /// The digest of the old values; `None` for CREATE, DELETE and CONNECT.
    pub old_hash: Option<Digest>,
}

/// What a write changes, and its hashes.
///
/// A write of nothing but owner marks has no granules and yet is no no-op: its hash is over the empty list.
pub fn effective_change(
    change: &Change<'_>,
    context: &HashContext<'_>,
) -> Result<EffectiveChange, ObjectError> {
    let (granules, ignored) = match change {
        Change::Connect(_) => (Vec::new(), Vec::new()),
        Change::Delete(_) => (vec![removal()], Vec::new()),
        Change::Create(_) if context.is_eviction() => (vec![removal()], Vec::new()),
        Change::Create(_) | Change::Update { .. } => diff::granules(change, context)?,
    };
    let digest = |side: fn(&Granule) -> Option<&Value>| {
        let digests = granules
            .iter()
            .map(|granule| (granule.pointer.as_str(), side(granule).map(Value::digest)));
        resource_hash(
            context.api_version,
            context.kind,
            context.subresource,
            &digests.collect(),
        )
    };
    let resource_hash = digest(|granule| granule.new.as_ref());
    let old_hash = matches!(change, Change::Update { .. }).then(|| digest(|granule| granule.old.as_ref()));
    Ok(EffectiveChange {
        granules,
        ignored,
        resource_hash,
        old_hash,
    })
}

const fn removal() -> Granule {
    Granule {
        pointer: String::new(),
        old: None,
        new: None,
    }
}

/// The root over the digests of a change's values: of the new ones `resourceHash`, of the old ones `oldHash`.
pub fn resource_hash(
    api_version: &str,
    kind: &str,
    subresource: &str,
    granules: &BTreeMap<&str, Option<Digest>>,
) -> Digest {
    let mut text = String::from("[");
    for part in [api_version, kind, subresource] {
        push_string(&mut text, part);
        text.push(',');
    }
    text.push('[');
    for (index, (pointer, digest)) in granules.iter().enumerate() {
        text.push_str(if index > 0 { ",[" } else { "[" });
        push_string(&mut text, pointer);
        text.push(',');
        match digest {
            Some(digest) => push_string(&mut text, &digest.to_string()),
            None => text.push_str("null"),
        }
        text.push(']');
    }
    text.push_str("]]");
    Digest::of(&[b"countersign.dev/resource-hash/v1\n", text.as_bytes()])
}

/// The digest of a call's options (of CONNECT, of a deletion, or an eviction's `deleteOptions`).
pub fn command_hash(options: Option<&Object<'_>>) -> Result<Digest, ObjectError> {
    let text = command_text(options)?;
    Ok(Digest::of(&[
        b"countersign.dev/command-hash/v1\n",
        text.as_bytes(),
    ]))
}

/// What [`command_hash`] is over, for a ticket to show: the options as canonical JSON, without their spelling and
/// preconditions; no options are empty options.
pub fn command_text(options: Option<&Object<'_>>) -> Result<String, ObjectError> {
    let map = match options {
        Some(options) => options.map()?,
        None => Map(Vec::new()),
    };
    let mut entries = Vec::new();
    for (key, value) in map.0 {
        if !OPTION_OMISSIONS.contains(&key.as_ref()) {
            entries.push((key, Some(canonical_value(value)?)));
        }
    }
    Ok(canonical_map(entries))
}

/// The value of a granule: its canonical text, or a keyed digest of it.
///
/// The digest covers namespace and name too, or else whoever may write one Secret could test guesses of another.
fn value_of(
    text: String,
    pointer: &str,
    object: &Object<'_>,
    context: &HashContext<'_>,
) -> Result<Value, ObjectError> {
    if !context.is_secret(pointer) {
        return Ok(Value::Json(text.into()));
    }
    let (namespace, name) = (
        object.namespace()?.unwrap_or_default(),
        object.name()?.unwrap_or_default(),
    );
    let parts = ["countersign.dev/redacted/v1", &namespace, &name, pointer, &text];
    Ok(Value::Redacted(
        context.redaction.sign(&parts.map(str::as_bytes)).into(),
    ))
}

#[cfg(test)]
mod tests;
