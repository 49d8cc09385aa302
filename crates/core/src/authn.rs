//! AuthN: from the API server's `userInfo` to a subject. Done once, here; what follows sees only the subject.

use std::{borrow::Cow, sync::Arc};

use crate::{
    decision::Cause,
    identity::Identity,
    plain::excerpt,
    policy::Policy,
    request::{Caller, Subject},
    snapshot::{Agent, Impersonation, Snapshot},
};

/// Why a caller has no identity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unidentified {
    /// No Agent lists the service account.
    #[error("service account `{}` acts for nobody: list it in an Agent, or give it a WriteDelegation", excerpt(.0))]
    UnregisteredAccount(String),
    /// Several Agents list the service account.
    #[error("service account `{account}` is listed by several Agents: {}", names(.agents, Identity::as_str))]
    AmbiguousAccount {
        /// Namespace and name.
        account: String,
        /// The agents, in order.
        agents: Vec<Identity>,
    },
    /// The account's uid is not the pinned one, or none is pinned yet.
    #[error("service account `{account}` of {agent} is not the one that was registered: {problem}")]
    ForeignAccount {
        /// Namespace and name.
        account: String,
        /// The agent that lists it.
        agent: Identity,
        /// What differs.
        problem: &'static str,
    },
    /// A `system:` user that no delegation covers here.
    #[error("`{}` is a system user: it acts by delegation only, and none covers this write", excerpt(.0))]
    SystemUser(String),
    /// The username is not canonical.
    #[error(
        "username `{}` is not canonical: use lower-case letters, digits and . _ @ + -, or map its issuer's \
         prefix in the AccessPolicy", excerpt(.0)
    )]
    NotCanonical(String),
}

impl Unidentified {
    /// The line of configuration for which the caller is nobody.
    pub fn cause(&self) -> Cause {
        match self {
            Self::UnregisteredAccount(_) => Cause::none_of("Agent", "spec.serviceAccounts"),
            Self::AmbiguousAccount { agents, .. } => {
                Cause::new("Agent", names(agents, Identity::local), "spec.serviceAccounts")
            }
            Self::ForeignAccount { agent, .. } => {
                Cause::new("Agent", agent.local(), "status.serviceAccounts")
            }
            Self::SystemUser(_) => Cause::none_of("WriteDelegation", "spec.subject"),
            Self::NotCanonical(_) => Cause::of_policy("spec.usernames"),
        }
    }
}

fn names(agents: &[Identity], name: impl Fn(&Identity) -> &str) -> String {
    agents.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// The subject that a caller is.
pub fn identify(caller: &Caller<'_>, snapshot: &Snapshot, policy: &Policy) -> Result<Subject, Unidentified> {
    let identity = match caller.service_account() {
        Some((namespace, name)) => agent_of(namespace, name, caller.uid, snapshot)?.identity.clone(),
        None if caller.username.starts_with("system:") => {
            return Err(Unidentified::SystemUser(caller.username.to_owned()));
        }
        None => user(caller.username, policy)?,
    };
    Ok(Subject {
        teams: teams(&identity, caller.groups, snapshot),
        group_role: identity
            .is_user()
            .then(|| policy.group_role(caller.groups))
            .flatten(),
        identity,
    })
}

/// The subject that an identity is without its directory groups: what is known when it is not the one who calls.
pub fn absent(identity: &Identity, snapshot: &Snapshot) -> Subject {
    Subject {
        identity: identity.clone(),
        teams: teams(identity, &[], snapshot),
        group_role: None,
    }
}

fn agent_of<'a>(
    namespace: &str,
    name: &str,
    uid: &str,
    snapshot: &'a Snapshot,
) -> Result<&'a Arc<Agent>, Unidentified> {
    let account = format!("{namespace}:{name}");
    let listed = snapshot.service_accounts.get(account.as_str());
    let mut agents = listed
        .into_iter()
        .flatten()
        .filter_map(|identity| snapshot.agent(identity));
    let Some(agent) = agents.next() else {
        return Err(Unidentified::UnregisteredAccount(account));
    };
    if agents.next().is_some() {
        let agents = listed.into_iter().flatten().cloned().collect();
        return Err(Unidentified::AmbiguousAccount { account, agents });
    }
    let pinned = agent
        .accounts
        .iter()
        .find(|a| *a.namespace == *namespace && *a.name == *name);
    let problem = match pinned.and_then(|account| account.uid.as_deref()) {
        Some(_) if uid.is_empty() && agent.impersonation == Impersonation::Accepted => return Ok(agent),
        _ if uid.is_empty() => {
            "it has no uid, so this is not its token: somebody impersonates it, and its Agent does not accept that"
        }
        Some(pinned) if pinned == uid => return Ok(agent),
        Some(_) => "it was deleted and created again; an admin re-registers it by editing the Agent",
        None => "its uid is not pinned yet; wait until the Agent is Ready",
    };
    Err(Unidentified::ForeignAccount {
        account,
        agent: agent.identity.clone(),
        problem,
    })
}

fn user(username: &str, policy: &Policy) -> Result<Identity, Unidentified> {
    let matching = policy
        .usernames
        .iter()
        .filter(|rule| username.starts_with(&*rule.prefix));
    let rule = matching.max_by_key(|rule| rule.prefix.len());
    let not_canonical = || Unidentified::NotCanonical(username.to_owned());
    let rule = rule.ok_or_else(not_canonical)?;
    let name = username.strip_prefix(&*rule.prefix).ok_or_else(not_canonical)?;
    Identity::user(&rule.realm, name).map_err(|_| not_canonical())
}

/// The username that the API server gives a human; `None` for who is none, and for whom no username can mean.
pub fn username(identity: &Identity, policy: &Policy) -> Option<String> {
    let local = identity.is_user().then(|| identity.local())?;
    let (realm, name) = local.split_once(':').unwrap_or(("", local));
    let rule = policy.usernames.iter().find(|rule| *rule.realm == *realm)?;
    let username = format!("{}{name}", rule.prefix);
    // A longer prefix of another issuer makes it somebody else.
    (user(&username, policy).as_ref() == Ok(identity)).then_some(username)
}

/// By name, and people by their directory groups, too: every service account is in groups of the cluster's own.
fn teams(identity: &Identity, groups: &[Cow<'_, str>], snapshot: &Snapshot) -> Vec<Identity> {
    let by_name = snapshot.memberships.get(identity).into_iter().flatten();
    let by_group = groups
        .iter()
        .filter(|group| identity.is_user() && !group.is_empty())
        .filter_map(|group| snapshot.team_groups.get(group.as_ref()))
        .flatten();
    let mut teams: Vec<_> = by_name.chain(by_group).cloned().collect();
    teams.sort_unstable();
    teams.dedup();
    teams
}

#[cfg(test)]
mod tests;
