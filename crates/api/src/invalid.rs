//! Why an object cannot be relied on: the field, the value and the rule.

use std::sync::Arc;

use countersign_core::{
    agent_key::InvalidKey,
    digest::InvalidDigest,
    glob::{Glob, GlobError},
    hash::{InvalidPattern, InvalidValue},
    identity::{Identity, IdentityKind, InvalidIdentity},
    mutator::InvalidMutator,
    plain::excerpt,
    ssh,
    zone_claim::InvalidClaim,
};
use jiff::Timestamp;
use kube::api::ObjectMeta;

use crate::duration::InvalidDuration;

/// The length of a time of whole seconds.
const WHOLE_SECONDS: usize = "2026-01-31T12:00:00Z".len();

/// A field that cannot be relied on.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{field}: {problem}")]
pub struct Invalid {
    /// The field's path, such as `spec.objects[2]`.
    pub field: String,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a field.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Problem {
    /// It is not there.
    #[error("is missing")]
    Missing,
    /// No identity.
    #[error(transparent)]
    Identity(#[from] InvalidIdentity),
    /// An identity of a kind that has no place here.
    #[error("`{identity}` is not {expected}")]
    IdentityKind {
        /// The identity.
        identity: Identity,
        /// What may stand here.
        expected: &'static str,
    },
    /// No pattern.
    #[error(transparent)]
    Glob(#[from] GlobError),
    /// No duration.
    #[error(transparent)]
    Duration(#[from] InvalidDuration),
    /// No digest.
    #[error(transparent)]
    Digest(#[from] InvalidDigest),
    /// No pointer.
    #[error(transparent)]
    Pattern(#[from] InvalidPattern),
    /// No value of a granule.
    #[error(transparent)]
    Value(#[from] InvalidValue),
    /// No public key.
    #[error("`{}`: {why}", excerpt(.value))]
    Key {
        /// The text.
        value: String,
        /// What is wrong with it.
        why: InvalidKey,
    },
    /// No key that signs reviews.
    #[error(transparent)]
    SshKey(#[from] ssh::InvalidKey),
    /// No mutator.
    #[error(transparent)]
    Mutator(#[from] InvalidMutator),
    /// No claim of a zone.
    #[error(transparent)]
    ZoneClaim(#[from] InvalidClaim),
    /// Something else than it must be.
    #[error("`{value}` is not {expected}")]
    Unexpected {
        /// The value.
        value: String,
        /// What must stand here.
        expected: String,
    },
    /// Something that would be promised and not kept.
    #[error("`{value}` is not supported yet: {why}")]
    Unsupported {
        /// The value.
        value: String,
        /// What would not happen.
        why: &'static str,
    },
}

impl Problem {
    /// A value that is not what it must be.
    pub fn unexpected(value: impl Into<String>, expected: impl Into<String>) -> Self {
        Self::Unexpected {
            value: value.into(),
            expected: expected.into(),
        }
    }

    /// The problem at a field.
    pub fn at(self, field: impl Into<String>) -> Invalid {
        Invalid {
            field: field.into(),
            problem: self,
        }
    }
}

/// Which identities a field takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kinds(pub &'static [IdentityKind], pub &'static str);

impl Kinds {
    pub const USER: Self = Self(&[IdentityKind::User], "a user:");
    pub const AGENT: Self = Self(&[IdentityKind::Agent], "an agent:");
    pub const USER_OR_AGENT: Self = Self(&[IdentityKind::User, IdentityKind::Agent], "a user: or an agent:");
    pub const USER_OR_TEAM: Self = Self(&[IdentityKind::User, IdentityKind::Team], "a user: or a team:");
    pub const ANY: Self = Self(
        &[IdentityKind::User, IdentityKind::Agent, IdentityKind::Team],
        "a user:, an agent: or a team:",
    );

    pub fn parse(self, text: &str) -> Result<Identity, Problem> {
        let identity: Identity = text.parse()?;
        if self.0.contains(&identity.kind()) {
            Ok(identity)
        } else {
            Err(Problem::IdentityKind {
                identity,
                expected: self.1,
            })
        }
    }
}

/// Every item of a list, read; the error names the item.
pub(crate) fn each<T>(
    field: &str,
    items: &[String],
    read: impl Fn(&str) -> Result<T, Problem>,
) -> Result<Vec<T>, Invalid> {
    let item =
        |(at, text): (usize, &String)| read(text).map_err(|problem| problem.at(format!("{field}[{at}]")));
    items.iter().enumerate().map(item).collect()
}

/// Globs over the object space.
pub(crate) fn object_globs(field: &str, items: &[String]) -> Result<Vec<Glob>, Invalid> {
    each(field, items, |text| Ok(Glob::object(text)?))
}

/// Globs over repository paths.
pub(crate) fn path_globs(field: &str, items: &[String]) -> Result<Vec<Glob>, Invalid> {
    each(field, items, |text| Ok(Glob::path(text)?))
}

/// Function identities.
pub(crate) fn functions(field: &str, items: &[String]) -> Result<Vec<Arc<str>>, Invalid> {
    each(field, items, |text| match text.strip_prefix("fn:") {
        Some(name) if !name.is_empty() && !name.contains(['*', '?', '[', ']', '{', '}']) => Ok(text.into()),
        _ => Err(Problem::unexpected(
            text,
            "a function: write fn:<name>, without wildcards",
        )),
    })
}

/// A field that has to be there.
pub(crate) fn required<'a>(field: &str, value: Option<&'a String>) -> Result<&'a str, Invalid> {
    value
        .map(String::as_str)
        .filter(|text| !text.is_empty())
        .ok_or_else(|| Problem::Missing.at(field))
}

/// A time that is signed: of whole seconds, in its one spelling.
pub(crate) fn signed_time(field: &str, text: &str) -> Result<Timestamp, Invalid> {
    let time: Option<Timestamp> = text.parse().ok();
    time.filter(|time| time.to_string() == text && text.len() == WHOLE_SECONDS)
        .ok_or_else(|| {
            let expected = "a time of whole seconds in UTC, such as 2026-01-31T12:00:00Z";
            Problem::unexpected(text, expected).at(field)
        })
}

/// The object's name.
pub(crate) fn name(meta: &ObjectMeta) -> Result<Arc<str>, Invalid> {
    required("metadata.name", meta.name.as_ref()).map(Into::into)
}
