//! Relaxation: what a violation leads to where it is not blocked. One function, after the decision.

use crate::{
    decision::{Decision, Demand, Denial, Findings, Grant, Reason, Severity},
    environment::Environment,
    policy::{Enforcement, shipped_enforcement},
    snapshot::{PolicyState, Snapshot},
};

/// How strictly a request is held to its decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode {
    /// Whether strict mode is on.
    pub strict: bool,
    /// How the environment is enforced in strict mode.
    pub enforcement: Enforcement,
}

impl Mode {
    /// What nothing relaxes.
    const FULL: Self = Self {
        strict: true,
        enforcement: Enforcement::Enforce,
    };

    /// The mode of a request by where it lands; an unknown environment is treated as prod. A ticket or a review is
    /// held to its rules in every mode.
    pub fn of(snapshot: &Snapshot, findings: &Findings) -> Self {
        if findings.workflow {
            return Self::FULL;
        }
        let environment = findings.environment.unwrap_or(Environment::Prod);
        match &snapshot.policy {
            PolicyState::Loaded(policy) => Self {
                strict: snapshot.is_strict() && !snapshot.switched_off,
                enforcement: policy.enforcement(environment),
            },
            PolicyState::Absent(_) | PolicyState::Unreadable(_) => Self {
                strict: snapshot.latched && !snapshot.switched_off,
                enforcement: shipped_enforcement(environment),
            },
        }
    }

    const fn relaxes(self, severity: Severity) -> bool {
        match severity {
            Severity::Integrity => false,
            Severity::FailClosed => !self.strict,
            Severity::Rule => !self.strict || matches!(self.enforcement, Enforcement::Warn),
        }
    }
}

/// The grant of a dry run that would need an approval: it stores nothing, and it tells what to ask for.
pub const fn preview(_: &Demand) -> Grant {
    Grant::new(Reason::Preview, None)
}

/// The decision as `mode` enforces it, and the denial that it spares the caller, if it does.
pub fn relax(decision: Decision, mode: Mode) -> (Decision, Option<Denial>) {
    let spared = match decision {
        Decision::Deny(denial) if mode.relaxes(denial.reason.severity()) => denial,
        Decision::NeedsTicket(demand) if mode.relaxes(Severity::Rule) => {
            let message = format!("this change would need the approval of {}", demand.needs.whom());
            Denial::new(Reason::ApprovalRequired, message).because(demand.cause)
        }
        enforced => return (enforced, None),
    };
    (Decision::Allow(Grant::new(Reason::Relaxed, None)), Some(spared))
}
