//! Windows, sums, what is said of them, and what is suggested.

use std::{borrow::Cow, collections::BTreeSet, fs};

use countersign_api::write_delegation::parse;
use countersign_core::{
    audit::{
        Event, Head, Record,
        record::{Caller, DecidedBy, Decision, Opened, Request, Verdict},
    },
    delegation::DelegatedNamespaces,
    environment::Environment,
};
use jiff::{SignedDuration, Timestamp};

use super::{
    log,
    since::Since,
    suggest,
    tally::{Report, Tally},
};
use crate::failure::Outcome;

fn at(seconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
}

/// A write that was let through although the rules say no.
fn violation(username: &str, reason: &'static str, operation: &'static str, object: &str) -> Decision {
    Decision {
        verdict: Verdict::Deny,
        reason: reason.into(),
        message: String::new(),
        relaxation: Some("StrictModeOffOrWarn".into()),
        window: None,
        decided_by: Some(DecidedBy {
            kind: "Zone".into(),
            name: "billing".to_owned(),
            field: "spec.owner".into(),
        }),
        caller: Caller {
            subject: username.starts_with("user:").then(|| username.parse().unwrap()),
            owner: None,
            username: username.to_owned(),
            credential_id: None,
        },
        request: Request {
            uid: "1".to_owned(),
            operation: operation.into(),
            object: object.to_owned(),
            subresource: None,
            env: Some(Environment::Prod),
            zone: Some("billing".to_owned()),
            dry_run: false,
            resource_hash: None,
            content: None,
        },
        ticket: None,
        intent: None,
    }
}

fn report(decisions: &[Decision]) -> Report {
    let mut tally = Tally::new(at(0), at(100));
    for (second, decision) in (1..).zip(decisions) {
        tally.add(at(second), decision);
    }
    tally.report()
}

#[test]
fn an_age_or_a_time_begins_the_window() {
    let now = at(8 * 86_400);
    for (text, begins) in [
        ("7d", 86_400),
        ("1h30m", 8 * 86_400 - 5_400),
        ("1970-01-01T00:00:05Z", 5),
    ] {
        assert_eq!(text.parse::<Since>().unwrap().at(now), at(begins), "{text}");
    }
    for text in ["", "7", "0d", "-1d", "1w", "yesterday"] {
        let error = text.parse::<Since>().unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("`{text}` is neither an age")),
            "{error}"
        );
    }
}

#[test]
fn violations_alike_are_counted_together() {
    let mallory = |operation, object| violation("user:mallory", "NotOfZone", operation, object);
    let mut unbroken = mallory("Create", "billing/configmaps/c");
    unbroken.relaxation = None;
    let mut dry = mallory("Create", "billing/configmaps/d");
    dry.request.dry_run = true;
    let mut waits = mallory("Update", "billing/configmaps/e");
    (waits.verdict, waits.reason) = (Verdict::RequireApproval, "ApprovalRequired".into());
    let report = report(&[
        waits,
        mallory("Create", "billing/configmaps/a"),
        mallory("Create", "billing/configmaps/b"),
        unbroken,
        dry,
        mallory("Delete", "billing/deployments.apps/a"),
        violation("user:mallory", "NotOfZone", "Create", "shop/configmaps/a"),
    ]);
    let counts: Vec<_> = report
        .violations
        .iter()
        .map(|violations| {
            (
                violations.count,
                &*violations.alike.reason,
                &*violations.alike.namespace,
            )
        })
        .collect();
    assert_eq!(
        counts,
        [
            (3, "NotOfZone", "billing"),
            (1, "NotOfZone", "shop"),
            (1, "ApprovalRequired", "billing"),
        ]
    );
    assert_eq!((report.denied, report.need_approval), (4, 1));
    let most = &report.violations[0];
    assert_eq!((most.first, most.last), (at(2), at(6)));
    assert_eq!(most.example, "billing/deployments.apps/a");
}

#[test]
fn the_exit_code_tells_the_worst() {
    let mut waits = violation("user:al", "ApprovalRequired", "Update", "billing/configmaps/a");
    waits.verdict = Verdict::RequireApproval;
    let denied = violation("user:al", "NotOfZone", "Update", "billing/configmaps/a");
    assert_eq!(report(&[]).outcome(), Outcome::Yes);
    assert_eq!(report(&[waits.clone()]).outcome(), Outcome::NeedsApproval);
    assert_eq!(report(&[waits, denied]).outcome(), Outcome::No);
}

