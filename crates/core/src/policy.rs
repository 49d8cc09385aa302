//! The one AccessPolicy, compiled; [`Policy::default`] is what ships.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use jiff::SignedDuration;

use crate::{
    digest::Digest, environment::Environment, glob::Glob, hash::Pattern, identity::Identity,
    mutator::Mutator, role::Role, ssh::SshKey,
};

/// The least number of live human admins while strict mode is on; one where a passcode is set.
pub const LIVE_ADMINS: usize = 2;

/// The compiled AccessPolicy.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Digest of the spec it was compiled from; recorded beside what it decides, bound to nothing.
    pub digest: Arc<str>,
    /// Where each environment lies and how it is enforced; the first match wins.
    pub environments: Vec<EnvironmentRule>,
    /// How usernames become identities; the longest prefix wins.
    pub usernames: Vec<UsernameRule>,
    /// What holds where nothing else is said.
    pub defaults: Defaults,
    /// The least role that may write outside every zone.
    pub unzoned: Unzoned,
    /// Reviews that places ask for, whoever owns them.
    pub review_rules: Vec<ReviewRule>,
    /// Short names of resource types (`app` for `deployments.apps`).
    pub aliases: Vec<Alias>,
    /// Values that another mutator randomises: they leave the hash.
    pub hash_ignore: Vec<HashIgnore>,
    /// How tickets live.
    pub approvals: Approvals,
    /// Whether a violation is blocked.
    pub strict_mode: bool,
    /// What strict mode was turned on for; nothing in particular when absent.
    pub shown: Option<Shown>,
    /// Digest of the spec without the switch of strict mode: what the policy says to whoever turns it on.
    pub unswitched: Digest,
    /// Whether turning strict mode off needs a passcode.
    pub strict_mode_locked: bool,
    /// Roles that directory groups give.
    pub group_roles: Vec<(Arc<str>, Role)>,
    /// The keys that people sign their reviews with.
    pub ssh_keys: BTreeMap<Identity, Vec<SshKey>>,
    /// How many human admins are sensible, before a warning.
    pub max_human_admins: usize,
    /// Whether roles and zones give reading by RBAC.
    pub read_access: ReadAccess,
    /// Where the passcode for emergencies is, if one is set up.
    pub passcode: Option<PasscodeRef>,
    /// What a window of break-glass opens.
    pub break_glass: BreakGlass,
    /// What may change Countersign's own objects before they are stored.
    pub accepted_mutators: Vec<Mutator>,
}

/// A key of a Secret in the operator's namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasscodeRef {
    /// Name of the Secret.
    pub name: Arc<str>,
    /// The key in it.
    pub key: Arc<str>,
}

/// `breakGlass`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakGlass {
    /// Whose writes a window lets pass.
    pub scope: Scope,
    /// How long it may last.
    pub max_duration: SignedDuration,
}

/// Whose writes a window of break-glass lets pass; never those of agents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// Those of who opened it.
    #[default]
    Opener,
    /// Those of every person.
    Everyone,
}

/// The permission objects as somebody was shown them who turned strict mode on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Their digest, see [`Permissions`](crate::permissions::Permissions).
    pub digest: Digest,
    /// Whether strict mode was in force under this policy before: then it is bound to nothing any more.
    pub has_begun: bool,
}

/// One entry of `environments[]`.
#[derive(Clone, Debug, Default)]
pub struct EnvironmentRule {
    /// The environment that the entry describes.
    pub environment: Option<Environment>,
    /// The namespaces that belong to it by name.
    pub namespaces: Vec<Arc<str>>,
    /// The namespaces that belong to it by label: all pairs must be there. Empty selects none.
    pub labels: Vec<(Arc<str>, Arc<str>)>,
    /// Whether cluster-scoped objects belong to it.
    pub cluster_scoped: bool,
    /// Whether a violation there is blocked in strict mode.
    pub enforcement: Enforcement,
    /// Whether writes into the namespaces labelled with it pass while no operator answers; never in prod.
    pub fails_open: bool,
}

/// What a violation in an environment leads to while strict mode is on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Enforcement {
    /// It is blocked.
    #[default]
    Enforce,
    /// It is allowed with a warning and a record.
    Warn,
}

/// Who says in RBAC what people and agents read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReadAccess {
    /// Whoever administers RBAC.
    #[default]
    Unmanaged,
    /// Countersign, beside them.
    Rbac,
}

/// One entry of `usernames[]`.
#[derive(Clone, Debug)]
pub struct UsernameRule {
    /// The issuer's prefix of usernames.
    pub prefix: Arc<str>,
    /// The realm of its people; empty for the only issuer.
    pub realm: Arc<str>,
}

/// `defaults`.
#[derive(Clone, Debug)]
pub struct Defaults {
    /// The role of who has no grant.
    pub role: Role,
    /// The environment of what nothing else places.
    pub environment: Environment,
    /// Whether a zone that does not say asks for review of its cooperators.
    pub require_review: bool,
    /// The least number of reviewers, at least 1.
    pub min_reviewers: u32,
    /// Objects outside prod that contributors and agents may write without a zone.
    pub public_objects: Vec<Glob>,
    /// Repository paths that contributors and agents may write without a zone.
    pub public_zones: Vec<Glob>,
}

/// `unzoned`: the least role outside every zone.
#[derive(Clone, Copy, Debug)]
pub struct Unzoned {
    /// In prod.
    pub prod: Role,
    /// Elsewhere.
    pub elsewhere: Role,
}

