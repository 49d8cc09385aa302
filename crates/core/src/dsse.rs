//! DSSE: what is signed of a statement, so that a signature of one kind of statement is never one of another.
//!
//! <https://github.com/secure-systems-lab/dsse>

use serde::Serialize;

/// A kind of statement that is signed: its payload is the JCS form of its JSON.
pub trait Signable: Serialize + Sized {
    /// The media type of the payload.
    const PAYLOAD_TYPE: &'static str;

    /// The payload of an envelope.
    fn payload(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json_canonicalizer::to_vec(self)
    }

    /// The bytes that are signed.
    fn signed_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        Ok(pae(Self::PAYLOAD_TYPE, &self.payload()?))
    }
}

/// The pre-authentication encoding: type and payload, each with its length before it.
fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let lengths = (payload_type.len(), payload.len());
    let mut bytes = format!("DSSEv1 {} {payload_type} {} ", lengths.0, lengths.1).into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encoding_is_that_of_the_specification() {
        assert_eq!(
            pae("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
        assert_eq!(pae("", "\u{e9}".as_bytes()), "DSSEv1 0  2 \u{e9}".as_bytes());
    }
}
