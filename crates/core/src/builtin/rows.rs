//! The rows of the built-in delegations: what each member of the control plane writes by itself.

use super::{
    Builtin,
    When::{self, Always, Changes, Exactly, In, Named, NamespaceTerminates, OwnGonePod, OwnNode, OwnSlice},
    Who::{self, ApiServer, Bootstrapper, Controller, Node, User},
};
use crate::request::Operation::{self, Create, Delete, Update};

const STATUS: When = Changes(&["/status"]);
const ADOPTION: When = Changes(&["/metadata/ownerReferences", "/metadata/finalizers"]);
const FINALIZERS: When = Changes(&["/metadata/finalizers"]);
const ALL: &[Operation] = &[Create, Update, Delete];

const fn row(
    name: &'static str,
    who: Who,
    (resources, operations): (&'static [(&'static str, &'static str)], &'static [Operation]),
    when: When,
) -> Builtin {
    Builtin {
        name,
        who,
        resources,
        operations,
        when,
    }
}

/// Resources are (group, resource or resource/subresource); `*` stands for any and is used for the two
/// controllers only whose work is any resource.
pub(super) static BUILTINS: &[Builtin] = &[
    row("api-server/everything", ApiServer, (&[("*", "*")], ALL), Always),
    row(
        "kube-controller-manager/serviceaccounts",
        User("system:kube-controller-manager"),
        (
            &[("", "serviceaccounts"), ("", "serviceaccounts/token")],
            &[Create],
        ),
        In("kube-system"),
    ),
    row(
        "kube-controller-manager/secrets",
        User("system:kube-controller-manager"),
        (&[("", "secrets")], &[Update]),
        Changes(&[
            "/data",
            "/metadata/annotations/kubernetes.io~1service-account.uid",
        ]),
    ),
    row(
        "kube-controller-manager/secrets-deletion",
        User("system:kube-controller-manager"),
        (&[("", "secrets")], &[Delete]),
        Always,
    ),
    row(
        "kube-controller-manager/leases",
        User("system:kube-controller-manager"),
        (&[("coordination.k8s.io", "leases")], &[Create, Update]),
        Exactly("kube-system", "kube-controller-manager"),
    ),
    row(
        "kube-scheduler/leases",
        User("system:kube-scheduler"),
        (&[("coordination.k8s.io", "leases")], &[Create, Update]),
        Exactly("kube-system", "kube-scheduler"),
    ),
    row(
        "kube-scheduler/pods-binding",
        User("system:kube-scheduler"),
        (&[("", "pods/binding")], &[Create]),
        Always,
    ),
    row(
        "kube-scheduler/pods-status",
        User("system:kube-scheduler"),
        (
            &[("", "pods/status"), ("resource.k8s.io", "resourceclaims/status")],
            &[Update],
        ),
        STATUS,
    ),
    row(
        "kube-scheduler/resourceclaims-finalizers",
        User("system:kube-scheduler"),
        (&[("resource.k8s.io", "resourceclaims")], &[Update]),
        FINALIZERS,
    ),
    row(
        "kube-scheduler/pods-deletion",
        User("system:kube-scheduler"),
        (&[("", "pods")], &[Delete]),
        Always,
    ),
    row(
        "kube-scheduler/persistentvolumeclaims",
        User("system:kube-scheduler"),
        (&[("", "persistentvolumeclaims")], &[Update]),
        Changes(&["/metadata/annotations/volume.kubernetes.io~1selected-node"]),
    ),
    row(
        "kube-scheduler/persistentvolumes",
        User("system:kube-scheduler"),
        (&[("", "persistentvolumes")], &[Update]),
        Changes(&[
            "/spec/claimRef",
            "/metadata/annotations/pv.kubernetes.io~1bound-by-controller",
        ]),
    ),
    row(
        "bootstrapper/certificatesigningrequests",
        Bootstrapper,
        (
            &[("certificates.k8s.io", "certificatesigningrequests")],
            &[Create],
        ),
        Always,
    ),
    row("kubelet/nodes", Node, (&[("", "nodes")], &[Create]), OwnNode),
    row(
        "kubelet/nodes-status",
        Node,
        (&[("", "nodes/status"), ("", "pods/status")], &[Update]),
        OwnNode,
    ),
    row("kubelet/pods", Node, (&[("", "pods")], &[Create]), OwnNode),
    row(
        "kubelet/pods-deletion",
        Node,
        (&[("", "pods")], &[Delete]),
        OwnGonePod,
    ),
    row(
        "kubelet/serviceaccounts-token",
        Node,
        (&[("", "serviceaccounts/token")], &[Create]),
        Always,
    ),
    row(
        "kubelet/csinodes",
        Node,
        (&[("storage.k8s.io", "csinodes")], ALL),
        OwnNode,
    ),
    row(
        "kubelet/leases",
        Node,
        (&[("coordination.k8s.io", "leases")], &[Create, Update]),
        OwnNode,
    ),
    row(
        "kubelet/resourceslices-deletion",
        Node,
        (&[("resource.k8s.io", "resourceslices")], &[Delete]),
        OwnSlice,
    ),
    row(
        "kubelet/certificatesigningrequests",
        Node,
        (
            &[("certificates.k8s.io", "certificatesigningrequests")],
            &[Create],
        ),
        Always,
    ),
    row(
        "deployment-controller/replicasets",
        Controller("deployment-controller"),
        (&[("apps", "replicasets")], ALL),
        Always,
    ),
    row(
        "deployment-controller/deployments-status",
        Controller("deployment-controller"),
        (&[("apps", "deployments/status")], &[Update]),
        Changes(&[
            "/status",
            "/metadata/annotations/deployment.kubernetes.io~1revision",
        ]),
    ),
    row(
        "replicaset-controller/pods",
        Controller("replicaset-controller"),
        (&[("", "pods")], &[Create, Delete]),
        Always,
    ),
    row(
        "replicaset-controller/pods-adoption",
        Controller("replicaset-controller"),
        (&[("", "pods")], &[Update]),
        ADOPTION,
    ),
    row(
        "replicaset-controller/replicasets-status",
        Controller("replicaset-controller"),
        (&[("apps", "replicasets/status")], &[Update]),
        STATUS,
    ),
    row(
        "replication-controller/pods",
        Controller("replication-controller"),
        (&[("", "pods")], &[Create, Delete]),
        Always,
    ),
    row(
        "replication-controller/pods-adoption",
        Controller("replication-controller"),
        (&[("", "pods")], &[Update]),
        ADOPTION,
    ),
    row(
        "replication-controller/replicationcontrollers-status",
        Controller("replication-controller"),
        (&[("", "replicationcontrollers/status")], &[Update]),
        STATUS,
    ),
    row(
        "statefulset-controller/pods",
        Controller("statefulset-controller"),
        (&[("", "pods")], &[Create, Delete]),
        Always,
    ),
    row(
        "statefulset-controller/pods-identity",
        Controller("statefulset-controller"),
        (&[("", "pods")], &[Update]),
        Changes(&[
            "/metadata/ownerReferences",
            "/metadata/labels/statefulset.kubernetes.io~1pod-name",
            "/metadata/labels/apps.kubernetes.io~1pod-index",
        ]),
    ),
    row(
        "statefulset-controller/persistentvolumeclaims",
        Controller("statefulset-controller"),
        (&[("", "persistentvolumeclaims")], &[Create]),
        Always,
    ),
    row(
        "statefulset-controller/persistentvolumeclaims-adoption",
        Controller("statefulset-controller"),
        (&[("", "persistentvolumeclaims")], &[Update]),
        ADOPTION,
    ),
    row(
        "statefulset-controller/controllerrevisions",
        Controller("statefulset-controller"),
        (&[("apps", "controllerrevisions")], ALL),
        Always,
    ),
    row(
        "statefulset-controller/statefulsets-status",
        Controller("statefulset-controller"),
        (&[("apps", "statefulsets/status")], &[Update]),
        STATUS,
    ),
    row(
        "daemon-set-controller/pods",
        Controller("daemon-set-controller"),
        (&[("", "pods")], &[Create, Delete]),
        Always,
    ),
    row(
        "daemon-set-controller/pods-adoption",
        Controller("daemon-set-controller"),
        (&[("", "pods")], &[Update]),
        ADOPTION,
    ),
    row(
        "daemon-set-controller/controllerrevisions",
        Controller("daemon-set-controller"),
        (&[("apps", "controllerrevisions")], ALL),
        Always,
    ),
    row(
        "daemon-set-controller/daemonsets-status",
        Controller("daemon-set-controller"),
        (&[("apps", "daemonsets/status")], &[Update]),
        STATUS,
    ),
    row(
        "job-controller/pods",
        Controller("job-controller"),
        (&[("", "pods")], &[Create, Delete]),
        Always,
    ),
    row(
        "job-controller/pods-adoption",
        Controller("job-controller"),
        (&[("", "pods")], &[Update]),
        ADOPTION,
    ),
    row(
        "job-controller/jobs-status",
        Controller("job-controller"),
        (&[("batch", "jobs/status")], &[Update]),
        STATUS,
    ),
    row(
        "cronjob-controller/jobs",
        Controller("cronjob-controller"),
        (&[("batch", "jobs")], &[Create, Delete]),
        Always,
    ),
    row(
        "cronjob-controller/cronjobs-status",
        Controller("cronjob-controller"),
        (&[("batch", "cronjobs/status")], &[Update]),
        STATUS,
    ),
    row(
        "ttl-after-finished-controller/jobs-deletion",
        Controller("ttl-after-finished-controller"),
        (&[("batch", "jobs")], &[Delete]),
        Always,
    ),
    row(
        "ttl-controller/nodes",
        Controller("ttl-controller"),
        (&[("", "nodes")], &[Update]),
        Changes(&["/metadata/annotations/node.alpha.kubernetes.io~1ttl"]),
    ),
    row(
        "node-controller/nodes",
        Controller("node-controller"),
        (&[("", "nodes")], &[Update]),
        Changes(&[
            "/spec/taints",
            "/spec/podCIDR",
            "/spec/podCIDRs",
            "/metadata/labels/beta.kubernetes.io~1os",
            "/metadata/labels/beta.kubernetes.io~1arch",
        ]),
    ),
    row(
        "node-controller/nodes-status",
        Controller("node-controller"),
        (&[("", "nodes/status"), ("", "pods/status")], &[Update]),
        STATUS,
    ),
    row(
        "node-controller/pods-deletion",
        Controller("node-controller"),
        (&[("", "pods")], &[Delete]),
        Always,
    ),
    row(
        "device-taint-eviction-controller/pods-status",
        Controller("device-taint-eviction-controller"),
        (&[("", "pods/status")], &[Update]),
        STATUS,
    ),
    row(
        "device-taint-eviction-controller/pods-deletion",
        Controller("device-taint-eviction-controller"),
        (&[("", "pods")], &[Delete]),
        Always,
    ),
    row(
        "pod-garbage-collector/pods-status",
        Controller("pod-garbage-collector"),
        (&[("", "pods/status")], &[Update]),
        STATUS,
    ),
    row(
        "pod-garbage-collector/pods-deletion",
        Controller("pod-garbage-collector"),
        (&[("", "pods")], &[Delete]),
        Always,
    ),
    row(
        "horizontal-pod-autoscaler/scale",
        Controller("horizontal-pod-autoscaler"),
        (&[("*", "*/scale")], &[Update]),
        Changes(&["/spec/replicas"]),
    ),
    row(
        "horizontal-pod-autoscaler/horizontalpodautoscalers-status",
        Controller("horizontal-pod-autoscaler"),
        (&[("autoscaling", "horizontalpodautoscalers/status")], &[Update]),
        STATUS,
    ),
    row(
        "disruption-controller/poddisruptionbudgets-status",
        Controller("disruption-controller"),
        (
            &[("policy", "poddisruptionbudgets/status"), ("", "pods/status")],
            &[Update],
        ),
        STATUS,
    ),
    row(
        "endpoint-controller/endpoints",
        Controller("endpoint-controller"),
        (&[("", "endpoints")], ALL),
        Always,
    ),
    row(
        "endpointslice-controller/endpointslices",
        Controller("endpointslice-controller"),
        (&[("discovery.k8s.io", "endpointslices")], ALL),
        Always,
    ),
    row(
        "endpointslicemirroring-controller/endpointslices",
        Controller("endpointslicemirroring-controller"),
        (&[("discovery.k8s.io", "endpointslices")], ALL),
        Always,
    ),
    row(
        "persistent-volume-binder/persistentvolumes",
        Controller("persistent-volume-binder"),
        (&[("", "persistentvolumes")], ALL),
        Always,
    ),
    row(
        "persistent-volume-binder/persistentvolumeclaims",
        Controller("persistent-volume-binder"),
        (&[("", "persistentvolumeclaims")], &[Update]),
        Changes(&[
            "/spec/volumeName",
            "/spec/storageClassName",
            "/metadata/annotations/pv.kubernetes.io~1bind-completed",
            "/metadata/annotations/pv.kubernetes.io~1bound-by-controller",
            "/metadata/annotations/pv.kubernetes.io~1migrated-to",
            "/metadata/annotations/volume.beta.kubernetes.io~1storage-provisioner",
            "/metadata/annotations/volume.kubernetes.io~1storage-provisioner",
            "/metadata/annotations/volume.kubernetes.io~1selected-node",
        ]),
    ),
    row(
        "persistent-volume-binder/persistentvolumes-status",
        Controller("persistent-volume-binder"),
        (
            &[
                ("", "persistentvolumes/status"),
                ("", "persistentvolumeclaims/status"),
            ],
            &[Update],
        ),
        STATUS,
    ),
    row(
        "pvc-protection-controller/persistentvolumeclaims-finalizers",
        Controller("pvc-protection-controller"),
        (&[("", "persistentvolumeclaims")], &[Update]),
        FINALIZERS,
    ),
    row(
        "pv-protection-controller/persistentvolumes-finalizers",
        Controller("pv-protection-controller"),
        (&[("", "persistentvolumes")], &[Update]),
        FINALIZERS,
    ),
    row(
        "volumeattributesclass-protection-controller/volumeattributesclasses-finalizers",
        Controller("volumeattributesclass-protection-controller"),
        (&[("storage.k8s.io", "volumeattributesclasses")], &[Update]),
        FINALIZERS,
    ),
    row(
        "expand-controller/persistentvolumes",
        Controller("expand-controller"),
        (&[("", "persistentvolumes")], &[Update]),
        Changes(&["/spec/capacity"]),
    ),
    row(
        "expand-controller/persistentvolumeclaims-status",
        Controller("expand-controller"),
        (&[("", "persistentvolumeclaims/status")], &[Update]),
        Changes(&[
            "/status",
            "/metadata/annotations/volume.kubernetes.io~1storage-resizer",
        ]),
    ),
    row(
        "ephemeral-volume-controller/persistentvolumeclaims",
        Controller("ephemeral-volume-controller"),
        (&[("", "persistentvolumeclaims")], &[Create]),
        Always,
    ),
    row(
        "attachdetach-controller/volumeattachments",
        Controller("attachdetach-controller"),
        (&[("storage.k8s.io", "volumeattachments")], &[Create, Delete]),
        Always,
    ),
    row(
        "attachdetach-controller/nodes-status",
        Controller("attachdetach-controller"),
        (&[("", "nodes/status")], &[Update]),
        STATUS,
    ),
    row(
        "resourcequota-controller/resourcequotas-status",
        Controller("resourcequota-controller"),
        (&[("", "resourcequotas/status")], &[Update]),
        STATUS,
    ),
    row(
        "service-account-controller/serviceaccounts",
        Controller("service-account-controller"),
        (&[("", "serviceaccounts")], &[Create]),
        Named("default"),
    ),
    row(
        "root-ca-cert-publisher/configmaps",
        Controller("root-ca-cert-publisher"),
        (&[("", "configmaps")], &[Create, Update]),
        Named("kube-root-ca.crt"),
    ),
    row(
        "legacy-service-account-token-cleaner/secrets",
        Controller("legacy-service-account-token-cleaner"),
        (&[("", "secrets")], &[Update]),
        Changes(&["/metadata/labels/kubernetes.io~1legacy-token-invalid-since"]),
    ),
    row(
        "legacy-service-account-token-cleaner/secrets-deletion",
        Controller("legacy-service-account-token-cleaner"),
        (&[("", "secrets")], &[Delete]),
        Always,
    ),
    row(
        "clusterrole-aggregation-controller/clusterroles",
        Controller("clusterrole-aggregation-controller"),
        (&[("rbac.authorization.k8s.io", "clusterroles")], &[Update]),
        Changes(&["/rules"]),
    ),
    row(
        "certificate-controller/certificatesigningrequests-approval",
        Controller("certificate-controller"),
        (
            &[
                ("certificates.k8s.io", "certificatesigningrequests/approval"),
                ("certificates.k8s.io", "certificatesigningrequests/status"),
            ],
            &[Update],
        ),
        STATUS,
    ),
    row(
        "certificate-controller/certificatesigningrequests-deletion",
        Controller("certificate-controller"),
        (
            &[("certificates.k8s.io", "certificatesigningrequests")],
            &[Delete],
        ),
        Always,
    ),
    row(
        "resource-claim-controller/resourceclaims",
        Controller("resource-claim-controller"),
        (&[("resource.k8s.io", "resourceclaims")], &[Create, Delete]),
        Always,
    ),
    row(
        "resource-claim-controller/resourceclaims-finalizers",
        Controller("resource-claim-controller"),
        (&[("resource.k8s.io", "resourceclaims")], &[Update]),
        FINALIZERS,
    ),
    row(
        "resource-claim-controller/resourceclaims-status",
        Controller("resource-claim-controller"),
        (
            &[("resource.k8s.io", "resourceclaims/status"), ("", "pods/status")],
            &[Update],
        ),
        STATUS,
    ),
    row(
        "service-cidrs-controller/servicecidrs-finalizers",
        Controller("service-cidrs-controller"),
        (&[("networking.k8s.io", "servicecidrs")], &[Update]),
        FINALIZERS,
    ),
    row(
        "service-cidrs-controller/servicecidrs-status",
        Controller("service-cidrs-controller"),
        (&[("networking.k8s.io", "servicecidrs/status")], &[Update]),
        STATUS,
    ),
    row(
        "bootstrap-signer/configmaps",
        Controller("bootstrap-signer"),
        (&[("", "configmaps")], &[Update]),
        Exactly("kube-public", "cluster-info"),
    ),
    row(
        "token-cleaner/secrets-deletion",
        Controller("token-cleaner"),
        (&[("", "secrets")], &[Delete]),
        In("kube-system"),
    ),
    row(
        "generic-garbage-collector/deletions",
        Controller("generic-garbage-collector"),
        (&[("*", "*")], &[Delete]),
        Always,
    ),
    row(
        "generic-garbage-collector/everything-adoption",
        Controller("generic-garbage-collector"),
        (&[("*", "*")], &[Update]),
        ADOPTION,
    ),
    row(
        "namespace-controller/deletions",
        Controller("namespace-controller"),
        (&[("*", "*")], &[Delete]),
        NamespaceTerminates,
    ),
    row(
        "namespace-controller/namespaces-finalize",
        Controller("namespace-controller"),
        (
            &[("", "namespaces/finalize"), ("", "namespaces/status")],
            &[Update],
        ),
        Always,
    ),
];
