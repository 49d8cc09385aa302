use std::sync::Arc;

use countersign_core::{
    audit::record::{ObjectRef, TicketTransition},
    ticket::{Claim, End},
};

use super::*;

const TO_CLAIM: [&str; 2] = ["Approved", "Claimed"];

fn bind(of: &str) -> Digest {
    Digest::of(&[of.as_bytes()])
}

fn came_to(uid: &str, to: &'static str, time: Timestamp) -> Record {
    let ticket = ObjectRef {
        namespace: "shop".to_owned(),
        name: "update-web".to_owned(),
        uid: Some(uid.to_owned()),
    };
    let event = Event::TicketTransition(TicketTransition {
        ticket,
        from: None,
        to: to.into(),
        by: "test".into(),
        bind: (to == "Claimed").then(|| bind("ours")),
    });
    Record { time, event }
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

/// Whether a log with these steps contradicts a status that shows `state`.
fn contradicts(steps: &[&'static str], state: &TicketState, now: Timestamp) -> bool {
    let standing = Standing::default();
    for step in steps {
        standing.note(&came_to("u1", step, now));
    }
    standing.denies("u1", state)
}

#[test]
fn a_status_is_what_the_last_step_led_to() {
    let now = Timestamp::now();
    let approved = TicketState::Approved { usable_until: now };
    let ended = TicketState::Ended(End::Revoked);
    assert!(!contradicts(&["Approved"], &approved, now));
    assert!(!contradicts(&["Approved", "Claimed", "Approved"], &approved, now));
    assert!(contradicts(&TO_CLAIM, &approved, now));
    assert!(contradicts(&["Approved", "Claimed", "Consumed"], &approved, now));
    assert!(contradicts(&["Approved"], &ended, now));
    assert!(!contradicts(&["Approved", "Revoked"], &ended, now));
}

#[test]
fn a_log_that_never_heard_of_a_ticket_vouches_for_no_approval() {
    let now = Timestamp::now();
    assert!(contradicts(
        &[],
        &TicketState::Approved { usable_until: now },
        now
    ));
    assert!(contradicts(&[], &claimed("ours", now), now));
    assert!(!contradicts(&[], &TicketState::Pending { until: now }, now));
    assert!(!contradicts(&[], &TicketState::Ended(End::Revoked), now));
}

#[test]
fn a_claim_is_of_the_same_content_and_no_later_one() {
    let now = Timestamp::now();
    let second = SignedDuration::from_secs(1);
    assert!(!contradicts(&TO_CLAIM, &claimed("ours", now), now));
    assert!(!contradicts(&TO_CLAIM, &claimed("ours", now - second), now));
    assert!(contradicts(&TO_CLAIM, &claimed("ours", now + second), now));
    assert!(contradicts(&TO_CLAIM, &claimed("another", now), now));
}

#[test]
fn only_a_claim_comes_before_its_record() {
    let now = Timestamp::now();
    let lags = |steps: &[&'static str], state: &TicketState| {
        let standing = Standing::default();
        for step in steps {
            standing.note(&came_to("u1", step, now));
        }
        standing.lags("u1", state)
    };
    let ours = claimed("ours", now);
    assert!(lags(&["Approved"], &ours));
    assert!(lags(&["Approved", "Claimed", "Approved"], &ours));
    let used = TicketState::Consumed {
        claim: ours.claim().unwrap().clone(),
    };
    assert!(lags(&["Approved"], &used));
    assert!(!lags(&TO_CLAIM, &ours));
    assert!(!lags(&["Revoked"], &ours));
    assert!(!lags(&[], &ours));
    assert!(!lags(&["Approved"], &TicketState::Ended(End::Revoked)));
}

#[test]
fn what_is_too_old_to_be_used_is_let_go() {
    let standing = Standing::default();
    let now = Timestamp::now();
    let then = now - TICKET_LIFE - SignedDuration::from_secs(1);
    for number in 0..1024 {
        standing.note(&came_to(&format!("old-{number}"), "Consumed", then));
    }
    standing.note(&came_to("new", "Consumed", now));
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
            &[came_to("u1", "Approved", now), came_to("u1", "Consumed", now)],
            // By a clock that was wrong for a while.
            &[
                came_to("u2", "Consumed", long_ago),
                came_to("u3", "Approved", now),
                came_to("u4", "Approved", now),
            ],
            &[came_to("u3", "Revoked", now)],
        ],
    );
    let standing = Standing::read(&segments.0, now).unwrap();
    let approved = TicketState::Approved { usable_until: now };
    for uid in ["u1", "u2", "u3"] {
        assert!(standing.denies(uid, &approved), "{uid}");
    }
    assert!(!standing.denies("u4", &approved));
}

#[test]
fn a_step_that_cannot_be_read_is_not_passed_over() {
    let segments = Segments::of("unreadable", &[&[]]);
    fs::write(segments.0.join("0.ndjson"), "{\"type\":\"TicketTransition\"}\n").unwrap();
    let error = Standing::read(&segments.0, Timestamp::now()).unwrap_err();
    assert!(matches!(error, OpenError::Unreadable { .. }), "{error}");
}

#[test]
fn a_step_is_known_by_its_name_and_its_claim() {
    let now = Timestamp::now();
    let standing = Standing::default();
    standing.note(&came_to("used", "Consumed", now));
    standing.note(&came_to("claimed", "Claimed", now));
    let (ours, theirs) = (claimed("ours", now), claimed("theirs", now));
    assert!(standing.led_to("used", "Consumed", None));
    assert!(!standing.led_to("used", "RolledBack", None));
    assert!(!standing.led_to("unheard", "Consumed", None));
    assert!(standing.led_to("claimed", "Claimed", ours.claim()));
    assert!(!standing.led_to("claimed", "Claimed", theirs.claim()));
    let later = claimed("ours", now + SignedDuration::from_secs(1));
    assert!(!standing.led_to("claimed", "Claimed", later.claim()));
}
