//! What is wrong in every mode, whoever writes it; and what is the operator's alone.

use crate::{
    decide::{GROUP, KEYS_SECRET},
    decision::Reason,
    digest::Digest,
    fixtures::{Ask, Said, World, ask, creates, deletes, id, updates, world, zone},
    own::{AgentDraft, Own},
    policy::{Enforcement, EnvironmentRule, PasscodeRef, Policy, Shown},
    request::Operation,
    role::Role,
    snapshot::{Account, Agent, Impersonation, PolicyState},
};

const OPERATOR: &str = "system:serviceaccount:countersign-system:countersign";

fn permits(who: &str, resource: &str, name: &str, own: Own) -> Ask {
    updates(who, &format!("@cluster/{resource}.countersign.dev/{name}")).own(own)
}

pub(super) fn removes(who: &str, resource: &str, name: &str) -> Ask {
    deletes(who, &format!("@cluster/{resource}.countersign.dev/{name}")).own(Own::Removed)
}

pub(super) fn grant(who: &str, name: &str, identity: &str, role: Role) -> Ask {
    let identity = id(identity);
    permits(who, "rolegrants", name, Own::RoleGrant { identity, role })
}

pub(super) fn switch(who: &str, world: &World, change: impl FnOnce(&mut Policy)) -> Ask {
    let mut policy = (**world.snapshot.policy.get().unwrap()).clone();
    change(&mut policy);
    permits(who, "accesspolicies", "default", Own::AccessPolicy(policy.into()))
}

fn secret() -> PasscodeRef {
    PasscodeRef {
        name: "passcode".into(),
        key: "passcode".into(),
    }
}

/// Callers of whom no rule knows anything, beside an admin.
const ANYBODY: [&str; 5] = [
    "ada",
    "unheard",
    "Alice",
    "system:admin",
    "system:serviceaccount:ci:stray",
];

/// Both modes in which nothing else is blocked: strict mode off, and prod that only warns.
fn lenient(world: impl Fn() -> World) -> [World; 2] {
    let warns = world().policy(|policy| {
        policy.environments = vec![EnvironmentRule {
            environment: Some(crate::environment::Environment::Prod),
            enforcement: Enforcement::Warn,
            ..EnvironmentRule::default()
        }];
    });
    [world().observing(), warns]
}

#[test]
fn what_is_not_valid_is_refused_in_every_mode_to_everybody() {
    let world = || {
        world()
            .admin("ada")
            .zone(zone("billing", "user:olga", &["billing/**"]))
            .agent("bot", Role::Agent, "greta", "ci:bot")
    };
    let rival = Agent {
        identity: id("agent:rival"),
        role: Role::Agent,
        owner: id("user:greta"),
        suspended: false,
        key: None,
        signs: true,
        rotation: None,
        intents_per_minute: 120,
        accounts: vec![Account {
            namespace: "ci".into(),
            name: "bot".into(),
            uid: None,
        }],
        impersonation: Impersonation::default(),
        degraded: None,
    };
    let rival = AgentDraft {
        agent: rival,
        former: None,
    };
    let overlap = Own::Zone(zone("rival", "user:ada", &["*/configmaps/app"]));
    for world in lenient(world) {
        for who in ANYBODY {
            let refused = |ask: Ask| world.enforces(&ask);
            let invalid = permits(who, "teams", "t", Own::Invalid("spec.members".to_owned()));
            assert_eq!(refused(invalid), Said::Deny(Reason::Invalid), "{who}");
            let attestation = "a=1:sha256:00".to_owned();
            let unsealed = permits(who, "rolegrants", "r", Own::Unsealed { attestation });
            assert_eq!(refused(unsealed), Said::Deny(Reason::Unsealed), "{who}");
            let zone = permits(who, "zones", "rival", overlap.clone());
            assert_eq!(refused(zone), Said::Deny(Reason::ZoneOverlap), "{who}");
            let agent = permits(who, "agents", "rival", Own::Agent(rival.clone().into()));
            assert_eq!(refused(agent), Said::Deny(Reason::Invalid), "{who}");
            let unknown = updates(who, "@cluster/novelties.countersign.dev/n");
            assert_eq!(refused(unknown), Said::Deny(Reason::Invalid), "{who}");
        }
    }
    let same = permits(
        "ada",
        "zones",
        "billing",
        Own::Zone(zone("billing", "user:olga", &["billing/configmaps/**"])),
    );
    assert_eq!(world().says(&same), Said::Needs, "a zone does not overlap itself");
}

