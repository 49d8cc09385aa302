//! `agent register`: an Agent, made from the flags.

use std::{io::Write, path::PathBuf, str::FromStr};

use clap::{Args, ValueEnum};
use countersign_api::{
    Agent, AgentSpec,
    agent::{ServiceAccountRef, Signing},
};
use countersign_core::{agent_key::AgentKey, role::Role, snapshot::Impersonation};
use kube::{Api, api::PostParams};

use super::told;
use crate::{
    agent_signer::public_key_of,
    failure::{Outcome, Usage},
};

/// Register an agent
///
/// Only admins register agents, and another admin approves it. Without a key the agent signs nothing, and so deletes
/// nothing where the role `agent` has to explain that first.
#[derive(Args, Clone, Debug)]
pub struct Register {
    /// The name of the Agent: it is agent:NAME
    pub name: String,
    /// The human who answers for it
    #[arg(long, value_name = "user:NAME")]
    pub owner: String,
    /// A service account that acts as it
    #[arg(
        long = "service-account",
        value_name = "NAMESPACE/NAME",
        required = true,
        value_delimiter = ','
    )]
    pub accounts: Vec<Account>,
    /// Its public key, as `agent keygen` prints it
    #[arg(long, value_name = "ed25519:...", conflicts_with = "key")]
    pub public_key: Option<AgentKey>,
    /// Its private key, of which only the public part is sent
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// What it may do at most
    #[arg(long, value_enum, default_value_t)]
    pub role: AgentRole,
    /// How many intents it may make in a minute
    #[arg(long, value_name = "NUMBER", default_value_t = 120)]
    pub intents_per_minute: u32,
}

/// A role of an agent.
#[derive(ValueEnum, Clone, Copy, Debug, Default)]
pub enum AgentRole {
    /// With the guardrails of agents
    #[default]
    Agent,
    /// For trusted automation
    Contributor,
}

/// A service account by its place.
#[derive(Clone, Debug)]
pub struct Account(ServiceAccountRef);

impl FromStr for Account {
    type Err = Usage;

    fn from_str(text: &str) -> Result<Self, Usage> {
        match text.split('/').collect::<Vec<_>>().as_slice() {
            [namespace, name] if !namespace.is_empty() && !name.is_empty() => Ok(Self(ServiceAccountRef {
                namespace: (*namespace).to_owned(),
                name: (*name).to_owned(),
            })),
            _ => Err(Usage(format!(
                "`{text}` is not a service account: write NAMESPACE/NAME"
            ))),
        }
    }
}

impl Register {
    /// Makes the Agent.
    pub async fn run(&self, agents: &Api<Agent>, out: &mut impl Write) -> anyhow::Result<Outcome> {
        let key = match &self.key {
            Some(path) => Some(public_key_of(path)?),
            None => self.public_key,
        };
        let made = agents.create(&PostParams::default(), &self.agent(key)).await;
        told(made, &format!("agent:{} registered", self.name), out)
    }

    fn agent(&self, key: Option<AgentKey>) -> Agent {
        let signing = match key {
            Some(_) => Signing::Required,
            None => Signing::NotSupported,
        };
        let spec = AgentSpec {
            public_key: key.map(|key| key.to_string()),
            rotation: None,
            role: match self.role {
                AgentRole::Agent => Role::Agent,
                AgentRole::Contributor => Role::Contributor,
            },
            owner: self.owner.clone(),
            intents_per_minute: self.intents_per_minute,
            service_accounts: self.accounts.iter().map(|account| account.0.clone()).collect(),
            impersonation: Impersonation::default(),
            signing,
            suspend: false,
        };
        Agent::new(&self.name, spec)
    }
}
