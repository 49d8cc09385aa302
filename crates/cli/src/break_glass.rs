//! `admin break-glass`: a window in which whoever knows the passcode is not held back, on the record.

mod after;
mod open;

use std::io::Write;

use clap::{Args, Subcommand};

use self::{
    after::{End, Review, list},
    open::Open,
};
use crate::{connection::Session, failure::Outcome};

/// Act in an emergency without approvals, on the record
///
/// Asks for the passcode at the terminal and opens a window: until it ends, what the rules would deny you is allowed, with
/// a warning, and recorded. Not for agents, and not for what Countersign itself stands on: grants, zones, tickets and the
/// passcode stay as they are. Another admin reviews afterwards what was done.
#[derive(Args, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct BreakGlass {
    /// What to open
    #[command(flatten)]
    open: Option<Open>,
    /// What to do with a window that is there
    #[command(subcommand)]
    then: Option<Then>,
}

#[derive(Subcommand, Clone, Debug)]
enum Then {
    /// End a window early
    End(End),
    /// List windows, the latest first
    List,
    /// Say that you read what was done in a window that is over
    Review(Review),
}

impl BreakGlass {
    /// Opens a window, or does what is asked about one.
    pub async fn run(&self, session: &Session, out: &mut impl Write) -> anyhow::Result<Outcome> {
        match (&self.then, &self.open) {
            (Some(Then::End(end)), _) => end.run(session, out).await,
            (Some(Then::List), _) => list(session, out).await,
            (Some(Then::Review(review)), _) => review.run(session, out).await,
            (None, Some(open)) => open.run(session, out).await,
            (None, None) => Err(crate::failure::usage(
                "why is a window needed? --reason \"incident #4218\", or one of end, list, review",
            )),
        }
    }
}
