//! Pods, and the kinds that hold a template of them: as whom they run, and what.
//!
//! Other kinds that make pods cannot be known; their controllers make the pods, and these are seen.

use std::borrow::Cow;

use super::{Holder, How, Yielded, former, touches};
use crate::{
    credential::Workload,
    object::{Object, ObjectError},
    request::{Request, Target},
    snapshot::Snapshot,
};

/// The fields that name the account of pods: the one that counts, and its former name.
pub(super) const ACCOUNT: [&str; 2] = ["serviceAccountName", "serviceAccount"];

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
    if target.is("apps", "controllerrevisions") && former::is_untold(object)? {
        return Ok(Account::Untold);
    }
    for key in ACCOUNT {
        let named = object.text_at(&[workload.pods, &[key]].concat())?;
        if let Some(name) = named.filter(|name| !name.is_empty()) {
            return Ok(Account::Named(name));
        }
    }
    // The account of a pod is filled in before the webhook is asked; one that has none gets no token.
    let is_template = !target.is("", "pods") && object.field(workload.pods)?.is_some();
    Ok(if is_template {
        Account::Named("default".into())
    } else {
        Account::None
    })
}
