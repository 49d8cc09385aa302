use std::collections::HashSet;

use super::*;
use crate::fixtures::{after, digest, id};

fn binding() -> Binding {
    Binding {
        cluster_id: "cluster-1".to_owned(),
        subject: id("user:carl"),
        environment: Environment::Prod,
        target: BoundTarget {
            group: "apps".to_owned(),
            version: "v1".to_owned(),
            kind: "Deployment".to_owned(),
            resource: "deployments".to_owned(),
            subresource: "scale".to_owned(),
            namespace: Some("billing".to_owned()),
            name: "api".to_owned(),
            uid: Some("uid".to_owned()),
        },
        operation: Operation::Update,
        resource_hash: digest(1),
        old_hash: Some(digest(2)),
        command_hash: Some(digest(3)),
        zone_claims: Vec::new(),
    }
}

#[test]
fn a_reader_sees_who_does_what_to_which_object() {
    let binding = binding();
    assert_eq!(binding.action(), "object.deployments.apps.scale.update");
    assert_eq!(binding.resource(), "deployments.apps:billing/prod/api");
    assert_eq!(
        binding.to_string(),
        "update of billing/deployments.apps/api by user:carl"
    );
    let mut core = binding;
    core.target = BoundTarget {
        resource: "nodes".to_owned(),
        name: "n1".to_owned(),
        ..BoundTarget::default()
    };
    assert_eq!(core.action(), "object.nodes.update");
    assert_eq!(core.resource(), "nodes:@cluster/prod/n1");
}

/// One approval is for one change: whatever is otherwise is another binding.
#[test]
fn no_two_bindings_have_one_hash() {
    let changes: [fn(&mut Binding); 18] = [
        |_| (),
        |b| b.cluster_id.push('x'),
        |b| b.subject = id("user:olga"),
        |b| b.environment = Environment::Dev,
        |b| b.target.group.push('x'),
        |b| b.target.version.push('x'),
        |b| b.target.kind.push('x'),
        |b| b.target.resource.push('x'),
        |b| b.target.subresource.clear(),
        |b| b.target.namespace = None,
        |b| b.target.name.push('x'),
        |b| b.target.uid = None,
        |b| b.operation = Operation::Delete,
        |b| b.resource_hash = digest(9),
        |b| b.old_hash = Some(digest(9)),
        |b| b.old_hash = None,
        |b| b.command_hash = Some(digest(9)),
        |b| b.command_hash = None,
    ];
    let mut digests = HashSet::new();
    let mut hashes = HashSet::new();
    let mut binds = HashSet::new();
    for change in changes {
        let mut binding = binding();
        change(&mut binding);
        assert!(digests.insert(binding.digest()), "{binding:?}");
        for nonce in ["1", "2"] {
            assert!(hashes.insert(binding.hash(Some(nonce))), "{binding:?}");
            assert!(binds.insert(binding.bind(nonce)), "{binding:?}");
        }
    }
    assert!(digests.is_disjoint(&hashes) && digests.is_disjoint(&binds));
}

/// As the reference of ApprovalTicket tells it: whoever reviews computes it from what they see.
#[test]
fn the_hash_is_over_the_fields_as_one_canonical_object() {
    let of = |text: &str| Digest::of(&[b"countersign.dev/binding/v1\n", text.as_bytes()]);
    let [new, old, command] = [1, 2, 3].map(|seed| digest(seed).to_string());
    let whole = format!(
        r#"{{"action":"object.deployments.apps.scale.update","clusterID":"cluster-1","commandHash":"{command}","env":"prod","nonce":"n","oldHash":"{old}","operation":"Update","resource":"deployments.apps:billing/prod/api","resourceHash":"{new}","subjectID":"user:carl","target.group":"apps","target.kind":"Deployment","target.name":"api","target.namespace":"billing","target.resource":"deployments","target.subresource":"scale","target.uid":"uid","target.version":"v1"}}"#
    );
    assert_eq!(binding().hash(Some("n")), of(&whole));
    let mut bare = binding();
    bare.target = BoundTarget::default();
    (bare.old_hash, bare.command_hash) = (None, None);
    let bare_text = format!(
        r#"{{"action":"object..update","clusterID":"cluster-1","env":"prod","operation":"Update","resource":":@cluster/prod/","resourceHash":"{new}","subjectID":"user:carl","target.group":"","target.kind":"","target.name":"","target.resource":"","target.version":""}}"#
    );
    assert_eq!(bare.digest(), of(&bare_text));
}

#[test]
fn a_pinned_time_is_what_json_shows() {
    let exact = after(1) + jiff::SignedDuration::from_millis(999);
    assert_eq!(whole_seconds(exact), after(1));
}
