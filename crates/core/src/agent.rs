//! Why an agent that is registered may not act: what it says contradicts the rest of the configuration.

use std::sync::Arc;

use crate::{
    identity::Identity,
    request::SERVICE_ACCOUNT,
    snapshot::{Account, Agent, Snapshot},
};

/// What keeps an agent from acting, whatever it wants to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// Nobody answers for it.
    #[error("spec.owner: {0} is not known: grant a role, or name another owner")]
    UnknownOwner(Identity),
    /// What one signs could be the other's.
    #[error("spec.publicKey: {0} has the same key")]
    KeyShared(Identity),
    /// What its account does would be the agent's and a controller's.
    #[error("spec.serviceAccounts: `{account}` is the subject of WriteDelegation `{delegation}`, too")]
    AccountDelegated {
        /// Namespace and name.
        account: String,
        /// Name of the delegation.
        delegation: Arc<str>,
    },
}

impl Trouble {
    /// The reason in the conditions of the Agent.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::UnknownOwner(_) => "UnknownOwner",
            Self::KeyShared(_) => "KeyShared",
            Self::AccountDelegated { .. } => "AccountDelegated",
        }
    }

    /// The field of the Agent.
    pub const fn field(&self) -> &'static str {
        match self {
            Self::UnknownOwner(_) => "spec.owner",
            Self::KeyShared(_) => "spec.publicKey",
            Self::AccountDelegated { .. } => "spec.serviceAccounts",
        }
    }

    /// What keeps this agent from acting, if anything.
    pub fn of(agent: &Agent, snapshot: &Snapshot) -> Option<Self> {
        if !snapshot.knows(&agent.owner) {
            return Some(Self::UnknownOwner(agent.owner.clone()));
        }
        Self::of_registration(agent, snapshot)
    }

    /// What keeps an agent from being registered as it is.
    pub fn of_registration(agent: &Agent, snapshot: &Snapshot) -> Option<Self> {
        if let Some(other) = snapshot.other_with_key_of(agent) {
            return Some(Self::KeyShared(other.clone()));
        }
        agent.accounts.iter().find_map(|account| {
            Some(Self::AccountDelegated {
                account: format!("{}:{}", account.namespace, account.name),
                delegation: delegation_of(account, snapshot)?,
            })
        })
    }
}

fn delegation_of(account: &Account, snapshot: &Snapshot) -> Option<Arc<str>> {
    if snapshot.delegations.is_empty() {
        return None;
    }
    let username = format!("{SERVICE_ACCOUNT}{}:{}", account.namespace, account.name);
    let named = snapshot.delegations.get(username.as_str())?;
    named.iter().next().map(|delegation| delegation.name.clone())
}
