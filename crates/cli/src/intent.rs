//! `intent`: what agents are about to do, and why.

mod list;
mod log;

use std::io::Write;

use clap::Subcommand;

use self::{list::List, log::Log};
use crate::{connection::Connection, failure::Outcome};

/// What can be done about intents.
#[derive(Subcommand, Clone, Debug)]
pub enum Intents {
    /// Sign, and make, an intent: what an agent is about to do, and why
    Log(Box<Log>),
    /// List intents
    List(List),
}

impl Intents {
    /// Does it.
    pub async fn run(&self, connection: &Connection, out: &mut impl Write) -> anyhow::Result<Outcome> {
        let session = connection.open().await?;
        match self {
            Self::Log(log) => Box::pin(log.run(&session, out)).await,
            Self::List(list) => list.run(&session, out).await,
        }
    }
}
