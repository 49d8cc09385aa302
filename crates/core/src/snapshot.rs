//! What is known of the cluster at one moment: compiled, immutable, shared; one request reads one snapshot.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use imbl::Vector;
use jiff::Timestamp;
use smol_str::SmolStr;

use crate::{
    agent_key::AgentKey,
    batch::BatchKey,
    delegation::Delegation,
    digest::{Digest, MacKey},
    emergency::Emergency,
    environment::{ENVIRONMENT_LABEL, Environment},
    identity::Identity,
    intent::Intent,
    map::HashMap,
    mutator::Mutators,
    permissions::Permissions,
    policy::{PasscodeRef, Policy, Shown},
    review::Review,
    role::Role,
    rotation::Rotation,
    ticket::Ticket,
    zones::ZoneIndex,
};

/// Everything that a decision may depend on. Cloning is cheap: all maps are persistent.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Which cluster this is, and who the operator is in it.
    pub cluster: Arc<Cluster>,
    /// The policy.
    pub policy: PolicyState,
    /// Whether strict mode was ever on and was not turned off by the rules: a missing policy then denies.
    pub latched: bool,
    /// Whether the documented annotation on the webhook configuration switches enforcement off: the recovery of a
    /// cluster that nobody can administer any more.
    pub switched_off: bool,
    /// Where a passcode is known to be: strict mode does not begin on the strength of one that nobody set.
    pub passcode: Option<PasscodeRef>,
    /// What else changes Countersign's own objects before they are stored.
    pub mutators: Mutators,
    /// What the permission objects say, whether it is in force or not.
    pub permissions: Permissions,
    /// Grants by the identity they name.
    pub grants: HashMap<Identity, Vector<Grant>>,
    /// Teams by identity.
    pub teams: HashMap<Identity, Arc<Team>>,
    /// The teams that name an identity as a member.
    pub memberships: HashMap<Identity, BTreeSet<Identity>>,
    /// The teams that name a directory group.
    pub team_groups: HashMap<Arc<str>, BTreeSet<Identity>>,
    /// Agents by identity.
    pub agents: HashMap<Identity, Arc<Agent>>,
    /// The agents that have a key, by its bytes.
    pub agent_keys: HashMap<[u8; 32], BTreeSet<Identity>>,
    /// The agents that list a service account, by `<namespace>:<name>`.
    pub service_accounts: HashMap<Arc<str>, BTreeSet<Identity>>,
    /// Zones by place.
    pub zones: ZoneIndex,
    /// Zones that cannot be read, with the reason; the part of their places that can be read is contested.
    pub unreadable_zones: HashMap<Arc<str>, Arc<str>>,
    /// Delegations by the exact username they name.
    pub delegations: HashMap<Arc<str>, Vector<Arc<Delegation>>>,
    /// Namespaces by name.
    pub namespaces: HashMap<SmolStr, Arc<Namespace>>,
    /// Tickets by the digest of their binding without the nonce.
    pub tickets: HashMap<Digest, Vector<Arc<Ticket>>>,
    /// The tickets under which objects were made, by the uid of the object.
    pub created: HashMap<Arc<str>, Arc<Ticket>>,
    /// Tickets that wait for reviews, by subject and by the namespace that they live in.
    pub pending: HashMap<(Identity, Arc<str>), Vector<Arc<Ticket>>>,
    /// Tickets by the batch that they are of.
    pub batches: HashMap<BatchKey, Vector<Arc<Ticket>>>,
    /// Reviews by the uid of the ticket that they are about.
    pub reviews: HashMap<Arc<str>, Vector<Arc<Review>>>,
    /// Intents by the agent that signed them.
    pub intents: HashMap<Identity, Vector<Arc<Intent>>>,
    /// Windows of break-glass by the person who opened them.
    pub emergencies: HashMap<Identity, Vector<Arc<Emergency>>>,
}

/// The cluster, the operator in it, and the keys that decisions need.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// The uid of the namespace kube-system.
    pub id: Arc<str>,
    /// The operator's own username.
    pub operator: Arc<str>,
    /// The operator's own uid, empty when its authenticator gives none.
    pub operator_uid: Arc<str>,
    /// The namespace the operator lives in.
    pub namespace: Arc<str>,
    /// Keys the digests of secret values.
    pub redaction: MacKey,
    /// Keys the stamps on tickets and reviews.
    pub stamp: MacKey,
}

/// What is known of the AccessPolicy `default`.
#[derive(Clone, Debug)]
pub enum PolicyState {
    /// There is none: the operator observes, unless strict mode is latched.
    Absent(Arc<Policy>),
    /// It holds something that cannot be read: everything guarded is denied, with this reason.
    Unreadable(Arc<str>),
    /// It is in force.
    Loaded(Arc<Policy>),
}

impl PolicyState {
    /// The policy, or what ships where there is none; nothing when it cannot be read.
    pub fn get(&self) -> Option<&Arc<Policy>> {
        match self {
            Self::Absent(policy) | Self::Loaded(policy) => Some(policy),
            Self::Unreadable(_) => None,
        }
    }
}

