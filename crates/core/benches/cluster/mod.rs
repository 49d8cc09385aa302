//! A strict cluster of so many zones, and who asks what in it.
//!
//! Zone `i` has a namespace of its own, labelled `dev`. Of ten zones six hold its workloads (`ns-7/*.apps/*`), four hold
//! Deployments by two prefixes (`ns-7-x/deployments.apps/{a,b}*`); three more hold Secrets by a prefix in every
//! namespace (`*/secrets/global-0-*`). Ten zones have one team of five people, each with a grant; the team owns them,
//! the next team's agent and first member are cooperators.

use std::{borrow::Cow, sync::Arc};

use countersign_core::{
    decide::decide,
    decision::{Decision, Reason},
    digest::MacKey,
    environment::ENVIRONMENT_LABEL,
    glob::Glob,
    identity::Identity,
    object::{Change, Object},
    parent::LiveParent,
    policy::Policy,
    request::{Caller, Operation, Request, Target},
    role::Role,
    snapshot::{Account, Agent, Cluster, Grant, Impersonation, Namespace, PolicyState, Snapshot, Team},
    zones::Zone,
};
use jiff::Timestamp;

/// How many zones a team owns.
pub const ZONES_OF_A_TEAM: usize = 10;

const MEMBERS: usize = 5;

fn identity(text: &str) -> Identity {
    text.parse().expect("an identity")
}

pub fn member(team: usize, i: usize) -> Identity {
    identity(&format!("user:person-{team}-{}", i % MEMBERS))
}

pub fn holds_prefixes(i: usize) -> bool {
    i % 10 >= 6
}

pub fn namespace(i: usize) -> String {
    let suffix = if holds_prefixes(i) { "-x" } else { "" };
    format!("ns-{i}{suffix}")
}

fn zone(name: String, owner: usize, cooperator: usize, objects: &str) -> Zone {
    Zone {
        name: name.into(),
        owner: identity(&format!("team:team-{owner}")),
        cooperators: vec![
            identity(&format!("agent:bot-{cooperator}")),
            member(cooperator, 0),
        ],
        reviewers: Vec::new(),
        objects: vec![Glob::object(objects).expect("a pattern")],
        paths: Vec::new(),
        function_ids: Vec::new(),
        require_review: Some(false),
        min_reviewers: 1,
        reviewer_roles: vec![Role::Contributor],
    }
}

/// A strict cluster of so many zones.
pub struct World {
    /// What decisions read.
    pub snapshot: Snapshot,
    zones: usize,
}

impl World {
    pub fn new(zones: usize) -> Self {
        let mut snapshot = Snapshot::new(Cluster {
            id: "cluster".into(),
            operator: "system:serviceaccount:countersign-system:countersign".into(),
            operator_uid: "operator".into(),
            namespace: "countersign-system".into(),
            redaction: MacKey::new([1; 32]),
            stamp: MacKey::new([2; 32]),
        });
        snapshot.policy = PolicyState::Loaded(Arc::new(Policy {
            strict_mode: true,
            ..Policy::default()
        }));
        let mut world = Self { snapshot, zones };
        (0..zones).for_each(|i| world.add_zone(i));
        (0..zones / ZONES_OF_A_TEAM).for_each(|team| world.add_team(team));
        for i in 0..3 {
            let everywhere = zone(format!("global-{i}"), 0, 0, &format!("*/secrets/global-{i}-*"));
            world.snapshot.zones.insert(Arc::new(everywhere));
        }
        world
    }

    pub fn owner(i: usize) -> usize {
        i / ZONES_OF_A_TEAM
    }

    pub fn cooperator(&self, i: usize) -> usize {
        (Self::owner(i) + 1) % (self.zones / ZONES_OF_A_TEAM)
    }

    fn add_zone(&mut self, i: usize) {
        let name = namespace(i);
        let objects = if holds_prefixes(i) {
            format!("{name}/deployments.apps/{{a,b}}*")
        } else {
            format!("{name}/*.apps/*")
        };
        let new = zone(format!("zone-{i}"), Self::owner(i), self.cooperator(i), &objects);
        self.snapshot.zones.insert(Arc::new(new));
        let labels = [(ENVIRONMENT_LABEL.into(), "dev".into())];
        let known = Namespace::new(format!("uid-of-{name}"), labels.into());
        self.snapshot.namespaces.insert(name.into(), Arc::new(known));
    }

