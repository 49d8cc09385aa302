//! Worlds and requests as plain data, and their generator.

use countersign_core::{environment::Environment, request::Operation, review::ReviewDecision, role::Role};
use proptest::{collection::vec, option, prelude::*, sample::select};

use super::rules::{OPERATOR, OPERATOR_UID};

pub const USERS: [&str; 4] = ["user:alice", "user:bob", "user:carol", "user:corp:alice"];
pub const AGENTS: [&str; 2] = ["agent:bot", "agent:robo"];
pub const TEAMS: [&str; 2] = ["team:red", "team:blue"];
pub const NAMESPACES: [&str; 3] = ["billing", "lab", "attic"];

/// One world, and one request in it.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "what is so, or is not")]
pub struct Case {
    pub policy: PolicyIs,
    pub latched: bool,
    /// By the annotation on the webhook configuration.
    pub switched_off: bool,
    /// Whether the passcode that the policy may name is set.
    pub passcode_is_set: bool,
    pub mutators: MutatorsAre,
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
    /// A ticket for another write, which the deed may undo.
    pub former: Option<FormerIs>,
    pub intents: Vec<IntentIs>,
    pub windows: Vec<WindowIs>,
    /// How many tickets of the caller wait for reviews already, where a new one would live.
    pub waiting: usize,
    pub caller: CallerIs,
    pub asks: Asks,
    pub dry_run: bool,
}

/// A window of break-glass, in seconds from now.
#[derive(Clone, Copy, Debug)]
pub struct WindowIs {
    pub person: &'static str,
    pub begins: i64,
    pub ends: i64,
    pub ended: bool,
    pub reviewed: bool,
}

#[derive(Clone, Copy, Debug)]
pub enum MutatorsAre {
    None,
    Unknown,
    One(MutatorIs),
}

/// Something else that could change tickets and reviews, in seconds before now.
#[derive(Clone, Copy, Debug)]
pub struct MutatorIs {
    pub accepted: bool,
    pub came: i64,
    pub gone: Option<i64>,
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
    /// Whether a window lets everybody's writes pass, and not its opener's alone.
    pub for_everyone: bool,
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
    pub signed_in_prod: bool,
    pub max_pending: usize,
    /// In seconds.
    pub rollback_window: Option<i64>,
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
    pub globs: Vec<&'static str>,
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
    pub operations: Vec<Operation>,
    pub place: WhereIs,
    /// All when empty.
    pub fields: Vec<&'static str>,
    /// Seconds until it ends, from now.
    pub ends: Option<i64>,
    pub degraded: bool,
}

/// Where a delegation holds.
#[derive(Clone, Debug)]
pub enum WhereIs {
    ClusterScoped,
    Names(Vec<&'static str>),
    /// In the namespaces with this label `tier`.
    Tier(&'static str),
}

#[derive(Clone, Debug)]
pub struct NamespaceIs {
    pub name: &'static str,
    pub environment: Option<&'static str>,
    pub tier: Option<&'static str>,
    /// Whether somebody judged its labels.
    pub sealed: bool,
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
    /// Under which its pods run, or that the pod behind the call runs under.
    pub account: Option<&'static str>,
    /// Of a Namespace: its environment label before and after.
    pub labels: (Option<&'static str>, Option<&'static str>),
    pub generates_name: bool,
    /// Whether a proxied connection names scheme and port besides.
    pub names_port: bool,
    pub shown: Shown,
}

/// How the review shows the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    Whole,
    /// With a key twice.
    Garbled,
    /// Not at all, as the review of a deletion may.
    Not,
}

/// What a write changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    Nothing,
    /// What the API server counts and nobody else.
    Bookkeeping,
    /// The same text with an escape.
    Spelling,
    Spec,
    /// The containers of its pods.
    Containers,
    /// The account of its pods, which was another.
    Account,
    Status,
    OwnerReferences,
    SpecAndOwnerReferences,
    /// A finalizer less.
    Finalizers,
    /// No replica any more.
    Replicas,
    /// A time after which it goes.
    Lifetime,
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
pub struct FormerIs {
    /// The caller, when nobody is named.
    pub subject: Option<&'static str>,
    /// That of the deed, when none is named.
    pub environment: Option<Environment>,
    /// Whether the deed is its exact inverse, as far as operations have one.
    pub is_inverse: bool,
    /// What became something else since, of an object that it made.
    pub since: (&'static str, &'static str),
    /// When it was used, if it was.
    pub used_ago: Option<i64>,
    /// What undid it already.
    pub undone: Option<ClaimIs>,
}

/// What an agent said that it would delete.
#[derive(Clone, Copy, Debug)]
pub struct IntentIs {
    pub agent: &'static str,
    /// The object of the deed, or another.
    pub is_about_deed: bool,
    /// By the key that the agent has, or by another.
    pub is_of_key: bool,
    pub seconds_ago: i64,
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
    pub signed: Signed,
}

/// Whose signature a review bears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signed {
    Not,
    ByReviewer,
    ByStranger,
}

