//! Each way to write no key, and each way to sign nothing.

use ed25519_dalek::{Signer, SigningKey};

use super::*;

fn key() -> (SigningKey, AgentKey) {
    let signing = SigningKey::from_bytes(&[7; 32]);
    let key = AgentKey::of_bytes(signing.verifying_key().as_bytes()).unwrap();
    (signing, key)
}

fn text(der: &[u8]) -> String {
    format!("{PREFIX}{}", BASE64_STANDARD.encode(der))
}

#[test]
fn a_key_reads_back_and_has_the_fingerprint_that_ssh_shows() {
    let (_, key) = key();
    let text = key.to_string();
    assert_eq!(
        text,
        "ed25519:MCowBQYDK2VwAyEA6kpsY+KcUgq+9VB7Ey7F+ZVHdq6+vnuSQh7qaRRG0iw="
    );
    assert_eq!(text.parse(), Ok(key));
    assert!(key.fingerprint().starts_with("SHA256:"));
    assert_eq!(key.fingerprint().len(), 50);
}

#[test]
fn what_is_no_key_is_refused_with_its_reason() {
    let spki = |bytes: &[u8]| text(&[SPKI.as_slice(), bytes].concat());
    let good = *key().1.as_bytes();
    let longer = [good.as_slice(), &[0]].concat();
    let mut x25519 = SPKI;
    x25519[8] = 0x6e;
    let p256 = [
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
    ];
    let spelled = key().1.to_string().replace("iw=", "ix=");
    let unpadded = key().1.to_string().replace('=', "");
    // The neutral point, a point of order 8, and a y that is not below the prime of the field.
    let neutral: [u8; 32] = std::array::from_fn(|index| u8::from(index == 0));
    let order_8: [u8; 32] = [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a,
        0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ];
    let mut beyond = [0xff; 32];
    (beyond[0], beyond[31]) = (0xee, 0x7f);
    for (text, why) in [
        ("rsa:AAAA".to_owned(), InvalidKey::Unprefixed),
        (format!("{PREFIX}@@@@"), InvalidKey::Encoding),
        (spelled, InvalidKey::Encoding),
        (unpadded, InvalidKey::Encoding),
        (text(&[x25519.as_slice(), &good].concat()), InvalidKey::Algorithm),
        (text(&p256), InvalidKey::Algorithm),
        (text(&good), InvalidKey::Algorithm),
        (spki(&good[..31]), InvalidKey::Length(43)),
        (spki(&longer), InvalidKey::Length(45)),
        (spki(&[2; 32]), InvalidKey::Point),
        (spki(&neutral), InvalidKey::Weak),
        (spki(&order_8), InvalidKey::Weak),
        (spki(&beyond), InvalidKey::Weak),
    ] {
        assert_eq!(text.parse::<AgentKey>(), Err(why), "{text}");
    }
}

#[test]
fn a_signature_has_one_spelling_and_proves_one_text() {
    let (signing, key) = key();
    let raw = signing.sign(b"yes").to_bytes();
    let signature = BASE64_STANDARD.encode(raw);
    assert_eq!(key.verify_bytes(b"yes", &signature), Ok(()));
    assert_eq!(key.verify_bytes(b"no", &signature), Err(BadSignature::Forged));
    let other_spelling = {
        let mut chars: Vec<char> = signature.chars().collect();
        let last = chars.len() - 3;
        chars[last] = char::from_u32(u32::from(chars[last]) + 1).unwrap();
        chars.into_iter().collect::<String>()
    };
    for (text, why) in [
        (format!("{signature}\n"), BadSignature::Encoding),
        (format!(" {signature}"), BadSignature::Encoding),
        (signature.trim_end_matches('=').to_owned(), BadSignature::Encoding),
        (other_spelling, BadSignature::Encoding),
        (BASE64_STANDARD.encode(&raw[..63]), BadSignature::Length),
        (
            BASE64_STANDARD.encode([&raw[..], &[0]].concat()),
            BadSignature::Length,
        ),
        (String::new(), BadSignature::Length),
    ] {
        assert_eq!(key.verify_bytes(b"yes", &text), Err(why), "{text}");
    }
}
