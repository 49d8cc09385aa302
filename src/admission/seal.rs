//! Seals on the path: what is let through will be sealed, and what bears no seal is not built upon.

use countersign_api::{
    AccessPolicy, Agent, RoleGrant, Team, WriteDelegation, Zone,
    seal::{self, ATTEST_ANNOTATION, Sealed, Seals},
};
use countersign_core::{decide::GROUP, request::Operation, seal::Content};
use kube::ResourceExt;
use serde::de::DeserializeOwned;

use super::review::AdmissionRequest;

/// What is asked of an object of a kind that permits.
#[derive(Clone, Copy)]
struct Questions {
    content: fn(&str) -> Option<Content>,
    vouched: fn(&str, &Seals) -> bool,
    annotation: fn(&str) -> Option<String>,
}

impl Questions {
    const fn of<K: Sealed + DeserializeOwned>() -> Self {
        Self {
            content: |text| seal::content(&read::<K>(text)?),
            vouched: |text, seals| read::<K>(text).is_some_and(|object| seals.vouch_for(&object)),
            annotation: |text| read::<K>(text)?.annotations_mut().remove(ATTEST_ANNOTATION),
        }
    }

    fn about(request: &AdmissionRequest<'_>) -> Option<Self> {
        let target = request.target();
        if target.group != GROUP || !target.subresource.is_empty() {
            return None;
        }
        Some(match target.resource {
            "accesspolicies" => Self::of::<AccessPolicy>(),
            "agents" => Self::of::<Agent>(),
            "rolegrants" => Self::of::<RoleGrant>(),
            "teams" => Self::of::<Team>(),
            "writedelegations" => Self::of::<WriteDelegation>(),
            "zones" => Self::of::<Zone>(),
            _ => return None,
        })
    }
}

/// The content that the write gives to an object of a kind that permits.
pub fn content(request: &AdmissionRequest<'_>) -> Option<Content> {
    (Questions::about(request)?.content)(request.object()?)
}

/// The content of an object that is removed, for as long as a finalizer holds it: marking it counts as a generation.
pub fn removed(request: &AdmissionRequest<'_>, seals: &Seals) -> Option<Content> {
    if request.operation() != Operation::Delete {
        return None;
    }
    let (questions, old) = (Questions::about(request)?, request.old_object()?);
    let content = (questions.content)(old).filter(|_| (questions.vouched)(old, seals))?;
    Some(Content {
        generation: content.generation + 1,
        ..content
    })
}

/// Whether the write changes an object whose present content nobody judged, without attesting the new one: then the
/// annotation that would attest it.
pub fn unsealed(request: &AdmissionRequest<'_>, seals: &Seals) -> Option<String> {
    if request.operation() != Operation::Update {
        return None;
    }
    let questions = Questions::about(request)?;
    let (old, new) = (request.old_object()?, request.object()?);
    if (questions.vouched)(old, seals) {
        return None;
    }
    let content = (questions.content)(new)?;
    let (before, after) = ((questions.annotation)(old), (questions.annotation)(new));
    if seal::attests(&content, before.as_deref(), after.as_deref()) {
        return None;
    }
    let value = seal::attestation(&content, before.as_deref());
    Some(format!("{ATTEST_ANNOTATION}={value}"))
}

fn read<K: DeserializeOwned>(text: &str) -> Option<K> {
    serde_json::from_str(text).ok()
}
