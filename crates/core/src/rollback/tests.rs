use std::sync::Arc;

use proptest::{prelude::*, sample::select};
use serde_json::{Map, Value, json};

use super::*;
use crate::{
    decision::{Decision, Reason},
    digest::MacKey,
    fixtures::{Ask, Said, World, after, creates, deletes, digest, ticket_for, updates, world, zone},
    hash::{Granule, HashContext, effective_change},
    object::Change,
    own::Own,
    policy::HashIgnore,
    role::Role,
    snapshot::Impersonation,
};

const APP: &str = "billing/configmaps/app";
const A: &str = r#"{"metadata":{"name":"x","uid":"object-uid","resourceVersion":"7"},"spec":{"a":1}}"#;
const B: &str = r#"{"metadata":{"name":"x","uid":"object-uid","resourceVersion":"8"},"spec":{"a":2}}"#;
const C: &str = r#"{"metadata":{"name":"x","uid":"object-uid","resourceVersion":"8"},"spec":{"a":3}}"#;

fn billing() -> World {
    world()
        .admin("ada")
        .contributor("olga")
        .contributor("otto")
        .zone(zone("billing", "user:olga", &["billing/**"]))
        .policy(|policy| policy.approvals.rollback_window = Some(SignedDuration::from_hours(1)))
}

fn forth() -> Ask {
    updates("olga", APP).from(A, B)
}

fn back() -> Ask {
    updates("olga", APP).from(B, A)
}

/// The deletion of what was created.
fn removes(who: &str, place: &str) -> Ask {
    Ask {
        old: creates(who, place).new,
        ..deletes(who, place)
    }
}

fn claim(bind: Digest, seconds_ago: i64) -> Claim {
    Claim {
        bind,
        by: "call".into(),
        claimed_at: after(-seconds_ago),
        object_uid: None,
        resource_version: Some("7".into()),
        resent: false,
    }
}

/// The ticket for what is asked was used so long ago.
fn used(world: World, ask: &Ask, seconds_ago: i64, change: impl FnOnce(&mut Ticket)) -> World {
    let demand = world.demand(ask);
    let part = |part: Granule| (part.pointer, part.new.map(|value| value.digest()));
    let parts = demand.change.granules.into_iter().map(part).collect();
    let binding = demand.binding;
    let mut claim = claim(binding.bind("ticket-uid"), seconds_ago);
    if ask.operation == Operation::Create {
        claim.object_uid = Some("object-uid".into());
    }
    let mut ticket = ticket_for(binding, TicketState::Consumed { claim }, &[]);
    ticket.parts = parts;
    change(&mut ticket);
    let ticket = Arc::new(ticket);
    let mut world = world;
    world.snapshot = world.snapshot.with_ticket(ticket.clone());
    world.snapshot.created.insert("object-uid".into(), ticket);
    world
}

fn changed(seconds_ago: i64) -> World {
    used(billing(), &forth(), seconds_ago, |_| ())
}

const ROLLED_BACK: Said = Said::Allow(Reason::Rollback);

#[test]
fn within_the_window_the_exact_inverse_needs_no_approval() {
    assert_eq!(changed(0).says(&back()), ROLLED_BACK);
    assert_eq!(changed(3599).says(&back()), ROLLED_BACK);
    assert_eq!(changed(3600).says(&back()), Said::Needs);
    let without = changed(0).policy(|policy| policy.approvals.rollback_window = None);
    assert_eq!(without.says(&back()), Said::Needs);
}

#[test]
fn it_is_the_same_subject_object_and_content() {
    let world = changed(10);
    for (why, ask) in [
        ("once more forth", forth()),
        (
            "by somebody else",
            Ask {
                username: "ada".to_owned(),
                ..back()
            },
        ),
        ("to something else", updates("olga", APP).from(B, C)),
        ("from something else", updates("olga", APP).from(C, A)),
        (
            "of another object",
            updates("olga", "billing/configmaps/other").from(B, A),
        ),
        (
            "of one made anew",
            updates("olga", APP).from(&B.replace("object-uid", "new"), &A.replace("object-uid", "new")),
        ),
        ("by another way", back().sub("status")),
    ] {
        assert_eq!(world.says(&ask), Said::Needs, "{why}");
    }
}

