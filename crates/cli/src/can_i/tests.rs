use countersign_core::{decision::Reason, digest::MacKey, policy::UsernameRule, snapshot::Cluster};
use kube::core::{ApiResource, GroupVersionKind};

use super::*;

fn snapshot() -> Snapshot {
    let key = || MacKey::new([0; 32]);
    Snapshot::new(Cluster {
        id: "c1".into(),
        operator: "".into(),
        operator_uid: "".into(),
        namespace: "countersign-system".into(),
        redaction: key(),
        stamp: key(),
    })
}

fn ask(verb: Verb, username: &str, latched: bool) -> Answer {
    let object: ObjectName = "deployments.apps/my-api".parse().unwrap();
    let can_i = CanI {
        verb,
        object,
        as_identity: None,
    };
    let gvk = GroupVersionKind::gvk("apps", "v1", "Deployment");
    let kind = Kind {
        resource: ApiResource::from_gvk(&gvk),
        namespaced: true,
    };
    let live = can_i.bare(&kind, "billing");
    let who = Who {
        username: username.to_owned(),
        uid: String::new(),
        groups: Vec::new(),
    };
    let snapshot = Snapshot {
        latched,
        ..snapshot()
    };
    can_i.judge(&who, &kind, ("billing", &live), &snapshot).unwrap()
}

#[test]
fn where_nothing_is_configured_the_rules_say_no_and_nothing_is_enforced() {
    let answer = ask(Verb::Update, "alice", false);
    assert_eq!(
        (answer.verdict, answer.reason, answer.not_enforced),
        ("yes", Reason::ReaderWrites, true)
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
        assert_eq!((answer.verdict, answer.reason), ("no", Reason::PolicyMissing));
        assert!(
            answer.text().contains("decided by: AccessPolicy/default spec\n"),
            "{}",
            answer.text()
        );
    }
}

#[test]
fn identities_become_the_usernames_that_mean_them() {
    let mut policy = Policy::default();
    policy.usernames.push(UsernameRule {
        prefix: "corp:".into(),
        realm: "corp".into(),
    });
    let name =
        |identity: &str| named(&identity.parse().unwrap(), &snapshot(), &policy).map(|who| who.username);
    assert_eq!(name("user:corp:al").unwrap(), "corp:al");
    let error = |identity: &str| name(identity).unwrap_err().to_string();
    assert_eq!(
        error("user:x:al"),
        "the AccessPolicy knows no usernames of realm `x`"
    );
    assert_eq!(error("agent:bot"), "there is no Agent for agent:bot");
    assert_eq!(
        error("team:a"),
        "a team does nothing by itself: name one of its members"
    );
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
