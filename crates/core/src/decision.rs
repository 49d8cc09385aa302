//! What a decision says: a verdict, a stable reason, a message that a person can act on, and the object that decided.

use std::{fmt, sync::Arc};

use crate::{
    binding::Binding,
    digest::Digest,
    environment::Environment,
    hash::EffectiveChange,
    review::Needs,
    ticket::{CallKind, Ticket},
};

/// Why a request was decided so. Stable: it reaches the response, events, metrics and the audit log alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum Reason {
    /// Allowed: the write is not guarded.
    NotGuarded,
    /// Allowed: the operator's own write.
    Operator,
    /// Allowed: a ticket or a review of somebody who may make it.
    Workflow,
    /// Allowed: a delegation covers it.
    Delegated,
    /// Allowed: it changes nothing.
    NoOp,
    /// Allowed: the place needs no approval of this subject.
    Permitted,
    /// Allowed: an approved ticket covers exactly this.
    Approved,
    /// Allowed, although the rules say no: strict mode is off, or the environment only warns.
    Relaxed,
    /// Allowed: a dry run of a change that would need an approval.
    Preview,
    /// The change needs an approval that it does not have.
    ApprovalRequired,
    /// The request cannot be read.
    Malformed,
    /// The AccessPolicy cannot be read.
    PolicyUnreadable,
    /// The AccessPolicy is gone although strict mode is latched.
    PolicyMissing,
    /// What is known of the cluster is older than it may be, or not yet complete.
    Stale,
    /// The decision could not be logged.
    AuditUnavailable,
    /// The deadline of the call is too near.
    DeadlineExceeded,
    /// More requests at once than can be judged.
    Overloaded,
    /// The state of the cluster could not be read.
    Unreadable,
    /// Two zones claim the place, or its zone cannot be read.
    ZoneContested,
    /// A service account that no Agent lists.
    UnregisteredAccount,
    /// A service account that several Agents list.
    AmbiguousAccount,
    /// A service account that is not the one registered.
    ForeignAccount,
    /// A system user outside its delegations.
    SystemUser,
    /// A username that is no identity.
    NotCanonical,
    /// The agent is suspended.
    AgentSuspended,
    /// The Agent object cannot be relied on.
    AgentDegraded,
    /// A reader writes nothing.
    ReaderWrites,
    /// Only admins write the kinds that permit.
    AdminOnly,
    /// The subject has no part in the zone.
    NotOfZone,
    /// Outside every zone the subject's role is not enough.
    Unzoned,
    /// A ticket was used already, or is held by another write.
    TicketSpent,
    /// A reviewer denied this very change a short while ago.
    TicketDenied,
    /// A name chosen by the server cannot be approved.
    GeneratedName,
    /// Too many pending tickets of this subject.
    TooManyPending,
    /// An object of Countersign's own kinds that is not valid.
    Invalid,
    /// A zone that claims what another zone claims.
    ZoneOverlap,
    /// The change would leave too few live admins for strict mode.
    TooFewAdmins,
    /// What the operator alone writes: status, stamps, tickets' state, its keys.
    OperatorOnly,
    /// What never changes once written.
    Immutable,
    /// A ticket for somebody else's change.
    ForeignSubject,
    /// A ticket or review whose content does not fit what it is about.
    BindingMismatch,
    /// A reviewer who may not review this.
    IneligibleReviewer,
    /// Strict mode is not changed this way.
    StrictMode,
}

impl Reason {
    /// The reason's name.
    pub fn as_str(self) -> &'static str {
        // The derived serialisation is the one spelling; this is what it says.
        macro_rules! names { ($($name:ident),* $(,)?) => { match self { $(Self::$name => stringify!($name)),* } } }
        names!(
            NotGuarded,
            Operator,
            Workflow,
            Delegated,
            NoOp,
            Permitted,
            Approved,
            Relaxed,
            Preview,
            ApprovalRequired,
            Malformed,
            PolicyUnreadable,
            PolicyMissing,
            Stale,
            AuditUnavailable,
            DeadlineExceeded,
            Overloaded,
            Unreadable,
            ZoneContested,
            UnregisteredAccount,
            AmbiguousAccount,
            ForeignAccount,
            SystemUser,
            NotCanonical,
            AgentSuspended,
            AgentDegraded,
            ReaderWrites,
            AdminOnly,
            NotOfZone,
            Unzoned,
            TicketSpent,
            TicketDenied,
            GeneratedName,
            TooManyPending,
            Invalid,
            ZoneOverlap,
            TooFewAdmins,
            OperatorOnly,
            Immutable,
            ForeignSubject,
            BindingMismatch,
            IneligibleReviewer,
            StrictMode,
        )
    }

    /// What may relax a denial for this reason.
    pub const fn severity(self) -> Severity {
        match self {
            Self::Malformed
            | Self::Invalid
            | Self::ZoneOverlap
            | Self::TooFewAdmins
            | Self::OperatorOnly
            | Self::Immutable
            | Self::ForeignSubject
            | Self::BindingMismatch
            | Self::IneligibleReviewer
            | Self::StrictMode => Severity::Integrity,
            Self::PolicyUnreadable
            | Self::PolicyMissing
            | Self::Stale
            | Self::AuditUnavailable
            | Self::DeadlineExceeded
            | Self::Overloaded
            | Self::Unreadable
            | Self::ZoneContested => Severity::FailClosed,
            _ => Severity::Rule,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What may relax a denial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// A rule: strict mode off, an environment that warns.
    Rule,
    /// Something is not known: strict mode off alone.
    FailClosed,
    /// The integrity of Countersign itself: nothing.
    Integrity,
}

/// The line of configuration that decided.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Cause {
    /// Kind of the object.
    pub kind: &'static str,
    /// Its name.
    pub name: Arc<str>,
    /// The field.
    pub field: &'static str,
}

impl Cause {
    /// The field of the object of this kind and name.
    pub fn new(kind: &'static str, name: impl Into<Arc<str>>, field: &'static str) -> Self {
        Self {
            kind,
            name: name.into(),
            field,
        }
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
        let cause = Cause::new("ApprovalTicket", covered.ticket.name.clone(), "status.state");
        Self {
            reason: Reason::Approved,
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
    /// The line of configuration that decided, where one did.
    pub cause: Option<Cause>,
}

impl Denial {
    /// A denial for this reason.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            cause: None,
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
    /// Whether a ticket or a review is made: nothing relaxes what is decided of it.
    pub workflow: bool,
}