#[test]
fn even_an_unreadable_policy_lets_nothing_overlap() {
    let mut world = world().zone(zone("billing", "user:olga", &["billing/**"]));
    world.snapshot.policy = PolicyState::Unreadable("spec".into());
    world.snapshot.latched = false;
    let overlap = Own::Zone(zone("rival", "user:ada", &["billing/**"]));
    let ask = permits("ada", "zones", "rival", overlap);
    assert_eq!(world.enforces(&ask), Said::Deny(Reason::ZoneOverlap));
    let other = permits("ada", "zones", "z", Own::Zone(zone("z", "user:ada", &["lab/**"])));
    assert_eq!(world.says(&other), Said::Deny(Reason::PolicyUnreadable));
    assert_eq!(world.enforces(&other), Said::Allow(Reason::Relaxed));
    world.snapshot.latched = true;
    assert_eq!(world.enforces(&other), Said::Deny(Reason::PolicyUnreadable));
}

#[test]
fn a_missing_policy_denies_once_strict_mode_was_on() {
    let mut world = world().admin("ada");
    world.snapshot.policy = PolicyState::Absent(Policy::default().into());
    world.snapshot.latched = false;
    let ask = updates("ada", "billing/configmaps/x");
    assert_eq!(world.says(&ask), Said::Needs);
    assert_eq!(world.enforces(&ask), Said::Allow(Reason::Relaxed));
    world.snapshot.latched = true;
    assert_eq!(world.enforces(&ask), Said::Deny(Reason::PolicyMissing));
}

#[test]
fn the_policy_is_not_deleted_while_strict_mode_is_on() {
    let strict = || world().admin("ada").admin("abel");
    for who in ANYBODY {
        let ask = removes(who, "accesspolicies", "default");
        assert_eq!(strict().enforces(&ask), Said::Deny(Reason::StrictMode), "{who}");
    }
    let ask = removes("ada", "accesspolicies", "default");
    assert_eq!(strict().observing().says(&ask), Said::Needs);
    let mut latched = strict().observing();
    latched.snapshot.latched = true;
    assert_eq!(latched.enforces(&ask), Said::Deny(Reason::StrictMode));
}

#[test]
fn live_admins_are_not_reduced_below_what_strict_mode_needs() {
    let two = || world().admin("ada").admin("abel");
    let few = Said::Deny(Reason::TooFewAdmins);
    let rows = vec![
        (
            "one of two removed",
            two(),
            removes("ada", "rolegrants", "abel"),
            &few,
        ),
        (
            "one of three removed",
            two().admin("amy"),
            removes("ada", "rolegrants", "abel"),
            &Said::Needs,
        ),
        (
            "one of two lowered",
            two(),
            grant("ada", "abel", "user:abel", Role::Contributor),
            &few,
        ),
        (
            "one of two moved to another identity",
            two(),
            grant("ada", "abel", "user:carl", Role::Admin),
            &few,
        ),
        (
            "one of two contradicted by a new grant",
            two(),
            grant("ada", "new", "user:abel", Role::Reader),
            &few,
        ),
        (
            "one of two contradicted by another's grant that moves",
            two().contributor("carl"),
            grant("ada", "carl", "user:abel", Role::Contributor),
            &few,
        ),
        (
            "the same role again",
            two(),
            grant("ada", "abel", "user:abel", Role::Admin),
            &Said::Needs,
        ),
        (
            "a second grant of the same role",
            two(),
            grant("ada", "new", "user:abel", Role::Admin),
            &Said::Needs,
        ),
        (
            "one of two grants of the same role removed",
            two().grant("twice", "user:abel", Role::Admin),
            removes("ada", "rolegrants", "twice"),
            &Said::Needs,
        ),
        (
            "a contributor lowered",
            two().contributor("carl"),
            grant("ada", "carl", "user:carl", Role::Reader),
            &Said::Needs,
        ),
        (
            "an admin who was never seen does not count",
            two().granted("amy", "user:amy", Role::Admin, None),
            removes("ada", "rolegrants", "abel"),
            &few,
        ),
        (
            "a team does not count",
            two().grant("root", "team:root", Role::Admin),
            removes("ada", "rolegrants", "abel"),
            &few,
        ),
        (
            "with a passcode one is enough",
            two().policy(|policy| policy.passcode = Some(secret())),
            removes("ada", "rolegrants", "abel"),
            &Said::Needs,
        ),
    ];
    for (told, world, ask, expected) in rows {
        assert_eq!(&world.enforces(&ask), expected, "{told}");
    }
    let lone = world().admin("ada").contributor("carl");
    let lowers = grant("ada", "carl", "user:carl", Role::Reader);
    assert_eq!(
        lone.enforces(&lowers),
        Said::Needs,
        "who are too few already are not made fewer"
    );
    let ask = removes("ada", "rolegrants", "abel");
    assert_eq!(
        two().observing().says(&ask),
        Said::Needs,
        "while strict mode is off"
    );
}

