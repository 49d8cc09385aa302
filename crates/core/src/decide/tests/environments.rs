//! The environment of a place.

use crate::{
    decide::environment_of,
    decision::{Decision, Denial, Reason},
    environment::Environment::{self, Dev, Preview, Prod, Test},
    fixtures::{Ask, Said, World, creates, deletes, updates, world},
    policy::{Enforcement, EnvironmentRule, Policy},
    relax::{Mode, relax},
};

fn of(world: &World, ask: &Ask) -> Environment {
    environment_of(
        &ask.request(),
        &world.snapshot,
        world.snapshot.policy.get().unwrap(),
    )
}

fn rule(environment: Environment, namespaces: &[&str], labels: &[(&str, &str)]) -> EnvironmentRule {
    EnvironmentRule {
        environment: Some(environment),
        namespaces: namespaces.iter().map(|name| (*name).into()).collect(),
        labels: labels.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect(),
        cluster_scoped: false,
        fails_open: false,
        enforcement: Enforcement::Enforce,
    }
}

#[test]
fn an_environment_fails_open_where_all_its_entries_do_and_prod_never() {
    let entry = |environment, fails_open| EnvironmentRule {
        fails_open,
        ..rule(environment, &[], &[])
    };
    let policy = Policy {
        environments: vec![
            entry(Environment::Dev, true),
            entry(Environment::Test, true),
            entry(Environment::Test, false),
            entry(Environment::Prod, true),
        ],
        ..Policy::default()
    };
    assert_eq!(policy.fails_open(), [Environment::Dev]);
    assert!(Policy::default().fails_open().is_empty());
}

#[test]
fn prod_and_preview_block_and_dev_and_test_warn_unless_the_policy_says() {
    use Enforcement::{Enforce, Warn};
    let shipped = [(Prod, Enforce), (Preview, Enforce), (Test, Warn), (Dev, Warn)];
    let says = |environment, enforcement| Policy {
        environments: vec![EnvironmentRule {
            enforcement,
            ..rule(environment, &[], &[])
        }],
        ..Policy::default()
    };
    for (environment, expected) in shipped {
        assert_eq!(
            Policy::default().enforcement(environment),
            expected,
            "{environment}"
        );
        for said in [Enforce, Warn] {
            assert_eq!(
                says(environment, said).enforcement(environment),
                said,
                "{environment}"
            );
            let other = if environment == Dev { Prod } else { Dev };
            assert_eq!(
                says(other, said).enforcement(environment),
                expected,
                "{environment}"
            );
        }
    }
}

#[test]
fn what_is_not_known_is_denied_even_where_strict_mode_only_warns() {
    use Reason::{
        AuditUnavailable, DeadlineExceeded, NotOfZone, Overloaded, PolicyMissing, PolicyUnreadable, Stale,
        Unreadable, ZoneContested,
    };
    let warns = Mode {
        strict: true,
        enforcement: Enforcement::Warn,
        emergency: None,
    };
    let off = Mode {
        strict: false,
        ..warns.clone()
    };
    let said = |reason, mode: &Mode| Said::from(&relax(Decision::Deny(Denial::new(reason, "")), mode).0);
    let relaxed = Said::Allow(Reason::Relaxed);
    assert_eq!(said(NotOfZone, &warns), relaxed);
    for reason in [
        AuditUnavailable,
        DeadlineExceeded,
        Overloaded,
        PolicyMissing,
        PolicyUnreadable,
        Stale,
        Unreadable,
        ZoneContested,
    ] {
        assert_eq!(said(reason, &warns), Said::Deny(reason));
        assert_eq!(said(reason, &off), relaxed, "{reason}");
    }
}

#[test]
fn label_then_first_match_then_default() {
    let world = world()
        .namespace("shop-test", &[("tier", "test"), ("team", "shop")])
        .namespace(
            "labelled",
            &[("countersign.dev/environment", "test"), ("tier", "test")],
        )
        .namespace("typo", &[("countersign.dev/environment", "Dev")])
        .namespace("empty", &[("countersign.dev/environment", "")])
        .namespace("plain", &[])
        .policy(|policy| {
            policy.environments = vec![
                rule(Preview, &["named", "typo"], &[("tier", "test"), ("team", "shop")]),
                rule(Dev, &["named", "unseen"], &[("tier", "test")]),
                rule(Test, &[], &[]),
            ];
        });
    for (namespace, expected) in [
        ("billing", Prod),
        ("lab", Dev),
        ("shop-test", Preview),
        ("labelled", Test),
        // A value that names no environment lowers nothing.
        ("typo", Prod),
        ("empty", Prod),
        ("named", Preview),
        // A namespace that is not known (yet) has a name, and no labels.
        ("unseen", Dev),
        ("plain", Prod),
        ("unknown", Prod),
    ] {
        let ask = updates("alice", &format!("{namespace}/configmaps/x"));
        assert_eq!(of(&world, &ask), expected, "{namespace}");
    }
    let lenient = world.policy(|policy| policy.defaults.environment = Test);
    assert_eq!(of(&lenient, &updates("alice", "plain/configmaps/x")), Test);
    assert_eq!(of(&lenient, &updates("alice", "typo/configmaps/x")), Prod);
}

