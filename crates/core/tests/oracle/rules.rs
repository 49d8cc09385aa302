//! The rules, naively: plain lists, one step after the other, nothing shared with the engine but names.

use countersign_core::{
    decision::Reason,
    environment::Environment,
    request::Operation::{self, Connect, Create, Delete, Update},
    review::ReviewDecision,
    role::Role,
};

use crate::world::{
    AgentIs, Asks, Case, ClaimIs, Content, Deed, OperatorsOwn, Permit, PolicyIs, ReviewFlaw, Rules, StateIs,
    TicketFlaw, TicketIs, ZoneIs,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Allow(Reason),
    NeedsTicket,
    Deny(Reason),
}

use Verdict::{Allow, Deny, NeedsTicket};

pub const OPERATOR: &str = "system:serviceaccount:countersign-system:countersign";
pub const OPERATOR_UID: &str = "operator-uid";

/// The verdict, and what is enforced of it.
pub fn judge(case: &Case) -> (Verdict, Verdict) {
    let verdict = verdict(case);
    let relaxed = match verdict {
        Allow(_) => false,
        Deny(reason) if is_integrity(reason) || is_workflow(case) => false,
        Deny(reason) if is_fail_closed(reason) => !is_strict_mode(case),
        NeedsTicket | Deny(_) => !is_strict_mode(case) || warns(case),
    };
    (verdict, if relaxed { Allow(Reason::Relaxed) } else { verdict })
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
        R::StrictMode,
    ]
    .contains(&reason)
}

fn is_fail_closed(reason: Reason) -> bool {
    [
        Reason::PolicyUnreadable,
        Reason::PolicyMissing,
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
            | Asks::OperatorsOwn(O::TicketStatus | O::TicketChange | O::ReviewRemoval)
    )
}

