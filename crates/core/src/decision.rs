//! What a decision says: a verdict, a stable reason, a message that a person can act on, and the object that decided.

mod reason;

use std::{borrow::Cow, fmt, sync::Arc};

use jiff::SignedDuration;

pub use self::reason::{NextStep, Reason, Severity};
use crate::{
    binding::Binding,
    digest::Digest,
    emergency::Emergency,
    environment::Environment,
    hash::EffectiveChange,
    parent::NamedParent,
    review::Needs,
    ticket::{CallKind, Ticket},
};

/// The name in a cause that is no single object: no object of the kind says what would allow the request.
const NONE: &str = "*";

/// The line of configuration that decided.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Cause {
    /// Kind of the object.
    pub kind: Cow<'static, str>,
    /// Its name; several separated by commas; `*` where none of the kind says what would allow the request.
    pub name: Arc<str>,
    /// The field.
    pub field: &'static str,
}

impl Cause {
    /// The field of the object of this kind and name.
    pub fn new(kind: impl Into<Cow<'static, str>>, name: impl Into<Arc<str>>, field: &'static str) -> Self {
        Self {
            kind: kind.into(),
            name: name.into(),
            field,
        }
    }

    /// The field of the AccessPolicy.
    pub fn of_policy(field: &'static str) -> Self {
        Self::new("AccessPolicy", "default", field)
    }

    /// The field of this ticket.
    pub fn of_ticket(ticket: &Ticket, field: &'static str) -> Self {
        Self::new("ApprovalTicket", ticket.name.clone(), field)
    }

    /// The field in which no object of this kind says what would allow the request.
    pub fn none_of(kind: &'static str, field: &'static str) -> Self {
        Self::new(kind, NONE, field)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} {}", self.kind, self.name, self.field)
    }
}

/// What is decided of a request.
#[derive(Clone, Debug)]
pub enum Decision {
    /// It may happen.
    Allow(Grant),
    /// It may happen once somebody approves it.
    NeedsTicket(Box<Demand>),
    /// It may not.
    Deny(Denial),
}

/// The evidence that a request may happen. Only the rules make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    reason: Reason,
    cause: Option<Cause>,
    ticket: Option<Box<Covered>>,
}

/// The ticket that covers a request: it must be claimed before the request may happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Covered {
    /// The ticket.
    pub ticket: Arc<Ticket>,
    /// Digest of ticket and effective change.
    pub bind: Digest,
    /// How often the API server may ask.
    pub call: CallKind,
    /// What the request undoes under a ticket that was used already, which is then read as an approval of that.
    pub undoes: Option<Box<Undoing>>,
}

/// The exact inverse of a write that was approved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undoing {
    /// The binding of the inverse.
    pub binding: Binding,
    /// How long after the write it needs no approval.
    pub window: SignedDuration,
}

impl Grant {
    pub(crate) const fn new(reason: Reason, cause: Option<Cause>) -> Self {
        Self {
            reason,
            cause,
            ticket: None,
        }
    }

    pub(crate) fn by_ticket(covered: Covered) -> Self {
        let (reason, cause) = match covered.undoes {
            None => (
                Reason::Approved,
                Cause::of_ticket(&covered.ticket, "status.state"),
            ),
            Some(_) => (
                Reason::Rollback,
                Cause::of_policy("spec.approvals.rollbackWindow"),
            ),
        };
        Self {
            reason,
            cause: Some(cause),
            ticket: Some(Box::new(covered)),
        }
    }

    /// Why.
    pub const fn reason(&self) -> Reason {
        self.reason
    }

    /// The line of configuration that decided.
    pub const fn cause(&self) -> Option<&Cause> {
        self.cause.as_ref()
    }

    /// The ticket that must be claimed first.
    pub fn ticket(&self) -> Option<&Covered> {
        self.ticket.as_deref()
    }
}

/// What a request needs before it may happen.
#[derive(Clone, Debug)]
pub struct Demand {
    /// What a ticket for it is bound to.
    pub binding: Binding,
    /// What it changes.
    pub change: EffectiveChange,
    /// Which reviews it needs.
    pub needs: Needs,
    /// Why an approval is asked for.
    pub cause: Cause,
    /// A ticket that waits for reviews already.
    pub pending: Option<Arc<Ticket>>,
}

/// Why a request may not happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// The reason.
    pub reason: Reason,
    /// What a person reads.
    pub message: String,
    /// The line of configuration that decided: always there where the reason says that one does
    /// ([`Reason::is_configured`]).
    pub cause: Option<Cause>,
    /// How long until the same may be tried again, where nothing but time is missing.
    pub wait: Option<SignedDuration>,
}

impl fmt::Display for Denial {
    /// The message, and the line that decided.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.cause
            .as_ref()
            .map_or(Ok(()), |cause| write!(f, " [{cause}]"))
    }
}

impl Denial {
    /// A denial for this reason.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            cause: None,
            wait: None,
        }
    }

    /// The same, until this time is over.
    #[must_use]
    pub fn for_now(self, wait: SignedDuration) -> Self {
        Self {
            wait: Some(wait),
            ..self
        }
    }

    /// The same, decided by this line of configuration.
    #[must_use]
    pub fn because(self, cause: Cause) -> Self {
        Self {
            cause: Some(cause),
            ..self
        }
    }
}

/// What was found out on the way to a decision, for records and messages.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// Who asked, if anybody known.
    pub subject: Option<crate::identity::Identity>,
    /// Where the write lands.
    pub environment: Option<Environment>,
    /// The human who answers for the agent that asked.
    pub answerable: Option<crate::identity::Identity>,
    /// The parent that has to live for a delegation to cover the write, when nobody looked yet.
    pub parent: Option<NamedParent>,
    /// Whether nothing relaxes what is decided: a ticket or a review is made, or the operator's credential handed out.
    pub integral: bool,
    /// Whether somebody's credential is handed out, or what runs as the operator reached into: a window of break-glass is
    /// over soon, and that would not be.
    pub lasting: bool,
    /// The window of break-glass that holds the rules off, if one does.
    pub emergency: Option<Arc<Emergency>>,
}
