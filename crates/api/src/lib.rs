//! Countersign's kinds: their schemas, their documentation, and their parsing into the core's types.
//!
//! One file per kind. What is stored as text is parsed in one place, the `parse` function of the kind, which the
//! webhook, the index, the controllers and the command line share: an object that one of them refuses, all refuse.

#![expect(
    clippy::duplicated_attributes,
    reason = "the columns of one kind share type and path in `kube(...)`"
)]

pub mod access_policy;
pub mod agent;
pub mod approval_review;
pub mod approval_ticket;
pub mod break_glass;
pub mod condition;
pub mod crd;
pub mod duration;
pub mod index;
pub mod intent;
pub mod invalid;
pub mod mutator;
pub mod permission;
pub mod reference;
pub mod role_grant;
pub mod schema;
pub mod seal;
pub mod task;
pub mod team;
pub mod write_delegation;
pub mod zone;

pub use access_policy::{AccessPolicy, AccessPolicySpec, AccessPolicyStatus};
pub use agent::{Agent, AgentSpec, AgentStatus};
pub use approval_review::{ApprovalReview, ApprovalReviewSpec, ApprovalReviewStatus};
pub use approval_ticket::{ApprovalTicket, ApprovalTicketSpec, ApprovalTicketStatus};
pub use break_glass::{BreakGlass, BreakGlassSpec, BreakGlassStatus};
pub use intent::{Intent, IntentSpec, IntentStatus};
pub use invalid::{Invalid, Problem};
pub use role_grant::{RoleGrant, RoleGrantSpec, RoleGrantStatus};
pub use task::{Task, TaskSpec, TaskStatus};
pub use team::{Team, TeamSpec, TeamStatus};
pub use write_delegation::{WriteDelegation, WriteDelegationSpec, WriteDelegationStatus};
pub use zone::{Zone, ZoneSpec, ZoneStatus};

/// The API group of every kind.
pub const GROUP: &str = "countersign.dev";

/// The version of every kind.
pub const VERSION: &str = "v1alpha1";

/// The field manager of what the operator applies: its webhook configurations, its Secrets, minted tickets.
pub const FIELD_MANAGER: &str = "countersign";

/// The field manager of every status that the operator writes.
pub const STATUS_MANAGER: &str = "countersign-status";

/// The only name that an AccessPolicy may have.
pub const POLICY_NAME: &str = "default";

/// The namespace label that says which environment the namespace is.
pub use countersign_core::environment::ENVIRONMENT_LABEL;

/// The annotation that, with the value `off` on a webhook configuration, stops the operator from enforcing: the
/// documented recovery when nobody is left who could change the policy.
pub const ENFORCEMENT_ANNOTATION: &str = "countersign.dev/enforcement";
