//! What a cluster needs in order to start while no replica of the operator runs, by exact identity, verb and resource.
//!
//! Only that. What the same writers need besides, while the operator is up, is a matter of delegations.

use countersign_core::request::Operation::{self, Create, Delete, Update};

use super::startup::{StartupObject, StartupPlace, StartupRule, StartupWrite, StartupWriters};

/// The built-in rules; `operator` is the operator's namespace, which must be able to come back by itself.
pub(super) fn built_in(operator: &str) -> Vec<StartupRule> {
    let mut rules = cluster(operator);
    rules.extend(operator_namespace(operator));
    rules.push(StartupRule {
        name: "kubelet".to_owned(),
        writers: StartupWriters::Kubelets,
        writes: kubelet(operator),
    });
    rules
}

/// Nodes become ready, volumes are attached, pods are bound, Services find their pods, leaders are elected.
fn cluster(operator: &str) -> Vec<StartupRule> {
    let system = "kube-system";
    vec![
        StartupRule {
            name: "kube-controller-manager".to_owned(),
            writers: StartupWriters::Usernames(vec![CONTROLLER_MANAGER.to_owned()]),
            writes: vec![
                // It exits when it cannot make its controllers' accounts and tokens.
                write(&[Create], "serviceaccounts").within(system),
                write(&[Create], "serviceaccounts/token").within(system),
                lease(system, "kube-controller-manager"),
            ],
        },
        StartupRule {
            name: "kube-scheduler".to_owned(),
            writers: StartupWriters::Usernames(vec!["system:kube-scheduler".to_owned()]),
            writes: vec![
                write(&[Create], "pods/binding"),
                write(&[Update], "pods/status"),
                lease(system, "kube-scheduler"),
            ],
        },
        // Takes a returned node's taints away, and evicts the operator's pods from one that does not return.
        controller(
            "node-controller",
            vec![
                write(&[Update], "nodes"),
                write(&[Update], "nodes/status"),
                write(&[Update], "pods/status").within(operator),
                write(&[Delete], "pods").within(operator),
            ],
        ),
        controller(
            "attachdetach-controller",
            vec![
                write(&[Create, Delete], "volumeattachments.storage.k8s.io"),
                write(&[Update], "nodes/status"),
            ],
        ),
        controller(
            "endpoint-controller",
            vec![write(&[Create, Update, Delete], "endpoints")],
        ),
        controller(
            "endpointslice-controller",
            vec![write(&[Create, Update, Delete], ENDPOINT_SLICES)],
        ),
        controller(
            "endpointslicemirroring-controller",
            vec![write(&[Create, Update, Delete], ENDPOINT_SLICES)],
        ),
    ]
}

/// The workload controllers, in the operator's namespace alone.
fn operator_namespace(operator: &str) -> Vec<StartupRule> {
    let here = |operations: &[Operation], resource: &str| write(operations, resource).within(operator);
    vec![
        controller(
            "deployment-controller",
            vec![
                here(&[Create, Update], "replicasets.apps"),
                here(&[Update], "deployments.apps/status"),
            ],
        ),
        controller(
            "replicaset-controller",
            vec![
                here(&[Create, Delete], "pods"),
                here(&[Update], "replicasets.apps/status"),
            ],
        ),
        controller(
            "statefulset-controller",
            vec![
                here(&[Create, Update, Delete], "pods"),
                here(&[Create, Update], "persistentvolumeclaims"),
                here(&[Create, Update, Delete], "controllerrevisions.apps"),
                here(&[Update], "statefulsets.apps/status"),
            ],
        ),
        // Where a node does not return, the node-controller deletes its pods; this one does where its Node is gone.
        controller(
            "pod-garbage-collector",
            vec![here(&[Delete], "pods"), here(&[Update], "pods/status")],
        ),
        // Without this object no pod can mount its token.
        controller(
            "root-ca-cert-publisher",
            vec![here(&[Create, Update], "configmaps").named("kube-root-ca.crt")],
        ),
    ]
}

/// A kubelet writes its own node, asks for its pods' tokens, and reports and removes the operator's pods.
fn kubelet(operator: &str) -> Vec<StartupWrite> {
    vec![
        write(&[Create], "nodes").of_own_node(),
        write(&[Update], "nodes/status").of_own_node(),
        write(&[Create, Update], "leases.coordination.k8s.io")
            .within("kube-node-lease")
            .of_own_node(),
        // Where another machine had its name, it is not ready before that one's is deleted.
        write(&[Create, Update, Delete], "csinodes.storage.k8s.io").of_own_node(),
        write(&[Create], "serviceaccounts/token"),
        write(&[Update], "pods/status").within(operator),
        write(&[Delete], "pods").within(operator),
    ]
}

const CONTROLLER_MANAGER: &str = "system:kube-controller-manager";
const ENDPOINT_SLICES: &str = "endpointslices.discovery.k8s.io";

/// A controller is its service account, or the controller manager itself when that runs without
/// `--use-service-account-credentials`.
fn controller(name: &str, writes: Vec<StartupWrite>) -> StartupRule {
    let usernames = vec![
        format!("system:serviceaccount:kube-system:{name}"),
        CONTROLLER_MANAGER.to_owned(),
    ];
    StartupRule {
        name: name.to_owned(),
        writers: StartupWriters::Usernames(usernames),
        writes,
    }
}

fn lease(namespace: &str, name: &str) -> StartupWrite {
    write(&[Create, Update], "leases.coordination.k8s.io")
        .within(namespace)
        .named(name)
}

/// `<resource>[.<group>][/<subresource>]`, everywhere.
fn write(operations: &[Operation], resource: &str) -> StartupWrite {
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
    StartupWrite::of(operations, &[(group, resource, subresource)])
}

impl StartupWrite {
    fn within(mut self, namespace: &str) -> Self {
        self.place = StartupPlace::Namespaces(vec![namespace.to_owned()]);
        self
    }

    fn named(mut self, name: &str) -> Self {
        self.object = StartupObject::Named(name.to_owned());
        self
    }

    fn of_own_node(mut self) -> Self {
        self.object = StartupObject::OwnNode;
        self
    }
}
