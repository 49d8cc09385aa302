//! Delegations: narrow, standing permissions for the derived writes of one controller.

use std::sync::Arc;

use jiff::Timestamp;

use crate::{
    object::SPLIT,
    parent::ParentKind,
    request::{Operation, Request},
    snapshot::Snapshot,
};

/// One WriteDelegation, compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delegation {
    /// The object's name.
    pub name: Arc<str>,
    /// The exact username that it is for.
    pub username: Arc<str>,
    /// What may be written.
    pub resources: Vec<DelegatedResource>,
    /// How.
    pub operations: Vec<Operation>,
    /// Where.
    pub namespaces: DelegatedNamespaces,
    /// The parts of the object that may change, see [`is_part`]; all when empty.
    pub fields: Vec<String>,
    /// The kind that must control the object.
    pub parent: Option<ParentKind>,
    /// Where it is checked.
    pub evaluation: Evaluation,
    /// Until when.
    pub expires_at: Option<Timestamp>,
    /// Why the object covers nothing, if so.
    pub degraded: Option<Arc<str>>,
}

/// One resource of a delegation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DelegatedResource {
    /// API group, empty for the core group.
    pub group: Arc<str>,
    /// Plural resource name.
    pub resource: Arc<str>,
    /// Subresource, empty for the object itself.
    pub subresource: Arc<str>,
}

/// Where a delegation holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DelegatedNamespaces {
    /// On cluster-scoped objects only.
    ClusterScoped,
    /// In these namespaces.
    Names(Vec<Arc<str>>),
    /// In the namespaces that carry all these labels.
    Labels(Vec<(Arc<str>, Arc<str>)>),
}

/// Where a delegation is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evaluation {
    /// By the operator alone.
    Webhook,
    /// By the API server too, which lets the write pass while no operator runs.
    Startup,
}

/// Why a delegation is not in force.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotInForce {
    /// The object cannot be relied on.
    #[error("{0}")]
    Degraded(Arc<str>),
    /// It ended.
    #[error("spec.expiresAt: its time is over")]
    Expired,
    /// Agents have roles and zones.
    #[error("spec.subject: an Agent lists this service account")]
    SubjectIsAgent,
    /// People have roles and zones; whoever is no `system:` user is taken for one.
    #[error("spec.subject: people get roles and zones, not delegations")]
    SubjectIsUser,
}

impl Delegation {
    /// Whether the delegation covers anything at all.
    pub fn in_force(&self, snapshot: &Snapshot, now: Timestamp) -> Result<(), NotInForce> {
        if let Some(why) = &self.degraded {
            return Err(NotInForce::Degraded(why.clone()));
        }
        if self.expires_at.is_some_and(|end| end <= now) {
            return Err(NotInForce::Expired);
        }
        let account = self.username.strip_prefix("system:serviceaccount:");
        if account.is_some_and(|account| snapshot.service_accounts.contains_key(account)) {
            return Err(NotInForce::SubjectIsAgent);
        }
        if !self.username.starts_with("system:") {
            return Err(NotInForce::SubjectIsUser);
        }
        Ok(())
    }

    /// Whether the delegation covers the request, but for the fields that it changes and for the object's parent.
    pub fn covers(&self, request: &Request<'_>, snapshot: &Snapshot, now: Timestamp) -> bool {
        self.in_force(snapshot, now).is_ok()
            && *self.username == *request.caller.username
            && self.operations.contains(&request.operation)
            && self
                .resources
                .iter()
                .any(|resource| resource.is_target_of(request))
            && self.namespaces.hold(request.target.namespace, snapshot)
    }
}

impl DelegatedResource {
    fn is_target_of(&self, request: &Request<'_>) -> bool {
        let target = &request.target;
        target.is(&self.group, &self.resource) && *self.subresource == *target.subresource
    }
}

impl DelegatedNamespaces {
    fn hold(&self, namespace: Option<&str>, snapshot: &Snapshot) -> bool {
        match (self, namespace) {
            (Self::ClusterScoped, namespace) => namespace.is_none(),
            (Self::Names(names), Some(namespace)) => names.iter().any(|name| **name == *namespace),
            (Self::Labels(labels), Some(namespace)) => {
                let known = snapshot.namespaces.get(namespace);
                known.is_some_and(|known| {
                    known.sealed
                        && labels
                            .iter()
                            .all(|(key, value)| known.labels().get(key) == Some(value))
                })
            }
            (Self::Names(_) | Self::Labels(_), None) => false,
        }
    }
}

/// The delegations that the API server is to check by itself, in the order of their names.
pub fn at_startup(snapshot: &Snapshot, now: Timestamp) -> Vec<Arc<Delegation>> {
    let mut delegations: Vec<_> = snapshot
        .delegations
        .values()
        .flatten()
        .filter(|one| one.evaluation == Evaluation::Startup && one.in_force(snapshot, now).is_ok())
        .cloned()
        .collect();
    delegations.sort_by(|a, b| a.name.cmp(&b.name));
    delegations
}

/// Whether this JSON pointer is a part of an object that is told apart from the rest of it: a granule, or a map of
/// granules. What is finer never changes by itself.
pub fn is_part(pointer: &str) -> bool {
    let keys: Vec<&str> = pointer.split('/').collect();
    let is_known = match keys.as_slice() {
        ["", _] | ["", "metadata", _] | ["", "metadata", "labels" | "annotations", _] => true,
        ["", section, _] => SPLIT.contains(section),
        _ => false,
    };
    let is_key =
        |key: &&str| !key.is_empty() && key.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    is_known && keys.iter().skip(1).all(is_key)
}

/// Whether every changed granule is one of `allowed`, or lies below one.
pub fn within(changed: &[String], allowed: &[impl AsRef<str>]) -> bool {
    let below = |pointer: &str, allowed: &str| {
        pointer
            .strip_prefix(allowed)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    changed
        .iter()
        .all(|pointer| allowed.iter().any(|allowed| below(pointer, allowed.as_ref())))
}

#[cfg(test)]
mod tests;
