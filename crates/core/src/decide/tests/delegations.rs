//! Delegations: what each part of one covers, and nothing beside it.

use proptest::prelude::*;
use serde_json::json;

use crate::{
    decide::decide,
    decision::{Decision, Reason},
    delegation::{DelegatedNamespaces, DelegatedResource, Delegation, Evaluation, NotInForce, at_startup},
    fixtures::{Ask, Said, World, after, ask, creates, deletes, now, updates, world, zone},
    parent::{LiveParent, ParentKind},
    request::Operation,
    role::Role,
};

fn delegation(username: &str) -> Delegation {
    Delegation {
        name: "d".into(),
        username: username.into(),
        resources: vec![DelegatedResource {
            group: "".into(),
            resource: "secrets".into(),
            subresource: "".into(),
        }],
        operations: vec![Operation::Create, Operation::Update, Operation::Delete],
        namespaces: DelegatedNamespaces::Names(vec!["billing".into()]),
        fields: Vec::new(),
        parent: None,
        evaluation: Evaluation::Webhook,
        expires_at: None,
        degraded: None,
    }
}

pub fn with(mut world: World, delegation: Delegation) -> World {
    let of_user = world
        .snapshot
        .delegations
        .entry(delegation.username.clone())
        .or_default();
    of_user.push_back(delegation.into());
    world
}

#[test]
fn whoever_impersonates_a_service_account_has_nothing_of_it() {
    let world = || with(world(), delegation(MANAGER));
    let as_manager = |uid: &str| updates(MANAGER, "billing/secrets/tls").of_uid(uid);
    assert_eq!(
        world().says(&as_manager("sa-uid")),
        Said::Allow(Reason::Delegated)
    );
    assert_eq!(
        world().says(&as_manager("")),
        Said::Deny(Reason::UnregisteredAccount)
    );
    let as_collector = |uid: &str| deletes(COLLECTOR, "billing/secrets/tls").of_uid(uid);
    assert_eq!(
        world().says(&as_collector("sa-uid")),
        Said::Allow(Reason::Delegated)
    );
    assert_eq!(
        world().says(&as_collector("")),
        Said::Deny(Reason::UnregisteredAccount)
    );
}

const COLLECTOR: &str = "system:serviceaccount:kube-system:generic-garbage-collector";

pub const MANAGER: &str = "system:serviceaccount:cert-manager:cert-manager";

#[test]
fn a_delegation_is_exact() {
    let manager = |change: fn(&mut Delegation)| {
        let mut delegation = delegation(MANAGER);
        change(&mut delegation);
        with(world(), delegation)
    };
    let writes = updates(MANAGER, "billing/secrets/tls");
    let covered = |world: World, ask: &Ask| world.says(ask) == Said::Allow(Reason::Delegated);
    assert!(covered(manager(|_| ()), &writes));
    assert!(!covered(manager(|_| ()), &updates(MANAGER, "lab/secrets/tls")));
    assert!(!covered(
        manager(|_| ()),
        &updates(MANAGER, "billing/configmaps/tls")
    ));
    assert!(!covered(manager(|_| ()), &writes.clone().sub("status")));
    assert!(!covered(
        manager(|_| ()),
        &updates("system:serviceaccount:cert-manager:x", "billing/secrets/tls")
    ));
    assert!(!covered(
        manager(|d| d.operations = vec![Operation::Create]),
        &writes
    ));
    assert!(!covered(manager(|d| d.expires_at = Some(now())), &writes));
    assert!(covered(manager(|d| d.expires_at = Some(after(1))), &writes));
    assert!(!covered(
        manager(|d| d.degraded = Some("Unsealed".into())),
        &writes
    ));
    assert!(!covered(
        manager(|d| d.namespaces = DelegatedNamespaces::ClusterScoped),
        &writes
    ));
    let labels = |d: &mut Delegation| {
        d.namespaces =
            DelegatedNamespaces::Labels(vec![("countersign.dev/environment".into(), "prod".into())]);
    };
    assert!(covered(manager(labels), &writes));
    assert!(!covered(manager(labels).unsealed("billing"), &writes));
    assert!(!covered(
        manager(labels),
        &updates(MANAGER, "unknown/secrets/tls")
    ));
}

