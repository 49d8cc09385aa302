//! The read side: who sees which namespaces by role and zone, where the policy has Countersign say so in RBAC.
//!
//! Admission sees no reads, and RBAC can only add. So each grant gives the reading of its own role, and grants add up;
//! each agent gives its accounts theirs. What is not in force gives nothing.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use crate::{
    authn,
    environment::Environment,
    identity::{Identity, IdentityKind},
    object::{Change, Object, ObjectError},
    policy::{Policy, ReadAccess},
    request::Request,
    role::Role,
    snapshot::{Agent, Snapshot},
};

/// The API group of bindings.
pub const RBAC: &str = "rbac.authorization.k8s.io";

/// The ClusterRole that is bound, and no other: Kubernetes' own, which shows neither Secrets nor roles and bindings,
/// and which the API server itself restores at each start.
pub const ROLE: &str = "view";

/// The label of every binding that is made; its value is the kind that the binding is made from.
pub const LABEL: &str = "countersign.dev/read-access";

/// What the name of every binding that is made begins with.
pub const PREFIX: &str = "countersign:read:";

/// The object that gives a reading, by name; its bindings go with it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// A RoleGrant.
    Grant(Arc<str>),
    /// An Agent.
    Agent(Arc<str>),
}

impl Source {
    /// The plural of its kind.
    pub const fn resource(&self) -> &'static str {
        match self {
            Self::Grant(_) => "rolegrants",
            Self::Agent(_) => "agents",
        }
    }

    /// The name of its binding, the same cluster-wide and in each namespace.
    pub fn binding(&self) -> String {
        let (Self::Grant(name) | Self::Agent(name)) = self;
        format!("{PREFIX}{}:{name}", self.resource())
    }
}

/// Somebody as RBAC names him.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reader {
    /// By the username that the API server sees.
    User(String),
    /// By a directory group.
    Group(Arc<str>),
    /// An account of an agent.
    ServiceAccount {
        /// Its namespace.
        namespace: Arc<str>,
        /// Its name.
        name: Arc<str>,
    },
}

/// What a source lets whom see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// The whole cluster.
    Everywhere(BTreeSet<Reader>),
    /// These namespaces.
    In(BTreeMap<Arc<str>, BTreeSet<Reader>>),
}