/// One entry of `reviewRules[]`: reviews beside what zones ask, never an overlap with them.
#[derive(Clone, Debug)]
pub struct ReviewRule {
    /// Its name, for messages.
    pub name: Arc<str>,
    /// The objects it covers.
    pub objects: Vec<Glob>,
    /// The repository paths it covers.
    pub paths: Vec<Glob>,
    /// How many reviewers it asks, at least 1.
    pub min_reviewers: u32,
    /// The roles of which a reviewer must hold one.
    pub reviewer_roles: Vec<Role>,
}

/// One entry of `resourceTypes[]`.
#[derive(Clone, Debug)]
pub struct Alias {
    /// The short name.
    pub alias: Arc<str>,
    /// `<resource>.<group>`.
    pub resource: Arc<str>,
}

/// One entry of `hashIgnore[]`.
#[derive(Clone, Debug)]
pub struct HashIgnore {
    /// API group of the kind.
    pub group: Arc<str>,
    /// The kind.
    pub kind: Arc<str>,
    /// What leaves the hash.
    pub pointers: Vec<Pattern>,
}

/// `approvals`.
#[derive(Clone, Debug)]
pub struct Approvals {
    /// How long a ticket waits for its reviews.
    pub pending_ttl: SignedDuration,
    /// How long an approved ticket may be used.
    pub approved_ttl: SignedDuration,
    /// Whether a denial makes the ticket that would open it.
    pub mint_on_denial: bool,
    /// The most pending tickets of one subject in one namespace.
    pub max_pending: usize,
    /// How long after a write that was approved its exact inverse needs no approval; never when `None`.
    pub rollback_window: Option<SignedDuration>,
    /// How long a finished ticket is kept.
    pub retention: SignedDuration,
    /// Whether the owner of an agent counts as its reviewer.
    pub agent_owner_may_review: bool,
    /// Whether an approval counts in prod only with a signature of the reviewer.
    pub signed_in_prod: bool,
}

impl Policy {
    /// The roles that these directory groups give, the highest of them.
    pub fn group_role(&self, groups: &[Cow<'_, str>]) -> Option<Role> {
        let held = |group: &str| !group.is_empty() && groups.iter().any(|held| held == group);
        self.group_roles
            .iter()
            .filter(|(group, _)| held(group))
            .map(|(_, role)| *role)
            .max()
    }

    /// The environments of which every entry fails open, least strict first; prod never does.
    pub fn fails_open(&self) -> Vec<Environment> {
        let fails_open = |environment: &Environment| {
            let mut of_it = self
                .environments
                .iter()
                .filter(|rule| rule.environment == Some(*environment))
                .peekable();
            *environment != Environment::Prod && of_it.peek().is_some() && of_it.all(|rule| rule.fails_open)
        };
        Environment::ALL.into_iter().filter(fails_open).collect()
    }

    /// What leaves the hash of this kind.
    pub fn hash_ignore(&self, group: &str, kind: &str) -> Vec<Pattern> {
        let of_kind = |entry: &&HashIgnore| *entry.group == *group && *entry.kind == *kind;
        self.hash_ignore
            .iter()
            .filter(of_kind)
            .flat_map(|entry| entry.pointers.iter().cloned())
            .collect()
    }

    /// How many live human admins strict mode needs.
    pub const fn admins_needed(&self) -> usize {
        if self.passcode.is_some() { 1 } else { LIVE_ADMINS }
    }

    /// How an environment is enforced in strict mode: prod and preview block, dev and test warn, unless said.
    pub fn enforcement(&self, environment: Environment) -> Enforcement {
        let said = self
            .environments
            .iter()
            .find(|rule| rule.environment == Some(environment));
        said.map_or_else(|| shipped_enforcement(environment), |rule| rule.enforcement)
    }
}

/// What ships: prod and preview block, dev and test warn.
pub const fn shipped_enforcement(environment: Environment) -> Enforcement {
    match environment {
        Environment::Prod | Environment::Preview => Enforcement::Enforce,
        Environment::Dev | Environment::Test => Enforcement::Warn,
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            digest: "".into(),
            environments: Vec::new(),
            usernames: vec![UsernameRule {
                prefix: "".into(),
                realm: "".into(),
            }],
            defaults: Defaults::default(),
            unzoned: Unzoned {
                prod: Role::Admin,
                elsewhere: Role::Contributor,
            },
            review_rules: Vec::new(),
            aliases: Vec::new(),
            hash_ignore: Vec::new(),
            approvals: Approvals::default(),
            strict_mode: false,
            shown: None,
            unswitched: Digest::of(&[]),
            strict_mode_locked: false,
            group_roles: Vec::new(),
            ssh_keys: BTreeMap::new(),
            max_human_admins: 3,
            read_access: ReadAccess::Unmanaged,
            passcode: None,
            break_glass: BreakGlass::default(),
            accepted_mutators: Vec::new(),
        }
    }
}

impl Default for Defaults {
    fn default() -> Self {
        let public = ["docs/**", "examples/**"];
        Self {
            role: Role::Reader,
            environment: Environment::Prod,
            require_review: false,
            min_reviewers: 1,
            public_objects: Vec::new(),
            public_zones: public.iter().filter_map(|glob| Glob::path(glob).ok()).collect(),
        }
    }
}

impl Default for BreakGlass {
    fn default() -> Self {
        Self {
            scope: Scope::Opener,
            max_duration: SignedDuration::from_hours(2),
        }
    }
}

impl Default for Approvals {
    fn default() -> Self {
        Self {
            pending_ttl: SignedDuration::from_hours(24),
            approved_ttl: SignedDuration::from_mins(15),
            mint_on_denial: true,
            max_pending: 50,
            rollback_window: None,
            retention: SignedDuration::from_hours(24 * 7),
            agent_owner_may_review: false,
            signed_in_prod: false,
        }
    }
}

#[cfg(test)]
mod tests;
