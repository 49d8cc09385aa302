//! `kubectl countersign`: request, read, approve and explain changes. One file per command.
//!
//! Exit codes: 0 yes or done, 1 no, denied or failed, 2 a wrong command line; `diff` has kubectl's (0 nothing would
//! change, 1 something would, 2 it cannot be told), and `simulate`, `report` `admin enable-strict` and `agent` have one more (3
//! not without an approval).

mod agent;
mod agent_signer;
mod answer;
mod attest;
mod batch;
mod break_glass;
mod can_i;
mod cascade;
mod cluster;
mod confirm;
mod connection;
mod describe;
mod diff;
mod enable_strict;
mod failure;
mod intent;
mod known;
mod kubectl;
mod list;
mod output;
mod passcode;
mod preview;
mod report;
mod request;
mod review;
mod show;
mod sign;
mod simulate;
mod ssh_agent;
mod terminal;
mod ticket;
mod version;
mod wait;
mod who;
mod yaml;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use countersign_core::review::ReviewDecision;

pub use self::{
    agent::Agents, attest::Attest, break_glass::BreakGlass, can_i::CanI, connection::Connection,
    describe::Describe, diff::Diff, enable_strict::EnableStrict, intent::Intents, list::List,
};
pub use self::{
    passcode::Passcode, report::Report, request::Request, review::Review, simulate::Simulate,
    version::Version, wait::Wait,
};
use failure::Outcome;

/// Nobody, human or AI agent, changes production alone
#[derive(Parser, Clone, Debug)]
#[command(name = "kubectl-countersign", bin_name = "kubectl countersign", version)]
pub struct Cli {
    /// Which cluster
    #[command(flatten)]
    pub connection: Connection,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What can be asked of Countersign; another binary may take these among its own commands.
#[derive(Subcommand, Clone, Debug)]
pub enum Command {
    /// Show what an apply would change, and whether it needs approval
    Diff(Diff),
    /// Ask for approval of a change before making it
    Request(Box<Request>),
    /// Ask for approval (the same as request)
    #[command(subcommand)]
    Approval(Approval),
    /// List tickets
    List(List),
    /// Show a ticket: who asks, what would change, who reviewed
    Describe(Describe),
    /// Approve the change of a ticket, or the changes of a batch
    Approve(Review),
    /// Refuse the change of a ticket or of a batch, for good
    Deny(Review),
    /// Take back an approval that was not used
    Revoke(Review),
    /// Withdraw a request of your own
    Cancel(Review),
    /// Wait until a ticket, or each of a batch, is in a state
    Wait(Wait),
    /// Tell whether a write would be allowed, and which line of configuration decides
    CanI(CanI),
    /// Tell what Countersign would say to manifests, without a cluster
    Simulate(Box<Simulate>),
    /// Tell who would have been stopped where, and by which rule
    Report(Report),
    /// Register agents, and see what they do
    #[command(subcommand)]
    Agent(Box<Agents>),
    /// Say what an agent is about to do, and why
    #[command(subcommand)]
    Intent(Intents),
    /// What admins alone do
    #[command(subcommand)]
    Admin(Admin),
    /// Print the version
    Version(Version),
    /// Print a script that completes commands in a shell
    Completion(Completion),
}

/// What can be done about approvals.
#[derive(Subcommand, Clone, Debug)]
pub enum Approval {
    /// Ask for approval of a change before making it
    Request(Box<Request>),
}

/// What admins alone do.
#[derive(Subcommand, Clone, Debug)]
pub enum Admin {
    /// Attest a permission object that bears no seal
    Attest(Attest),
    /// Turn strict mode on, for what is there and nothing else
    EnableStrict(EnableStrict),
    /// Act in an emergency without approvals, on the record
    BreakGlass(BreakGlass),
    /// Set or change the passcode of emergencies
    #[command(subcommand)]
    Passcode(Passcode),
}

/// Print a script that completes commands in a shell
#[derive(Args, Clone, Copy, Debug)]
pub struct Completion {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Runs a command of the binary whose whole command line is `Root`, and prints why when it fails.
pub async fn run<Root: CommandFactory>(command: Command, connection: &Connection) -> ExitCode {
    let cannot_be_told = matches!(
        command,
        Command::Diff(_) | Command::Simulate(_) | Command::Report(_)
    );
    let on_failure = if cannot_be_told { 2 } else { 1 };
    let mut out = io::stdout().lock();
    let result = act::<Root>(command, connection, &mut out).await;
    let result = result.and_then(|outcome| match out.flush() {
        // Who stops reading does not change the outcome.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(outcome),
        flushed => Ok(flushed.map(|()| outcome)?),
    });
    if let Err(error) = &result {
        if is_closed_pipe(error) {
            return ExitCode::SUCCESS;
        }
        eprintln!("error: {}", failure::explain(error));
    }
    failure::exit_code(&result, on_failure)
}

async fn act<Root: CommandFactory>(
    command: Command,
    connection: &Connection,
    out: &mut impl Write,
) -> anyhow::Result<Outcome> {
    match command {
        Command::Completion(completion) => {
            let mut root = Root::command();
            let name = root.get_name().to_owned();
            clap_complete::generate(completion.shell, &mut root, name, out);
            Ok(Outcome::Yes)
        }
        Command::Version(version) => version.run(connection, out).await,
        Command::Diff(diff) => diff.run(&connection.open().await?, out).await,
        Command::Request(request) | Command::Approval(Approval::Request(request)) => {
            request.run(&connection.open().await?, out).await
        }
        Command::List(list) => list.run(&connection.open().await?, out).await,
        Command::Describe(describe) => describe.run(&connection.open().await?, out).await,
        Command::Approve(review) => decide(ReviewDecision::Approve, &review, connection, out).await,
        Command::Deny(review) => decide(ReviewDecision::Deny, &review, connection, out).await,
        Command::Revoke(review) => decide(ReviewDecision::Revoke, &review, connection, out).await,
        Command::Cancel(review) => decide(ReviewDecision::Cancel, &review, connection, out).await,
        Command::Wait(wait) => wait.run(&connection.open().await?, out).await,
        Command::CanI(can_i) => can_i.run(&connection.open().await?, out).await,
        Command::Simulate(simulate) => simulate.run(connection.namespace.as_deref(), out),
        Command::Report(report) => report.run(out),
        Command::Agent(agents) => agents.run(connection, out).await,
        Command::Intent(intents) => intents.run(connection, out).await,
        Command::Admin(Admin::Attest(attest)) => attest.run(&connection.open().await?, out).await,
        Command::Admin(Admin::BreakGlass(window)) => {
            Box::pin(window.run(&connection.open().await?, out)).await
        }
        Command::Admin(Admin::Passcode(passcode)) => {
            Box::pin(passcode.run(&connection.open().await?, out)).await
        }
        Command::Admin(Admin::EnableStrict(enable)) => {
            Box::pin(enable.run(&connection.open().await?, out)).await
        }
    }
}

async fn decide(
    decision: ReviewDecision,
    review: &Review,
    connection: &Connection,
    out: &mut impl Write,
) -> anyhow::Result<Outcome> {
    review.run(decision, &connection.open().await?, out).await
}

/// Whether whoever reads the output went away: `list | head -1`.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
    kind == Some(io::ErrorKind::BrokenPipe)
}
