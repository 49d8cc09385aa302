use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::audit::record::{
    Caller, DecidedBy, Decision, Event, ObjectRef, Opened, Request, TicketTransition, Verdict,
};

fn at(second: i64, event: Event) -> Record {
    Record {
        time: Timestamp::from_second(second).unwrap(),
        event,
    }
}

fn denial() -> Event {
    Event::Decision(Box::new(Decision {
        verdict: Verdict::RequireApproval,
        reason: "ApprovalRequired".into(),
        message: "needs an approval: \u{20ac} \"quoted\"\n".to_owned(),
        relaxation: None,
        window: None,
        decided_by: Some(DecidedBy {
            kind: "Zone".into(),
            name: "payments".to_owned(),
            field: "spec.owner".into(),
        }),
        caller: Caller {
            subject: Some("agent:bot".parse().unwrap()),
            owner: Some("user:alice".parse().unwrap()),
            username: "system:serviceaccount:ci:bot".to_owned(),
            credential_id: Some("JTI=1".to_owned()),
        },
        request: Request {
            uid: "705ab4f5".to_owned(),
            operation: "Update".into(),
            object: "billing/deployments.apps/my-api".to_owned(),
            subresource: None,
            env: Some(crate::environment::Environment::Prod),
            dry_run: false,
            zone: None,
            resource_hash: Some(Digest::of(&[b"x"])),
            content: None,
        },
        intent: None,
        ticket: Some(ObjectRef {
            namespace: "billing".to_owned(),
            name: "t".to_owned(),
            uid: None,
        }),
    }))
}

fn step(to: &'static str) -> Event {
    Event::TicketTransition(TicketTransition {
        ticket: ObjectRef {
            namespace: "billing".to_owned(),
            name: "t".to_owned(),
            uid: Some("u".to_owned()),
        },
        subject: None,
        owner: None,
        from: Some("Pending".into()),
        to: to.into(),
        steps: None,
        by: "user:alice".into(),
        bind: None,
    })
}

fn lines(writer: &str, count: usize) -> Vec<Vec<u8>> {
    let mut head = Head::genesis(writer);
    (0..count)
        .map(|index| {
            let event = if index % 2 == 0 {
                denial()
            } else {
                step("Approved")
            };
            let mut entry = head
                .link(&at(1_700_000_000 + i64::try_from(index).unwrap(), event))
                .unwrap();
            head = entry.head;
            assert_eq!(entry.bytes.pop(), Some(b'\n'));
            entry.bytes
        })
        .collect()
}

fn fault(start: Start, lines: &[Vec<u8>]) -> (usize, Fault) {
    let broken = verify(start, lines).unwrap_err();
    (broken.line, broken.fault)
}

#[test]
fn an_entry_is_canonical_and_reads_back() {
    let record = at(
        1_700_000_000,
        Event::Opened(Opened {
            version: "0.1.0".into(),
            torn: None,
        }),
    );
    let entry = Head::genesis("w").link(&record).unwrap();
    assert_eq!(
        String::from_utf8(entry.bytes.clone()).unwrap(),
        format!(
            "{{\"index\":0,\"prev\":\"{}\",\"time\":\"2023-11-14T22:13:20Z\",\"type\":\"Opened\",\
             \"version\":\"0.1.0\",\"writer\":\"w\"}}\n",
            Digest::of(&[b"countersign.dev/audit/v1\nw"])
        )
    );
    assert_eq!(serde_json::from_slice::<Record>(&entry.bytes).unwrap(), record);
    let decision = at(0, denial());
    let entry = Head::genesis("w").link(&decision).unwrap();
    assert_eq!(serde_json::from_slice::<Record>(&entry.bytes).unwrap(), decision);
    assert_eq!(
        entry.head.hash(),
        Digest::of(&[b"\0", &entry.bytes[..entry.bytes.len() - 1]])
    );
}