#[test]
fn strict_mode_is_turned_on_once_there_are_enough_live_admins() {
    let on = |world: World, who: &str| {
        let ask = switch(who, &world, |policy| policy.strict_mode = true);
        world.enforces(&ask)
    };
    let relaxed = Said::Allow(Reason::Relaxed);
    let few = Said::Deny(Reason::TooFewAdmins);
    let one = || world().observing().admin("ada");
    assert_eq!(on(one(), "ada"), few);
    assert_eq!(
        on(one().granted("amy", "user:amy", Role::Admin, None), "ada"),
        few
    );
    assert_eq!(on(one().admin("abel"), "ada"), relaxed);
    assert_eq!(
        on(one().policy(|policy| policy.passcode = Some(secret())), "ada"),
        relaxed
    );
    let two = || one().admin("abel");
    let agent = |role| two().agent("flux", role, "ada", "flux:flux");
    let flux = "system:serviceaccount:flux:flux";
    for role in [Role::Agent, Role::Contributor] {
        assert_eq!(on(agent(role), flux), Said::Deny(Reason::StrictMode));
        let world = agent(role);
        let locks = switch(flux, &world, |policy| policy.strict_mode_locked = true);
        assert_eq!(world.enforces(&locks), Said::Deny(Reason::StrictMode));
        let suspended = two().agent_but("flux", role, "ada", "flux:flux", |agent| agent.suspended = true);
        assert_eq!(on(suspended, flux), Said::Deny(Reason::StrictMode));
    }
    let drops = |world: World| {
        let ask = switch("ada", &world, |policy| policy.passcode = None);
        world.enforces(&ask)
    };
    let with_passcode = |world: World| world.policy(|policy| policy.passcode = Some(secret()));
    assert_eq!(
        drops(with_passcode(world().admin("ada"))),
        Said::Deny(Reason::TooFewAdmins)
    );
    assert_eq!(
        drops(with_passcode(world().admin("ada").admin("abel"))),
        Said::Needs
    );
}

#[test]
fn a_policy_that_asks_for_no_more_admins_is_changed_with_those_there_are() {
    let lone = || world().admin("ada");
    let world = lone();
    let other = |policy: &mut Policy| policy.defaults.min_reviewers = 2;
    assert_eq!(world.enforces(&switch("ada", &world, other)), Said::Needs);
    let observing = lone().observing();
    assert_eq!(
        observing.enforces(&switch("ada", &observing, other)),
        Said::Allow(Reason::Relaxed)
    );
}

