//! Worlds and requests as plain data, and their generator.

use countersign_core::{environment::Environment, request::Operation, review::ReviewDecision, role::Role};
use proptest::{collection::vec, option, prelude::*, sample::select};

pub const USERS: [&str; 4] = ["user:alice", "user:bob", "user:carol", "user:corp:alice"];
pub const AGENTS: [&str; 2] = ["agent:bot", "agent:robo"];
pub const TEAMS: [&str; 2] = ["team:red", "team:blue"];
pub const NAMESPACES: [&str; 3] = ["billing", "lab", "attic"];

/// One world, and one request in it.
#[derive(Clone, Debug)]
pub struct Case {
    pub policy: PolicyIs,
    pub latched: bool,
    pub rules: Rules,
    pub grants: Vec<GrantIs>,
    pub teams: Vec<TeamIs>,
    pub agents: Vec<AgentIs>,
    pub zones: Vec<ZoneIs>,
    pub delegations: Vec<DelegationIs>,
    pub namespaces: Vec<NamespaceIs>,
    /// The write that all tickets are about, or nearly.
    pub deed: Deed,
    pub tickets: Vec<TicketIs>,
    pub caller: CallerIs,
    pub asks: Asks,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyIs {
    Loaded,
    Absent,
    Unreadable,
}

#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    clippy::struct_field_names,
    reason = "switches and lists as the policy names them"
)]
pub struct Rules {
    pub strict: bool,
    pub locked: bool,
    pub passcode: bool,
    pub environments: Vec<EnvironmentIs>,
    pub corp_prefix: bool,
    pub default_environment: Environment,
    pub default_role: Role,
    pub default_review: bool,
    pub min_reviewers: u32,
    pub public: Vec<&'static str>,
    pub unzoned_prod: Role,
    pub unzoned_elsewhere: Role,
    pub review_rules: Vec<(&'static str, u32, Vec<Role>)>,
    pub group_roles: Vec<(&'static str, Role)>,
    pub agent_owner_may_review: bool,
}

#[derive(Clone, Debug)]
pub struct EnvironmentIs {
    pub environment: Environment,
    pub namespace: Option<&'static str>,
    pub tier: Option<&'static str>,
    pub cluster_scoped: bool,
    pub warns: bool,
}

#[derive(Clone, Debug)]
pub struct GrantIs {
    pub name: &'static str,
    pub identity: &'static str,
    pub role: Role,
    pub seen: bool,
}

#[derive(Clone, Debug)]
pub struct TeamIs {
    pub identity: &'static str,
    pub members: Vec<&'static str>,
    pub group: Option<&'static str>,
}

#[derive(Clone, Debug)]
pub struct AgentIs {
    pub identity: &'static str,
    pub role: Role,
    pub owner: &'static str,
    pub suspended: bool,
    pub degraded: bool,
    pub accounts: Vec<(&'static str, Option<&'static str>)>,
}

#[derive(Clone, Debug)]
pub struct ZoneIs {
    pub name: &'static str,
    pub owner: &'static str,
    pub cooperators: Vec<&'static str>,
    pub reviewers: Vec<&'static str>,
    pub glob: &'static str,
    pub require_review: Option<bool>,
    pub min_reviewers: u32,
    pub roles: Vec<Role>,
    pub unreadable: bool,
}

#[derive(Clone, Debug)]
pub struct DelegationIs {
    pub username: &'static str,
    pub subresource: &'static str,
    pub resource: (&'static str, &'static str),
    pub operation: Operation,
    pub namespaces: Option<Vec<&'static str>>,
    pub field: Option<&'static str>,
    pub expired: bool,
    pub degraded: bool,
}

#[derive(Clone, Debug)]
pub struct NamespaceIs {
    pub name: &'static str,
    pub environment: Option<&'static str>,
    pub tier: Option<&'static str>,
    pub terminating: bool,
}

/// A write of an object that is none of Countersign's own.
#[derive(Clone, Debug)]
pub struct Deed {
    pub operation: Operation,
    pub resource: (&'static str, &'static str),
    pub subresource: &'static str,
    pub namespace: Option<&'static str>,
    pub name: &'static str,
    pub content: Content,
    /// Of a Namespace: its environment label before and after.
    pub labels: (Option<&'static str>, Option<&'static str>),
    pub generates_name: bool,
}

/// What a write changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    Nothing,
    Spec,
    Status,
    OwnerReferences,
}

#[derive(Clone, Debug)]
pub struct TicketIs {
    /// The caller, when nobody is named.
    pub subject: Option<&'static str>,
    /// The subject, when nobody is named.
    pub requester: Option<&'static str>,
    pub authors: Vec<&'static str>,
    /// That of the deed, when none is named.
    pub environment: Option<Environment>,
    pub same_content: bool,
    pub state: StateIs,
    pub hours_old: i64,
    pub reviews: Vec<ReviewIs>,
}

#[derive(Clone, Debug)]
pub enum StateIs {
    /// Seconds until it ends, from now.
    Pending(i64),
    Approved(i64),
    Claimed {
        usable: i64,
        claim: ClaimIs,
        stopped: bool,
    },
    Consumed(ClaimIs),
    Denied,
    Revoked,
    Expired,
}

#[derive(Clone, Debug)]
pub struct ClaimIs {
    pub same_bind: bool,
    pub seconds_ago: i64,
    pub resent: bool,
}

#[derive(Clone, Debug)]
pub struct ReviewIs {
    pub reviewer: &'static str,
    pub decision: ReviewDecision,
    pub right_hash: bool,
}

#[derive(Clone, Debug)]
pub struct CallerIs {
    pub username: &'static str,
    pub uid: &'static str,
    pub group: Option<&'static str>,
}

/// What the caller asks.
#[derive(Clone, Debug)]
pub enum Asks {
    /// The deed.
    Deed,
    /// A change of a permission kind, or its removal.
    Permit(Permit),
    /// A ticket for the deed, flawed in one way.
    Ticket(TicketFlaw),
    /// A review of the ticket of this number, flawed in one way.
    Review(usize, ReviewDecision, ReviewFlaw),
    /// A write that the operator alone makes.
    OperatorsOwn(OperatorsOwn),
}

#[derive(Clone, Debug)]
pub enum Permit {
    Zone(ZoneIs),
    Grant(&'static str, &'static str, Role),
    RemoveGrant(&'static str),
    Agent(&'static str, &'static str),
    Policy { strict: bool, passcode: bool },
    RemovePolicy,
    RemoveZone,
    Invalid,
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TicketFlaw {
    None,
    Unstamped,
    ForeignSubject,
    OtherCluster,
    WrongPlace,
    WrongEnvironment,
    WrongChange,
    WrongHash,
    Vanished,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReviewFlaw {
    None,
    Unstamped,
    ForeignReviewer,
    OtherUid,
    OtherHash,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperatorsOwn {
    TicketStatus,
    ZoneStatus,
    TicketChange,
    ReviewRemoval,
    Keys,
    Lease,
}

fn role() -> impl Strategy<Value = Role> {
    prop_oneof![
        2 => Just(Role::Reader),
        5 => Just(Role::Contributor),
        6 => Just(Role::Admin),
        1 => Just(Role::Agent),
    ]
}

fn human_role() -> impl Strategy<Value = Role> {
    select(vec![Role::Reader, Role::Contributor, Role::Admin])
}

fn environment() -> impl Strategy<Value = Environment> {
    select(vec![
        Environment::Prod,
        Environment::Prod,
        Environment::Dev,
        Environment::Test,
        Environment::Preview,
    ])
}

fn user() -> impl Strategy<Value = &'static str> {
    select(USERS.to_vec())
}

fn anybody() -> impl Strategy<Value = &'static str> {
    select([USERS.as_slice(), &AGENTS, &TEAMS].concat())
}

fn glob() -> impl Strategy<Value = &'static str> {
    select(vec![
        "billing/**",
        "lab/**",
        "billing/configmaps/*",
        "lab/deployments.apps/web",
        "*/pods/*",
        "@cluster/clusterroles.rbac.authorization.k8s.io/*",
        "**",
    ])
}

fn narrow_glob() -> impl Strategy<Value = &'static str> {
    select(vec![
        "billing/configmaps/*",
        "billing/deployments.apps/**",
        "lab/configmaps/*",
        "lab/deployments.apps/web",
        "lab/pods/*",
        "attic/**",
        "@cluster/namespaces/*",
    ])
}

fn rules() -> impl Strategy<Value = Rules> {
    let switches = (
        prop::bool::weighted(0.7),
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.3),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
    );
    let defaults = (
        environment(),
        prop_oneof![4 => Just(Role::Reader), 1 => role()],
        0..3_u32,
    );
    let lists = (
        vec(environment_rule(), 0..3),
        vec(glob(), 0..2),
        prop_oneof![2 => Just(Vec::new()), 1 => vec((glob(), 1..3_u32, vec(human_role(), 1..3)), 1)],
        vec((select(vec!["staff", "ops"]), role()), 0..2),
    );
    let unzoned = (human_role(), human_role());
    (switches, defaults, lists, unzoned).prop_map(|(switches, defaults, lists, unzoned)| Rules {
        strict: switches.0,
        locked: switches.1,
        passcode: switches.2,
        corp_prefix: switches.3,
        default_review: switches.4,
        agent_owner_may_review: switches.5,
        default_environment: defaults.0,
        default_role: defaults.1,
        min_reviewers: defaults.2,
        environments: lists.0,
        public: lists.1,
        review_rules: lists.2,
        group_roles: lists.3,
        unzoned_prod: unzoned.0,
        unzoned_elsewhere: unzoned.1,
    })
}

