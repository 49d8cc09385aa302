//! Identities: who acts, who reviews, who owns. Stable, canonical, one spelling for each.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize, de};
use smol_str::{SmolStr, SmolStrBuilder};

use crate::plain::excerpt;

/// The kind of an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IdentityKind {
    /// A human.
    User,
    /// A registered autonomous actor.
    Agent,
    /// A named set of users and agents.
    Team,
}

/// `user:<name>`, `user:<realm>:<name>`, `agent:<name>` or `team:<name>`, in its only spelling.
///
/// A name is 1 to 253 of `a-z 0-9 . _ @ + -`, beginning and ending with a letter or digit: what is not written
/// this way is no identity, it is never folded into one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity(SmolStr);

impl Identity {
    /// The human `name` of `realm`; an empty realm is left out.
    pub fn user(realm: &str, name: &str) -> Result<Self, InvalidIdentity> {
        let mut text = SmolStrBuilder::new();
        text.push_str("user:");
        if !realm.is_empty() {
            text.push_str(realm);
            text.push_str(":");
        }
        text.push_str(name);
        let text = text.finish();
        if is_name(name) && (realm.is_empty() || is_name(realm)) {
            Ok(Self(text))
        } else {
            Err(InvalidIdentity(text.into()))
        }
    }

    /// The agent that is registered under this object name.
    pub fn agent(name: &str) -> Result<Self, InvalidIdentity> {
        format!("agent:{name}").parse()
    }

    /// The team of this object name.
    pub fn team(name: &str) -> Result<Self, InvalidIdentity> {
        format!("team:{name}").parse()
    }

    /// What kind of identity this is.
    pub fn kind(&self) -> IdentityKind {
        if self.0.starts_with("agent:") {
            IdentityKind::Agent
        } else if self.0.starts_with("team:") {
            IdentityKind::Team
        } else {
            IdentityKind::User
        }
    }

    /// The part after the kind, the realm included.
    pub fn local(&self) -> &str {
        self.0.split_once(':').map_or("", |(_, local)| local)
    }

    /// The whole identity.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is a human.
    pub fn is_user(&self) -> bool {
        self.kind() == IdentityKind::User
    }

    /// Whether this is an agent.
    pub fn is_agent(&self) -> bool {
        self.kind() == IdentityKind::Agent
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that is no identity.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "`{}` is not an identity: use user:<name>, user:<realm>:<name>, agent:<name> or team:<name>, \
     where a name is 1 to 253 of a-z 0-9 . _ @ + - and begins and ends with a letter or digit", excerpt(.0)
)]
pub struct InvalidIdentity(pub String);

/// The pattern that the schemas give for an identity; the same language as `Identity::from_str`.
pub const IDENTITY_PATTERN: &str =
    "^(user:([a-z0-9]([a-z0-9._@+-]*[a-z0-9])?:)?|agent:|team:)[a-z0-9]([a-z0-9._@+-]*[a-z0-9])?$";

/// The longest name, and the longest realm, in bytes.
const MAX_NAME: usize = 253;

impl FromStr for Identity {
    type Err = InvalidIdentity;

    fn from_str(text: &str) -> Result<Self, InvalidIdentity> {
        let valid = match text.split_once(':') {
            Some(("user", local)) => match local.split_once(':') {
                Some((realm, name)) => is_name(realm) && is_name(name),
                None => is_name(local),
            },
            Some(("agent" | "team", name)) => is_name(name),
            _ => false,
        };
        if valid {
            Ok(Self(text.into()))
        } else {
            Err(InvalidIdentity(text.to_owned()))
        }
    }
}

fn is_name(name: &str) -> bool {
    let edge = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let bytes = name.as_bytes();
    bytes.len() <= MAX_NAME
        && edge(bytes.first())
        && edge(bytes.last())
        && bytes
            .iter()
            .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'@' | b'+' | b'-'))
}

impl Serialize for Identity {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Identity {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_identity_has_one_spelling() {
        for good in [
            "user:alice",
            "user:corp:alice@example.com",
            "agent:deploy-bot",
            "team:payments",
            "user:a",
        ] {
            assert_eq!(good.parse::<Identity>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "alice",
            "user:",
            "user:Alice",
            "user:alice ",
            "user:a:b:c",
            "user::a",
            "agent:a:b",
            "group:a",
            "user:-a",
            "user:a.",
            "user:al\u{131}ce",
            "user:*",
            "team:a/b",
            "USER:a",
            &format!("user:{}", "a".repeat(254)),
        ] {
            assert_eq!(
                bad.parse::<Identity>(),
                Err(InvalidIdentity(bad.to_owned())),
                "{bad}"
            );
        }
    }

    #[test]
    fn kind_and_local_part() {
        let id: Identity = "user:corp:alice".parse().unwrap();
        assert_eq!((id.kind(), id.local()), (IdentityKind::User, "corp:alice"));
        for (text, kind) in [
            ("user:a", IdentityKind::User),
            ("agent:a", IdentityKind::Agent),
            ("team:a", IdentityKind::Team),
        ] {
            let id: Identity = text.parse().unwrap();
            assert_eq!(id.kind(), kind);
            assert_eq!(id.is_user(), kind == IdentityKind::User, "{text}");
            assert_eq!(id.is_agent(), kind == IdentityKind::Agent, "{text}");
        }
    }

    #[test]
    fn a_name_never_brings_its_own_realm() {
        assert_eq!(
            Identity::user("corp", "alice").unwrap().as_str(),
            "user:corp:alice"
        );
        for (realm, name) in [
            ("", "corp:alice"),
            ("corp", "a:b"),
            ("", ":alice"),
            ("", "alice:"),
        ] {
            let text = if realm.is_empty() {
                format!("user:{name}")
            } else {
                format!("user:{realm}:{name}")
            };
            assert_eq!(Identity::user(realm, name), Err(InvalidIdentity(text)));
        }
    }
}
