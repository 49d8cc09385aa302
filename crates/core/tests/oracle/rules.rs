//! The rules, naively: plain lists, one step after the other, nothing shared with the engine but names.

use countersign_core::{
    decision::Reason,
    environment::Environment,
    request::Operation::{self, Connect, Create, Delete, Update},
    review::ReviewDecision,
    role::Role,
};

use crate::world::{
    AgentIs, Asks, Case, ClaimIs, Content, Deed, DelegationIs, IntentIs, MutatorIs, MutatorsAre, NamespaceIs,
    OpenFlaw, OperatorsOwn, Permit, PolicyIs, ReviewFlaw, ReviewIs, Rules, SINCE, Shown, Signed, StateIs,
    TicketFlaw, TicketIs, WhereIs, WindowChange, WindowIs, ZoneIs,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Allow(Reason),
    /// With the approval of so many.
    NeedsTicket(u32),
    Deny(Reason),
}

use Verdict::{Allow, Deny, NeedsTicket};

pub const OPERATOR: &str = "system:serviceaccount:countersign-system:countersign";
pub const OPERATOR_UID: &str = "operator-uid";

/// The verdict, and what is enforced of it.
pub fn judge(case: &Case) -> (Verdict, Verdict) {
    let verdict = verdict(case);
    let blocks = is_strict_mode(case) && !case.switched_off;
    let in_window = is_let_pass(case);
    let relaxed = match verdict {
        Allow(_) => false,
        Deny(_) | NeedsTicket(_) if is_held(case) || lets_agent_in(case) => false,
        Deny(reason) if is_integrity(reason) || is_workflow(case) => false,
        Deny(reason) if is_fail_closed(reason) => !blocks,
        NeedsTicket(_) | Deny(_) => !blocks || warns(case),
    };
    let enforced = match verdict {
        _ if relaxed => Allow(Reason::Relaxed),
        NeedsTicket(_) if in_window => Allow(Reason::Emergency),
        Deny(reason)
            if in_window
                && !is_integrity(reason)
                && !is_fail_closed(reason)
                // No window gives a role.
                && reason != Reason::ReaderWrites =>
        {
            Allow(Reason::Emergency)
        }
        // It stores nothing, and tells what to ask for.
        NeedsTicket(_) if case.dry_run => Allow(Reason::Preview),
        verdict => verdict,
    };
    (verdict, enforced)
}

fn is_integrity(reason: Reason) -> bool {
    use Reason as R;
    [
        R::Malformed,
        R::Invalid,
        R::ZoneOverlap,
        R::TooFewAdmins,
        R::OperatorOnly,
        R::Immutable,
        R::ForeignSubject,
        R::BindingMismatch,
        R::IneligibleReviewer,
        R::BadProof,
        R::BreakGlassRefused,
        R::StrictMode,
        R::PermissionsChanged,
        R::Unsealed,
        R::IntentRequired,
    ]
    .contains(&reason)
}

fn is_fail_closed(reason: Reason) -> bool {
    [
        Reason::PolicyUnreadable,
        Reason::PolicyMissing,
        Reason::Unreadable,
        Reason::ZoneContested,
    ]
    .contains(&reason)
}

fn is_workflow(case: &Case) -> bool {
    use OperatorsOwn as O;
    matches!(
        case.asks,
        Asks::Ticket(_)
            | Asks::Review(..)
            | Asks::Opens(..)
            | Asks::ChangesWindow(..)
            | Asks::OperatorsOwn(
                O::TicketStatus
                    | O::TicketChange
                    | O::TicketRemoval
                    | O::ReviewRemoval
                    | O::TaskMaking
                    | O::TaskRemoval
            )
    )
}

fn is_strict_mode(case: &Case) -> bool {
    match case.policy {
        PolicyIs::Loaded => {
            let needed = if case.rules.passcode { 1 } else { 2 };
            let is_set = !case.rules.passcode || case.passcode_is_set;
            case.rules.strict && (case.latched || (is_set && live_admins(case, None).len() >= needed))
        }
        PolicyIs::Absent | PolicyIs::Unreadable => case.latched,
    }
}

/// The rules in force: with no policy what ships, and of an unreadable one nothing.
fn rules(case: &Case) -> Option<Rules> {
    match case.policy {
        PolicyIs::Loaded => Some(case.rules.clone()),
        PolicyIs::Unreadable => None,
        PolicyIs::Absent => Some(Rules {
            strict: false,
            locked: false,
            passcode: false,
            for_everyone: false,
            environments: Vec::new(),
            corp_prefix: false,
            default_environment: Environment::Prod,
            default_role: Role::Reader,
            default_review: false,
            min_reviewers: 1,
            public: Vec::new(),
            unzoned_prod: Role::Admin,
            unzoned_elsewhere: Role::Contributor,
            review_rules: Vec::new(),
            group_roles: Vec::new(),
            agent_owner_may_review: false,
            signed_in_prod: false,
            max_pending: 50,
            rollback_window: None,
        }),
    }
}

/// Prod and preview block and dev and test warn, unless the policy says. An environment that was not found out, for
/// want of rules or because something ended the chain before, is prod.
fn warns(case: &Case) -> bool {
    let rules = rules(case);
    let environment = rules
        .as_ref()
        .map_or(Environment::Prod, |_| environment_asked(case));
    let environments = rules.map(|rules| rules.environments).unwrap_or_default();
    match environments.iter().find(|rule| rule.environment == environment) {
        Some(rule) => rule.warns,
        None => matches!(environment, Environment::Dev | Environment::Test),
    }
}

fn environment_asked(case: &Case) -> Environment {
    match &case.asks {
        Asks::Deed => environment(case),
        Asks::Permit(_)
        | Asks::OperatorsOwn(_)
        | Asks::Ticket(_)
        | Asks::Review(..)
        | Asks::Opens(..)
        | Asks::ChangesWindow(..) => Environment::Prod,
    }
}

/// The environment that the deed is judged by: what yields somebody's credential is a deed in prod.
pub fn environment(case: &Case) -> Environment {
    match yielded(&case.deed, case) {
        Some(_) => Environment::Prod,
        None => environment_of_place(case),
    }
}

/// The environment that the deed lands in.
pub fn environment_of_place(case: &Case) -> Environment {
    let rules = rules(case).unwrap_or_else(|| case.rules.clone());
    let deed = &case.deed;
    if let Some(namespace) = deed.namespace {
        return match case.namespaces.iter().find(|known| known.name == namespace) {
            Some(known) => of_known(known, &rules),
            None => by_labels(namespace, None, None, &rules),
        };
    }
    if deed.resource.1 == "namespaces" {
        let remembered = case.namespaces.iter().find(|known| known.name == deed.name);
        let remembered = remembered.map(|known| of_known(known, &rules));
        let known = || remembered.unwrap_or_else(|| by_labels(deed.name, None, None, &rules));
        let (old, new) = deed.labels;
        let old = || by_labels(deed.name, old, None, &rules);
        let new = || by_labels(deed.name, new, None, &rules);
        return match (deed.operation, deed.subresource) {
            (Create | Connect, subresource) if !subresource.is_empty() => known(),
            (Delete, _) if deed.shown == Shown::Not => known(),
            // Nobody lowers a place by a label that cannot be read.
            _ if deed.shown == Shown::Garbled => Environment::Prod,
            (Create | Connect, _) => new().max(remembered.unwrap_or(Environment::Dev)),
            (Update, _) => old().max(new()).max(remembered.unwrap_or(Environment::Dev)),
            (Delete, _) => old().max(remembered.unwrap_or(Environment::Dev)),
        };
    }
    let scoped = rules.environments.iter().find(|rule| rule.cluster_scoped);
    scoped.map_or(Environment::Prod, |rule| rule.environment)
}

/// Labels that nobody judged take no namespace out of prod.
fn of_known(known: &NamespaceIs, rules: &Rules) -> Environment {
    if !known.sealed {
        return Environment::Prod;
    }
    by_labels(known.name, known.environment, known.tier, rules)
}

