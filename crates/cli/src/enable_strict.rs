//! `admin enable-strict`: strict mode, turned on for exactly what somebody looked at.

mod lockout;
mod shown;

use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};

use anyhow::bail;
use clap::Args;
use countersign_api::{AccessPolicy, FIELD_MANAGER, POLICY_NAME};
use countersign_core::digest::Digest;
use kube::{
    Api,
    api::{Patch, PatchParams},
    runtime::wait::await_condition,
};
use serde_json::json;

use self::shown::Shown;
use crate::{confirm::confirmed, connection::Session, failure::Outcome};

/// Turn strict mode on, for what is there and nothing else
///
/// Shows the policy, every grant, team, agent, zone and delegation, the labels of every namespace, who could be locked
/// out, and one digest of all of it.
/// When you confirm, the policy asks for strict mode together with that digest: strict mode begins only while everything
/// is as it was shown. Without a terminal nothing is asked: the digest is printed and the exit code is 3; look at what is
/// there, and run the command again with --digest.
#[derive(Args, Clone, Debug)]
pub struct EnableStrict {
    /// The digest that was looked at: turn strict mode on without asking, unless there is another one now
    #[arg(long, value_name = "sha256:...")]
    pub digest: Option<Digest>,
}

/// How long strict mode may take to begin: the operator seals everything and rewrites the webhook configurations.
const PATIENCE: Duration = Duration::from_mins(1);

impl EnableStrict {
    /// Shows everything, asks, and turns strict mode on.
    pub async fn run(&self, session: &Session, out: &mut impl Write) -> anyhow::Result<Outcome> {
        let shown = Shown::read(session).await?;
        if condition(&shown.policy, "Enforcing") == Some("Strict") {
            writeln!(out, "strict mode is on already")?;
            return Ok(Outcome::Yes);
        }
        shown.write(out)?;
        out.flush()?;
        let present = shown.digest();
        match self.digest {
            Some(expected) if expected != present => {
                bail!("what is there has the digest {present}, not {expected}: look at it again")
            }
            None if !io::stdin().is_terminal() => {
                eprintln!(
                    "nothing was done: look at this, and run the command again with --digest {present}"
                );
                return Ok(Outcome::NeedsApproval);
            }
            None if !confirmed("Turn strict mode on for this", &mut io::stdin().lock())? => {
                eprintln!("nothing was done");
                return Ok(Outcome::No);
            }
            Some(_) | None => {}
        }
        turn_on(&shown, session).await?;
        writeln!(out, "strict mode is on")?;
        Ok(Outcome::Yes)
    }
}

async fn turn_on(shown: &Shown, session: &Session) -> anyhow::Result<()> {
    let policies = Api::<AccessPolicy>::all(session.client.clone());
    let patch = json!({
        "metadata": { "uid": shown.policy.metadata.uid },
        "spec": { "strictMode": true, "strictModeDigest": shown.digest().to_string() },
    });
    let parameters = PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let patch = Patch::Merge(&patch);
    let begun = match policies.patch(POLICY_NAME, &parameters, &patch).await {
        Ok(asked) => begins(&asked, policies).await,
        Err(error) => Err(error.into()),
    };
    if begun.is_err() {
        tell_changes(shown, session).await;
    }
    begun
}

/// Waits until strict mode is in force by this policy, or is not going to be.
async fn begins(asked: &AccessPolicy, policies: Api<AccessPolicy>) -> anyhow::Result<()> {
    let is_other = |policy: &AccessPolicy| policy.metadata.generation != asked.metadata.generation;
    let settled =
        |policy: Option<&AccessPolicy>| policy.is_none_or(|policy| is_other(policy) || is_settled(policy));
    let end = tokio::time::timeout(PATIENCE, await_condition(policies, POLICY_NAME, settled)).await;
    let Ok(end) = end else {
        bail!("strict mode was asked for and has not begun yet: what does kubectl describe accesspolicy say?")
    };
    let Some(end) = end?.filter(|end| !is_other(end)) else {
        bail!("strict mode was asked for, and somebody changed the policy since")
    };
    match condition(&end, "Degraded") {
        Some(why) => bail!("strict mode was asked for and does not begin: {why}"),
        None => Ok(()),
    }
}

/// Whether it is decided what became of the switch.
fn is_settled(policy: &AccessPolicy) -> bool {
    condition(policy, "Enforcing") == Some("Strict")
        || condition(policy, "Degraded") == Some("PermissionsChanged")
}

/// The reason of a condition that was made of the present generation.
fn condition<'a>(policy: &'a AccessPolicy, kind: &str) -> Option<&'a str> {
    let conditions = policy.status.as_ref()?.conditions.iter();
    let of_kind = conditions.filter(|one| one.type_ == kind);
    let mut present = of_kind.filter(|one| one.observed_generation == policy.metadata.generation);
    present.next().map(|one| one.reason.as_str())
}

/// What is no longer as it was shown, as far as it can be read.
async fn tell_changes(shown: &Shown, session: &Session) {
    if let Ok(now) = Shown::read(session).await {
        for object in shown.changed(&now) {
            eprintln!("changed meanwhile: {object}");
        }
    }
}
