//! The plugin `kubectl countersign`.

use std::process::ExitCode;

use clap::Parser;
use countersign_cli::{Cli, run};

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    run::<Cli>(cli.command, &cli.connection).await
}