fn by_labels(name: &str, label: Option<&str>, tier: Option<&str>, rules: &Rules) -> Environment {
    match label {
        Some("dev") => return Environment::Dev,
        Some("test") => return Environment::Test,
        Some("preview") => return Environment::Preview,
        Some(_) => return Environment::Prod,
        None => {}
    }
    for rule in &rules.environments {
        if rule.namespace == Some(name) || (rule.tier.is_some() && rule.tier == tier) {
            return rule.environment;
        }
    }
    rules.default_environment
}

fn verdict(case: &Case) -> Verdict {
    if let Asks::Deed = case.asks
        && is_unguarded(case)
    {
        return Allow(Reason::NotGuarded);
    }
    let is_operator = case.caller.username == OPERATOR && case.caller.uid == OPERATOR_UID;
    if is_operator {
        return if is_operators_work(case) {
            Allow(Reason::Operator)
        } else {
            Deny(Reason::OperatorOnly)
        };
    }
    if let Asks::OperatorsOwn(own) = case.asks
        && let Some(denied) = operators_alone(own, case)
    {
        return denied;
    }
    if let Asks::ChangesWindow(_, WindowChange::Remove) = case.asks {
        return Deny(Reason::Immutable);
    }
    if is_built_in(case) {
        return Allow(Reason::Delegated);
    }
    if let Asks::Permit(permit) = &case.asks
        && let Some(reason) = broken_integrity(permit, case)
    {
        return Deny(reason);
    }
    // Whether it ends something cannot be read.
    let is_garbled_update = case.deed.shown == Shown::Garbled && case.deed.operation == Update;
    if agent_of_account(case).is_some() && is_garbled_update && !is_same_text(&case.deed) {
        return Deny(Reason::Malformed);
    }
    let Some(rules) = rules(case) else {
        return Deny(Reason::PolicyUnreadable);
    };
    if case.policy == PolicyIs::Absent && case.latched {
        return Deny(Reason::PolicyMissing);
    }
    let who = identity(case, &rules);
    if let Asks::Deed = case.asks {
        if names_an_account(&case.deed, case) && case.deed.shown == Shown::Garbled {
            return Deny(Reason::Malformed);
        }
        if is_delegated(case, &who) {
            return match yielded(&case.deed, case) {
                Some(_) => Deny(Reason::StolenIdentity),
                None => Allow(Reason::Delegated),
            };
        }
    }
    let actor = who.and_then(|who| actor(who, case, &rules));
    if let Asks::Permit(Permit::Policy { strict, alone, .. }) = &case.asks
        && (may_not_switch(*strict, case, &rules, actor.as_ref().ok())
            || is_locked(*strict, *alone, case, &rules))
    {
        return Deny(Reason::StrictMode);
    }
    let actor = match actor {
        Ok(actor) => actor,
        Err(reason) => return Deny(reason),
    };
    let verdict = among_people(case, &actor, &rules);
    match verdict {
        Allow(Reason::Approved | Reason::NoOp) | Deny(_) => verdict,
        Allow(_) | NeedsTicket(_) if is_unexplained(case) => Deny(Reason::IntentRequired),
        _ => verdict,
    }
}

fn among_people(case: &Case, actor: &Actor, rules: &Rules) -> Verdict {
    match &case.asks {
        Asks::Ticket(flaw) => ticket_made(*flaw, case, actor, rules),
        Asks::Review(index, decision, flaw) => review_made(*index, *decision, *flaw, case, actor, rules),
        Asks::Permit(permit) => permission_written(permit, case, actor, rules),
        Asks::Opens(flaw, lasts) => window_opened(*flaw, *lasts, case, actor, rules),
        Asks::ChangesWindow(window, change) => window_changed(window, *change, actor),
        Asks::Deed => deed_done(case, actor, rules),
        // Leases and keys of the operator's namespace are writes like any other for who gets here.
        Asks::OperatorsOwn(_) => lease_written(case, actor, rules),
    }
}

/// Whether the request ends something, or sets a time for its end.
fn ends(case: &Case) -> bool {
    let deed = &case.deed;
    match (&case.asks, deed.operation) {
        (Asks::Permit(Permit::RemoveGrant(_) | Permit::RemovePolicy | Permit::RemoveZone), _)
        | (Asks::Deed, Delete) => true,
        (Asks::Deed, Create) => deed.subresource == "eviction",
        (Asks::Deed, Update) => {
            // The body of a Scale tells of replicas alone.
            let scales = deed.content == Content::Replicas;
            let others = [
                Content::OwnerReferences,
                Content::SpecAndOwnerReferences,
                Content::Finalizers,
                Content::Lifetime,
            ];
            scales || others.contains(&deed.content)
        }
        _ => false,
    }
}

/// Whether an agent of the role `agent` ends something that it did not explain in the last quarter of an hour.
fn is_unexplained(case: &Case) -> bool {
    let Some(agent) = agent_of_account(case).filter(|_| ends(case)) else {
        return false;
    };
    let explains = |intent: &IntentIs| {
        let is_about_it = intent.is_about_deed && matches!(case.asks, Asks::Deed);
        let is_its = intent.agent == agent.identity && intent.is_of_key;
        is_its && is_about_it && intent.seconds_ago < 900
    };
    !case.intents.iter().any(explains)
}

/// Whether an agent asks for what nothing relaxes: what it did not explain, also as far as nobody can tell, and what
/// permits.
fn is_held(case: &Case) -> bool {
    let is_missing = case.policy == PolicyIs::Absent && case.latched;
    let is_told = rules(case).is_some() && !is_missing;
    let Some(_) = agent_of_account(case) else {
        return false;
    };
    matches!(case.asks, Asks::Permit(_)) || if is_told { is_unexplained(case) } else { ends(case) }
}

/// The agent of the role `agent` that lists the account, whether it may act or not; of several the first by name.
fn agent_of_account(case: &Case) -> Option<&AgentIs> {
    let listing = agents_of_account(case).filter(|agent| agent.role == Role::Agent);
    listing.min_by_key(|agent| agent.identity)
}

/// The agents of any role that list the account, whether they may act or not.
fn agents_of_account(case: &Case) -> impl Iterator<Item = &AgentIs> {
    let account = case.caller.username.strip_prefix("system:serviceaccount:");
    let lists = move |agent: &&AgentIs| {
        let mut listed = agent.accounts.iter();
        listed.any(|(listed, _)| Some(*listed) == account)
    };
    case.agents.iter().filter(lists)
}

/// The owner of a zone of people's which an agent would own, or in which it would cooperate, that did not before.
fn owner_whose_zone_an_agent_enters(case: &Case) -> Option<&'static str> {
    let Asks::Permit(Permit::Zone(next)) = &case.asks else {
        return None;
    };
    let inside = |zone: &ZoneIs| {
        let mut named = zone.cooperators.clone();
        named.push(zone.owner);
        for team in &case.teams {
            if named.contains(&team.identity) {
                named.extend(&team.members);
            }
        }
        named.retain(|who| who.starts_with("agent:"));
        named
    };
    let present = case.zones.iter().find(|zone| zone.name == next.name)?;
    let enters = inside(next).iter().any(|who| !inside(present).contains(who));
    // Of a zone that cannot be read nobody knows whose it is.
    (enters && !present.unreadable && !present.owner.starts_with("agent:")).then_some(present.owner)
}

/// Whether that is not for the owner to do, or whoever belongs to the team that owns.
fn lets_agent_in(case: &Case) -> bool {
    let is_missing = case.policy == PolicyIs::Absent && case.latched;
    let Some(rules) = rules(case).filter(|_| !is_missing) else {
        return false;
    };
    let actor = identity(case, &rules).and_then(|who| actor(who, case, &rules));
    let owner = owner_whose_zone_an_agent_enters(case);
    owner.is_some_and(|owner| !actor.is_ok_and(|actor| actor.is_human() && actor.is_or_belongs_to(owner)))
}

