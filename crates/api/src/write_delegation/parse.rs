//! The delegation, compiled.

use countersign_core::{delegation as core, identity::Identity};

use super::{
    DelegatedNamespaces, DelegatedResource, DelegationSubject, Evaluation, WriteDelegation,
    WriteDelegationSpec,
};
use crate::invalid::{Invalid, Problem, name};

/// The delegation, compiled.
pub fn parse(object: &WriteDelegation) -> Result<core::Delegation, Invalid> {
    let spec = &object.spec;
    if let Some(parent) = &spec.parent {
        let why = "the live owner of an object is not looked up";
        return Err(Problem::Unsupported {
            value: parent.kind.clone(),
            why,
        }
        .at("spec.parent"));
    }
    if spec.evaluation == Evaluation::Startup {
        check_startup(spec)?;
    }
    Ok(core::Delegation {
        name: name(&object.metadata)?,
        username: username(&spec.subject)?.into(),
        resources: spec.resources.iter().map(resource).collect(),
        operations: spec.verbs.clone(),
        namespaces: namespaces(spec.namespaces.as_ref())?,
        fields: spec.fields.clone(),
        expires_at: spec.expires_at.as_ref().map(|time| time.0),
        degraded: None,
    })
}

/// What the API server cannot check by itself would be no restriction at all.
fn check_startup(spec: &WriteDelegationSpec) -> Result<(), Invalid> {
    let labels = spec
        .namespaces
        .iter()
        .filter_map(|namespaces| namespaces.selector.as_ref());
    if let Some(key) = labels.flat_map(|selector| selector.match_labels.keys()).next() {
        let expected = "checked by the API server at startup: name the namespaces";
        return Err(Problem::unexpected(key, expected).at("spec.namespaces.selector.matchLabels"));
    }
    spec.fields.first().map_or(Ok(()), |field| {
        Err(Problem::unexpected(field, "checked by the API server at startup").at("spec.fields[0]"))
    })
}

fn username(subject: &DelegationSubject) -> Result<String, Invalid> {
    let refuse =
        |value: &str, expected: &str| Err(Problem::unexpected(value, expected).at("spec.subject.username"));
    match (&subject.username, &subject.service_account) {
        (Some(username), Some(_)) => refuse(username, "alone: a subject is a username or a service account"),
        (Some(username), None) if username.contains(['*', '?']) => refuse(username, "one exact username"),
        (Some(username), None) if username.parse::<Identity>().is_ok() => {
            refuse(username, "a raw username: people and agents have roles and zones")
        }
        (Some(username), None) => Ok(username.clone()),
        (None, Some(account)) => Ok(format!(
            "system:serviceaccount:{}:{}",
            account.namespace, account.name
        )),
        (None, None) => Err(Problem::Missing.at("spec.subject")),
    }
}

fn resource(resource: &DelegatedResource) -> core::DelegatedResource {
    core::DelegatedResource {
        group: resource.group.as_str().into(),
        resource: resource.resource.as_str().into(),
        subresource: resource.subresource.as_str().into(),
    }
}

fn namespaces(namespaces: Option<&DelegatedNamespaces>) -> Result<core::DelegatedNamespaces, Invalid> {
    let Some(namespaces) = namespaces else {
        return Ok(core::DelegatedNamespaces::ClusterScoped);
    };
    let names = || namespaces.names.iter().map(|name| name.as_str().into()).collect();
    match &namespaces.selector {
        None if namespaces.names.is_empty() => Err(Problem::Missing.at("spec.namespaces")),
        None => Ok(core::DelegatedNamespaces::Names(names())),
        Some(selector) if namespaces.names.is_empty() => {
            let labels = selector
                .match_labels
                .iter()
                .map(|(key, value)| (key.as_str().into(), value.as_str().into()));
            Ok(core::DelegatedNamespaces::Labels(labels.collect()))
        }
        Some(_) => Err(
            Problem::unexpected(namespaces.names.join(", "), "alone: use names or selector")
                .at("spec.namespaces.names"),
        ),
    }
}
