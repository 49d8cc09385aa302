//! The verdict, and what decides it.

use countersign_core::decision::{Cause, Decision, Reason};

use crate::plain::plain;

/// The verdict, and what decides it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// `yes`, `no` or `needs approval`.
    pub verdict: &'static str,
    /// Why.
    pub reason: Reason,
    /// What a person reads.
    pub message: Option<String>,
    /// The line of configuration that decided.
    pub cause: Option<Cause>,
    /// Whether a violation is allowed all the same.
    pub not_enforced: bool,
}

impl Answer {
    /// Of a decision.
    pub fn of(decision: &Decision) -> Self {
        let (verdict, reason, message, cause) = match decision {
            Decision::Allow(grant) => ("yes", grant.reason(), None, grant.cause().cloned()),
            Decision::NeedsTicket(demand) => {
                let message = format!("ask {}", demand.needs.whom());
                (
                    "needs approval",
                    Reason::ApprovalRequired,
                    Some(message),
                    Some(demand.cause.clone()),
                )
            }
            Decision::Deny(denial) => (
                "no",
                denial.reason,
                Some(denial.message.clone()),
                denial.cause.clone(),
            ),
        };
        Self {
            verdict,
            reason,
            message,
            cause,
            not_enforced: false,
        }
    }

    /// In lines, for people.
    pub fn text(&self) -> String {
        let lines = [
            ("reason", Some(self.reason.to_string())),
            ("message", self.message.clone()),
            ("decided by", self.cause.as_ref().map(ToString::to_string)),
            (
                "enforced",
                self.not_enforced
                    .then(|| "no: a violation is allowed with a warning".to_owned()),
            ),
        ];
        let lines = lines
            .into_iter()
            .filter_map(|(name, value)| Some(format!("{name}: {}\n", plain(&value?))));
        std::iter::once(format!("{}\n", self.verdict))
            .chain(lines)
            .collect()
    }
}