/// Whether a person is known who could acknowledge it.
fn can_be_asked(owner: &str, case: &Case) -> bool {
    if let Some(team) = case.teams.iter().find(|team| team.identity == owner) {
        return team.members.iter().any(|who| who.starts_with("user:"));
    }
    let by_grant = case.grants.iter().any(|grant| grant.identity == owner);
    let by_team = case.teams.iter().any(|team| team.members.contains(&owner));
    owner.starts_with("user:") && (by_grant || by_team)
}

/// The object of a deed as an intent names it.
pub fn named(deed: &Deed, environment: Environment) -> String {
    let (group, resource) = deed.resource;
    let dot = if group.is_empty() { "" } else { "." };
    let project = deed.namespace.unwrap_or("@cluster");
    format!("{resource}{dot}{group}:{project}/{environment}/{}", deed.name)
}

fn is_unguarded(case: &Case) -> bool {
    let deed = &case.deed;
    match deed.resource.1 {
        "events" => deed.subresource.is_empty(),
        "selfsubjectaccessreviews" => deed.operation == Create && deed.subresource.is_empty(),
        // `kube-system` and the operator's namespace hold no generated lease but the operator's.
        "leases" => {
            let mut parts = case.caller.username.split(':');
            let is_account = parts.next() == Some("system") && parts.next() == Some("serviceaccount");
            deed.subresource.is_empty() && is_account && parts.next() == deed.namespace
        }
        _ => false,
    }
}

fn is_operators_work(case: &Case) -> bool {
    use OperatorsOwn as O;
    match &case.asks {
        // It makes tickets and tasks, and removes tickets and reviews. It changes none of them and reviews nothing, and
        // a task goes with its owner.
        Asks::Deed | Asks::Permit(_) | Asks::Review(..) | Asks::Opens(..) | Asks::ChangesWindow(..) => false,
        Asks::OperatorsOwn(own) => !matches!(own, O::TicketChange | O::TaskRemoval),
        Asks::Ticket(_) => true,
    }
}

fn operators_alone(own: OperatorsOwn, case: &Case) -> Option<Verdict> {
    use OperatorsOwn as O;
    let ends = case.caller.username == "system:serviceaccount:kube-system:namespace-controller"
        && is_terminating("billing", case);
    let collects = case.caller.username == "system:serviceaccount:kube-system:generic-garbage-collector";
    match own {
        O::TicketStatus | O::ZoneStatus | O::Keys | O::TaskMaking => Some(Deny(Reason::OperatorOnly)),
        O::TaskRemoval if !ends && !collects => Some(Deny(Reason::OperatorOnly)),
        O::TicketChange => Some(Deny(Reason::Immutable)),
        O::TicketRemoval | O::ReviewRemoval if !ends => Some(Deny(Reason::Immutable)),
        O::TicketRemoval | O::ReviewRemoval | O::TaskRemoval | O::Lease => None,
    }
}

fn is_terminating(namespace: &str, case: &Case) -> bool {
    case.namespaces
        .iter()
        .any(|known| known.name == namespace && known.terminating)
}

/// What the members of the control plane among the callers do by themselves.
fn is_built_in(case: &Case) -> bool {
    let deed = &case.deed;
    let is_deed = matches!(case.asks, Asks::Deed);
    let only = |fields: &[&str]| deed.operation == Update && changes_only(deed, fields);
    let what = (deed.resource.1, deed.subresource);
    let adoption = ["/metadata/ownerReferences", "/metadata/finalizers"];
    if is_account_in_name_only(case) {
        return false;
    }
    match case.caller.username {
        // The API server itself, but for what permits and for tickets, reviews and tasks.
        "system:apiserver" => match case.asks {
            Asks::Deed => is_api_server(case) && deed.operation != Connect,
            Asks::OperatorsOwn(own) => is_api_server(case) && own == OperatorsOwn::Lease,
            Asks::Permit(_)
            | Asks::Ticket(_)
            | Asks::Review(..)
            | Asks::Opens(..)
            | Asks::ChangesWindow(..) => false,
        },
        "system:serviceaccount:kube-system:generic-garbage-collector" => {
            matches!(case.asks, Asks::OperatorsOwn(OperatorsOwn::TaskRemoval))
                || is_deed && (deed.operation == Delete || only(&adoption))
        }
        "system:serviceaccount:kube-system:replicaset-controller" => {
            is_deed && what == ("pods", "") && (matches!(deed.operation, Create | Delete) || only(&adoption))
        }
        "system:serviceaccount:kube-system:namespace-controller" => match case.asks {
            Asks::Deed => {
                deed.operation == Delete && deed.namespace.is_some_and(|name| is_terminating(name, case))
                    || (deed.operation == Update
                        && [("namespaces", "status"), ("namespaces", "finalize")].contains(&what))
            }
            Asks::OperatorsOwn(
                OperatorsOwn::TicketRemoval | OperatorsOwn::ReviewRemoval | OperatorsOwn::TaskRemoval,
            ) => is_terminating("billing", case),
            _ => false,
        },
        "system:kube-scheduler" => {
            is_deed
                && match what {
                    ("pods", "binding") => deed.operation == Create,
                    ("pods", "status") => only(&["/status"]),
                    ("pods", "") => deed.operation == Delete,
                    _ => false,
                }
        }
        // Tokens of the pods of its node; all pods are bound to n1, and none is being deleted.
        node if node.starts_with("system:node:") => {
            let reports = node == "system:node:n1" && what == ("pods", "status") && only(&["/status"]);
            let is_node = case.caller.groups.contains(&"system:nodes");
            let gets_token = deed.operation == Create && what == ("serviceaccounts", "token");
            is_deed && is_node && (reports || gets_token)
        }
        _ => false,
    }
}

/// A service account's token tells the uid of the account; who impersonates an account has none.
fn is_account_in_name_only(case: &Case) -> bool {
    let account = case.caller.username.strip_prefix("system:serviceaccount:");
    account.is_some_and(|account| account.contains(':')) && case.caller.uid.is_empty()
}

/// Its client of itself has a uid, and may do anything; who merely bears its name has neither.
fn is_api_server(case: &Case) -> bool {
    !case.caller.uid.is_empty() && case.caller.groups.contains(&"system:masters")
}

/// The granules that an update changes; of what cannot be read it cannot be told.
fn changed(deed: &Deed) -> Option<Vec<&'static str>> {
    let mut granules = match deed.content {
        _ if deed.shown != Shown::Whole => return None,
        Content::Nothing | Content::Bookkeeping | Content::Spelling => Vec::new(),
        Content::Spec => vec!["/spec/a"],
        Content::Containers => vec!["/spec/containers", "/spec/template"],
        Content::Account => vec!["/spec/serviceAccountName", "/spec/template"],
        Content::Status => vec!["/status/b"],
        Content::OwnerReferences => vec!["/metadata/ownerReferences"],
        Content::SpecAndOwnerReferences => vec!["/spec/a", "/metadata/ownerReferences"],
        Content::Finalizers => vec!["/metadata/finalizers"],
        Content::Replicas => vec!["/spec/replicas"],
        Content::Lifetime => vec!["/spec/ttlSecondsAfterFinished"],
    };
    if is_relabelled(deed) {
        granules.push("/metadata/labels/countersign.dev~1environment");
    }
    Some(granules)
}

fn is_relabelled(deed: &Deed) -> bool {
    deed.resource.1 == "namespaces" && deed.labels.0 != deed.labels.1
}

/// Whether all that an update changes is one of these fields, or lies below one.
fn changes_only(deed: &Deed, fields: &[&str]) -> bool {
    let is_below =
        |granule: &str, field: &&str| granule == *field || granule.starts_with(&format!("{field}/"));
    changed(deed).is_some_and(|changed| {
        changed
            .iter()
            .all(|granule| fields.iter().any(|field| is_below(granule, field)))
    })
}

