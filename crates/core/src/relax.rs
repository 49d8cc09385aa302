//! Relaxation: what a violation leads to where it is not blocked. One function, after the decision.

use std::sync::Arc;

use crate::{
    decision::{Cause, Decision, Demand, Denial, Findings, Grant, Reason, Severity},
    emergency::Emergency,
    environment::Environment,
    policy::{Enforcement, shipped_enforcement},
    snapshot::{PolicyState, Snapshot},
};

/// How strictly a request is held to its decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mode {
    /// Whether strict mode is on.
    pub strict: bool,
    /// How the environment is enforced in strict mode.
    pub enforcement: Enforcement,
    /// The window of break-glass that holds the rules off.
    pub emergency: Option<Arc<Emergency>>,
}

impl Mode {
    /// What nothing relaxes.
    const FULL: Self = Self {
        strict: true,
        enforcement: Enforcement::Enforce,
        emergency: None,
    };

    /// The mode of a request by where it lands; an unknown environment is treated as prod. A ticket or a review, and
    /// the credential of the operator, are held to their rules in every mode.
    pub fn of(snapshot: &Snapshot, findings: &Findings) -> Self {
        if findings.integral {
            return Self::FULL;
        }
        let environment = findings.environment.unwrap_or(Environment::Prod);
        match &snapshot.policy {
            PolicyState::Loaded(policy) => Self {
                strict: snapshot.is_strict() && !snapshot.switched_off,
                enforcement: policy.enforcement(environment),
                emergency: findings.emergency.clone(),
            },
            PolicyState::Absent(_) | PolicyState::Unreadable(_) => Self {
                strict: snapshot.latched && !snapshot.switched_off,
                enforcement: shipped_enforcement(environment),
                emergency: None,
            },
        }
    }

    fn without_window(&self) -> Self {
        Self {
            emergency: None,
            ..self.clone()
        }
    }

    /// What lets a violation of this severity pass, if anything does.
    fn relaxes(&self, severity: Severity) -> Option<Grant> {
        let relaxed = Grant::new(Reason::Relaxed, None);
        match severity {
            Severity::FailClosed | Severity::Rule if !self.strict => Some(relaxed),
            Severity::Rule if self.enforcement == Enforcement::Warn => Some(relaxed),
            Severity::Rule => {
                let window = self.emergency.as_ref()?;
                let cause = Cause::new("BreakGlass", window.name.clone(), "spec.duration");
                Some(Grant::new(Reason::Emergency, Some(cause)))
            }
            Severity::FailClosed | Severity::Integrity => None,
        }
    }
}

/// The grant of a dry run that would need an approval: it stores nothing, and it tells what to ask for.
pub const fn preview(_: &Demand) -> Grant {
    Grant::new(Reason::Preview, None)
}

/// The decision as `mode` enforces it, and the denial that it spares the caller, if it does.
pub fn relax(decision: Decision, mode: &Mode) -> (Decision, Option<Denial>) {
    let (grant, spared) = match &decision {
        Decision::Allow(_) => return (decision, None),
        // A role that was taken away, or never given, no window gives.
        Decision::Deny(denial) if denial.reason == Reason::ReaderWrites => {
            (mode.without_window().relaxes(Severity::Rule), denial.clone())
        }
        Decision::Deny(denial) => (mode.relaxes(denial.reason.severity()), denial.clone()),
        Decision::NeedsTicket(demand) => {
            let message = format!("this change would need the approval of {}", demand.needs.whom());
            let denial = Denial::new(Reason::ApprovalRequired, message).because(demand.cause.clone());
            (mode.relaxes(Severity::Rule), denial)
        }
    };
    match grant {
        Some(grant) => (Decision::Allow(grant), Some(spared)),
        None => (decision, None),
    }
}
