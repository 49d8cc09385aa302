//! What holds for the role `agent`, whatever else it was given: the same act by a contributor passes.

use std::sync::Arc;

use jiff::SignedDuration;

use super::{
    delegations::{of_certificates, with},
    emergency::window,
    integrity::{grant, removes, switch},
    intents::key,
};
use crate::{
    decision::Reason,
    delegation::{DelegatedNamespaces, DelegatedResource, Delegation},
    environment::Environment,
    fixtures::{Ask, Said, World, approved, creates, deletes, id, now, updates, world, zone},
    glob::Glob,
    intent::Intent,
    map::HashMap,
    policy::{Enforcement, EnvironmentRule, Scope},
    review::ReviewDecision::Approve,
    role::Role,
    zones::ZoneIndex,
};

const BOT: &str = "system:serviceaccount:ci:bot";
const APP: &str = "lab/configmaps/app";
const NAME: &str = "configmaps:lab/dev/app";

/// An agent of this role, which owns the zone of lab (dev); Olga answers for it.
fn owning(role: Role) -> World {
    world()
        .contributor("olga")
        .admin("ada")
        .agent("bot", role, "olga", "ci:bot")
        .zone(zone("lab", "agent:bot", &["lab/**"]))
}

impl World {
    fn intent(mut self, agent: &str, deletes: &[&str], seconds_ago: i64) -> Self {
        if let Some(signer) = self.snapshot.agents.get_mut(&id(agent)) {
            Arc::make_mut(signer).key = Some(key(1));
        }
        let intent = Intent {
            namespace: "lab".into(),
            name: "intent".into(),
            uid: "intent-uid".into(),
            agent: id(agent),
            deletes: deletes.iter().map(|name| (*name).into()).collect(),
            time: now() - SignedDuration::from_secs(seconds_ago),
            key: key(1),
        };
        let of_agent = self.snapshot.intents.entry(id(agent)).or_default();
        of_agent.push_back(Arc::new(intent));
        self
    }
}