fn broken_integrity(permit: &Permit, case: &Case) -> Option<Reason> {
    let strict = case.latched || (case.policy == PolicyIs::Loaded && case.rules.strict);
    let passcode = case.policy == PolicyIs::Loaded && case.rules.passcode;
    let live = live_admins(case, None);
    let needed = if passcode { 1 } else { 2 };
    let loses = |change| {
        let left = live_admins(case, Some(change));
        let remain = live.iter().filter(|who| left.contains(who)).count();
        (strict && remain < live.len() && remain < needed).then_some(Reason::TooFewAdmins)
    };
    match permit {
        Permit::Unsealed => Some(Reason::Unsealed),
        Permit::Invalid | Permit::Unknown => Some(Reason::Invalid),
        Permit::Zone(zone) => {
            let overlaps = case
                .zones
                .iter()
                .any(|other| other.name != zone.name && zones_meet(other, zone));
            overlaps.then_some(Reason::ZoneOverlap)
        }
        Permit::Agent(who, account) => {
            let shared = case.agents.iter().any(|other| {
                other.identity != *who && other.accounts.iter().any(|(listed, _)| listed == account)
            });
            (shared || has_delegation(account, case)).then_some(Reason::Invalid)
        }
        Permit::Delegation => {
            let listed = |agent: &AgentIs| agent.accounts.iter().any(|(listed, _)| *listed == "lab:robo");
            case.agents.iter().any(listed).then_some(Reason::Invalid)
        }
        Permit::Grant(name, who, role) => loses((*name, Some((*who, *role)))),
        Permit::RemoveGrant(name) => loses((*name, None)),
        Permit::RemovePolicy => strict.then_some(Reason::StrictMode),
        Permit::Policy {
            strict: next,
            passcode: next_passcode,
            as_shown,
            ..
        } => {
            let is_on = case.policy == PolicyIs::Loaded && case.rules.strict;
            let next_needed = if *next_passcode { 1 } else { 2 };
            if *next && live.len() < next_needed && (!is_on || (passcode && !next_passcode)) {
                return Some(Reason::TooFewAdmins);
            }
            if *next && *as_shown == Some(false) && !is_strict_mode(case) {
                return Some(Reason::PermissionsChanged);
            }
            None
        }
        Permit::RemoveZone | Permit::Team => None,
    }
}

/// Known, human, admin by every grant of their own, and seen; with one grant written anew, or gone.
type GrantChange<'a> = (&'a str, Option<(&'a str, Role)>);

fn live_admins(case: &Case, change: Option<GrantChange<'_>>) -> Vec<&'static str> {
    let mut live = Vec::new();
    for who in crate::world::USERS {
        let mut grants: Vec<(Role, bool)> = Vec::new();
        let mut seen_before = false;
        for grant in case.grants.iter().filter(|grant| grant.identity == who) {
            if change.is_some_and(|(name, _)| name == grant.name) {
                seen_before = grant.seen;
            } else {
                grants.push((grant.role, grant.seen));
            }
        }
        if let Some((_, Some((changed, role)))) = change
            && changed == who
        {
            grants.push((role, seen_before));
        }
        if grants.iter().all(|(role, _)| *role == Role::Admin) && grants.iter().any(|(_, seen)| *seen) {
            live.push(who);
        }
    }
    live
}

/// Off: by human admins. On: by anybody but an agent.
/// The lock stays as it is written, also where no policy is in force that says so.
fn may_not_switch(next: bool, case: &Case, rules: &Rules, actor: Option<&Actor>) -> bool {
    if agents_of_account(case).next().is_some() {
        return next != rules.strict || case.rules.locked != rules.locked;
    }
    rules.strict && !next && actor.is_none_or(|actor| !actor.is_human() || actor.role != Role::Admin)
}

/// While it is locked, only who has a window turns it off, and does nothing else with it.
fn is_locked(next: bool, alone: bool, case: &Case, rules: &Rules) -> bool {
    let unlocks = alone && caller_identity(case).is_some_and(|who| has_window(&who, case));
    rules.strict && rules.locked && !next && !unlocks
}

// Windows of break-glass.

/// A clock that is two minutes ahead may have signed it.
fn is_open(window: &WindowIs) -> bool {
    !window.ended && window.begins <= 120 && window.ends > 0
}

fn has_window(who: &str, case: &Case) -> bool {
    case.windows
        .iter()
        .any(|window| window.person == who && is_open(window))
}

/// Whether a window holds the rules off: for people, of what permits only the switch of strict mode.
fn is_let_pass(case: &Case) -> bool {
    let Some(who) = caller_identity(case).filter(|who| who.starts_with("user:")) else {
        return false;
    };
    if case.policy != PolicyIs::Loaded || is_workflow(case) {
        return false;
    }
    match &case.asks {
        Asks::Permit(Permit::Policy {
            strict: false,
            alone: true,
            ..
        }) => has_window(&who, case),
        // What permits, what is in the operator's namespace, and what outlasts a window.
        Asks::Permit(_) | Asks::OperatorsOwn(_) => false,
        Asks::Deed if yielded(&case.deed, case) == Some(Yields::ToOthers) => false,
        _ => has_window(&who, case) || (case.rules.for_everyone && case.windows.iter().any(is_open)),
    }
}

fn window_opened(flaw: OpenFlaw, lasts: i64, case: &Case, actor: &Actor, rules: &Rules) -> Verdict {
    if case.dry_run || !actor.is_human() || actor.role == Role::Reader {
        return Deny(Reason::BreakGlassRefused);
    }
    match flaw {
        OpenFlaw::ForeignPerson => return Deny(Reason::ForeignSubject),
        OpenFlaw::OtherCluster | OpenFlaw::OtherName | OpenFlaw::Over => {
            return Deny(Reason::BindingMismatch);
        }
        OpenFlaw::None | OpenFlaw::Unstamped | OpenFlaw::Signed(_) => {}
    }
    if !rules.passcode || lasts > 7200 {
        return Deny(Reason::BreakGlassRefused);
    }
    if let OpenFlaw::Signed(-121 | 121) = flaw {
        return Deny(Reason::BindingMismatch);
    }
    if has_window(&actor.identity, case) {
        return Deny(Reason::BreakGlassRefused);
    }
    match flaw {
        OpenFlaw::Unstamped => Deny(Reason::OperatorOnly),
        _ => Allow(Reason::Workflow),
    }
}

fn window_changed(window: &WindowIs, change: WindowChange, actor: &Actor) -> Verdict {
    let opened_it = actor.identity == window.person;
    let is_admin = actor.is_human() && actor.role == Role::Admin;
    match change {
        WindowChange::Lengthen => Deny(Reason::Immutable),
        WindowChange::Reopen if window.ended => Deny(Reason::Immutable),
        WindowChange::End if !window.ended && !opened_it && !is_admin => Deny(Reason::BreakGlassRefused),
        WindowChange::Review(_) | WindowChange::ForeignReview if window.reviewed => Deny(Reason::Immutable),
        WindowChange::ForeignReview => Deny(Reason::ForeignSubject),
        WindowChange::Review(_) if !is_admin || opened_it => Deny(Reason::IneligibleReviewer),
        WindowChange::Review(_) if is_open(window) => Deny(Reason::BindingMismatch),
        WindowChange::Review(121) => Deny(Reason::BindingMismatch),
        _ => Allow(Reason::Workflow),
    }
}

// Identity and role.

#[derive(Clone)]
pub struct Actor {
    identity: String,
    teams: Vec<&'static str>,
    role: Role,
}

impl Actor {
    fn is_human(&self) -> bool {
        self.identity.starts_with("user:")
    }

    fn is_or_belongs_to(&self, holder: &str) -> bool {
        self.identity == holder || self.teams.contains(&holder)
    }
}

/// The identity of the caller, if any.
pub fn caller_identity(case: &Case) -> Option<String> {
    let rules = rules(case).unwrap_or_else(|| case.rules.clone());
    identity(case, &rules).ok()
}

fn identity(case: &Case, rules: &Rules) -> Result<String, Reason> {
    let name = case.caller.username;
    let account = name.strip_prefix("system:serviceaccount:");
    if let Some(account) = account.filter(|account| account.contains(':')) {
        let listing: Vec<_> = case
            .agents
            .iter()
            .filter(|agent| agent.accounts.iter().any(|(listed, _)| *listed == account))
            .collect();
        return match listing.as_slice() {
            [] => Err(Reason::UnregisteredAccount),
            [agent] => {
                let pinned = agent.accounts.iter().find(|(listed, _)| *listed == account);
                if pinned.and_then(|(_, uid)| *uid) == Some(case.caller.uid) {
                    Ok(agent.identity.to_owned())
                } else {
                    Err(Reason::ForeignAccount)
                }
            }
            _ => Err(Reason::AmbiguousAccount),
        };
    }
    if name.starts_with("system:") {
        return Err(Reason::SystemUser);
    }
    let (realm, name) = match name.strip_prefix("corp:") {
        Some(rest) if rules.corp_prefix => ("corp:", rest),
        _ => ("", name),
    };
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_lowercase()) {
        return Err(Reason::NotCanonical);
    }
    Ok(format!("user:{realm}{name}"))
}

fn actor(who: String, case: &Case, rules: &Rules) -> Result<Actor, Reason> {
    let groups = &case.caller.groups;
    let teams: Vec<_> = case
        .teams
        .iter()
        .filter(|team| {
            // Groups are of people.
            let by_group =
                who.starts_with("user:") && team.group.is_some_and(|group| groups.contains(&group));
            by_group || team.members.iter().any(|member| *member == who)
        })
        .map(|team| team.identity)
        .collect();
    if let Some(agent) = case.agents.iter().find(|agent| agent.identity == who) {
        if agent.suspended {
            return Err(Reason::AgentSuspended);
        }
        // An agent never holds admin: an object that says so cannot be relied on.
        if agent.degraded || agent.role == Role::Admin {
            return Err(Reason::AgentDegraded);
        }
        // Somebody answers for it, and its accounts are nobody else's.
        let answers = is_known(agent.owner, case);
        if !answers
            || agent
                .accounts
                .iter()
                .any(|(listed, _)| has_delegation(listed, case))
        {
            return Err(Reason::AgentDegraded);
        }
        let role = agent.role;
        return Ok(Actor {
            identity: who,
            teams,
            role,
        });
    }
    let group_roles = rules.group_roles.iter().filter(|(name, _)| groups.contains(name));
    let role = human_role(
        &who,
        &teams,
        group_roles.map(|(_, role)| *role).collect(),
        case,
        rules,
    );
    Ok(Actor {
        identity: who,
        teams,
        role,
    })
}

/// Whether somebody can be this person.
fn is_known(person: &str, case: &Case) -> bool {
    case.grants.iter().any(|grant| grant.identity == person)
        || case.teams.iter().any(|team| team.members.contains(&person))
}

/// Whether a delegation, in force or not, is for this service account.
fn has_delegation(account: &str, case: &Case) -> bool {
    let username = format!("system:serviceaccount:{account}");
    case.delegations
        .iter()
        .any(|delegation| delegation.username == username)
}

/// Power among people; `agent` gives a human nothing.
fn power(role: Role) -> u8 {
    match role {
        Role::Agent | Role::Reader => 0,
        Role::Contributor => 1,
        Role::Admin => 2,
    }
}

fn human_role(who: &str, teams: &[&str], by_group: Vec<Role>, case: &Case, rules: &Rules) -> Role {
    let mut all = by_group;
    for holder in std::iter::once(who).chain(teams.iter().copied()) {
        let own = case.grants.iter().filter(|grant| grant.identity == holder);
        // Grants that contradict each other give the least.
        all.extend(own.map(|grant| grant.role).min_by_key(|role| power(*role)));
    }
    let highest = all.into_iter().max_by_key(|role| power(*role));
    match highest.unwrap_or(rules.default_role) {
        Role::Agent => Role::Reader,
        role => role,
    }
}

// Stolen identities.

/// To whom a deed yields a credential.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Yields {
    /// To whoever reads the token, or runs in the pod, and could not before.
    ToOthers,
    /// To what already runs with it, and now runs something else or is reached into.
    ToWhatRuns,
}

