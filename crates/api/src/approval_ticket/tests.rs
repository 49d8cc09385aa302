//! Tickets there and back.

use countersign_core::{
    binding::{self, BoundTarget},
    digest::{Digest, MacKey},
    hash::resource_hash,
    snapshot::Cluster,
    ticket::{self, End},
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Map, Value, json};

use super::{ApprovalTicket, ApprovalTicketSpec, ApprovalTicketStatus, Binding, parse};

const NONCE: &str = "0123456789abcdef0123456789abcdef";
const DAY: SignedDuration = SignedDuration::from_hours(24);

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// The hash over `/spec/replicas` with this value.
fn root(replicas: &str) -> Digest {
    let digest = Some(Digest::of(&[replicas.as_bytes()]));
    resource_hash("apps/v1", "Scale", "scale", &[("/spec/replicas", digest)].into())
}

fn bound() -> binding::Binding {
    binding::Binding {
        cluster_id: "cluster".to_owned(),
        subject: "agent:deployer".parse().unwrap(),
        environment: "prod".parse().unwrap(),
        target: BoundTarget {
            group: "apps".to_owned(),
            version: "v1".to_owned(),
            kind: "Scale".to_owned(),
            resource: "deployments".to_owned(),
            subresource: "scale".to_owned(),
            namespace: Some("billing".to_owned()),
            name: "my-api".to_owned(),
            uid: Some("uid".to_owned()),
        },
        operation: "Update".parse().unwrap(),
        resource_hash: root("5"),
        old_hash: Some(root("3")),
        command_hash: None,
        zone_claims: Vec::new(),
    }
}

fn object() -> ApprovalTicket {
    let binding = bound();
    let spec = json!({
        "binding": Binding { nonce: Some(NONCE.to_owned()), ..Binding::of(&binding) },
        "bindingHash": binding.hash(Some(NONCE)),
        "requester": "user:alice",
        "change": [{ "pointer": "/spec/replicas", "old": "3", "new": "5" }],
        "authors": ["user:bob"],
    });
    let mut object = ApprovalTicket::new(
        "ticket",
        serde_json::from_value::<ApprovalTicketSpec>(spec).unwrap(),
    );
    object.metadata = serde_json::from_value(json!({
        "name": "ticket", "namespace": "billing", "uid": "u", "resourceVersion": "7",
        "creationTimestamp": "1970-01-01T00:00:10Z",
    }))
    .unwrap();
    object
}

#[test]
fn a_binding_comes_back_as_it_was() {
    let ticket = parse(&object(), DAY).unwrap();
    assert_eq!(ticket.binding, bound());
    assert_eq!((&*ticket.nonce, ticket.requester.as_str()), (NONCE, "user:alice"));
    assert_eq!(
        ticket.state,
        ticket::TicketState::Pending {
            until: at(10 + 86_400)
        }
    );
}

#[test]
fn what_does_not_fit_together_is_named() {
    let refusal = |change: fn(&mut ApprovalTicketSpec)| {
        let mut object = object();
        change(&mut object.spec);
        parse(&object, DAY).unwrap_err().to_string()
    };
    assert_eq!(
        refusal(|spec| spec.binding.action = "object.pods.delete".to_owned()),
        "spec.binding.action: `object.pods.delete` is not `object.deployments.apps.scale.update`"
    );
    assert_eq!(
        refusal(|spec| spec.binding.resource = "deployments.apps:billing/dev/my-api".to_owned()),
        "spec.binding.resource: `deployments.apps:billing/dev/my-api` is not `deployments.apps:billing/prod/my-api`"
    );
    assert!(
        refusal(|spec| spec.binding.cluster_id = "other".to_owned())
            .starts_with("spec.bindingHash: `sha256:")
    );
    assert_eq!(
        refusal(|spec| spec.requester = None),
        "spec.requester: is missing"
    );
    assert_eq!(
        refusal(|spec| spec.authors = vec!["team:a".to_owned()]),
        "spec.authors[0]: `team:a` is not a user: or an agent:"
    );
}

#[test]
fn every_state_comes_back_as_it_was() {
    let claim = ticket::Claim {
        bind: Digest::of(&[b"bind"]),
        by: "review".into(),
        object_uid: None,
        claimed_at: at(100),
        resource_version: Some("41".into()),
        resent: true,
    };
    let usable_until = at(900);
    let ends = [
        End::Denied,
        End::Expired,
        End::Cancelled,
        End::Superseded,
        End::Revoked,
        End::Indeterminate,
    ];
    let stops = [
        None,
        Some(End::Denied),
        Some(End::Revoked),
        Some(End::Cancelled),
        Some(End::Expired),
    ];
    let claimed = |stop| ticket::TicketState::Claimed {
        usable_until,
        claim: claim.clone(),
        stop,
    };
    let states = [
        ticket::TicketState::Pending { until: at(50) },
        ticket::TicketState::Approved { usable_until },
        ticket::TicketState::Consumed { claim: claim.clone() },
    ];
    let states = states
        .into_iter()
        .chain(ends.map(ticket::TicketState::Ended))
        .chain(stops.map(claimed));
    for state in states {
        let mut status = ApprovalTicketStatus::default();
        status.set_state(&state, at(100));
        let stored = serde_json::to_string(&status).unwrap();
        let status: ApprovalTicketStatus = serde_json::from_str(&stored).unwrap();
        assert_eq!(status.state(at(0)), Ok(state.clone()), "{stored}");
        assert!(
            stored.contains(&format!("\"state\":\"{}\"", state.as_str())),
            "{stored}"
        );
    }
}