fn is_strict_mode(case: &Case) -> bool {
    match case.policy {
        PolicyIs::Loaded => {
            let needed = if case.rules.passcode { 1 } else { 2 };
            case.rules.strict && (case.latched || live_admins(case, None).len() >= needed)
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
        Asks::Permit(_) | Asks::OperatorsOwn(_) | Asks::Ticket(_) | Asks::Review(..) => Environment::Prod,
    }
}

/// The environment that the deed lands in.
pub fn environment(case: &Case) -> Environment {
    let rules = rules(case).unwrap_or_else(|| case.rules.clone());
    let deed = &case.deed;
    if let Some(namespace) = deed.namespace {
        return match case.namespaces.iter().find(|known| known.name == namespace) {
            Some(known) => by_labels(namespace, known.environment, known.tier, &rules),
            None => by_labels(namespace, None, None, &rules),
        };
    }
    if deed.resource.1 == "namespaces" {
        let (old, new) = deed.labels;
        let old = || by_labels(deed.name, old, None, &rules);
        let new = || by_labels(deed.name, new, None, &rules);
        return match (deed.operation, deed.subresource) {
            (Create, "") => new(),
            (Update, _) => old().max(new()),
            (Delete, _) => old(),
            (Create | Connect, _) => match case.namespaces.iter().find(|known| known.name == deed.name) {
                Some(known) => by_labels(deed.name, known.environment, known.tier, &rules),
                None => by_labels(deed.name, None, None, &rules),
            },
        };
    }
    let scoped = rules.environments.iter().find(|rule| rule.cluster_scoped);
    scoped.map_or(Environment::Prod, |rule| rule.environment)
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
    if is_built_in(case) {
        return Allow(Reason::Delegated);
    }
    if let Asks::Permit(permit) = &case.asks
        && let Some(reason) = broken_integrity(permit, case)
    {
        return Deny(reason);
    }
    let Some(rules) = rules(case) else {
        return Deny(Reason::PolicyUnreadable);
    };
    if case.policy == PolicyIs::Absent && case.latched {
        return Deny(Reason::PolicyMissing);
    }
    let who = identity(case, &rules);
    if matches!(case.asks, Asks::Deed) && is_delegated(case, &who) {
        return Allow(Reason::Delegated);
    }
    let actor = who.and_then(|who| actor(who, case, &rules));
    if let Asks::Permit(Permit::Policy { strict, .. }) = &case.asks
        && may_not_switch(*strict, &rules, actor.as_ref().ok())
    {
        return Deny(Reason::StrictMode);
    }
    let actor = match actor {
        Ok(actor) => actor,
        Err(reason) => return Deny(reason),
    };
    match &case.asks {
        Asks::Ticket(flaw) => ticket_made(*flaw, case, &actor),
        Asks::Review(index, decision, flaw) => review_made(*index, *decision, *flaw, case, &actor, &rules),
        Asks::Permit(permit) => permission_written(permit, case, &actor, &rules),
        Asks::Deed => deed_done(case, &actor, &rules),
        // Leases and keys of the operator's namespace are writes like any other for who gets here.
        Asks::OperatorsOwn(_) => lease_written(case, &actor, &rules),
    }
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
    match &case.asks {
        Asks::Deed | Asks::Permit(_) => false,
        Asks::Ticket(_) | Asks::Review(..) | Asks::OperatorsOwn(_) => true,
    }
}

fn operators_alone(own: OperatorsOwn, case: &Case) -> Option<Verdict> {
    let follows = own == OperatorsOwn::ReviewRemoval
        && case.caller.username == "system:serviceaccount:kube-system:namespace-controller"
        && is_terminating("billing", case);
    match own {
        OperatorsOwn::TicketStatus | OperatorsOwn::ZoneStatus | OperatorsOwn::Keys => {
            Some(Deny(Reason::OperatorOnly))
        }
        OperatorsOwn::TicketChange | OperatorsOwn::ReviewRemoval if !follows => Some(Deny(Reason::Immutable)),
        OperatorsOwn::TicketChange | OperatorsOwn::ReviewRemoval | OperatorsOwn::Lease => None,
    }
}

fn is_terminating(namespace: &str, case: &Case) -> bool {
    case.namespaces
        .iter()
        .any(|known| known.name == namespace && known.terminating)
}

/// What the three members of the control plane among the callers do by themselves.
fn is_built_in(case: &Case) -> bool {
    let deed = &case.deed;
    let is_deed = matches!(case.asks, Asks::Deed);
    let only = |content| deed.operation == Update && [Content::Nothing, content].contains(&deed.content);
    let what = (deed.resource.1, deed.subresource);
    match case.caller.username {
        "system:serviceaccount:kube-system:replicaset-controller" => {
            is_deed
                && what == ("pods", "")
                && (matches!(deed.operation, Create | Delete) || only(Content::OwnerReferences))
        }
        "system:serviceaccount:kube-system:namespace-controller" => match case.asks {
            Asks::Deed => {
                deed.operation == Delete && deed.namespace.is_some_and(|name| is_terminating(name, case))
                    || (deed.operation == Update && what == ("namespaces", "status"))
            }
            Asks::OperatorsOwn(OperatorsOwn::ReviewRemoval) => is_terminating("billing", case),
            _ => false,
        },
        "system:kube-scheduler" => {
            is_deed
                && match what {
                    ("pods", "binding") => deed.operation == Create,
                    ("pods", "status") => only(Content::Status),
                    ("pods", "") => deed.operation == Delete,
                    _ => false,
                }
        }
        _ => false,
    }
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
        Permit::Invalid | Permit::Unknown => Some(Reason::Invalid),
        Permit::Zone(zone) => {
            let overlaps = case
                .zones
                .iter()
                .any(|other| other.name != zone.name && meet(other.glob, zone.glob));
            overlaps.then_some(Reason::ZoneOverlap)
        }
        Permit::Agent(who, account) => {
            let shared = case.agents.iter().any(|other| {
                other.identity != *who && other.accounts.iter().any(|(listed, _)| listed == account)
            });
            shared.then_some(Reason::Invalid)
        }
        Permit::Grant(name, who, role) => loses((*name, Some((*who, *role)))),
        Permit::RemoveGrant(name) => loses((*name, None)),
        Permit::RemovePolicy => strict.then_some(Reason::StrictMode),
        Permit::Policy {
            strict: next,
            passcode: next_passcode,
        } => {
            let is_on = case.policy == PolicyIs::Loaded && case.rules.strict;
            let next_needed = if *next_passcode { 1 } else { 2 };
            if *next && live.len() < next_needed && (!is_on || (passcode && !next_passcode)) {
                return Some(Reason::TooFewAdmins);
            }
            (!next && is_on && case.rules.locked).then_some(Reason::StrictMode)
        }
        Permit::RemoveZone => None,
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
fn may_not_switch(next: bool, rules: &Rules, actor: Option<&Actor>) -> bool {
    match (rules.strict, next) {
        (false, true) => actor.is_some_and(|actor| actor.role == Role::Agent),
        (true, false) => !actor.is_some_and(|actor| actor.is_human() && actor.role == Role::Admin),
        _ => false,
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
    if let Some(account) = name.strip_prefix("system:serviceaccount:") {
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
    let group = case.caller.group;
    let teams: Vec<_> = case
        .teams
        .iter()
        .filter(|team| {
            team.members.iter().any(|member| *member == who) || (group.is_some() && team.group == group)
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
        let role = agent.role;
        return Ok(Actor {
            identity: who,
            teams,
            role,
        });
    }
    let group_roles = rules.group_roles.iter().filter(|(name, _)| Some(*name) == group);
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

// Delegations.

fn is_delegated(case: &Case, who: &Result<String, Reason>) -> bool {
    let named = matches!(
        who,
        Ok(_) | Err(Reason::AmbiguousAccount | Reason::ForeignAccount | Reason::NotCanonical)
    );
    if named {
        return false;
    }
    let deed = &case.deed;
    case.delegations.iter().any(|delegation| {
        let place = match (&delegation.namespaces, deed.namespace) {
            (None, namespace) => namespace.is_none(),
            (Some(names), Some(namespace)) => names.contains(&namespace),
            (Some(_), None) => false,
        };
        let fields = delegation.field;
        let status = delegation.subresource == "status";
        let within = match (deed.operation, fields, status) {
            (_, None, false) => true,
            (Update, fields, status) => match deed.content {
                Content::Nothing => true,
                Content::Spec => fields.is_some_and(|field| field.starts_with("/spec")),
                Content::Status => status,
                Content::OwnerReferences => fields == Some("/metadata/ownerReferences"),
            },
            // The whole object is removed, a body is none of the object's fields, a connection has none.
            (Create | Delete | Connect, ..) => false,
        };
        delegation.username == case.caller.username
            && delegation.resource == deed.resource
            && delegation.subresource == deed.subresource
            && delegation.operation == deed.operation
            && place
            && within
            && !delegation.expired
            && !delegation.degraded
    })
}

// Zones.

fn segments(glob: &str) -> Vec<&str> {
    glob.split('/').collect()
}

fn under(glob: &[&str], path: &[&str]) -> bool {
    match (glob, path) {
        ([], []) | (["**"], _) => true,
        (["*", glob @ ..], [_, path @ ..]) => under(glob, path),
        ([first, glob @ ..], [segment, path @ ..]) => first == segment && under(glob, path),
        _ => false,
    }
}

/// Whether two globs of these few shapes have an object in common: `**` is last in each.
fn meet(a: &str, b: &str) -> bool {
    let stretch = |glob: &str| {
        let mut parts: Vec<String> = segments(glob).into_iter().map(str::to_owned).collect();
        if parts.last().is_some_and(|last| last == "**") {
            parts.pop();
        }
        parts.resize(3, "*".to_owned());
        parts
    };
    let both = stretch(a).into_iter().zip(stretch(b));
    both.into_iter().all(|(a, b)| a == b || a == "*" || b == "*")
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
        under(&segments(glob), &[self.project, &self.resource, self.name])
    }

    /// The zone of the place, `Err` when several claim it or it cannot be read.
    fn zone<'a>(&self, case: &'a Case) -> Result<Option<&'a ZoneIs>, Reason> {
        let holding: Vec<_> = case
            .zones
            .iter()
            .filter(|zone| self.is_under(zone.glob))
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
    let is_admin = actor.role == Role::Admin;
    if let Some(zone) = place.zone(case)? {
        let through_team = actor.teams.contains(&zone.owner);
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
        return Err(Reason::NotOfZone);
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

// Writes.

fn deed_done(case: &Case, actor: &Actor, rules: &Rules) -> Verdict {
    if actor.role == Role::Reader {
        return Deny(Reason::ReaderWrites);
    }
    let (deed, environment) = (&case.deed, environment(case));
    let place = Place::of(deed);
    let reviewed = match standing(&place, environment, case, actor, rules) {
        Ok(reviewed) => reviewed,
        Err(reason) => return Deny(reason),
    };
    let relabelled = deed.resource.1 == "namespaces" && deed.labels.0 != deed.labels.1;
    if deed.operation == Update && deed.content == Content::Nothing && !relabelled {
        return Allow(Reason::NoOp);
    }
    let by_rule = rules.review_rules.iter().any(|(glob, ..)| place.is_under(glob));
    if environment != Environment::Prod && !reviewed && !by_rule {
        return Allow(Reason::Permitted);
    }
    if deed.generates_name {
        return Deny(Reason::GeneratedName);
    }
    by_tickets(case, actor, rules)
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
    match standing(&place, Environment::Prod, case, actor, rules) {
        Ok(_) => NeedsTicket,
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
        Permit::Invalid => ("teams", "red"),
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
        Ok(_) => NeedsTicket,
        Err(reason) => Deny(reason),
    }
}

// Tickets.

fn by_tickets(case: &Case, actor: &Actor, rules: &Rules) -> Verdict {
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
        return NeedsTicket;
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
    NeedsTicket
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
            (Connect, _) => claim.same_bind && claim.seconds_ago < 5 && !claim.resent,
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
        if !approvers.contains(&review.reviewer) && may_review(&who, ticket, case, rules) {
            approvers.push(review.reviewer);
        }
    }
    let place = Place::of(&case.deed);
    let Ok(zone) = place.zone(case) else { return false };
    let by_rules = rules
        .review_rules
        .iter()
        .filter(|(glob, ..)| place.is_under(glob));
    let asked = by_rules
        .map(|(_, min, _)| *min)
        .chain([1, rules.min_reviewers, zone.map_or(0, |zone| zone.min_reviewers)])
        .max();
    approvers.len() >= asked.unwrap_or(1) as usize
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

fn may_review(who: &Actor, ticket: &TicketIs, case: &Case, rules: &Rules) -> bool {
    let subject = subject_of(ticket, case);
    let requester = ticket.requester.map_or_else(|| subject.clone(), str::to_owned);
    let involved = who.identity == subject
        || who.identity == requester
        || ticket.authors.iter().any(|author| *author == who.identity);
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

fn ticket_made(flaw: TicketFlaw, case: &Case, actor: &Actor) -> Verdict {
    use TicketFlaw as F;
    let bound_to_uid = bound_uid(&case.deed);
    match flaw {
        F::Unstamped => Deny(Reason::OperatorOnly),
        _ if actor.role == Role::Reader => Deny(Reason::ReaderWrites),
        F::ForeignSubject => Deny(Reason::ForeignSubject),
        // Nothing was there to vanish.
        F::Vanished if !bound_to_uid => Allow(Reason::Workflow),
        // The environment of a cluster-scoped object is looked at when the ticket is used.
        F::WrongEnvironment if case.deed.namespace.is_none() => Allow(Reason::Workflow),
        F::OtherCluster
        | F::WrongPlace
        | F::WrongEnvironment
        | F::WrongChange
        | F::WrongHash
        | F::Vanished => Deny(Reason::BindingMismatch),
        F::None => Allow(Reason::Workflow),
    }
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
        .any(|review| review.reviewer == actor.identity && review.decision == decision);
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
        may_review(actor, ticket, case, rules)
    };
    if may {
        Allow(Reason::Workflow)
    } else {
        Deny(Reason::IneligibleReviewer)
    }
}