#[test]
fn text_is_a_table_by_rule_subject_and_zone() {
    let mut tally = Tally::new(at(0), at(100));
    tally.begins(at(50));
    tally.add_start();
    let hostile = violation("mal\u{1b}[2J", "NotCanonical", "Create", "billing/configmaps/a");
    tally.add(at(51), &hostile);
    let expected = "\
COUNT   VERDICT   REASON         SUBJECT        ENVIRONMENT   ZONE      NAMESPACE   WRITES              DECIDED BY                LAST
1       denied    NotCanonical   mal\\u{1b}[2J   prod          billing   billing     Create configmaps   Zone/billing spec.owner   1970-01-01T00:00:51Z

from 1970-01-01T00:00:00Z to 1970-01-01T00:01:40Z: would have been denied: 1, would have needed approval: 0
the audit log begins at 1970-01-01T00:00:50Z
the operator started 1 times: what happened while it was down is not on record
";
    assert_eq!(tally.report().text().unwrap(), expected);
}

#[test]
fn json_has_every_field() {
    let report = report(&[violation(
        "user:al",
        "NotOfZone",
        "Update",
        "billing/configmaps/a",
    )]);
    let expected = serde_json::json!({
        "since": "1970-01-01T00:00:00Z",
        "until": "1970-01-01T00:01:40Z",
        "logBegins": null,
        "starts": 0,
        "denied": 1,
        "needApproval": 0,
        "violations": [{
            "verdict": "deny",
            "reason": "NotOfZone",
            "cause": { "kind": "Zone", "name": "billing", "field": "spec.owner" },
            "subject": "user:al",
            "environment": "prod",
            "zone": "billing",
            "namespace": "billing",
            "count": 1,
            "writes": [{ "operation": "Update", "resource": "configmaps", "subresource": null, "count": 1 }],
            "first": "1970-01-01T00:00:01Z",
            "last": "1970-01-01T00:00:01Z",
            "example": "billing/configmaps/a",
        }],
    });
    assert_eq!(serde_json::to_value(report).unwrap(), expected);
}

type Permitted = BTreeSet<(String, String, String, String)>;

/// Account, operation, place without name, subresource: everything that the suggested delegations permit.
fn permitted(report: &Report) -> Permitted {
    let mut permitted = Permitted::new();
    for object in suggest::delegations(report) {
        let delegation = parse(&object).unwrap();
        let namespaces = match &delegation.namespaces {
            DelegatedNamespaces::ClusterScoped => vec!["@cluster".into()],
            DelegatedNamespaces::Names(names) => names.clone(),
            DelegatedNamespaces::Labels(_) => panic!("{object:?}"),
        };
        for resource in &delegation.resources {
            let group = Some(&*resource.group).filter(|group| !group.is_empty());
            let group = group.map(|group| format!(".{group}")).unwrap_or_default();
            for (operation, namespace) in delegation
                .operations
                .iter()
                .flat_map(|operation| namespaces.iter().map(move |namespace| (operation, namespace)))
            {
                permitted.insert((
                    delegation.username.to_string(),
                    operation.to_string(),
                    format!("{namespace}/{}{group}", resource.resource),
                    resource.subresource.to_string(),
                ));
            }
        }
    }
    permitted
}

#[test]
fn what_is_suggested_permits_what_was_done_and_no_more() {
    let (stray, other) = (
        "system:serviceaccount:ci:stray",
        "system:serviceaccount:ops:stray.v2",
    );
    let mut decisions = Vec::new();
    let mut done = Permitted::new();
    for (account, operation, place, subresource) in [
        (stray, "Create", "a/configmaps", ""),
        (stray, "Update", "a/configmaps", ""),
        (stray, "Create", "b/configmaps", ""),
        (stray, "Create", "b/secrets", ""),
        (stray, "Update", "a/deployments.apps", "scale"),
        (stray, "Update", "a/deployments.apps", ""),
        (stray, "Delete", "@cluster/namespaces", ""),
        (other, "Connect", "a/pods", "exec"),
        ("system:admin", "Create", "a/configmaps", ""),
    ] {
        let reason = if account == "system:admin" {
            "SystemUser"
        } else {
            "UnregisteredAccount"
        };
        let mut decision = violation(account, reason, operation, &format!("{place}/x"));
        decision.request.subresource = Some(subresource.to_owned()).filter(|name| !name.is_empty());
        decisions.push(decision);
        done.insert([account, operation, place, subresource].map(str::to_owned).into());
    }
    decisions.extend([
        violation("user:mallory", "NotOfZone", "Create", "a/configmaps/x"),
        violation(
            stray,
            "UnregisteredAccount",
            "Create",
            "@cluster/zones.countersign.dev/x",
        ),
    ]);
    assert_eq!(permitted(&report(&decisions)), done);
}

#[test]
fn long_lists_become_several_delegations() {
    let stray = "system:serviceaccount:ci:stray";
    let decision = |place: String| violation(stray, "UnregisteredAccount", "Create", &place);
    let resources = (0..33).map(|number| decision(format!("a/things{number}/x")));
    let namespaces = (0..257).map(|number| decision(format!("n{number}/configmaps/x")));
    let report = report(&resources.chain(namespaces).collect::<Vec<_>>());
    assert_eq!(permitted(&report).len(), 33 + 257);
    let names: BTreeSet<_> = suggest::delegations(&report)
        .into_iter()
        .filter_map(|delegation| delegation.metadata.name)
        .collect();
    let expected = (1..=4).map(|number| format!("suggested-ci-stray-{number}"));
    assert_eq!(names, expected.collect());
}

/// A log of one record each second from 0 on, so many in each segment.
fn chain(segments: &[usize]) -> Vec<(String, Vec<u8>)> {
    let mut head = Head::genesis("w");
    let mut second = 0;
    let mut segment = |records: &usize| {
        let (name, mut bytes) = (format!("{:020}.ndjson", head.next()), Vec::new());
        for _ in 0..*records {
            let event = Event::Opened(Opened {
                version: Cow::Borrowed("1"),
                torn: None,
            });
            let entry = head
                .link(&Record {
                    time: at(second),
                    event,
                })
                .unwrap();
            second += 1;
            bytes.extend(&entry.bytes);
            head = entry.head;
        }
        (name, bytes)
    };
    segments.iter().map(&mut segment).collect()
}

/// When the log begins, and the seconds of its records since then.
fn read(files: &[(String, Vec<u8>)], since: i64) -> Result<(i64, Vec<i64>), String> {
    let directory = tempdir();
    for (name, bytes) in files {
        fs::write(directory.join(name), bytes).unwrap();
    }
    let mut seconds = Vec::new();
    let begins = log::read(&directory, at(since), |record| {
        seconds.push(record.time.as_second());
    });
    fs::remove_dir_all(&directory).unwrap();
    let begins = begins.map_err(|error| format!("{error:#}"))?;
    Ok((begins.as_second(), seconds))
}

fn tempdir() -> std::path::PathBuf {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!(
        "countersign-report-{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    );
    let directory = std::env::temp_dir().join(name);
    fs::create_dir_all(&directory).unwrap();
    directory
}

#[test]
fn records_are_read_from_the_segment_on_that_holds_the_moment() {
    let log = chain(&[3, 3, 3]);
    assert_eq!(read(&log, -5), Ok((0, (0..9).collect())));
    assert_eq!(read(&log, 4), Ok((0, (4..9).collect())));
    assert_eq!(read(&log, 9), Ok((0, Vec::new())));
    let without_beginning = read(&log[1..], 0).unwrap_err();
    assert!(
        without_beginning.contains("audit entry on line 1 is broken"),
        "{without_beginning}"
    );
}

#[test]
fn what_is_being_written_is_left_out_and_what_was_changed_is_an_error() {
    let mut growing = chain(&[3, 3]);
    growing[1].1.extend(b"{\"half");
    assert_eq!(read(&growing, 0), Ok((0, (0..6).collect())));
    let mut cut = chain(&[3, 3]);
    cut[0].1.extend(b"{\"half");
    assert!(
        read(&cut, 0)
            .unwrap_err()
            .ends_with("its last record is cut off, and others follow")
    );
    let mut dropped = chain(&[3, 3]);
    dropped[0].1.clear();
    let mut changed = chain(&[3, 3]);
    let text = String::from_utf8(changed[0].1.clone()).unwrap();
    changed[0].1 = text.replacen("\"1\"", "\"2\"", 1).into_bytes();
    for log in [dropped, changed] {
        let error = read(&log, 0).unwrap_err();
        assert!(error.contains("audit entry on line "), "{error}");
    }
    assert!(read(&[], 0).unwrap_err().ends_with("holds no audit log"));
}
