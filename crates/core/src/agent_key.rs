//! The keys of agents: Ed25519, each in one spelling, and what they prove.

use std::{fmt, str::FromStr};

use base64::{Engine, prelude::BASE64_STANDARD};
use ed25519_dalek::{SIGNATURE_LENGTH, Signature, VerifyingKey};
use ssh_key::{
    HashAlg,
    public::{Ed25519PublicKey, KeyData},
};

use crate::dsse::Signable;

/// What a key begins with where it is written.
pub const PREFIX: &str = "ed25519:";

/// What the SubjectPublicKeyInfo of every Ed25519 key begins with (RFC 8410); the 32 bytes of the key follow.
const SPKI: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// A public key that statements are signed with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AgentKey(VerifyingKey);

/// Why a text is no key that an agent may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// Not the prefix.
    #[error("it is no key: write {PREFIX} and the base64 of an Ed25519 SubjectPublicKeyInfo")]
    Unprefixed,
    /// Not base64, or another spelling of it.
    #[error("what follows {PREFIX} is not base64 as it is usually written")]
    Encoding,
    /// Another kind of key, or another form of it.
    #[error("it is not the SubjectPublicKeyInfo of an Ed25519 key: keys of other types do not sign")]
    Algorithm,
    /// Too short, or with something behind it.
    #[error("it holds {0} bytes, and an Ed25519 SubjectPublicKeyInfo has 44")]
    Length(usize),
    /// Not on the curve, or another spelling of a point.
    #[error("its 32 bytes are not an Ed25519 key")]
    Point,
    /// One that many signatures fit.
    #[error("it is of small order: anybody could sign with it")]
    Weak,
}

impl AgentKey {
    /// The key of these 32 bytes.
    pub fn of_bytes(bytes: &[u8; 32]) -> Result<Self, InvalidKey> {
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| InvalidKey::Point)?;
        if key.is_weak() {
            return Err(InvalidKey::Weak);
        }
        if key.to_edwards().compress().as_bytes() != bytes {
            return Err(InvalidKey::Point);
        }
        Ok(Self(key))
    }

    /// The 32 bytes of the key.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// `SHA256:` and 43 characters, as `ssh-keygen -l` writes it.
    pub fn fingerprint(&self) -> String {
        let key = KeyData::Ed25519(Ed25519PublicKey(*self.as_bytes()));
        key.fingerprint(HashAlg::Sha256).to_string()
    }

    /// Proves that the owner of the key signed the statement.
    pub fn verify(&self, statement: &impl Signable, signature: &str) -> Result<(), BadSignature> {
        let bytes = statement.signed_bytes().map_err(|_| BadSignature::Forged)?;
        self.verify_bytes(&bytes, signature)
    }

    /// Proves that the owner of the key signed these bytes.
    pub fn verify_bytes(&self, bytes: &[u8], signature: &str) -> Result<(), BadSignature> {
        let raw = BASE64_STANDARD
            .decode(signature)
            .map_err(|_| BadSignature::Encoding)?;
        let raw: [u8; SIGNATURE_LENGTH] = raw.try_into().map_err(|_| BadSignature::Length)?;
        (self.0)
            .verify_strict(bytes, &Signature::from_bytes(&raw))
            .map_err(|_| BadSignature::Forged)
    }
}

impl FromStr for AgentKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let encoded = text.strip_prefix(PREFIX).ok_or(InvalidKey::Unprefixed)?;
        let der = BASE64_STANDARD
            .decode(encoded)
            .map_err(|_| InvalidKey::Encoding)?;
        let key = der.strip_prefix(&SPKI).ok_or(InvalidKey::Algorithm)?;
        let key = key.try_into().map_err(|_| InvalidKey::Length(der.len()))?;
        Self::of_bytes(key)
    }
}

impl fmt::Display for AgentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let der = [SPKI.as_slice(), self.as_bytes()].concat();
        write!(f, "{PREFIX}{}", BASE64_STANDARD.encode(der))
    }
}

impl fmt::Debug for AgentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a signature proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSignature {
    /// Not base64, or another spelling of it.
    #[error("it is not base64 as it is usually written")]
    Encoding,
    /// Not the length of a signature.
    #[error("it is not the {SIGNATURE_LENGTH} bytes of an Ed25519 signature")]
    Length,
    /// By another key, or over something else.
    #[error("it is not by this key over this statement")]
    Forged,
}

#[cfg(test)]
mod tests;