fn environment_rule() -> impl Strategy<Value = EnvironmentIs> {
    let fields = (
        environment(),
        option::of(select(NAMESPACES.to_vec())),
        option::of(select(vec!["gold", "tin"])),
        any::<bool>(),
        any::<bool>(),
    );
    fields.prop_map(
        |(environment, namespace, tier, cluster_scoped, warns)| EnvironmentIs {
            environment,
            namespace,
            tier,
            cluster_scoped,
            warns,
        },
    )
}

fn label() -> impl Strategy<Value = Option<&'static str>> {
    select(vec![
        None,
        Some("prod"),
        Some("prod"),
        Some("dev"),
        Some("dev"),
        Some("test"),
        Some("Dev"),
        Some(""),
    ])
}

fn namespaces() -> impl Strategy<Value = Vec<NamespaceIs>> {
    let details = || {
        (
            label(),
            option::of(select(vec!["gold", "tin"])),
            prop::bool::weighted(0.2),
        )
    };
    (details(), details(), option::of(details())).prop_map(|(billing, lab, attic)| {
        let known = [Some(billing), Some(lab), attic];
        let named = NAMESPACES.into_iter().zip(known);
        named
            .filter_map(|(name, details)| {
                let (environment, tier, terminating) = details?;
                Some(NamespaceIs {
                    name,
                    environment,
                    tier,
                    terminating,
                })
            })
            .collect()
    })
}

