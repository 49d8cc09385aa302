use serde_json::{Value, from_value, json};

use super::*;

const ADA: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn secret(name: &str, file: &str) -> Secret {
    let data = [(name.to_owned(), k8s_openapi::ByteString(file.as_bytes().to_vec()))];
    Secret {
        data: Some(data.into()),
        ..Secret::default()
    }
}

#[test]
fn a_key_is_whose_its_comment_says_if_that_is_a_person() {
    for (name, file, who) in [
        (
            "ada.sshpub",
            format!("ssh-ed25519 {ADA} user:ada"),
            Some("user:ada"),
        ),
        (
            "ada.sshpub",
            format!("# keys\n\nssh-ed25519 {ADA} user:ada laptop"),
            Some("user:ada"),
        ),
        ("ada.sshpub", format!("ssh-ed25519 {ADA} agent:bot"), None),
        ("ada.sshpub", format!("ssh-ed25519 {ADA} ada@example.com"), None),
        ("ada.sshpub", format!("ssh-ed25519 {ADA}"), None),
        ("ada.asc", format!("ssh-ed25519 {ADA} user:ada"), None),
    ] {
        let known = known_keys(&secret(name, &file));
        let people: Vec<_> = known.iter().map(|(_, who)| who.as_str()).collect();
        assert_eq!(people, Vec::from_iter(who), "{name}: {file}");
        let is_print = |print: &str| print.len() == "SHA256:".len() + 43;
        assert!(known.iter().all(|(print, _)| is_print(print)), "{known:?}");
    }
}

#[test]
fn a_revision_is_verified_by_what_is_said_of_exactly_it() {
    let deployer = json!({ "metadata": {}, "status": { "lastAttemptedRevision": "main@sha1:1" } });
    let repository = json!({
        "metadata": { "generation": 2 },
        "spec": { "verify": { "secretRef": { "name": "signers" } } },
        "status": {
            "artifact": { "revision": "main@sha1:1" },
            "conditions": [{
                "type": "SourceVerified", "status": "True", "reason": "Succeeded", "observedGeneration": 2,
                "lastTransitionTime": "2026-06-01T12:00:00Z",
                "message": "verified signature of\n\t- commit '1' with key 'SHA256:a'",
            }],
        },
    });
    let with = |pointer: &str, value: Value| {
        let mut other = repository.clone();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        other.pointer_mut(parent).unwrap()[key] = value;
        other
    };
    let deployer: Deployer = from_value(deployer).unwrap();
    let is_verified = |repository: &Value| {
        let repository: Repository = from_value(repository.clone()).unwrap();
        verified(&repository, &deployer).is_some()
    };
    assert!(is_verified(&repository));
    for (pointer, value) in [
        ("/status/artifact/revision", json!("main@sha1:2")),
        ("/metadata/generation", json!(3)),
        ("/status/conditions/0/status", json!("False")),
        (
            "/status/conditions/0/message",
            json!("verified signature of tag 'v1'"),
        ),
        // What another repository lays into it nobody signed here.
        ("/spec/include", json!([{ "repository": { "name": "other" } }])),
    ] {
        assert!(!is_verified(&with(pointer, value.clone())), "{pointer}: {value}");
    }
}

#[test]
fn every_signature_is_a_persons_or_none_counts() {
    let id = |text: &str| text.parse::<Identity>().unwrap();
    let known = [
        ("SHA256:a".to_owned(), id("user:ada")),
        ("SHA256:b".to_owned(), id("user:ben")),
        ("SHA256:c".to_owned(), id("user:ada")),
        ("SHA256:c".to_owned(), id("user:ben")),
    ];
    let said = "verified signature of\n\t- ";
    for (message, people) in [
        (
            format!("{said}commit '1' with key 'SHA256:a'"),
            Some(vec!["user:ada"]),
        ),
        (format!("{said}commit '1' with key 'SHA256:x'"), None),
        (format!("{said}commit '1' with key 'SHA256:c'"), None),
        (
            format!("{said}tag 't' with key 'SHA256:b'\n\t- commit '1' with key 'SHA256:a'"),
            Some(vec!["user:ada", "user:ben"]),
        ),
        (
            format!("{said}tag 't' with key 'SHA256:x'\n\t- commit '1' with key 'SHA256:a'"),
            None,
        ),
    ] {
        let people = people.map(|people| people.into_iter().map(id).collect());
        assert_eq!(signers(&message, &known), people, "{message}");
    }
}
