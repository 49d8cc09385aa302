//! SSH signatures of reviews: what `ssh-keygen -Y sign` writes, over exactly one decision on one ticket.

use std::{fmt, str::FromStr};

use ssh_key::{Algorithm, EcdsaCurve, HashAlg, LineEnding, PublicKey, SshSig, public::KeyData};

use crate::{digest::Digest, identity::Identity, plain::excerpt, review::ReviewDecision};

/// The namespace of the signatures: one that was made for a file, a commit or a login is none of a review.
pub const NAMESPACE: &str = "review@countersign.dev";

/// The fewest bits of an RSA key.
pub const MIN_RSA_BITS: u32 = 3072;

/// The flag by which a hardware key says that somebody touched it.
const TOUCHED: u8 = 1;

/// How many bytes a hardware key adds to its signature: flags and a counter.
const TRAILER: usize = 5;

/// What a reviewer signs.
#[derive(Clone, Copy, Debug)]
pub struct Statement<'a> {
    /// The uid of the namespace kube-system.
    pub cluster_id: &'a str,
    /// The uid of the ticket.
    pub ticket_uid: &'a str,
    /// The binding hash that the reviewer saw.
    pub binding_hash: Digest,
    /// What is decided.
    pub decision: ReviewDecision,
    /// Who decides.
    pub reviewer: &'a Identity,
}

/// The text that is signed, to the last line feed.
impl fmt::Display for Statement<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "countersign.dev/review/v1")?;
        writeln!(f, "cluster {}", self.cluster_id)?;
        writeln!(f, "ticket {}", self.ticket_uid)?;
        writeln!(f, "binding {}", self.binding_hash)?;
        writeln!(f, "decision {}", self.decision.as_str())?;
        writeln!(f, "reviewer {}", self.reviewer)
    }
}

/// A public key that signs reviews.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshKey(KeyData);

/// Why a text is no key that may sign reviews.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// Not one line of an `id_*.pub` file.
    #[error("it is not a public key as OpenSSH writes it: {0}")]
    Unreadable(String),
    /// Another kind of key.
    #[error(
        "keys of type `{0}` do not sign reviews: use ed25519, ecdsa-sha2-nistp256, their sk- forms, or rsa"
    )]
    Algorithm(String),
    /// An RSA key that is too short.
    #[error("an rsa key of {0} bits is too short: {MIN_RSA_BITS} are the least")]
    TooShort(u32),
}

impl FromStr for SshKey {
    type Err = InvalidKey;

    fn from_str(line: &str) -> Result<Self, InvalidKey> {
        let unreadable = |error: ssh_key::Error| InvalidKey::Unreadable(error.to_string());
        if line.trim_end().contains(char::is_control) {
            return Err(InvalidKey::Unreadable("it is not one line".to_owned()));
        }
        let key = PublicKey::from_openssh(line).map_err(unreadable)?;
        let curve = EcdsaCurve::NistP256;
        match key.key_data() {
            KeyData::Rsa(rsa) if rsa.key_size() < MIN_RSA_BITS => Err(InvalidKey::TooShort(rsa.key_size())),
            data @ (KeyData::Ed25519(_)
            | KeyData::SkEd25519(_)
            | KeyData::SkEcdsaSha2NistP256(_)
            | KeyData::Rsa(_)) => Ok(Self(data.clone())),
            data if data.algorithm() == (Algorithm::Ecdsa { curve }) => Ok(Self(data.clone())),
            data => Err(InvalidKey::Algorithm(excerpt(data.algorithm().as_str()))),
        }
    }
}

impl SshKey {
    /// `SHA256:` and 43 characters, as `ssh-keygen -l` writes it.
    pub fn fingerprint(&self) -> String {
        self.0.fingerprint(HashAlg::Sha256).to_string()
    }
}

/// Why a signature proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSignature {
    /// Not what `ssh-keygen -Y sign` writes, to the byte.
    #[error("it is not a signature as ssh-keygen -Y sign writes it: {0}")]
    Unreadable(String),
    /// Made for something else than reviews.
    #[error("it was made for the namespace `{0}`: sign with -n {NAMESPACE}")]
    Namespace(String),
    /// Made by a key that the directory does not list for the reviewer.
    #[error("its key {0} is not one that the directory lists for the reviewer")]
    UnknownKey(String),
    /// By another key than the review names.
    #[error("its key is {0}, and keyFingerprint names another")]
    Fingerprint(String),
    /// RSA with SHA-1.
    #[error("it is made with SHA-1: use rsa-sha2-512")]
    WeakHash,
    /// A hardware key that nobody touched.
    #[error("nobody touched the hardware key")]
    Untouched,
    /// Over something else.
    #[error("it is not over this decision of this reviewer on this ticket in this cluster")]
    OtherStatement,
}

/// Proves that the owner of `keys` signed `statement`, with the key that has this fingerprint.
pub fn verify(
    signature: &str,
    fingerprint: &str,
    statement: &Statement<'_>,
    keys: &[SshKey],
) -> Result<(), BadSignature> {
    let signed = read(signature)?;
    if signed.namespace() != NAMESPACE {
        return Err(BadSignature::Namespace(excerpt(signed.namespace())));
    }
    let by = SshKey(signed.public_key().clone());
    if !keys.contains(&by) {
        return Err(BadSignature::UnknownKey(by.fingerprint()));
    }
    if by.fingerprint() != fingerprint {
        return Err(BadSignature::Fingerprint(by.fingerprint()));
    }
    if signed.algorithm() == (Algorithm::Rsa { hash: None }) {
        return Err(BadSignature::WeakHash);
    }
    if !is_touched(&signed) {
        return Err(BadSignature::Untouched);
    }
    PublicKey::from(by.0)
        .verify(NAMESPACE, statement.to_string().as_bytes(), &signed)
        .map_err(|_| BadSignature::OtherStatement)
}

/// The fingerprint of the key that made a signature, which is not verified.
pub fn signer(signature: &str) -> Result<String, BadSignature> {
    Ok(SshKey(read(signature)?.public_key().clone()).fingerprint())
}

/// One signature has one spelling: what stands around it, or within it beyond its end, is refused.
fn read(signature: &str) -> Result<SshSig, BadSignature> {
    let unreadable = |error: ssh_key::Error| BadSignature::Unreadable(error.to_string());
    let read = SshSig::from_pem(signature).map_err(unreadable)?;
    if read.to_pem(LineEnding::LF).map_err(unreadable)?.trim_end() == signature.trim_end() {
        return Ok(read);
    }
    let why = "something is around it, or it is spelled in another way";
    Err(BadSignature::Unreadable(why.to_owned()))
}

/// Whether somebody was there: of other keys nobody tells.
fn is_touched(signed: &SshSig) -> bool {
    let is_hardware = matches!(
        signed.public_key(),
        KeyData::SkEd25519(_) | KeyData::SkEcdsaSha2NistP256(_)
    );
    let flags = || signed.signature_bytes().iter().rev().nth(TRAILER - 1);
    !is_hardware || flags().is_some_and(|flags| flags & TOUCHED != 0)
}

#[cfg(test)]
mod tests;
