//! Who reads what: tables, and any small company against a naive reading of the rules.

use proptest::{collection::vec, prelude::*, sample::select};

use super::*;
use crate::{
    decision::Reason,
    fixtures::{Ask, Said, World, ask, creates, deletes, id, pending, updates, world, zone},
    glob::Glob,
    policy::UsernameRule,
    request::Operation,
    snapshot::PolicyState,
};

const OPERATOR: &str = "system:serviceaccount:countersign-system:countersign";

fn all(world: &World) -> BTreeMap<Source, Reading> {
    readings(&world.snapshot, world.snapshot.policy.get().unwrap(), |_| true)
}

/// Readings as text: `grant/ada: *: User ada`.
fn told(readings: &BTreeMap<Source, Reading>) -> Vec<String> {
    let reader = |reader: &Reader| match reader {
        Reader::User(name) => format!("user {name}"),
        Reader::Group(name) => format!("group {name}"),
        Reader::ServiceAccount { namespace, name } => format!("account {namespace}:{name}"),
    };
    let readers = |readers: &BTreeSet<Reader>| readers.iter().map(reader).collect::<Vec<_>>().join(", ");
    let mut lines = Vec::new();
    for (source, reading) in readings {
        match reading {
            Reading::Everywhere(who) => {
                lines.push(format!("{}: everywhere: {}", source.binding(), readers(who)));
            }
            Reading::In(namespaces) => lines.extend(
                namespaces
                    .iter()
                    .map(|(namespace, who)| format!("{}: {namespace}: {}", source.binding(), readers(who))),
            ),
        }
    }
    lines
}

fn with(mut zone: crate::zones::Zone, cooperators: &[&str]) -> crate::zones::Zone {
    zone.cooperators = cooperators.iter().map(|text| id(text)).collect();
    zone
}

#[test]
fn each_role_reads_what_it_says() {
    let world = world()
        .admin("ada")
        .grant("audit", "team:audit", Role::Reader)
        .team("audit", &["user:rita", "agent:bot"], &["corp:auditors"])
        .contributor("olga")
        .grant("shop", "team:shop", Role::Contributor)
        .team("shop", &["user:otto", "agent:bot"], &["corp:shop"])
        .agent("bot", Role::Agent, "olga", "ci:bot")
        .agent("flux", Role::Contributor, "olga", "flux:flux")
        .zone(zone("shop", "team:shop", &["billing/**"]))
        .zone(with(
            zone("lab", "user:olga", &["lab/configmaps/*"]),
            &["agent:flux"],
        ));
    assert_eq!(
        told(&all(&world)),
        [
            "countersign:read:rolegrants:ada: everywhere: user ada",
            "countersign:read:rolegrants:audit: everywhere: user rita, group corp:auditors",
            "countersign:read:rolegrants:olga: lab: user olga",
            "countersign:read:rolegrants:shop: billing: user otto, group corp:shop",
            "countersign:read:agents:bot: billing: account ci:bot",
            "countersign:read:agents:flux: lab: account flux:flux",
        ]
    );
}

#[test]
fn who_owns_a_zone_without_a_role_reads_nothing() {
    let world = world()
        .team("shop", &["user:otto"], &[])
        .zone(zone("shop", "team:shop", &["billing/**"]))
        .zone(zone("lab", "user:olga", &["lab/**"]))
        .policy(|policy| policy.defaults.role = Role::Contributor);
    assert_eq!(told(&all(&world)), [""; 0]);
}

#[test]
fn reviewers_and_teams_of_agents_get_nothing_by_it() {
    let mut reviewed = zone("lab", "user:olga", &["lab/**"]);
    reviewed.reviewers = vec![id("user:rita")];
    let world = world()
        .contributor("rita")
        .grant("bots", "team:bots", Role::Agent)
        .team("bots", &["user:otto"], &["bots"])
        .zone(reviewed)
        .zone(zone("bots", "team:bots", &["billing/**"]));
    assert_eq!(told(&all(&world)), [""; 0]);
}

