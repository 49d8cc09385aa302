//! `countersign`: the operator, its kinds, and everything that `kubectl countersign` does.

use clap::{Parser, Subcommand};
use countersign::run::{self, RunArgs};

/// Nobody, human or AI agent, changes production alone.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the operator.
    Run(Box<RunArgs>),
    /// Prints the definitions of Countersign's kinds, for `kubectl apply -f -`.
    Crds,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Run(arguments) => run::run(*arguments).await,
        Command::Crds => crds(),
    }
}

fn crds() -> anyhow::Result<()> {
    for crd in countersign_api::crd::all() {
        println!("---\n{}", countersign_api::crd::yaml(&crd)?);
    }
    Ok(())
}
