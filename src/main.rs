//! `countersign`: the operator, its kinds, and everything that `kubectl countersign` does.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use countersign::run::{RunArgs, run};
use countersign_cli::{Command as ClientCommand, Connection};

/// Nobody, human or AI agent, changes production alone
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the operator; --kubeconfig names its own identity, --namespace where it lives (countersign-system)
    Run(Box<RunArgs>),
    /// Print the definitions of Countersign's kinds, for `kubectl apply -f -`
    Crds,
    #[command(flatten)]
    Client(Box<ClientCommand>),
}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { connection, command } = Arguments::parse();
    let done = match command {
        Command::Run(arguments) => run(*arguments, &connection).await,
        Command::Crds => crds(),
        Command::Client(command) => return countersign_cli::run::<Arguments>(*command, &connection).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn crds() -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    for crd in countersign_api::crd::all() {
        match writeln!(out, "---\n{}", countersign_api::crd::yaml(&crd)?) {
            // Whoever reads has enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            written => written?,
        }
    }
    Ok(())
}
