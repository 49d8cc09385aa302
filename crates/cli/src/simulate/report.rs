//! What is printed: each object with its answer, what was supposed, how many of each.

use std::fmt;

use countersign_core::{audit::record::Verdict, identity::Identity, plain::plain};
use serde::Serialize;

use super::document::Source;
use crate::{answer::Answer, failure::Outcome, output::write_table};

/// The answer about one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Judged {
    /// Where the object stands.
    pub source: Source,
    /// What would become of its write.
    #[serde(flatten)]
    pub answer: Answer,
}

/// Everything that is printed; `-o json` prints these fields, and there are always all of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Who would write.
    subject: Identity,
    /// The objects, in the order of the input.
    objects: Vec<Judged>,
    /// How many of them there are.
    summary: Summary,
    /// What had to be supposed, in words.
    assumptions: Vec<String>,
}

/// How many objects there are; each is in one of these numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Allowed.
    allowed: usize,
    /// Stopped until somebody approves.
    needs_approval: usize,
    /// Stopped.
    denied: usize,
    /// Allowed with a warning, although the rules say otherwise.
    not_enforced: usize,
}

impl Summary {
    fn add(&mut self, answer: &Answer) {
        let number = match answer.verdict {
            Verdict::Allow => &mut self.allowed,
            _ if !answer.enforced => &mut self.not_enforced,
            Verdict::RequireApproval => &mut self.needs_approval,
            Verdict::Deny => &mut self.denied,
        };
        *number += 1;
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            allowed,
            needs_approval,
            denied,
            not_enforced,
        } = self;
        write!(
            f,
            "allowed: {allowed}, needs approval: {needs_approval}, denied: {denied}, not enforced: {not_enforced}"
        )
    }
}

impl Report {
    /// The report on the writes of a subject.
    pub fn new(subject: Identity, objects: Vec<Judged>, assumptions: Vec<String>) -> Self {
        let mut summary = Summary::default();
        for judged in &objects {
            summary.add(&judged.answer);
        }
        Self {
            subject,
            objects,
            summary,
            assumptions,
        }
    }

    /// What the exit code says: denied before needing approval.
    pub const fn outcome(&self, accept_approval: bool) -> Outcome {
        match self.summary {
            Summary { denied: 1.., .. } => Outcome::No,
            Summary {
                needs_approval: 1.., ..
            } if !accept_approval => Outcome::NeedsApproval,
            _ => Outcome::Yes,
        }
    }

    /// A table, why what is not allowed is not, what was supposed, and the numbers.
    pub fn text(&self) -> anyhow::Result<String> {
        let titles = [
            "OBJECT",
            "OPERATION",
            "ENVIRONMENT",
            "VERDICT",
            "REASON",
            "DECIDED BY",
        ];
        let titles = titles.map(str::to_owned).to_vec();
        let rows: Vec<_> = std::iter::once(titles)
            .chain(self.objects.iter().map(|judged| row(&judged.answer)))
            .collect();
        let mut table = Vec::new();
        write_table(&mut table, &rows)?;
        let table = String::from_utf8(table)?;
        let why: String = self.objects.iter().filter_map(why).collect();
        let assumed = self
            .assumptions
            .iter()
            .map(|text| format!("assumed: {}\n", plain(text)));
        let assumed: String = assumed.collect();
        let parts = [
            table,
            why,
            assumed,
            format!("{}: {}\n", self.subject, self.summary),
        ];
        let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        Ok(parts.join("\n"))
    }
}

fn row(answer: &Answer) -> Vec<String> {
    let environment = answer.environment.map(|environment| environment.to_string());
    let cause = answer.cause.as_ref().map(ToString::to_string);
    vec![
        answer.object.clone(),
        answer.operation.to_string(),
        environment.unwrap_or_default(),
        verdict(answer),
        answer.reason.to_string(),
        cause.unwrap_or_default(),
    ]
}