/// What a deed does to the credential of an agent or of the subject of a delegation.
fn yielded(deed: &Deed, case: &Case) -> Option<Yields> {
    use Yields::{ToOthers, ToWhatRuns};
    let account = match deed.resource.1 {
        "serviceaccounts" => deed.name,
        "pods" => deed.account?,
        "deployments" => deed.account.unwrap_or("default"),
        _ => return None,
    };
    if !is_somebodys(&format!("{}:{account}", deed.namespace?), case) {
        return None;
    }
    let owners = [Content::OwnerReferences, Content::SpecAndOwnerReferences].contains(&deed.content);
    match (deed.resource.1, deed.operation, deed.subresource) {
        ("serviceaccounts", Create, "" | "token")
        | ("serviceaccounts", Delete, _)
        | ("pods" | "deployments", Create, "") => Some(ToOthers),
        ("serviceaccounts", Update, "") => owners.then_some(ToOthers),
        ("pods", Update, "ephemeralcontainers") | ("pods" | "deployments", Update, "") => {
            match deed.content {
                Content::Account => Some(ToOthers),
                Content::Containers => Some(ToWhatRuns),
                _ => None,
            }
        }
        ("pods", Connect, _) => Some(ToWhatRuns),
        _ => None,
    }
}

fn is_somebodys(account: &str, case: &Case) -> bool {
    let listed = |agent: &AgentIs| agent.accounts.iter().any(|(listed, _)| *listed == account);
    let username = format!("system:serviceaccount:{account}");
    case.agents.iter().any(listed)
        || case
            .delegations
            .iter()
            .any(|delegation| delegation.username == username)
}

/// Whether the deed writes what is there already.
fn is_same_text(deed: &Deed) -> bool {
    deed.operation == Update && deed.content == Content::Nothing && !is_relabelled(deed)
}

/// Whether what the deed writes may name an account, so that it has to be read.
fn names_an_account(deed: &Deed, case: &Case) -> bool {
    let writes = match deed.operation {
        Create => true,
        Update => !is_same_text(deed),
        Delete | Connect => false,
    };
    let account = || format!("{}:{}", deed.namespace.unwrap_or_default(), deed.name);
    match (deed.resource.1, deed.subresource) {
        ("pods" | "deployments" | "secrets", "") | ("pods", "ephemeralcontainers") => writes,
        ("serviceaccounts", "") => writes && deed.operation == Update && is_somebodys(&account(), case),
        _ => false,
    }
}

// Delegations.

fn is_delegated(case: &Case, who: &Result<String, Reason>) -> bool {
    let named = matches!(
        who,
        Ok(_) | Err(Reason::AmbiguousAccount | Reason::ForeignAccount | Reason::NotCanonical)
    );
    if named {
        return false;
    }
    case.delegations.iter().any(|delegation| covers(delegation, case))
}

fn covers(delegation: &DelegationIs, case: &Case) -> bool {
    let deed = &case.deed;
    let holds_there = match (&delegation.place, deed.namespace) {
        (WhereIs::ClusterScoped, namespace) => namespace.is_none(),
        (WhereIs::Names(names), Some(namespace)) => names.contains(&namespace),
        (WhereIs::Tier(tier), Some(namespace)) => case
            .namespaces
            .iter()
            .any(|known| known.name == namespace && known.sealed && known.tier == Some(*tier)),
        (WhereIs::Names(_) | WhereIs::Tier(_), None) => false,
    };
    let mut fields = delegation.fields.clone();
    if delegation.subresource == "status" {
        fields.push("/status");
    }
    // The whole object is made or removed, a body is none of the object's fields, a connection has none.
    let changes_within = fields.is_empty() || (deed.operation == Update && changes_only(deed, &fields));
    delegation.username == case.caller.username
        && !is_account_in_name_only(case)
        && delegation.username.starts_with("system:")
        && delegation.resource == deed.resource
        && delegation.subresource == deed.subresource
        && delegation.operations.contains(&deed.operation)
        && holds_there
        && changes_within
        && delegation.ends.is_none_or(|left| left > 0)
        && !delegation.degraded
}