#[test]
fn an_honest_chain_verifies_whole_and_in_parts() {
    let all = lines("w", 7);
    let head = verify(Start::Genesis, &all).unwrap().unwrap();
    assert_eq!((head.writer(), head.next()), ("w", 7));
    let middle = verify(Start::Genesis, &all[..3]).unwrap().unwrap();
    assert_eq!(verify(Start::After(middle), &all[3..]).unwrap().unwrap(), head);
    assert_eq!(verify(Start::Anywhere, &all[3..]).unwrap().unwrap(), head);
    assert_eq!(verify(Start::Genesis, Vec::<Vec<u8>>::new()), Ok(None));
}

#[test]
fn what_was_moved_dropped_or_taken_from_another_writer_is_found() {
    let all = lines("w", 4);
    let index = |expected, found| Fault::Index { expected, found };
    let without = |drop: usize| -> Vec<_> {
        all.iter()
            .enumerate()
            .filter(|(at, _)| *at != drop)
            .map(|(_, line)| line.clone())
            .collect()
    };
    assert_eq!(fault(Start::Genesis, &without(0)), (1, index(0, 1)));
    assert_eq!(fault(Start::Genesis, &without(2)), (3, index(2, 3)));
    let doubled: Vec<_> = [&all[0], &all[0]].into_iter().cloned().collect();
    assert_eq!(fault(Start::Genesis, &doubled), (2, index(1, 0)));
    let mixed: Vec<_> = vec![all[0].clone(), lines("v", 2)[1].clone()];
    assert_eq!(
        fault(Start::Genesis, &mixed),
        (
            2,
            Fault::Writer {
                expected: "w".into(),
                found: "v".into()
            }
        )
    );
    assert_eq!(
        fault(
            Start::Genesis,
            &[String::from_utf8(all[0].clone())
                .unwrap()
                .replace('{', "{ ")
                .into_bytes()]
        ),
        (1, Fault::NotCanonical)
    );
}

#[test]
fn a_rewritten_record_breaks_the_link_of_the_next() {
    let mut all = lines("w", 3);
    let forged = String::from_utf8(all[1].clone())
        .unwrap()
        .replace("user:alice", "user:malory");
    let expected = leaf_hash(forged.as_bytes());
    let found = leaf_hash(&all[1]);
    all[1] = forged.into_bytes();
    assert_eq!(fault(Start::Genesis, &all), (3, Fault::Link { expected, found }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_changed_byte_is_found_by_its_line_or_the_next(line in 0usize..3, at in 0usize..2000, bit in 0u8..8) {
        let mut all = lines("w", 4);
        let at = at % all[line].len();
        all[line][at] ^= 1 << bit;
        let found = verify(Start::Genesis, &all).unwrap_err().line;
        prop_assert!(found == line + 1 || found == line + 2, "{found}");
    }

    #[test]
    fn whatever_text_a_record_has_its_line_is_canonical(text in any::<String>(), index in 0..1u64 << 53) {
        let Event::Decision(mut decision) = denial() else {
            panic!("no decision")
        };
        decision.message.clone_from(&text);
        decision.caller.username.clone_from(&text);
        let head = Head { writer: text.into(), next: index, hash: Digest::of(&[b"x"]) };
        let mut entry = head.link(&at(0, Event::Decision(decision))).unwrap();
        entry.bytes.pop();
        prop_assert!(verify(Start::After(head), [entry.bytes]).is_ok());
    }
}

#[test]
fn a_write_may_happen_when_it_is_allowed_or_relaxed() {
    let Event::Decision(denied) = denial() else {
        panic!("no decision")
    };
    for (verdict, relaxation, allows) in [
        (Verdict::Allow, None, true),
        (Verdict::Deny, None, false),
        (Verdict::RequireApproval, None, false),
        (Verdict::Deny, Some("DryRun".into()), true),
        (Verdict::RequireApproval, Some("DryRun".into()), true),
    ] {
        let decision = Decision {
            verdict,
            relaxation,
            ..(*denied).clone()
        };
        assert_eq!(decision.allows(), allows, "{verdict:?}");
    }
}