/// One act of each way in which something ends.
fn endings() -> Vec<Ask> {
    let spec = |spec: &str| format!(r#"{{"metadata":{{"name":"app","uid":"u"}},"spec":{spec}}}"#);
    let meta = |meta: &str| format!(r#"{{"metadata":{{"name":"app","uid":"u"{meta}}}}}"#);
    let web = "lab/deployments.apps/app";
    vec![
        deletes(BOT, APP),
        creates(BOT, "lab/pods/app").sub("eviction"),
        updates(BOT, APP).from(&meta(r#","finalizers":["a"]"#), &meta("")),
        updates(BOT, web).from(&spec(r#"{"replicas":2}"#), &spec(r#"{"replicas":0}"#)),
        updates(BOT, web)
            .sub("scale")
            .from(&spec(r#"{"replicas":2}"#), &spec(r#"{"replicas":0}"#)),
        updates(BOT, "lab/jobs.batch/app").from(&spec("{}"), &spec(r#"{"ttlSecondsAfterFinished":0}"#)),
    ]
}

const DENIED: Said = Said::Deny(Reason::IntentRequired);

#[test]
fn what_ends_something_is_explained_by_agents_and_by_nobody_else() {
    for act in endings() {
        let told = format!("{} {} {}", act.operation, act.resource, act.subresource);
        assert_eq!(owning(Role::Agent).says(&act), DENIED, "{told}");
        assert_eq!(
            owning(Role::Contributor).says(&act),
            Said::Allow(Reason::Permitted),
            "{told}"
        );
        let mut person = act;
        (person.username, person.uid) = ("olga".to_owned(), String::new());
        let hers = owning(Role::Agent).zone(zone("lab", "user:olga", &["lab/**"]));
        assert_eq!(hers.says(&person), Said::Allow(Reason::Permitted), "{told}");
    }
    assert_eq!(
        owning(Role::Agent).says(&updates(BOT, APP)),
        Said::Allow(Reason::Permitted),
        "what ends nothing"
    );
}

#[test]
fn an_intent_explains_what_it_names_for_a_quarter_of_an_hour_to_who_signed_it() {
    let asks = deletes(BOT, APP);
    let permitted = Said::Allow(Reason::Permitted);
    for (told, agent, deletes, seconds_ago, said) in [
        ("as it should be", "agent:bot", [NAME].as_slice(), 0, permitted),
        (
            "among others",
            "agent:bot",
            &["pods:lab/dev/x", NAME],
            0,
            permitted,
        ),
        ("to the last second", "agent:bot", &[NAME], 899, permitted),
        ("too old", "agent:bot", &[NAME], 900, DENIED),
        ("of another agent", "agent:robo", &[NAME], 0, DENIED),
        (
            "about something else",
            "agent:bot",
            &["configmaps:lab/dev/ap"],
            0,
            DENIED,
        ),
        (
            "about another kind",
            "agent:bot",
            &["secrets:lab/dev/app"],
            0,
            DENIED,
        ),
        ("elsewhere", "agent:bot", &["configmaps:lab/prod/app"], 0, DENIED),
        ("about nothing", "agent:bot", &[], 0, DENIED),
    ] {
        let world = owning(Role::Agent).intent(agent, deletes, seconds_ago);
        assert_eq!(world.says(&asks), said, "{told}");
    }
    let mut rotated = owning(Role::Agent).intent("agent:bot", &[NAME], 0);
    let bot = rotated.snapshot.agents.get_mut(&id("agent:bot")).unwrap();
    Arc::make_mut(bot).key = Some(key(2));
    assert_eq!(rotated.says(&asks), DENIED, "signed by the key of before");
    let evicts = creates(BOT, "lab/pods/app").sub("eviction");
    let world = owning(Role::Agent).intent("agent:bot", &["pods:lab/dev/app"], 0);
    assert_eq!(
        world.says(&evicts),
        permitted,
        "a subresource is a write of its object"
    );
}

#[test]
fn an_intent_allows_nothing_by_itself() {
    let prod = |world: World| world.zone(zone("billing", "agent:bot", &["billing/**"]));
    let asks = deletes(BOT, "billing/configmaps/app");
    let intent = ["configmaps:billing/prod/app"];
    assert_eq!(prod(owning(Role::Agent)).says(&asks), DENIED);
    let explained = prod(owning(Role::Agent)).intent("agent:bot", &intent, 0);
    assert_eq!(explained.says(&asks), Said::Needs);
    let outside = owning(Role::Agent).intent("agent:bot", &intent, 0);
    assert_eq!(outside.says(&asks), Said::Deny(Reason::Unzoned));
}

#[test]
fn an_approved_ticket_for_the_very_write_explains_it_too() {
    let prod = owning(Role::Agent).zone(zone("billing", "agent:bot", &["billing/**"]));
    let asks = deletes(BOT, "billing/configmaps/app");
    let demanding = prod.intent("agent:bot", &["configmaps:billing/prod/app"], 0);
    let (mut world, ticket) = demanding.ticket(&asks, approved(), &[]);
    world.snapshot.intents = HashMap::default();
    assert_ne!(
        world.says(&asks),
        Said::Allow(Reason::Approved),
        "nobody reviewed it"
    );
    let world = world.review(&ticket, "user:ada", Approve);
    assert_eq!(world.says(&asks), Said::Allow(Reason::Approved));
    let other = deletes(BOT, "billing/configmaps/other");
    assert_eq!(world.says(&other), DENIED);
}

/// Writes of what permits, and of the switch of strict mode.
fn permissions(world: &World, who: &str) -> Vec<Ask> {
    vec![
        grant(who, "carl", "user:carl", Role::Admin),
        removes(who, "zones", "lab"),
        switch(who, world, |policy| policy.defaults.role = Role::Contributor),
        switch(who, world, |policy| policy.strict_mode = !policy.strict_mode),
        switch(who, world, |policy| policy.strict_mode_locked = true),
    ]
}

#[test]
fn what_permits_no_agent_writes_though_nothing_is_enforced_and_people_do() {
    let world = || owning(Role::Agent).admin("abel").contributor("carl").observing();
    for (as_agent, as_carl) in permissions(&world(), BOT)
        .iter()
        .zip(permissions(&world(), "carl"))
    {
        assert!(
            matches!(world().enforces(as_agent), Said::Deny(_)),
            "{}",
            as_agent.resource
        );
        assert_eq!(
            world().enforces(&as_carl),
            Said::Allow(Reason::Relaxed),
            "{}",
            as_carl.resource
        );
    }
}

#[test]
fn nothing_that_an_agent_is_given_lifts_a_guardrail() {
    let team = |world: World| {
        world
            .team("shop", &["agent:bot", "user:olga"], &["staff"])
            .grant("shop", "team:shop", Role::Admin)
    };
    let mut cooperating = zone("lab", "user:olga", &["lab/**"]);
    cooperating.cooperators = vec![id("agent:bot")];
    let covered = |act: Ask| DelegatedResource {
        group: act.group.into(),
        resource: act.resource.into(),
        subresource: act.subresource.into(),
    };
    let delegation = || Delegation {
        username: BOT.into(),
        resources: endings().into_iter().map(covered).collect(),
        namespaces: DelegatedNamespaces::Names(vec!["lab".into()]),
        parent: None,
        ..of_certificates()
    };
    let given: [(&str, &dyn Fn(World) -> World); 8] = [
        ("a team of admins", &team),
        ("a team that owns", &|world| {
            team(world).zone(zone("lab", "team:shop", &["lab/**"]))
        }),
        ("a part in a zone", &|world| world.zone(cooperating.clone())),
        ("a grant", &|world| world.grant("bot", "agent:bot", Role::Admin)),
        ("a delegation", &|world| with(world, delegation())),
        ("a public place", &|world| {
            let mut world = world.policy(|policy| {
                policy.defaults.public_objects = vec![Glob::object("lab/**").unwrap()];
            });
            world.snapshot.zones = ZoneIndex::default();
            world
        }),
        ("a window for everybody", &|world| {
            let world = world.policy(|policy| policy.break_glass.scope = Scope::Everyone);
            world.opened(window("user:ada"))
        }),
        ("owners that may review", &|world| {
            world.policy(|policy| policy.approvals.agent_owner_may_review = true)
        }),
    ];
    let warns = |world: World| {
        world.policy(|policy| {
            let warn = |environment| EnvironmentRule {
                environment: Some(environment),
                enforcement: Enforcement::Warn,
                ..EnvironmentRule::default()
            };
            policy.environments = Environment::ALL.into_iter().map(warn).collect();
        })
    };
    // Every set of what may be given, in every mode.
    for chosen in 0..(1_u32 << given.len()) {
        for mode in [
            &(|world| world) as &dyn Fn(World) -> World,
            &World::observing,
            &warns,
        ] {
            let mut world = owning(Role::Agent);
            let mut told = Vec::new();
            for (number, (name, give)) in given.iter().enumerate() {
                if chosen & (1 << number) != 0 {
                    world = give(world);
                    told.push(name);
                }
            }
            let acts = endings().into_iter().chain(permissions(&world, BOT));
            for act in acts {
                let mut act = act.in_group("staff");
                act.groups.push("system:masters".into());
                let said = mode(world_of(&world)).enforces(&act);
                assert!(
                    matches!(said, Said::Deny(_)),
                    "{said:?}: {told:?}, {}",
                    act.operation
                );
            }
        }
    }
}

fn world_of(world: &World) -> World {
    World {
        snapshot: world.snapshot.clone(),
    }
}
