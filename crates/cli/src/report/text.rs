//! The report for people: a table by rule, subject and zone, and what it rests on.

use countersign_core::audit::record::{DecidedBy, Verdict};

use super::tally::{Counted, Report, Violations, Write};
use crate::output::write_table;

/// How many kinds of writes a line of the table names.
const SHOWN: usize = 3;

impl Report {
    /// A table, and what it rests on.
    pub fn text(&self) -> anyhow::Result<String> {
        let mut table = Vec::new();
        if !self.violations.is_empty() {
            let rows: Vec<_> = std::iter::once(titles())
                .chain(self.violations.iter().map(row))
                .collect();
            write_table(&mut table, &rows)?;
            table.push(b'\n');
        }
        let numbers = format!(
            "from {:.0} to {:.0}: would have been denied: {}, would have needed approval: {}\n",
            self.since, self.until, self.denied, self.need_approval
        );
        let begins = self.log_begins.filter(|begins| *begins > self.since);
        let begins = begins.map(|begins| format!("the audit log begins at {begins:.0}\n"));
        let starts = (self.starts > 0).then(|| {
            format!(
                "the operator started {} times: what happened while it was down is not on record\n",
                self.starts
            )
        });
        let notes: String = begins.into_iter().chain(starts).collect();
        Ok(String::from_utf8(table)? + &numbers + &notes)
    }
}

fn titles() -> Vec<String> {
    let titles = [
        "COUNT",
        "VERDICT",
        "REASON",
        "SUBJECT",
        "ENVIRONMENT",
        "ZONE",
        "NAMESPACE",
        "WRITES",
        "DECIDED BY",
        "LAST",
    ];
    titles.map(str::to_owned).to_vec()
}

fn row(violations: &Violations) -> Vec<String> {
    let alike = &violations.alike;
    let verdict = match alike.verdict {
        Verdict::RequireApproval => "needs approval",
        Verdict::Allow | Verdict::Deny => "denied",
    };
    let cause = |cause: &DecidedBy| format!("{}/{} {}", cause.kind, cause.name, cause.field);
    let absent = || "-".to_owned();
    vec![
        violations.count.to_string(),
        verdict.to_owned(),
        alike.reason.clone(),
        alike.subject.clone(),
        alike
            .environment
            .map_or_else(absent, |environment| environment.to_string()),
        alike.zone.clone().unwrap_or_else(absent),
        alike.namespace.clone(),
        shown(&violations.writes),
        alike.cause.as_ref().map_or_else(absent, cause),
        format!("{:.0}", violations.last),
    ]
}

/// The kinds of writes, the first few by name.
fn shown(writes: &[Counted]) -> String {
    let name = |counted: &Counted| {
        let Write {
            operation,
            resource,
            subresource,
        } = &counted.write;
        let below = subresource
            .as_ref()
            .map(|name| format!("/{name}"))
            .unwrap_or_default();
        format!("{operation} {resource}{below}")
    };
    let mut names: Vec<_> = writes.iter().take(SHOWN).map(name).collect();
    if let Some(more) = writes.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        names.push(format!("{more} more"));
    }
    names.join(", ")
}
