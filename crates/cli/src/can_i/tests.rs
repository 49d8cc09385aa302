use countersign_core::{audit::record::Verdict, decision::Reason};
use k8s_openapi::api::authentication::v1::UserInfo;
use kube::core::{ApiResource, GroupVersionKind};

use super::*;
use crate::known::cluster;

fn ask(verb: Verb, username: &str, latched: bool) -> Answer {
    let object: ObjectName = "deployments.apps/my-api".parse().unwrap();
    let can_i = CanI {
        verb,
        object,
        as_identity: None,
        output: AnswerFormat::Text,
    };
    let gvk = GroupVersionKind::gvk("apps", "v1", "Deployment");
    let kind = Kind {
        resource: ApiResource::from_gvk(&gvk),
        namespaced: true,
    };
    let live = can_i.bare(&kind, "billing");
    let who = Who::from(UserInfo {
        username: Some(username.to_owned()),
        ..UserInfo::default()
    });
    let snapshot = Snapshot {
        latched,
        ..Snapshot::new(cluster("c1", "countersign-system"))
    };
    can_i.judge(&who, &kind, ("billing", &live), &snapshot).unwrap()
}

#[test]
fn where_nothing_is_configured_the_rules_say_no_and_nothing_is_enforced() {
    let answer = ask(Verb::Update, "alice", false);
    assert_eq!(
        (answer.passes(), answer.verdict, answer.reason),
        (true, Verdict::Deny, Reason::ReaderWrites)
    );
    assert!(
        answer
            .text()
            .ends_with("enforced: no: a violation is allowed with a warning\n"),
        "{}",
        answer.text()
    );
}

#[test]
fn a_missing_policy_under_strict_mode_is_named() {
    for verb in [Verb::Create, Verb::Update, Verb::Delete] {
        let answer = ask(verb, "alice", true);
        assert_eq!((answer.passes(), answer.reason), (false, Reason::PolicyMissing));
        assert!(
            answer.text().contains("decided by: AccessPolicy/default spec\n"),
            "{}",
            answer.text()
        );
    }
}

#[test]
fn json_has_every_field_and_names_what_decided() {
    let shown = serde_json::to_value(ask(Verb::Update, "alice", false)).unwrap();
    let expected = json!({
        "object": "billing/deployments.apps/my-api",
        "operation": "Update",
        "subject": "user:alice",
        "environment": "prod",
        "verdict": "deny",
        "reason": "ReaderWrites",
        "message": "user:alice is a reader and writes nothing: an admin grants a role with a RoleGrant",
        "cause": { "kind": "AccessPolicy", "name": "default", "field": "spec.defaults.role" },
        "enforced": false,
    });
    assert_eq!(shown, expected);
}

#[test]
fn objects_are_named_with_one_slash() {
    for text in ["", "pods", "pods/", "/a", "pods/a/b"] {
        assert_eq!(
            text.parse::<ObjectName>(),
            Err("use RESOURCE/NAME, such as deployments.apps/my-api".to_owned())
        );
    }
}
