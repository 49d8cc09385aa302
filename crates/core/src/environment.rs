//! The environment of the place that a write lands in.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Where a write lands. The order is that of strictness: `Dev < Test < Preview < Prod`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// Development.
    Dev,
    /// Test.
    Test,
    /// A preview of what goes to production.
    Preview,
    /// Production: every change needs an approval.
    Prod,
}

/// The namespace label that says which environment the namespace is.
pub const ENVIRONMENT_LABEL: &str = "countersign.dev/environment";

impl Environment {
    /// All environments, least strict first.
    pub const ALL: [Self; 4] = [Self::Dev, Self::Test, Self::Preview, Self::Prod];

    /// The environment's name as users write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Test => "test",
            Self::Preview => "preview",
            Self::Prod => "prod",
        }
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no environment.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not an environment: use dev, test, preview or prod")]
pub struct UnknownEnvironment(pub String);

impl FromStr for Environment {
    type Err = UnknownEnvironment;

    fn from_str(text: &str) -> Result<Self, UnknownEnvironment> {
        Self::ALL
            .into_iter()
            .find(|environment| environment.as_str() == text)
            .ok_or_else(|| UnknownEnvironment(text.to_owned()))
    }
}