#[test]
fn only_a_human_admin_turns_strict_mode_off() {
    let strict = || {
        world().admin("ada").admin("abel").contributor("carl").agent(
            "flux",
            Role::Contributor,
            "ada",
            "flux:flux",
        )
    };
    let off = |world: &World, who: &str| {
        let ask = switch(who, world, |policy| policy.strict_mode = false);
        world.enforces(&ask)
    };
    let [_, warns] = lenient(strict);
    for world in [strict(), warns] {
        for who in [
            "carl",
            "unheard",
            "Alice",
            "system:admin",
            "system:apiserver",
            "system:serviceaccount:flux:flux",
            "system:serviceaccount:ci:stray",
        ] {
            assert_eq!(off(&world, who), Said::Deny(Reason::StrictMode), "{who}");
        }
    }
    assert_eq!(off(&strict(), "ada"), Said::Needs);
    let locked = strict().policy(|policy| policy.strict_mode_locked = true);
    assert_eq!(off(&locked, "ada"), Said::Deny(Reason::StrictMode));
}

#[test]
fn what_is_the_operators_alone() {
    let home = "countersign-system";
    let keys = format!("{home}/secrets/{KEYS_SECRET}");
    let alone = [
        (updates("ada", &keys), Reason::OperatorOnly),
        (deletes("ada", &keys), Reason::OperatorOnly),
        (
            updates("ada", "billing/approvaltickets.countersign.dev/t").sub("status"),
            Reason::OperatorOnly,
        ),
        (
            updates("ada", "@cluster/rolegrants.countersign.dev/g").sub("status"),
            Reason::OperatorOnly,
        ),
        (
            updates("ada", "@cluster/zones.countersign.dev/z").sub("scale"),
            Reason::OperatorOnly,
        ),
        (
            updates("ada", "billing/approvaltickets.countersign.dev/t"),
            Reason::Immutable,
        ),
        (
            deletes("ada", "billing/approvaltickets.countersign.dev/t"),
            Reason::Immutable,
        ),
        (
            updates("ada", "billing/approvalreviews.countersign.dev/r"),
            Reason::Immutable,
        ),
        (
            deletes("ada", "billing/approvalreviews.countersign.dev/r"),
            Reason::Immutable,
        ),
        (
            creates("ada", "billing/tasks.countersign.dev/t"),
            Reason::OperatorOnly,
        ),
        (
            updates("ada", "billing/tasks.countersign.dev/t"),
            Reason::OperatorOnly,
        ),
    ];
    for (ask, reason) in alone {
        for world in lenient(|| world().admin("ada")) {
            assert_eq!(
                world.enforces(&ask),
                Said::Deny(reason),
                "{} {}",
                ask.resource,
                ask.name
            );
            for system in [
                "system:apiserver",
                "system:serviceaccount:kube-system:generic-garbage-collector",
            ] {
                let ask = Ask {
                    username: system.to_owned(),
                    ..ask.clone()
                };
                assert_eq!(world.enforces(&ask), Said::Deny(reason), "{system}");
            }
        }
        let operators = Ask {
            username: OPERATOR.to_owned(),
            ..ask
        };
        let own = operators.clone().of_uid("operator-uid");
        // What never changes once made it does not change either.
        let changes = own.operation == Operation::Update && own.group == GROUP && own.subresource.is_empty();
        let expected = if changes || own.subresource == "scale" {
            Said::Deny(Reason::OperatorOnly)
        } else {
            Said::Allow(Reason::Operator)
        };
        assert_eq!(world().says(&own), expected, "{}", own.resource);
        assert_ne!(
            world().says(&operators.of_uid("another")),
            Said::Allow(Reason::Operator),
            "an account of its name"
        );
    }
}

#[test]
fn a_task_goes_with_its_ticket_and_by_nobodys_hand() {
    let place = "billing/tasks.countersign.dev/t";
    let collector = "system:serviceaccount:kube-system:generic-garbage-collector";
    for world in lenient(|| world().admin("ada")) {
        assert_eq!(
            world.enforces(&deletes(collector, place)),
            Said::Allow(Reason::Delegated)
        );
        for by in [
            "ada",
            "system:serviceaccount:kube-system:namespace-controller",
            OPERATOR,
        ] {
            assert_eq!(
                world.enforces(&deletes(by, place)),
                Said::Deny(Reason::OperatorOnly),
                "{by}"
            );
        }
    }
}

