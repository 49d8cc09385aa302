//! Rule 2: delegations, the control plane's own and the configured ones.

use jiff::Timestamp;

use super::{End, operator::GROUP};
use crate::{
    builtin,
    decision::{Cause, Denial, Findings, Grant, Reason},
    delegation::{Delegation, within},
    hash,
    object::{Change, ObjectError},
    parent::{ParentKind, Unproven},
    request::{Operation, Request},
    snapshot::Snapshot,
};

/// Ends the chain when a built-in delegation covers the request. What permits is never delegated, not even to the
/// garbage collector, and tickets and reviews are made by their own rules.
pub(super) fn builtin(request: &Request<'_>, snapshot: &Snapshot) -> Result<(), End> {
    let is_system =
        request.caller.username.starts_with("system:") && !request.caller.is_account_in_name_only();
    let target = &request.target;
    let has_own_rules =
        target.group == GROUP && (target.namespace.is_none() || request.operation == Operation::Create);
    if !is_system || has_own_rules {
        return Ok(());
    }
    builtin::covering(request, snapshot, &|| changed(request)).map_or(Ok(()), |name| {
        let cause = Cause::new("BuiltinDelegation", name, "username");
        Err(End::Allow(Grant::new(Reason::Delegated, Some(cause))))
    })
}

/// Ends the chain when a WriteDelegation covers the request. Countersign's own kinds are never delegated.
///
/// A delegation that would cover it but for the object's parent ends it too: nobody else acts for its subject, and
/// what the denial says about the parent is all that is missing.
pub(super) fn standing(
    request: &Request<'_>,
    snapshot: &Snapshot,
    now: Timestamp,
    findings: &mut Findings,
) -> Result<(), End> {
    if request.caller.is_account_in_name_only() {
        return Ok(());
    }
    let named = snapshot.delegations.get(request.caller.username);
    let mut unproven = None;
    for delegation in named.into_iter().flatten() {
        let covers = request.target.group != GROUP && delegation.covers(request, snapshot, now);
        if !covers || !fits(delegation, request) {
            continue;
        }
        let Some(parent) = &delegation.parent else {
            return Err(covered(delegation, "spec.resources"));
        };
        match parent.controls(request) {
            Ok(()) => return Err(covered(delegation, "spec.parent")),
            Err(why) => {
                // What is said of the parent itself tells more than that it is another delegation's.
                if unproven.is_none() || matches!(why, Unproven::Unread(_) | Unproven::Unseen(_)) {
                    unproven = Some(without_parent(delegation, parent, &why));
                }
                if let Unproven::Unread(parent) = why {
                    findings.parent = Some(*parent);
                }
            }
        }
    }
    unproven.map_or(Ok(()), |denial| Err(End::Deny(denial)))
}

fn covered(delegation: &Delegation, field: &'static str) -> End {
    let cause = Cause::new("WriteDelegation", delegation.name.clone(), field);
    End::Allow(Grant::new(Reason::Delegated, Some(cause)))
}

fn without_parent(delegation: &Delegation, parent: &ParentKind, why: &Unproven) -> Denial {
    let name = &delegation.name;
    let message = format!(
        "WriteDelegation `{name}` covers this only where a living {parent} controls the object: {why}"
    );
    let cause = Cause::new("WriteDelegation", name.clone(), "spec.parent");
    Denial::new(Reason::ParentUnproven, message).because(cause)
}

/// Whether the delegation names all that changes. Of a new object it need not name what tells which one it is, and
/// of a status subresource not the status.
fn fits(delegation: &Delegation, request: &Request<'_>) -> bool {
    let of_status = request.target.subresource == "status";
    if delegation.fields.is_empty() && !of_status {
        return true;
    }
    let mut allowed: Vec<&str> = delegation.fields.iter().map(String::as_str).collect();
    allowed.extend(of_status.then_some("/status"));
    let Some(mut changed) = changed(request) else {
        return false;
    };
    if request.operation == Operation::Create {
        changed.retain(|pointer| !hash::is_identity(pointer));
    }
    within(&changed, &allowed)
}

/// The granules that change; of a connection it cannot be told.
fn changed(request: &Request<'_>) -> Option<Vec<String>> {
    if matches!(request.change, Change::Connect(_)) {
        return None;
    }
    hash::changed_pointers(&request.change).ok()
}

impl From<Grant> for End {
    fn from(grant: Grant) -> Self {
        Self::Allow(grant)
    }
}

impl From<ObjectError> for Denial {
    fn from(error: ObjectError) -> Self {
        Self::new(
            Reason::Malformed,
            format!("the objects of the request cannot be read: {error}"),
        )
    }
}
