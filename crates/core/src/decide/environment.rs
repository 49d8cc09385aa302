//! The environment of the place that a write lands in.

use super::operator;
use crate::{
    environment::Environment,
    object::{Change, Object},
    policy::Policy,
    request::Request,
    snapshot::{Snapshot, environment_by_labels},
};

/// Of a namespaced object the namespace's; of a Namespace the strictest of its old and its new one and the one that is
/// known; of Countersign's own kinds prod; of other cluster-scoped objects what the policy gives them, prod by default.
pub fn environment_of(request: &Request<'_>, snapshot: &Snapshot, policy: &Policy) -> Environment {
    let target = &request.target;
    if target.group == operator::GROUP && !operator::is_workflow(target) {
        return Environment::Prod;
    }
    if let Some(namespace) = target.namespace {
        return snapshot.environment_of_namespace(namespace, policy);
    }
    if target.is("", "namespaces") {
        return of_namespace(request, snapshot, policy);
    }
    let scoped = policy.environments.iter().find(|rule| rule.cluster_scoped);
    scoped
        .and_then(|rule| rule.environment)
        .unwrap_or(Environment::Prod)
}

fn of_namespace(request: &Request<'_>, snapshot: &Snapshot, policy: &Policy) -> Environment {
    let name = request.target.parent().name;
    let shown = |object: &Object<'_>| of_shown_namespace(name, object, policy);
    let known = || snapshot.environment_of_namespace(name, policy);
    // What is shown as its old labels may be what nobody judged, and whoever forges a review shows a new one.
    let at_least_known = |shown: Environment| {
        let is_known = snapshot.namespaces.contains_key(name);
        if is_known { shown.max(known()) } else { shown }
    };
    match &request.change {
        Change::Create(new) if request.target.subresource.is_empty() => at_least_known(shown(new)),
        Change::Update { old, new } => at_least_known(shown(old).max(shown(new))),
        Change::Delete(Some(old)) => at_least_known(shown(old)),
        Change::Create(_) | Change::Delete(None) | Change::Connect(_) => known(),
    }
}

/// What cannot be read is prod.
fn of_shown_namespace(name: &str, object: &Object<'_>, policy: &Policy) -> Environment {
    let Ok(labels) = object.labels() else {
        return Environment::Prod;
    };
    let label = |key: &str| labels.get(key).map(AsRef::as_ref);
    environment_by_labels(name, label, policy)
}
