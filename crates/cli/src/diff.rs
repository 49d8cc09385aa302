//! `diff`: what an apply would change, and whether that needs approval.

use std::io::Write;

use clap::Args;

use crate::{
    connection::Session,
    failure::{Outcome, usage},
    kubectl::Manifests,
    preview::{Preview, Verdict, previews},
    show::diff,
};
use countersign_core::plain::plain;

/// Show what an apply would change, and whether it needs approval
///
/// Like kubectl diff: exit code 0 when nothing would change, 1 when something would, 2 when that cannot be told,
/// a denial included.
#[derive(Args, Clone, Debug)]
pub struct Diff {
    /// What would be applied
    #[command(flatten)]
    pub manifests: Manifests,
}

impl Diff {
    /// Shows the changes; the answer is no when there are any.
    pub async fn run(&self, session: &Session, out: &mut impl Write) -> anyhow::Result<Outcome> {
        if self.manifests.is_empty() {
            return Err(usage("name what would be applied with -f"));
        }
        let previews = previews(session, &self.manifests).await?;
        for preview in &previews.objects {
            out.write_all(text(preview).as_bytes())?;
        }
        for (reason, message) in &previews.violations {
            writeln!(out, "not enforced here: {reason}: {}", plain(message))?;
        }
        let unchanged = previews
            .objects
            .iter()
            .all(|preview| preview.verdict == Verdict::Unchanged);
        Ok(if unchanged { Outcome::Yes } else { Outcome::No })
    }
}

/// One object: what is done to it, the verdict with its hashes, the change.
pub fn text(preview: &Preview) -> String {
    let target = preview.target.target();
    let place = plain(&target.place());
    match &preview.verdict {
        Verdict::Unchanged => format!("{place}: unchanged\n"),
        Verdict::Allowed => {
            let verb = preview.operation.verb();
            format!("{place}: {verb}, allowed\n{}\n", diff(&preview.parts()))
        }
        Verdict::NeedsApproval(approval) => {
            let hashes = [
                ("resourceHash", Some(approval.resource_hash)),
                ("oldHash", approval.old_hash),
                ("commandHash", approval.command_hash),
            ];
            let hashes: String = hashes
                .into_iter()
                .filter_map(|(name, hash)| Some(format!("  {name}: {}\n", hash?)))
                .collect();
            let (verb, whom) = (preview.operation.verb(), plain(&approval.whom));
            format!(
                "{place}: {verb}, needs approval of {whom}\n{hashes}{}\n",
                diff(&preview.parts())
            )
        }
    }
}