fn grants() -> impl Strategy<Value = Vec<GrantIs>> {
    let one = (user(), role(), prop::bool::weighted(0.8));
    let team = (select(TEAMS.to_vec()), role());
    (vec(one, 2..7), vec(team, 0..2)).prop_map(|(users, teams)| {
        let names = ["g0", "g1", "g2", "g3", "g4", "g5", "g6", "g7"];
        let users = users.into_iter();
        let teams = teams.into_iter().map(|(team, role)| (team, role, false));
        users
            .chain(teams)
            .zip(names)
            .map(|((identity, role, seen), name)| GrantIs {
                name,
                identity,
                role,
                seen,
            })
            .collect()
    })
}

fn teams() -> impl Strategy<Value = Vec<TeamIs>> {
    let members = || vec(select([USERS.as_slice(), &AGENTS].concat()), 0..3);
    let group = || option::of(select(vec!["staff", "ops"]));
    ((members(), group()), (members(), group())).prop_map(|(red, blue)| {
        let both = TEAMS.into_iter().zip([red, blue]);
        both.map(|(identity, (members, group))| TeamIs {
            identity,
            members,
            group,
        })
        .collect()
    })
}

fn agents() -> impl Strategy<Value = Vec<AgentIs>> {
    let details = || {
        (
            select(vec![
                Role::Agent,
                Role::Agent,
                Role::Contributor,
                Role::Reader,
                Role::Admin,
            ]),
            user(),
            prop::bool::weighted(0.1),
            prop::bool::weighted(0.1),
            select(vec![
                Some("sa-uid"),
                Some("sa-uid"),
                Some("sa-uid"),
                Some("old-uid"),
                None,
            ]),
        )
    };
    (
        option::weighted(0.9, details()),
        option::of((details(), any::<bool>())),
    )
        .prop_map(|(bot, robo)| {
            let make = |identity,
                        details: (Role, &'static str, bool, bool, Option<&'static str>),
                        accounts: &[&'static str]| {
                let (role, owner, suspended, degraded, uid) = details;
                AgentIs {
                    identity,
                    role,
                    owner,
                    suspended,
                    degraded,
                    accounts: accounts.iter().map(|account| (*account, uid)).collect(),
                }
            };
            let bot = bot.map(|details| make("agent:bot", details, &["ci:bot"]));
            let robo = robo.map(|(details, shares)| {
                let accounts: &[&str] = if shares {
                    &["ci:robo", "ci:bot"]
                } else {
                    &["ci:robo"]
                };
                make("agent:robo", details, accounts)
            });
            bot.into_iter().chain(robo).collect()
        })
}

