//! Signatures that verifiers disagree about: an agent's key takes only what strict verification takes.
//!
//! `wycheproof.json` holds the Ed25519 vectors of Project Wycheproof (C2SP/wycheproof, Apache-2.0), one on a line. The
//! classes of "Taming the many EdDSAs" (speccheck) are made here.

#![expect(
    clippy::unwrap_used,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

use base64::{Engine, prelude::BASE64_STANDARD};
use countersign_core::agent_key::{AgentKey, BadSignature, InvalidKey};
use curve25519_dalek::{
    EdwardsPoint, Scalar,
    constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION},
    traits::Identity,
};
use ed25519_dalek::{Signature, Verifier, VerifyingKey};
use serde::Deserialize;
use sha2::{Digest, Sha512};

/// The order of the group, little-endian.
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vector {
    tc_id: u32,
    comment: String,
    key: String,
    msg: String,
    sig: String,
    result: String,
}

fn bytes(hex: &str) -> Vec<u8> {
    let pairs = (0..hex.len() / 2).map(|at| &hex[2 * at..2 * at + 2]);
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

#[test]
fn the_vectors_of_wycheproof_are_taken_if_they_are_valid_and_not_else() {
    let vectors: Vec<Vector> = serde_json::from_str(include_str!("wycheproof.json")).unwrap();
    assert_eq!(vectors.len(), 151);
    for vector in vectors {
        let key = AgentKey::of_bytes(&bytes(&vector.key).try_into().unwrap()).unwrap();
        let signature = BASE64_STANDARD.encode(bytes(&vector.sig));
        let taken = key.verify_bytes(&bytes(&vector.msg), &signature).is_ok();
        let Vector { tc_id, comment, .. } = &vector;
        assert_eq!(taken, vector.result == "valid", "{tc_id}: {comment}");
    }
}

/// A key and a signature by it, each with a part of small order.
struct Forged {
    key: [u8; 32],
    signature: [u8; 64],
    /// What is left when the equation is checked without the cofactor.
    residue: EdwardsPoint,
}

const SECRET: u64 = 0x1234_5678_9abc;

fn forge(key_torsion: EdwardsPoint, nonce: u64, nonce_torsion: EdwardsPoint, message: &[u8]) -> Forged {
    let (secret, nonce) = (Scalar::from(SECRET), Scalar::from(nonce));
    let key = (ED25519_BASEPOINT_POINT * secret + key_torsion).compress();
    let first = (ED25519_BASEPOINT_POINT * nonce + nonce_torsion).compress();
    let hash = Sha512::new()
        .chain_update(first.as_bytes())
        .chain_update(key.as_bytes())
        .chain_update(message);
    let challenge = Scalar::from_bytes_mod_order_wide(&hash.finalize().into());
    let second = nonce + challenge * secret;
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(first.as_bytes());
    signature[32..].copy_from_slice(second.as_bytes());
    // A multiple of the order of the group takes only the part of small order along.
    Forged {
        key: key.to_bytes(),
        signature,
        residue: nonce_torsion + key_torsion * challenge,
    }
}

/// Messages, until one gives what is looked for.
fn search(make: impl Fn(&[u8]) -> Forged, fits: impl Fn(&Forged) -> bool) -> (Forged, Vec<u8>) {
    (0..=u32::MAX)
        .map(|number| number.to_be_bytes().to_vec())
        .map(|message| (make(&message), message))
        .find(|(forged, _)| fits(forged))
        .unwrap()
}

fn verdict(forged: &Forged, message: &[u8]) -> Result<(), BadSignature> {
    let key = AgentKey::of_bytes(&forged.key).unwrap();
    key.verify_bytes(message, &BASE64_STANDARD.encode(forged.signature))
}

/// Whether the check that many libraries make takes it.
fn is_taken_loosely(forged: &Forged, message: &[u8]) -> bool {
    let key = VerifyingKey::from_bytes(&forged.key).unwrap();
    key.verify(message, &Signature::from_bytes(&forged.signature))
        .is_ok()
}

#[test]
fn keys_of_small_order_and_other_spellings_of_points_are_no_keys() {
    for point in EIGHT_TORSION {
        let key = AgentKey::of_bytes(point.compress().as_bytes());
        assert_eq!(key, Err(InvalidKey::Weak));
    }
    // A y that is not below the prime, with either sign; and a neutral point with a sign.
    let mut others = vec![{
        let mut neutral = EdwardsPoint::identity().compress().to_bytes();
        neutral[31] |= 0x80;
        neutral
    }];
    for low in 0xed..=0xff {
        for sign in [0x7f, 0xff] {
            let mut bytes = [0xff; 32];
            (bytes[0], bytes[31]) = (low, sign);
            others.push(bytes);
        }
    }
    for bytes in others {
        assert!(AgentKey::of_bytes(&bytes).is_err(), "{bytes:?}");
    }
}

#[test]
fn a_nonce_of_small_order_is_refused_although_the_equation_holds() {
    let torsion = EIGHT_TORSION[1];
    for nonce_torsion in EIGHT_TORSION {
        let (forged, message) = search(
            |message| forge(torsion, 0, nonce_torsion, message),
            |forged| forged.residue == EdwardsPoint::identity(),
        );
        assert!(is_taken_loosely(&forged, &message));
        assert_eq!(verdict(&forged, &message), Err(BadSignature::Forged));
    }
}

#[test]
fn what_holds_with_the_cofactor_alone_is_refused() {
    let (neutral, torsion) = (EdwardsPoint::identity(), EIGHT_TORSION[1]);
    for (key_torsion, nonce_torsion) in [(torsion, torsion), (neutral, torsion), (torsion, neutral)] {
        let (forged, message) = search(
            |message| forge(key_torsion, 77, nonce_torsion, message),
            |forged| forged.residue != neutral,
        );
        assert_eq!(verdict(&forged, &message), Err(BadSignature::Forged));
        let (whole, message) = search(
            |message| forge(torsion, 77, torsion, message),
            |forged| forged.residue == neutral,
        );
        assert_eq!(
            verdict(&whole, &message),
            Ok(()),
            "what holds without it is taken"
        );
    }
}

#[test]
fn a_second_half_that_is_not_below_the_order_is_refused() {
    let neutral = EdwardsPoint::identity();
    let forged = forge(neutral, 77, neutral, b"message");
    assert_eq!(verdict(&forged, b"message"), Ok(()));
    let mut more = forged;
    for _ in 0..7 {
        let mut carry = 0;
        for (digit, of_order) in more.signature[32..].iter_mut().zip(ORDER) {
            let sum = u16::from(*digit) + u16::from(of_order) + carry;
            [*digit, _] = sum.to_le_bytes();
            carry = sum >> 8;
        }
        assert_eq!(verdict(&more, b"message"), Err(BadSignature::Forged));
    }
}

#[test]
fn another_spelling_of_a_nonce_is_refused() {
    let torsion = EIGHT_TORSION[1];
    let message = b"message";
    for spelling in [
        // The neutral point as p + 1, and with a sign.
        {
            let mut bytes = [0xff; 32];
            (bytes[0], bytes[31]) = (0xee, 0x7f);
            bytes
        },
        {
            let mut bytes = [0; 32];
            (bytes[0], bytes[31]) = (1, 0x80);
            bytes
        },
    ] {
        for torsion in [EdwardsPoint::identity(), torsion] {
            let mut forged = forge(torsion, 0, EdwardsPoint::identity(), message);
            forged.signature[..32].copy_from_slice(&spelling);
            assert_eq!(verdict(&forged, message), Err(BadSignature::Forged));
        }
    }
}
