//! Tables: which caller is who.

mod properties;

use super::*;
use crate::{
    fixtures::{World, id, world},
    policy::UsernameRule,
    role::Role,
    snapshot::Account,
};

fn identified(world: &World, username: &str, uid: &str) -> Result<String, String> {
    let caller = Caller {
        username,
        uid,
        groups: &[],
    };
    let policy = world.snapshot.policy.get().unwrap();
    identify(&caller, &world.snapshot, policy)
        .map(|subject| subject.identity.to_string())
        .map_err(|why| format!("{why:?}").split(['(', ' ']).next().unwrap().to_owned())
}

fn issuers(world: World, issuers: &[(&str, &str)]) -> World {
    let rules = issuers.iter().map(|(prefix, realm)| UsernameRule {
        prefix: (*prefix).into(),
        realm: (*realm).into(),
    });
    world.policy(|policy| policy.usernames = rules.collect())
}

#[test]
fn usernames_by_issuer() {
    let world = issuers(
        world(),
        &[
            ("", ""),
            ("oidc:", "corp"),
            ("oidc:guests:", "guests"),
            ("ldap/", "old"),
        ],
    );
    for (username, expected) in [
        ("alice", Ok("user:alice")),
        ("alice@example.com", Ok("user:alice@example.com")),
        ("oidc:alice", Ok("user:corp:alice")),
        ("oidc:guests:alice", Ok("user:guests:alice")),
        ("ldap/alice", Ok("user:old:alice")),
        // A name with a colon is nobody, and above all nobody of another realm.
        ("corp:alice", Err("NotCanonical")),
        ("guests:alice", Err("NotCanonical")),
        ("oidc:a:b", Err("NotCanonical")),
        ("oidc:", Err("NotCanonical")),
        ("", Err("NotCanonical")),
    ] {
        let expected = expected.map(str::to_owned).map_err(str::to_owned);
        assert_eq!(identified(&world, username, ""), expected, "{username}");
    }
    let corp_only = issuers(world, &[("oidc:", "")]);
    assert_eq!(
        identified(&corp_only, "oidc:alice", ""),
        Ok("user:alice".to_owned())
    );
    assert_eq!(
        identified(&corp_only, "alice", ""),
        Err("NotCanonical".to_owned()),
        "no issuer of hers is mapped"
    );
}

#[test]
fn another_spelling_is_nobody() {
    for username in [
        "Alice",
        "ALICE",
        "alice ",
        " alice",
        "alice\n",
        "alice\0",
        "al\u{131}ce",
        "alic\u{435}",
        "\u{ff41}lice",
        "alice\u{200b}",
        "ali\u{301}ce",
        "alice.",
        "-alice",
        "a/b",
        "a*",
        "user:alice",
        "agent:bot",
        "team:red",
    ] {
        assert_eq!(
            identified(&world(), username, ""),
            Err("NotCanonical".to_owned()),
            "{username:?}"
        );
    }
}

