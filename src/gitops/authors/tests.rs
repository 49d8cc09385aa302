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
