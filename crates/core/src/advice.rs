//! What a warning of a dry-run says: a sentence for people, and after it what a program reads.
//!
//! The API server passes a warning on only without control characters, and cuts every warning of an answer to 256
//! characters once they are more than 4096 together.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, de::IntoDeserializer};

use crate::{
    decision::Reason,
    digest::{Digest, InvalidDigest},
    environment::{Environment, UnknownEnvironment},
    identity::{Identity, InvalidIdentity},
    zone_claim::{InvalidClaim, ZoneClaim},
};

/// What every warning begins with.
const PREFIX: &str = "countersign: ";
/// How many bytes a warning has at most, if names leave it so much.
const MAX_WARNING: usize = 1000;

/// One warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Advice {
    /// The write needs an approval.
    NeedsApproval(Box<Approval>),
    /// The write breaks a rule that is not enforced here.
    Violation {
        /// Which rule.
        reason: Reason,
        /// What a person reads.
        message: String,
    },
    /// A value that changes and that nobody may read, by its keyed digests.
    Redacted(Redaction),
}

/// What an approval of the write would be bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// Whom to ask.
    pub whom: String,
    /// The place of the object: `<namespace>/<resource>.<group>/<name>`.
    pub place: String,
    /// Who asks.
    pub subject: Identity,
    /// Where the write lands.
    pub environment: Environment,
    /// The uid of the namespace kube-system.
    pub cluster: String,
    /// The digest of what changes.
    pub resource_hash: Digest,
    /// The digest of what it replaces, of an update.
    pub old_hash: Option<Digest>,
    /// The digest of the options, of a delete or an eviction.
    pub command_hash: Option<Digest>,
    /// The zones that the write claims.
    pub zone_claims: Vec<ZoneClaim>,
}

/// The keyed digests of one granule, `hmac-sha256:` and 64 hex digits each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redaction {
    /// The place of the object.
    pub place: String,
    /// Which granule, as a JSON pointer.
    pub pointer: String,
    /// The value before the write, if there was one.
    pub old: Option<String>,
    /// The value after it, unless it is removed.
    pub new: Option<String>,
}

/// Why a text is none of our warnings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdviceError {
    /// Somebody else's warning.
    #[error("`{0}` does not begin with `{PREFIX}`")]
    Foreign(String),
    /// A warning that says nothing that is known.
    #[error("`{0}` is not a warning that this version understands")]
    Unknown(String),
    /// A warning that lacks a field, as when the API server cut it.
    #[error("the warning lacks `{0}`: the API server may have cut it")]
    Missing(&'static str),
    /// A field that cannot be read.
    #[error("the warning's `{key}` cannot be read, the API server may have cut it: {problem}")]
    Field {
        /// The field.
        key: &'static str,
        /// What is wrong with it.
        problem: String,
    },
}

impl Approval {
    fn fields(&self) -> Vec<(&'static str, String)> {
        let digest = |digest: Option<&Digest>| digest.map(Digest::to_string);
        let fields = [
            ("place", Some(encode(&self.place))),
            ("subject", Some(self.subject.to_string())),
            ("env", Some(self.environment.to_string())),
            ("cluster", Some(encode(&self.cluster))),
            ("resourceHash", digest(Some(&self.resource_hash))),
            ("oldHash", digest(self.old_hash.as_ref())),
            ("commandHash", digest(self.command_hash.as_ref())),
            ("zoneClaims", self.claims()),
        ];
        fields
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?)))
            .collect()
    }

    fn claims(&self) -> Option<String> {
        let claims: Vec<_> = self.zone_claims.iter().map(ZoneClaim::to_string).collect();
        Some(encode(&claims.join(","))).filter(|claims| !claims.is_empty())
    }

    fn read(whom: &str, fields: &Fields<'_>) -> Result<Self, AdviceError> {
        Ok(Self {
            whom: whom.to_owned(),
            place: decode(fields.required("place")?),
            subject: fields.parsed::<Identity, InvalidIdentity>("subject")?,
            environment: fields.parsed::<Environment, UnknownEnvironment>("env")?,
            cluster: decode(fields.required("cluster")?),
            resource_hash: fields.parsed::<Digest, InvalidDigest>("resourceHash")?,
            old_hash: fields.digest("oldHash")?,
            command_hash: fields.digest("commandHash")?,
            zone_claims: fields.claims()?,
        })
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeedsApproval(approval) => {
                let fields: Vec<_> = approval
                    .fields()
                    .into_iter()
                    .map(|(key, value)| format!("{key}={value}"))
                    .collect();
                let (before, after) = (
                    format!("{PREFIX}needs approval of "),
                    format!(": {}", fields.join(" ")),
                );
                let whom = shortened(
                    &approval.whom,
                    MAX_WARNING.saturating_sub(before.len() + after.len()),
                );
                write!(f, "{before}{whom}{after}")
            }
            Self::Violation { reason, message } => {
                let before = format!("{PREFIX}{reason}: ");
                write!(
                    f,
                    "{before}{}",
                    shortened(message, MAX_WARNING.saturating_sub(before.len()))
                )
            }
            Self::Redacted(Redaction {
                place,
                pointer,
                old,
                new,
            }) => {
                write!(f, "{PREFIX}redacted {} {}", encode(place), encode(pointer))?;
                let values = [("old", old), ("new", new)];
                values.into_iter().try_for_each(|(key, value)| match value {
                    Some(value) => write!(f, " {key}={}", encode(value)),
                    None => Ok(()),
                })
            }
        }
    }
}

