//! GitOps: whose work a write carries out, who wrote that, and what the operator may do to have it tried again.

mod record;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

pub(crate) use self::record::is_release_record;
use crate::{
    hash::{canonical, changed_pointers},
    identity::Identity,
    object::{Change, Object, ObjectError},
    request::{Operation, Request, Target},
};

/// A kind from which a GitOps controller deploys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Tool {
    /// Of Flux' kustomize-controller.
    Kustomization,
    /// Of Flux' helm-controller.
    HelmRelease,
    /// Of Argo CD.
    Application,
}

/// An object from which a GitOps controller deploys.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    /// Its kind.
    pub tool: Tool,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// What delivers a change.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Delivery {
    /// The object.
    pub owner: Owner,
    /// The revision that its controller tried last, as that one writes it.
    pub revision: Option<String>,
}

/// Who wrote the change of a ticket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Authorship {
    /// Its subject, or whom the requester names.
    #[default]
    Claimed,
    /// The listed authors, by proof.
    Verified,
    /// Somebody whom nothing proves: one reviewer more is needed, since each of them may be the author.
    Unverified,
}

/// Where a change comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    /// Who wrote it.
    pub authors: Vec<Identity>,
    /// How that is known.
    pub authorship: Authorship,
    /// What it is delivered by, where the subject proves that.
    pub delivered_by: Option<Delivery>,
}

/// What the controllers call themselves as field managers; Argo CD's has other names as well.
const MANAGERS: [&str; 3] = ["kustomize-controller", "helm-controller", "argocd-controller"];

impl Tool {
    const ALL: [Self; 3] = [Self::HelmRelease, Self::Kustomization, Self::Application];

    /// The kind.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Kustomization => "Kustomization",
            Self::HelmRelease => "HelmRelease",
            Self::Application => "Application",
        }
    }

    /// API group and version that the operator reads.
    pub const fn api(self) -> (&'static str, &'static str) {
        match self {
            Self::Kustomization => ("kustomize.toolkit.fluxcd.io", "v1"),
            Self::HelmRelease => ("helm.toolkit.fluxcd.io", "v2"),
            Self::Application => ("argoproj.io", "v1alpha1"),
        }
    }

    const fn resource(self) -> &'static str {
        match self {
            Self::Kustomization => "kustomizations",
            Self::HelmRelease => "helmreleases",
            Self::Application => "applications",
        }
    }

    /// The account of the controller itself, which acts where nothing else is named.
    pub const fn controller(self) -> (&'static str, &'static str) {
        match self {
            Self::Kustomization => ("flux-system", "kustomize-controller"),
            Self::HelmRelease => ("flux-system", "helm-controller"),
            Self::Application => ("argocd", "argocd-application-controller"),
        }
    }

    /// What the controller calls itself in every write that has a field manager; Argo CD has several names.
    const fn manager(self) -> Option<&'static str> {
        match self {
            Self::Kustomization => Some("kustomize-controller"),
            Self::HelmRelease => Some("helm-controller"),
            Self::Application => None,
        }
    }

    /// What of such an object the operator writes to have it tried again.
    const fn nudged(self) -> &'static [&'static str] {
        match self {
            Self::Kustomization => &["/metadata/annotations/reconcile.fluxcd.io~1requestedAt"],
            Self::HelmRelease => &[
                "/metadata/annotations/reconcile.fluxcd.io~1requestedAt",
                "/metadata/annotations/reconcile.fluxcd.io~1forceAt",
            ],
            Self::Application => &["/metadata/annotations/argocd.argoproj.io~1refresh", "/operation"],
        }
    }

    fn owner_of(self, object: &Object<'_>) -> Result<Option<Owner>, ObjectError> {
        let named = |namespace: Option<_>, name: Option<_>| {
            let (namespace, name) = (namespace?, name?);
            let owner = Owner {
                tool: self,
                namespace,
                name,
            };
            Some(owner).filter(Owner::can_be)
        };
        let label = |key| Ok::<_, ObjectError>(object.label(key)?.map(String::from));
        Ok(match self {
            Self::Kustomization => named(
                label("kustomize.toolkit.fluxcd.io/namespace")?,
                label("kustomize.toolkit.fluxcd.io/name")?,
            ),
            Self::HelmRelease => named(
                label("helm.toolkit.fluxcd.io/namespace")?,
                label("helm.toolkit.fluxcd.io/name")?,
            ),
            Self::Application => {
                let tracking = object.annotation("argocd.argoproj.io/tracking-id")?;
                let application = tracking.as_deref().and_then(|id| Some(id.split_once(':')?.0));
                // An Application elsewhere is called `<namespace>_<name>`.
                application.and_then(|name| {
                    let (namespace, name) = name.split_once('_').unwrap_or((self.controller().0, name));
                    named(Some(namespace.to_owned()), Some(name.to_owned()))
                })
            }
        })
    }
}