#[test]
fn a_delegation_of_fields_covers_these_fields_only() {
    let fields = |fields: &[&str]| {
        let mut delegation = delegation(MANAGER);
        delegation.fields = fields.iter().map(|field| (*field).to_owned()).collect();
        delegation.operations.push(Operation::Connect);
        with(world(), delegation)
    };
    let spec = updates(MANAGER, "billing/secrets/tls");
    let is = |fields: World, ask: &Ask| fields.says(ask) == Said::Allow(Reason::Delegated);
    assert!(is(fields(&["/spec/a"]), &spec));
    assert!(is(fields(&["/spec"]), &spec));
    assert!(!is(fields(&["/spec/ab", "/sp"]), &spec));
    let and_owner = spec.from(
        r#"{"metadata":{"uid":"u"},"spec":{"a":1}}"#,
        r#"{"metadata":{"uid":"u","ownerReferences":[{}]},"spec":{"a":2}}"#,
    );
    assert!(!is(fields(&["/spec"]), &and_owner));
    assert!(!is(fields(&["/spec"]), &deletes(MANAGER, "billing/secrets/tls")));
    let connects = ask(MANAGER, Operation::Connect, "billing/secrets/tls");
    assert!(!is(fields(&["/spec"]), &connects), "a connection has no fields");
    assert!(is(fields(&[]), &connects));
}

#[test]
fn a_delegation_of_status_covers_the_status_only() {
    let status = |fields: &[&str]| {
        let mut delegation = delegation(MANAGER);
        delegation.resources[0].subresource = "status".into();
        delegation.fields = fields.iter().map(|field| (*field).to_owned()).collect();
        with(world(), delegation)
    };
    let old = r#"{"metadata":{"uid":"u"},"status":{"a":1}}"#;
    let writes = |new: &str| {
        let ask = updates(MANAGER, "billing/secrets/tls").sub("status");
        ask.from(old, new)
    };
    let is = |world: World, new: &str| world.says(&writes(new)) == Said::Allow(Reason::Delegated);
    assert!(is(status(&[]), r#"{"metadata":{"uid":"u"},"status":{"a":2}}"#));
    let annotated = r#"{"metadata":{"uid":"u","annotations":{"a":"b"}},"status":{"a":2}}"#;
    assert!(!is(status(&[]), annotated));
    assert!(is(status(&["/metadata/annotations/a"]), annotated));
}

#[test]
fn people_agents_and_the_kinds_that_permit_are_never_delegated_to() {
    let suspended = world().agent_but("bot", Role::Agent, "greta", "ci:bot", |agent| {
        agent.suspended = true;
    });
    let bot = "system:serviceaccount:ci:bot";
    let ask = updates(bot, "billing/secrets/x");
    assert_eq!(
        with(suspended, delegation(bot)).says(&ask),
        Said::Deny(Reason::AgentSuspended)
    );
    let replaced = world().agent("bot", Role::Agent, "greta", "ci:bot");
    assert_eq!(
        with(replaced, delegation(bot)).says(&ask.of_uid("new")),
        Said::Deny(Reason::ForeignAccount)
    );
    let alice = updates("alice", "billing/secrets/x");
    assert_eq!(
        with(world(), delegation("alice")).says(&alice),
        Said::Deny(Reason::ReaderWrites)
    );
    let mut permits = delegation(MANAGER);
    permits.resources[0].group = "countersign.dev".into();
    permits.resources[0].resource = "zones".into();
    permits.namespaces = DelegatedNamespaces::ClusterScoped;
    let zone = updates(MANAGER, "@cluster/zones.countersign.dev/z").own(crate::own::Own::Zone(zone(
        "z",
        "user:olga",
        &["attic/**"],
    )));
    assert_eq!(
        with(world(), permits).says(&zone),
        Said::Deny(Reason::UnregisteredAccount)
    );
}

#[test]
fn whoever_is_no_system_user_is_taken_for_a_person_in_whatever_spelling() {
    for who in ["Alice", "corp:alice", "al\u{131}ce"] {
        let ask = updates(who, "billing/secrets/x");
        assert_eq!(
            with(world(), delegation(who)).says(&ask),
            Said::Deny(Reason::NotCanonical),
            "{who}"
        );
        assert_eq!(
            delegation(who).in_force(&world().snapshot, now()),
            Err(NotInForce::SubjectIsUser)
        );
    }
}

#[test]
fn a_new_object_is_covered_by_what_it_holds_beside_its_identity() {
    let fields = |fields: &[&str]| {
        let mut delegation = delegation(MANAGER);
        delegation.fields = fields.iter().map(|field| (*field).to_owned()).collect();
        with(world(), delegation)
    };
    let makes = |metadata: &str| Ask {
        new: Some(format!(
            r#"{{"apiVersion":"v1","kind":"Secret","metadata":{{{metadata}"name":"x","generateName":"x-",
            "namespace":"billing","uid":"u","creationTimestamp":"2026-01-01T00:00:00Z","managedFields":[]}},
            "data":{{"a":"b"}},"type":"Opaque"}}"#
        )),
        ..creates(MANAGER, "billing/secrets/x")
    };
    let is = |world: World, metadata: &str| world.says(&makes(metadata)) == Said::Allow(Reason::Delegated);
    assert!(is(fields(&["/data", "/type"]), ""));
    assert!(is(fields(&["/data/a", "/type"]), ""));
    assert!(!is(fields(&["/data"]), ""), "its type was not named");
    let of_account = r#""annotations":{"kubernetes.io/service-account.name":"root"},"#;
    assert!(!is(fields(&["/data", "/type"]), of_account));
    assert!(is(
        fields(&["/data", "/type", "/metadata/annotations"]),
        of_account
    ));
    for held in [
        r#""finalizers":["a/b"],"#,
        r#""ownerReferences":[{}],"#,
        r#""labels":{"a":"b"},"#,
    ] {
        assert!(!is(fields(&["/data", "/type"]), held), "{held}");
    }
    let renamed = updates(MANAGER, "billing/secrets/x").from(
        r#"{"metadata":{"name":"x"},"data":{"a":"b"}}"#,
        r#"{"metadata":{"name":"y"},"data":{"a":"c"}}"#,
    );
    assert_ne!(
        fields(&["/data"]).says(&renamed),
        Said::Allow(Reason::Delegated),
        "only a new object has an identity to come by"
    );
}