#[test]
fn what_is_not_in_force_gives_nothing() {
    let world = world()
        .admin("ada")
        .contributor("olga")
        .agent("bot", Role::Agent, "olga", "ci:bot")
        .agent_but("idle", Role::Agent, "olga", "ci:idle", |agent| {
            agent.suspended = true;
        })
        .zone(with(
            zone("lab", "user:olga", &["lab/**"]),
            &["agent:bot", "agent:idle"],
        ));
    let policy = world.snapshot.policy.get().unwrap();
    let but = |gone: Permit<'static>| told(&readings(&world.snapshot, policy, |permit| permit != gone));
    let (ada, olga, bot) = (
        "countersign:read:rolegrants:ada: everywhere: user ada",
        "countersign:read:rolegrants:olga: lab: user olga",
        "countersign:read:agents:bot: lab: account ci:bot",
    );
    assert_eq!(but(Permit::Zone("none")), [ada, olga, bot]);
    assert_eq!(but(Permit::Grant("ada")), [olga, bot]);
    assert_eq!(but(Permit::Grant("olga")), [ada, bot]);
    assert_eq!(but(Permit::Agent("bot")), [ada, olga]);
    assert_eq!(but(Permit::Zone("lab")), [ada]);
    let mut unreadable = world.snapshot.clone();
    unreadable
        .unreadable_zones
        .insert("lab".into(), "it bears no seal".into());
    assert_eq!(told(&readings(&unreadable, policy, |_| true)), [ada]);
}

#[test]
fn namespaces_are_those_that_exist_and_that_a_zone_names() {
    let company = || {
        world()
            .contributor("olga")
            .namespace("shop-a", &[])
            .namespace("shop-b", &[])
            .namespace("workshop", &[])
            .namespace("shop-c", &[])
            .terminating("shop-c")
    };
    let reads = |objects: &[&str]| {
        let readings = all(&company().zone(zone("shop", "user:olga", objects)));
        let Some(Reading::In(namespaces)) = readings.get(&Source::Grant("olga".into())) else {
            panic!("{readings:?}")
        };
        namespaces.keys().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(reads(&["shop-*/**"]), ["shop-a", "shop-b"]);
    assert_eq!(
        reads(&["shop-?/secrets/x", "workshop/pods/*"]),
        ["shop-a", "shop-b", "workshop"]
    );
    assert_eq!(reads(&["{workshop,shop-a,absent}/**"]), ["shop-a", "workshop"]);
    for open in [
        "**",
        "*/**",
        "*shop/**",
        "?orkshop/**",
        "[vw]orkshop/**",
        "@cluster/namespaces/workshop",
        "work/**",
    ] {
        assert_eq!(reads(&[open]), [""; 0], "{open}");
    }
}

#[test]
fn public_places_are_read_outside_prod() {
    let world = world()
        .contributor("olga")
        .admin("ada")
        .agent("bot", Role::Agent, "olga", "ci:bot")
        .policy(|policy| {
            policy.defaults.public_objects = ["lab/configmaps/*", "billing/configmaps/*", "*/pods/*"]
                .map(|glob| Glob::object(glob).unwrap())
                .into();
        });
    assert_eq!(
        told(&all(&world)),
        [
            "countersign:read:rolegrants:ada: everywhere: user ada",
            "countersign:read:rolegrants:olga: lab: user olga",
            "countersign:read:agents:bot: lab: account ci:bot",
        ]
    );
}

#[test]
fn a_subject_is_what_the_api_server_calls_them() {
    let issuers = |policy: &mut Policy| {
        policy.usernames = [("", ""), ("oidc:", "corp"), ("oidc:b", "branch")]
            .map(|(prefix, realm)| UsernameRule {
                prefix: prefix.into(),
                realm: realm.into(),
            })
            .into();
    };
    let grant = |world: World, name: &str, who: &str| world.grant(name, who, Role::Reader);
    let people = [
        ("ada", "user:ada"),
        ("corp", "user:corp:alice@example.com"),
        ("branch", "user:branch:ben"),
        ("shadowed", "user:corp:ben"),
        ("stranger", "user:elsewhere:ada"),
        ("groups", "team:all"),
    ];
    let world = people
        .into_iter()
        .fold(world(), |world, (name, who)| grant(world, name, who));
    let world = world.policy(issuers).team(
        "all",
        &[],
        &["system:authenticated", "system:serviceaccounts", "", "staff"],
    );
    assert_eq!(
        told(&all(&world)),
        [
            "countersign:read:rolegrants:ada: everywhere: user ada",
            "countersign:read:rolegrants:branch: everywhere: user oidc:bben",
            "countersign:read:rolegrants:corp: everywhere: user oidc:alice@example.com",
            "countersign:read:rolegrants:groups: everywhere: group staff",
            "countersign:read:rolegrants:shadowed: everywhere: ",
            "countersign:read:rolegrants:stranger: everywhere: ",
        ]
    );
}

#[test]
fn only_what_permits_is_a_reason_to_look_again() {
    let world = world()
        .contributor("olga")
        .zone(zone("lab", "user:olga", &["lab/**"]));
    let before = world.snapshot.clone();
    let ticket = creates("olga", "billing/configmaps/x");
    let (world, _) = world
        .policy(|policy| policy.unzoned.prod = Role::Contributor)
        .ticket(&ticket, pending(), &[]);
    let mut same = world.snapshot.clone();
    same.policy = before.policy.clone();
    assert!(same.permits_alike(&before));
    assert!(!world.snapshot.permits_alike(&before), "another policy");
    let again = || World {
        snapshot: before.clone(),
    };
    let unreadable = |why: &str| {
        let mut snapshot = before.clone();
        snapshot.policy = PolicyState::Unreadable(why.into());
        snapshot
    };
    assert!(unreadable("spec").permits_alike(&unreadable("status")));
    assert!(!unreadable("spec").permits_alike(&before), "no policy any more");
    for (what, other) in [
        ("a grant", again().admin("ada")),
        ("a team", again().team("shop", &[], &["g"])),
        ("an agent", again().agent("bot", Role::Agent, "olga", "ci:bot")),
        ("a zone", again().zone(zone("shop", "user:olga", &["billing/**"]))),
        ("a namespace", again().namespace("shop", &[])),
    ] {
        assert!(!other.snapshot.permits_alike(&before), "{what}");
    }
}

fn binding(role: &str, label: &str) -> String {
    format!(
        r#"{{"metadata":{{"name":"x","labels":{{"{label}":"agents"}}}},
            "roleRef":{{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"{role}"}}}}"#
    )
}

