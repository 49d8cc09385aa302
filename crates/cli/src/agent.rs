//! `agent`: the autonomous actors of a cluster, their keys, and what they do.

mod keygen;
mod register;
mod rotate;
mod show;

use std::{fmt::Debug, io::Write};

use clap::{Args, Subcommand};
use countersign_api::{Agent, FIELD_MANAGER};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde::Serialize;
use serde_json::json;

use self::{keygen::Keygen, register::Register, rotate::Rotate, show::Show};
use crate::{
    connection::Connection,
    failure::{Outcome, explain, needs_approval},
};

/// What can be done about agents.
#[derive(Subcommand, Clone, Debug)]
pub enum Agents {
    /// Make a key for an agent; the private one stays in a file on this machine
    Keygen(Keygen),
    /// Register an agent: who answers for it, and which service accounts act as it
    Register(Register),
    /// Refuse everything that an agent does, at once
    Suspend(Named),
    /// Let an agent act again
    Resume(Named),
    /// Give an agent another key, by the word of the one that it has
    Rotate(Rotate),
    /// Show an agent: its owner, key and accounts, and what it did, was denied and waits for
    Show(Show),
}

/// One agent.
#[derive(Args, Clone, Debug)]
pub struct Named {
    /// The name of the Agent
    pub name: String,
}

impl Agents {
    /// Does it.
    pub async fn run(&self, connection: &Connection, out: &mut impl Write) -> anyhow::Result<Outcome> {
        if let Self::Keygen(keygen) = self {
            return keygen.run(out);
        }
        let session = connection.open().await?;
        let agents = Api::<Agent>::all(session.client.clone());
        match self {
            Self::Keygen(keygen) => keygen.run(out),
            Self::Register(register) => register.run(&agents, out).await,
            Self::Suspend(named) => named.suspend(true, &agents, out).await,
            Self::Resume(named) => named.suspend(false, &agents, out).await,
            Self::Rotate(rotate) => rotate.run(&session, &agents, out).await,
            Self::Show(show) => Box::pin(show.run(&session, &agents, out)).await,
        }
    }
}

impl Named {
    async fn suspend(
        &self,
        suspend: bool,
        agents: &Api<Agent>,
        out: &mut impl Write,
    ) -> anyhow::Result<Outcome> {
        let patched = patch(agents, &self.name, &json!({ "spec": { "suspend": suspend } })).await;
        let done = if suspend { "suspended" } else { "resumed" };
        told(patched, &format!("agent:{} {done}", self.name), out)
    }
}

/// Changes an Agent.
async fn patch(agents: &Api<Agent>, name: &str, change: &(impl Serialize + Debug)) -> kube::Result<Agent> {
    let parameters = PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    agents.patch(name, &parameters, &Patch::Merge(change)).await
}

/// What came of a write of an Agent: done, or not before somebody approves it.
fn told(result: kube::Result<Agent>, done: &str, out: &mut impl Write) -> anyhow::Result<Outcome> {
    match result {
        Ok(_) => {
            writeln!(out, "{done}")?;
            Ok(Outcome::Yes)
        }
        Err(error) if needs_approval(&error) => {
            eprintln!("{}", explain(&error.into()));
            eprintln!("once it is approved, run the same command again");
            Ok(Outcome::NeedsApproval)
        }
        Err(error) => Err(error.into()),
    }
}
