use countersign_core::environment::Environment;

use super::*;

const OLD: &str = r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"db","namespace":"billing","uid":"u1"},"data":{"p":"YQ=="}}"#;
const NEW: &str = r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"db","namespace":"billing","uid":"u1"},"data":{"p":"Yg=="}}"#;

fn target() -> BoundTarget {
    BoundTarget {
        version: "v1".to_owned(),
        kind: "Secret".to_owned(),
        resource: "secrets".to_owned(),
        namespace: Some("billing".to_owned()),
        name: "db".to_owned(),
        uid: Some("u1".to_owned()),
        ..BoundTarget::default()
    }
}

/// The change as an operator with this key computes it.
fn by_operator() -> EffectiveChange {
    let context = HashContext {
        api_version: "v1",
        kind: "Secret",
        subresource: "",
        writer: None,
        ignore: &[],
        redaction: &MacKey::new([7; 32]),
    };
    effective_change(&update(), &context).unwrap()
}

fn update() -> Change<'static> {
    Change::Update {
        old: Object::parse(OLD).unwrap(),
        new: Object::parse(NEW).unwrap(),
    }
}

fn approval(change: &EffectiveChange) -> Advice {
    Advice::NeedsApproval(Box::new(Approval {
        whom: "an admin".to_owned(),
        place: "billing/secrets/db".to_owned(),
        subject: "user:alice".parse().unwrap(),
        environment: Environment::Prod,
        cluster: "c1".to_owned(),
        resource_hash: change.resource_hash,
        old_hash: change.old_hash,
        command_hash: None,
        zone_claims: Vec::new(),
    }))
}

fn redaction(change: &EffectiveChange) -> Advice {
    let mac = |value: &Option<Value>| value.as_ref().map(|value| value.as_str().to_owned());
    let granule = &change.granules[0];
    let (place, pointer) = ("billing/secrets/db".to_owned(), granule.pointer.clone());
    Advice::Redacted(Redaction {
        place,
        pointer,
        old: mac(&granule.old),
        new: mac(&granule.new),
    })
}

#[test]
fn secret_values_are_bound_by_the_operators_digests() {
    let theirs = by_operator();
    let here = compute(&update(), &target(), &[]).unwrap();
    assert_ne!(here.resource_hash, theirs.resource_hash);
    let (change, verdict) = judge(here, &target(), &[approval(&theirs), redaction(&theirs)]).unwrap();
    assert_eq!(change, theirs);
    assert!(matches!(verdict, Verdict::NeedsApproval(_)), "{verdict:?}");
}

#[test]
fn a_missing_digest_is_told() {
    let here = compute(&update(), &target(), &[]).unwrap();
    let error = judge(here, &target(), &[approval(&by_operator())])
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "billing/secrets/db: the API server's answer lacks the digest of /data/p: too many values change at once"
    );
}

#[test]
fn hashes_that_differ_are_an_error_that_names_both() {
    let theirs = EffectiveChange {
        resource_hash: Digest::of(&[b"other"]),
        ..by_operator()
    };
    let here = compute(&update(), &target(), &[]).unwrap();
    let error = judge(here, &target(), &[approval(&theirs), redaction(&theirs)])
        .unwrap_err()
        .to_string();
    let there = Digest::of(&[b"other"]);
    let start = format!("billing/secrets/db: the resourceHash is {there} by the API server and sha256:");
    assert!(error.starts_with(&start), "{error}");
}

#[test]
fn an_approval_of_another_object_says_nothing_of_this_one() {
    let here = compute(&update(), &target(), &[]).unwrap();
    let other = BoundTarget {
        name: "other".to_owned(),
        ..target()
    };
    let (_, verdict) = judge(here, &other, &[approval(&by_operator())]).unwrap();
    assert_eq!(verdict, Verdict::Allowed);
}

#[test]
fn without_the_operators_digest_a_secret_value_is_shown_as_one_and_no_more() {
    let change = compute(&update(), &target(), &[]).unwrap();
    let preview = Preview {
        target: target(),
        operation: Operation::Update,
        change,
        command: None,
        verdict: Verdict::Allowed,
    };
    let part = Part {
        pointer: "/data/p".to_owned(),
        old: Some(Shown::Secret(None)),
        new: Some(Shown::Secret(None)),
    };
    assert_eq!(preview.parts(), [part]);
}
