//! What is not guarded: Events, virtual creates, a service account's Leases in its own namespace.

use super::End;
use crate::{
    decision::{Grant, Reason},
    request::{Operation, Request},
    snapshot::Snapshot,
};

/// Creates that store nothing; the API server sends them up to 1.36 (E23).
const VIRTUAL: [(&str, &str); 6] = [
    ("authentication.k8s.io", "tokenreviews"),
    ("authentication.k8s.io", "selfsubjectreviews"),
    ("authorization.k8s.io", "subjectaccessreviews"),
    ("authorization.k8s.io", "selfsubjectaccessreviews"),
    ("authorization.k8s.io", "localsubjectaccessreviews"),
    ("authorization.k8s.io", "selfsubjectrulesreviews"),
];

/// Namespaces whose Leases elect the control plane and the operator, or keep nodes alive.
const CONTROL_NAMESPACES: [&str; 2] = ["kube-system", "kube-node-lease"];

/// Goes on with what is guarded.
pub(super) fn or_leave(request: &Request<'_>, snapshot: &Snapshot) -> Result<(), End> {
    if is_event(request) || is_virtual(request) || is_own_lease(request, snapshot) {
        return Err(End::Allow(Grant::new(Reason::NotGuarded, None)));
    }
    Ok(())
}

fn is_event(request: &Request<'_>) -> bool {
    let target = &request.target;
    (target.is("", "events") || target.is("events.k8s.io", "events")) && target.subresource.is_empty()
}

fn is_virtual(request: &Request<'_>) -> bool {
    request.operation == Operation::Create
        && VIRTUAL
            .iter()
            .any(|(group, resource)| request.target.is(group, resource))
}

fn is_own_lease(request: &Request<'_>, snapshot: &Snapshot) -> bool {
    let target = &request.target;
    let own = request.caller.service_account().map(|(namespace, _)| namespace);
    target.is("coordination.k8s.io", "leases")
        && target.subresource.is_empty()
        && own.is_some()
        && own == target.namespace
        && !own.is_some_and(|own| CONTROL_NAMESPACES.contains(&own) || own == &*snapshot.cluster.namespace)
}
