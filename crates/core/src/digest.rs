//! SHA-256 digests and keyed digests, written `sha256:<hex>` and `hmac-sha256:<hex>`.

use std::{fmt, str::FromStr};

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize, de};
use sha2::{Digest as _, Sha256};

/// A SHA-256 digest; displayed as `sha256:` and 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of the parts, one after the other.
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update(part);
        }
        Self(hasher.finalize().into())
    }

    /// The raw 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The 64 hex digits without the prefix.
    pub fn hex(&self) -> String {
        hex(&self.0)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not `sha256:` and 64 lower-case hex digits.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a digest: expected `sha256:` and 64 lower-case hex digits")]
pub struct InvalidDigest(String);

impl FromStr for Digest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        text.strip_prefix("sha256:")
            .and_then(unhex)
            .map(Self)
            .ok_or_else(|| InvalidDigest(text.to_owned()))
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

/// A secret key for keyed digests; one purpose per key.
#[derive(Clone)]
pub struct MacKey(Hmac<Sha256>);

impl MacKey {
    /// A key of 32 secret bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        // HMAC pads a short key with zeros to the hash's block size: done here, because the block is infallible.
        let mut block = [0; 64];
        block.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        Self(Hmac::new(&block.into()))
    }

    /// `hmac-sha256:<hex>` over the parts, each preceded by its length so that no two lists of parts collide.
    pub fn sign(&self, parts: &[&[u8]]) -> String {
        format!("hmac-sha256:{}", hex(&self.feed(parts).finalize().into_bytes()))
    }

    /// Whether `mac` is what [`MacKey::sign`] says for these parts; in constant time.
    pub fn verify(&self, parts: &[&[u8]], mac: &str) -> bool {
        let Some(expected) = mac.strip_prefix("hmac-sha256:").and_then(unhex) else {
            return false;
        };
        self.feed(parts).verify_slice(&expected).is_ok()
    }

    fn feed(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacKey(..)")
    }
}

fn hex(bytes: &[u8]) -> String {
    use fmt::Write;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let nibble = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut pairs = text.as_bytes().chunks_exact(2);
    let mut bytes = [0; 32];
    for byte in &mut bytes {
        let [high, low] = pairs.next()? else { return None };
        *byte = nibble(*high)? << 4 | nibble(*low)?;
    }
    (text.len() == 64).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_reads_back_and_rejects_other_spellings() {
        let digest = Digest::of(&[b"ab", b"c"]);
        assert_eq!(digest, Digest::of(&[b"abc"]));
        assert_eq!(digest.to_string().parse(), Ok(digest));
        for bad in [
            "",
            "sha256:",
            "sha512:00",
            &digest.to_string().to_uppercase(),
            &format!("{digest}0"),
        ] {
            assert_eq!(bad.parse::<Digest>(), Err(InvalidDigest(bad.to_owned())));
        }
    }

    #[test]
    fn a_key_is_not_shown() {
        assert_eq!(format!("{:?}", MacKey::new([7; 32])), "MacKey(..)");
    }

    #[test]
    fn a_mac_binds_the_borders_of_its_parts() {
        let key = MacKey::new([7; 32]);
        let mac = key.sign(&[b"ab", b"c"]);
        assert!(key.verify(&[b"ab", b"c"], &mac));
        assert!(!key.verify(&[b"a", b"bc"], &mac));
        assert!(!MacKey::new([8; 32]).verify(&[b"ab", b"c"], &mac));
    }
}
