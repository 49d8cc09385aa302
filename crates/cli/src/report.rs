//! `report`: who would have been stopped where, and by which rule, as the operator's audit log has it.

mod log;
mod since;
mod suggest;
mod tally;
#[cfg(test)]
mod tests;
mod text;

use std::{io::Write, path::PathBuf};

use clap::Args;
use countersign_api::WriteDelegation;
use countersign_core::audit::{Event, Record};
use jiff::Timestamp;

use self::{
    since::Since,
    tally::{Report as Tallied, Tally},
};
use crate::{
    failure::Outcome,
    output::{AnswerFormat, Format, print, serialized},
};

const EXIT_CODES: &str = "\
Exit codes:
  0  nothing would have been stopped
  1  something would have been denied
  2  it cannot be told: a wrong command line, or a log that cannot be read or is not what was written
  3  nothing would have been denied, and something would have needed an approval
With --suggest it is 0 unless it cannot be told.";

/// Tell who would have been stopped where, and by which rule
///
/// While nothing is enforced, the operator lets everything through and records what it would have stopped. This adds the
/// records up. It reads the audit log's folder: in the operator's pod (kubectl exec), on its machine, or a copy. Each
/// record is checked to follow the one before it.
#[derive(Args, Clone, Debug)]
#[command(after_long_help = EXIT_CODES)]
pub struct Report {
    /// From when on: an age such as 7d, 12h or 30m, or a time such as 2026-03-01T00:00:00Z
    #[arg(long, value_name = "AGE|TIME", default_value = "7d")]
    pub since: Since,
    /// The folder of the audit log; may be given several times
    #[arg(long, value_name = "DIR", default_value = "/var/lib/countersign/audit")]
    pub audit_dir: Vec<PathBuf>,
    /// Print WriteDelegations that would permit what accounts did that are no agents, and no more
    #[arg(long)]
    pub suggest: bool,
    /// The form of what is printed
    #[arg(short, long, value_enum, default_value_t)]
    pub output: AnswerFormat,
}

impl Report {
    /// Prints what would have been stopped, or what would permit it.
    pub fn run(&self, out: &mut impl Write) -> anyhow::Result<Outcome> {
        let report = self.read(Timestamp::now())?;
        if self.suggest {
            let suggested = suggest::delegations(&report);
            print(out, &self.suggestion(&report, &suggested)?)?;
            return Ok(Outcome::Yes);
        }
        let said = match self.output {
            AnswerFormat::Text => report.text()?,
            AnswerFormat::Json => serialized(&report, Format::Json)?,
        };
        print(out, &said)?;
        Ok(report.outcome())
    }

    fn read(&self, now: Timestamp) -> anyhow::Result<Tallied> {
        let mut tally = Tally::new(self.since.at(now), now);
        for directory in &self.audit_dir {
            let begins = log::read(directory, tally.since(), |record: Record| match record.event {
                Event::Decision(decision) => tally.add(record.time, &decision),
                Event::Opened(_) => tally.add_start(),
                _ => {}
            })?;
            tally.begins(begins);
        }
        Ok(tally.report())
    }

    fn suggestion(&self, report: &Tallied, suggested: &[WriteDelegation]) -> anyhow::Result<String> {
        if self.output == AnswerFormat::Json {
            let list = serde_json::json!({ "apiVersion": "v1", "kind": "List", "items": suggested });
            return serialized(&list, Format::Json);
        }
        let mut text = format!(
            "# What accounts did from {} to {} that are no agents, and that no delegation covers. Each of these permits it\n\
             # without approval: read it, say why in spec.reason, and narrow it by spec.fields. An account that an AI agent\n\
             # or a pipeline uses belongs into an Agent instead.\n",
            report.since, report.until
        );
        if suggested.is_empty() {
            text.push_str("# There is none.\n");
        }
        for delegation in suggested {
            text.push_str("---\n");
            text.push_str(&serialized(delegation, Format::Yaml)?);
        }
        Ok(text)
    }
}
