//! Rule 4: the effective role of a subject, and the object that gives it.

use std::sync::Arc;

use crate::{policy::Policy, request::Subject, role::Role, snapshot::Snapshot};

/// A role and the object that gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleSource {
    /// The effective role.
    pub role: Role,
    /// Kind of the object that gives it.
    pub kind: &'static str,
    /// Its name.
    pub name: Arc<str>,
    /// The field that says so.
    pub field: &'static str,
}

/// A user's role: the highest of its own and its teams' grants and its directory groups; the default when it has
/// none. Of several grants for one identity that contradict each other, the least counts. A user never holds the
/// role `agent`: it gives a reader's nothing.
pub fn user_role(subject: &Subject, snapshot: &Snapshot, policy: &Policy) -> Option<RoleSource> {
    if !subject.identity.is_user() {
        return None;
    }
    let holders = std::iter::once(&subject.identity).chain(&subject.teams);
    let granted = holders.filter_map(|holder| {
        let least = snapshot
            .grants
            .get(holder)?
            .iter()
            .min_by_key(|grant| grant.role)?;
        Some(RoleSource {
            role: least.role.max(Role::Reader),
            kind: "RoleGrant",
            name: least.name.clone(),
            field: "spec.role",
        })
    });
    let of_policy = |role: Role, field| RoleSource {
        role: role.max(Role::Reader),
        kind: "AccessPolicy",
        name: "default".into(),
        field,
    };
    let by_group = subject
        .group_role
        .map(|role| of_policy(role, "spec.directory.groupMapping"));
    let highest = granted.chain(by_group).max_by_key(|source| source.role);
    Some(highest.unwrap_or_else(|| of_policy(policy.defaults.role, "spec.defaults.role")))
}

/// The role of any subject; an agent's is the one its Agent names, and no team raises it. An agent never holds
/// `admin`: one that names it has no role.
pub fn effective_role(subject: &Subject, snapshot: &Snapshot, policy: &Policy) -> Option<RoleSource> {
    if let Some(agent) = snapshot.agent(&subject.identity) {
        let name = subject.identity.local().into();
        return (agent.role != Role::Admin).then_some(RoleSource {
            role: agent.role,
            kind: "Agent",
            name,
            field: "spec.role",
        });
    }
    user_role(subject, snapshot, policy)
}
