//! What yields credentials, by resource: the one table by which stolen identities are found, and by which nothing of the
//! kind is written unseen, or undone without an approval.

use crate::request::Target;

/// What a write of a resource may yield.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Yields {
    /// A service account, or a token of one.
    Account,
    /// A Secret, into which the control plane writes a token.
    Token,
    /// A client certificate.
    Certificate,
    /// Pods, or a template of them.
    Pods(&'static Workload),
    /// Power over those: what permits, what judges, what makes an environment, and what reaches into nodes.
    Power,
}

/// Where a resource holds its pods.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Workload {
    /// Where the spec of its pods is.
    pub pods: &'static [&'static str],
    /// The granules that say what runs in them.
    pub runs: &'static [&'static str],
}

/// A resource, or all of a group, of which only some parts yield nothing.
#[derive(Debug)]
pub struct Row {
    /// API group, empty for the core group.
    pub group: &'static str,
    /// Plural resource name; `None` for every one of the group.
    pub resource: Option<&'static str>,
    /// The subresources that yield nothing; the empty one is the object itself.
    pub harmless: &'static [&'static str],
    pub(crate) yields: Yields,
}

/// Where an object's status says nothing of what runs, and its scale only how much of it.
const REPORTS: &[&str] = &["status", "scale"];

const TEMPLATED: Workload = Workload {
    pods: &["spec", "template", "spec"],
    runs: &["/spec/template"],
};

/// The rows; of several that fit the first counts.
pub static TABLE: &[Row] = &[
    row("", "serviceaccounts", Yields::Account, &[]),
    row("", "secrets", Yields::Token, &[]),
    row(
        "certificates.k8s.io",
        "certificatesigningrequests",
        Yields::Certificate,
        &[],
    ),
    row(
        "",
        "pods",
        Yields::Pods(&Workload {
            pods: &["spec"],
            runs: &[
                "/spec/containers",
                "/spec/initContainers",
                "/spec/ephemeralContainers",
            ],
        }),
        &["status"],
    ),
    row("", "replicationcontrollers", Yields::Pods(&TEMPLATED), REPORTS),
    row("apps", "deployments", Yields::Pods(&TEMPLATED), REPORTS),
    row("apps", "replicasets", Yields::Pods(&TEMPLATED), REPORTS),
    row("apps", "statefulsets", Yields::Pods(&TEMPLATED), REPORTS),
    row("apps", "daemonsets", Yields::Pods(&TEMPLATED), REPORTS),
    row("batch", "jobs", Yields::Pods(&TEMPLATED), REPORTS),
    row(
        "batch",
        "cronjobs",
        Yields::Pods(&Workload {
            pods: &["spec", "jobTemplate", "spec", "template", "spec"],
            runs: &["/spec/jobTemplate"],
        }),
        REPORTS,
    ),
    row(
        "",
        "podtemplates",
        Yields::Pods(&Workload {
            pods: &["template", "spec"],
            runs: &["/template"],
        }),
        &[],
    ),
    // A StatefulSet makes pods of former templates, too.
    row(
        "apps",
        "controllerrevisions",
        Yields::Pods(&Workload {
            pods: &["data", "spec", "template", "spec"],
            runs: &["/data"],
        }),
        &[],
    ),
    // Its labels are an environment, also by its status.
    row("", "namespaces", Yields::Power, &[]),
    // Connecting through one reaches what runs behind it.
    row("", "nodes", Yields::Power, &["", "status"]),
    row("", "services", Yields::Power, &["", "status"]),
    // A path of a node, with what lies there.
    row("", "persistentvolumes", Yields::Power, &["status"]),
    // Its driver gets tokens of the pods that it serves.
    row("storage.k8s.io", "csidrivers", Yields::Power, &[]),
    every("admissionregistration.k8s.io"),
    every("apiextensions.k8s.io"),
    every("apiregistration.k8s.io"),
    every("authentication.k8s.io"),
    every("authorization.k8s.io"),
    every("certificates.k8s.io"),
    every("rbac.authorization.k8s.io"),
    every("countersign.dev"),
];