#[test]
fn a_status_needs_no_fields_and_the_fields_of_its_object_are_its_own() {
    let mut both = delegation(MANAGER);
    both.resources.push(DelegatedResource {
        subresource: "status".into(),
        ..both.resources[0].clone()
    });
    let mut finalizing = both.clone();
    finalizing.fields = vec!["/metadata/finalizers".to_owned()];
    let object = |status: &str, metadata: &str, spec: u8| {
        format!(r#"{{"metadata":{{"uid":"u"{metadata}}},"spec":{{"a":{spec}}}{status}}}"#)
    };
    let is = |delegation: &Delegation, subresource: &str, new: &str| {
        let ask = updates(MANAGER, "billing/secrets/tls").sub(subresource);
        with(world(), delegation.clone()).says(&ask.from(&object("", "", 1), new))
            == Said::Allow(Reason::Delegated)
    };
    let first_status = object(r#","status":{"a":1}"#, "", 1);
    let finalizer = object("", r#","finalizers":["a/b"]"#, 1);
    let owner = object(r#","status":{"a":1}"#, r#","ownerReferences":[{}]"#, 1);
    let spec = object("", "", 2);
    for (delegation, subresource, new, covered) in [
        (&both, "status", &first_status, true),
        (&both, "status", &finalizer, false),
        (&both, "status", &owner, false),
        (&both, "status", &spec, false),
        (&both, "", &spec, true),
        (&both, "", &owner, true),
        (&finalizing, "status", &first_status, true),
        (&finalizing, "status", &finalizer, true),
        (&finalizing, "status", &owner, false),
        (&finalizing, "", &finalizer, true),
        (&finalizing, "", &first_status, false),
        (&finalizing, "", &spec, false),
    ] {
        assert_eq!(is(delegation, subresource, new), covered, "{subresource} {new}");
    }
}

#[test]
fn what_is_compiled_for_startup_is_in_force_and_ordered() {
    let mut snapshot = world().agent("bot", Role::Agent, "greta", "ci:bot").snapshot;
    let mut add = |name: &str, change: &dyn Fn(&mut Delegation)| {
        let mut delegation = delegation(MANAGER);
        delegation.name = name.into();
        delegation.evaluation = Evaluation::Startup;
        change(&mut delegation);
        let of_user = snapshot
            .delegations
            .entry(delegation.username.clone())
            .or_default();
        of_user.push_back(delegation.into());
    };
    add("z", &|_| ());
    add("b", &|d| {
        d.username = "system:serviceaccount:kube-system:cilium".into();
    });
    add("a", &|d| d.expires_at = Some(after(1)));
    add("over", &|d| d.expires_at = Some(now()));
    add("degraded", &|d| d.degraded = Some("why".into()));
    add("agents", &|d| d.username = "system:serviceaccount:ci:bot".into());
    add("peoples", &|d| d.username = "alice".into());
    add("checked-here", &|d| d.evaluation = Evaluation::Webhook);
    let names = |at| {
        let delegations = at_startup(&snapshot, at);
        delegations
            .iter()
            .map(|one| one.name.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(now()), ["a", "b", "z"]);
    assert_eq!(names(after(1)), ["b", "z"]);
}

pub fn of_certificates() -> Delegation {
    Delegation {
        parent: Some(ParentKind {
            group: "cert-manager.io".into(),
            kind: "Certificate".into(),
        }),
        ..delegation(MANAGER)
    }
}

/// An owner reference to the Certificate `web` of this uid.
fn certificate(uid: &str, controller: bool) -> serde_json::Value {
    json!({
        "apiVersion": "cert-manager.io/v1", "kind": "Certificate", "name": "web", "uid": uid, "controller": controller,
    })
}

fn owned_by(owners: &serde_json::Value, spec: u8) -> String {
    json!({ "metadata": { "uid": "u", "ownerReferences": owners }, "spec": { "a": spec } }).to_string()
}

#[test]
fn a_parent_that_does_not_live_says_why_nothing_is_covered() {
    let world = with(world(), of_certificates());
    let deletes = |owners: serde_json::Value| Ask {
        old: Some(owned_by(&owners, 1)),
        ..deletes(MANAGER, "billing/secrets/x")
    };
    let child = deletes(json!([certificate("c1", true)]));
    let issuer = json!([{ "apiVersion": "cert-manager.io/v1", "kind": "Issuer", "name": "i", "uid": "c1", "controller": true }]);
    let other_group = json!([{ "apiVersion": "other/v1", "kind": "Certificate", "name": "i", "uid": "c1", "controller": true }]);
    let lives = || LiveParent::Lives("c1".to_owned());
    let evicts = Ask {
        new: Some(owned_by(&json!([certificate("c1", true)]), 1)),
        ..creates(MANAGER, "billing/secrets/x").sub("eviction")
    };
    let mut evicting = of_certificates();
    evicting.resources[0].subresource = "eviction".into();
    let evicting = with(crate::fixtures::world(), evicting);
    for (world, ask, told) in [
        (
            &world,
            child.clone(),
            "whether Certificate `web` lives is not known",
        ),
        (
            &world,
            child.clone().after_a_look(LiveParent::Unseen("gone".to_owned())),
            "gone",
        ),
        (
            &world,
            child.clone().after_a_look(LiveParent::Lives("c2".to_owned())),
            "another object was looked at",
        ),
        (
            &world,
            deletes(json!([])).after_a_look(lives()),
            "nothing controls it",
        ),
        (
            &world,
            deletes(json!([certificate("c1", false)])).after_a_look(lives()),
            "nothing controls it",
        ),
        (
            &world,
            deletes(json!([certificate("c1", true), certificate("c1", true)])).after_a_look(lives()),
            "nothing controls it",
        ),
        (
            &world,
            deletes(issuer).after_a_look(lives()),
            "a `Issuer.cert-manager.io` controls it",
        ),
        (
            &world,
            deletes(other_group).after_a_look(lives()),
            "a `Certificate.other` controls it",
        ),
        (
            &evicting,
            evicts.after_a_look(lives()),
            "the request does not show the object",
        ),
    ] {
        let Decision::Deny(denial) = world.decides(&ask) else {
            panic!("{told}: {:?}", world.decides(&ask));
        };
        assert_eq!(denial.reason, Reason::ParentUnproven, "{told}");
        assert!(denial.message.ends_with(told), "{told}: {}", denial.message);
        assert_eq!(denial.cause.unwrap().to_string(), "WriteDelegation/d spec.parent");
    }
    assert_eq!(
        world.says(&child.after_a_look(lives())),
        Said::Allow(Reason::Delegated)
    );
}

#[test]
fn a_parent_is_looked_for_only_where_a_delegation_depends_on_it() {
    let child = Ask {
        old: Some(owned_by(&json!([certificate("c1", true)]), 1)),
        ..deletes(MANAGER, "billing/secrets/x")
    };
    let asked = |world: &World, ask: &Ask| decide(&ask.request(), &world.snapshot, now()).1.parent;
    let found = asked(&with(world(), of_certificates()), &child).unwrap();
    assert_eq!(
        [
            &*found.group,
            &*found.version,
            &*found.kind,
            &*found.name,
            &*found.uid
        ],
        ["cert-manager.io", "v1", "Certificate", "web", "c1"]
    );
    assert_eq!(found.namespace.as_deref(), Some("billing"));
    let mut elsewhere = of_certificates();
    elsewhere.namespaces = DelegatedNamespaces::Names(vec!["lab".into()]);
    let mut issuers = of_certificates();
    issuers.parent = Some(ParentKind {
        group: "".into(),
        kind: "Certificate".into(),
    });
    let mut over = of_certificates();
    over.expires_at = Some(now());
    let fields = |fields: &str| Delegation {
        fields: vec![fields.to_owned()],
        ..of_certificates()
    };
    for other in [elsewhere, issuers, over, fields("/data")] {
        assert_eq!(asked(&with(world(), other.clone()), &child), None, "{other:?}");
    }
    let known = child.clone().after_a_look(LiveParent::Unseen("gone".to_owned()));
    assert_eq!(
        asked(&with(world(), of_certificates()), &known),
        None,
        "somebody looked"
    );
    let wider = with(with(world(), of_certificates()), delegation(MANAGER));
    assert_eq!(
        wider.says(&child),
        Said::Allow(Reason::Delegated),
        "another delegation needs no parent"
    );
}

proptest! {
    #[test]
    fn a_parent_counts_if_it_alone_controls_the_object_as_it_was_and_lives(
        operation in prop::sample::select(vec![Operation::Create, Operation::Update, Operation::Delete]),
        before in owners(),
        after in owners(),
        seen in prop::sample::select(vec![LiveParent::Unread, LiveParent::Unseen("gone".to_owned()), LiveParent::Lives("c1".to_owned()), LiveParent::Lives("c2".to_owned())]),
    ) {
        let text = |owners: &[OwnerIs]| {
            owned_by(&owners.iter().map(|owner| json!({
                "apiVersion": owner.version, "kind": owner.kind, "name": "web", "uid": owner.uid, "controller": owner.controller,
            })).collect(), 1)
        };
        let ask = Ask {
            old: Some(text(&before)),
            new: Some(text(&after)),
            ..ask(MANAGER, operation, "billing/secrets/x")
        };
        let present = if operation == Operation::Create { &after } else { &before };
        let controllers: Vec<_> = present.iter().filter(|owner| owner.controller == Some(true)).collect();
        let counts = controllers.len() == 1
            && controllers[0].version.starts_with("cert-manager.io/")
            && controllers[0].kind == "Certificate"
            && matches!(&seen, LiveParent::Lives(uid) if uid == controllers[0].uid);
        let said = with(world(), of_certificates()).says(&ask.after_a_look(seen));
        prop_assert_eq!(said == Said::Allow(Reason::Delegated), counts, "{:?}", said);
        prop_assert!(counts || said == Said::Deny(Reason::ParentUnproven), "{:?}", said);
    }
}

#[derive(Clone, Debug)]
struct OwnerIs {
    version: &'static str,
    kind: &'static str,
    uid: &'static str,
    controller: Option<bool>,
}

fn owners() -> impl Strategy<Value = Vec<OwnerIs>> {
    let one = (
        prop::sample::select(vec!["cert-manager.io/v1", "cert-manager.io/v2", "v1", "other/v1"]),
        prop::sample::select(vec!["Certificate", "Certificate", "Issuer"]),
        prop::sample::select(vec!["c1", "c2"]),
        prop::sample::select(vec![Some(true), Some(true), Some(false), None]),
    );
    let one = one.prop_map(|(version, kind, uid, controller)| OwnerIs {
        version,
        kind,
        uid,
        controller,
    });
    prop::collection::vec(one, 0..3)
}
