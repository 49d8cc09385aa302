use std::{collections::BTreeMap, sync::Arc};

use countersign_core::{
    audit::record::{ObjectRef, TicketTransition},
    binding::{Binding, BoundTarget},
    environment::Environment,
    gitops::Provenance,
    request::Operation,
    ticket::{Claim, End, ROLLED_BACK},
};

use super::*;

const TO_CLAIM: [&str; 2] = ["Approved", "Claimed"];

fn bind(of: &str) -> Digest {
    Digest::of(&[of.as_bytes()])
}

fn came_to(uid: &str, (steps, to): (u32, &'static str), time: Timestamp) -> Record {
    let ticket = ObjectRef {
        namespace: "shop".to_owned(),
        name: "update-web".to_owned(),
        uid: Some(uid.to_owned()),
    };
    let event = Event::TicketTransition(TicketTransition {
        ticket,
        subject: None,
        owner: None,
        from: None,
        to: to.into(),
        steps: Some(steps),
        by: "test".into(),
        bind: (to == "Claimed").then(|| bind("ours")),
    });
    Record { time, event }
}

/// A ticket that was made just now.
fn ticket(uid: &str, state: &TicketState, steps: Option<u32>) -> Ticket {
    let binding = Binding {
        cluster_id: "cluster".to_owned(),
        subject: "agent:deployer".parse().unwrap(),
        environment: Environment::Prod,
        target: BoundTarget::default(),
        operation: Operation::Update,
        resource_hash: bind("change"),
        old_hash: None,
        command_hash: None,
        zone_claims: Vec::new(),
    };
    Ticket {
        namespace: "shop".into(),
        name: "update-web".into(),
        uid: uid.into(),
        resource_version: "1".into(),
        requester: binding.subject.clone(),
        binding,
        nonce: "nonce".into(),
        parts: BTreeMap::new(),
        provenance: Provenance::default(),
        batch: None,
        created: Timestamp::now(),
        state: state.clone(),
        rollback: None,
        steps,
        contested: Some(false),
    }
}

fn claimed(of: &str, at: Timestamp) -> TicketState {
    let claim = Claim {
        bind: bind(of),
        by: Arc::from("call"),
        claimed_at: at,
        object_uid: None,
        resource_version: None,
        resent: false,
    };
    TicketState::Claimed {
        usable_until: at,
        claim,
        stop: None,
    }
}

fn approved() -> TicketState {
    TicketState::Approved {
        usable_until: Timestamp::now(),
    }
}

const PENDING: TicketState = TicketState::Pending {
    until: Timestamp::MAX,
};

const REVOKED: TicketState = TicketState::Ended(End::Revoked);

/// A log with these steps, counted from the first.
fn log(steps: &[&'static str]) -> Standing {
    let standing = Standing::default();
    for step in (1..).zip(steps.iter().copied()) {
        standing.note(&came_to("u1", step, Timestamp::now()));
    }
    standing
}

/// Whether a log with these steps contradicts a status that shows `state` after so many steps.
fn contradicts(steps: &[&'static str], state: &TicketState, count: impl Into<Option<u32>>) -> bool {
    log(steps).denies(&ticket("u1", state, count.into()))
}

#[test]
fn a_status_is_what_the_last_step_led_to() {
    assert!(!contradicts(&["Approved"], &approved(), 1));
    assert!(!contradicts(&["Approved", "Claimed", "Approved"], &approved(), 3));
    assert!(contradicts(&["Approved", "Claimed", "Approved"], &approved(), 1));
    assert!(contradicts(&TO_CLAIM, &approved(), 1));
    assert!(contradicts(&TO_CLAIM, &approved(), 2));
    assert!(contradicts(&["Approved", "Claimed", "Consumed"], &approved(), 1));
    assert!(contradicts(&["Approved", "Revoked"], &PENDING, 0));
    assert!(!contradicts(&["Approved", "Revoked"], &REVOKED, 2));
}

#[test]
fn what_another_replica_did_is_believed_by_its_seal_alone() {
    assert!(!contradicts(&[], &approved(), 1));
    assert!(!contradicts(&["Approved"], &claimed("ours", Timestamp::now()), 2));
    assert!(!contradicts(&TO_CLAIM, &approved(), 3));
    for steps in [&[][..], &["Approved"], &TO_CLAIM] {
        assert!(contradicts(steps, &approved(), None), "{steps:?}");
        assert!(
            contradicts(steps, &claimed("ours", Timestamp::now()), None),
            "{steps:?}"
        );
    }
    assert!(!contradicts(&[], &PENDING, None));
    assert!(contradicts(&["Approved"], &PENDING, None));
}

#[test]
fn a_log_vouches_for_no_approval_that_is_older_than_itself() {
    let standing = Standing::default();
    standing.0.lock().unwrap().began = Timestamp::now();
    let of_before = |state: &TicketState| Ticket {
        created: Timestamp::UNIX_EPOCH,
        ..ticket("u1", state, Some(1))
    };
    assert!(standing.denies(&of_before(&approved())));
    assert!(standing.denies(&of_before(&claimed("ours", Timestamp::now()))));
    assert!(!standing.denies(&of_before(&PENDING)));
    assert!(!standing.denies(&of_before(&REVOKED)));
    assert!(!standing.lags(&of_before(&approved())));
    standing.note(&came_to("u1", (1, "Approved"), Timestamp::now()));
    assert!(!standing.denies(&of_before(&approved())));
}

#[test]
fn a_claim_is_of_the_same_content() {
    assert!(!contradicts(&TO_CLAIM, &claimed("ours", Timestamp::now()), 2));
    assert!(contradicts(&TO_CLAIM, &claimed("another", Timestamp::now()), 2));
}

#[test]
fn what_the_operator_did_unheard_is_found() {
    let lags = |steps: &[&'static str], state: &TicketState, count: Option<u32>| {
        log(steps).lags(&ticket("u1", state, count))
    };
    let ours = claimed("ours", Timestamp::now());
    assert!(lags(&["Approved"], &ours, Some(2)));
    assert!(lags(&[], &approved(), Some(1)));
    assert!(lags(&["Approved"], &REVOKED, Some(2)));
    assert!(lags(&["Approved", "Revoked"], &ours, Some(2)));
    assert!(!lags(&TO_CLAIM, &ours, Some(2)));
    assert!(!lags(&TO_CLAIM, &approved(), Some(1)));
    assert!(!lags(&["Approved"], &ours, None));
    assert!(!lags(&[], &PENDING, Some(0)));
}

#[test]
fn a_record_that_comes_late_takes_nothing_back() {
    let standing = log(&["Approved", "Claimed", "Consumed"]);
    standing.note(&came_to("u1", (2, "Claimed"), Timestamp::now()));
    assert!(standing.denies(&ticket("u1", &approved(), Some(1))));
    assert!(!standing.lags(&ticket("u1", &claimed("ours", Timestamp::now()), Some(2))));
}

#[test]
fn what_is_too_old_to_be_used_is_let_go() {
    let standing = Standing::default();
    let now = Timestamp::now();
    let then = now - TICKET_LIFE - SignedDuration::from_secs(1);
    for number in 0..1024 {
        standing.note(&came_to(&format!("old-{number}"), (3, "Consumed"), then));
    }
    standing.note(&came_to("new", (3, "Consumed"), now));
    assert_eq!(standing.0.lock().unwrap().last.len(), 1);
}

/// A directory with these segments, each a list of records; gone with it.
struct Segments(std::path::PathBuf);

impl Segments {
    fn of(name: &str, segments: &[&[Record]]) -> Self {
        let path = std::env::temp_dir().join(format!("countersign-standing-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        for (number, records) in segments.iter().enumerate() {
            let lines: String = records
                .iter()
                .map(|record| serde_json::to_string(record).unwrap() + "\n")
                .collect();
            fs::write(path.join(format!("{number}.ndjson")), lines).unwrap();
        }
        Self(path)
    }
}

impl Drop for Segments {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_last_step_is_found_in_whatever_segment_it_is() {
    let now = Timestamp::now();
    let long_ago = now - TICKET_LIFE - SignedDuration::from_secs(1);
    let segments = Segments::of(
        "found",
        &[
            &[
                came_to("u1", (1, "Approved"), now),
                came_to("u1", (2, "Consumed"), now),
            ],
            // By a clock that was wrong for a while.
            &[
                came_to("u2", (2, "Consumed"), long_ago),
                came_to("u3", (1, "Approved"), now),
                came_to("u4", (1, "Approved"), now),
            ],
            &[came_to("u3", (2, "Revoked"), now)],
        ],
    );
    let standing = Standing::read(&segments.0, now).unwrap();
    for uid in ["u1", "u2", "u3"] {
        assert!(standing.denies(&ticket(uid, &approved(), Some(1))), "{uid}");
    }
    assert!(!standing.denies(&ticket("u4", &approved(), Some(1))));
}

#[test]
fn a_step_that_cannot_be_read_is_not_passed_over() {
    let segments = Segments::of("unreadable", &[&[]]);
    fs::write(segments.0.join("0.ndjson"), "{\"type\":\"TicketTransition\"}\n").unwrap();
    let error = Standing::read(&segments.0, Timestamp::now()).unwrap_err();
    assert!(matches!(error, OpenError::Unreadable { .. }), "{error}");
}

#[test]
fn a_use_is_confirmed_by_the_step_that_led_to_it_and_nothing_since() {
    let TicketState::Claimed { claim, .. } = claimed("ours", Timestamp::now()) else {
        unreachable!()
    };
    let used = TicketState::Consumed { claim: claim.clone() };
    let standing = log(&TO_CLAIM);
    let mut ticket = ticket("u1", &used, Some(3));
    assert!(!standing.confirms(&ticket), "not on record");
    let step = |steps, to| Record {
        time: Timestamp::now(),
        event: match came_to("u1", (steps, to), Timestamp::now()).event {
            Event::TicketTransition(step) => Event::TicketTransition(TicketTransition {
                bind: Some(bind(if steps == 3 { "ours" } else { "inverse" })),
                ..step
            }),
            other => other,
        },
    };
    standing.note(&step(3, "Consumed"));
    assert!(standing.confirms(&ticket));
    for steps in [None, Some(2), Some(4)] {
        let other = Ticket {
            steps,
            ..ticket.clone()
        };
        assert!(!standing.confirms(&other), "{steps:?}");
    }
    let undone = Claim {
        bind: bind("inverse"),
        ..claim
    };
    ticket.rollback = Some(undone.clone());
    assert!(!standing.confirms(&ticket), "not undone by the log");
    standing.note(&step(4, ROLLED_BACK));
    assert!(!standing.confirms(&ticket), "one step back");
    ticket.steps = Some(4);
    assert!(standing.confirms(&ticket));
    ticket.rollback = Some(Claim {
        bind: bind("another"),
        ..undone
    });
    assert!(!standing.confirms(&ticket), "undone by another write");
    ticket.rollback = None;
    assert!(!standing.confirms(&ticket), "set back");
    assert!(standing.led_to("u1", ROLLED_BACK) && !standing.led_to("u2", ROLLED_BACK));
}
