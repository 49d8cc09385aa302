//! Windows that are there: listed, ended early, and reviewed once they are over.

use std::io::{self, IsTerminal, Write};

use clap::Args;
use countersign_api::{BreakGlass, FIELD_MANAGER, break_glass::parse};
use countersign_core::plain::plain;
use jiff::Timestamp;
use kube::{
    Api, ResourceExt,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::{
    confirm::confirmed,
    connection::Session,
    failure::Outcome,
    known,
    output::{name_of, write_table},
};

#[derive(Args, Clone, Debug)]
pub struct End {
    /// The window
    pub name: String,
}

#[derive(Args, Clone, Debug)]
pub struct Review {
    /// The window
    pub name: String,
    /// What you say of what was done
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Do not ask to confirm
    #[arg(short, long)]
    pub yes: bool,
}

impl End {
    pub async fn run(&self, session: &Session, out: &mut impl Write) -> anyhow::Result<Outcome> {
        let ended = set(&self.name, &json!({ "ended": true }), session).await?;
        writeln!(out, "{} ended", name_of(&ended))?;
        Ok(Outcome::Yes)
    }
}

impl Review {
    /// Shows what was done, asks, and says so.
    pub async fn run(&self, session: &Session, out: &mut impl Write) -> anyhow::Result<Outcome> {
        let window = windows(session).get(&self.name).await?;
        show(&window, out)?;
        out.flush()?;
        let asks = !self.yes && io::stdin().is_terminal();
        if asks && !confirmed("Say that you read this", &mut io::stdin().lock())? {
            eprintln!("nothing was done");
            return Ok(Outcome::No);
        }
        let review = json!({
            "reviewer": known::myself(session).await?,
            "reason": self.reason,
            "time": Timestamp::now(),
        });
        let reviewed = set(&self.name, &json!({ "review": review }), session).await?;
        writeln!(out, "{} reviewed", name_of(&reviewed))?;
        Ok(Outcome::Yes)
    }
}

fn windows(session: &Session) -> Api<BreakGlass> {
    Api::all(session.client.clone())
}

async fn set(name: &str, spec: &Value, session: &Session) -> anyhow::Result<BreakGlass> {
    let parameters = PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let patch = Patch::Merge(json!({ "spec": spec }));
    Ok(windows(session).patch(name, &parameters, &patch).await?)
}

fn show(window: &BreakGlass, out: &mut impl Write) -> anyhow::Result<()> {
    let (spec, status) = (&window.spec, window.status.clone().unwrap_or_default());
    let told = status.relaxed_writes.unwrap_or_default();
    writeln!(
        out,
        "Window of {}: {}",
        plain(&spec.person_id),
        plain(&spec.reason)
    )?;
    writeln!(out, "From {} for {}", plain(&spec.time), plain(&spec.duration))?;
    writeln!(out, "Writes that it let pass: {told}; the audit log has them all")?;
    let head = ["TIME", "BY", "OPERATION", "OBJECT", "WOULD BE"]
        .map(str::to_owned)
        .to_vec();
    let rows = status.writes.into_iter().map(|write| {
        vec![
            write.time.0.to_string(),
            write.by,
            write.operation,
            write.object,
            write.reason,
        ]
    });
    Ok(write_table(
        out,
        &std::iter::once(head).chain(rows).collect::<Vec<_>>(),
    )?)
}

/// Every window, the latest first.
pub async fn list(session: &Session, out: &mut impl Write) -> anyhow::Result<Outcome> {
    let mut all = windows(session).list(&ListParams::default()).await?.items;
    all.sort_by(|a, b| b.spec.time.cmp(&a.spec.time));
    let head = ["NAME", "PERSON", "STATE", "UNTIL", "WRITES", "REVIEWED", "REASON"];
    let now = Timestamp::now();
    let rows = all.iter().map(|window| {
        let parsed = parse(window).ok();
        let is_open = parsed.as_ref().is_some_and(|window| window.is_open(now));
        let writes = window.status.as_ref().and_then(|status| status.relaxed_writes);
        vec![
            window.name_any(),
            window.spec.person_id.clone(),
            if is_open { "Open" } else { "Ended" }.to_owned(),
            parsed.map_or_else(String::new, |window| window.ends.to_string()),
            writes.unwrap_or_default().to_string(),
            window
                .spec
                .review
                .as_ref()
                .map_or_else(|| "no".to_owned(), |review| review.reviewer.clone()),
            window.spec.reason.clone(),
        ]
    });
    let rows: Vec<_> = std::iter::once(head.map(str::to_owned).to_vec())
        .chain(rows)
        .collect();
    write_table(out, &rows)?;
    Ok(Outcome::Yes)
}