impl FromStr for Advice {
    type Err = AdviceError;

    fn from_str(text: &str) -> Result<Self, AdviceError> {
        let body = text
            .strip_prefix(PREFIX)
            .ok_or_else(|| AdviceError::Foreign(text.to_owned()))?;
        if let Some(rest) = body.strip_prefix("needs approval of ") {
            // INVARIANT: no field holds a space, so the last `: place=` is ours, whatever the sentence says.
            let (whom, _) = rest
                .rsplit_once(": place=")
                .ok_or(AdviceError::Missing("place"))?;
            let fields = rest.get(whom.len() + 2..).unwrap_or_default();
            let approval = Approval::read(whom, &Fields::of(fields))?;
            return Ok(Self::NeedsApproval(Box::new(approval)));
        }
        if let Some(rest) = body.strip_prefix("redacted ") {
            return read_redaction(rest).map(Self::Redacted);
        }
        let unknown = || AdviceError::Unknown(text.to_owned());
        let (reason, message) = body.split_once(": ").ok_or_else(unknown)?;
        let name: serde::de::value::StrDeserializer<'_, serde::de::value::Error> = reason.into_deserializer();
        let reason = Reason::deserialize(name).map_err(|_| unknown())?;
        Ok(Self::Violation {
            reason,
            message: message.to_owned(),
        })
    }
}

fn read_redaction(text: &str) -> Result<Redaction, AdviceError> {
    let mut words = text.splitn(3, ' ');
    let place = words.next().map(decode).ok_or(AdviceError::Missing("place"))?;
    let pointer = words.next().map(decode).ok_or(AdviceError::Missing("pointer"))?;
    let fields = Fields::of(words.next().unwrap_or_default());
    Ok(Redaction {
        place,
        pointer,
        old: fields.mac("old")?,
        new: fields.mac("new")?,
    })
}

/// The `key=value` words of a warning.
struct Fields<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Fields<'a> {
    fn of(text: &'a str) -> Self {
        Self(text.split(' ').filter_map(|word| word.split_once('=')).collect())
    }

    fn required(&self, key: &'static str) -> Result<&'a str, AdviceError> {
        self.0.get(key).copied().ok_or(AdviceError::Missing(key))
    }

    fn parsed<T: FromStr<Err = E>, E: fmt::Display>(&self, key: &'static str) -> Result<T, AdviceError> {
        let problem = |error: E| AdviceError::Field {
            key,
            problem: error.to_string(),
        };
        self.required(key)?.parse().map_err(problem)
    }

    fn digest(&self, key: &'static str) -> Result<Option<Digest>, AdviceError> {
        self.0
            .contains_key(key)
            .then(|| self.parsed::<Digest, InvalidDigest>(key))
            .transpose()
    }

    fn claims(&self) -> Result<Vec<ZoneClaim>, AdviceError> {
        let text = self
            .0
            .get("zoneClaims")
            .map(|word| decode(word))
            .unwrap_or_default();
        let claims = text.split(',').filter(|claim| !claim.is_empty());
        let read = claims.map(|claim| {
            claim.parse().map_err(|error: InvalidClaim| AdviceError::Field {
                key: "zoneClaims",
                problem: error.to_string(),
            })
        });
        read.collect()
    }

    fn mac(&self, key: &'static str) -> Result<Option<String>, AdviceError> {
        let Some(text) = self.0.get(key) else {
            return Ok(None);
        };
        let hex = |hex: &str| hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if text.strip_prefix("hmac-sha256:").is_some_and(hex) {
            return Ok(Some((*text).to_owned()));
        }
        Err(AdviceError::Field {
            key,
            problem: format!("`{text}` is not `hmac-sha256:` and 64 hex digits"),
        })
    }
}

/// The text in printable ASCII, everything else escaped, at most `max` bytes.
fn shortened(text: &str, max: usize) -> String {
    let mut short = String::new();
    for char in text.chars() {
        let start = short.len();
        match char {
            ' '..='~' => short.push(char),
            _ => short.extend(char.escape_unicode()),
        }
        if short.len() > max {
            short.truncate(start);
            break;
        }
    }
    short
}

/// The text as one word of printable ASCII; [`decode`] reads it back.
fn encode(text: &str) -> String {
    use fmt::Write;
    text.bytes()
        .fold(String::with_capacity(text.len()), |mut word, byte| {
            match byte {
                b'%' => word.push_str("%25"),
                b'!'..=b'~' => word.push(char::from(byte)),
                _ => {
                    let _ = write!(word, "%{byte:02x}");
                }
            }
            word
        })
}

fn decode(word: &str) -> String {
    let mut parts = word.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let escape = part
            .split_at_checked(2)
            .map(|(hex, rest)| (u8::from_str_radix(hex, 16), rest));
        let (byte, rest) = if let Some((Ok(byte), rest)) = escape {
            (byte, rest)
        } else {
            (b'%', part)
        };
        bytes.push(byte);
        bytes.extend(rest.bytes());
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests;