#[test]
fn cluster_scoped_objects_are_prod_unless_the_policy_places_them() {
    let role = updates("alice", "@cluster/clusterroles.rbac.authorization.k8s.io/edit");
    let zone = updates("alice", "@cluster/zones.countersign.dev/z");
    assert_eq!(of(&world(), &role), Prod);
    let scoped = world().policy(|policy| {
        policy.environments = vec![
            rule(Test, &[], &[]),
            EnvironmentRule {
                cluster_scoped: true,
                ..rule(Dev, &[], &[])
            },
        ];
        policy.defaults.environment = Test;
    });
    assert_eq!(of(&scoped, &role), Dev);
    assert_eq!(of(&scoped, &zone), Prod, "what permits is prod");
}

fn labelled(environment: Option<&str>) -> String {
    let labels = environment.map_or_else(String::new, |value| {
        format!(r#","labels":{{"countersign.dev/environment":"{value}"}}"#)
    });
    format!(r#"{{"metadata":{{"uid":"u"{labels}}}}}"#)
}

#[test]
fn a_namespace_has_the_stricter_of_its_environments() {
    let world = world().policy(|policy| policy.defaults.environment = Test);
    for (old, new, expected) in [
        (Some("prod"), Some("dev"), Prod),
        (Some("dev"), Some("prod"), Prod),
        (Some("prod"), None, Prod),
        (None, Some("dev"), Test),
        (Some("dev"), None, Test),
        (Some("dev"), Some("dev"), Dev),
        (Some("dev"), Some("whatever"), Prod),
    ] {
        let ask = updates("alice", "@cluster/namespaces/lab").from(&labelled(old), &labelled(new));
        assert_eq!(of(&world, &ask), expected, "{old:?} -> {new:?}");
        let finalize = ask.sub("finalize");
        assert_eq!(of(&world, &finalize), expected, "{old:?} -> {new:?}, finalize");
    }
    let removes = deletes("alice", "@cluster/namespaces/lab").from(&labelled(Some("prod")), "{}");
    assert_eq!(
        of(&world, &removes),
        Prod,
        "what the review shows, not what is remembered"
    );
    let unseen = Ask {
        old: None,
        ..deletes("alice", "@cluster/namespaces/billing")
    };
    assert_eq!(of(&world, &unseen), Prod);
    let mut makes = creates("alice", "@cluster/namespaces/new");
    makes.new = Some(labelled(Some("dev")));
    assert_eq!(of(&world, &makes), Dev);
    let part = makes.clone().sub("part");
    assert_eq!(
        of(&world, &part),
        Test,
        "what is made of a part of it bears none of its labels"
    );
    makes.new = Some(r#"{"metadata":{"labels":{"countersign.dev/environment":1}}}"#.to_owned());
    assert_eq!(of(&world, &makes), Prod, "what cannot be read is prod");
}

#[test]
fn labels_that_nobody_judged_take_no_namespace_out_of_prod() {
    let policy = |policy: &mut Policy| policy.defaults.environment = Dev;
    let world = || world().policy(policy).unsealed("lab").namespace("plain", &[]);
    let inside = updates("alice", "lab/configmaps/x");
    assert_eq!(of(&world(), &inside), Prod);
    assert_eq!(
        of(
            &world().unsealed("plain"),
            &updates("alice", "plain/configmaps/x")
        ),
        Prod
    );
    let dev = labelled(Some("dev"));
    let itself = updates("alice", "@cluster/namespaces/lab").from(&dev, &dev);
    assert_eq!(of(&world(), &itself), Prod);
    let removes = deletes("alice", "@cluster/namespaces/lab").from(&dev, "{}");
    assert_eq!(of(&world(), &removes), Prod);
    // What is shown as its old labels, and is not what is known of it, may be what nobody judged.
    let billing = updates("alice", "@cluster/namespaces/billing").from(&dev, &dev);
    assert_eq!(of(&world(), &billing), Prod);
    let unseen = updates("alice", "@cluster/namespaces/unseen").from(&dev, &dev);
    assert_eq!(of(&world(), &unseen), Dev);
}
