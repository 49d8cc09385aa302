//! The four roles. There is no fifth, and none inherits from another.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// What an identity may do at most; zones narrow it.
///
/// The order is that of power among people: `Reader < Contributor < Admin`. `Agent` sorts lowest and is never
/// compared with the others: an agent's role is exactly the one its Agent object names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// An autonomous AI agent: writes like a contributor, with guardrails.
    Agent,
    /// Reads everything, writes nothing.
    Reader,
    /// Writes what its zones give it.
    Contributor,
    /// Writes everything, and alone writes the permission kinds.
    Admin,
}

impl Role {
    /// The role's name as users write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Reader => "reader",
            Self::Contributor => "contributor",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no role.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a role: use admin, contributor, reader or agent")]
pub struct UnknownRole(pub String);

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        [Self::Agent, Self::Reader, Self::Contributor, Self::Admin]
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| UnknownRole(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_reads_back() {
        for (role, text) in [
            (Role::Agent, "agent"),
            (Role::Reader, "reader"),
            (Role::Contributor, "contributor"),
            (Role::Admin, "admin"),
        ] {
            assert_eq!(role.to_string(), text);
            assert_eq!(text.parse(), Ok(role));
        }
        assert_eq!("Admin".parse::<Role>(), Err(UnknownRole("Admin".to_owned())));
    }
}