const fn row(
    group: &'static str,
    resource: &'static str,
    yields: Yields,
    harmless: &'static [&'static str],
) -> Row {
    Row {
        group,
        resource: Some(resource),
        harmless,
        yields,
    }
}

const fn every(group: &'static str) -> Row {
    Row {
        group,
        resource: None,
        harmless: &[],
        yields: Yields::Power,
    }
}

fn row_of(group: &str, resource: &str) -> Option<&'static Row> {
    let fits = |row: &&Row| row.group == group && row.resource.is_none_or(|name| name == resource);
    TABLE.iter().find(fits)
}

/// What the resource yields.
pub(crate) fn yields(group: &str, resource: &str) -> Option<Yields> {
    row_of(group, resource).map(|row| row.yields)
}

/// Whether a write of this part of the resource yields nobody's credential, whatever it says.
pub fn is_harmless(group: &str, resource: &str, subresource: &str) -> bool {
    row_of(group, resource).is_none_or(|row| row.harmless.contains(&subresource))
}

/// Whether a write of it permits, judges, makes an environment, or reaches into nodes.
pub(crate) fn has_power(target: &Target<'_>) -> bool {
    let row = row_of(target.group, target.resource);
    row.is_some_and(|row| matches!(row.yields, Yields::Power) && !row.harmless.contains(&target.subresource))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_yields_a_credential_alone_has_no_power_and_neither_has_a_report() {
        let has_power = |group, resource, subresource| {
            has_power(&Target {
                group,
                version: "v1",
                kind: "Thing",
                resource,
                subresource,
                namespace: None,
                name: "x",
            })
        };
        assert!(has_power("rbac.authorization.k8s.io", "clusterroles", ""));
        for (group, resource, subresource) in [
            ("", "pods", ""),
            ("", "pods", "status"),
            ("", "configmaps", ""),
            ("", "nodes", "status"),
            ("", "services", "status"),
        ] {
            assert!(
                !has_power(group, resource, subresource),
                "{group}/{resource}/{subresource}"
            );
        }
    }

    #[test]
    fn what_is_not_in_the_table_and_reports_alone_are_harmless() {
        for (group, resource, subresource) in [
            ("", "configmaps", ""),
            ("", "pods", "status"),
            ("", "nodes", ""),
            ("apps", "deployments", "status"),
            ("storage.k8s.io", "volumeattachments", "status"),
            ("cilium.io", "ciliumnodes", ""),
            // Another group's resource of the name.
            ("example.com", "secrets", ""),
        ] {
            assert!(
                is_harmless(group, resource, subresource),
                "{group}/{resource}/{subresource}"
            );
        }
        for (group, resource, subresource) in [
            ("", "pods", ""),
            ("", "pods", "binding"),
            ("", "pods", "exec"),
            ("", "pods", "ephemeralcontainers"),
            ("", "nodes", "proxy"),
            ("", "services", "proxy"),
            ("", "namespaces", "status"),
            ("", "serviceaccounts", "token"),
            ("apps", "controllerrevisions", ""),
            ("certificates.k8s.io", "certificatesigningrequests", "status"),
            ("certificates.k8s.io", "podcertificaterequests", "status"),
            ("rbac.authorization.k8s.io", "clusterrolebindings", ""),
            ("apiextensions.k8s.io", "customresourcedefinitions", "status"),
            ("countersign.dev", "zones", ""),
        ] {
            assert!(
                !is_harmless(group, resource, subresource),
                "{group}/{resource}/{subresource}"
            );
        }
    }

    /// So that rows are understood one by one, in whatever order.
    #[test]
    fn no_row_contradicts_another() {
        for (at, row) in TABLE.iter().enumerate() {
            let same = |later: &&Row| later.group == row.group && later.resource == row.resource;
            assert!(
                TABLE.iter().skip(at + 1).find(same).is_none(),
                "{row:?} is there twice"
            );
            let of_group = TABLE
                .iter()
                .any(|every| every.group == row.group && every.resource.is_none());
            assert!(
                !of_group || row.harmless.is_empty(),
                "{row:?} allows what its group does not"
            );
        }
    }
}
