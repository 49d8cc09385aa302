//! Break-glass: who opens, ends and reviews a window, and what one lets pass.

use std::sync::Arc;

use jiff::SignedDuration;

use crate::{
    decision::Reason,
    emergency::{Emergency, EmergencyReview},
    fixtures::{Ask, Said, World, after, creates, deletes, id, now, updates, world},
    own::{EmergencyChange, EmergencyDraft, Own},
    policy::{PasscodeRef, Policy, Scope},
    request::Operation,
    role::Role,
};

const NONCE: &str = "00112233445566778899aabbccddeeff";
const FLUX: &str = "system:serviceaccount:flux:flux";

/// Two admins, a contributor, a reader and an agent; there is a passcode.
fn company() -> World {
    world()
        .admin("ada")
        .admin("abel")
        .contributor("carl")
        .grant("ron", "user:ron", Role::Reader)
        .agent("flux", Role::Contributor, "ada", "flux:flux")
        .policy(|policy| {
            policy.passcode = Some(PasscodeRef {
                name: "passcode".into(),
                key: "passcode".into(),
            });
        })
}

pub(super) fn window(person: &str) -> Emergency {
    Emergency {
        name: format!("break-glass-{NONCE}").into(),
        person: id(person),
        begins: now(),
        ends: after(1800),
        ended: false,
        review: None,
    }
}

impl World {
    pub(super) fn opened(mut self, window: Emergency) -> Self {
        let of_person = self
            .snapshot
            .emergencies
            .entry(window.person.clone())
            .or_default();
        of_person.push_back(Arc::new(window));
        self
    }
}

fn draft(person: &str) -> EmergencyDraft {
    EmergencyDraft {
        window: window(person),
        cluster_id: "cluster-1".to_owned(),
        nonce: NONCE.to_owned(),
        reason: "incident #4218".to_owned(),
        stamped: true,
    }
}

fn opens_as(username: &str, draft: EmergencyDraft) -> Ask {
    let place = format!("@cluster/breakglasses.countersign.dev/break-glass-{NONCE}");
    creates(username, &place).own(Own::BreakGlass(Box::new(draft)))
}

pub fn opens(username: &str) -> Ask {
    opens_as(username, draft(&format!("user:{username}")))
}

#[test]
fn people_who_may_write_open_a_window_with_the_passcode() {
    for who in ["ada", "carl"] {
        assert_eq!(
            company().enforces(&opens(who)),
            Said::Allow(Reason::Workflow),
            "{who}"
        );
        let observing = company().observing();
        assert_eq!(
            observing.enforces(&opens(who)),
            Said::Allow(Reason::Workflow),
            "{who}"
        );
    }
}

#[test]
fn nobody_else_opens_one_in_any_mode() {
    let agent = || opens_as(FLUX, draft("user:ada"));
    let altered = |change: fn(&mut EmergencyDraft)| {
        let mut draft = draft("user:ada");
        change(&mut draft);
        opens_as("ada", draft)
    };
    let mut other_name = opens("ada");
    other_name.name = "break-glass-again".to_owned();
    let rows = [
        ("a reader", opens("ron"), Reason::BreakGlassRefused),
        ("without a grant", opens("unheard"), Reason::BreakGlassRefused),
        ("an agent", agent(), Reason::BreakGlassRefused),
        (
            "for somebody else",
            opens_as("carl", draft("user:ada")),
            Reason::ForeignSubject,
        ),
        (
            "another cluster",
            altered(|draft| draft.cluster_id = "cluster-2".to_owned()),
            Reason::BindingMismatch,
        ),
        ("another name", other_name, Reason::BindingMismatch),
        (
            "over already",
            altered(|draft| draft.window.ended = true),
            Reason::BindingMismatch,
        ),
        (
            "an hour ago",
            altered(|draft| draft.window.begins = after(-3600)),
            Reason::BindingMismatch,
        ),
        (
            "in an hour",
            altered(|draft| {
                draft.window.begins = after(3600);
                draft.window.ends = after(3601);
            }),
            Reason::BindingMismatch,
        ),
        (
            "for longer than the policy says",
            altered(|draft| draft.window.ends = after(7201)),
            Reason::BreakGlassRefused,
        ),
        (
            "without a stamp",
            altered(|draft| draft.stamped = false),
            Reason::OperatorOnly,
        ),
    ];
    for (told, ask, reason) in rows {
        assert_eq!(company().enforces(&ask), Said::Deny(reason), "{told}");
        assert_eq!(company().observing().enforces(&ask), Said::Deny(reason), "{told}");
    }
    let without = company().policy(|policy| policy.passcode = None);
    assert_eq!(
        without.enforces(&opens("ada")),
        Said::Deny(Reason::BreakGlassRefused)
    );
    let mut dry = company().opened(window("user:carl"));
    assert_eq!(
        dry.enforces(&opens("carl")),
        Said::Deny(Reason::BreakGlassRefused)
    );
    dry = company();
    let ask = opens("ada");
    let mut request = ask.request();
    request.dry_run = true;
    let (decision, _) = crate::decide::decide(&request, &dry.snapshot, now());
    assert_eq!(
        Said::from(&decision),
        Said::Deny(Reason::BreakGlassRefused),
        "a dry run"
    );
}