    fn add_team(&mut self, number: usize) {
        let team = identity(&format!("team:team-{number}"));
        let members: Vec<_> = (0..MEMBERS).map(|i| member(number, i)).collect();
        for person in &members {
            let grant = Grant {
                name: person.local().into(),
                role: Role::Contributor,
                last_seen: Some(Timestamp::UNIX_EPOCH),
            };
            self.snapshot
                .grants
                .entry(person.clone())
                .or_default()
                .push_back(grant);
            let teams = self.snapshot.memberships.entry(person.clone()).or_default();
            teams.insert(team.clone());
        }
        let groups = Vec::new();
        self.snapshot
            .teams
            .insert(team, Arc::new(Team { members, groups }));
        self.add_agent(number);
    }

    fn add_agent(&mut self, team: usize) {
        let name = format!("bot-{team}");
        let agent = identity(&format!("agent:{name}"));
        let account = format!("bots:{name}");
        let listed = self
            .snapshot
            .service_accounts
            .entry(account.as_str().into())
            .or_default();
        listed.insert(agent.clone());
        let registered = Agent {
            identity: agent.clone(),
            role: Role::Agent,
            owner: member(team, 0),
            suspended: false,
            key: None,
            signs: true,
            rotation: None,
            intents_per_minute: 120,
            accounts: vec![Account {
                namespace: "bots".into(),
                name: name.as_str().into(),
                uid: Some(format!("uid-of-{name}").into()),
            }],
            impersonation: Impersonation::default(),
            degraded: None,
        };
        self.snapshot.agents.insert(agent, Arc::new(registered));
    }

    /// One of the questions of the `k`th visit. The step has no factor in common with any of the sizes: every zone
    /// comes by turns.
    pub fn ask(&self, k: usize) -> Ask {
        let i = k * 7919 % self.zones;
        let cooperator = self.cooperator(i);
        let (username, uid, group) = match k % 3 {
            0 => (
                member(Self::owner(i), k).local().to_owned(),
                String::new(),
                "people",
            ),
            1 => (member(cooperator, 0).local().to_owned(), String::new(), "people"),
            _ => (
                format!("system:serviceaccount:bots:bot-{cooperator}"),
                format!("uid-of-bot-{cooperator}"),
                "system:serviceaccounts",
            ),
        };
        Ask {
            username,
            uid,
            groups: ["system:authenticated", group].map(Cow::Borrowed),
            namespace: namespace(i),
            name: format!("api-{k}"),
        }
    }

    pub fn decide(&self, ask: &Ask) -> Decision {
        decide(&ask.request(), &self.snapshot, Timestamp::UNIX_EPOCH).0
    }

    /// Every question, of every caller in every zone, is answered by the zone.
    pub fn check(&self) {
        for k in 0..3 * self.zones {
            let ask = self.ask(k);
            let decision = self.decide(&ask);
            let permitted =
                matches!(&decision, Decision::Allow(grant) if grant.reason() == Reason::Permitted);
            assert!(permitted, "{} in {}: {decision:?}", ask.username, ask.namespace);
        }
    }
}

/// Who creates what.
pub struct Ask {
    /// The username.
    pub username: String,
    uid: String,
    groups: [Cow<'static, str>; 2],
    /// The namespace of the zone.
    pub namespace: String,
    /// The name of the object.
    pub name: String,
}

impl Ask {
    pub fn request(&self) -> Request<'_> {
        Request {
            caller: Caller {
                username: &self.username,
                uid: &self.uid,
                groups: &self.groups,
            },
            operation: Operation::Create,
            target: Target {
                group: "apps",
                version: "v1",
                kind: "Deployment",
                resource: "deployments",
                subresource: "",
                namespace: Some(&self.namespace),
                name: &self.name,
            },
            change: Change::Create(Object::parse("{}").expect("an object")),
            options: None,
            hidden: None,
            live_parent: LiveParent::Unread,
            own: None,
            generates_name: false,
            dry_run: false,
        }
    }
}