fn zone(name: &'static str) -> impl Strategy<Value = ZoneIs> {
    let people = (anybody(), vec(anybody(), 0..3), vec(anybody(), 0..2));
    let asks = (option::of(any::<bool>()), 0..3_u32, vec(human_role(), 1..3));
    let glob = prop_oneof![3 => narrow_glob(), 1 => glob()];
    (people, glob, asks, prop::bool::weighted(0.05)).prop_map(move |(people, glob, asks, unreadable)| {
        ZoneIs {
            name,
            owner: people.0,
            cooperators: people.1,
            reviewers: people.2,
            glob,
            require_review: asks.0,
            min_reviewers: asks.1,
            roles: asks.2,
            unreadable,
        }
    })
}

fn zones() -> impl Strategy<Value = Vec<ZoneIs>> {
    let each = (
        option::of(zone("z0")),
        option::of(zone("z1")),
        option::of(zone("z2")),
    );
    each.prop_map(|(a, b, c)| [a, b, c].into_iter().flatten().collect())
}

const RESOURCES: [(&str, &str); 6] = [
    ("", "configmaps"),
    ("apps", "deployments"),
    ("", "pods"),
    ("", "events"),
    ("coordination.k8s.io", "leases"),
    ("", "secrets"),
];

fn operation() -> impl Strategy<Value = Operation> {
    use Operation::{Connect, Create, Delete, Update};
    select(vec![Create, Update, Update, Update, Delete, Connect])
}

fn deed() -> impl Strategy<Value = Deed> {
    let resource = prop_oneof![
        6 => select(RESOURCES.to_vec()),
        1 => Just(("", "namespaces")),
        1 => Just(("rbac.authorization.k8s.io", "clusterroles")),
        1 => Just(("authorization.k8s.io", "selfsubjectaccessreviews")),
    ];
    let place = (resource, select(NAMESPACES.to_vec()), select(vec!["web", "db"]));
    let content = select(vec![
        Content::Nothing,
        Content::Spec,
        Content::Spec,
        Content::Spec,
        Content::Status,
        Content::OwnerReferences,
    ]);
    let subresource = select(vec![
        "", "", "", "", "status", "scale", "eviction", "token", "binding",
    ]);
    (
        operation(),
        place,
        content,
        (label(), label()),
        subresource,
        prop::bool::weighted(0.1),
    )
        .prop_map(
            |(operation, (resource, namespace, name), content, labels, subresource, generates)| {
                let cluster_scoped = matches!(
                    resource.1,
                    "namespaces" | "clusterroles" | "selfsubjectaccessreviews"
                );
                let subresource = match (operation, subresource) {
                    (Operation::Connect, _) => "exec",
                    (Operation::Delete, _)
                    | (Operation::Create, "status" | "scale")
                    | (Operation::Update, "eviction" | "token" | "binding") => "",
                    (_, subresource) => subresource,
                };
                Deed {
                    operation,
                    resource,
                    subresource,
                    namespace: (!cluster_scoped).then_some(namespace),
                    name: if resource.1 == "namespaces" {
                        namespace
                    } else {
                        name
                    },
                    content,
                    labels,
                    generates_name: generates && operation == Operation::Create && subresource.is_empty(),
                }
            },
        )
}