impl Owner {
    /// Whether an object can be called so: whatever else a mark says is no part of a path to be read.
    fn can_be(&self) -> bool {
        let fits = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.');
        let is_name = |name: &str| name.bytes().all(fits) && name.starts_with(|char| char != '.');
        is_name(&self.namespace) && is_name(&self.name)
    }

    /// The object, as a request names it.
    pub fn target(&self) -> Target<'_> {
        let (group, version) = self.tool.api();
        Target {
            group,
            version,
            kind: self.tool.kind(),
            resource: self.tool.resource(),
            subresource: "",
            namespace: Some(&self.namespace),
            name: &self.name,
        }
    }

    /// Whether the account with these namespace and name is the one that acts for it: the one that it names, or else
    /// the controller's own.
    pub fn is_served_by(&self, account: (&str, &str), named: Option<(&str, &str)>) -> bool {
        account == named.unwrap_or(self.tool.controller())
    }
}

impl Provenance {
    /// How many more people have to approve.
    pub const fn more_reviews(&self) -> u32 {
        match self.authorship {
            Authorship::Claimed | Authorship::Verified => 0,
            Authorship::Unverified => 1,
        }
    }

    /// All of it as one text, for a stamp; nothing where nothing is known.
    pub(crate) fn text(&self) -> String {
        let authors: Vec<_> = self.authors.iter().map(Identity::as_str).collect();
        let delivery = self.delivered_by.as_ref().map(|delivery| {
            let owner = &delivery.owner;
            (owner.tool, &owner.namespace, &owner.name, &delivery.revision)
        });
        // Strings, lists and a name of an enum: nothing that could not be written.
        serde_json::to_string(&(authors, self.authorship, delivery)).unwrap_or_default()
    }
}

/// The object from which a service account deploys what it writes, by what it writes; nothing of it is proven.
///
/// Each controller marks what it applies, and names itself as the field manager; in deletions nobody does. People's
/// writes are their own, whatever the object is marked with.
pub fn claimed_owner(request: &Request<'_>) -> Result<Option<Owner>, ObjectError> {
    let change = &request.change;
    let marked = match change {
        Change::Delete(_) => change.before(),
        _ => change.after(),
    };
    let is_hidden = request.target.hides_its_object(request.operation);
    let (Some(object), Some(_), false) = (marked, request.caller.service_account(), is_hidden) else {
        return Ok(None);
    };
    let manager = field_manager(request)?;
    let is_its_write = |tool: &Tool| {
        request.operation == Operation::Delete
            || tool.manager().is_none_or(|name| manager.as_deref() == Some(name))
    };
    for tool in Tool::ALL.into_iter().filter(is_its_write) {
        if let Some(owner) = tool.owner_of(object)? {
            return Ok(Some(owner));
        }
    }
    Ok(None)
}

fn field_manager<'a>(request: &Request<'a>) -> Result<Option<Cow<'a, str>>, ObjectError> {
    let options = request.options.as_ref();
    let manager = options.map(|options| options.text_at(&["fieldManager"]));
    Ok(manager.transpose()?.flatten())
}

/// How the author of what is written is known before anything is proven, also of a ticket that is asked for.
///
/// What a GitOps controller delivers was written by somebody else than the account: it is known by its marks or, where
/// it sets none (as on Helm's hooks), by its name. Whoever impersonates an account may have written what it asks for.
pub fn unproven_authorship(request: &Request<'_>) -> Authorship {
    let is_delivered = || {
        let manager = field_manager(request)?;
        let by_name = manager.is_some_and(|name| MANAGERS.contains(&&*name));
        Ok::<_, ObjectError>(by_name || claimed_owner(request)?.is_some())
    };
    let is_account = request.caller.service_account().is_some();
    let is_somebodys = request.caller.is_account_in_name_only() || is_delivered().unwrap_or(true);
    if is_account && is_somebodys {
        Authorship::Unverified
    } else {
        Authorship::Claimed
    }
}

/// Whether the write does nothing but ask a GitOps controller to try again; of Argo CD the very operation that failed.
pub(crate) fn is_nudge(request: &Request<'_>) -> bool {
    let target = &request.target;
    let of_target = |tool: &Tool| target.is(tool.api().0, tool.resource()) && target.subresource.is_empty();
    let Some(tool) = Tool::ALL.into_iter().find(of_target) else {
        return false;
    };
    let nudges = |pointers: Vec<String>| pointers.iter().all(|pointer| tool.nudged().contains(&&**pointer));
    request.operation == Operation::Update
        && changed_pointers(&request.change).is_ok_and(nudges)
        && repeats_the_operation(&request.change).unwrap_or(false)
}

fn repeats_the_operation(change: &Change<'_>) -> Result<bool, ObjectError> {
    let Change::Update { old, new } = change else {
        return Ok(false);
    };
    let read = |object: &Object<'_>, path: &[&str]| object.field(path)?.map(canonical).transpose();
    let asked = read(new, &["operation"])?;
    Ok(
        asked == read(old, &["operation"])?
            || asked == read(old, &["status", "operationState", "operation"])?,
    )
}
