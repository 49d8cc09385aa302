//! Pods, and the kinds that hold a template of them: as whom they run, and what.
//!
//! Other kinds that make pods cannot be known; their controllers make the pods, and these are seen.

use std::borrow::Cow;

use super::{Holder, How, Yielded, touches};
use crate::{
    object::{Object, ObjectError},
    request::{Request, Target},
    snapshot::Snapshot,
};

struct Workload {
    group: &'static str,
    resource: &'static str,
    /// Where the spec of its pods is.
    pods: &'static [&'static str],
    /// The granules that say what runs in them.
    runs: &'static [&'static str],
}

static WORKLOADS: [Workload; 10] = [
    Workload {
        group: "",
        resource: "pods",
        pods: &["spec"],
        runs: &[
            "/spec/containers",
            "/spec/initContainers",
            "/spec/ephemeralContainers",
        ],
    },
    templated("", "replicationcontrollers"),
    templated("apps", "deployments"),
    templated("apps", "replicasets"),
    templated("apps", "statefulsets"),
    templated("apps", "daemonsets"),
    templated("batch", "jobs"),
    Workload {
        group: "batch",
        resource: "cronjobs",
        pods: &["spec", "jobTemplate", "spec", "template", "spec"],
        runs: &["/spec/jobTemplate"],
    },
    Workload {
        group: "",
        resource: "podtemplates",
        pods: &["template", "spec"],
        runs: &["/template"],
    },
    // A StatefulSet makes pods of former templates, too.
    Workload {
        group: "apps",
        resource: "controllerrevisions",
        pods: &["data", "spec", "template", "spec"],
        runs: &["/data"],
    },
];

const fn templated(group: &'static str, resource: &'static str) -> Workload {
    Workload {
        group,
        resource,
        pods: &["spec", "template", "spec"],
        runs: &["/spec/template"],
    }
}

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
pub(super) fn judge(request: &Request<'_>, snapshot: &Snapshot) -> Result<Option<Yielded>, ObjectError> {
    let target = &request.target;
    let Some((workload, new)) = Workload::of(target).zip(request.change.after()) else {
        return Ok(None);
    };
    let account = match workload.account_of(new)? {
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
        .map(|old| workload.account_of(old))
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

impl Workload {
    /// The kind of the target, when the write is one of what runs.
    fn of(target: &Target<'_>) -> Option<&'static Self> {
        let is_of = |workload: &&Self| {
            let debugs = workload.resource == "pods" && target.subresource == "ephemeralcontainers";
            target.is(workload.group, workload.resource) && (target.subresource.is_empty() || debugs)
        };
        WORKLOADS.iter().find(is_of)
    }

    fn account_of<'a>(&self, object: &Object<'a>) -> Result<Account<'a>, ObjectError> {
        for key in ["serviceAccountName", "serviceAccount"] {
            let named = object.text_at(&[self.pods, &[key]].concat())?;
            if let Some(name) = named.filter(|name| !name.is_empty()) {
                return Ok(Account::Named(name));
            }
        }
        if self.is_added(object)? {
            return Ok(Account::Untold);
        }
        // The account of a pod is filled in before the webhook is asked; one that has none gets no token.
        let is_template = self.resource != "pods" && object.field(self.pods)?.is_some();
        Ok(if is_template {
            Account::Named("default".into())
        } else {
            Account::None
        })
    }

    /// Whether this is a former template that is laid over the present one rather than put in its place.
    fn is_added(&self, object: &Object<'_>) -> Result<bool, ObjectError> {
        if self.resource != "controllerrevisions" {
            return Ok(false);
        }
        let replaces = object.text_at(&["data", "spec", "template", "$patch"])?;
        let runs = |key| object.field(&[self.pods, &[key]].concat());
        let has_containers = runs("containers")?.is_some() || runs("initContainers")?.is_some();
        Ok(has_containers && replaces.as_deref() != Some("replace"))
    }
}
