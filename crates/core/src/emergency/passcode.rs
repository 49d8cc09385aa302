//! The passcode as the cluster keeps it: how a key is derived from it, and the public half of that key.

use std::fmt;

use base64::{Engine, prelude::BASE64_STANDARD};
use ed25519_dalek::{
    SigningKey, VerifyingKey,
    pkcs8::{DecodePublicKey, EncodePublicKey},
};
use serde::{Deserialize, Serialize};

use crate::plain::excerpt;

/// What stands before a public key.
const KEY_PREFIX: &str = "ed25519:";

/// How many bytes a salt has.
pub const SALT_BYTES: usize = 16;

/// The only way in which a key is derived.
const ALGORITHM: &str = "argon2id";

/// What deriving a key costs, which is what one guess costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// How often it is gone through.
    pub iterations: u32,
    /// In how many lanes.
    pub parallelism: u32,
}

impl Cost {
    /// What a new passcode gets.
    pub const SHIPPED: Self = Self {
        memory_kib: 64 * 1024,
        iterations: 3,
        parallelism: 1,
    };
    /// The least that is accepted: OWASP's.
    pub const LEAST: Self = Self {
        memory_kib: 19 * 1024,
        iterations: 2,
        parallelism: 1,
    };
    /// The most: whoever writes the Secret does not exhaust the machine of whoever types.
    pub const MOST: Self = Self {
        memory_kib: 1024 * 1024,
        iterations: 64,
        parallelism: 16,
    };
}

/// The public half of the key that a passcode leads to.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier {
    key: VerifyingKey,
    text: String,
}

impl Verifier {
    /// That of this key; `None` where it has no text.
    pub fn of(key: &SigningKey) -> Option<Self> {
        let key = key.verifying_key();
        let der = key.to_public_key_der().ok()?;
        Some(Self {
            key,
            text: format!("{KEY_PREFIX}{}", BASE64_STANDARD.encode(der.as_bytes())),
        })
    }

    fn read(text: &str) -> Option<Self> {
        let der = BASE64_STANDARD.decode(text.strip_prefix(KEY_PREFIX)?).ok()?;
        let key = VerifyingKey::from_public_key_der(&der).ok()?;
        (!key.is_weak()).then(|| Self {
            key,
            text: text.to_owned(),
        })
    }

    pub(super) const fn key(&self) -> &VerifyingKey {
        &self.key
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What the Secret holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passcode {
    /// What is mixed in.
    pub salt: [u8; SALT_BYTES],
    /// What deriving costs.
    pub cost: Cost,
    /// What proves a signature.
    pub verifier: Verifier,
}

/// Why a Secret holds no passcode.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPasscode {
    /// Not the JSON that is written there.
    #[error("it is not what kubectl countersign admin passcode writes: {0}")]
    Unreadable(String),
    /// A field that cannot be relied on.
    #[error("{field}: `{value}` is not {expected}")]
    Field {
        /// The field.
        field: &'static str,
        /// Its value.
        value: String,
        /// What must stand there.
        expected: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Text {
    algorithm: String,
    salt: String,
    #[serde(rename = "memoryKiB")]
    memory_kib: u32,
    iterations: u32,
    parallelism: u32,
    verifier: String,
}

impl Passcode {
    /// What the Secret's key holds.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidPasscode> {
        let text: Text =
            serde_json::from_slice(bytes).map_err(|error| InvalidPasscode::Unreadable(error.to_string()))?;
        if text.algorithm != ALGORITHM {
            return Err(unexpected("algorithm", &text.algorithm, ALGORITHM));
        }
        let salt = BASE64_STANDARD.decode(&text.salt).ok();
        let salt = salt.and_then(|salt| salt.try_into().ok());
        let cost = [
            (
                "memoryKiB",
                text.memory_kib,
                Cost::LEAST.memory_kib,
                Cost::MOST.memory_kib,
            ),
            (
                "iterations",
                text.iterations,
                Cost::LEAST.iterations,
                Cost::MOST.iterations,
            ),
            (
                "parallelism",
                text.parallelism,
                Cost::LEAST.parallelism,
                Cost::MOST.parallelism,
            ),
        ];
        for (field, value, least, most) in cost {
            if !(least..=most).contains(&value) {
                let expected = format!("{least} to {most}");
                return Err(unexpected(field, &value.to_string(), &expected));
            }
        }
        Ok(Self {
            salt: salt.ok_or_else(|| unexpected("salt", &text.salt, "16 bytes in base64"))?,
            cost: Cost {
                memory_kib: text.memory_kib,
                iterations: text.iterations,
                parallelism: text.parallelism,
            },
            verifier: Verifier::read(&text.verifier).ok_or_else(|| {
                unexpected(
                    "verifier",
                    &text.verifier,
                    "`ed25519:` and the base64 of a SubjectPublicKeyInfo",
                )
            })?,
        })
    }

    /// What is written into the Secret's key.
    pub fn text(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(&Text {
            algorithm: ALGORITHM.to_owned(),
            salt: BASE64_STANDARD.encode(self.salt),
            memory_kib: self.cost.memory_kib,
            iterations: self.cost.iterations,
            parallelism: self.cost.parallelism,
            verifier: self.verifier.text.clone(),
        })
    }
}

fn unexpected(field: &'static str, value: &str, expected: &str) -> InvalidPasscode {
    InvalidPasscode::Field {
        field,
        value: excerpt(value),
        expected: expected.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passcode() -> Passcode {
        Passcode {
            salt: [7; SALT_BYTES],
            cost: Cost::SHIPPED,
            verifier: Verifier::of(&SigningKey::from_bytes(&[1; 32])).unwrap(),
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        let text = passcode().text().unwrap();
        assert_eq!(Passcode::parse(text.as_bytes()), Ok(passcode()));
    }

    #[test]
    fn a_secret_that_cannot_be_relied_on_is_refused_with_field_and_value() {
        let text = passcode().text().unwrap();
        let weak = format!("ed25519:{}", BASE64_STANDARD.encode([0; 44]));
        for (from, to, why) in [
            ("argon2id", "argon2i", "algorithm: `argon2i` is not argon2id"),
            ("65536", "1024", "memoryKiB: `1024` is not 19456 to 1048576"),
            ("65536", "4294967295", "memoryKiB: `4294967295` is not"),
            (
                "\"iterations\":3",
                "\"iterations\":1",
                "iterations: `1` is not 2 to 64",
            ),
            (
                "\"parallelism\":1",
                "\"parallelism\":0",
                "parallelism: `0` is not 1 to 16",
            ),
            ("BwcH", "", "salt: `"),
            ("ed25519:", "rsa:", "verifier: `rsa:"),
            (
                "\"salt\"",
                "\"pepper\"",
                "it is not what kubectl countersign admin passcode writes",
            ),
        ] {
            let said = Passcode::parse(text.replacen(from, to, 1).as_bytes())
                .unwrap_err()
                .to_string();
            assert!(said.starts_with(why), "{said}");
        }
        assert_eq!(Verifier::read(&weak), None);
        assert!(Passcode::parse(b"").is_err());
    }
}
