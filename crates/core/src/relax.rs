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

/// What would have been done in strict mode, of a decision that was relaxed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relaxed {
    /// The reason of the violation.
    pub reason: Reason,
    /// What the person would have read.
    pub message: String,
}

/// The decision as `mode` enforces it, and what was relaxed, if anything was.
pub fn relax(decision: Decision, mode: Mode) -> (Decision, Option<Relaxed>) {
    let relaxed = match &decision {
        Decision::Deny(Denial { reason, message, .. }) if mode.relaxes(reason.severity()) => Relaxed {
            reason: *reason,
            message: message.clone(),
        },
        Decision::NeedsTicket(demand) if mode.relaxes(Severity::Rule) => Relaxed {
            reason: Reason::ApprovalRequired,
            message: format!("this change would need the approval of {}", demand.needs.whom()),
        },
        Decision::Allow(_) | Decision::NeedsTicket(_) | Decision::Deny(_) => return (decision, None),
    };
    (Decision::Allow(Grant::new(Reason::Relaxed, None)), Some(relaxed))
}
