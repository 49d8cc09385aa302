//! `intent log`: a statement of an agent, signed here, and stored beside what it names.

use std::io::Write;

use anyhow::{Context, anyhow};
use clap::Args;
use countersign_api::{Agent, Intent, IntentSpec};
use countersign_core::{
    binding::whole_seconds, identity::Identity, intent::Statement, policy::Policy,
    resource_name::ResourceName,
};
use jiff::Timestamp;
use kube::{Api, api::PostParams};

use crate::{
    agent_signer::{AgentSigner, SignedBy},
    connection::{Session, operator_namespace},
    failure::{Outcome, usage},
    known,
    output::{Format, name_of, serialized},
    request::{Action, unaliased},
    ssh_agent::SshAgent,
};

/// Sign, and make, an intent
///
/// It goes into the namespace of what it names. What an agent of the role `agent` deletes within the next 15 minutes is
/// explained by it; it allows nothing by itself.
#[derive(Args, Clone, Debug)]
pub struct Log {
    /// What the agent is about to do: an action such as object.deployments.apps.delete, or words
    #[arg(long, value_name = "ACTION")]
    pub action: String,
    /// To what: <type>:<project>/<env>/<name>, such as app:billing/prod/my-api
    #[arg(long, value_name = "RESOURCE")]
    pub resource: Option<ResourceName>,
    /// What it is about to delete, written like --resource; may be given several times
    #[arg(long, value_name = "RESOURCE", value_delimiter = ',')]
    pub deletes: Vec<ResourceName>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// The agent that signs, where its service account is not the one that the kubeconfig has
    #[arg(long, value_name = "NAME")]
    pub as_agent: Option<String>,
    /// By which key
    #[command(flatten)]
    pub signed_by: SignedBy,
    /// The form of what is printed
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,
}

impl Log {
    /// Signs and makes the intent.
    pub async fn run(&self, session: &Session, out: &mut impl Write) -> anyhow::Result<Outcome> {
        let agent = match &self.as_agent {
            Some(name) => Identity::agent(name)?,
            None => known::myself(session).await?,
        };
        if !agent.is_agent() {
            return Err(usage(format!(
                "you are {agent}, and only agents make intents: use the kubeconfig of the agent's service account"
            )));
        }
        let statement = self.statement(agent, session).await?;
        let signer = self.signer(&statement.agent, session).await?;
        let signature = signer.sign(&statement).await?;
        let made = Api::<Intent>::namespaced(session.client.clone(), &statement.namespace)
            .create(&PostParams::default(), &object(statement, signature))
            .await?;
        match self.output {
            Format::Table | Format::Wide => {
                let namespace = made.metadata.namespace.as_deref().unwrap_or_default();
                writeln!(out, "{} made in namespace {namespace}", name_of(&made))?;
            }
            Format::Name => writeln!(out, "{}", name_of(&made))?,
            Format::Json | Format::Yaml => out.write_all(serialized(&made, self.output)?.as_bytes())?,
        }
        Ok(Outcome::Yes)
    }

    async fn signer(&self, agent: &Identity, session: &Session) -> anyhow::Result<AgentSigner> {
        if let Some(path) = &self.signed_by.key {
            return AgentSigner::of_file(path);
        }
        let ssh_agent = SshAgent::find()?;
        let registered = Api::<Agent>::all(session.client.clone());
        let registered = registered.get(agent.local()).await?;
        let key = registered.spec.public_key;
        let key = key.with_context(|| format!("{agent} has no key: its Agent says signing: NotSupported"))?;
        Ok(AgentSigner::SshAgent(ssh_agent, Box::new(key.parse()?)))
    }

    async fn statement(&self, agent: Identity, session: &Session) -> anyhow::Result<Statement> {
        let policy = known::policy(session).await?;
        let home = operator_namespace(session.policy().await?.as_ref());
        let named = |name: &ResourceName| ResourceName {
            resource_type: unaliased(&name.resource_type, &policy),
            ..name.clone()
        };
        let resource = self.resource.as_ref().map(named);
        let deletes: Vec<_> = self.deletes.iter().map(named).collect();
        let mut namespaces: Vec<_> = resource
            .iter()
            .chain(&deletes)
            .map(|name| name.namespace.as_deref().unwrap_or(&home))
            .collect();
        namespaces.dedup();
        let namespace = match namespaces.as_slice() {
            [] => &session.namespace,
            [alone] => *alone,
            several => {
                return Err(usage(format!(
                    "an intent is about one namespace, and these are {}: make one for each",
                    several.join(" and ")
                )));
            }
        };
        Ok(Statement {
            agent,
            cluster_id: known::cluster_id(session).await?,
            namespace: namespace.to_owned(),
            action: action(&self.action, &policy),
            resource: resource.map(|name| name.to_string()),
            deletes: deletes.iter().map(ResourceName::to_string).collect(),
            reason: self.reason.clone(),
            nonce: nonce()?,
            time: whole_seconds(Timestamp::now()),
        })
    }
}

/// An action on an alias, on what that means; other words as they are.
fn action(text: &str, policy: &Policy) -> String {
    let Ok(action) = text.parse::<Action>() else {
        return text.to_owned();
    };
    let resource_type = unaliased(&action.resource_type, policy);
    match text.rsplit_once('.') {
        Some((_, operation)) if resource_type != action.resource_type => {
            format!("object.{resource_type}.{operation}")
        }
        _ => text.to_owned(),
    }
}

/// 128 random bits in hex.
fn nonce() -> anyhow::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| anyhow!("no random bytes: {error}"))?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

fn object(statement: Statement, signature: String) -> Intent {
    let name = statement.name();
    let spec = IntentSpec {
        agent_id: statement.agent.to_string(),
        cluster_id: statement.cluster_id,
        action: statement.action,
        resource: statement.resource,
        deletes: statement.deletes,
        reason: statement.reason,
        nonce: statement.nonce,
        time: statement.time.to_string(),
        signature,
        public_key: None,
        stamp: None,
    };
    Intent::new(&name, spec)
}

#[cfg(test)]
mod tests {
    use countersign_core::policy::Alias;

    use super::*;

    #[test]
    fn an_action_on_an_alias_is_stored_as_what_that_means() {
        let policy = Policy {
            aliases: vec![Alias {
                alias: "app".into(),
                resource: "deployments.apps".into(),
            }],
            ..Policy::default()
        };
        for (typed, stored) in [
            ("deploy.app.delete", "object.deployments.apps.delete"),
            ("object.deployments.apps.delete", "object.deployments.apps.delete"),
            ("tidy up", "tidy up"),
        ] {
            assert_eq!(action(typed, &policy), stored);
        }
    }
}