/// An object that has to be in force to give anything, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permit<'a> {
    /// A RoleGrant.
    Grant(&'a str),
    /// An Agent.
    Agent(&'a str),
    /// A Zone.
    Zone(&'a str),
}

/// What each grant and agent that is in force lets whom see.
pub fn readings(
    snapshot: &Snapshot,
    policy: &Policy,
    in_force: impl Fn(Permit<'_>) -> bool,
) -> BTreeMap<Source, Reading> {
    let places = Places::of(snapshot, policy, &in_force);
    let grants = snapshot
        .grants
        .iter()
        .flat_map(|(who, grants)| grants.iter().map(move |grant| (who, grant)))
        .filter(|(_, grant)| in_force(Permit::Grant(&grant.name)))
        .map(|(who, grant)| {
            let holders = holders(who, snapshot, policy);
            (
                Source::Grant(grant.name.clone()),
                granted(grant.role, holders, &places),
            )
        });
    let agents = snapshot
        .agents
        .values()
        .filter(|agent| !agent.suspended && in_force(Permit::Agent(agent.identity.local())))
        .map(|agent| {
            let reading = places.reading(accounts(agent));
            (Source::Agent(agent.identity.local().into()), reading)
        });
    grants.chain(agents).collect()
}

/// Who has parts in zones: an identity, or whoever is in a directory group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Holder {
    Identity(Identity),
    Group(Arc<str>),
}

/// A team's role reaches its users only, and the role `agent` gives a user nothing.
fn granted(role: Role, holders: Vec<(Holder, Reader)>, places: &Places) -> Reading {
    match role {
        Role::Reader | Role::Admin => {
            Reading::Everywhere(holders.into_iter().map(|(_, reader)| reader).collect())
        }
        Role::Contributor => places.reading(holders),
        Role::Agent => Reading::In(BTreeMap::new()),
    }
}

/// The people that a grant names, as far as RBAC can name them.
fn holders(who: &Identity, snapshot: &Snapshot, policy: &Policy) -> Vec<(Holder, Reader)> {
    let user = |user: &Identity| {
        let username = authn::username(user, policy)?;
        Some((Holder::Identity(user.clone()), Reader::User(username)))
    };
    let Some(team) = snapshot.teams.get(who) else {
        return user(who).into_iter().collect();
    };
    // Accounts and components are in these groups, too, and a team's groups mean its people.
    let of_people = |group: &&Arc<str>| !group.is_empty() && !group.starts_with("system:");
    let group = |group: &Arc<str>| (Holder::Group(group.clone()), Reader::Group(group.clone()));
    let groups = team.groups.iter().filter(of_people).map(group);
    team.members.iter().filter_map(user).chain(groups).collect()
}

fn accounts(agent: &Agent) -> Vec<(Holder, Reader)> {
    let reader = |account: &crate::snapshot::Account| Reader::ServiceAccount {
        namespace: account.namespace.clone(),
        name: account.name.clone(),
    };
    let holder = || Holder::Identity(agent.identity.clone());
    agent
        .accounts
        .iter()
        .map(|account| (holder(), reader(account)))
        .collect()
}

/// The namespaces that exist and stay, by who has a part in them.
struct Places {
    by_holder: HashMap<Holder, BTreeSet<Arc<str>>>,
    /// Those of public places: outside prod, as for writes.
    public: BTreeSet<Arc<str>>,
}

impl Places {
    fn of(snapshot: &Snapshot, policy: &Policy, in_force: &impl Fn(Permit<'_>) -> bool) -> Self {
        let staying = snapshot
            .namespaces
            .iter()
            .filter(|(_, namespace)| !namespace.terminating);
        let known: BTreeSet<Arc<str>> = staying.map(|(name, _)| name.as_str().into()).collect();
        let mut by_holder: HashMap<Holder, BTreeSet<Arc<str>>> = HashMap::new();
        for zone in snapshot.zones.iter() {
            if snapshot.unreadable_zones.contains_key(&zone.name) || !in_force(Permit::Zone(&zone.name)) {
                continue;
            }
            let namespaces: Vec<_> = zone
                .objects
                .iter()
                .flat_map(|glob| glob.namespaces(&known))
                .collect();
            for holder in std::iter::once(&zone.owner)
                .chain(&zone.cooperators)
                .flat_map(|who| part(who, snapshot))
            {
                by_holder
                    .entry(holder)
                    .or_default()
                    .extend(namespaces.iter().copied().cloned());
            }
        }
        let public = policy
            .defaults
            .public_objects
            .iter()
            .flat_map(|glob| glob.namespaces(&known));
        let outside_prod =
            |name: &&Arc<str>| snapshot.environment_of_namespace(name, policy) != Environment::Prod;
        let public = public.filter(outside_prod).cloned().collect();
        Self { by_holder, public }
    }

    fn reading(&self, holders: Vec<(Holder, Reader)>) -> Reading {
        let mut namespaces: BTreeMap<Arc<str>, BTreeSet<Reader>> = BTreeMap::new();
        for (holder, reader) in holders {
            let own = self.by_holder.get(&holder).into_iter().flatten();
            for namespace in own.chain(&self.public) {
                namespaces
                    .entry(namespace.clone())
                    .or_default()
                    .insert(reader.clone());
            }
        }
        Reading::In(namespaces)
    }
}

/// Who has a part in a zone that names this identity.
fn part(who: &Identity, snapshot: &Snapshot) -> Vec<Holder> {
    let team = (who.kind() == IdentityKind::Team)
        .then(|| snapshot.teams.get(who))
        .flatten();
    let members = team
        .iter()
        .flat_map(|team| &team.members)
        .cloned()
        .map(Holder::Identity);
    let groups = team
        .iter()
        .flat_map(|team| &team.groups)
        .cloned()
        .map(Holder::Group);
    std::iter::once(Holder::Identity(who.clone()))
        .chain(members)
        .chain(groups)
        .collect()
}

/// Whether a write is the upkeep of such a binding: of a name of theirs, and while the policy wants them, with their
/// label and role.
pub(crate) fn is_upkeep(request: &Request<'_>, snapshot: &Snapshot) -> bool {
    let target = &request.target;
    let is_binding = (target.is(RBAC, "clusterrolebindings") || target.is(RBAC, "rolebindings"))
        && target.subresource.is_empty()
        && target.name.starts_with(PREFIX);
    let wanted = || {
        let policy = snapshot.policy.get();
        policy.is_some_and(|policy| policy.read_access == ReadAccess::Rbac)
    };
    is_binding
        && match &request.change {
            Change::Create(new) | Change::Update { new, .. } => wanted() && is_made(new).unwrap_or(false),
            Change::Delete(_) => true,
            Change::Connect(_) => false,
        }
}

fn is_made(binding: &Object<'_>) -> Result<bool, ObjectError> {
    let role = |key| binding.text_at(&["roleRef", key]);
    Ok(binding.label(LABEL)?.is_some()
        && role("apiGroup")?.as_deref() == Some(RBAC)
        && role("kind")?.as_deref() == Some("ClusterRole")
        && role("name")?.as_deref() == Some(ROLE))
}

#[cfg(test)]
mod tests;
