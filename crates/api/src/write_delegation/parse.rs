//! The delegation, compiled. What would be accepted and never cover anything is refused.

use countersign_core::{
    credential::is_harmless,
    decide::GROUP,
    delegation::{self as core, is_part},
    identity::Identity,
    parent,
    request::Operation,
};

use super::{
    DelegatedNamespaces, DelegatedResource, DelegationSubject, Evaluation, WriteDelegation,
    WriteDelegationSpec,
};
use crate::invalid::{Invalid, Problem, name};

/// The most namespaces that a delegation with evaluation Startup names: all of them stand in the webhook
/// configuration, whose size is bounded.
const MAX_STARTUP_NAMESPACES: usize = 32;

/// The delegation, compiled.
pub fn parse(object: &WriteDelegation) -> Result<core::Delegation, Invalid> {
    let spec = &object.spec;
    check_resources(spec)?;
    check_fields(spec)?;
    check_parent(spec)?;
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
        parent: spec.parent.as_ref().map(|parent| parent::ParentKind {
            group: parent.group.as_str().into(),
            kind: parent.kind.as_str().into(),
        }),
        evaluation: match spec.evaluation {
            Evaluation::Webhook => core::Evaluation::Webhook,
            Evaluation::Startup => core::Evaluation::Startup,
        },
        expires_at: spec.expires_at.as_ref().map(|time| time.0),
        degraded: None,
    })
}

/// Countersign's own kinds are never delegated, and what is judged by another name is not covered by its own.
fn check_resources(spec: &WriteDelegationSpec) -> Result<(), Invalid> {
    for (index, resource) in spec.resources.iter().enumerate() {
        if resource.group == GROUP {
            let field = format!("spec.resources[{index}].group");
            return Err(Problem::unexpected(GROUP, "a group whose kinds are delegated").at(field));
        }
        if resource.group.is_empty() && resource.resource == "bindings" {
            let expected = "covered by its own name: a binding is a write of its pod, so name the resource pods with \
                            the subresource binding";
            let field = format!("spec.resources[{index}].resource");
            return Err(Problem::unexpected("bindings", expected).at(field));
        }
    }
    Ok(())
}

fn check_fields(spec: &WriteDelegationSpec) -> Result<(), Invalid> {
    let finer = spec.fields.iter().enumerate().find(|(_, field)| !is_part(field));
    if let Some((index, field)) = finer {
        let expected = "a granule, such as /spec/KEY or /metadata/labels/KEY: nothing finer is told apart, and a / \
                        inside a key is written ~1";
        return Err(Problem::unexpected(field, expected).at(format!("spec.fields[{index}]")));
    }
    let fieldless = |verb: &&Operation| matches!(verb, Operation::Delete | Operation::Connect);
    let verb = spec.verbs.iter().find(fieldless);
    verb.filter(|_| !spec.fields.is_empty()).map_or(Ok(()), |verb| {
        let expected = "covered beside fields, of which it has none: make a delegation of its own";
        Err(Problem::unexpected(verb.as_str(), expected).at("spec.verbs"))
    })
}

/// What does not show its object does not show who controls it.
fn check_parent(spec: &WriteDelegationSpec) -> Result<(), Invalid> {
    if spec.parent.is_none() {
        return Ok(());
    }
    let expected = "covered with a parent: it does not show its object";
    if spec.verbs.contains(&Operation::Connect) {
        return Err(Problem::unexpected("Connect", expected).at("spec.verbs"));
    }
    let only_creates = spec.verbs.iter().all(|verb| *verb == Operation::Create);
    let hides = |resource: &DelegatedResource| match resource.subresource.as_str() {
        "" => false,
        "scale" => true,
        _ => only_creates,
    };
    let hidden = spec
        .resources
        .iter()
        .enumerate()
        .find(|(_, resource)| hides(resource));
    hidden.map_or(Ok(()), |(index, resource)| {
        let field = format!("spec.resources[{index}].subresource");
        Err(Problem::unexpected(&resource.subresource, expected).at(field))
    })
}

/// What the API server cannot check by itself would be no restriction at all.
fn check_startup(spec: &WriteDelegationSpec) -> Result<(), Invalid> {
    let expected = "checked by the API server at startup";
    if let Some(parent) = &spec.parent {
        return Err(Problem::unexpected(&parent.kind, expected).at("spec.parent"));
    }
    if let Some(field) = spec.fields.first() {
        return Err(Problem::unexpected(field, expected).at("spec.fields[0]"));
    }
    for (index, resource) in spec.resources.iter().enumerate() {
        if !is_harmless(&resource.group, &resource.resource, &resource.subresource) {
            let expected = format!("{expected}: it may yield somebody's credential, so use Webhook");
            let field = format!("spec.resources[{index}]");
            return Err(Problem::unexpected(resource.to_string(), expected).at(field));
        }
    }
    let Some(namespaces) = &spec.namespaces else {
        return Ok(());
    };
    let selector = namespaces.selector.as_ref();
    if let Some(key) = selector.and_then(|selector| selector.match_labels.keys().next()) {
        let expected = format!("{expected}: name the namespaces");
        return Err(Problem::unexpected(key, expected).at("spec.namespaces.selector.matchLabels"));
    }
    let many = namespaces.names.get(MAX_STARTUP_NAMESPACES);
    many.map_or(Ok(()), |name| {
        let expected = format!("{expected}: at most {MAX_STARTUP_NAMESPACES} namespaces are");
        let field = format!("spec.namespaces.names[{MAX_STARTUP_NAMESPACES}]");
        Err(Problem::unexpected(name, expected).at(field))
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