#[test]
fn a_claim_keeps_who_made_it_and_a_release_forgets_it() {
    let mut status = ApprovalTicketStatus::default();
    let bind = Digest::of(&[b"bind"]);
    let claim = ticket::Claim {
        bind,
        by: "".into(),
        object_uid: None,
        claimed_at: at(100),
        resource_version: None,
        resent: false,
    };
    let state = |stop| ticket::TicketState::Claimed {
        usable_until: at(900),
        claim: claim.clone(),
        stop,
    };
    status.set_state(&state(None), at(100));
    status.claim.as_mut().unwrap().replica = Some("countersign-0".to_owned());
    status.set_state(&state(Some(End::Revoked)), at(110));
    assert_eq!(
        status.claim.as_ref().unwrap().replica.as_deref(),
        Some("countersign-0")
    );
    status.set_state(
        &ticket::TicketState::Approved {
            usable_until: at(900),
        },
        at(120),
    );
    assert_eq!(status.claim, None);
}

fn cluster() -> Cluster {
    Cluster {
        id: "cluster".into(),
        operator: "operator".into(),
        operator_uid: "operator".into(),
        namespace: "countersign-system".into(),
        redaction: MacKey::new([1; 32]),
        stamp: MacKey::new([2; 32]),
    }
}

#[test]
fn the_first_word_of_a_contested_ticket_is_the_operators() {
    let pending = ticket::TicketState::Pending { until: at(900) };
    let status = ApprovalTicketStatus::contested_at_first(&pending, "uid", &cluster());
    assert_eq!(status.contested, Some(true));
    assert_eq!(status.state(at(0)), Ok(pending));
    assert_eq!(status.sealed_steps("uid", &cluster()), Some(0));
}

/// Whoever claims writes the fields of a claim, and the API server merges them into what is stored.
#[test]
fn a_seal_is_over_the_state_and_not_over_what_earlier_ones_left_behind() {
    let cluster = cluster();
    let mut stored = ApprovalTicketStatus::default();
    stored.set_state(&ticket::TicketState::Pending { until: at(900) }, at(100));
    let usable_until = at(800);
    let mut merged = serde_json::to_value(&stored).unwrap();
    let mut swap = ApprovalTicketStatus::default();
    swap.set_state(&ticket::TicketState::Approved { usable_until }, at(200));
    swap.seal(2, "uid", &cluster);
    let fields = serde_json::to_value(&swap).unwrap();
    let merged = merged.as_object_mut().unwrap();
    merged.extend(fields.as_object().unwrap().clone());
    let read = |fields: &Map<String, Value>| -> ApprovalTicketStatus {
        serde_json::from_value(fields.clone().into()).unwrap()
    };
    assert_eq!(read(merged).sealed_steps("uid", &cluster), Some(2));
    assert_eq!(read(merged).sealed_steps("another", &cluster), None);
    for (field, forged) in [
        ("usableUntil", json!("2030-01-01T00:00:00Z")),
        ("state", json!("Pending")),
        ("steps", json!(3)),
    ] {
        let mut other = merged.clone();
        other.insert(field.to_owned(), forged);
        assert_eq!(read(&other).sealed_steps("uid", &cluster), None, "{field}");
    }
}

#[test]
fn a_state_without_what_belongs_to_it_is_refused() {
    let status: ApprovalTicketStatus = serde_json::from_value(json!({ "state": "Approved" })).unwrap();
    assert_eq!(
        status.state(at(0)).unwrap_err().to_string(),
        "status.usableUntil: is missing"
    );
    let status: ApprovalTicketStatus = serde_json::from_value(json!({ "state": "Consumed" })).unwrap();
    assert_eq!(
        status.state(at(0)).unwrap_err().to_string(),
        "status.claim: is missing"
    );
}

#[test]
fn a_ticket_tells_when_it_came_to_its_end_and_keeps_to_that() {
    let mut status = ApprovalTicketStatus::default();
    status.set_state(&ticket::TicketState::Pending { until: at(9) }, at(1));
    assert_eq!(status.finished_at, None);
    for second in [2, 3] {
        status.set_state(&ticket::TicketState::Ended(End::Expired), at(second));
        assert_eq!(status.finished_at, Some(Time(at(2))));
    }
}

#[test]
fn what_undid_a_used_ticket_comes_back_as_it_was() {
    let claim = ticket::Claim {
        bind: Digest::of(&[b"inverse"]),
        by: "review".into(),
        object_uid: None,
        claimed_at: at(100),
        resource_version: Some("41".into()),
        resent: false,
    };
    let mut object = object();
    let used = ticket::TicketState::Consumed {
        claim: ticket::Claim {
            bind: Digest::of(&[b"forth"]),
            ..claim.clone()
        },
    };
    let mut status = ApprovalTicketStatus::default();
    status.set_state(&used, at(50));
    assert_eq!(status.rolled_back(), Ok(None));
    let used_by = used.claim().unwrap();
    status.show_rollback(used_by, &claim);
    object.status = Some(status);
    let ticket = parse(&object, DAY).unwrap();
    assert_eq!((ticket.state, ticket.rollback), (used, Some(claim)));
}