#[test]
fn who_had_a_window_opens_another_once_it_is_over() {
    let over = [
        Emergency {
            ended: true,
            ..window("user:ada")
        },
        Emergency {
            begins: after(-3600),
            ends: now(),
            ..window("user:ada")
        },
    ];
    for window in over {
        let world = company().opened(window);
        assert_eq!(world.enforces(&opens("ada")), Said::Allow(Reason::Workflow));
    }
    let others = company().opened(window("user:carl"));
    assert_eq!(others.enforces(&opens("ada")), Said::Allow(Reason::Workflow));
}

const PLACE: &str = "billing/deployments.apps/web";

#[test]
fn a_window_lets_pass_what_the_rules_deny_its_opener_for_as_long_as_it_is_open() {
    let emergency = Said::Allow(Reason::Emergency);
    let denied = Said::Deny(Reason::Unzoned);
    assert_eq!(company().enforces(&updates("ada", PLACE)), Said::Needs);
    assert_eq!(company().enforces(&updates("carl", PLACE)), denied);
    for who in ["ada", "carl"] {
        let open = company().opened(window(&format!("user:{who}")));
        assert_eq!(open.enforces(&updates(who, PLACE)), emergency, "{who}");
    }
    let carls = |window: Emergency| company().opened(window).enforces(&updates("carl", PLACE));
    let later = |seconds| Emergency {
        begins: after(seconds),
        ends: after(seconds + 1800),
        ..window("user:carl")
    };
    assert_eq!(
        carls(later(120)),
        emergency,
        "the clock that signed is a little ahead"
    );
    assert_eq!(carls(later(121)), denied, "not yet");
    assert_eq!(carls(later(-1799)), emergency, "a second before its end");
    assert_eq!(carls(later(-1800)), denied, "at its end");
    let ended = Emergency {
        ended: true,
        ..window("user:carl")
    };
    assert_eq!(carls(ended), denied, "ended early");
    assert_eq!(carls(window("user:ada")), denied, "somebody else's");
}

#[test]
fn a_window_for_everyone_lets_people_pass_and_nobody_else() {
    let open = company()
        .opened(window("user:ada"))
        .policy(|policy| policy.break_glass.scope = Scope::Everyone);
    assert_eq!(
        open.enforces(&updates("ron", PLACE)),
        Said::Deny(Reason::ReaderWrites),
        "no window gives a role"
    );
    for who in ["ada", "carl"] {
        assert_eq!(
            open.enforces(&updates(who, PLACE)),
            Said::Allow(Reason::Emergency),
            "{who}"
        );
    }
    for who in [FLUX, "system:admin", "Alice", "system:serviceaccount:ci:stray"] {
        assert!(
            !matches!(open.enforces(&updates(who, PLACE)), Said::Allow(_)),
            "{who}"
        );
    }
}

#[test]
fn no_window_touches_what_permits_or_what_it_is_recorded_in() {
    let open = || company().opened(window("user:ada")).opened(window("user:carl"));
    let crd = "@cluster/customresourcedefinitions.apiextensions.k8s.io/breakglasses.countersign.dev";
    for ask in [
        updates("ada", "countersign-system/secrets/passcode"),
        deletes("ada", "countersign-system/secrets/passcode"),
        deletes("ada", crd),
        deletes("ada", "@cluster/namespaces/countersign-system"),
    ] {
        assert_eq!(open().enforces(&ask), Said::Needs, "{}", ask.name);
    }
    let grant = |who| {
        let identity = id("user:ron");
        let role = Role::Admin;
        updates(who, "@cluster/rolegrants.countersign.dev/ron").own(Own::RoleGrant { identity, role })
    };
    assert_eq!(open().enforces(&grant("ada")), Said::Needs);
    assert_eq!(open().enforces(&grant("carl")), Said::Deny(Reason::AdminOnly));
    let gone = deletes(
        "ada",
        &format!("@cluster/breakglasses.countersign.dev/break-glass-{NONCE}"),
    );
    assert_eq!(
        open().enforces(&gone.own(Own::Removed)),
        Said::Deny(Reason::Immutable)
    );
}

