//! The control plane's own delegations: exact identity, resource and operation, built in.
//!
//! Found by running the components and looking (`--use-service-account-credentials`). What a cluster needs to
//! start with the operator down is compiled into `matchConditions` besides and never arrives here.

use crate::{
    object::{Change, Object},
    request::{Operation, Request},
    snapshot::Snapshot,
};

/// One row: who may write what by itself, and under which condition.
#[derive(Debug)]
pub struct Builtin {
    who: Who,
    resources: &'static [(&'static str, &'static str)],
    operations: &'static [Operation],
    when: When,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    /// A service account in kube-system.
    Controller(&'static str),
    /// A username as it is.
    User(&'static str),
    /// The API server's client of itself: it has a uid, new at each start, and the group `system:masters`.
    ApiServer,
    /// A kubelet: a `system:node:` username in the group `system:nodes`.
    Node,
    /// A machine that is about to become a node, by its bootstrap token.
    Bootstrapper,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Always,
    /// Only these granules change, and what lies below them.
    Changes(&'static [&'static str]),
    /// The namespace of the object is being deleted.
    NamespaceTerminates,
    /// The object is of this name.
    Named(&'static str),
    /// The object lies in this namespace.
    In(&'static str),
    /// The object is named as this kubelet's node, or a pod bound to it; of a pod, only `status` changes.
    OwnNode,
    /// The pod is bound to this kubelet's node and is being deleted already.
    OwnDeletedPod,
}

use Operation::{Create, Delete, Update};
use When::{Always, Changes, In, Named, NamespaceTerminates, OwnDeletedPod, OwnNode};
use Who::{ApiServer, Bootstrapper, Controller, Node, User};

const STATUS: When = Changes(&["/status"]);
const ADOPTION: When = Changes(&["/metadata/ownerReferences", "/metadata/finalizers"]);
const ALL: &[Operation] = &[Create, Update, Delete];

const fn row(
    who: Who,
    resources: &'static [(&'static str, &'static str)],
    operations: &'static [Operation],
    when: When,
) -> Builtin {
    Builtin {
        who,
        resources,
        operations,
        when,
    }
}

/// Resources are (group, resource or resource/subresource); `*` stands for any and is used for the two
/// controllers only whose work is any resource.
static BUILTINS: &[Builtin] = &[
    row(ApiServer, &[("*", "*")], ALL, Always),
    row(
        User("system:kube-controller-manager"),
        &[("", "serviceaccounts"), ("", "serviceaccounts/token")],
        &[Create],
        In("kube-system"),
    ),
    row(
        User("system:kube-controller-manager"),
        &[("", "secrets")],
        &[Update],
        Changes(&[
            "/data",
            "/metadata/annotations/kubernetes.io~1service-account.uid",
        ]),
    ),
    row(
        User("system:kube-controller-manager"),
        &[("", "secrets")],
        &[Delete],
        Always,
    ),
    row(
        User("system:kube-controller-manager"),
        &[("coordination.k8s.io", "leases")],
        ALL,
        In("kube-system"),
    ),
    row(
        User("system:kube-scheduler"),
        &[("coordination.k8s.io", "leases")],
        ALL,
        In("kube-system"),
    ),
    row(
        User("system:kube-scheduler"),
        &[("", "pods/binding")],
        &[Create],
        Always,
    ),
    row(
        User("system:kube-scheduler"),
        &[("", "pods/status"), ("resource.k8s.io", "resourceclaims/status")],
        &[Update],
        STATUS,
    ),
    row(User("system:kube-scheduler"), &[("", "pods")], &[Delete], Always),
    row(
        User("system:kube-scheduler"),
        &[("", "persistentvolumeclaims"), ("", "persistentvolumes")],
        &[Update],
        Always,
    ),
    row(
        Bootstrapper,
        &[("certificates.k8s.io", "certificatesigningrequests")],
        &[Create],
        Always,
    ),
    row(Node, &[("", "nodes")], &[Create, Update], OwnNode),
    row(
        Node,
        &[("", "nodes/status"), ("", "pods/status")],
        &[Update],
        OwnNode,
    ),
    row(Node, &[("", "pods")], &[Create], OwnNode),
    row(Node, &[("", "pods")], &[Delete], OwnDeletedPod),
    row(Node, &[("", "serviceaccounts/token")], &[Create], Always),
    row(
        Node,
        &[("storage.k8s.io", "csinodes"), ("coordination.k8s.io", "leases")],
        ALL,
        OwnNode,
    ),
    row(
        Node,
        &[("certificates.k8s.io", "certificatesigningrequests")],
        &[Create],
        Always,
    ),
    row(
        Controller("deployment-controller"),
        &[("apps", "replicasets")],
        ALL,
        Always,
    ),
    row(
        Controller("deployment-controller"),
        &[("apps", "deployments/status")],
        &[Update],
        Changes(&[
            "/status",
            "/metadata/annotations/deployment.kubernetes.io~1revision",
        ]),
    ),
    row(
        Controller("replicaset-controller"),
        &[("", "pods")],
        &[Create, Delete],
        Always,
    ),
    row(
        Controller("replicaset-controller"),
        &[("", "pods")],
        &[Update],
        ADOPTION,
    ),
    row(
        Controller("replicaset-controller"),
        &[("apps", "replicasets/status")],
        &[Update],
        STATUS,
    ),
    row(
        Controller("replication-controller"),
        &[("", "pods")],
        &[Create, Delete],
        Always,
    ),
    row(
        Controller("replication-controller"),
        &[("", "pods")],
        &[Update],
        ADOPTION,
    ),
    row(
        Controller("replication-controller"),
        &[("", "replicationcontrollers/status")],
        &[Update],
        STATUS,
    ),
    row(
        Controller("statefulset-controller"),
        &[
            ("", "pods"),
            ("", "persistentvolumeclaims"),
            ("apps", "controllerrevisions"),
        ],
        ALL,
        Always,
    ),
    row(
        Controller("statefulset-controller"),
        &[("apps", "statefulsets/status")],
        &[Update],
        STATUS,
    ),
    row(
        Controller("daemon-set-controller"),
        &[("", "pods"), ("apps", "controllerrevisions")],
        ALL,
        Always,
    ),
    row(
        Controller("daemon-set-controller"),
        &[("apps", "daemonsets/status")],
        &[Update],
        STATUS,
    ),
    row(Controller("job-controller"), &[("", "pods")], ALL, Always),
    row(
        Controller("job-controller"),
        &[("batch", "jobs/status")],
        &[Update],
        STATUS,
    ),
    row(
        Controller("cronjob-controller"),
        &[("batch", "jobs")],
        &[Create, Delete],
        Always,
    ),
    row(
        Controller("cronjob-controller"),
        &[("batch", "jobs")],
        &[Update],
        ADOPTION,
    ),
    row(
        Controller("cronjob-controller"),
        &[("batch", "cronjobs/status")],
        &[Update],
        STATUS,
    ),
    row(
        Controller("ttl-after-finished-controller"),
        &[("batch", "jobs")],
        &[Delete],
        Always,
    ),
    row(
        Controller("ttl-controller"),
        &[("", "nodes")],
        &[Update],
        Changes(&["/metadata/annotations/node.alpha.kubernetes.io~1ttl"]),
    ),
    row(
        Controller("node-controller"),
        &[("", "nodes")],
        &[Update, Delete],
        Always,
    ),
    row(
        Controller("node-controller"),
        &[("", "nodes/status"), ("", "pods/status")],
        &[Update],
        STATUS,
    ),
    row(Controller("node-controller"), &[("", "pods")], &[Delete], Always),
    row(
        Controller("taint-eviction-controller"),
        &[("", "pods/status")],
        &[Update],
        STATUS,
    ),
    row(
        Controller("taint-eviction-controller"),
        &[("", "pods")],
        &[Delete],
        Always,
    ),
    row(
        Controller("device-taint-eviction-controller"),
        &[("", "pods/status")],
        &[Update],
        STATUS,
    ),
    row(
        Controller("device-taint-eviction-controller"),
        &[("", "pods")],
        &[Delete],
        Always,
    ),
    row(
        Controller("pod-garbage-collector"),
        &[("", "pods/status")],
        &[Update],
        STATUS,
    ),
    row(
        Controller("pod-garbage-collector"),
        &[("", "pods")],
        &[Delete],
        Always,
    ),
    row(
        Controller("horizontal-pod-autoscaler"),
        &[("*", "*/scale")],
        &[Update],
        Changes(&["/spec/replicas"]),
    ),
    row(
        Controller("horizontal-pod-autoscaler"),
        &[("autoscaling", "horizontalpodautoscalers/status")],
        &[Update],
        STATUS,
    ),
    row(
        Controller("disruption-controller"),
        &[("policy", "poddisruptionbudgets/status"), ("", "pods/status")],
        &[Update],
        STATUS,
    ),
    row(
        Controller("endpoint-controller"),
        &[("", "endpoints")],
        ALL,
        Always,
    ),
    row(
        Controller("endpointslice-controller"),
        &[("discovery.k8s.io", "endpointslices")],
        ALL,
        Always,
    ),
    row(
        Controller("endpointslicemirroring-controller"),
        &[("discovery.k8s.io", "endpointslices")],
        ALL,
        Always,
    ),
    row(
        Controller("persistent-volume-binder"),
        &[("", "persistentvolumes")],
        ALL,
        Always,
    ),
    row(
        Controller("persistent-volume-binder"),
        &[("", "persistentvolumeclaims")],
        &[Update],
        Changes(&[
            "/spec/volumeName",
            "/spec/storageClassName",
            "/metadata/annotations",
        ]),
    ),
    row(
        Controller("persistent-volume-binder"),
        &[
            ("", "persistentvolumes/status"),
            ("", "persistentvolumeclaims/status"),
        ],
        &[Update],
        STATUS,
    ),
    row(
        Controller("pvc-protection-controller"),
        &[("", "persistentvolumeclaims")],
        &[Update],
        Changes(&["/metadata/finalizers"]),
    ),
    row(
        Controller("pv-protection-controller"),
        &[("", "persistentvolumes")],
        &[Update],
        Changes(&["/metadata/finalizers"]),
    ),
    row(
        Controller("expand-controller"),
        &[("", "persistentvolumes")],
        &[Update],
        Changes(&["/spec/capacity"]),
    ),
    row(
        Controller("expand-controller"),
        &[("", "persistentvolumeclaims/status")],
        &[Update],
        Changes(&["/status", "/metadata/annotations"]),
    ),
    row(
        Controller("ephemeral-volume-controller"),
        &[("", "persistentvolumeclaims")],
        &[Create],
        Always,
    ),
    row(
        Controller("attachdetach-controller"),
        &[("storage.k8s.io", "volumeattachments")],
        ALL,
        Always,
    ),
    row(
        Controller("attachdetach-controller"),
        &[("", "nodes/status")],
        &[Update],
        STATUS,
    ),
    row(
        Controller("resourcequota-controller"),
        &[("", "resourcequotas/status")],
        &[Update],
        STATUS,
    ),
    row(
        Controller("service-account-controller"),
        &[("", "serviceaccounts")],
        &[Create],
        Named("default"),
    ),
    row(
        Controller("root-ca-cert-publisher"),
        &[("", "configmaps")],
        &[Create, Update],
        Named("kube-root-ca.crt"),
    ),
    row(
        Controller("legacy-service-account-token-cleaner"),
        &[("", "secrets")],
        &[Update],
        Changes(&["/metadata/labels/kubernetes.io~1legacy-token-invalid-since"]),
    ),
    row(
        Controller("legacy-service-account-token-cleaner"),
        &[("", "secrets")],
        &[Delete],
        Always,
    ),
    row(
        Controller("clusterrole-aggregation-controller"),
        &[("rbac.authorization.k8s.io", "clusterroles")],
        &[Update],
        Changes(&["/rules"]),
    ),
    row(
        Controller("certificate-controller"),
        &[
            ("certificates.k8s.io", "certificatesigningrequests/approval"),
            ("certificates.k8s.io", "certificatesigningrequests/status"),
        ],
        &[Update],
        STATUS,
    ),
    row(
        Controller("certificate-controller"),
        &[("certificates.k8s.io", "certificatesigningrequests")],
        &[Delete],
        Always,
    ),
    row(
        Controller("resource-claim-controller"),
        &[("resource.k8s.io", "resourceclaims")],
        ALL,
        Always,
    ),
    row(
        Controller("resource-claim-controller"),
        &[("resource.k8s.io", "resourceclaims/status"), ("", "pods/status")],
        &[Update],
        STATUS,
    ),
    row(
        Controller("service-cidrs-controller"),
        &[("networking.k8s.io", "servicecidrs")],
        &[Update],
        Changes(&["/metadata/finalizers"]),
    ),
    row(
        Controller("service-cidrs-controller"),
        &[("networking.k8s.io", "servicecidrs/status")],
        &[Update],
        STATUS,
    ),
    row(
        Controller("bootstrap-signer"),
        &[("", "configmaps")],
        &[Update],
        Named("cluster-info"),
    ),
    row(
        Controller("token-cleaner"),
        &[("", "secrets")],
        &[Delete],
        In("kube-system"),
    ),
    row(
        Controller("generic-garbage-collector"),
        &[("*", "*")],
        &[Delete],
        Always,
    ),
    row(
        Controller("generic-garbage-collector"),
        &[("*", "*")],
        &[Update],
        ADOPTION,
    ),
    row(
        Controller("namespace-controller"),
        &[("*", "*")],
        &[Delete],
        NamespaceTerminates,
    ),
    row(
        Controller("namespace-controller"),
        &[("", "namespaces/finalize"), ("", "namespaces/status")],
        &[Update],
        Always,
    ),
];

/// What changes in a request, asked for only when a row depends on it.
pub type Changed<'a> = dyn Fn() -> Option<Vec<String>> + 'a;

/// Whether a built-in delegation covers the request. `changed` lists the granules that change; `None` when they
/// cannot be told, which covers nothing.
pub fn covers(request: &Request<'_>, snapshot: &Snapshot, changed: &Changed<'_>) -> bool {
    BUILTINS.iter().any(|row| row.covers(request, snapshot, changed))
}

impl Builtin {
    fn covers(&self, request: &Request<'_>, snapshot: &Snapshot, changed: &Changed<'_>) -> bool {
        self.who.is(request)
            && self.operations.contains(&request.operation)
            && self.resources.iter().any(|resource| matches(*resource, request))
            && self.when.holds(request, snapshot, changed)
    }
}

impl Who {
    fn is(self, request: &Request<'_>) -> bool {
        let caller = &request.caller;
        match self {
            Self::Controller(name) => caller.service_account() == Some(("kube-system", name)),
            Self::User(name) => caller.username == name,
            Self::ApiServer => {
                caller.username == API_SERVER
                    && !caller.uid.is_empty()
                    && caller.groups.iter().any(|g| g == MASTERS)
            }
            Self::Bootstrapper => {
                caller.username.starts_with("system:bootstrap:")
                    && caller.groups.iter().any(|g| g == "system:bootstrappers")
            }
            Self::Node => {
                caller.username.starts_with(NODE_PREFIX) && caller.groups.iter().any(|g| g == "system:nodes")
            }
        }
    }
}

const NODE_PREFIX: &str = "system:node:";

/// The username of the API server's client of itself.
pub const API_SERVER: &str = "system:apiserver";

/// The group that Kubernetes lets do anything.
pub const MASTERS: &str = "system:masters";

fn matches((group, resource): (&str, &str), request: &Request<'_>) -> bool {
    let target = &request.target;
    let (name, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let any = name == "*" && subresource.is_empty();
    (group == "*" || group == target.group)
        && (name == "*" || name == target.resource)
        && (any || subresource == target.subresource)
}

impl When {
    fn holds(self, request: &Request<'_>, snapshot: &Snapshot, changed: &Changed<'_>) -> bool {
        let target = &request.target;
        match self {
            Self::Always => true,
            Self::Named(name) => target.name == name,
            Self::In(namespace) => target.namespace == Some(namespace),
            Self::Changes(allowed) => {
                changed().is_some_and(|changed| crate::delegation::within(&changed, allowed))
            }
            Self::NamespaceTerminates => target
                .namespace
                .and_then(|name| snapshot.namespaces.get(name))
                .is_some_and(|namespace| namespace.terminating),
            Self::OwnNode => own_node(request, changed).unwrap_or(false),
            Self::OwnDeletedPod => own_deleted_pod(request).unwrap_or(false),
        }
    }
}

fn own_node(request: &Request<'_>, changed: &Changed<'_>) -> Option<bool> {
    let node = request.caller.username.strip_prefix(NODE_PREFIX)?;
    if request.target.resource != "pods" {
        let at_home = matches!(request.target.namespace, None | Some("kube-node-lease"));
        return Some(at_home && request.target.name == node);
    }
    match &request.change {
        // A mirror pod: the kubelet's picture of a static pod of its own node.
        Change::Create(pod) => {
            Some(bound_to(pod, node)? && pod.annotation("kubernetes.io/config.mirror").ok()?.is_some())
        }
        Change::Update { old, .. } => {
            Some(bound_to(old, node)? && crate::delegation::within(&changed()?, &["/status"]))
        }
        Change::Delete(_) | Change::Connect(_) => None,
    }
}

fn own_deleted_pod(request: &Request<'_>) -> Option<bool> {
    let node = request.caller.username.strip_prefix(NODE_PREFIX)?;
    let Change::Delete(Some(pod)) = &request.change else {
        return None;
    };
    Some(bound_to(pod, node)? && pod.deletion_timestamp().ok()?.is_some())
}

fn bound_to(pod: &Object<'_>, node: &str) -> Option<bool> {
    Some(pod.field(&["spec", "nodeName"]).ok()?? == format!("\"{node}\""))
}

#[cfg(test)]
mod tests;
