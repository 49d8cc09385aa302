//! Pods, and the kinds that hold a template of them: as whom they run, and what.
//!
//! Other kinds that make pods cannot be known; their controllers make the pods, and these are seen.

use std::borrow::Cow;

use super::{Holder, How, Yielded, touches};
use crate::{
    credential::Workload,
    object::{Object, ObjectError},
    request::{Request, Target},
    snapshot::Snapshot,
};

/// As whom the pods of a workload run.
enum Account<'a> {
    /// As nobody: there are none, or they have no account.
    None,
    /// Under this account.
    Named(Cow<'a, str>),
    /// As the template does to which this one is added.
    Untold,
}

/// Whether the request has something run under somebody's account that did not, or something else than before.
pub(super) fn judge(
    workload: &Workload,
    request: &Request<'_>,
    snapshot: &Snapshot,
) -> Result<Option<Yielded>, ObjectError> {
    let target = &request.target;
    let Some(new) = request.change.after().filter(|_| is_of_what_runs(target)) else {
        return Ok(None);
    };
    let account = match account_of(new, workload, target)? {
        Account::None => return Ok(None),
        Account::Untold => {
            let holder = Holder::untold("whoever its pods run as", request);
            return Ok(Some(Yielded {
                holder,
                how: How::HandsOut,
            }));
        }
        Account::Named(account) => account,
    };
    let Some(holder) = Holder::of_account(target.namespace, &account, snapshot) else {
        return Ok(None);
    };
    let before = request
        .change
        .before()
        .map(|old| account_of(old, workload, target))
        .transpose()?;
    let how = match before {
        Some(Account::Named(before)) if before == account => {
            if !touches(request, workload.runs)? {
                return Ok(None);
            }
            How::Steers
        }
        _ => How::HandsOut,
    };
    Ok(Some(Yielded { holder, how }))
}

/// Whether the write is one of what runs, and not of a part that reports.
fn is_of_what_runs(target: &Target<'_>) -> bool {
    target.subresource.is_empty() || (target.is("", "pods") && target.subresource == "ephemeralcontainers")
}

fn account_of<'a>(
    object: &Object<'a>,
    workload: &Workload,
    target: &Target<'_>,
) -> Result<Account<'a>, ObjectError> {
    for key in ["serviceAccountName", "serviceAccount"] {
        let named = object.text_at(&[workload.pods, &[key]].concat())?;
        if let Some(name) = named.filter(|name| !name.is_empty()) {
            return Ok(Account::Named(name));
        }
    }
    if target.is("apps", "controllerrevisions") && is_added(object, workload)? {
        return Ok(Account::Untold);
    }
    // The account of a pod is filled in before the webhook is asked; one that has none gets no token.
    let is_template = !target.is("", "pods") && object.field(workload.pods)?.is_some();
    Ok(if is_template {
        Account::Named("default".into())
    } else {
        Account::None
    })
}

/// Whether this is a former template that is laid over the present one rather than put in its place.
fn is_added(object: &Object<'_>, workload: &Workload) -> Result<bool, ObjectError> {
    let replaces = object.text_at(&["data", "spec", "template", "$patch"])?;
    let runs = |key| object.field(&[workload.pods, &[key]].concat());
    let has_containers = runs("containers")?.is_some() || runs("initContainers")?.is_some();
    Ok(has_containers && replaces.as_deref() != Some("replace"))
}