fn verdict(answer: &Answer) -> String {
    let verdict = match answer.verdict {
        Verdict::Allow => "allowed",
        Verdict::RequireApproval => "needs approval",
        Verdict::Deny => "denied",
    };
    let relaxed = if answer.enforced { "" } else { ", not enforced" };
    format!("{verdict}{relaxed}")
}

/// Why a write is not allowed, and what to do.
fn why(judged: &Judged) -> Option<String> {
    let Judged { source, answer } = judged;
    let message = answer.message.as_deref()?;
    let line = format!("{source}: {}: {}: {message}", answer.object, verdict(answer));
    Some(plain(&line) + "\n")
}

#[cfg(test)]
mod tests {
    use countersign_core::{
        decision::{Cause, Reason},
        environment::Environment,
        request::Operation,
    };

    use super::*;

    fn judged(verdict: Verdict, enforced: bool) -> Judged {
        let source = Source {
            file: "a.yaml".to_owned(),
            document: 2,
            item: None,
        };
        let answer = Answer {
            object: "billing/configmaps/a".to_owned(),
            operation: Operation::Create,
            subject: None,
            environment: Some(Environment::Prod),
            verdict,
            reason: Reason::NotOfZone,
            message: (verdict != Verdict::Allow).then(|| "ask\u{1b}[2J".to_owned()),
            cause: Some(Cause::new("Zone", "billing", "spec.owner")),
            enforced,
        };
        Judged { source, answer }
    }

    fn report(verdicts: &[(Verdict, bool)]) -> Report {
        let objects = verdicts
            .iter()
            .map(|&(verdict, enforced)| judged(verdict, enforced));
        Report::new(
            "user:al".parse().unwrap(),
            objects.collect(),
            vec!["all is new".to_owned()],
        )
    }

    #[test]
    fn the_exit_code_tells_the_worst() {
        use Verdict::{Allow, Deny, RequireApproval};
        for (verdicts, outcome, accepted) in [
            (&[(Allow, true)][..], Outcome::Yes, Outcome::Yes),
            (
                &[(Allow, true), (Deny, false), (RequireApproval, false)],
                Outcome::Yes,
                Outcome::Yes,
            ),
            (
                &[(Allow, true), (RequireApproval, true)],
                Outcome::NeedsApproval,
                Outcome::Yes,
            ),
            (&[(RequireApproval, true), (Deny, true)], Outcome::No, Outcome::No),
        ] {
            let report = report(verdicts);
            assert_eq!((report.outcome(false), report.outcome(true)), (outcome, accepted));
        }
    }

    #[test]
    fn text_says_what_decided_and_hides_nothing_from_a_terminal() {
        let said = report(&[(Verdict::Allow, true), (Verdict::Deny, false)])
            .text()
            .unwrap();
        let expected = "\
OBJECT                 OPERATION   ENVIRONMENT   VERDICT                REASON      DECIDED BY
billing/configmaps/a   Create      prod          allowed                NotOfZone   Zone/billing spec.owner
billing/configmaps/a   Create      prod          denied, not enforced   NotOfZone   Zone/billing spec.owner

`a.yaml` document 2: billing/configmaps/a: denied, not enforced: ask\\u{1b}[2J

assumed: all is new

user:al: allowed: 1, needs approval: 0, denied: 0, not enforced: 1
";
        assert_eq!(said, expected);
    }

    #[test]
    fn json_has_every_field() {
        let shown = serde_json::to_value(report(&[(Verdict::RequireApproval, true)])).unwrap();
        let expected = serde_json::json!({
            "subject": "user:al",
            "objects": [{
                "source": { "file": "a.yaml", "document": 2, "item": null },
                "object": "billing/configmaps/a",
                "operation": "Create",
                "subject": null,
                "environment": "prod",
                "verdict": "require_approval",
                "reason": "NotOfZone",
                "message": "ask\u{1b}[2J",
                "cause": { "kind": "Zone", "name": "billing", "field": "spec.owner" },
                "enforced": true,
            }],
            "summary": { "allowed": 0, "needsApproval": 1, "denied": 0, "notEnforced": 0 },
            "assumptions": ["all is new"],
        });
        assert_eq!(shown, expected);
    }
}
