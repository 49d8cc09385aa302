//! Delegations: narrow, standing permissions for the derived writes of one controller.

use std::sync::Arc;

use jiff::Timestamp;

use crate::{
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
    /// The granules that may change; all when empty.
    pub fields: Vec<String>,
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

impl Delegation {
    /// Whether the delegation covers the request, but for the fields that it changes.
    pub fn covers(&self, request: &Request<'_>, snapshot: &Snapshot, now: Timestamp) -> bool {
        self.degraded.is_none()
            && self.expires_at.is_none_or(|end| now < end)
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
                    labels
                        .iter()
                        .all(|(key, value)| known.labels.get(key) == Some(value))
                })
            }
            (Self::Names(_) | Self::Labels(_), None) => false,
        }
    }
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
