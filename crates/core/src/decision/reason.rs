//! Reasons: why a request was decided so, and what may relax a denial.

use std::fmt;

/// The reasons and their names, written once.
macro_rules! reasons {
    ($($(#[doc = $doc:literal])* $name:ident,)*) => {
        /// Why a request was decided so. Stable: it reaches the response, events, metrics and the audit log alike.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        pub enum Reason {
            $($(#[doc = $doc])* $name,)*
        }

        impl Reason {
            /// All reasons.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The reason's name.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }
        }
    };
}

reasons! {
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
    /// Allowed: it undoes what the same subject was allowed by a ticket a short while ago.
    Rollback,
    /// Allowed, although the rules say no: strict mode is off, or the environment only warns.
    Relaxed,
    /// Allowed, although the rules say no: a window of break-glass is open.
    Emergency,
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
    /// The operator's clock and that of the API server disagree.
    WrongClock,
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
    /// A delegation would cover it, if a living object of the right kind were known to control the object.
    ParentUnproven,
    /// A username that is no identity.
    NotCanonical,
    /// The agent is suspended.
    AgentSuspended,
    /// The Agent object cannot be relied on.
    AgentDegraded,
    /// A write that hands out, or uses, the credential of somebody who writes by a registration or a delegation.
    StolenIdentity,
    /// A reader writes nothing.
    ReaderWrites,
    /// Only admins write the kinds that permit.
    AdminOnly,
    /// The subject has no part in the zone.
    NotOfZone,
    /// Outside every zone the subject's role is not enough.
    Unzoned,
    /// An agent ends something that it did not explain beforehand.
    IntentRequired,
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
    /// An intent that its agent did not sign as it must be, or that says what does not hold.
    BadIntent,
    /// An agent's key is changed, and the key that it had does not prove that.
    BadRotation,
    /// More intents than the agent may make in a minute.
    RateLimited,
    /// A review that is not proven to be its reviewer's, or not as strongly as the policy asks for.
    BadProof,
    /// A window of break-glass that is not opened, ended or reviewed so, or not by them.
    BreakGlassRefused,
    /// A window of break-glass that the passcode did not sign.
    BadPasscode,
    /// Too many attempts at the passcode.
    TooManyAttempts,
    /// Strict mode is not changed this way.
    StrictMode,
    /// Strict mode is turned on for permission objects that are no longer as they were shown.
    PermissionsChanged,
    /// A permission object whose present content nobody judged is changed before an admin attested it.
    Unsealed,
    /// Something else than the operator could change a ticket or a review before it is stored.
    ForeignMutator,
}

impl Reason {
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
            | Self::BadIntent
            | Self::BadRotation
            | Self::RateLimited
            | Self::BadProof
            | Self::BreakGlassRefused
            | Self::BadPasscode
            | Self::TooManyAttempts
            | Self::StrictMode
            | Self::PermissionsChanged
            | Self::Unsealed
            | Self::ForeignMutator
            | Self::IntentRequired => Severity::Integrity,
            Self::PolicyUnreadable
            | Self::PolicyMissing
            | Self::Stale
            | Self::WrongClock
            | Self::AuditUnavailable
            | Self::DeadlineExceeded
            | Self::Overloaded
            | Self::Unreadable
            | Self::ZoneContested => Severity::FailClosed,
            _ => Severity::Rule,
        }
    }

    /// What whoever is denied for this reason does next, as a program reads it.
    pub const fn next_step(self) -> NextStep {
        match self {
            Self::ApprovalRequired | Self::IntentRequired => NextStep::Request,
            Self::Stale
            | Self::AuditUnavailable
            | Self::DeadlineExceeded
            | Self::Overloaded
            | Self::Unreadable
            | Self::TicketSpent
            | Self::RateLimited => NextStep::Retry,
            _ => NextStep::None,
        }
    }

    /// Whether a denial for this reason rests on a line of configuration: then its cause cites that.
    ///
    /// The others rest on what no line says. On the request itself, whose field the message names: `Malformed`,
    /// `Invalid`, `ForeignSubject`, `BindingMismatch`, `BadIntent`, `BadPasscode`. On what is always the operator's alone:
    /// `OperatorOnly`,
    /// `Immutable`. On what is not known or not possible at the moment: `Stale`, `WrongClock`, `AuditUnavailable`,
    /// `DeadlineExceeded`, `Overloaded`, `Unreadable`. On how often it was tried: `RateLimited`, `TooManyAttempts`. A cause
    /// is there all the same where an object decided, such as
    /// the ticket that a review does not fit.
    pub const fn is_configured(self) -> bool {
        match self {
            Self::NotGuarded
            | Self::Operator
            | Self::Workflow
            | Self::Delegated
            | Self::NoOp
            | Self::Permitted
            | Self::Approved
            | Self::Rollback
            | Self::Relaxed
            | Self::Emergency
            | Self::Preview
            | Self::BadPasscode
            | Self::TooManyAttempts
            | Self::Malformed
            | Self::Invalid
            | Self::ForeignSubject
            | Self::BindingMismatch
            | Self::BadIntent
            | Self::OperatorOnly
            | Self::Immutable
            | Self::Stale
            | Self::WrongClock
            | Self::AuditUnavailable
            | Self::DeadlineExceeded
            | Self::Overloaded
            | Self::RateLimited
            | Self::Unreadable => false,
            Self::ApprovalRequired
            | Self::PolicyUnreadable
            | Self::PolicyMissing
            | Self::ZoneContested
            | Self::UnregisteredAccount
            | Self::AmbiguousAccount
            | Self::ForeignAccount
            | Self::SystemUser
            | Self::ParentUnproven
            | Self::NotCanonical
            | Self::AgentSuspended
            | Self::AgentDegraded
            | Self::StolenIdentity
            | Self::ReaderWrites
            | Self::AdminOnly
            | Self::NotOfZone
            | Self::Unzoned
            | Self::TicketSpent
            | Self::TicketDenied
            | Self::GeneratedName
            | Self::TooManyPending
            | Self::ZoneOverlap
            | Self::TooFewAdmins
            | Self::IneligibleReviewer
            | Self::BadRotation
            | Self::BadProof
            | Self::BreakGlassRefused
            | Self::StrictMode
            | Self::PermissionsChanged
            | Self::Unsealed
            | Self::ForeignMutator
            | Self::IntentRequired => true,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What can be done about a denial by whoever was denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextStep {
    /// Ask for what is missing: an approval, or to say beforehand what is about to be done. Then make the same request
    /// again.
    Request,
    /// Make the same request again after a while.
    Retry,
    /// Nothing: somebody else has to change something first, or the request is wrong.
    None,
}

impl NextStep {
    /// The step as programs read it: `request`, `retry` or `none`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Retry => "retry",
            Self::None => "none",
        }
    }
}

/// What may relax a denial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// A rule: strict mode off, an environment that warns, a window of break-glass.
    Rule,
    /// Something is not known: strict mode off alone.
    FailClosed,
    /// The integrity of Countersign itself: nothing.
    Integrity,
}
