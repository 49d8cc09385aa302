//! What would become of a write, and the line of configuration that decides.

use countersign_core::{
    audit::record::Verdict,
    decide::decide,
    decision::{Cause, Decision, Reason},
    environment::Environment,
    identity::Identity,
    relax::{Mode, relax},
    request::{Operation, Request},
    snapshot::Snapshot,
};
use jiff::Timestamp;
use serde::Serialize;

use countersign_core::plain::plain;

/// What would become of a write; `-o json` prints these fields, and there are always all of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// The place of the object, `<namespace>/<resource>.<group>/<name>`.
    pub object: String,
    /// What would be done to it.
    pub operation: Operation,
    /// Who would do it; null when AuthN finds nobody, or when it was not asked.
    pub subject: Option<Identity>,
    /// Where the write would land; null when it was not asked.
    pub environment: Option<Environment>,
    /// What the rules say.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// What a person reads; null when the write is allowed.
    pub message: Option<String>,
    /// The line of configuration that decided; null when none did.
    pub cause: Option<Cause>,
    /// Whether a write that the rules do not allow is stopped; otherwise it passes with a warning.
    pub enforced: bool,
}

impl Answer {
    /// The operator's own decision about a request, by what is known of the cluster.
    pub fn to(request: &Request<'_>, snapshot: &Snapshot) -> Self {
        let (decision, findings) = decide(request, snapshot, Timestamp::now());
        let mode = Mode::of(snapshot, &findings);
        let (verdict, reason, message, cause) = parts(&decision);
        let (_, relaxed) = relax(decision, &mode);
        Self {
            object: request.target.place(),
            operation: request.operation,
            subject: findings.subject,
            environment: findings.environment,
            verdict,
            reason,
            message,
            cause,
            enforced: relaxed.is_none(),
        }
    }

    /// Whether the write would happen as it is.
    pub fn passes(&self) -> bool {
        self.verdict == Verdict::Allow || !self.enforced
    }

    /// In lines, for people.
    pub fn text(&self) -> String {
        let said = match self.verdict {
            _ if self.passes() => "yes",
            Verdict::RequireApproval => "needs approval",
            Verdict::Allow | Verdict::Deny => "no",
        };
        let not_enforced = (!self.enforced).then(|| "no: a violation is allowed with a warning".to_owned());
        let lines = [
            ("reason", Some(self.reason.to_string())),
            ("message", self.message.clone()),
            ("decided by", self.cause.as_ref().map(ToString::to_string)),
            ("enforced", not_enforced),
        ];
        let lines = lines
            .into_iter()
            .filter_map(|(name, value)| Some(format!("{name}: {}\n", plain(&value?))));
        std::iter::once(format!("{said}\n")).chain(lines).collect()
    }
}

fn parts(decision: &Decision) -> (Verdict, Reason, Option<String>, Option<Cause>) {
    match decision {
        Decision::Allow(grant) => (Verdict::Allow, grant.reason(), None, grant.cause().cloned()),
        Decision::NeedsTicket(demand) => (
            Verdict::RequireApproval,
            Reason::ApprovalRequired,
            Some(format!("ask {}", demand.needs.whom())),
            Some(demand.cause.clone()),
        ),
        Decision::Deny(denial) => (
            Verdict::Deny,
            denial.reason,
            Some(denial.message.clone()),
            denial.cause.clone(),
        ),
    }
}
