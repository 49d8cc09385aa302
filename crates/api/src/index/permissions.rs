//! Grants, teams, agents and delegations.

use std::sync::Arc;

use countersign_core::{digest::Digest, identity::Identity, snapshot};

use super::{Agent, Index, Indexed, Key, RoleGrant, Team, WriteDelegation};
use crate::{
    agent,
    invalid::Invalid,
    role_grant,
    seal::{self, Seals},
    team, write_delegation,
};

impl Indexed for RoleGrant {
    fn is_sealed(&self, seals: &Seals) -> bool {
        seals.vouch_for(self)
    }

    fn says(&self) -> Option<Digest> {
        seal::digest(&self.spec)
    }

    fn permits_as(&self, other: &Self) -> bool {
        seal::permits_as(self, other)
    }

    fn file(&self, index: &mut Index) -> Result<(), Invalid> {
        let (identity, grant) = role_grant::parse(self)?;
        let key = Key::of(self);
        Self::unfile(&key, index);
        index
            .snapshot
            .grants
            .entry(identity.clone())
            .or_default()
            .push_back(grant);
        index.grants.insert(key, identity);
        Ok(())
    }

    fn unfile(key: &Key, index: &mut Index) {
        let Some(identity) = index.grants.remove(key) else {
            return;
        };
        let Some(grants) = index.snapshot.grants.get_mut(&identity) else {
            return;
        };
        grants.retain(|grant| grant.name != key.name);
        if grants.is_empty() {
            index.snapshot.grants.remove(&identity);
        }
    }

    fn filed(index: &Index) -> Vec<Key> {
        index.grants.keys().cloned().collect()
    }
}

impl Indexed for Team {
    fn is_sealed(&self, seals: &Seals) -> bool {
        seals.vouch_for(self)
    }

    fn says(&self) -> Option<Digest> {
        seal::digest(&self.spec)
    }

    fn permits_as(&self, other: &Self) -> bool {
        seal::permits_as(self, other)
    }

    fn file(&self, index: &mut Index) -> Result<(), Invalid> {
        let (identity, team) = team::parse(self)?;
        Self::unfile(&Key::of(self), index);
        for member in &team.members {
            index
                .snapshot
                .memberships
                .entry(member.clone())
                .or_default()
                .insert(identity.clone());
        }
        for group in &team.groups {
            index
                .snapshot
                .team_groups
                .entry(group.clone())
                .or_default()
                .insert(identity.clone());
        }
        index.snapshot.teams.insert(identity, Arc::new(team));
        Ok(())
    }

    fn unfile(key: &Key, index: &mut Index) {
        let Ok(identity) = Identity::team(&key.name) else {
            return;
        };
        let Some(team) = index.snapshot.teams.remove(&identity) else {
            return;
        };
        for member in &team.members {
            let memberships = &mut index.snapshot.memberships;
            if let Some(teams) = memberships.get_mut(member) {
                teams.remove(&identity);
                if teams.is_empty() {
                    memberships.remove(member);
                }
            }
        }
        for group in &team.groups {
            if let Some(teams) = index.snapshot.team_groups.get_mut(group) {
                teams.remove(&identity);
            }
        }
    }

    fn filed(index: &Index) -> Vec<Key> {
        index
            .snapshot
            .teams
            .keys()
            .map(|team| Key {
                namespace: "".into(),
                name: team.local().into(),
            })
            .collect()
    }
}

impl Indexed for Agent {
    /// Its pinned accounts are what the seal is about: an agent that was only admitted has none yet.
    fn is_sealed(&self, seals: &Seals) -> bool {
        seals.hold(self)
    }

    fn says(&self) -> Option<Digest> {
        seal::digest(&self.spec)
    }

    fn permits_as(&self, other: &Self) -> bool {
        seal::permits_as(self, other)
    }

    fn file(&self, index: &mut Index) -> Result<(), Invalid> {
        let agent = agent::parse(self)?;
        file_agent(agent, Key::of(self), index);
        Ok(())
    }

    fn unfile(key: &Key, index: &mut Index) {
        let Some((identity, accounts)) = index.agents.remove(key) else {
            return;
        };
        let agent = index.snapshot.agents.remove(&identity);
        if let Some(key) = agent.and_then(|agent| agent.key)
            && let Some(holders) = index.snapshot.agent_keys.get_mut(key.as_bytes())
        {
            holders.remove(&identity);
            if holders.is_empty() {
                index.snapshot.agent_keys.remove(key.as_bytes());
            }
        }
        for account in accounts {
            if let Some(agents) = index.snapshot.service_accounts.get_mut(&account) {
                agents.remove(&identity);
                if agents.is_empty() {
                    index.snapshot.service_accounts.remove(&account);
                }
            }
        }
    }

    fn filed(index: &Index) -> Vec<Key> {
        index.agents.keys().cloned().collect()
    }
}

fn file_agent(agent: snapshot::Agent, key: Key, index: &mut Index) {
    Agent::unfile(&key, index);
    let accounts: Vec<Arc<str>> = agent
        .accounts
        .iter()
        .map(|account| format!("{}:{}", account.namespace, account.name).into())
        .collect();
    for account in &accounts {
        let agents = index
            .snapshot
            .service_accounts
            .entry(account.clone())
            .or_default();
        agents.insert(agent.identity.clone());
    }
    if let Some(key) = &agent.key {
        let holders = index.snapshot.agent_keys.entry(*key.as_bytes()).or_default();
        holders.insert(agent.identity.clone());
    }
    index.agents.insert(key, (agent.identity.clone(), accounts));
    index
        .snapshot
        .agents
        .insert(agent.identity.clone(), Arc::new(agent));
}

fn standing(delegation: &WriteDelegation) -> Vec<(&str, &str)> {
    let conditions = delegation.status.iter().flat_map(|status| &status.conditions);
    conditions
        .map(|condition| (&*condition.type_, &*condition.status))
        .collect()
}

impl Indexed for WriteDelegation {
    fn is_sealed(&self, seals: &Seals) -> bool {
        seals.vouch_for(self)
    }

    fn says(&self) -> Option<Digest> {
        seal::digest(&self.spec)
    }

    /// How many the API server compiles depends on which of them are over.
    fn permits_as(&self, other: &Self) -> bool {
        seal::permits_as(self, other) && standing(self) == standing(other)
    }

    fn file(&self, index: &mut Index) -> Result<(), Invalid> {
        let delegation = write_delegation::parse(self)?;
        let key = Key::of(self);
        Self::unfile(&key, index);
        index.delegations.insert(key, delegation.username.clone());
        let username = delegation.username.clone();
        index
            .snapshot
            .delegations
            .entry(username)
            .or_default()
            .push_back(Arc::new(delegation));
        Ok(())
    }

    fn unfile(key: &Key, index: &mut Index) {
        let Some(username) = index.delegations.remove(key) else {
            return;
        };
        let Some(delegations) = index.snapshot.delegations.get_mut(&username) else {
            return;
        };
        delegations.retain(|delegation| delegation.name != key.name);
        if delegations.is_empty() {
            index.snapshot.delegations.remove(&username);
        }
    }

    fn filed(index: &Index) -> Vec<Key> {
        index.delegations.keys().cloned().collect()
    }
}
