//! Delegations with evaluation Startup, as rules that the API server checks by itself. What may yield a credential is
//! refused by their parser.

use countersign_core::delegation::{DelegatedNamespaces, Delegation};

use super::startup::{StartupObject, StartupPlace, StartupRule, StartupWrite, StartupWriters};

impl StartupRule {
    /// What the delegation covers, without what only the operator can tell.
    pub fn delegated(delegation: &Delegation) -> Self {
        let write = place(&delegation.namespaces).map(|place| StartupWrite {
            operations: delegation.operations.clone(),
            resources: delegation.resources.clone(),
            place,
            object: StartupObject::Any,
        });
        Self {
            name: delegation.name.to_string(),
            writers: StartupWriters::Usernames(vec![delegation.username.to_string()]),
            writes: write.into_iter().collect(),
        }
    }
}

/// Where the delegation holds, as far as the API server can tell.
fn place(namespaces: &DelegatedNamespaces) -> Option<StartupPlace> {
    match namespaces {
        DelegatedNamespaces::ClusterScoped => Some(StartupPlace::ClusterScoped),
        DelegatedNamespaces::Names(names) => {
            let names = names.iter().map(ToString::to_string);
            Some(StartupPlace::Namespaces(names.collect()))
        }
        DelegatedNamespaces::Labels(labels) if labels.is_empty() => Some(StartupPlace::AnyNamespace),
        DelegatedNamespaces::Labels(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use countersign_core::{
        delegation::{DelegatedResource, Evaluation},
        request::Operation,
    };

    use super::*;

    fn delegated(namespaces: DelegatedNamespaces) -> StartupRule {
        let resource = DelegatedResource {
            group: "".into(),
            resource: "configmaps".into(),
            subresource: "".into(),
        };
        StartupRule::delegated(&Delegation {
            name: "cni".into(),
            username: "system:serviceaccount:kube-system:cni".into(),
            resources: vec![resource],
            operations: vec![Operation::Create],
            namespaces,
            fields: Vec::new(),
            parent: None,
            evaluation: Evaluation::Startup,
            expires_at: None,
            degraded: None,
        })
    }

    #[test]
    fn a_rule_is_as_wide_as_its_delegation() {
        for (namespaces, place) in [
            (DelegatedNamespaces::ClusterScoped, StartupPlace::ClusterScoped),
            (
                DelegatedNamespaces::Names(vec!["web".into()]),
                StartupPlace::Namespaces(vec!["web".to_owned()]),
            ),
            (
                DelegatedNamespaces::Labels(Vec::new()),
                StartupPlace::AnyNamespace,
            ),
        ] {
            let rule = delegated(namespaces);
            let [write] = rule.writes.as_slice() else {
                panic!("{rule:?}")
            };
            assert_eq!(write.place, place);
            assert_eq!(write.operations, [Operation::Create]);
            assert_eq!(&*write.resources[0].resource, "configmaps");
        }
    }

    #[test]
    fn what_the_api_server_cannot_tell_is_never_true() {
        let labels = DelegatedNamespaces::Labels(vec![("a".into(), "b".into())]);
        let rule = delegated(labels);
        assert!(rule.expression().ends_with("&& (false)"), "{}", rule.expression());
    }
}
