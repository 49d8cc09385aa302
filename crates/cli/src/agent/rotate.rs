//! `agent rotate`: another key for an agent, signed by the one that it has.

use std::{io::Write, path::PathBuf};

use anyhow::ensure;
use clap::Args;
use countersign_api::Agent;
use countersign_core::{
    agent_key::AgentKey, binding::whole_seconds, identity::Identity, rotation::Statement,
};
use jiff::Timestamp;
use kube::Api;
use serde_json::json;

use super::patch;
use crate::{
    agent_signer::{AgentSigner, public_key_of},
    connection::Session,
    failure::{Outcome, explain, needs_approval},
    known,
};

/// Give an agent another key
///
/// The key that the agent has signs that it gives way to the new one. Both private keys stay where they are.
#[derive(Args, Clone, Debug)]
pub struct Rotate {
    /// The name of the Agent
    pub name: String,
    /// The private key that the agent has
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// The new private key, of which only the public part is sent
    #[arg(long, value_name = "FILE", required_unless_present = "new_public_key")]
    pub new_key: Option<PathBuf>,
    /// The new public key, as `agent keygen` prints it
    #[arg(long, value_name = "ed25519:...", conflicts_with = "new_key")]
    pub new_public_key: Option<AgentKey>,
    /// When it was signed: the same command with the same time sends the same rotation, once it is approved
    #[arg(long, value_name = "TIME")]
    pub time: Option<Timestamp>,
}

impl Rotate {
    /// Signs and sends the rotation.
    pub async fn run(
        &self,
        session: &Session,
        agents: &Api<Agent>,
        out: &mut impl Write,
    ) -> anyhow::Result<Outcome> {
        let (previous, next) = (public_key_of(&self.key)?, self.next()?);
        let present = agents.get(&self.name).await?.spec.public_key;
        ensure!(
            present.as_deref() == Some(previous.to_string().as_str()),
            "`{}` is not the key that agent:{} has: that is {}",
            self.key.display(),
            self.name,
            present.as_deref().unwrap_or("none")
        );
        let time = whole_seconds(self.time.unwrap_or_else(Timestamp::now));
        let statement = Statement {
            agent: Identity::agent(&self.name)?,
            cluster_id: known::cluster_id(session).await?,
            previous_key: previous.to_string(),
            public_key: next.to_string(),
            time,
        };
        let signature = AgentSigner::of_file(&self.key)?.sign(&statement).await?;
        let change = json!({ "spec": {
            "publicKey": statement.public_key,
            "rotation": { "previousKey": statement.previous_key, "time": time, "signature": signature },
        }});
        match patch(agents, &self.name, &change).await {
            Ok(_) => {
                writeln!(out, "agent:{} has another key: {}", self.name, next.fingerprint())?;
                Ok(Outcome::Yes)
            }
            Err(error) if needs_approval(&error) => {
                eprintln!("{}", explain(&error.into()));
                eprintln!("once it is approved, run the same command again with --time {time}");
                Ok(Outcome::NeedsApproval)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn next(&self) -> anyhow::Result<AgentKey> {
        match (&self.new_key, self.new_public_key) {
            (Some(path), _) => public_key_of(path),
            (None, Some(key)) => Ok(key),
            (None, None) => Err(crate::failure::usage("--new-key or --new-public-key is needed")),
        }
    }
}
