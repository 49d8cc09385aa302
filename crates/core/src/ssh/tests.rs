//! What real ssh-keygen wrote, and every way in which a signature proves nothing.

use ssh_key::{
    PrivateKey, Signature,
    private::Ed25519Keypair,
    public::{Ed25519PublicKey, SkEd25519},
};

use super::*;
use crate::fixtures::id;

/// Written by ssh-keygen of OpenSSH 9: the key, and its signature over [`statement`].
const REAL: [(&str, &str); 3] = [
    (include_str!("data/ed25519.pub"), include_str!("data/ed25519.sig")),
    (
        include_str!("data/ecdsa-p256.pub"),
        include_str!("data/ecdsa-p256.sig"),
    ),
    (
        include_str!("data/rsa-3072.pub"),
        include_str!("data/rsa-3072.sig"),
    ),
];

fn statement(reviewer: &Identity) -> Statement<'_> {
    Statement {
        cluster_id: "cluster-1",
        ticket_uid: "ticket-uid",
        binding_hash: Digest::of(&[]),
        decision: ReviewDecision::Approve,
        reviewer,
    }
}

fn key(line: &str) -> SshKey {
    line.parse().unwrap()
}

/// What is said of this signature over [`statement`] where `line` is the reviewer's key.
fn judged(signature: &str, line: &str) -> Result<(), BadSignature> {
    let keys = [key(line)];
    verify(
        signature,
        &keys[0].fingerprint(),
        &statement(&id("user:rita")),
        &keys,
    )
}

/// A key that signs here, and its public line.
fn own_key(seed: u8) -> (PrivateKey, String) {
    let key = PrivateKey::from(Ed25519Keypair::from_seed(&[seed; 32]));
    let line = key.public_key().to_openssh().unwrap();
    (key, line)
}

fn signed_here(seed: u8, statement: &Statement<'_>) -> String {
    let text = statement.to_string();
    let signed = own_key(seed).0.sign(NAMESPACE, HashAlg::Sha512, text.as_bytes());
    signed.unwrap().to_pem(LineEnding::LF).unwrap()
}

#[test]
fn what_is_signed_is_this_text() {
    let reviewer = id("user:rita");
    let text = "countersign.dev/review/v1
cluster cluster-1
ticket ticket-uid
binding sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
decision Approve
reviewer user:rita
";
    assert_eq!(statement(&reviewer).to_string(), text);
}

#[test]
fn signatures_of_the_real_ssh_keygen_hold() {
    for (line, signature) in REAL {
        assert_eq!(judged(signature, line), Ok(()), "{line}");
        assert_eq!(signer(signature).unwrap(), key(line).fingerprint());
    }
}

#[test]
fn a_signature_is_over_one_decision_on_one_ticket_in_one_cluster() {
    let (rita, rival) = (id("user:rita"), id("user:rival"));
    let said = statement(&rita);
    let others = [
        Statement {
            cluster_id: "cluster-2",
            ..said
        },
        Statement {
            ticket_uid: "another",
            ..said
        },
        Statement {
            binding_hash: Digest::of(&[b"other content"]),
            ..said
        },
        Statement {
            decision: ReviewDecision::Deny,
            ..said
        },
        Statement {
            reviewer: &rival,
            ..said
        },
    ];
    for (line, signature) in REAL {
        let keys = [key(line)];
        for other in &others {
            let verified = verify(signature, &keys[0].fingerprint(), other, &keys);
            assert_eq!(verified, Err(BadSignature::OtherStatement), "{other}");
        }
    }
}

#[test]
fn the_key_is_one_of_the_reviewers_and_the_one_that_is_named() {
    let (mine, removed) = (own_key(1).1, own_key(2).1);
    let reviewer = id("user:rita");
    let said = statement(&reviewer);
    let by_removed = signed_here(2, &said);
    let unknown = Err(BadSignature::UnknownKey(key(&removed).fingerprint()));
    assert_eq!(judged(&by_removed, &mine), unknown);
    let none = verify(&by_removed, &key(&removed).fingerprint(), &said, &[]);
    assert_eq!(none, unknown);
    let both = [key(&mine), key(&removed)];
    assert_eq!(verify(&by_removed, &both[1].fingerprint(), &said, &both), Ok(()));
    let other_name = verify(&by_removed, &both[0].fingerprint(), &said, &both);
    assert_eq!(other_name, Err(BadSignature::Fingerprint(both[1].fingerprint())));
}

#[test]
fn a_signature_for_something_else_is_none_of_a_review() {
    let file = judged(
        include_str!("data/ed25519-file.sig"),
        include_str!("data/ed25519.pub"),
    );
    assert_eq!(file, Err(BadSignature::Namespace("file".to_owned())));
}