fn decision() -> impl Strategy<Value = ReviewDecision> {
    use ReviewDecision::{Approve, Cancel, Deny, Revoke};
    prop_oneof![20 => Just(Approve), 1 => Just(Deny), 1 => Just(Revoke), 1 => Just(Cancel)]
}

fn claim() -> impl Strategy<Value = ClaimIs> {
    let ago = select(vec![0, 4, 5, 30, 74, 75, 200]);
    (prop::bool::weighted(0.8), ago, any::<bool>()).prop_map(|(same_bind, seconds_ago, resent)| ClaimIs {
        same_bind,
        seconds_ago,
        resent,
    })
}

fn ticket() -> impl Strategy<Value = TicketIs> {
    let state = prop_oneof![
        2 => select(vec![-1, 0, 1, 900]).prop_map(StateIs::Pending),
        8 => select(vec![-1, 0, 1, 900, 900, 900, 900]).prop_map(StateIs::Approved),
        3 => (select(vec![0, 900]), claim(), prop::bool::weighted(0.2))
            .prop_map(|(usable, claim, stopped)| StateIs::Claimed { usable, claim, stopped }),
        3 => claim().prop_map(StateIs::Consumed),
        2 => Just(StateIs::Denied),
        1 => Just(StateIs::Revoked),
        1 => Just(StateIs::Expired),
    ];
    let review =
        (user(), decision(), prop::bool::weighted(0.9)).prop_map(|(reviewer, decision, right_hash)| {
            ReviewIs {
                reviewer,
                decision,
                right_hash,
            }
        });
    let people = (
        option::weighted(
            0.3,
            select(vec!["user:alice", "agent:bot", "user:bob", "agent:robo"]),
        ),
        option::weighted(0.2, user()),
        prop_oneof![3 => Just(Vec::new()), 1 => vec(user(), 1)],
    );
    let rest = (
        option::weighted(0.1, environment()),
        prop::bool::weighted(0.9),
        select(vec![1, 23, 24, 30]),
    );
    (people, rest, state, vec(review, 1..5)).prop_map(|(people, rest, state, reviews)| TicketIs {
        subject: people.0,
        requester: people.1,
        authors: people.2,
        environment: rest.0,
        same_content: rest.1,
        state,
        hours_old: rest.2,
        reviews,
    })
}

const USERNAMES: [(u32, &str); 14] = [
    (8, "alice"),
    (4, "bob"),
    (2, "carol"),
    (1, "nobody"),
    (2, "corp:alice"),
    (1, "Alice"),
    (1, "al\u{131}ce"),
    (6, "system:serviceaccount:ci:bot"),
    (2, "system:serviceaccount:ci:robo"),
    (1, "system:serviceaccount:lab:stray"),
    (1, "system:serviceaccount:kube-system:replicaset-controller"),
    (1, "system:serviceaccount:kube-system:namespace-controller"),
    (1, "system:kube-scheduler"),
    (1, "system:serviceaccount:countersign-system:countersign"),
];

fn caller() -> impl Strategy<Value = CallerIs> {
    let uid = select(vec![
        "sa-uid",
        "sa-uid",
        "sa-uid",
        "sa-uid",
        "sa-uid",
        "sa-uid",
        "operator-uid",
        "",
    ]);
    let username =
        prop::strategy::Union::new_weighted(USERNAMES.map(|(weight, name)| (weight, Just(name))).to_vec());
    (username, uid, option::of(select(vec!["staff", "ops", "guests"])))
        .prop_map(|(username, uid, group)| CallerIs { username, uid, group })
}

