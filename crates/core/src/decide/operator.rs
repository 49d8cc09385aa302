//! The operator's own writes, and what is the operator's alone.

use super::End;
use crate::{
    decision::{Denial, Grant, Reason},
    gitops, read_access,
    request::{Operation, Request, Target},
    snapshot::Snapshot,
};

/// The API group of Countersign's own kinds.
pub const GROUP: &str = "countersign.dev";

/// The Secret that holds the operator's keys and the strict latch.
pub const KEYS_SECRET: &str = "countersign-keys";

/// What the names of the ConfigMaps begin with in which the operator counts what there may be so much of.
pub const QUOTA_PREFIX: &str = "countersign-quota-";

/// The kinds whose objects are tickets, statements about them, intents and emergencies: their content never changes.
const WORKFLOW_KINDS: [&str; 5] = [
    "approvaltickets",
    "approvalreviews",
    "intents",
    TASKS,
    EMERGENCIES,
];

/// The kind whose objects are windows of break-glass: nobody ever removes one.
pub(super) const EMERGENCIES: &str = "breakglasses";

/// The kind whose objects tell what came of used tickets: nobody but the operator makes one.
const TASKS: &str = "tasks";

/// Whether the target is a ticket, a review, an intent, a task or a window of break-glass.
pub fn is_workflow(target: &Target<'_>) -> bool {
    target.group == GROUP && WORKFLOW_KINDS.contains(&target.resource)
}

/// Goes on with what others may write at all.
pub(super) fn or_others(request: &Request<'_>, snapshot: &Snapshot) -> Result<(), End> {
    if is_operator(request, snapshot) {
        if is_operators_work(request, snapshot) {
            return Err(End::Allow(Grant::new(Reason::Operator, None)));
        }
        let message = format!("the operator has no business with {}", request.target.place());
        return Err(Denial::new(Reason::OperatorOnly, message).into());
    }
    let follows = follows_its_namespace(request, snapshot) || follows_its_ticket(request);
    if is_operators_alone(request, snapshot) && !follows {
        return Err(operators_alone(request).into());
    }
    Ok(())
}

fn is_operator(request: &Request<'_>, snapshot: &Snapshot) -> bool {
    *request.caller.username == *snapshot.cluster.operator
        && *request.caller.uid == *snapshot.cluster.operator_uid
}

fn is_operators_work(request: &Request<'_>, snapshot: &Snapshot) -> bool {
    let target = &request.target;
    let at_home = target.namespace == Some(&*snapshot.cluster.namespace);
    let own_status = target.group == GROUP && target.subresource == "status";
    let records = is_operators_record(target, snapshot);
    let lease = at_home && target.is("coordination.k8s.io", "leases");
    let home = target.is("", "namespaces") && target.name == &*snapshot.cluster.namespace;
    let home = home && request.operation == Operation::Create;
    let upkeep = read_access::is_upkeep(request, snapshot) || gitops::is_nudge(request);
    own_status || keeps_workflow(request) || records || lease || home || upkeep
}

/// Tickets that are minted, tasks that are opened, and what is removed when its time is over. A task goes by its owner.
fn keeps_workflow(request: &Request<'_>) -> bool {
    let target = &request.target;
    let own = matches!(
        (target.resource, request.operation),
        ("approvaltickets", Operation::Create | Operation::Delete)
            | ("approvalreviews" | "intents", Operation::Delete)
            | (TASKS, Operation::Create)
    );
    own && target.group == GROUP && target.subresource.is_empty()
}

/// Status of Countersign's kinds, changes and removals of tickets, reviews and intents, removals of emergencies, tasks, the
/// keys and the quotas.
fn is_operators_alone(request: &Request<'_>, snapshot: &Snapshot) -> bool {
    let target = &request.target;
    let records = is_operators_record(target, snapshot);
    let status = target.group == GROUP && !target.subresource.is_empty();
    let workflow = is_workflow(target);
    let others_make = match target.resource {
        TASKS => false,
        // They are ended early, and reviewed.
        EMERGENCIES => request.operation != Operation::Delete,
        _ => request.operation == Operation::Create,
    };
    records || status || (workflow && !others_make)
}

/// Its keys, and what it counts.
fn is_operators_record(target: &Target<'_>, snapshot: &Snapshot) -> bool {
    let keys = target.is("", "secrets") && target.name == KEYS_SECRET;
    let quota = target.is("", "configmaps") && target.name.starts_with(QUOTA_PREFIX);
    target.namespace == Some(&*snapshot.cluster.namespace) && (keys || quota)
}

/// Whether the object goes with its namespace: tickets are kept by the audit log, not by a namespace that ends.
fn follows_its_namespace(request: &Request<'_>, snapshot: &Snapshot) -> bool {
    request.operation == Operation::Delete
        && request.caller.service_account() == Some(("kube-system", "namespace-controller"))
        && (request.target.namespace)
            .and_then(|name| snapshot.namespaces.get(name))
            .is_some_and(|namespace| namespace.terminating)
}

/// Whether it is a task, whose owner is a ticket that is gone.
fn follows_its_ticket(request: &Request<'_>) -> bool {
    request.operation == Operation::Delete
        && request.target.is(GROUP, TASKS)
        && request.caller.service_account() == Some(("kube-system", "generic-garbage-collector"))
}

fn operators_alone(request: &Request<'_>) -> Denial {
    let target = &request.target;
    let place = target.place();
    if !target.subresource.is_empty() || target.group != GROUP || target.resource == TASKS {
        return Denial::new(
            Reason::OperatorOnly,
            format!("`{place}` is written by the operator alone"),
        );
    }
    if target.resource == EMERGENCIES {
        let message = format!("`{place}` is the record of an emergency: nobody removes it");
        return Denial::new(Reason::Immutable, message);
    }
    let message = format!(
        "`{place}` never changes once made, and the operator alone removes it: \
         cancel or revoke a ticket with kubectl countersign, and make a new one"
    );
    Denial::new(Reason::Immutable, message)
}
