//! What the passcode signs: one window, of one person, in one cluster, for one reason.

use base64::{Engine, prelude::BASE64_STANDARD};
use ed25519_dalek::{Signature, Signer as _, SigningKey};
use serde::Serialize;

use super::passcode::Verifier;
use crate::dsse::Signable;

/// What is signed, each as the BreakGlass has it.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Statement<'a> {
    /// The uid of the namespace kube-system.
    #[serde(rename = "clusterID")]
    pub cluster_id: &'a str,
    /// Who opens the window.
    #[serde(rename = "personID")]
    pub person_id: &'a str,
    /// Why.
    pub reason: &'a str,
    /// For how long.
    pub duration: &'a str,
    /// What makes it the only one.
    pub nonce: &'a str,
    /// When it was signed.
    pub time: &'a str,
}

impl Signable for Statement<'_> {
    const PAYLOAD_TYPE: &'static str = "application/vnd.countersign.break-glass+json";
}

impl Statement<'_> {
    /// The signature by the key that the passcode leads to, in base64.
    pub fn sign(&self, key: &SigningKey) -> Result<String, serde_json::Error> {
        Ok(BASE64_STANDARD.encode(key.sign(&self.signed_bytes()?).to_bytes()))
    }

    /// Whether the passcode signed exactly this. One signature has one spelling.
    pub fn is_signed_by(&self, verifier: &Verifier, signature: &str) -> bool {
        let signature = BASE64_STANDARD.decode(signature).ok();
        let signature = signature.and_then(|bytes| Signature::from_slice(&bytes).ok());
        match (signature, self.signed_bytes()) {
            (Some(signature), Ok(signed)) => verifier.key().verify_strict(&signed, &signature).is_ok(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATEMENT: Statement<'_> = Statement {
        cluster_id: "cluster-1",
        person_id: "user:ada",
        reason: "incident #4218",
        duration: "30m",
        nonce: "00112233445566778899aabbccddeeff",
        time: "2026-01-01T00:00:00Z",
    };

    fn key(seed: u8) -> (SigningKey, Verifier) {
        let key = SigningKey::from_bytes(&[seed; 32]);
        let verifier = Verifier::of(&key).unwrap();
        (key, verifier)
    }

    #[test]
    fn what_is_signed_is_canonical_json_with_its_type() {
        let signed = String::from_utf8(STATEMENT.signed_bytes().unwrap()).unwrap();
        let payload = r#"{"clusterID":"cluster-1","duration":"30m","nonce":"00112233445566778899aabbccddeeff","personID":"user:ada","reason":"incident #4218","time":"2026-01-01T00:00:00Z"}"#;
        assert_eq!(
            signed,
            format!(
                "DSSEv1 44 application/vnd.countersign.break-glass+json {} {payload}",
                payload.len()
            )
        );
    }

    #[test]
    fn a_signature_is_of_one_passcode_and_one_statement() {
        let ((key, verifier), (_, other)) = (key(1), key(2));
        let signature = STATEMENT.sign(&key).unwrap();
        assert!(STATEMENT.is_signed_by(&verifier, &signature));
        assert!(!STATEMENT.is_signed_by(&other, &signature));
        let altered = |change: fn(&mut Statement<'_>)| {
            let mut statement = STATEMENT;
            change(&mut statement);
            statement
        };
        for altered in [
            altered(|statement| statement.cluster_id = "cluster-2"),
            altered(|statement| statement.person_id = "user:mallory"),
            altered(|statement| statement.reason = "incident #4219"),
            altered(|statement| statement.duration = "60m"),
            altered(|statement| statement.nonce = "00112233445566778899aabbccddeef0"),
            altered(|statement| statement.time = "2026-01-01T01:00:00Z"),
        ] {
            assert!(!altered.is_signed_by(&verifier, &signature), "{altered:?}");
        }
    }

    #[test]
    fn a_signature_has_one_spelling() {
        let (key, verifier) = key(1);
        let signature = STATEMENT.sign(&key).unwrap();
        let spellings = [
            String::new(),
            format!("{signature}\n"),
            signature.trim_end_matches('=').to_owned(),
            format!("{signature}{signature}"),
        ];
        for spelling in spellings {
            assert!(!STATEMENT.is_signed_by(&verifier, &spelling), "{spelling:?}");
        }
    }
}
