//! Rule 2: delegations, the control plane's own and the configured ones.

use jiff::Timestamp;

use super::{End, operator::GROUP};
use crate::{
    authn::{self, Unidentified},
    builtin,
    decision::{Cause, Denial, Grant, Reason},
    delegation::within,
    hash,
    object::{Change, ObjectError},
    policy::Policy,
    request::{Operation, Request},
    snapshot::Snapshot,
};

/// Ends the chain when a built-in delegation covers the request. What permits is never delegated, not even to the
/// garbage collector, and tickets and reviews are made by their own rules.
pub(super) fn builtin(request: &Request<'_>, snapshot: &Snapshot) -> Result<(), End> {
    let is_system = request.caller.username.starts_with("system:");
    let target = &request.target;
    let has_own_rules =
        target.group == GROUP && (target.namespace.is_none() || request.operation == Operation::Create);
    if is_system && !has_own_rules && builtin::covers(request, snapshot, &|| changed(request)) {
        let cause = Cause::new("BuiltinDelegation", request.caller.username, "username");
        return Err(End::Allow(Grant::new(Reason::Delegated, Some(cause))));
    }
    Ok(())
}

/// Ends the chain when a WriteDelegation covers the request. Countersign's own kinds are never delegated, and
/// nothing is to people and agents.
pub(super) fn standing(
    request: &Request<'_>,
    (snapshot, policy): (&Snapshot, &Policy),
    now: Timestamp,
) -> Result<(), End> {
    let named = snapshot.delegations.get(request.caller.username);
    let Some(named) = named.filter(|_| request.target.group != GROUP) else {
        return Ok(());
    };
    if !is_nobody(request, snapshot, policy) {
        return Ok(());
    }
    let mut covering = named
        .iter()
        .filter(|delegation| delegation.covers(request, snapshot, now));
    let fits = |fields: &[String]| {
        let status_only = request.target.subresource == "status";
        if fields.is_empty() && !status_only {
            return true;
        }
        let mut allowed: Vec<&str> = fields.iter().map(String::as_str).collect();
        allowed.extend(status_only.then_some("/status"));
        changed(request).is_some_and(|changed| within(&changed, &allowed))
    };
    match covering.find(|delegation| fits(&delegation.fields)) {
        Some(delegation) => {
            let cause = Cause::new("WriteDelegation", delegation.name.clone(), "spec.resources");
            Err(End::Allow(Grant::new(Reason::Delegated, Some(cause))))
        }
        None => Ok(()),
    }
}

/// Whether the caller is neither a person nor an account that any Agent lists.
fn is_nobody(request: &Request<'_>, snapshot: &Snapshot, policy: &Policy) -> bool {
    match authn::identify(&request.caller, snapshot, policy) {
        Ok(_) | Err(Unidentified::AmbiguousAccount { .. } | Unidentified::ForeignAccount { .. }) => false,
        Err(
            Unidentified::UnregisteredAccount(_)
            | Unidentified::SystemUser(_)
            | Unidentified::NotCanonical(_),
        ) => true,
    }
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