fn delegation() -> impl Strategy<Value = DelegationIs> {
    let username = select(vec![
        "system:serviceaccount:lab:stray",
        "system:serviceaccount:lab:stray",
        "system:serviceaccount:ci:bot",
        "system:kube-scheduler",
        "alice",
        "Alice",
    ]);
    let what = (
        select(RESOURCES.to_vec()),
        select(vec!["", "", "status"]),
        operation(),
    );
    let limits = (
        option::of(vec(select(NAMESPACES.to_vec()), 1..3)),
        option::of(select(vec!["/spec", "/spec/a", "/metadata/ownerReferences"])),
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.1),
    );
    (username, what, limits).prop_map(
        |(username, (resource, subresource, operation), limits)| DelegationIs {
            username,
            subresource,
            resource,
            operation,
            namespaces: limits.0,
            field: limits.1,
            expired: limits.2,
            degraded: limits.3,
        },
    )
}

fn asks() -> impl Strategy<Value = Asks> {
    use OperatorsOwn as O;
    use ReviewFlaw as R;
    use TicketFlaw as T;
    let grant_name = || select(vec!["g0", "g1", "g2", "new"]);
    let permit = prop_oneof![
        3 => zone("z0").prop_map(Permit::Zone),
        3 => (grant_name(), user(), human_role()).prop_map(|(name, who, role)| Permit::Grant(name, who, role)),
        2 => grant_name().prop_map(Permit::RemoveGrant),
        1 => (select(AGENTS.to_vec()), select(vec!["ci:bot", "ci:new"])).prop_map(|(who, account)| Permit::Agent(who, account)),
        3 => (any::<bool>(), any::<bool>()).prop_map(|(strict, passcode)| Permit::Policy { strict, passcode }),
        1 => Just(Permit::RemovePolicy),
        1 => Just(Permit::RemoveZone),
        1 => Just(Permit::Invalid),
        1 => Just(Permit::Unknown),
    ];
    let ticket_flaw = select(vec![
        T::None,
        T::None,
        T::None,
        T::None,
        T::Unstamped,
        T::ForeignSubject,
        T::OtherCluster,
        T::WrongPlace,
        T::WrongEnvironment,
        T::WrongChange,
        T::WrongHash,
        T::Vanished,
    ]);
    let review_flaw = select(vec![
        R::None,
        R::None,
        R::None,
        R::None,
        R::None,
        R::None,
        R::None,
        R::None,
        R::Unstamped,
        R::ForeignReviewer,
        R::OtherUid,
        R::OtherHash,
    ]);
    let own = select(vec![
        O::TicketStatus,
        O::ZoneStatus,
        O::TicketChange,
        O::ReviewRemoval,
        O::Keys,
        O::Lease,
    ]);
    prop_oneof![
        16 => Just(Asks::Deed),
        3 => permit.prop_map(Asks::Permit),
        2 => ticket_flaw.prop_map(Asks::Ticket),
        3 => (0..3_usize, decision(), review_flaw).prop_map(|(index, decision, flaw)| Asks::Review(index, decision, flaw)),
        1 => own.prop_map(Asks::OperatorsOwn),
    ]
}

pub fn case() -> impl Strategy<Value = Case> {
    let policy = prop_oneof![20 => Just(PolicyIs::Loaded), 1 => Just(PolicyIs::Absent), 1 => Just(PolicyIs::Unreadable)];
    let people = (grants(), teams(), agents());
    let places = (zones(), vec(delegation(), 0..3), namespaces());
    let write = (deed(), vec(ticket(), 0..4), caller(), asks());
    (policy, prop::bool::weighted(0.2), rules(), people, places, write).prop_map(
        |(policy, latched, rules, people, places, write)| Case {
            policy,
            latched,
            rules,
            grants: people.0,
            teams: people.1,
            agents: people.2,
            zones: places.0,
            delegations: places.1,
            namespaces: places.2,
            deed: write.0,
            tickets: write.1,
            caller: write.2,
            asks: write.3,
        },
    )
}
