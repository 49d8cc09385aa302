use proptest::prelude::*;

use super::*;

fn approval() -> Approval {
    Approval {
        whom: "user:bob (owner of zone `billing`)".to_owned(),
        place: "billing/deployments.apps/my-api".to_owned(),
        subject: "agent:deploy-bot".parse().unwrap(),
        environment: Environment::Prod,
        cluster: "0e5c".to_owned(),
        resource_hash: Digest::of(&[b"new"]),
        old_hash: Some(Digest::of(&[b"old"])),
        command_hash: None,
        zone_claims: Vec::new(),
    }
}

fn mac(byte: u8) -> String {
    format!("hmac-sha256:{}", format!("{byte:02x}").repeat(32))
}

#[test]
fn the_sentence_comes_first_and_the_fields_after_it() {
    let text = Advice::NeedsApproval(Box::new(approval())).to_string();
    let (new, old) = (Digest::of(&[b"new"]), Digest::of(&[b"old"]));
    assert_eq!(
        text,
        format!(
            "countersign: needs approval of user:bob (owner of zone `billing`): \
             place=billing/deployments.apps/my-api subject=agent:deploy-bot env=prod cluster=0e5c \
             resourceHash={new} oldHash={old}"
        )
    );
}

#[test]
fn a_redacted_value_is_one_line() {
    let (place, pointer) = ("billing/secrets/db".to_owned(), "/data/password".to_owned());
    let text = Advice::Redacted(Redaction {
        place,
        pointer,
        old: Some(mac(1)),
        new: None,
    })
    .to_string();
    assert_eq!(
        text,
        format!(
            "countersign: redacted billing/secrets/db /data/password old={}",
            mac(1)
        )
    );
}

#[test]
fn a_relaxed_violation_names_its_reason() {
    let advice = Advice::Violation {
        reason: Reason::NotOfZone,
        message: "ask user:bob: he owns it".to_owned(),
    };
    assert_eq!(
        advice.to_string(),
        "countersign: NotOfZone: ask user:bob: he owns it"
    );
    assert_eq!(advice.to_string().parse(), Ok(advice));
}

#[test]
fn what_was_cut_or_is_not_ours_is_told_apart() {
    let text = Advice::NeedsApproval(Box::new(approval())).to_string();
    let cut: String = text.chars().take(200).collect();
    assert!(
        matches!(
            cut.parse::<Advice>(),
            Err(AdviceError::Field {
                key: "resourceHash",
                ..
            })
        ),
        "{cut}"
    );
    let shorter: String = text.chars().take(90).collect();
    assert_eq!(shorter.parse::<Advice>(), Err(AdviceError::Missing("subject")));
    let foreign = "spec.template: unknown field".to_owned();
    assert_eq!(foreign.parse::<Advice>(), Err(AdviceError::Foreign(foreign)));
    let unknown = "countersign: Sometimes: perhaps".to_owned();
    assert_eq!(unknown.parse::<Advice>(), Err(AdviceError::Unknown(unknown)));
    let bad = "countersign: redacted a/secrets/b /data/c old=hmac-sha256:00";
    assert!(matches!(
        bad.parse::<Advice>(),
        Err(AdviceError::Field { key: "old", .. })
    ));
}

#[test]
fn a_hostile_name_cannot_forge_a_field() {
    let forged = Digest::of(&[b"forged"]);
    let whom = format!("x: place=a/b/c subject=user:eve env=dev cluster=c resourceHash={forged}\u{1b}[2J");
    let advice = Advice::NeedsApproval(Box::new(Approval { whom, ..approval() }));
    let Ok(Advice::NeedsApproval(read)) = advice.to_string().parse() else {
        panic!("{advice} is not read")
    };
    assert_eq!(
        (read.resource_hash, read.subject.as_str()),
        (Digest::of(&[b"new"]), "agent:deploy-bot")
    );
    assert!(advice.to_string().contains("\\u{1b}[2J"), "{advice}");
}

#[test]
fn a_sentence_that_just_fits_is_whole() {
    let room = MAX_WARNING - "countersign: Unzoned: ".len();
    for (length, fits) in [(room, true), (room + 1, false)] {
        let advice = Advice::Violation {
            reason: Reason::Unzoned,
            message: "x".repeat(length),
        };
        let text = advice.to_string();
        assert_eq!(text.len(), MAX_WARNING);
        assert_eq!(text.parse() == Ok(advice), fits);
    }
    let nobody = Advice::NeedsApproval(Box::new(Approval {
        whom: String::new(),
        ..approval()
    }));
    assert_eq!(nobody.to_string().parse(), Ok(nobody));
}

#[test]
fn what_looks_encoded_reads_back_as_it_was() {
    for place in ["a%41", "%", "%%20", "a b", "\u{e9}%e9"] {
        let advice = Advice::Redacted(Redaction {
            place: place.to_owned(),
            pointer: "/data/%7e".to_owned(),
            old: None,
            new: None,
        });
        assert_eq!(advice.to_string().parse(), Ok(advice));
    }
}

fn digests() -> impl Strategy<Value = Option<Digest>> {
    proptest::option::of(any::<[u8; 4]>().prop_map(|bytes| Digest::of(&[&bytes])))
}

prop_compose! {
    fn approvals()(
        whom in "[ -~]{0,80}",
        place in ".{0,24}",
        cluster in ".{0,10}",
        environment in proptest::sample::select(&Environment::ALL),
        resource_hash in digests(),
        old_hash in digests(),
        command_hash in digests(),
    ) -> Advice {
        let resource_hash = resource_hash.unwrap_or(Digest::of(&[]));
        let fixed = Approval { whom, place, environment, cluster, resource_hash, old_hash, command_hash, ..approval() };
        Advice::NeedsApproval(Box::new(fixed))
    }
}

prop_compose! {
    fn redactions()(place in ".{1,40}", pointer in ".{0,40}", old in any::<Option<u8>>(), new in any::<Option<u8>>())
        -> Advice {
        Advice::Redacted(Redaction { place, pointer, old: old.map(mac), new: new.map(mac) })
    }
}

fn is_printable(text: &str) -> bool {
    text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

proptest! {
    #[test]
    fn reads_back(advice in prop_oneof![approvals(), redactions()]) {
        let text = advice.to_string();
        prop_assert!(is_printable(&text), "{text:?}");
        prop_assert_eq!(text.parse(), Ok(advice));
    }

    #[test]
    fn any_sentence_is_one_printable_line_of_at_most_1000_bytes(sentence in ".{0,2000}") {
        let approval = Approval { whom: sentence.clone(), ..approval() };
        let violation = Advice::Violation { reason: Reason::Unzoned, message: sentence };
        for advice in [violation, Advice::NeedsApproval(Box::new(approval))] {
            let text = advice.to_string();
            prop_assert!(is_printable(&text) && text.len() <= 1000, "{text:?}");
            let read: Advice = text.parse().unwrap();
            prop_assert_eq!(read.to_string(), text);
        }
    }
}