/// One RoleGrant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The object's name.
    pub name: Arc<str>,
    /// The role it gives.
    pub role: Role,
    /// When the webhook last saw the identity, if ever.
    pub last_seen: Option<Timestamp>,
}

/// One Team.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Team {
    /// `user:` and `agent:` members.
    pub members: Vec<Identity>,
    /// Directory groups that are this team.
    pub groups: Vec<Arc<str>>,
}

/// One Agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// `agent:<name>`.
    pub identity: Identity,
    /// `agent` or `contributor`.
    pub role: Role,
    /// The human who answers for it.
    pub owner: Identity,
    /// Whether it may act at all.
    pub suspended: bool,
    /// The key that it has, if any.
    pub key: Option<AgentKey>,
    /// Whether it signs its intents; without that it makes none.
    pub signs: bool,
    /// How it came by its key, when it had another one before.
    pub rotation: Option<Rotation>,
    /// How many intents it may make in a minute.
    pub intents_per_minute: u32,
    /// The service accounts that act as it.
    pub accounts: Vec<Account>,
    /// Whether who impersonates one of them is the agent.
    pub impersonation: Impersonation,
    /// Why the object cannot be relied on, if so: the agent is then denied.
    pub degraded: Option<Arc<str>>,
}

/// Whether who merely bears the name of an agent's account is the agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Impersonation {
    /// Only its own tokens prove it.
    #[default]
    Refused,
    /// It is, since RBAC lets nobody impersonate the account but who deploys with it.
    Accepted,
}

/// A service account of an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Namespace.
    pub namespace: Arc<str>,
    /// Name.
    pub name: Arc<str>,
    /// The uid that the operator pinned, once it saw the account.
    pub uid: Option<Arc<str>>,
}

/// What matters of a Namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// The uid.
    pub uid: Arc<str>,
    labels: BTreeMap<Arc<str>, Arc<str>>,
    /// What its own label says, read once: every request asks.
    environment: Option<Environment>,
    /// Whether its labels passed admission. If not it is prod, and no delegation that selects by labels holds there.
    pub sealed: bool,
    /// Whether it is being deleted.
    pub terminating: bool,
}

impl Namespace {
    /// A namespace that stays, with labels that passed admission.
    pub fn new(uid: impl Into<Arc<str>>, labels: BTreeMap<Arc<str>, Arc<str>>) -> Self {
        let own = labels.get(ENVIRONMENT_LABEL);
        Self {
            uid: uid.into(),
            environment: own.map(|value| environment_of_label(value)),
            labels,
            sealed: true,
            terminating: false,
        }
    }

    /// Its labels, for environment selection and delegations.
    pub const fn labels(&self) -> &BTreeMap<Arc<str>, Arc<str>> {
        &self.labels
    }
}

impl Snapshot {
    /// A snapshot of a cluster in which nothing is configured.
    pub fn new(cluster: Cluster) -> Self {
        Self {
            cluster: Arc::new(cluster),
            policy: PolicyState::Absent(Arc::default()),
            latched: false,
            switched_off: false,
            passcode: None,
            mutators: Mutators::default(),
            permissions: Permissions::default(),
            grants: HashMap::new(),
            teams: HashMap::new(),
            memberships: HashMap::new(),
            team_groups: HashMap::new(),
            agents: HashMap::new(),
            agent_keys: HashMap::new(),
            service_accounts: HashMap::new(),
            zones: ZoneIndex::default(),
            unreadable_zones: HashMap::new(),
            delegations: HashMap::new(),
            namespaces: HashMap::new(),
            tickets: HashMap::new(),
            created: HashMap::new(),
            pending: HashMap::new(),
            batches: HashMap::new(),
            reviews: HashMap::new(),
            intents: HashMap::new(),
            emergencies: HashMap::new(),
        }
    }

    /// Whether somebody can be this identity: it is named by a grant, is a team, an agent, or a member of a team.
    pub fn knows(&self, identity: &Identity) -> bool {
        self.grants.contains_key(identity)
            || self.teams.contains_key(identity)
            || self.agents.contains_key(identity)
            || self.memberships.contains_key(identity)
    }

    /// The agent that an identity is.
    pub fn agent(&self, identity: &Identity) -> Option<&Arc<Agent>> {
        // Most ask for people: whether one is an agent is seen at once.
        identity.is_agent().then(|| self.agents.get(identity)).flatten()
    }

    /// Another agent that has the key of this one.
    pub fn other_with_key_of(&self, agent: &Agent) -> Option<&Identity> {
        let holders = self.agent_keys.get(agent.key.as_ref()?.as_bytes())?;
        holders.iter().find(|holder| **holder != agent.identity)
    }

    /// Whether nothing that says who may do what, and where, was touched between two snapshots of one index. It compares
    /// pointers.
    pub fn permits_alike(&self, other: &Self) -> bool {
        let same_policy = match (self.policy.get(), other.policy.get()) {
            (Some(policy), Some(other)) => Arc::ptr_eq(policy, other),
            (None, None) => true,
            _ => false,
        };
        same_policy
            && self.grants.ptr_eq(&other.grants)
            && self.teams.ptr_eq(&other.teams)
            && self.agents.ptr_eq(&other.agents)
            && self.zones.is_untouched_since(&other.zones)
            && self.unreadable_zones.ptr_eq(&other.unreadable_zones)
            && self.namespaces.ptr_eq(&other.namespaces)
    }