#[test]
fn who_impersonates_an_agent_undoes_nothing_in_its_name() {
    let mut billing = zone("billing", "user:olga", &["billing/**"]);
    billing.cooperators = vec![crate::fixtures::id("agent:bot")];
    let world = world()
        .agent_but("bot", Role::Contributor, "greta", "ci:bot", |agent| {
            agent.impersonation = Impersonation::Accepted;
        })
        .zone(billing)
        .policy(|policy| policy.approvals.rollback_window = Some(SignedDuration::from_hours(1)));
    let account = "system:serviceaccount:ci:bot";
    let world = used(world, &updates(account, APP).from(A, B), 10, |_| ());
    let back = updates(account, APP).from(B, A);
    assert_eq!(world.says(&back), ROLLED_BACK, "by its token");
    assert_eq!(world.says(&back.of_uid("")), Said::Needs);
}

#[test]
fn all_other_rules_still_hold() {
    let moved = |zone_of: &str| {
        let mut world = changed(10);
        world.snapshot.zones = crate::zones::ZoneIndex::default();
        world.zone(zone("billing", zone_of, &["billing/**"]))
    };
    assert_eq!(moved("user:otto").says(&back()), Said::Deny(Reason::NotOfZone));
    assert_eq!(moved("user:olga").says(&back()), ROLLED_BACK);
    let reader = changed(10).grant("less", "user:olga", Role::Reader);
    assert_ne!(reader.says(&back()), ROLLED_BACK);
}

#[test]
fn what_was_not_used_covers_no_inverse() {
    for state in [crate::fixtures::approved(), crate::fixtures::pending()] {
        let world = used(billing(), &forth(), 10, |ticket| ticket.state = state);
        assert_eq!(world.says(&back()), Said::Needs);
    }
}

#[test]
fn one_write_undoes_and_that_as_often_as_it_is_asked_for() {
    let inverse = changed(10).demand_of_rollback(&back());
    let undone = |bind, ago| {
        used(billing(), &forth(), 100, |ticket| {
            ticket.rollback = Some(claim(bind, ago));
        })
    };
    assert_eq!(undone(inverse, 10).says(&back()), ROLLED_BACK);
    assert_eq!(undone(inverse, 75).says(&back()), Said::Needs);
    assert_eq!(undone(digest(9), 10).says(&back()), Said::Needs);
}

