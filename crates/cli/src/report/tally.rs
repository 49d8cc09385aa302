//! Adding up: the violations of a window, those together that are alike.

use std::collections::BTreeMap;

use countersign_core::{
    audit::record::{DecidedBy, Decision, Verdict},
    environment::Environment,
};
use jiff::Timestamp;
use serde::Serialize;

use crate::failure::Outcome;

/// What violations have in common that are counted together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Alike {
    /// What the rules said.
    pub verdict: Verdict,
    /// The rule, by its reason.
    pub reason: String,
    /// The line of configuration that decided; null when none did.
    pub cause: Option<DecidedBy>,
    /// The identity; of who has none the username.
    pub subject: String,
    /// Where the writes landed; null when that was not told.
    pub environment: Option<Environment>,
    /// The zone of the place; null outside zones.
    pub zone: Option<String>,
    /// The namespace, or `@cluster`.
    pub namespace: String,
}

/// One kind of write.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Write {
    /// `Create`, `Update`, `Delete` or `Connect`.
    pub operation: String,
    /// `<resource>.<group>`.
    pub resource: String,
    /// The subresource; null for the object itself.
    pub subresource: Option<String>,
}

/// So many writes of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Counted {
    /// The kind.
    #[serde(flatten)]
    pub write: Write,
    /// How many.
    pub count: u64,
}

/// Violations that are alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violations {
    /// In what.
    #[serde(flatten)]
    pub alike: Alike,
    /// How many there were.
    pub count: u64,
    /// What was written.
    pub writes: Vec<Counted>,
    /// When the first was.
    pub first: Timestamp,
    /// When the last was.
    pub last: Timestamp,
    /// The object of the last one.
    pub example: String,
}

/// Everything that is printed; `-o json` prints these fields, and there are always all of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// From when on.
    pub since: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// When the log begins; of several, the youngest.
    pub log_begins: Option<Timestamp>,
    /// How often an operator started: what happened before it did is not on record.
    pub starts: u64,
    /// How many writes would have been denied.
    pub denied: u64,
    /// How many would have needed an approval.
    pub need_approval: u64,
    /// The violations, the most frequent first.
    pub violations: Vec<Violations>,
}

/// What is added up so far.
pub struct Tally {
    report: Report,
    violations: BTreeMap<Alike, Sum>,
}

struct Sum {
    writes: BTreeMap<Write, u64>,
    first: Timestamp,
    last: Timestamp,
    example: String,
}

impl Tally {
    /// Nothing yet, of this window.
    pub const fn new(since: Timestamp, until: Timestamp) -> Self {
        let report = Report {
            since,
            until,
            log_begins: None,
            starts: 0,
            denied: 0,
            need_approval: 0,
            violations: Vec::new(),
        };
        Self {
            report,
            violations: BTreeMap::new(),
        }
    }

    /// From when on.
    pub const fn since(&self) -> Timestamp {
        self.report.since
    }

    /// A log begins at this time.
    pub fn begins(&mut self, at: Timestamp) {
        self.report.log_begins = self.report.log_begins.max(Some(at));
    }

    /// An operator started.
    pub fn add_start(&mut self) {
        self.report.starts += 1;
    }

    /// A decision; it counts when it was a violation that was let through, and not for an emergency. A dry run does
    /// nothing.
    pub fn add(&mut self, time: Timestamp, decision: &Decision) {
        if decision.relaxation.is_none() || decision.window.is_some() || decision.request.dry_run {
            return;
        }
        match decision.verdict {
            Verdict::Allow => return,
            Verdict::Deny => self.report.denied += 1,
            Verdict::RequireApproval => self.report.need_approval += 1,
        }
        let (alike, write) = read(decision);
        let sum = self.violations.entry(alike).or_insert_with(|| Sum {
            writes: BTreeMap::new(),
            first: time,
            last: time,
            example: String::new(),
        });
        *sum.writes.entry(write).or_default() += 1;
        (sum.first, sum.last) = (sum.first.min(time), sum.last.max(time));
        decision.request.object.clone_into(&mut sum.example);
    }

    /// What came of it.
    pub fn report(self) -> Report {
        let mut report = self.report;
        report.violations = self.violations.into_iter().map(summed).collect();
        report
            .violations
            .sort_by_key(|violations| std::cmp::Reverse(violations.count));
        report
    }
}

fn read(decision: &Decision) -> (Alike, Write) {
    let (caller, request) = (&decision.caller, &decision.request);
    let mut segments = request.object.splitn(3, '/').map(str::to_owned);
    let (namespace, resource) = (segments.next(), segments.next());
    let alike = Alike {
        verdict: decision.verdict,
        reason: decision.reason.to_string(),
        cause: decision.decided_by.clone(),
        subject: caller
            .subject
            .as_ref()
            .map_or_else(|| caller.username.clone(), ToString::to_string),
        environment: request.env,
        zone: request.zone.clone(),
        namespace: namespace.unwrap_or_default(),
    };
    let write = Write {
        operation: request.operation.to_string(),
        resource: resource.unwrap_or_default(),
        subresource: request.subresource.clone(),
    };
    (alike, write)
}

fn summed((alike, sum): (Alike, Sum)) -> Violations {
    let count = sum.writes.values().sum();
    let writes = sum.writes.into_iter();
    Violations {
        alike,
        count,
        writes: writes.map(|(write, count)| Counted { write, count }).collect(),
        first: sum.first,
        last: sum.last,
        example: sum.example,
    }
}

impl Report {
    /// What the exit code says: denied before needing approval.
    pub const fn outcome(&self) -> Outcome {
        match (self.denied, self.need_approval) {
            (0, 0) => Outcome::Yes,
            (0, _) => Outcome::NeedsApproval,
            _ => Outcome::No,
        }
    }
}
