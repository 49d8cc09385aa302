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
    /// A review that is not proven to be its reviewer's, or not as strongly as the policy asks for.
    BadProof,
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
            | Self::BadProof
            | Self::StrictMode
            | Self::PermissionsChanged
            | Self::Unsealed
            | Self::ForeignMutator => Severity::Integrity,
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

    /// Whether a denial for this reason rests on a line of configuration: then its cause cites that.
    ///
    /// The others rest on what no line says. On the request itself, whose field the message names: `Malformed`,
    /// `Invalid`, `ForeignSubject`, `BindingMismatch`. On what is always the operator's alone: `OperatorOnly`,
    /// `Immutable`. On what is not known or not possible at the moment: `Stale`, `WrongClock`, `AuditUnavailable`,
    /// `DeadlineExceeded`, `Overloaded`, `Unreadable`. A cause is there all the same where an object decided, such as
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
            | Self::Preview
            | Self::Malformed
            | Self::Invalid
            | Self::ForeignSubject
            | Self::BindingMismatch
            | Self::OperatorOnly
            | Self::Immutable
            | Self::Stale
            | Self::WrongClock
            | Self::AuditUnavailable
            | Self::DeadlineExceeded
            | Self::Overloaded
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
            | Self::BadProof
            | Self::StrictMode
            | Self::PermissionsChanged
            | Self::Unsealed
            | Self::ForeignMutator => true,
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