fn asks(operation: Operation, name: &str, new: &str) -> Ask {
    let place = format!("billing/rolebindings.rbac.authorization.k8s.io/{name}");
    let mut ask = ask(OPERATOR, operation, &place).of_uid("operator-uid");
    ask.new = Some(new.to_owned());
    ask
}

#[test]
fn the_operator_writes_these_bindings_and_no_others() {
    let on = || world().policy(|policy| policy.read_access = ReadAccess::Rbac);
    let (ours, view) = ("countersign:read:rolegrants:ada", binding(ROLE, LABEL));
    for operation in [Operation::Create, Operation::Update] {
        assert_eq!(
            on().says(&asks(operation, ours, &view)),
            Said::Allow(Reason::Operator)
        );
        let refused = [
            (on(), ours, binding("cluster-admin", LABEL)),
            (on(), ours, binding("viewer", LABEL)),
            (on(), ours, view.replace("ClusterRole", "Role")),
            (on(), ours, binding(ROLE, "app")),
            (on(), ours, "{}".to_owned()),
            (on(), "developers", view.clone()),
            (world(), ours, view.clone()),
        ];
        for (world, name, new) in refused {
            assert_eq!(
                world.says(&asks(operation, name, &new)),
                Said::Deny(Reason::OperatorOnly),
                "{name}: {new}"
            );
        }
    }
    let place = |name: &str| format!("@cluster/clusterrolebindings.rbac.authorization.k8s.io/{name}");
    let removes = |name: &str| world().says(&deletes(OPERATOR, &place(name)).of_uid("operator-uid"));
    assert_eq!(removes(ours), Said::Allow(Reason::Operator));
    assert_eq!(removes("cluster-admin"), Said::Deny(Reason::OperatorOnly));
    let roles = "@cluster/clusterroles.rbac.authorization.k8s.io/countersign:read:x";
    let role = updates(OPERATOR, roles).of_uid("operator-uid").from("{}", &view);
    assert_eq!(on().says(&role), Said::Deny(Reason::OperatorOnly));
}

