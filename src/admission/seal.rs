//! Seals on the path: what is let through will be sealed, and what bears no seal is not built upon.

use countersign_api::{
    AccessPolicy, Agent, RoleGrant, Team, WriteDelegation, Zone,
    seal::{self, ATTEST_ANNOTATION, Sealed, Seals, labels_content},
};
use countersign_core::{
    decide::GROUP,
    request::{Operation, Target},
    seal::Content,
    snapshot::Snapshot,
};
use k8s_openapi::api::core::v1::Namespace;
use kube::ResourceExt;
use serde::de::DeserializeOwned;

use super::{response::StatusCause, review::AdmissionRequest};

/// What is asked of an object of a kind that permits, and of the labels of a namespace.
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

    /// Labels are written by way of every subresource.
    const OF_LABELS: Self = Self {
        content: labels,
        vouched: |text, seals| labels(text).is_some_and(|content| seals.vouch_for_labels(&content)),
        annotation: |text| {
            read::<Namespace>(text)?
                .annotations_mut()
                .remove(ATTEST_ANNOTATION)
        },
    };

    fn about(request: &AdmissionRequest<'_>) -> Option<Self> {
        let target = request.target();
        if is_namespace(&target) {
            return Some(Self::OF_LABELS);
        }
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

    /// Whether the write attests this content.
    fn attests(self, content: &Content, old: &str, new: &str) -> bool {
        let (before, after) = ((self.annotation)(old), (self.annotation)(new));
        seal::attests(content, before.as_deref(), after.as_deref())
    }
}

fn is_namespace(target: &Target<'_>) -> bool {
    target.group.is_empty() && target.resource == "namespaces"
}

/// The content that the write gives to an object of a kind that permits, or as labels to a namespace.
pub fn content(request: &AdmissionRequest<'_>) -> Option<Content> {
    let (questions, new) = (Questions::about(request)?, request.object()?);
    let content = (questions.content)(new)?;
    // No generation tells labels that this write sets from those that were there: it vouches for no others.
    let vouches = |old: &str| {
        (questions.content)(old).as_ref() != Some(&content) || questions.attests(&content, old, new)
    };
    (!is_namespace(&request.target()) || request.old_object().is_none_or(vouches)).then_some(content)
}

/// What an object of a kind that permits says, or the labels of a namespace, before and after the write.
pub fn contents(request: &AdmissionRequest<'_>) -> Option<(Option<Content>, Option<Content>)> {
    let questions = Questions::about(request)?;
    let read = |text: Option<&str>| text.and_then(questions.content);
    Some((read(request.old_object()), read(request.object())))
}

/// The content of an object that is removed, for as long as a finalizer holds it: marking it counts as a generation.
pub fn removed(request: &AdmissionRequest<'_>, seals: &Seals) -> Option<Content> {
    if request.operation() != Operation::Delete || is_namespace(&request.target()) {
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
/// annotation that would attest it. What else a namespace is, and labels that were judged, are no matter of its seal.
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
    if questions.attests(&content, old, new) {
        return None;
    }
    if is_namespace(&request.target())
        && ((questions.vouched)(new, seals) || (questions.content)(old).as_ref() == Some(&content))
    {
        return None;
    }
    let value = seal::attestation(&content, (questions.annotation)(old).as_deref());
    Some(format!("{ATTEST_ANNOTATION}={value}"))
}

/// What a denial adds where a namespace is prod only because nobody judged its labels.
pub fn hint(target: &Target<'_>, snapshot: &Snapshot) -> Option<(String, StatusCause)> {
    let itself = is_namespace(target).then_some(target.name);
    let name = target.namespace.or(itself)?;
    let message = snapshot.is_unsealed(name).then(|| {
        format!(
            "Nobody judged the labels of namespace `{name}`, so it is prod: kubectl countersign admin attest \
             namespaces {name}"
        )
    })?;
    let cause = StatusCause::unsealed(name, &message);
    Some((message, cause))
}

fn labels(text: &str) -> Option<Content> {
    let metadata = read::<Namespace>(text)?.metadata;
    labels_content(
        metadata.name?,
        metadata.uid?,
        &metadata.labels.unwrap_or_default(),
    )
}

fn read<K: DeserializeOwned>(text: &str) -> Option<K> {
    serde_json::from_str(text).ok()
}