// Zones.

/// The patterns without alternation that a pattern stands for.
fn alternatives(glob: &str) -> Vec<String> {
    let braces = glob
        .split_once('{')
        .and_then(|(before, rest)| Some((before, rest.split_once('}')?)));
    let Some((before, (choices, after))) = braces else {
        return vec![glob.to_owned()];
    };
    choices
        .split(',')
        .flat_map(|choice| alternatives(&format!("{before}{choice}{after}")))
        .collect()
}

/// The three segments of a pattern; `**` is its last one and stands for all that follow.
fn segments(glob: &str) -> Vec<String> {
    let mut segments: Vec<String> = glob.split('/').map(str::to_owned).collect();
    if segments.last().is_some_and(|last| last == "**") {
        segments.pop();
        segments.resize(3, "*".to_owned());
    }
    segments
}

/// What one character of a segment may be, or `None` for any text.
type Piece = Option<String>;

fn pieces(segment: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = segment.chars();
    while let Some(c) = rest.next() {
        pieces.push(match c {
            '*' => None,
            '?' => Some("abcdefghijklmnopqrstuvwxyz0123456789-.@".to_owned()),
            '[' => {
                let class: String = rest.by_ref().take_while(|c| *c != ']').collect();
                let ends = class.chars().next().zip(class.chars().last());
                Some(ends.into_iter().flat_map(|(first, last)| first..=last).collect())
            }
            c => Some(c.to_string()),
        });
    }
    pieces
}

/// Whether some text is of both patterns.
fn pieces_meet(a: &[Piece], b: &[Piece]) -> bool {
    match (a, b) {
        ([], []) => true,
        ([None, rest @ ..], other) | (other, [None, rest @ ..]) => {
            let star = if a.first() == Some(&None) { a } else { b };
            pieces_meet(rest, other) || matches!(other, [_, others @ ..] if pieces_meet(star, others))
        }
        ([Some(a), rest @ ..], [Some(b), others @ ..]) => {
            a.chars().any(|c| b.contains(c)) && pieces_meet(rest, others)
        }
        _ => false,
    }
}

/// Whether two patterns have an object in common.
fn meet(a: &str, b: &str) -> bool {
    alternatives(a).iter().any(|a| {
        alternatives(b).iter().any(|b| {
            segments(a)
                .iter()
                .zip(&segments(b))
                .all(|(a, b)| pieces_meet(&pieces(a), &pieces(b)))
        })
    })
}

fn zones_meet(a: &ZoneIs, b: &ZoneIs) -> bool {
    a.globs.iter().any(|a| b.globs.iter().any(|b| meet(a, b)))
}

struct Place {
    project: &'static str,
    resource: String,
    name: &'static str,
}

impl Place {
    fn of(deed: &Deed) -> Self {
        let (group, resource) = deed.resource;
        Self {
            project: deed.namespace.unwrap_or("@cluster"),
            resource: if group.is_empty() {
                resource.to_owned()
            } else {
                format!("{resource}.{group}")
            },
            name: deed.name,
        }
    }

    fn is_under(&self, glob: &str) -> bool {
        meet(glob, &format!("{}/{}/{}", self.project, self.resource, self.name))
    }

    /// The zone of the place, `Err` when several claim it or it cannot be read.
    fn zone<'a>(&self, case: &'a Case) -> Result<Option<&'a ZoneIs>, Reason> {
        let holding: Vec<_> = case
            .zones
            .iter()
            .filter(|zone| zone.globs.iter().any(|glob| self.is_under(glob)))
            .collect();
        match holding.as_slice() {
            [] => Ok(None),
            [zone] if !zone.unreadable => Ok(Some(zone)),
            _ => Err(Reason::ZoneContested),
        }
    }
}

fn standing(
    place: &Place,
    environment: Environment,
    case: &Case,
    actor: &Actor,
    rules: &Rules,
) -> Result<bool, Reason> {
    if let Some(zone) = place.zone(case)? {
        return in_zone(zone, actor, rules);
    }
    if environment != Environment::Prod && rules.public.iter().any(|glob| place.is_under(glob)) {
        return Ok(false);
    }
    let least = if environment == Environment::Prod {
        rules.unzoned_prod
    } else {
        rules.unzoned_elsewhere
    };
    if actor.is_human() && power(actor.role) >= power(least) {
        Ok(false)
    } else {
        Err(Reason::Unzoned)
    }
}

fn in_zone(zone: &ZoneIs, actor: &Actor, rules: &Rules) -> Result<bool, Reason> {
    let through_team = actor.teams.contains(&zone.owner);
    let is_admin = actor.role == Role::Admin;
    if actor.identity == zone.owner || (through_team && actor.is_human()) || is_admin {
        return Ok(false);
    }
    let cooperates = zone
        .cooperators
        .iter()
        .any(|holder| actor.is_or_belongs_to(holder));
    if through_team || cooperates {
        return Ok(zone.require_review.unwrap_or(rules.default_review));
    }
    Err(Reason::NotOfZone)
}

/// Whether somebody may end all that is in a namespace, zone by zone, and whether one of them asks for a review.
fn contents_end(namespace: &str, case: &Case, actor: &Actor, rules: &Rules) -> Result<bool, Reason> {
    let names = |glob: &str| {
        let (segment, _) = glob.split_once('/').unwrap_or((glob, ""));
        !segment.starts_with(['*', '?', '[']) && pieces_meet(&pieces(segment), &pieces(namespace))
    };
    let is_about = |glob: &&str| alternatives(glob).iter().any(|glob| names(glob));
    let mut zones: Vec<_> = case.zones.iter().collect();
    zones.sort_by_key(|zone| zone.name);
    let mut reviewed = false;
    for zone in zones {
        if zone.globs.iter().any(is_about) {
            if zone.unreadable {
                return Err(Reason::ZoneContested);
            }
            reviewed |= in_zone(zone, actor, rules)?;
        }
    }
    Ok(reviewed)
}

// Writes.

fn deed_done(case: &Case, actor: &Actor, rules: &Rules) -> Verdict {
    if actor.role == Role::Reader {
        return Deny(Reason::ReaderWrites);
    }
    let (deed, environment) = (&case.deed, environment(case));
    if yielded(deed, case) == Some(Yields::ToOthers) && actor.role != Role::Admin {
        return Deny(Reason::StolenIdentity);
    }
    let place = Place::of(deed);
    let mut standing = standing(&place, environment, case, actor, rules);
    if deed.operation == Delete && deed.resource == ("", "namespaces") && deed.subresource.is_empty() {
        let inside = || contents_end(deed.name, case, actor, rules);
        standing = standing.and_then(|reviewed| Ok(inside()? || reviewed));
    }
    let reviewed = match standing {
        Ok(reviewed) => reviewed,
        Err(reason) => return Deny(reason),
    };
    if deed.operation == Update {
        match changed(deed) {
            _ if is_same_text(deed) => return Allow(Reason::NoOp),
            Some(changed) if changed.is_empty() => return Allow(Reason::NoOp),
            Some(_) => {}
            None => return Deny(Reason::Malformed),
        }
    }
    let by_rule = rules.review_rules.iter().any(|(glob, ..)| place.is_under(glob));
    // An approval explains it, too.
    let asks = reviewed || by_rule || is_unexplained(case);
    if environment != Environment::Prod && !asks {
        return Allow(Reason::Permitted);
    }
    if deed.generates_name {
        return Deny(Reason::GeneratedName);
    }
    match deed.shown {
        Shown::Whole => by_tickets(case, actor, rules),
        Shown::Garbled => Deny(Reason::Malformed),
        Shown::Not => Deny(Reason::Unreadable),
    }
}