/// What is chosen of a small company.
#[derive(Clone, Debug)]
struct Company {
    grants: Vec<(&'static str, Role)>,
    teams: [Vec<&'static str>; 2],
    groups: [Vec<&'static str>; 2],
    agents: Vec<(&'static str, bool)>,
    zones: Vec<(&'static str, Vec<&'static str>, &'static str)>,
    public: Vec<&'static str>,
    standing: u64,
}

const PLACES: [&str; 4] = ["billing", "lab", "lab-two", "shop"];
const GLOBS: [&str; 7] = [
    "billing/**",
    "lab/configmaps/*",
    "lab*/pods/*",
    "l*/secrets/x",
    "*/pods/*",
    "shop/**",
    "{shop,lab}/**",
];
const PEOPLE: [&str; 3] = ["user:ann", "user:bob", "user:corp:ann"];
const BOTS: [&str; 2] = ["agent:bot", "agent:flux"];

fn company() -> impl Strategy<Value = Company> {
    let people = || select([&PEOPLE[..], &BOTS[..]].concat());
    let anybody = select([&PEOPLE[..], &BOTS[..], &["team:one", "team:two"]].concat());
    let roles = select(vec![
        Role::Reader,
        Role::Contributor,
        Role::Contributor,
        Role::Admin,
        Role::Agent,
    ]);
    let granted = select([&PEOPLE[..], &["team:one", "team:two"]].concat());
    let team = || vec(people(), 0..4);
    let groups = || vec(select(vec!["g", "h", "system:authenticated"]), 0..2);
    let zone = (anybody, vec(people(), 0..3), select(GLOBS.to_vec()));
    (
        vec((granted, roles), 0..5),
        [team(), team()],
        [groups(), groups()],
        vec((select(BOTS.to_vec()), any::<bool>()), 0..3),
        vec(zone, 0..6),
        vec(select(GLOBS.to_vec()), 0..2),
        any::<u64>(),
    )
        .prop_map(
            |(grants, teams, groups, agents, zones, public, standing)| Company {
                grants,
                teams,
                groups,
                agents,
                zones,
                public,
                standing: standing | standing.rotate_left(17),
            },
        )
}

impl Company {
    fn world(&self) -> World {
        let mut world = world()
            .namespace("lab-two", &[("countersign.dev/environment", "dev")])
            .namespace("shop", &[]);
        for (number, (who, role)) in self.grants.iter().enumerate() {
            world = world.grant(&format!("g{number}"), who, *role);
        }
        for (number, name) in ["one", "two"].into_iter().enumerate() {
            world = world.team(name, &self.teams[number], &self.groups[number]);
        }
        for (who, suspended) in &self.agents {
            let name = who.strip_prefix("agent:").unwrap();
            world = world.agent_but(name, Role::Agent, "ann", &format!("ci:{name}"), |agent| {
                agent.suspended = *suspended;
            });
        }
        for (number, (owner, cooperators, glob)) in self.zones.iter().enumerate() {
            world = world.zone(with(zone(&format!("z{number}"), owner, &[glob]), cooperators));
        }
        world.policy(|policy| {
            policy.defaults.public_objects = self
                .public
                .iter()
                .map(|glob| Glob::object(glob).unwrap())
                .collect();
        })
    }

    /// Some objects are not in force.
    fn stands(&self, permit: Permit<'_>) -> bool {
        let (shift, name) = match permit {
            Permit::Grant(name) => (0, name),
            Permit::Agent(name) => (20, name),
            Permit::Zone(name) => (40, name),
        };
        let number = name.bytes().map(u32::from).sum::<u32>() % 16;
        self.standing >> (shift + number) & 1 == 1
    }

    fn members(&self, team: &str) -> (Vec<&'static str>, Vec<&'static str>) {
        match team {
            "team:one" => (self.teams[0].clone(), self.groups[0].clone()),
            "team:two" => (self.teams[1].clone(), self.groups[1].clone()),
            _ => Default::default(),
        }
    }

    /// Whether somebody, or a group, is this identity or within it.
    fn is_within(&self, who: &str, identity: &str) -> bool {
        let (members, groups) = self.members(identity);
        who == identity
            || members.contains(&who)
            || groups.iter().any(|group| format!("group:{group}") == who)
    }

    fn is_of_zone_in(&self, who: &str, namespace: &str) -> bool {
        let places = |glob: &str| match glob {
            "billing/**" => vec!["billing"],
            "lab/configmaps/*" => vec!["lab"],
            "lab*/pods/*" | "l*/secrets/x" => vec!["lab", "lab-two"],
            "shop/**" => vec!["shop"],
            "{shop,lab}/**" => vec!["shop", "lab"],
            _ => vec![],
        };
        let is_dev = namespace.starts_with("lab");
        let public = is_dev && self.public.iter().any(|glob| places(glob).contains(&namespace));
        public
            || self
                .zones
                .iter()
                .enumerate()
                .any(|(number, (owner, cooperators, glob))| {
                    self.stands(Permit::Zone(&format!("z{number}")))
                        && places(glob).contains(&namespace)
                        && (self.is_within(who, owner) || cooperators.contains(&who))
                })
    }

    /// Whether somebody reads a namespace.
    fn reads(&self, who: &str, namespace: &str) -> bool {
        if let Some(name) = who.strip_prefix("agent:") {
            let latest = self.agents.iter().rev().find(|(other, _)| *other == who);
            return latest.is_some_and(|(_, suspended)| !suspended)
                && self.stands(Permit::Agent(name))
                && self.is_of_zone_in(who, namespace);
        }
        self.grants.iter().enumerate().any(|(number, (granted, role))| {
            self.stands(Permit::Grant(&format!("g{number}")))
                && self.is_within(who, granted)
                && match role {
                    Role::Reader | Role::Admin => true,
                    Role::Contributor => self.is_of_zone_in(who, namespace),
                    Role::Agent => false,
                }
        })
    }
}

/// Whether some binding shows the namespace to the reader.
fn is_bound(readings: &BTreeMap<Source, Reading>, reader: &Reader, namespace: &str) -> bool {
    readings.values().any(|reading| match reading {
        Reading::Everywhere(readers) => readers.contains(reader),
        Reading::In(namespaces) => namespaces
            .get(namespace)
            .is_some_and(|readers| readers.contains(reader)),
    })
}

proptest! {
    #[test]
    fn everybody_reads_what_the_rules_say(company in company()) {
        let world = company.world();
        let policy = world.snapshot.policy.get().unwrap();
        let readings = readings(&world.snapshot, policy, |permit| company.stands(permit));
        let account = |name: &str| Reader::ServiceAccount { namespace: "ci".into(), name: name.into() };
        for namespace in PLACES {
            for (who, reader) in [
                ("user:ann", Reader::User("ann".to_owned())),
                ("user:bob", Reader::User("bob".to_owned())),
                ("agent:bot", account("bot")),
                ("agent:flux", account("flux")),
                ("group:g", Reader::Group("g".into())),
                ("group:h", Reader::Group("h".into())),
            ] {
                let (expected, found) = (company.reads(who, namespace), is_bound(&readings, &reader, namespace));
                prop_assert_eq!(found, expected, "{} in {}", who, namespace);
            }
            let nobodies = [Reader::Group("system:authenticated".into()), Reader::User("corp:ann".to_owned())];
            for nobody in nobodies {
                prop_assert!(!is_bound(&readings, &nobody, namespace));
            }
        }
    }
}