#[test]
fn tickets_and_reviews_go_with_a_namespace_that_ends() {
    let controller = "system:serviceaccount:kube-system:namespace-controller";
    let ends = || world().admin("ada").terminating("billing");
    for (kind, reason) in [
        ("approvaltickets", Reason::Immutable),
        ("approvalreviews", Reason::Immutable),
        ("tasks", Reason::OperatorOnly),
    ] {
        let place = format!("billing/{kind}.countersign.dev/x");
        assert_eq!(
            ends().says(&deletes(controller, &place)),
            Said::Allow(Reason::Delegated)
        );
        for (told, world, ask) in [
            ("while it stays", world(), deletes(controller, &place)),
            ("by somebody else", ends(), deletes("ada", &place)),
            ("changed, not removed", ends(), updates(controller, &place)),
        ] {
            assert_eq!(world.says(&ask), Said::Deny(reason), "{told}");
        }
    }
}

#[test]
fn what_only_bears_the_name_of_the_keys_is_like_any_object() {
    for place in [
        "billing/secrets/countersign-keys",
        "countersign-system/configmaps/countersign-keys",
        "countersign-system/secrets/other",
    ] {
        let ask = updates("ada", place);
        assert_eq!(world().admin("ada").says(&ask), Said::Needs, "{place}");
    }
}