#[test]
fn service_accounts_are_agents_when_exactly_one_lists_them_with_their_uid() {
    let world = world()
        .agent("bot", Role::Agent, "greta", "ci:bot")
        .agent("one", Role::Agent, "greta", "ci:shared")
        .agent("two", Role::Agent, "greta", "ci:shared")
        .agent_but("new", Role::Agent, "greta", "ci:new", |agent| {
            agent.accounts[0].uid = None;
        })
        .agent_but("shared", Role::Agent, "greta", "ci:impersonated", |agent| {
            agent.impersonation = Impersonation::Accepted;
        })
        .agent_but("unpinned", Role::Agent, "greta", "ci:unpinned", |agent| {
            agent.impersonation = Impersonation::Accepted;
            agent.accounts[0].uid = None;
        })
        .agent_but("two-homes", Role::Agent, "greta", "ci:second", |agent| {
            let mut other = |namespace: &str, name: &str, uid: &str| {
                let uid = Some(uid.into());
                let (namespace, name) = (namespace.into(), name.into());
                agent.accounts.insert(0, Account { namespace, name, uid });
            };
            other("ci", "first", "uid-of-first");
            other("lab", "second", "uid-in-lab");
        });
    for (username, uid, expected) in [
        ("system:serviceaccount:ci:bot", "sa-uid", Ok("agent:bot")),
        ("system:serviceaccount:ci:bot", "other", Err("ForeignAccount")),
        ("system:serviceaccount:ci:bot", "", Err("ForeignAccount")),
        ("system:serviceaccount:ci:second", "sa-uid", Ok("agent:two-homes")),
        (
            "system:serviceaccount:ci:second",
            "uid-of-first",
            Err("ForeignAccount"),
        ),
        (
            "system:serviceaccount:ci:second",
            "uid-in-lab",
            Err("ForeignAccount"),
        ),
        ("system:serviceaccount:ci:impersonated", "", Ok("agent:shared")),
        (
            "system:serviceaccount:ci:impersonated",
            "sa-uid",
            Ok("agent:shared"),
        ),
        (
            "system:serviceaccount:ci:impersonated",
            "other",
            Err("ForeignAccount"),
        ),
        ("system:serviceaccount:ci:unpinned", "", Err("ForeignAccount")),
        ("system:serviceaccount:ci:new", "sa-uid", Err("ForeignAccount")),
        ("system:serviceaccount:ci:new", "", Err("ForeignAccount")),
        (
            "system:serviceaccount:ci:shared",
            "sa-uid",
            Err("AmbiguousAccount"),
        ),
        (
            "system:serviceaccount:ci:stray",
            "sa-uid",
            Err("UnregisteredAccount"),
        ),
        (
            "system:serviceaccount:ci:bot:x",
            "sa-uid",
            Err("UnregisteredAccount"),
        ),
        (
            "system:serviceaccount:lab:bot",
            "sa-uid",
            Err("UnregisteredAccount"),
        ),
        ("system:serviceaccount:ci", "sa-uid", Err("SystemUser")),
        ("system:kube-scheduler", "", Err("SystemUser")),
        ("system:admin", "", Err("SystemUser")),
        ("system:", "", Err("SystemUser")),
    ] {
        let expected = expected.map(str::to_owned).map_err(str::to_owned);
        assert_eq!(identified(&world, username, uid), expected, "{username} {uid}");
    }
    let caller = Caller {
        username: "system:serviceaccount:ci:shared",
        uid: "sa-uid",
        groups: &[],
    };
    let policy = world.snapshot.policy.get().unwrap();
    assert_eq!(
        identify(&caller, &world.snapshot, policy),
        Err(Unidentified::AmbiguousAccount {
            account: "ci:shared".to_owned(),
            agents: vec![id("agent:one"), id("agent:two")],
        })
    );
}

#[test]
fn groups_give_teams_and_roles_and_absent_groups_give_none() {
    let world = world()
        .team("red", &["user:alice"], &["staff"])
        .team("blue", &[], &["staff", "ops"])
        .policy(|policy| {
            policy.group_roles = vec![("staff".into(), Role::Reader), ("ops".into(), Role::Contributor)];
        });
    let policy = world.snapshot.policy.get().unwrap();
    let of = |username, groups: &[Cow<'_, str>]| {
        let caller = Caller {
            username,
            uid: "",
            groups,
        };
        let subject = identify(&caller, &world.snapshot, policy).unwrap();
        (subject.teams, subject.group_role)
    };
    let (red, blue) = (id("team:red"), id("team:blue"));
    assert_eq!(of("alice", &[]), (vec![red.clone()], None));
    assert_eq!(of("bob", &[]), (vec![], None));
    assert_eq!(
        of("bob", &["staff".into()]),
        (vec![blue.clone(), red.clone()], Some(Role::Reader))
    );
    assert_eq!(
        of("alice", &["ops".into(), "ops".into()]),
        (vec![blue, red], Some(Role::Contributor))
    );
    assert_eq!(of("bob", &["Staff".into(), "".into()]), (vec![], None));
}

#[test]
fn groups_are_of_people() {
    let world = world()
        .agent("bot", Role::Agent, "greta", "ci:bot")
        .team("all", &[], &["system:authenticated", ""])
        .policy(|policy| policy.group_roles = vec![("".into(), Role::Admin)]);
    let policy = world.snapshot.policy.get().unwrap();
    let of = |username| {
        let caller = Caller {
            username,
            uid: "sa-uid",
            groups: &["system:authenticated".into(), "".into()],
        };
        let subject = identify(&caller, &world.snapshot, policy).unwrap();
        (subject.teams, subject.group_role)
    };
    assert_eq!(of("system:serviceaccount:ci:bot"), (vec![], None));
    assert_eq!(
        of("alice"),
        (vec![id("team:all")], None),
        "a group without a name is none"
    );
}

#[test]
fn no_uid_is_no_proof() {
    let world = world().agent_but("bot", Role::Agent, "greta", "ci:bot", |agent| {
        agent.accounts[0].uid = Some("".into());
    });
    assert_eq!(
        identified(&world, "system:serviceaccount:ci:bot", ""),
        Err("ForeignAccount".to_owned())
    );
}