impl World {
    /// The bind of what the request undoes.
    fn demand_of_rollback(&self, ask: &Ask) -> Digest {
        match self.decides(ask) {
            Decision::Allow(grant) => grant.ticket().unwrap().bind,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_was_made_may_be_deleted_plainly() {
    let made = |place: &str| used(billing(), &creates("olga", place), 10, |_| ());
    let plain = |place: &str, options: Option<&str>| {
        let mut ask = removes("olga", place);
        ask.options = options.map(str::to_owned);
        ask
    };
    for options in [
        None,
        Some("{}"),
        Some(r#"{"propagationPolicy":"Background","preconditions":{"uid":"u"}}"#),
    ] {
        assert_eq!(made(APP).says(&plain(APP, options)), ROLLED_BACK, "{options:?}");
    }
    for options in [
        r#"{"propagationPolicy":"Orphan"}"#,
        r#"{"propagationPolicy":"Foreground"}"#,
        r#"{"gracePeriodSeconds":0}"#,
        r#"{"propagationPolicy":"Background","gracePeriodSeconds":0}"#,
    ] {
        assert_eq!(
            made(APP).says(&plain(APP, Some(options))),
            Said::Needs,
            "{options}"
        );
    }
    let mut another = plain(APP, None);
    another.old = another.old.map(|old| old.replace("object-uid", "new"));
    assert_eq!(made(APP).says(&another), Said::Needs, "one made anew");
    assert_eq!(
        made(APP).says(&Ask {
            username: "ada".to_owned(),
            ..plain(APP, None)
        }),
        Said::Needs
    );
    let other = "billing/configmaps/other";
    assert_eq!(
        made(APP).says(&plain(other, None)),
        Said::Needs,
        "of another name"
    );
}

#[test]
fn what_others_put_there_since_does_not_go_with_it() {
    let mut made = creates("olga", APP);
    made.new = Some(A.to_owned());
    let world = used(billing(), &made, 10, |_| ());
    for (why, then, expected) in [
        ("as it was made", A.to_owned(), ROLLED_BACK),
        (
            "a status",
            A.replace(r#","spec""#, r#","status":{"a":1},"spec""#),
            ROLLED_BACK,
        ),
        (
            "an annotation",
            A.replace(r#""name":"x""#, r#""name":"x","annotations":{"revision":"1"}"#),
            ROLLED_BACK,
        ),
        ("another value", B.to_owned(), Said::Needs),
        (
            "a field more",
            A.replace(r#""a":1"#, r#""a":1,"b":1"#),
            Said::Needs,
        ),
        (
            "a field less",
            A.replace(r#""spec":{"a":1}"#, r#""spec":{}"#),
            Said::Needs,
        ),
        (
            "a label",
            A.replace(r#""name":"x""#, r#""name":"x","labels":{"by":"otto"}"#),
            Said::Needs,
        ),
        (
            "a field that is called almost like one of the controllers'",
            A.replace(r#","spec""#, r#","statuses":{"a":1},"spec""#),
            Said::Needs,
        ),
    ] {
        let mut gone = deletes("olga", APP);
        gone.old = Some(then);
        assert_eq!(world.says(&gone), expected, "{why}");
    }
}

#[test]
fn deletions_and_what_holds_the_objects_of_others_have_no_inverse() {
    let deleted = used(billing(), &deletes("olga", APP), 10, |_| ());
    assert_eq!(deleted.says(&creates("olga", APP)), Said::Needs);
    for place in [
        "@cluster/namespaces/new",
        "@cluster/customresourcedefinitions.apiextensions.k8s.io/new",
    ] {
        let world = used(billing(), &creates("ada", place), 10, |_| ());
        assert_eq!(world.says(&removes("ada", place)), Said::Needs, "{place}");
    }
}

#[test]
fn scaling_is_undone_and_other_subresources_are_not() {
    for (subresource, expected) in [("scale", ROLLED_BACK), ("resize", Said::Needs)] {
        let world = used(billing(), &forth().sub(subresource), 10, |_| ());
        assert_eq!(world.says(&back().sub(subresource)), expected, "{subresource}");
    }
}

#[test]
fn what_permits_or_says_which_rules_hold_needs_an_approval_in_any_case() {
    for place in [
        "billing/rolebindings.rbac.authorization.k8s.io/app",
        "@cluster/clusterroles.rbac.authorization.k8s.io/app",
        "@cluster/validatingwebhookconfigurations.admissionregistration.k8s.io/app",
        "@cluster/namespaces/billing",
        "@cluster/apiservices.apiregistration.k8s.io/v1.example.com",
        "@cluster/clustertrustbundles.certificates.k8s.io/app",
        "@cluster/csidrivers.storage.k8s.io/app",
        "@cluster/persistentvolumes/app",
    ] {
        let (forth, back) = (updates("ada", place).from(A, B), updates("ada", place).from(B, A));
        let world = used(billing(), &forth, 10, |_| ());
        assert_eq!(world.says(&back), Said::Needs, "{place}");
    }
    let grant = |role| Own::RoleGrant {
        identity: "user:zoe".parse().unwrap(),
        role,
    };
    let place = "@cluster/rolegrants.countersign.dev/zoe";
    let forth = updates("ada", place).from(A, B).own(grant(Role::Reader));
    let back = updates("ada", place).from(B, A).own(grant(Role::Admin));
    let world = used(billing(), &forth, 10, |_| ());
    assert_eq!(world.says(&back), Said::Needs);
}

/// What the digests leave out could be put to any value on the way back.
#[test]
fn what_the_policy_leaves_out_of_the_digests_is_not_changed_on_the_way_back() {
    let world = billing().policy(|policy| {
        policy.hash_ignore = vec![HashIgnore {
            group: "".into(),
            kind: "Thing".into(),
            pointers: vec!["/spec/replicas".parse().unwrap()],
        }];
    });
    let with = |text: &str, replicas: u32| {
        let spec = format!(r#""spec":{{"replicas":{replicas},"#);
        text.replace(r#""spec":{"#, &spec)
    };
    let forth = updates("olga", APP).from(&with(A, 3), &with(B, 3));
    let world = used(world, &forth, 10, |_| ());
    let back = |replicas| updates("olga", APP).from(&with(B, 3), &with(A, replicas));
    assert_eq!(world.says(&back(3)), ROLLED_BACK);
    assert_eq!(world.says(&back(0)), Said::Needs);

    let forth = updates("olga", APP).from(&with(A, 3), &with(A, 5));
    let world = used(world, &forth, 10, |_| ());
    let back = updates("olga", APP).from(&with(A, 5), &with(A, 0));
    assert_eq!(world.says(&back), Said::Needs, "nothing of it is in the digests");
}

#[test]
fn what_the_control_plane_numbers_is_no_content_to_put_back() {
    let of = |revision: u32| {
        let annotations = json!({ "deployment.kubernetes.io/revision": revision.to_string() });
        json!({ "metadata": { "name": "x", "annotations": annotations } }).to_string()
    };
    let context = HashContext {
        api_version: "apps/v1",
        kind: "Deployment",
        subresource: "",
        writer: None,
        ignore: &[],
        redaction: &MacKey::new([1; 32]),
    };
    let (old, new) = (of(2), of(9));
    let change = Change::Update {
        old: Object::parse(&old).unwrap(),
        new: Object::parse(&new).unwrap(),
    };
    let change = effective_change(&change, &context).unwrap();
    assert_eq!(
        Some(change.resource_hash),
        change.old_hash,
        "it would be its own inverse"
    );
    assert!(!is_bound_whole(&change));
}

/// The owner may be gone since, and the object would go after it.
#[test]
fn what_says_when_an_object_goes_and_with_whom_is_not_put_back() {
    for bond in [r#""ownerReferences":[{"uid":"u"}],"#, r#""finalizers":["a/b"],"#] {
        let bound = A.replace(r#""uid":"object"#, &format!(r#"{bond}"uid":"object"#));
        let world = used(billing(), &updates("olga", APP).from(&bound, A), 10, |_| ());
        assert_eq!(
            world.says(&updates("olga", APP).from(A, &bound)),
            Said::Needs,
            "{bond}"
        );
    }
}

#[test]
fn a_change_that_was_denied_lately_is_not_let_through_as_an_inverse() {
    let world = changed(10);
    let binding = updates("olga", APP).from(B, A);
    let demand = changed(10)
        .policy(|policy| policy.approvals.rollback_window = None)
        .demand(&binding);
    let mut denied = ticket_for(
        demand.binding,
        TicketState::Ended(crate::ticket::End::Denied),
        &[],
    );
    denied.uid = "denied-uid".into();
    let mut world = world;
    world.snapshot = world.snapshot.with_ticket(Arc::new(denied));
    assert_eq!(world.says(&back()), Said::Deny(Reason::TicketDenied));
}

/// Some labels, annotations, spec and data.
fn object() -> impl Strategy<Value = String> {
    let value = select(vec![
        json!(null),
        json!(1),
        json!("a"),
        json!({"b": [1]}),
        json!([]),
        json!({}),
    ]);
    let map = proptest::collection::btree_map(select(vec!["a", "b", "c/d", "e~f"]), value, 0..3);
    let map = map.prop_map(|entries| {
        let entries = entries.into_iter().map(|(key, value)| (key.to_owned(), value));
        Value::Object(entries.collect::<Map<_, _>>())
    });
    let text = proptest::collection::btree_map(select(vec!["a", "b"]), select(vec!["x", "y"]), 0..2);
    (text, map.clone(), map).prop_map(|(labels, spec, data)| {
        let meta = json!({ "name": "x", "namespace": "n", "uid": "u", "labels": labels });
        json!({ "metadata": meta, "spec": spec, "data": data }).to_string()
    })
}

proptest! {
    /// What the one digest is over on the way forth, the other is over on the way back.
    #[test]
    fn the_digests_of_a_change_and_of_its_inverse_are_each_others(
        one in object(),
        other in object(),
        kind in select(vec!["ConfigMap", "Secret", "Thing"]),
    ) {
        let context = HashContext {
            api_version: "v1",
            kind,
            subresource: "",
            writer: None,
            ignore: &[],
            redaction: &MacKey::new([1; 32]),
        };
        let change = |old: &str, new: &str| {
            let (old, new) = (Object::parse(old).unwrap(), Object::parse(new).unwrap());
            effective_change(&Change::Update { old, new }, &context).unwrap()
        };
        let (forth, back) = (change(&one, &other), change(&other, &one));
        prop_assert_eq!(Some(forth.resource_hash), back.old_hash);
        prop_assert_eq!(forth.old_hash, Some(back.resource_hash));
    }
}

#[test]
fn a_window_that_never_ends_does_not_overflow() {
    let binding = changed(10)
        .policy(|policy| policy.approvals.rollback_window = None)
        .demand(&back())
        .binding;
    let made = billing().demand(&forth()).binding;
    let state = TicketState::Consumed {
        claim: claim(digest(1), 0),
    };
    let ticket = ticket_for(made, state, &[]);
    let read = inverse(&ticket, &binding, SignedDuration::MAX).unwrap();
    assert_eq!(
        read.state,
        TicketState::Approved {
            usable_until: Timestamp::MAX
        }
    );
    assert_eq!(read.binding, binding);
}