fn permission_written(permit: &Permit, case: &Case, actor: &Actor, rules: &Rules) -> Verdict {
    match actor.role {
        Role::Reader => return Deny(Reason::ReaderWrites),
        Role::Contributor | Role::Agent => return Deny(Reason::AdminOnly),
        Role::Admin => {}
    }
    let (resource, name) = permission_target(permit);
    let place = Place {
        project: "@cluster",
        resource: format!("{resource}.countersign.dev"),
        name,
    };
    let unasked = owner_whose_zone_an_agent_enters(case).filter(|_| lets_agent_in(case));
    match standing(&place, Environment::Prod, case, actor, rules) {
        Ok(_) if unasked.is_some_and(|owner| !can_be_asked(owner, case)) => Deny(Reason::Invalid),
        Ok(_) => NeedsTicket(reviews_asked(&place, case, rules)),
        Err(reason) => Deny(reason),
    }
}

pub fn permission_target(permit: &Permit) -> (&'static str, &'static str) {
    match permit {
        Permit::Zone(zone) => ("zones", zone.name),
        Permit::RemoveZone => ("zones", "z0"),
        Permit::Grant(name, ..) | Permit::RemoveGrant(name) => ("rolegrants", name),
        Permit::Agent("agent:bot", _) => ("agents", "bot"),
        Permit::Agent(..) => ("agents", "robo"),
        Permit::Policy { .. } | Permit::RemovePolicy => ("accesspolicies", "default"),
        Permit::Team | Permit::Invalid => ("teams", "red"),
        Permit::Delegation => ("writedelegations", "new"),
        Permit::Unsealed => ("rolegrants", "g0"),
        Permit::Unknown => ("novelties", "x"),
    }
}

/// Of the operator's own only its Lease may be anybody's write, in an unlabelled prod namespace.
fn lease_written(case: &Case, actor: &Actor, rules: &Rules) -> Verdict {
    if actor.role == Role::Reader {
        return Deny(Reason::ReaderWrites);
    }
    let place = Place {
        project: "countersign-system",
        resource: "leases.coordination.k8s.io".to_owned(),
        name: "leader",
    };
    match standing(&place, Environment::Prod, case, actor, rules) {
        Ok(_) => NeedsTicket(reviews_asked(&place, case, rules)),
        Err(reason) => Deny(reason),
    }
}

// Tickets.

fn by_tickets(case: &Case, actor: &Actor, rules: &Rules) -> Verdict {
    let needs_ticket = if undoes(case, actor, rules) {
        Allow(Reason::Rollback)
    } else {
        NeedsTicket(reviews_asked(&Place::of(&case.deed), case, rules))
    };
    let matching: Vec<_> = case
        .tickets
        .iter()
        .filter(|ticket| {
            ticket.subject.is_none_or(|subject| subject == actor.identity)
                && ticket.environment.is_none_or(|named| named == environment(case))
                && ticket.same_content
        })
        .collect();
    let deed = &case.deed;
    let usable = |ticket: &&&TicketIs| is_usable(&ticket.state, deed) && is_approved(ticket, case, rules);
    if matching.iter().any(|ticket| usable(&ticket)) {
        return Allow(Reason::Approved);
    }
    if matching
        .iter()
        .any(|ticket| matches!(ticket.state, StateIs::Pending(left) if left > 0))
    {
        return needs_ticket;
    }
    let denied = |ticket: &&TicketIs| matches!(ticket.state, StateIs::Denied) && ticket.hours_old < 24;
    if matching.iter().any(denied) {
        return Deny(Reason::TicketDenied);
    }
    let held = |ticket: &&TicketIs| match &ticket.state {
        StateIs::Approved(left) => *left > 0,
        StateIs::Claimed { .. } => true,
        // It would admit this repetition, were it approved still.
        StateIs::Consumed(_) => is_usable(&ticket.state, deed),
        _ => false,
    };
    if matching.iter().any(held) {
        return Deny(Reason::TicketSpent);
    }
    needs_ticket
}

/// For a while after an approved change its subject may undo exactly that, once, without another approval: put back what
/// an update (or a scaling) replaced, or delete the object that was made, as it was made. A namespace holds what others
/// made and says which rules they follow; and what permits or yields an identity is approved in any case, as is what
/// says after whom an object goes.
fn undoes(case: &Case, actor: &Actor, rules: &Rules) -> bool {
    let deed = &case.deed;
    let has_inverse = match deed.operation {
        Update => {
            let of_its_end = ["/metadata/ownerReferences", "/metadata/finalizers"];
            let frees = changed(deed).is_some_and(|changed| changed.iter().any(|at| of_its_end.contains(at)));
            ["", "scale"].contains(&deed.subresource) && !frees
        }
        Delete => case
            .former
            .as_ref()
            .is_some_and(|former| SINCE[..2].contains(&former.since)),
        Create | Connect => false,
    };
    let permitting = [
        "apiextensions.k8s.io",
        "authorization.k8s.io",
        "certificates.k8s.io",
        "rbac.authorization.k8s.io",
    ];
    if deed.resource.1 == "namespaces" || permitting.contains(&deed.resource.0) {
        return false;
    }
    let (Some(window), Some(former)) = (rules.rollback_window, &case.former) else {
        return false;
    };
    let Some(ago) = former.used_ago.filter(|_| has_inverse && former.is_inverse) else {
        return false;
    };
    let may_once = match &former.undone {
        None => ago < window,
        // The same write is asked about again.
        Some(claim) => claim.same_bind && claim.seconds_ago < 75,
    };
    may_once
        && former.subject.is_none_or(|subject| subject == actor.identity)
        && former.environment.is_none_or(|named| named == environment(case))
        && yielded(deed, case).is_none()
}

fn is_usable(state: &StateIs, deed: &Deed) -> bool {
    let in_window = |claim: &ClaimIs| claim.same_bind && claim.seconds_ago < 75;
    match state {
        StateIs::Approved(left) => *left > 0,
        StateIs::Claimed { claim, stopped, .. } => {
            !stopped && in_window(claim) && matches!(deed.operation, Update | Delete)
        }
        StateIs::Consumed(claim) => match (deed.operation, deed.subresource) {
            (Delete, _) | (Create, "eviction") => in_window(claim),
            (Connect, "exec" | "attach" | "portforward") => {
                claim.same_bind && claim.seconds_ago < 5 && !claim.resent
            }
            _ => false,
        },
        StateIs::Pending(_) | StateIs::Denied | StateIs::Revoked | StateIs::Expired => false,
    }
}

fn is_approved(ticket: &TicketIs, case: &Case, rules: &Rules) -> bool {
    let counting: Vec<_> = ticket.reviews.iter().filter(|review| review.right_hash).collect();
    if counting
        .iter()
        .any(|review| review.decision != ReviewDecision::Approve)
    {
        return false;
    }
    let mut approvers: Vec<&str> = Vec::new();
    for review in counting {
        let who = reviewer(review.reviewer, case, rules);
        let may =
            may_review(&who, ReviewDecision::Approve, ticket, case, rules) && !mutated_then(ticket, case);
        let may = may && is_proven(review, ticket, case, rules);
        if !approvers.contains(&review.reviewer) && may {
            approvers.push(review.reviewer);
        }
    }
    approvers.len() >= reviews_asked(&Place::of(&case.deed), case, rules) as usize
}

/// Whether a review proves whose it is. The shipped policy lists nobody's key.
fn is_proven(review: &ReviewIs, ticket: &TicketIs, case: &Case, rules: &Rules) -> bool {
    match review.signed {
        Signed::Not => review.decision != ReviewDecision::Approve || !asks_for_signature(ticket, case, rules),
        Signed::ByReviewer => case.policy == PolicyIs::Loaded,
        Signed::ByStranger => false,
    }
}