#[test]
fn rsa_with_sha_1_is_refused() {
    let (line, signature) = REAL[2];
    let read = SshSig::from_pem(signature).unwrap();
    let by = Signature::new(Algorithm::Rsa { hash: None }, read.signature_bytes()).unwrap();
    let weak = SshSig::new(read.public_key().clone(), NAMESPACE, HashAlg::Sha512, by).unwrap();
    let weak = weak.to_pem(LineEnding::LF).unwrap();
    assert_eq!(judged(&weak, line), Err(BadSignature::WeakHash));
}

#[test]
fn one_signature_has_one_spelling() {
    let (line, signature) = REAL[0];
    let body: String = signature.lines().filter(|line| !line.starts_with('-')).collect();
    let rewrapped = format!("-----BEGIN SSH SIGNATURE-----\n{body}\n-----END SSH SIGNATURE-----\n");
    for other in [
        format!("{signature}more\n"),
        format!("more\n{signature}"),
        signature.replace('\n', "\r\n"),
        signature.replace("-----END", "AAAA\n-----END"),
        rewrapped,
        String::new(),
        "-----BEGIN SSH SIGNATURE-----\n-----END SSH SIGNATURE-----\n".to_owned(),
    ] {
        let refused = judged(&other, line);
        assert!(
            matches!(refused, Err(BadSignature::Unreadable(_))),
            "{refused:?}: {other}"
        );
    }
    assert_eq!(
        judged(signature.trim_end(), line),
        Ok(()),
        "the last line feed may be missing"
    );
}

#[test]
fn a_signature_with_any_other_bit_is_refused() {
    let (line, signature) = REAL[0];
    let read = SshSig::from_pem(signature).unwrap();
    for at in 0..read.signature_bytes().len() {
        let mut bytes = read.signature_bytes().to_vec();
        bytes[at] ^= 1;
        let by = Signature::new(Algorithm::Ed25519, bytes).unwrap();
        let forged = SshSig::new(read.public_key().clone(), NAMESPACE, HashAlg::Sha512, by).unwrap();
        let forged = forged.to_pem(LineEnding::LF).unwrap();
        assert_eq!(
            judged(&forged, line),
            Err(BadSignature::OtherStatement),
            "byte {at}"
        );
    }
}

/// A hardware key's signature over [`statement`], with these flags.
fn by_hardware(flags: u8) -> (String, String) {
    use ed25519_dalek::Signer;
    use sha2::{Digest as _, Sha256};

    let own = ed25519_dalek::SigningKey::from_bytes(&[3; 32]);
    let public = KeyData::SkEd25519(SkEd25519::new(
        Ed25519PublicKey(own.verifying_key().to_bytes()),
        "ssh:",
    ));
    let text = statement(&id("user:rita")).to_string();
    let message = SshSig::signed_data(NAMESPACE, HashAlg::Sha512, text.as_bytes()).unwrap();
    let trailer = [&[flags][..], &7_u32.to_be_bytes()].concat();
    let digests = [Sha256::digest(b"ssh:"), Sha256::digest(&message)];
    let over = [&digests[0][..], &trailer, &digests[1][..]].concat();
    let bytes = [&own.sign(&over).to_bytes()[..], &trailer].concat();
    let by = Signature::new(Algorithm::SkEd25519, bytes).unwrap();
    let signed = SshSig::new(public.clone(), NAMESPACE, HashAlg::Sha512, by).unwrap();
    let line = PublicKey::from(public).to_openssh().unwrap();
    (signed.to_pem(LineEnding::LF).unwrap(), line)
}

#[test]
fn a_hardware_key_signs_when_somebody_touches_it() {
    let (touched, line) = by_hardware(1);
    assert_eq!(judged(&touched, &line), Ok(()));
    let (untouched, line) = by_hardware(0);
    assert_eq!(judged(&untouched, &line), Err(BadSignature::Untouched));
    let (verified_only, line) = by_hardware(4);
    assert_eq!(judged(&verified_only, &line), Err(BadSignature::Untouched));
}

#[test]
fn which_keys_sign_reviews() {
    let refusal = |line: &str| line.parse::<SshKey>().unwrap_err();
    assert_eq!(
        refusal(include_str!("data/rsa-2048.pub")),
        InvalidKey::TooShort(2048)
    );
    let other = refusal(include_str!("data/ecdsa-p384.pub"));
    assert_eq!(other, InvalidKey::Algorithm("ecdsa-sha2-nistp384".to_owned()));
    let ed25519 = include_str!("data/ed25519.pub");
    for line in [
        String::new(),
        "rita".to_owned(),
        format!("no-touch-required {ed25519}"),
        ed25519.replace(" rita", "AAAA rita"),
        format!("{ed25519}{ed25519}"),
    ] {
        let why = refusal(&line);
        assert!(matches!(why, InvalidKey::Unreadable(_)), "{line}: {why}");
    }
    assert_eq!(
        key(ed25519),
        key(ed25519.split(" rita").next().unwrap()),
        "whatever its comment"
    );
}
