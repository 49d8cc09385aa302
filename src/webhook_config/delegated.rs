//! Delegations with evaluation Startup, as rules that the API server checks by itself.

use countersign_core::{
    decide::GROUP,
    delegation::{DelegatedNamespaces, DelegatedResource, Delegation},
};

use super::startup::{StartupObject, StartupPlace, StartupRule, StartupWrite, StartupWriters};

impl StartupRule {
    /// What the delegation covers, without what only the operator can tell, and without Secrets and service accounts in
    /// the operator's namespace: its credentials.
    pub fn delegated(delegation: &Delegation, operator_namespace: &str) -> Self {
        let mut writes: Vec<StartupWrite> = Vec::new();
        for resource in &delegation.resources {
            let Some(place) = place(resource, &delegation.namespaces, operator_namespace) else {
                continue;
            };
            match writes.iter_mut().find(|write| write.place == place) {
                Some(write) => write.resources.push(resource.clone()),
                None => writes.push(StartupWrite {
                    operations: delegation.operations.clone(),
                    resources: vec![resource.clone()],
                    place,
                    object: StartupObject::Any,
                }),
            }
        }
        Self {
            name: delegation.name.to_string(),
            writers: StartupWriters::Usernames(vec![delegation.username.to_string()]),
            writes,
        }
    }
}

/// Where a resource may be written unseen; `None` for nowhere.
fn place(
    resource: &DelegatedResource,
    namespaces: &DelegatedNamespaces,
    operator_namespace: &str,
) -> Option<StartupPlace> {
    let is_core = |name: &str| resource.group.is_empty() && *resource.resource == *name;
    let is_credential = is_core("secrets") || is_core("serviceaccounts");
    // What passes unseen is not sealed.
    if *resource.group == *GROUP || is_core("namespaces") {
        return None;
    }
    match namespaces {
        DelegatedNamespaces::ClusterScoped => Some(StartupPlace::ClusterScoped),
        DelegatedNamespaces::Names(names) => {
            let names = names.iter().map(ToString::to_string);
            let unseen = |name: &String| !is_credential || *name != *operator_namespace;
            Some(StartupPlace::Namespaces(names.filter(unseen).collect()))
        }
        DelegatedNamespaces::Labels(labels) if labels.is_empty() => {
            let seen = is_credential.then(|| operator_namespace.to_owned());
            Some(StartupPlace::OtherNamespaces(seen.into_iter().collect()))
        }
        DelegatedNamespaces::Labels(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use countersign_core::{delegation::Evaluation, request::Operation};

    use super::*;

    fn delegation(resources: &[(&str, &str)], namespaces: DelegatedNamespaces) -> Delegation {
        let resources = resources.iter().map(|(group, resource)| DelegatedResource {
            group: (*group).into(),
            resource: (*resource).into(),
            subresource: "".into(),
        });
        Delegation {
            name: "cni".into(),
            username: "system:serviceaccount:kube-system:cni".into(),
            resources: resources.collect(),
            operations: vec![Operation::Create],
            namespaces,
            fields: Vec::new(),
            parent: None,
            evaluation: Evaluation::Startup,
            expires_at: None,
            degraded: None,
        }
    }

    /// Which resources pass unseen, and where.
    fn places(delegation: &Delegation) -> Vec<(String, StartupPlace)> {
        let rule = StartupRule::delegated(delegation, "ops");
        let write = |write: StartupWrite| {
            let names: Vec<_> = write
                .resources
                .iter()
                .map(|one| one.resource.to_string())
                .collect();
            (names.join(" "), write.place)
        };
        rule.writes.into_iter().map(write).collect()
    }

    const RESOURCES: [(&str, &str); 6] = [
        ("", "pods"),
        ("", "secrets"),
        ("", "serviceaccounts"),
        ("apps", "deployments"),
        ("", "namespaces"),
        ("countersign.dev", "zones"),
    ];

    #[test]
    fn a_rule_is_no_wider_than_its_delegation() {
        use StartupPlace::{ClusterScoped, Namespaces, OtherNamespaces};
        let ops = || vec!["ops".to_owned()];
        let (some, rest) = (
            "pods deployments".to_owned(),
            "pods secrets serviceaccounts deployments".to_owned(),
        );
        let cluster = delegation(&RESOURCES, DelegatedNamespaces::ClusterScoped);
        assert_eq!(places(&cluster), [(rest, ClusterScoped)]);
        let all = delegation(&RESOURCES, DelegatedNamespaces::Labels(Vec::new()));
        assert_eq!(
            places(&all),
            [
                (some.clone(), OtherNamespaces(Vec::new())),
                ("secrets serviceaccounts".to_owned(), OtherNamespaces(ops())),
            ]
        );
        let here = delegation(&RESOURCES, DelegatedNamespaces::Names(vec!["ops".into()]));
        assert_eq!(
            places(&here),
            [
                (some, Namespaces(ops())),
                ("secrets serviceaccounts".to_owned(), Namespaces(Vec::new()))
            ]
        );
        let labels = DelegatedNamespaces::Labels(vec![("a".into(), "b".into())]);
        assert_eq!(places(&delegation(&RESOURCES, labels)), []);
    }

    #[test]
    fn what_is_written_nowhere_is_never_true() {
        let labels = DelegatedNamespaces::Labels(vec![("a".into(), "b".into())]);
        let rule = StartupRule::delegated(&delegation(&RESOURCES, labels), "ops");
        assert!(rule.expression().ends_with("&& (false)"), "{}", rule.expression());
        let here = DelegatedNamespaces::Names(vec!["ops".into()]);
        let rule = StartupRule::delegated(&delegation(&[("", "secrets")], here), "ops");
        assert!(
            rule.expression()
                .ends_with("request.?namespace.orValue('') in []))"),
            "{}",
            rule.expression()
        );
    }
}
