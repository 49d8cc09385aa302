//! What is signed, byte for byte, and each reason for which it is not taken.

use base64::{Engine, prelude::BASE64_STANDARD};
use ed25519_dalek::{Signer, SigningKey};

use super::*;
use crate::{
    agent_key::AgentKey,
    fixtures::{after, id, now, world},
    role::Role,
    rotation::Rotation,
};

/// What makes a statement another.
type Change = fn(&mut Statement);

fn signing(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn public(seed: u8) -> AgentKey {
    AgentKey::of_bytes(signing(seed).verifying_key().as_bytes()).unwrap()
}

fn statement() -> Statement {
    Statement {
        agent: id("agent:bot"),
        cluster_id: "cluster-1".to_owned(),
        namespace: "billing".to_owned(),
        action: "object.configmaps.delete".to_owned(),
        resource: None,
        deletes: vec!["configmaps:billing/prod/app".to_owned()],
        reason: "no longer used \u{2013} see #7".to_owned(),
        nonce: "00112233445566778899aabbccddeeff".to_owned(),
        time: now(),
    }
}

fn sign(statement: Statement, seed: u8) -> Signed {
    let bytes = statement.signed_bytes().unwrap();
    Signed {
        statement,
        signature: BASE64_STANDARD.encode(signing(seed).sign(&bytes).to_bytes()),
    }
}

fn agent(change: impl FnOnce(&mut Agent)) -> Agent {
    let world = world().agent_but("bot", Role::Agent, "olga", "ci:bot", |agent| {
        agent.key = Some(public(7));
        change(agent);
    });
    (*world.snapshot.agents[&id("agent:bot")]).clone()
}

#[test]
fn what_is_signed_is_a_dsse_envelope_of_canonical_json() {
    let payload = concat!(
        r#"{"action":"object.configmaps.delete","agentID":"agent:bot","clusterID":"cluster-1","#,
        r#""deletes":["configmaps:billing/prod/app"],"namespace":"billing","#,
        r#""nonce":"00112233445566778899aabbccddeeff","reason":"no longer used – see #7","time":"2026-06-01T12:00:00Z"}"#
    );
    assert_eq!(
        String::from_utf8(statement().payload().unwrap()).unwrap(),
        payload
    );
    let signed = format!(
        "DSSEv1 39 application/vnd.countersign.intent+json {} {payload}",
        payload.len()
    );
    assert_eq!(
        String::from_utf8(statement().signed_bytes().unwrap()).unwrap(),
        signed
    );
    assert_eq!(sign(statement(), 7).check(&agent(|_| ()), now()), Ok(()));
}

#[test]
fn an_intent_is_taken_for_five_minutes_and_from_a_clock_that_is_a_minute_ahead() {
    let signed = sign(statement(), 7);
    let check = |seconds| signed.check(&agent(|_| ()), after(seconds));
    assert_eq!((check(300), check(-60)), (Ok(()), Ok(())));
    assert_eq!(check(301), Err(BadIntent::Stale(SignedDuration::from_secs(301))));
    assert_eq!(check(-61), Err(BadIntent::Early(SignedDuration::from_secs(61))));
}

#[test]
fn only_the_present_key_of_the_agent_signs() {
    let by = |seed| sign(statement(), seed);
    let forged = |result: Result<(), BadIntent>| {
        matches!(
            result,
            Err(BadIntent::Signature {
                problem: BadSignature::Forged,
                ..
            })
        )
    };
    assert!(forged(by(8).check(&agent(|_| ()), now())));
    let rotated = agent(|agent| {
        agent.rotation = Some(Rotation {
            previous: public(8),
            time: now(),
            signature: "".into(),
        });
    });
    let retired = by(8).check(&rotated, now()).unwrap_err();
    assert!(matches!(retired, BadIntent::RetiredKey { .. }), "{retired}");
    for without in [
        agent(|agent| agent.key = None),
        agent(|agent| agent.signs = false),
    ] {
        let no_key = BadIntent::NoKey(id("agent:bot"));
        assert_eq!(by(7).check(&without, now()), Err(no_key));
    }
    // What is signed as another kind of statement is no intent.
    let raw = signing(7).sign(&statement().payload().unwrap()).to_bytes();
    let undressed = Signed {
        statement: statement(),
        signature: BASE64_STANDARD.encode(raw),
    };
    assert!(forged(undressed.check(&agent(|_| ()), now())));
    // Each field is signed.
    let changes: [Change; 7] = [
        |statement| statement.cluster_id.push('x'),
        |statement| statement.namespace.push('x'),
        |statement| statement.action.push('x'),
        |statement| statement.resource = Some("configmaps:billing/prod/app".to_owned()),
        |statement| statement.deletes.clear(),
        |statement| statement.reason.push('x'),
        |statement| statement.nonce.push('0'),
    ];
    for change in changes {
        let mut altered = by(7);
        change(&mut altered.statement);
        assert!(forged(altered.check(&agent(|_| ()), now())), "{altered:?}");
    }
}

#[test]
fn what_it_says_of_itself_holds() {
    let name = statement().name();
    assert_eq!(name, "bot-00112233445566778899aabbccddeeff");
    let check = |change: fn(&mut Statement), name: &str| {
        let mut statement = statement();
        change(&mut statement);
        let checked = statement.check(name, "cluster-1");
        checked.map_err(|why| why.to_string()).err()
    };
    assert_eq!(check(|_| (), &name), None);
    let cases: [(Change, &str); 9] = [
        (|s| s.cluster_id = "cluster-2".to_owned(), "spec.clusterID: "),
        (
            |s| s.nonce = "00112233445566778899AABBCCDDEEFF".to_owned(),
            "spec.nonce: ",
        ),
        (|s| s.nonce = "0011".to_owned(), "spec.nonce: "),
        (|s| s.nonce = String::new(), "spec.nonce: "),
        (
            |s| s.nonce = "f0112233445566778899aabbccddeeff".to_owned(),
            "metadata.name: ",
        ),
        (|s| s.agent = id("agent:other"), "metadata.name: "),
        (|s| s.reason = "al\u{202e}eci".to_owned(), "spec.reason: "),
        (|s| s.reason = " ".to_owned(), "spec.reason: "),
        (|s| s.action = "x\u{1b}[2J".to_owned(), "spec.action: "),
    ];
    for (change, field) in cases {
        let why = check(change, &name).unwrap();
        assert!(why.starts_with(field), "{field} {why}");
    }
}

#[test]
fn what_it_names_is_named_with_its_field() {
    let mut statement = statement();
    statement.resource = Some("app".to_owned());
    let mut named = statement.named();
    let (field, resource) = named.next().unwrap();
    assert_eq!(field, "spec.resource");
    assert!(
        matches!(resource, Err(BadIntent::Resource { .. })),
        "{resource:?}"
    );
    let (field, resource) = named.next().unwrap();
    assert_eq!(
        (field.as_str(), resource.unwrap().to_string().as_str()),
        ("spec.deletes[0]", "configmaps:billing/prod/app")
    );
}