#[test]
fn the_operator_has_no_business_elsewhere() {
    let by = |operation, place: &str| ask(OPERATOR, operation, place).of_uid("operator-uid");
    let lease = "countersign-system/leases.coordination.k8s.io/leader";
    assert_eq!(
        world().says(&by(Operation::Update, lease)),
        Said::Allow(Reason::Operator)
    );
    let home = "@cluster/namespaces/countersign-system";
    assert_eq!(
        world().says(&by(Operation::Create, home)),
        Said::Allow(Reason::Operator)
    );
    let kustomization = "billing/kustomizations.kustomize.toolkit.fluxcd.io/x";
    let asked = r#"{"metadata":{"annotations":{"reconcile.fluxcd.io/requestedAt":"now"}}}"#;
    let nudge = by(Operation::Update, kustomization).from(r#"{"metadata":{}}"#, asked);
    assert_eq!(world().says(&nudge), Said::Allow(Reason::Operator));
    for (operation, place) in [
        (Operation::Delete, home),
        (Operation::Update, kustomization),
        (Operation::Update, "billing/configmaps/x"),
        (Operation::Create, "countersign-system/secrets/other"),
        (Operation::Update, "@cluster/rolegrants.countersign.dev/g"),
        (Operation::Update, "kube-system/leases.coordination.k8s.io/leader"),
        (Operation::Create, "@cluster/namespaces/billing"),
        (Operation::Create, "@cluster/nodes/countersign-system"),
        (Operation::Update, "billing/secrets/countersign-keys"),
        (
            Operation::Update,
            "countersign-system/configmaps/countersign-keys",
        ),
    ] {
        assert_eq!(
            world().observing().enforces(&by(operation, place)),
            Said::Deny(Reason::OperatorOnly),
            "{operation} {place}"
        );
    }
    let stranger = updates("ada", lease);
    assert_eq!(world().admin("ada").says(&stranger), Said::Needs);
}

#[test]
fn what_is_not_guarded_is_the_object_and_none_of_its_subresources() {
    let account = "system:serviceaccount:lab:x";
    let unguarded = [
        (creates("carl", "billing/events/e"), Reason::ReaderWrites),
        (
            deletes("carl", "billing/events.events.k8s.io/e"),
            Reason::ReaderWrites,
        ),
        (
            creates("carl", "@cluster/tokenreviews.authentication.k8s.io/"),
            Reason::ReaderWrites,
        ),
        (
            updates(account, "lab/leases.coordination.k8s.io/l"),
            Reason::UnregisteredAccount,
        ),
    ];
    for (ask, reason) in unguarded {
        assert_eq!(
            world().says(&ask),
            Said::Allow(Reason::NotGuarded),
            "{}",
            ask.resource
        );
        let part = ask.sub("anything");
        assert_eq!(world().says(&part), Said::Deny(reason), "{}", part.resource);
    }
}

#[test]
fn leases_are_free_in_the_accounts_own_namespace_only() {
    let lease = |account: &str, namespace: &str| {
        let who = format!("system:serviceaccount:{account}");
        world().says(&updates(
            &who,
            &format!("{namespace}/leases.coordination.k8s.io/l"),
        ))
    };
    let free = Said::Allow(Reason::NotGuarded);
    assert_eq!(lease("lab:x", "lab"), free);
    assert_ne!(lease("lab:x", "billing"), free);
    for control in ["kube-system", "kube-node-lease", "countersign-system"] {
        assert_ne!(lease(&format!("{control}:x"), control), free, "{control}");
    }
}

const fn for_these(digest: Digest) -> Shown {
    Shown {
        digest,
        has_begun: false,
    }
}

/// What a person is shown: the objects, and the policy as it would be.
fn shown(world: &World, policy: &Policy) -> Digest {
    let mut permissions = world.snapshot.permissions.clone();
    permissions.note("AccessPolicy".into(), "default".into(), Some(policy.unswitched));
    permissions.digest()
}

#[test]
fn strict_mode_is_turned_on_for_what_was_shown() {
    let says = |text: &str| Some(Digest::of(&[text.as_bytes()]));
    let world = || {
        let mut world = world().admin("ada").admin("abel").observing();
        world
            .snapshot
            .permissions
            .note("Zone".into(), "z".into(), says("a"));
        world
    };
    let on = |who: &str, world: &World, digest: Digest| {
        switch(who, world, |policy| {
            policy.strict_mode = true;
            policy.shown = Some(for_these(digest));
        })
    };
    let digest = shown(&world(), &Policy::default());
    assert_eq!(world().says(&on("ada", &world(), digest)), Said::Needs);
    let mut changed = world();
    changed
        .snapshot
        .permissions
        .note("Zone".into(), "z".into(), says("b"));
    for who in ANYBODY {
        let refused = changed.enforces(&on(who, &changed, digest));
        assert_eq!(refused, Said::Deny(Reason::PermissionsChanged), "{who}");
    }
    let another_policy = switch("ada", &world(), |policy| {
        policy.strict_mode = true;
        policy.shown = Some(for_these(digest));
        policy.unswitched = Digest::of(&[b"another"]);
    });
    assert_eq!(
        world().enforces(&another_policy),
        Said::Deny(Reason::PermissionsChanged)
    );
    changed.snapshot.latched = true;
    let strict = changed.policy(|policy| policy.strict_mode = true);
    assert_eq!(
        strict.says(&on("ada", &strict, digest)),
        Said::Needs,
        "it is on already"
    );
}

#[test]
fn strict_mode_does_not_begin_for_something_else_and_does_not_end_by_it() {
    let world = || world().admin("ada").admin("abel").observing();
    let under = |shown: Option<Shown>| {
        let world = world().policy(|policy| {
            policy.strict_mode = true;
            policy.shown = shown;
        });
        world.snapshot
    };
    let other = Digest::of(&[b"other"]);
    let present = world().snapshot.permissions.digest();
    assert!(under(None).is_strict());
    assert!(under(Some(for_these(present))).is_strict());
    assert!(!under(Some(for_these(other))).is_strict());
    let begun = Shown {
        digest: other,
        has_begun: true,
    };
    assert!(under(Some(begun)).is_strict(), "a lost latch is latched anew");
    let mut latched = under(Some(for_these(other)));
    latched.latched = true;
    assert!(latched.is_strict());

    let named = world().policy(|policy| {
        policy.strict_mode = true;
        policy.passcode = Some(secret());
    });
    let mut named = named.snapshot;
    assert!(!named.is_strict(), "nobody set the passcode");
    named.passcode = Some(secret());
    assert!(named.is_strict());
}