    /// The environment of a namespace; of one that is not known, the default; of one whose labels nobody judged, prod.
    pub fn environment_of_namespace(&self, name: &str, policy: &Policy) -> Environment {
        let known = self.namespaces.get(name);
        if known.is_some_and(|namespace| !namespace.sealed) {
            return Environment::Prod;
        }
        if let Some(own) = known.and_then(|namespace| namespace.environment) {
            return own;
        }
        let labels = known.map(|namespace| &namespace.labels);
        environment_by_labels(name, |key| labels?.get(key).map(|value| &**value), policy)
    }

    /// Whether a namespace bears labels that nobody judged.
    pub fn is_unsealed(&self, namespace: &str) -> bool {
        self.namespaces.get(namespace).is_some_and(|known| !known.sealed)
    }

    /// The tickets of a subject that wait for reviews in a namespace.
    pub fn open_tickets(&self, subject: &Identity, namespace: &str) -> impl Iterator<Item = &Arc<Ticket>> {
        self.pending
            .get(&(subject.clone(), namespace.into()))
            .into_iter()
            .flatten()
    }

    /// The same, with this ticket in the place of what is known of it.
    #[must_use]
    pub fn with_ticket(&self, ticket: Arc<Ticket>) -> Self {
        let mut snapshot = self.clone();
        let known = snapshot.tickets.entry(ticket.binding.digest()).or_default();
        known.retain(|other| other.uid != ticket.uid);
        known.push_back(ticket);
        snapshot
    }

    /// The same, with these reviews in the place of what is known of those of a ticket.
    #[must_use]
    pub fn with_reviews(&self, ticket_uid: &Arc<str>, reviews: Vector<Arc<Review>>) -> Self {
        let mut snapshot = self.clone();
        snapshot.reviews.insert(ticket_uid.clone(), reviews);
        snapshot
    }

    /// Whether strict mode is in force: it is latched, or it is asked for, there are people who could turn it off, the
    /// passcode that it names is set, and what it was turned on for is still there. A strict policy without them, as one that was there before the operator,
    /// locks nobody out.
    pub fn is_strict(&self) -> bool {
        match &self.policy {
            PolicyState::Loaded(policy) => {
                let has_admins = || self.live_admins().len() >= policy.admins_needed();
                let begins = || has_admins() && self.has_passcode(policy) && self.is_as_shown(policy);
                policy.strict_mode && (self.latched || begins())
            }
            PolicyState::Absent(_) | PolicyState::Unreadable(_) => self.latched,
        }
    }

    /// Whether the passcode that the policy names is known to be set; also when it names none.
    pub fn has_passcode(&self, policy: &Policy) -> bool {
        policy.passcode.is_none() || policy.passcode == self.passcode
    }

    /// Whether the permission objects are those that a person was shown who turned strict mode on; also when nobody was.
    pub fn is_as_shown(&self, policy: &Policy) -> bool {
        let is_there = |shown: Shown| shown.has_begun || shown.digest == self.permissions.digest();
        policy.shown.is_none_or(is_there)
    }

    /// The live admins: known, human, of role admin, and seen by the webhook.
    pub fn live_admins(&self) -> Vec<&Identity> {
        self.grants
            .iter()
            .filter(|(who, grants)| who.is_user() && is_live_admin(*grants))
            .map(|(who, _)| who)
            .collect()
    }
}

/// Whether who holds these grants is a live admin: none contradicts, and the webhook has seen them.
pub(crate) fn is_live_admin<'a>(grants: impl IntoIterator<Item = &'a Grant> + Copy) -> bool {
    grants.into_iter().all(|grant| grant.role == Role::Admin)
        && grants.into_iter().any(|grant| grant.last_seen.is_some())
}

/// The environment of a namespace with these labels: its own label, else the first match of the policy, else the
/// default.
pub fn environment_by_labels<'a>(
    name: &str,
    label: impl Fn(&str) -> Option<&'a str>,
    policy: &Policy,
) -> Environment {
    if let Some(value) = label(ENVIRONMENT_LABEL) {
        return environment_of_label(value);
    }
    let selects = |rule: &crate::policy::EnvironmentRule| {
        let by_labels = !rule.labels.is_empty()
            && rule
                .labels
                .iter()
                .all(|(key, value)| label(key) == Some(&**value));
        by_labels || rule.namespaces.iter().any(|namespace| **namespace == *name)
    };
    let rule = policy.environments.iter().find(|rule| selects(rule));
    rule.and_then(|rule| rule.environment)
        .unwrap_or(policy.defaults.environment)
}

/// A label that names no environment is treated as prod: nobody lowers a place by a typing error.
fn environment_of_label(value: &str) -> Environment {
    value.parse().unwrap_or(Environment::Prod)
}

#[cfg(test)]
mod tests;
