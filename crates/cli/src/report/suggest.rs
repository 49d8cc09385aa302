//! WriteDelegations that permit what was observed, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use countersign_api::{
    WriteDelegation, WriteDelegationSpec,
    agent::ServiceAccountRef,
    write_delegation::{DelegatedNamespaces, DelegatedResource, DelegationSubject, Evaluation},
};
use countersign_core::{
    decide::GROUP,
    decision::Reason,
    request::{CLUSTER, Operation},
};

use super::tally::{Report, Violations, Write};

/// Callers whom a delegation can permit something.
const DELEGABLE: [Reason; 2] = [Reason::UnregisteredAccount, Reason::SystemUser];

/// How many resources a delegation lists.
const MOST_RESOURCES: usize = 32;

/// How many namespaces a delegation lists.
const MOST_NAMESPACES: usize = 256;

/// How long the part of a name is that tells the account.
const MOST_CHARACTERS: usize = 200;

/// A resource and its subresource.
type Resource = (String, Option<String>);

/// What one account did to a resource, by namespace.
type Done = BTreeMap<Resource, BTreeMap<String, BTreeSet<Operation>>>;

/// The delegations of all accounts: each lists the resources to which the same was done in the same namespaces, so that
/// together they permit what was done exactly.
pub fn delegations(report: &Report) -> Vec<WriteDelegation> {
    let mut accounts = BTreeMap::<&str, Done>::new();
    for violations in report
        .violations
        .iter()
        .filter(|violations| is_delegable(violations))
    {
        let alike = &violations.alike;
        let done = accounts.entry(&alike.subject).or_default();
        for counted in &violations.writes {
            if let Some((resource, operation)) = delegable(&counted.write) {
                let namespaces = done.entry(resource).or_default();
                namespaces
                    .entry(alike.namespace.clone())
                    .or_default()
                    .insert(operation);
            }
        }
    }
    let reason = format!(
        "Suggested from what was observed from {:.0} to {:.0}: say here what it is for.",
        report.since, report.until
    );
    let of = |(account, done): (&str, Done)| {
        let specs = specs(account, done, &reason);
        (1..)
            .zip(specs)
            .map(|(number, spec)| WriteDelegation::new(&name(account, number), spec))
            .collect::<Vec<_>>()
    };
    accounts.into_iter().flat_map(of).collect()
}

fn is_delegable(violations: &Violations) -> bool {
    DELEGABLE
        .iter()
        .any(|reason| reason.as_str() == violations.alike.reason)
}

/// Countersign's own kinds are never delegated.
fn delegable(write: &Write) -> Option<(Resource, Operation)> {
    let (_, group) = split(&write.resource);
    let operation = write.operation.parse().ok().filter(|_| group != GROUP)?;
    Some(((write.resource.clone(), write.subresource.clone()), operation))
}

/// Plural and group of `<resource>.<group>`.
fn split(resource: &str) -> (&str, &str) {
    resource.split_once('.').unwrap_or((resource, ""))
}

fn specs(account: &str, done: Done, reason: &str) -> Vec<WriteDelegationSpec> {
    let mut alike = BTreeMap::<(BTreeSet<Operation>, BTreeSet<String>), Vec<Resource>>::new();
    for (resource, namespaces) in done {
        let mut by_operations = BTreeMap::<BTreeSet<Operation>, BTreeSet<String>>::new();
        for (namespace, operations) in namespaces {
            by_operations.entry(operations).or_default().insert(namespace);
        }
        for extent in by_operations {
            alike.entry(extent).or_default().push(resource.clone());
        }
    }
    let mut specs = Vec::new();
    for ((operations, namespaces), resources) in alike {
        let namespaces: Vec<_> = namespaces.into_iter().collect();
        for resources in resources.chunks(MOST_RESOURCES) {
            for namespaces in namespaces.chunks(MOST_NAMESPACES) {
                specs.push(WriteDelegationSpec {
                    subject: subject(account),
                    resources: resources.iter().map(listed).collect(),
                    verbs: operations.iter().copied().collect(),
                    namespaces: named(namespaces),
                    fields: Vec::new(),
                    parent: None,
                    evaluation: Evaluation::Webhook,
                    reason: reason.to_owned(),
                    expires_at: None,
                });
            }
        }
    }
    specs
}

fn subject(account: &str) -> DelegationSubject {
    let service_account = account
        .strip_prefix("system:serviceaccount:")
        .and_then(|account| account.split_once(':'));
    match service_account {
        Some((namespace, name)) => DelegationSubject {
            username: None,
            service_account: Some(ServiceAccountRef {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
            }),
        },
        None => DelegationSubject {
            username: Some(account.to_owned()),
            service_account: None,
        },
    }
}

fn listed((resource, subresource): &Resource) -> DelegatedResource {
    let (resource, group) = split(resource);
    DelegatedResource {
        group: group.to_owned(),
        resource: resource.to_owned(),
        subresource: subresource.clone().unwrap_or_default(),
    }
}

/// A resource is either in namespaces or not, so that these are never mixed.
fn named(namespaces: &[String]) -> Option<DelegatedNamespaces> {
    let is_cluster = namespaces.iter().any(|namespace| namespace == CLUSTER);
    (!is_cluster).then(|| DelegatedNamespaces {
        names: namespaces.to_vec(),
        selector: None,
    })
}

/// A name that Kubernetes takes: the account's, with everything else as dashes.
fn name(account: &str, number: usize) -> String {
    let account = account.strip_prefix("system:serviceaccount:").unwrap_or(account);
    let plain = |char: char| match char.to_ascii_lowercase() {
        char @ ('a'..='z' | '0'..='9') => char,
        _ => '-',
    };
    let account: String = account.chars().take(MOST_CHARACTERS).map(plain).collect();
    format!("suggested-{}-{number}", account.trim_matches('-'))
}
