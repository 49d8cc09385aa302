//! Rule 2: delegations, the control plane's own and the configured ones.

use jiff::Timestamp;

use super::End;
use crate::{
    builtin,
    decision::{Cause, Denial, Grant, Reason},
    delegation::within,
    hash,
    object::ObjectError,
    request::Request,
    snapshot::Snapshot,
};

/// Ends the chain when a built-in delegation covers the request.
pub(super) fn builtin(request: &Request<'_>, snapshot: &Snapshot) -> Result<(), End> {
    let is_system = request.caller.username.starts_with("system:");
    if is_system && builtin::covers(request, snapshot, &|| changed(request)) {
        let cause = Cause::new("BuiltinDelegation", request.caller.username, "username");
        return Err(End::Allow(Grant::new(Reason::Delegated, Some(cause))));
    }
    Ok(())
}

/// Ends the chain when a WriteDelegation covers the request. Countersign's own kinds are never delegated.
pub(super) fn standing(request: &Request<'_>, snapshot: &Snapshot, now: Timestamp) -> Result<(), End> {
    if request.target.group == super::operator::GROUP {
        return Ok(());
    }
    let named = snapshot
        .delegations
        .get(request.caller.username)
        .into_iter()
        .flatten();
    let mut covering = named.filter(|delegation| delegation.covers(request, snapshot, now));
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

fn changed(request: &Request<'_>) -> Option<Vec<String>> {
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
