//! What is not guarded: Events, virtual creates, a service account's Leases in its own namespace.
//!
//! The objects themselves: a subresource of one of these, in whatever version, is guarded.

use super::End;
use crate::{
    decision::{Grant, Reason},
    request::{Operation, Request, Target},
    snapshot::Snapshot,
};

/// Events, by group and resource: reports, which change nothing.
pub const EVENTS: [(&str, &str); 2] = [("", "events"), ("events.k8s.io", "events")];

/// Creates that store nothing, by group and resource; the API server sends them up to 1.36 (E23).
pub const VIRTUAL: [(&str, &str); 6] = [
    ("authentication.k8s.io", "tokenreviews"),
    ("authentication.k8s.io", "selfsubjectreviews"),
    ("authorization.k8s.io", "subjectaccessreviews"),
    ("authorization.k8s.io", "selfsubjectaccessreviews"),
    ("authorization.k8s.io", "localsubjectaccessreviews"),
    ("authorization.k8s.io", "selfsubjectrulesreviews"),
];

/// Leases, by group and resource: a service account's own elect leaders.
pub const LEASES: (&str, &str) = ("coordination.k8s.io", "leases");

/// Namespaces whose Leases elect the control plane, or keep nodes alive; the operator's is another.
pub const CONTROL_NAMESPACES: [&str; 2] = ["kube-system", "kube-node-lease"];

/// Goes on with what is guarded.
pub(super) fn or_leave(request: &Request<'_>, snapshot: &Snapshot) -> Result<(), End> {
    let is_one = |resources: &[_]| resources.iter().any(|one| is_itself(&request.target, *one));
    let is_virtual = request.operation == Operation::Create && is_one(&VIRTUAL);
    if is_one(&EVENTS) || is_virtual || is_own_lease(request, snapshot) {
        return Err(End::Allow(Grant::new(Reason::NotGuarded, None)));
    }
    Ok(())
}

fn is_itself(target: &Target<'_>, (group, resource): (&str, &str)) -> bool {
    target.is(group, resource) && target.subresource.is_empty()
}

fn is_own_lease(request: &Request<'_>, snapshot: &Snapshot) -> bool {
    let own = request.caller.service_account().map(|(namespace, _)| namespace);
    is_itself(&request.target, LEASES)
        && own.is_some()
        && own == request.target.namespace
        && !own.is_some_and(|own| CONTROL_NAMESPACES.contains(&own) || own == &*snapshot.cluster.namespace)
}