/// Whether an approval of the ticket counts only when it is signed.
fn asks_for_signature(ticket: &TicketIs, case: &Case, rules: &Rules) -> bool {
    let bound = ticket.environment.unwrap_or_else(|| environment(case));
    rules.signed_in_prod && bound == Environment::Prod
}

/// The mutator that nobody accepted, in strict mode.
fn foreign_mutator(case: &Case) -> Option<MutatorIs> {
    match case.mutators {
        MutatorsAre::One(mutator) if case.latched => {
            let accepted = mutator.accepted && case.policy == PolicyIs::Loaded;
            (!accepted).then_some(mutator)
        }
        _ => None,
    }
}

/// Why nothing is requested or approved now.
fn mutated_now(case: &Case) -> Option<Reason> {
    if case.latched && matches!(case.mutators, MutatorsAre::Unknown) {
        return Some(Reason::Stale);
    }
    // It lingers for ten seconds, and what is made in the next is dated to them.
    let there = foreign_mutator(case).filter(|mutator| mutator.gone.is_none_or(|gone| gone <= 11));
    there.map(|_| Reason::ForeignMutator)
}

/// Whether the reviews of a ticket, which are as old as it, may have been changed.
fn mutated_then(ticket: &TicketIs, case: &Case) -> bool {
    let age = 3600 * ticket.hours_old;
    foreign_mutator(case).is_some_and(|mutator| {
        // A second later the mutator may have been there all the same.
        age <= mutator.came + 1 && mutator.gone.is_none_or(|gone| age >= gone - 10)
    })
}

/// How many people must approve there: the most that zone, rules and defaults ask, and at least one.
fn reviews_asked(place: &Place, case: &Case, rules: &Rules) -> u32 {
    let by_zone = place
        .zone(case)
        .ok()
        .flatten()
        .map_or(0, |zone| zone.min_reviewers);
    let by_rules = rules
        .review_rules
        .iter()
        .filter(|(glob, ..)| place.is_under(glob));
    let asked = by_rules.map(|(_, min, _)| *min);
    asked.chain([1, rules.min_reviewers, by_zone]).max().unwrap_or(1)
}

/// A reviewer who is not the one who calls: without directory groups.
fn reviewer(who: &str, case: &Case, rules: &Rules) -> Actor {
    let teams: Vec<_> = case
        .teams
        .iter()
        .filter(|team| team.members.contains(&who))
        .map(|team| team.identity)
        .collect();
    let role = human_role(who, &teams, Vec::new(), case, rules);
    Actor {
        identity: who.to_owned(),
        teams,
        role,
    }
}

fn owner_of<'a>(agent: &str, case: &'a Case) -> Option<&'a AgentIs> {
    case.agents.iter().find(|known| known.identity == agent)
}

fn may_review(who: &Actor, decision: ReviewDecision, ticket: &TicketIs, case: &Case, rules: &Rules) -> bool {
    let subject = subject_of(ticket, case);
    let requester = ticket.requester.map_or_else(|| subject.clone(), str::to_owned);
    // Who asks names the authors, and silences nobody who says no by that.
    let wrote = ticket.authors.iter().any(|author| *author == who.identity);
    let involved = who.identity == subject
        || who.identity == requester
        || (wrote && decision == ReviewDecision::Approve);
    let owns = owner_of(&subject, case).is_some_and(|agent| agent.owner == who.identity);
    if !who.is_human() || involved || (owns && !rules.agent_owner_may_review) {
        return false;
    }
    if who.role == Role::Admin {
        return true;
    }
    let place = Place::of(&case.deed);
    let Ok(Some(zone)) = place.zone(case) else {
        return false;
    };
    let by_rules = rules
        .review_rules
        .iter()
        .filter(|(glob, ..)| place.is_under(glob))
        .all(|(_, _, roles)| roles.contains(&who.role));
    let of_zone = std::iter::once(&zone.owner)
        .chain(&zone.cooperators)
        .chain(&zone.reviewers)
        .any(|holder| who.is_or_belongs_to(holder));
    zone.roles.contains(&who.role) && by_rules && of_zone
}

/// The subject of a ticket: who is named, else the caller, else alice.
pub fn subject_of(ticket: &TicketIs, case: &Case) -> String {
    match ticket.subject {
        Some(subject) => subject.to_owned(),
        None => caller_identity(case).unwrap_or_else(|| "user:alice".to_owned()),
    }
}

// Tickets and reviews that are made.

fn ticket_made(flaw: TicketFlaw, case: &Case, actor: &Actor, rules: &Rules) -> Verdict {
    use TicketFlaw as F;
    if let Some(reason) = mutated_now(case) {
        return Deny(reason);
    }
    let too_many = flaw != F::WrongPlace && case.waiting >= rules.max_pending;
    match flaw {
        F::Unstamped => Deny(Reason::OperatorOnly),
        _ if actor.role == Role::Reader => Deny(Reason::ReaderWrites),
        F::ForeignSubject => Deny(Reason::ForeignSubject),
        F::OtherCluster | F::WrongHash => Deny(Reason::BindingMismatch),
        // They are counted in each namespace.
        _ if too_many => Deny(Reason::TooManyPending),
        // Nothing was there to vanish.
        F::Vanished if !bound_uid(&case.deed) => Allow(Reason::Workflow),
        // The environment of a cluster-scoped object is looked at when the ticket is used.
        F::WrongEnvironment if case.deed.namespace.is_none() => Allow(Reason::Workflow),
        F::WrongPlace | F::WrongEnvironment | F::WrongChange | F::Vanished => Deny(Reason::BindingMismatch),
        F::None => Allow(Reason::Workflow),
    }
}

/// Where a ticket for the deed lives: with its target while that stays, else with the operator.
pub fn ticket_home(case: &Case) -> &'static str {
    let target = case.deed.namespace;
    let stays = case
        .namespaces
        .iter()
        .any(|known| Some(known.name) == target && !known.terminating);
    target.filter(|_| stays).unwrap_or("countersign-system")
}

/// Whether the deed is about an object that exists.
pub fn bound_uid(deed: &Deed) -> bool {
    deed.operation != Operation::Create || !deed.subresource.is_empty()
}

fn review_made(
    index: usize,
    decision: ReviewDecision,
    flaw: ReviewFlaw,
    case: &Case,
    actor: &Actor,
    rules: &Rules,
) -> Verdict {
    use ReviewDecision as D;
    if decision == D::Approve
        && let Some(reason) = mutated_now(case)
    {
        return Deny(reason);
    }
    if matches!(flaw, ReviewFlaw::Unstamped | ReviewFlaw::ForeignReviewer) {
        return Deny(Reason::OperatorOnly);
    }
    let Some(ticket) = case.tickets.get(index) else {
        return Deny(Reason::BindingMismatch);
    };
    if matches!(flaw, ReviewFlaw::OtherUid | ReviewFlaw::OtherHash) {
        return Deny(Reason::BindingMismatch);
    }
    let open = match &ticket.state {
        StateIs::Pending(_) => decision != D::Revoke,
        StateIs::Approved(_) => true,
        StateIs::Claimed { .. } => decision != D::Approve,
        _ => false,
    };
    let again = ticket
        .reviews
        .iter()
        .filter(|review| review.reviewer == actor.identity && review.decision == decision)
        .any(|review| is_proven(review, ticket, case, rules))
        && !mutated_then(ticket, case);
    if !open || again {
        return Deny(Reason::BindingMismatch);
    }
    let subject = subject_of(ticket, case);
    let may = if decision == D::Cancel {
        actor.identity == subject
            || ticket
                .requester
                .is_some_and(|requester| requester == actor.identity)
    } else {
        may_review(actor, decision, ticket, case, rules)
    };
    if !may {
        Deny(Reason::IneligibleReviewer)
    } else if decision == D::Approve && asks_for_signature(ticket, case, rules) {
        // None is made here.
        Deny(Reason::BadProof)
    } else {
        Allow(Reason::Workflow)
    }
}
