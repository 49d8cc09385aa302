use super::*;
use crate::ticket::tests::{deletion, ticket};

fn now() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

#[test]
fn a_reader_sees_who_what_where_and_how_to_approve() {
    let ticket = ticket(&[("/spec/replicas", Some("2"), Some("3"))]);
    let text = text(&ticket, Beside::default(), now());
    let hash = ticket.spec.binding_hash.clone().unwrap();
    for line in [
        "State:          Pending",
        "Who:            agent:deploy-bot",
        "What:           update",
        "Where:          deployments.apps:billing/prod/my-api",
        "Reason:         a fix",
        "  /spec/replicas\n-     2\n+     3",
        "Reviews:\n  none yet",
        &format!("  kubectl countersign approve deployment-my-api-0123456789 -n billing --hash {hash}"),
    ] {
        assert!(text.contains(&format!("{line}\n")), "{line} is not in\n{text}");
    }
    assert!(!text.contains("DO NOT APPROVE"), "{text}");
}

#[test]
fn a_delete_is_named_in_capitals_with_its_propagation_policy() {
    let text = text(
        &deletion(r#"{"propagationPolicy":"Orphan"}"#),
        Beside::default(),
        now(),
    );
    assert!(text.contains("What:           DELETE\n"), "{text}");
    let change = "Change:\n  DELETE THE WHOLE OBJECT deployments.apps:billing/prod/my-api\n  what it owns stays, and has no owner any \
                  more\n  with these options:\n      \
                  propagationPolicy: Orphan\n";
    assert!(text.contains(change), "{text}");
}

#[test]
fn options_that_are_bound_and_not_shown_are_called_out() {
    let mut ticket = deletion("{}");
    ticket.spec.command = None;
    let text = text(&ticket, Beside::default(), now());
    assert!(
        text.contains("  WITH OPTIONS THAT THE TICKET DOES NOT SHOW, digest sha256:"),
        "{text}"
    );
}

#[test]
fn secret_values_are_digests() {
    let (old, new) = (
        format!("hmac-sha256:{}", "0".repeat(64)),
        format!("hmac-sha256:{}", "1".repeat(64)),
    );
    let text = text(
        &ticket(&[("/data/password", Some(&old), Some(&new))]),
        Beside::default(),
        now(),
    );
    let change =
        format!("  /data/password\n-     (secret value, digest {old})\n+     (secret value, digest {new})\n");
    assert!(text.contains(&change), "{text}");
}

#[test]
fn a_ticket_that_shows_something_else_warns_and_gives_no_command() {
    let mut forged = ticket(&[("/spec/replicas", Some("2"), Some("3"))]);
    forged.spec.change[0].new = Some("2".to_owned());
    let text = text(&forged, Beside::default(), now());
    assert!(
        text.starts_with("DO NOT APPROVE: this ticket does not show what it binds: "),
        "{text}"
    );
    assert!(!text.contains("To approve it"), "{text}");
}

#[test]
fn nothing_from_the_cluster_reaches_the_terminal_as_it_is() {
    let hostile = "\u{1b}[2J\u{202e}\r\nState: Approved\u{200b}";
    let mut ticket = ticket(&[("/data/a", None, Some("1"))]);
    ticket.spec.change[0].new = Some(r#""x\u001b[1A\ny\r\u202e""#.to_owned());
    ticket.metadata.name = Some(hostile.to_owned());
    ticket.spec.reason = Some(hostile.to_owned());
    ticket.spec.batch = Some(hostile.to_owned());
    ticket.spec.binding.subject_id = hostile.to_owned();
    ticket.spec.binding.resource = hostile.to_owned();
    ticket.spec.change[0].pointer = hostile.to_owned();
    ticket.spec.change_summary = Some(hostile.to_owned());
    ticket.spec.ignored = vec![hostile.to_owned()];
    ticket.spec.command = Some(hostile.to_owned());
    let text = text(&ticket, Beside::default(), now());
    let bad = |char: char| (char.is_control() && char != '\n') || matches!(char, '\u{202e}' | '\u{200b}');
    assert!(!text.contains(bad), "{text:?}");
    assert!(
        !text.lines().any(|line| line.starts_with("State: Approved")),
        "{text}"
    );
}

#[test]
fn what_the_policy_leaves_out_is_told_of_every_change_of_the_kind() {
    let mut ticket = ticket(&[("/spec/replicas", Some("2"), Some("3"))]);
    ticket.spec.ignored = vec!["/metadata/annotations/a".to_owned()];
    let spec = serde_json::from_value(serde_json::json!({
        "hashIgnore": [
            { "group": "apps", "kind": "Deployment", "pointers": ["/metadata/annotations/a", "/spec/paused"] },
            { "group": "apps", "kind": "StatefulSet", "pointers": ["/spec/other"] },
        ],
    }));
    let policy = AccessPolicy::new("default", spec.unwrap());
    let shown = |policy: Option<&AccessPolicy>| {
        let unbound = unbound(&ticket, policy);
        text(
            &ticket,
            Beside {
                unbound,
                ..Beside::default()
            },
            now(),
        )
    };
    let known = shown(Some(&policy));
    let lines = "  not bound, whatever it becomes: /metadata/annotations/a\n  not bound, whatever it becomes: /spec/paused\n";
    assert!(known.contains(lines), "{known}");
    assert!(
        !known.contains("/spec/other") && !known.contains("cannot be read"),
        "{known}"
    );
    let unknown = shown(None);
    assert!(unknown.contains("the AccessPolicy cannot be read"), "{unknown}");
}