#[test]
fn the_passcode_is_changed_by_admins_who_are_people() {
    let secret = "countersign-system/secrets/passcode";
    assert_eq!(company().enforces(&updates("ada", secret)), Said::Needs);
    for who in ["carl", FLUX] {
        let ask = updates(who, secret);
        assert_eq!(
            company().enforces(&ask),
            Said::Deny(Reason::StolenIdentity),
            "{who}"
        );
    }
    let observing = company().observing();
    assert_eq!(
        observing.enforces(&updates("ada", secret)),
        Said::Allow(Reason::Relaxed)
    );
    let other = updates("ada", "lab/secrets/passcode");
    assert_eq!(
        company().enforces(&other),
        Said::Allow(Reason::Permitted),
        "another namespace"
    );
}

fn switches(who: &str, world: &World, spec: (&str, &str), change: impl FnOnce(&mut Policy)) -> Ask {
    let mut policy = (**world.snapshot.policy.get().unwrap()).clone();
    change(&mut policy);
    let object = |spec: &str| format!(r#"{{"metadata":{{"name":"default","uid":"u"}},"spec":{spec}}}"#);
    updates(who, "@cluster/accesspolicies.countersign.dev/default")
        .from(&object(spec.0), &object(spec.1))
        .own(Own::AccessPolicy(policy.into()))
}

#[test]
fn a_window_lets_its_opener_turn_strict_mode_off_and_do_nothing_else() {
    let off = |world: &World, who: &str, spec| {
        world.enforces(&switches(who, world, spec, |policy| policy.strict_mode = false))
    };
    let only = (r#"{"strictMode":true}"#, r#"{"strictMode":false}"#);
    let more = (r#"{"strictMode":true}"#, r#"{"strictMode":false,"unzoned":{}}"#);
    let emergency = Said::Allow(Reason::Emergency);
    let refused = Said::Deny(Reason::StrictMode);
    let open = || {
        company()
            .opened(window("user:ada"))
            .opened(window("user:carl"))
            .policy(|policy| policy.break_glass.scope = Scope::Everyone)
    };
    let locked = |world: World| world.policy(|policy| policy.strict_mode_locked = true);
    assert_eq!(off(&company(), "ada", only), Said::Needs);
    assert_eq!(off(&open(), "ada", only), emergency);
    assert_eq!(off(&open(), "ada", more), Said::Needs);
    assert_eq!(
        off(&open(), "abel", only),
        Said::Needs,
        "of somebody else's window"
    );
    assert_eq!(off(&open(), "carl", only), refused, "no admin");
    assert_eq!(off(&locked(company()), "ada", only), refused);
    assert_eq!(off(&locked(open()), "ada", only), emergency);
    assert_eq!(off(&locked(open()), "ada", more), refused);
    assert_eq!(off(&locked(open()), "abel", only), refused);
    let world = locked(open());
    let unlocks = switches("ada", &world, only, |policy| policy.strict_mode_locked = false);
    assert_eq!(world.enforces(&unlocks), refused, "it is not unlocked first");
}

fn changes(who: &str, before: Emergency, after: Emergency) -> Ask {
    let spec = |window: &Emergency| {
        let review = match &window.review {
            Some(review) => format!(r#","review":{{"reviewer":"{}"}}"#, review.reviewer),
            None => String::new(),
        };
        let (ended, ends) = (window.ended, window.ends);
        format!(
            r#"{{"metadata":{{"name":"x","uid":"u"}},"spec":{{"ended":{ended},"ends":"{ends}"{review}}}}}"#
        )
    };
    let (old, new) = (spec(&before), spec(&after));
    updates(
        who,
        &format!("@cluster/breakglasses.countersign.dev/{}", before.name),
    )
    .from(&old, &new)
    .own(Own::BreakGlassChange(Box::new(EmergencyChange {
        before,
        after,
        writers: Vec::new(),
    })))
}

fn ended(window: Emergency) -> Emergency {
    Emergency {
        ended: true,
        ..window
    }
}

fn reviewed(window: Emergency, reviewer: &str) -> Emergency {
    let review = EmergencyReview {
        reviewer: id(reviewer),
        time: now(),
    };
    Emergency {
        review: Some(review),
        ..window
    }
}

#[test]
fn a_window_is_ended_by_its_opener_or_an_admin_and_stays_so() {
    let ends = |who| company().enforces(&changes(who, window("user:carl"), ended(window("user:carl"))));
    for who in ["carl", "ada"] {
        assert_eq!(ends(who), Said::Allow(Reason::Workflow), "{who}");
    }
    for who in ["ron", "unheard", FLUX] {
        assert_eq!(ends(who), Said::Deny(Reason::BreakGlassRefused), "{who}");
    }
    let frozen = Said::Deny(Reason::Immutable);
    let opens_again = changes("ada", ended(window("user:carl")), window("user:carl"));
    assert_eq!(company().enforces(&opens_again), frozen);
    let longer = Emergency {
        ends: after(3600),
        ..window("user:carl")
    };
    let lasts_longer = changes("ada", window("user:carl"), longer);
    for world in [company(), company().observing()] {
        assert_eq!(world.enforces(&lasts_longer), frozen);
    }
}

#[test]
fn what_was_done_is_reviewed_by_another_admin_once_it_is_over() {
    let over = || ended(window("user:ada"));
    let reviews = |who: &str| changes(who, over(), reviewed(over(), &format!("user:{who}")));
    assert_eq!(
        company().enforces(&reviews("abel")),
        Said::Allow(Reason::Workflow)
    );
    for who in ["ada", "carl", "ron"] {
        let expected = Said::Deny(Reason::IneligibleReviewer);
        assert_eq!(company().enforces(&reviews(who)), expected, "{who}");
    }
    let foreign = changes("abel", over(), reviewed(over(), "user:ada"));
    assert_eq!(company().enforces(&foreign), Said::Deny(Reason::ForeignSubject));
    let open = || window("user:ada");
    let early = changes("abel", open(), reviewed(open(), "user:abel"));
    assert_eq!(company().enforces(&early), Said::Deny(Reason::BindingMismatch));
    let mut old = reviewed(over(), "user:abel");
    if let Some(review) = &mut old.review {
        review.time = now() - SignedDuration::from_hours(1);
    }
    let stale = changes("abel", over(), old);
    assert_eq!(company().enforces(&stale), Said::Deny(Reason::BindingMismatch));
    let again = changes(
        "abel",
        reviewed(over(), "user:amy"),
        reviewed(over(), "user:abel"),
    );
    assert_eq!(company().enforces(&again), Said::Deny(Reason::Immutable));
    assert_eq!(again.operation, Operation::Update);
}

#[test]
fn a_window_yields_nothing_that_outlasts_it() {
    let open = || company().opened(window("user:ada"));
    for ask in [
        creates("ada", "flux/serviceaccounts/flux").sub("token"),
        creates("ada", "@cluster/certificatesigningrequests.certificates.k8s.io/x"),
        updates("ada", "countersign-system/statefulsets.apps/countersign"),
        deletes(
            "ada",
            "countersign-system/persistentvolumeclaims/data-countersign-0",
        ),
        creates("ada", "countersign-system/secrets/another-passcode"),
    ] {
        let said = open().enforces(&ask);
        assert!(!matches!(said, Said::Allow(_)), "{said:?}: {}", ask.name);
    }
}

#[test]
fn who_wrote_in_a_window_does_not_review_it() {
    let over = ended(window("user:ada"));
    let review = EmergencyReview {
        reviewer: id("user:abel"),
        time: now(),
    };
    let mut ask = changes(
        "abel",
        over.clone(),
        Emergency {
            review: Some(review),
            ..over
        },
    );
    assert_eq!(company().enforces(&ask), Said::Allow(Reason::Workflow));
    if let Some(Own::BreakGlassChange(change)) = &mut ask.own {
        change.writers = vec!["carl".to_owned(), "abel".to_owned()];
    }
    assert_eq!(company().enforces(&ask), Said::Deny(Reason::IneligibleReviewer));
}