#[derive(Clone, Debug)]
pub struct CallerIs {
    pub username: &'static str,
    pub uid: &'static str,
    pub groups: Vec<&'static str>,
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
    /// A window of the caller's, flawed in one way, that is open for so many seconds.
    Opens(OpenFlaw, i64),
    /// A change of a window.
    ChangesWindow(WindowIs, WindowChange),
}

#[derive(Clone, Debug)]
pub enum Permit {
    Zone(ZoneIs),
    Grant(&'static str, &'static str, Role),
    RemoveGrant(&'static str),
    Agent(&'static str, &'static str),
    Policy {
        strict: bool,
        passcode: bool,
        /// Whether nothing but the switch of strict mode is written.
        alone: bool,
        /// Whether the permission objects are as they were shown, when they were.
        as_shown: Option<bool>,
    },
    RemovePolicy,
    RemoveZone,
    Team,
    Delegation,
    /// What is there bears no seal.
    Unsealed,
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
pub enum OpenFlaw {
    None,
    Unstamped,
    ForeignPerson,
    OtherCluster,
    OtherName,
    Over,
    /// Signed so many seconds from now.
    Signed(i64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowChange {
    Nothing,
    End,
    Reopen,
    Lengthen,
    Remove,
    /// Reviewed in the name of the caller, so many seconds ago.
    Review(i64),
    /// Reviewed in the name of somebody else.
    ForeignReview,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperatorsOwn {
    TicketStatus,
    ZoneStatus,
    TicketChange,
    TicketRemoval,
    ReviewRemoval,
    TaskMaking,
    TaskRemoval,
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
        "{billing,attic}/pods/{web,d*}",
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
        "lab/{secrets,leases.coordination.k8s.io}/*",
        "billing/*/d?",
        "attic/secrets/*b",
        "b*g/pods/w[a-f]b",
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
        prop::bool::weighted(0.3),
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
        vec((select(vec!["staff", "ops"]), role()), 0..3),
    );
    let limits = (
        human_role(),
        human_role(),
        select(vec![50, 50, 1, 2]),
        option::weighted(0.6, Just(3600)),
    );
    (switches, defaults, lists, limits).prop_map(|(switches, defaults, lists, limits)| Rules {
        strict: switches.0,
        locked: switches.1,
        passcode: switches.2,
        corp_prefix: switches.3,
        default_review: switches.4,
        agent_owner_may_review: switches.5,
        signed_in_prod: switches.6,
        for_everyone: switches.7,
        default_environment: defaults.0,
        default_role: defaults.1,
        min_reviewers: defaults.2,
        environments: lists.0,
        public: lists.1,
        review_rules: lists.2,
        group_roles: lists.3,
        unzoned_prod: limits.0,
        unzoned_elsewhere: limits.1,
        max_pending: limits.2,
        rollback_window: limits.3,
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
            prop::bool::weighted(0.8),
            prop::bool::weighted(0.2),
        )
    };
    (details(), details(), option::of(details())).prop_map(|(billing, lab, attic)| {
        let known = [Some(billing), Some(lab), attic];
        let named = NAMESPACES.into_iter().zip(known);
        named
            .filter_map(|(name, details)| {
                let (environment, tier, sealed, terminating) = details?;
                Some(NamespaceIs {
                    name,
                    environment,
                    tier,
                    sealed,
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
                    &["ci:robo", "lab:robo", "billing:robo", "ci:bot"]
                } else {
                    &["ci:robo", "lab:robo", "billing:robo"]
                };
                make("agent:robo", details, accounts)
            });
            bot.into_iter().chain(robo).collect()
        })
}

fn zone(name: &'static str) -> impl Strategy<Value = ZoneIs> {
    let people = (anybody(), vec(anybody(), 0..3), vec(anybody(), 0..2));
    let asks = (option::of(any::<bool>()), 0..3_u32, vec(human_role(), 1..3));
    let globs = vec(prop_oneof![4 => narrow_glob(), 1 => glob()], 1..3);
    (people, globs, asks, prop::bool::weighted(0.05)).prop_map(move |(people, globs, asks, unreadable)| {
        ZoneIs {
            name,
            owner: people.0,
            cooperators: people.1,
            reviewers: people.2,
            globs,
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

const RESOURCES: [(&str, &str); 7] = [
    ("", "configmaps"),
    ("apps", "deployments"),
    ("", "pods"),
    ("", "events"),
    ("coordination.k8s.io", "leases"),
    ("", "secrets"),
    ("", "serviceaccounts"),
];

fn operation() -> impl Strategy<Value = Operation> {
    use Operation::{Connect, Create, Delete, Update};
    select(vec![Create, Update, Update, Update, Delete, Connect])
}

fn content() -> impl Strategy<Value = Content> {
    use Content as C;
    prop_oneof![
        2 => Just(C::Nothing),
        1 => Just(C::Bookkeeping),
        1 => Just(C::Spelling),
        6 => Just(C::Spec),
        2 => Just(C::Containers),
        2 => Just(C::Account),
        2 => Just(C::Status),
        2 => Just(C::OwnerReferences),
        1 => Just(C::SpecAndOwnerReferences),
        1 => Just(C::Finalizers),
        1 => Just(C::Replicas),
        1 => Just(C::Lifetime),
    ]
}

/// What is written of an object: half of the time the object itself.
fn subresource(operation: Operation) -> impl Strategy<Value = &'static str> {
    let calls: &[&str] = match operation {
        Operation::Create => &["eviction", "token", "binding", "novelty"],
        Operation::Update => &[
            "status",
            "status",
            "status",
            "scale",
            "ephemeralcontainers",
            "resize",
            "finalize",
            "approval",
            "novelty",
        ],
        Operation::Connect => return select(vec!["exec", "attach", "portforward", "proxy", "novelty"]),
        Operation::Delete => return select(vec![""]),
    };
    select([calls, &vec![""; calls.len()]].concat())
}

fn shown(operation: Operation) -> impl Strategy<Value = Shown> {
    let otherwise = if operation == Operation::Delete {
        Shown::Not
    } else {
        Shown::Garbled
    };
    prop_oneof![28 => Just(Shown::Whole), 1 => Just(Shown::Garbled), 1 => Just(otherwise)]
}

fn deed() -> impl Strategy<Value = Deed> {
    let resource = prop_oneof![
        6 => select(RESOURCES.to_vec()),
        2 => select(vec![("", "pods"), ("apps", "deployments"), ("", "serviceaccounts")]),
        1 => Just(("", "namespaces")),
        1 => Just(("rbac.authorization.k8s.io", "clusterroles")),
        1 => Just(("authorization.k8s.io", "selfsubjectaccessreviews")),
    ];
    let place = (resource, select(NAMESPACES.to_vec()), select(vec!["web", "db"]));
    let call =
        operation().prop_flat_map(|operation| (Just(operation), subresource(operation), shown(operation)));
    let account = select(vec![
        None,
        Some("web"),
        Some("stray"),
        Some("stray"),
        Some("robo"),
        Some("robo"),
    ]);
    let names = (prop::bool::weighted(0.1), any::<bool>(), account);
    (call, place, content(), (label(), label()), names).prop_map(
        |((operation, subresource, shown), (resource, namespace, name), content, labels, names)| {
            let resource = if subresource == "token" && names.1 {
                ("", "serviceaccounts")
            } else {
                resource
            };
            let cluster_scoped =
                ["namespaces", "clusterroles", "selfsubjectaccessreviews"].contains(&resource.1);
            Deed {
                operation,
                resource,
                subresource,
                namespace: (!cluster_scoped).then_some(namespace),
                name: match resource.1 {
                    "namespaces" => namespace,
                    "serviceaccounts" => names.2.unwrap_or(name),
                    _ => name,
                },
                content,
                account: names.2,
                labels,
                generates_name: names.0 && operation == Operation::Create && subresource.is_empty(),
                names_port: names.1 && subresource == "proxy" && resource.0.is_empty(),
                shown,
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
    let signed = prop_oneof![
        8 => Just(Signed::Not),
        2 => Just(Signed::ByReviewer),
        1 => Just(Signed::ByStranger),
    ];
    let review = (user(), decision(), prop::bool::weighted(0.9), signed).prop_map(
        |(reviewer, decision, right_hash, signed)| ReviewIs {
            reviewer,
            decision,
            right_hash,
            signed,
        },
    );
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

/// What of an object was something else when it was made: nothing, its status, a part, a part that was not there, and one
/// that is gone.
pub const SINCE: [(&str, &str); 5] = [
    ("", ""),
    (r#""status":{"#, r#""status":{"c":1,"#),
    (r#""nodeName":"n1""#, r#""nodeName":"n2""#),
    (r#""nodeName":"n1","#, ""),
    (r#""nodeName":"n1""#, r#""nodeName":"n1","gone":1"#),
];

fn former() -> impl Strategy<Value = FormerIs> {
    let ago = select(vec![0, 10, 3599, 3600, 9999]);
    let subject = select(vec!["user:alice", "agent:bot", "user:bob", "agent:robo"]);
    let since = prop_oneof![2 => Just(SINCE[0]), 1 => select(SINCE.to_vec())];
    (
        option::weighted(0.3, subject),
        option::weighted(0.3, environment()),
        prop::bool::weighted(0.9),
        since,
        option::weighted(0.9, ago),
        option::weighted(0.2, claim()),
    )
        .prop_map(
            |(subject, environment, is_inverse, since, used_ago, undone)| FormerIs {
                subject,
                environment,
                is_inverse,
                since,
                used_ago,
                undone,
            },
        )
}

fn intent() -> impl Strategy<Value = IntentIs> {
    let ago = select(vec![0, 60, 899, 900]);
    let (about, of_key) = (prop::bool::weighted(0.8), prop::bool::weighted(0.9));
    (select(AGENTS.to_vec()), about, of_key, ago).prop_map(
        |(agent, is_about_deed, is_of_key, seconds_ago)| IntentIs {
            agent,
            is_about_deed,
            is_of_key,
            seconds_ago,
        },
    )
}

/// The account of `agent:bot`.
const BOT: &str = "system:serviceaccount:ci:bot";

const USERNAMES: [(u32, &str); 27] = [
    (60, "alice"),
    (30, "bob"),
    (15, "carol"),
    (2, "nobody"),
    (8, "corp:alice"),
    (1, "corp:"),
    (1, ""),
    (1, "Alice"),
    (1, "al\u{131}ce"),
    (1, "\u{430}lice"),
    (1, "alice "),
    (1, "alice:admin"),
    (30, BOT),
    (8, "system:serviceaccount:ci:robo"),
    (6, "system:serviceaccount:lab:stray"),
    (1, "system:serviceaccount:ci"),
    (2, "system:serviceaccount:kube-system:replicaset-controller"),
    (1, "system:serviceaccount:lab:replicaset-controller"),
    (2, "system:serviceaccount:kube-system:namespace-controller"),
    (2, "system:serviceaccount:kube-system:generic-garbage-collector"),
    (2, "system:kube-scheduler"),
    (1, "system:apiserver"),
    (1, "system:masters"),
    (2, "system:node:n1"),
    (1, "system:node:n2"),
    (1, "system:node:"),
    (2, "system:serviceaccount:countersign-system:countersign"),
];

fn caller() -> impl Strategy<Value = CallerIs> {
    let uid = prop_oneof![6 => Just("sa-uid"), 1 => Just("operator-uid"), 1 => Just("")];
    let username =
        prop::strategy::Union::new_weighted(USERNAMES.map(|(weight, name)| (weight, Just(name))).to_vec());
    let groups = vec(
        select(vec!["staff", "ops", "guests", "system:nodes", "system:masters"]),
        0..3,
    );
    (username, uid, groups).prop_map(|(username, uid, groups)| CallerIs {
        username,
        uid,
        groups,
    })
}

/// The glob of everything in the namespace of a deed.
fn all_of(namespace: Option<&str>) -> &'static str {
    match namespace {
        Some("billing") => "billing/**",
        Some("lab") => "lab/**",
        Some(_) => "attic/**",
        None => "@cluster/namespaces/*",
    }
}

/// The caller about whom a rule for what is asked speaks, and who asks it too rarely by chance.
fn of_rule(asks: &Asks, deed: &Deed) -> Option<CallerIs> {
    let (username, uid) = match asks {
        Asks::OperatorsOwn(_) => (OPERATOR, OPERATOR_UID),
        Asks::Permit(Permit::Policy { .. }) => (BOT, "sa-uid"),
        Asks::Deed if deed.operation == Operation::Delete => (BOT, "sa-uid"),
        _ => return None,
    };
    Some(CallerIs {
        username,
        uid,
        groups: Vec::new(),
    })
}

fn delegation() -> impl Strategy<Value = DelegationIs> {
    let username = select(vec![
        "system:serviceaccount:lab:stray",
        "system:serviceaccount:lab:stray",
        "system:serviceaccount:lab:stray",
        "system:serviceaccount:ci:bot",
        "system:kube-scheduler",
        "alice",
        "Alice",
    ]);
    let resource = prop_oneof![5 => select(RESOURCES.to_vec()), 1 => Just(("", "namespaces"))];
    let what = (
        resource,
        select(vec!["", "", "", "status", "status", "scale", "eviction"]),
        vec(operation(), 1..3),
    );
    let place = prop_oneof![
        2 => Just(WhereIs::ClusterScoped),
        3 => vec(select(NAMESPACES.to_vec()), 1..3).prop_map(WhereIs::Names),
        2 => select(vec!["gold", "tin"]).prop_map(WhereIs::Tier),
    ];
    let field = select(vec![
        "/spec",
        "/spec/a",
        "/sp",
        "/status",
        "/metadata/ownerReferences",
        "/metadata/labels",
    ]);
    let limits = (
        prop_oneof![1 => Just(Vec::new()), 1 => vec(field, 1..3)],
        prop_oneof![2 => Just(None), 1 => select(vec![-1, 0, 1, 900]).prop_map(Some)],
        prop::bool::weighted(0.1),
    );
    (username, what, place, limits).prop_map(
        |(username, (resource, subresource, operations), place, limits)| DelegationIs {
            username,
            subresource,
            resource,
            operations,
            place,
            fields: limits.0,
            ends: limits.1,
            degraded: limits.2,
        },
    )
}

fn window() -> impl Strategy<Value = WindowIs> {
    let times = select(vec![
        (-1800, 1),
        (-1800, 0),
        (0, 1800),
        (120, 1800),
        (121, 1800),
        (-10, 600),
    ]);
    (
        user(),
        times,
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.2),
    )
        .prop_map(|(person, (begins, ends), ended, reviewed)| WindowIs {
            person,
            begins,
            ends,
            ended,
            reviewed,
        })
}

fn window_change() -> impl Strategy<Value = WindowChange> {
    use WindowChange as W;
    select(vec![
        W::Nothing,
        W::End,
        W::End,
        W::Reopen,
        W::Lengthen,
        W::Remove,
        W::Review(0),
        W::Review(120),
        W::Review(121),
        W::ForeignReview,
    ])
}

fn open_flaw() -> impl Strategy<Value = OpenFlaw> {
    use OpenFlaw as F;
    select(vec![
        F::None,
        F::None,
        F::None,
        F::None,
        F::Unstamped,
        F::ForeignPerson,
        F::OtherCluster,
        F::OtherName,
        F::Over,
        F::Signed(-121),
        F::Signed(-120),
        F::Signed(120),
        F::Signed(121),
    ])
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
        6 => (any::<bool>(), any::<bool>(), any::<bool>(), any::<Option<bool>>())
            .prop_map(|(strict, passcode, alone, as_shown)| Permit::Policy { strict, passcode, alone, as_shown }),
        1 => Just(Permit::RemovePolicy),
        1 => Just(Permit::RemoveZone),
        1 => Just(Permit::Team),
        1 => Just(Permit::Delegation),
        1 => Just(Permit::Unsealed),
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
        O::TicketRemoval,
        O::TaskMaking,
        O::TaskRemoval,
        O::ReviewRemoval,
        O::Keys,
        O::Lease,
    ]);
    prop_oneof![
        16 => Just(Asks::Deed),
        3 => permit.prop_map(Asks::Permit),
        2 => ticket_flaw.prop_map(Asks::Ticket),
        6 => (0..3_usize, decision(), review_flaw).prop_map(|(index, decision, flaw)| Asks::Review(index, decision, flaw)),
        1 => own.prop_map(Asks::OperatorsOwn),
        2 => (open_flaw(), select(vec![1800, 7200, 7201])).prop_map(|(flaw, lasts)| Asks::Opens(flaw, lasts)),
        2 => (window(), window_change()).prop_map(|(window, change)| Asks::ChangesWindow(window, change)),
    ]
}

/// The delegation, for what is asked by who asks.
fn fitted(delegation: DelegationIs, caller: &CallerIs, deed: &Deed, asks: &Asks) -> DelegationIs {
    let (resource, subresource, operation) = match asks {
        Asks::Permit(permit) => {
            let operation = match permit {
                Permit::RemoveGrant(_) | Permit::RemovePolicy | Permit::RemoveZone => Operation::Delete,
                _ => Operation::Update,
            };
            let (resource, _) = crate::rules::permission_target(permit);
            (("countersign.dev", resource), "", operation)
        }
        _ => (deed.resource, deed.subresource, deed.operation),
    };
    DelegationIs {
        username: caller.username,
        resource,
        subresource,
        operations: vec![operation],
        ..delegation
    }
}

fn mutators() -> impl Strategy<Value = MutatorsAre> {
    let came = select(vec![5, 3598, 3599, 3600, 100_000]);
    let gone = option::of(select(vec![0, 10, 11, 12, 3609, 3610, 3611]));
    let one = (prop::bool::weighted(0.3), came, gone).prop_map(|(accepted, came, gone)| MutatorIs {
        accepted,
        came,
        gone,
    });
    prop_oneof![
        30 => Just(MutatorsAre::None),
        1 => Just(MutatorsAre::Unknown),
        8 => one.prop_map(MutatorsAre::One),
    ]
}

pub fn case() -> impl Strategy<Value = Case> {
    let policy = prop_oneof![20 => Just(PolicyIs::Loaded), 1 => Just(PolicyIs::Absent), 1 => Just(PolicyIs::Unreadable)];
    let switches = (
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.05),
        prop::bool::weighted(0.15),
        mutators(),
        prop::bool::weighted(0.7),
    );
    let people = (grants(), teams(), agents());
    let delegations = vec((delegation(), prop::bool::weighted(0.3)), 0..4);
    let places = (zones(), delegations, namespaces());
    let tickets = (
        vec(ticket(), 0..4),
        option::weighted(0.7, former()),
        vec(window(), 0..3),
    );
    let caller = (caller(), prop::bool::weighted(0.3));
    let home = option::weighted(0.6, select(vec!["agent:bot", "agent:bot", TEAMS[0]]));
    let beside = (0..3_usize, vec(intent(), 0..2), home);
    let write = (deed(), tickets, beside, caller, asks());
    (policy, switches, rules(), people, places, write).prop_map(
        |(policy, switches, rules, people, places, write)| {
            let (deed, (tickets, former, windows), (waiting, intents, home), (caller, fits), asks) = write;
            let caller = of_rule(&asks, &deed).filter(|_| fits).unwrap_or(caller);
            let mut zones = places.0;
            let mut teams = people.1;
            if let Some(owner) = home.filter(|_| caller.username == BOT) {
                zones.truncate(1);
                for zone in &mut zones {
                    zone.owner = owner;
                    zone.globs = vec![all_of(deed.namespace)];
                    zone.unreadable = false;
                }
                for team in teams.iter_mut().filter(|team| team.identity == owner) {
                    team.members.push("agent:bot");
                }
            }
            let asks = match asks {
                // Of those that there are, if any.
                Asks::Review(index, decision, flaw) => {
                    Asks::Review(index % tickets.len().max(1), decision, flaw)
                }
                other => other,
            };
            let is_readable = deed.shown == Shown::Whole;
            Case {
                policy,
                latched: switches.0,
                switched_off: switches.1,
                dry_run: switches.2,
                mutators: switches.3,
                passcode_is_set: switches.4,
                rules,
                grants: people.0,
                teams,
                agents: people.2,
                zones,
                delegations: places
                    .1
                    .into_iter()
                    .map(|(delegation, fits)| {
                        if fits {
                            fitted(delegation, &caller, &deed, &asks)
                        } else {
                            delegation
                        }
                    })
                    .collect(),
                namespaces: places.2,
                // What cannot be read has no hashes, so there is no ticket for it.
                asks: if is_readable { asks } else { Asks::Deed },
                tickets: if is_readable { tickets } else { Vec::new() },
                former: former.filter(|_| is_readable),
                deed,
                intents,
                windows,
                waiting,
                caller,
            }
        },
    )
}
