//! Who makes intents, and about what.

use base64::{Engine, prelude::BASE64_STANDARD};
use ed25519_dalek::{Signer, SigningKey};

use crate::{
    agent_key::AgentKey,
    decision::{Decision, Reason},
    delegation::{DelegatedNamespaces, Delegation, Evaluation},
    dsse::Signable,
    fixtures::*,
    intent::{Signed, Statement},
    own::{AgentDraft, FormerKey, IntentDraft, Own},
    policy::Alias,
    request::Operation,
    role::Role,
    rotation::Rotation,
    snapshot::Agent,
};

/// What makes an intent another.
type Change = fn(&mut Statement);

const BOT: &str = "system:serviceaccount:ci:bot";

fn signing(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

pub(super) fn key(seed: u8) -> AgentKey {
    AgentKey::of_bytes(signing(seed).verifying_key().as_bytes()).unwrap()
}

pub(super) fn keyed(change: impl FnOnce(&mut Agent)) -> World {
    world()
        .admin("ada")
        .contributor("greta")
        .agent_but("bot", Role::Agent, "greta", "ci:bot", |agent| {
            agent.key = Some(key(7));
            change(agent);
        })
}

fn intent(change: impl FnOnce(&mut Statement)) -> IntentDraft {
    let mut statement = Statement {
        agent: id("agent:bot"),
        cluster_id: "cluster-1".to_owned(),
        namespace: "billing".to_owned(),
        action: "object.configmaps.delete".to_owned(),
        resource: None,
        deletes: vec!["configmaps:billing/prod/app".to_owned()],
        reason: "unused".to_owned(),
        nonce: "00112233445566778899aabbccddeeff".to_owned(),
        time: now(),
    };
    change(&mut statement);
    let bytes = statement.signed_bytes().unwrap();
    let signature = BASE64_STANDARD.encode(signing(7).sign(&bytes).to_bytes());
    IntentDraft {
        signed: Signed { statement, signature },
        stamped: true,
    }
}

fn makes(who: &str, draft: IntentDraft) -> Ask {
    let statement = &draft.signed.statement;
    let place = format!(
        "{}/intents.countersign.dev/{}",
        statement.namespace,
        statement.name()
    );
    creates(who, &place).own(Own::Intent(draft.into()))
}

fn message(world: &World, ask: &Ask) -> String {
    match world.decides(ask) {
        Decision::Deny(denial) => denial.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_the_agent_itself_makes_its_intents() {
    let world = keyed(|_| ()).agent_but("other", Role::Agent, "greta", "ci:other", |agent| {
        agent.key = Some(key(8));
    });
    let draft = || intent(|_| ());
    assert_eq!(world.says(&makes(BOT, draft())), Said::Allow(Reason::Workflow));
    let other = "system:serviceaccount:ci:other";
    for (who, said) in [
        (other, Said::Deny(Reason::BadIntent)),
        ("ada", Said::Deny(Reason::BadIntent)),
        ("greta", Said::Deny(Reason::BadIntent)),
        (
            "system:serviceaccount:ci:stray",
            Said::Deny(Reason::UnregisteredAccount),
        ),
    ] {
        assert_eq!(world.says(&makes(who, draft())), said, "{who}");
    }
    assert_eq!(
        message(&world, &makes(other, draft())),
        "spec.agentID: an intent of agent:bot is not yours to make"
    );
}

#[test]
fn an_agent_that_may_not_act_makes_none() {
    let asks = || makes(BOT, intent(|_| ()));
    for (world, reason) in [
        (keyed(|agent| agent.suspended = true), Reason::AgentSuspended),
        (
            keyed(|agent| agent.degraded = Some("BadKey".into())),
            Reason::AgentDegraded,
        ),
        (keyed(|agent| agent.signs = false), Reason::BadIntent),
        (keyed(|agent| agent.key = None), Reason::BadIntent),
        (keyed(|agent| agent.key = Some(key(8))), Reason::BadIntent),
    ] {
        assert_eq!(world.says(&asks()), Said::Deny(reason));
        assert_eq!(
            world.observing().enforces(&asks()),
            Said::Deny(reason),
            "in every mode"
        );
    }
}

#[test]
fn an_intent_is_about_what_is_in_its_own_namespace() {
    let world = keyed(|_| ()).policy(|policy| {
        policy.aliases = vec![Alias {
            alias: "cm".into(),
            resource: "configmaps".into(),
        }];
    });
    let says = |change: fn(&mut Statement)| {
        let ask = makes(BOT, intent(change));
        (world.says(&ask) == Said::Deny(Reason::BadIntent)).then(|| message(&world, &ask))
    };
    let refused: [(Change, &str); 6] = [
        (
            |s| s.deletes.push("configmaps:lab/dev/app".to_owned()),
            "spec.deletes[1]: an intent about `configmaps:lab/dev/app` belongs in namespace `lab`, not in `billing`",
        ),
        (
            |s| s.resource = Some("nodes:@cluster/prod/n1".to_owned()),
            "spec.resource: an intent about `nodes:@cluster/prod/n1` belongs in namespace `countersign-system`, not in \
             `billing`",
        ),
        (
            |s| s.deletes = vec!["cm:billing/prod/app".to_owned()],
            "spec.deletes[0]: `cm:billing/prod/app` is called `configmaps:billing/prod/app`",
        ),
        (
            |s| s.deletes = vec!["configmaps:billing/dev/app".to_owned()],
            "spec.deletes[0]: `configmaps:billing/dev/app` is called `configmaps:billing/prod/app`",
        ),
        (
            |s| s.deletes = vec!["configmaps:billing/prod/*".to_owned()],
            "spec.deletes[0]: `configmaps:billing/prod/*` is not a resource: ",
        ),
        (
            |s| s.nonce = "x".to_owned(),
            "spec.nonce: `x` is not 32 lower-case hex digits",
        ),
    ];
    for (change, why) in refused {
        let said = says(change).unwrap();
        assert!(said.starts_with(why), "{said}");
    }
    let taken: [Change; 3] = [
        |s| s.deletes.clear(),
        |s| {
            s.namespace = "countersign-system".to_owned();
            s.deletes = vec!["nodes:@cluster/prod/n1".to_owned()];
        },
        // A write that yields an identity is one to prod, wherever it lands.
        |s| {
            s.namespace = "lab".to_owned();
            s.deletes = vec!["pods:lab/dev/p".to_owned(), "pods:lab/prod/p".to_owned()];
        },
    ];
    for change in taken {
        assert_eq!(says(change), None);
    }
}

#[test]
fn an_intent_bears_the_operators_stamp_and_the_name_of_its_nonce() {
    let world = keyed(|_| ());
    let unstamped = IntentDraft {
        stamped: false,
        ..intent(|_| ())
    };
    assert_eq!(
        world.says(&makes(BOT, unstamped)),
        Said::Deny(Reason::OperatorOnly)
    );
    let elsewhere =
        creates(BOT, "billing/intents.countersign.dev/again").own(Own::Intent(intent(|_| ()).into()));
    assert_eq!(world.says(&elsewhere), Said::Deny(Reason::BadIntent));
}

#[test]
fn an_intent_never_changes_and_the_operator_alone_removes_it() {
    let world = keyed(|_| ());
    let place = "billing/intents.countersign.dev/i";
    for who in [BOT, "ada"] {
        let changed = updates(who, place).own(Own::Intent(intent(|_| ()).into()));
        let removed = deletes(who, place).own(Own::Removed);
        for ask in [changed, removed] {
            assert_eq!(world.says(&ask), Said::Deny(Reason::Immutable), "{who}");
        }
    }
    let operator = ask(
        "system:serviceaccount:countersign-system:countersign",
        Operation::Delete,
        place,
    );
    assert_eq!(
        world.says(&operator.of_uid("operator-uid")),
        Said::Allow(Reason::Operator)
    );
}

fn registers(who: &str, agent: Agent, former: Option<FormerKey>) -> Ask {
    let place = format!("@cluster/agents.countersign.dev/{}", agent.identity.local());
    updates(who, &place).own(Own::Agent(AgentDraft { agent, former }.into()))
}

fn bot(world: &World) -> Agent {
    (*world.snapshot.agents[&id("agent:bot")]).clone()
}

fn rotation(from: u8, to: u8, seconds: i64) -> Rotation {
    let mut rotation = Rotation {
        previous: key(from),
        time: after(seconds),
        signature: "".into(),
    };
    let statement = rotation.statement(&id("agent:bot"), "cluster-1", &key(to));
    let bytes = statement.signed_bytes().unwrap();
    rotation.signature = BASE64_STANDARD
        .encode(signing(from).sign(&bytes).to_bytes())
        .into();
    rotation
}

/// An admin gives the agent another key.
pub(super) fn takes_the_key() -> Ask {
    let agent = Agent {
        key: Some(key(9)),
        ..bot(&keyed(|_| ()))
    };
    let former = FormerKey {
        key: key(7),
        rotated: None,
    };
    registers("ada", agent, Some(former))
}

#[test]
fn a_key_gives_way_only_to_one_that_it_signs() {
    let world = keyed(|_| ());
    let former = |seed, rotated| {
        Some(FormerKey {
            key: key(seed),
            rotated,
        })
    };
    let says = |key: Option<AgentKey>, rotation: Option<Rotation>, former: Option<FormerKey>| {
        let agent = Agent {
            key,
            rotation,
            ..bot(&world)
        };
        let ask = registers("ada", agent, former);
        let denied = world.enforces(&ask) == Said::Deny(Reason::BadRotation);
        denied.then(|| message(&world, &ask))
    };
    let (old, new) = (Some(key(7)), Some(key(9)));
    for (key, rotation, former) in [
        (old, None, former(7, None)),
        (new, Some(rotation(7, 9, 0)), former(7, None)),
        (new, Some(rotation(7, 9, 0)), former(7, Some(after(-1)))),
        // It stays where it is.
        (new, Some(rotation(7, 9, -99)), former(9, Some(after(-99)))),
        (new, None, None),
        (None, None, None),
    ] {
        assert_eq!(says(key, rotation, former), None);
    }
    for (key, rotation, former, why) in [
        (
            new,
            None,
            former(7, None),
            "spec.publicKey: the key that agent:bot has must sign",
        ),
        (
            None,
            None,
            former(7, None),
            "spec.publicKey: an agent keeps its key",
        ),
        (
            new,
            Some(rotation(8, 9, 0)),
            former(7, None),
            "spec.rotation.previousKey: the key of agent:bot is ed25519:",
        ),
        (
            new,
            Some(rotation(7, 8, 0)),
            former(7, None),
            "spec.rotation.signature: it is not by this key over this statement",
        ),
        (
            new,
            Some(rotation(7, 9, 61)),
            former(7, None),
            "spec.rotation.time: it is ahead",
        ),
        (
            new,
            Some(rotation(7, 9, 0)),
            former(7, Some(now())),
            "spec.rotation.time: it is not later",
        ),
        (
            old,
            Some(rotation(7, 7, 0)),
            former(7, None),
            "spec.rotation.previousKey: it is the same",
        ),
        (
            None,
            Some(rotation(7, 9, 0)),
            None,
            "spec.rotation: it is a rotation to no key",
        ),
    ] {
        let said = says(key, rotation, former).unwrap();
        assert!(said.starts_with(why), "{said}");
    }
    let world = keyed(|_| ()).observing();
    assert_eq!(
        world.enforces(&takes_the_key()),
        Said::Deny(Reason::BadRotation),
        "in every mode"
    );
}

fn delegation(username: &str) -> Delegation {
    Delegation {
        name: "given".into(),
        username: username.into(),
        resources: Vec::new(),
        operations: vec![Operation::Create],
        namespaces: DelegatedNamespaces::ClusterScoped,
        parent: None,
        evaluation: Evaluation::Webhook,
        fields: Vec::new(),
        expires_at: None,
        degraded: None,
    }
}

#[test]
fn keys_and_accounts_are_of_one_agent_alone() {
    let mut world = keyed(|_| ()).agent_but("other", Role::Agent, "greta", "ci:other", |agent| {
        agent.key = Some(key(8));
    });
    let shares = Agent {
        key: Some(key(8)),
        ..bot(&world)
    };
    assert_eq!(
        message(&world, &registers("ada", shares, None)),
        "spec.publicKey: agent:other has the same key [Agent/other spec.publicKey]"
    );
    let delegates = creates("ada", "@cluster/writedelegations.countersign.dev/given")
        .own(Own::WriteDelegation(delegation(BOT)));
    assert_eq!(
        message(&world, &delegates),
        "spec.subject: `ci:bot` acts as agent:bot, which writes by its role and zones [Agent/bot spec.serviceAccounts]"
    );
    let given = delegation(BOT).into();
    world
        .snapshot
        .delegations
        .entry(BOT.into())
        .or_default()
        .push_back(given);
    assert_eq!(
        message(&world, &registers("ada", bot(&world), None)),
        "spec.serviceAccounts: `ci:bot` is the subject of WriteDelegation `given`, too [WriteDelegation/given \
         spec.subject]"
    );
    let acts = || updates(BOT, "lab/configmaps/app");
    assert_eq!(
        world.says(&acts()),
        Said::Deny(Reason::AgentDegraded),
        "slipped in"
    );
}

#[test]
fn an_agent_for_whom_nobody_answers_or_whose_key_is_anothers_does_nothing() {
    let acts = || updates(BOT, "lab/configmaps/app");
    let said = |world: &World| message(world, &acts());
    let mut orphan = keyed(|agent| agent.owner = id("user:gone"));
    orphan.snapshot.memberships.remove(&id("user:gone"));
    assert_eq!(orphan.says(&acts()), Said::Deny(Reason::AgentDegraded));
    assert!(
        said(&orphan).ends_with("[Agent/bot spec.owner]"),
        "{}",
        said(&orphan)
    );
    let twins = keyed(|_| ()).agent_but("twin", Role::Agent, "greta", "ci:twin", |agent| {
        agent.key = Some(key(7));
    });
    assert_eq!(twins.says(&acts()), Said::Deny(Reason::AgentDegraded));
    assert!(
        said(&twins).ends_with("[Agent/bot spec.publicKey]"),
        "{}",
        said(&twins)
    );
}
