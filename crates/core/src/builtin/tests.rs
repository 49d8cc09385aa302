//! Each member of the control plane may do its own work; nobody else may, and they may do nothing else.

mod each_row;

use crate::{
    decision::Reason,
    fixtures::{Ask, Said, World, ask, creates, deletes, updates, world},
    request::Operation,
};

/// An object of these parts of `metadata`, `spec`, `status`, and other fields at the root.
fn object(metadata: &str, rest: &str) -> String {
    let comma = if metadata.is_empty() { "" } else { "," };
    let rest = if rest.is_empty() {
        String::new()
    } else {
        format!(",{rest}")
    };
    format!(r#"{{"metadata":{{"uid":"u","resourceVersion":"7"{comma}{metadata}}}{rest}}}"#)
}

const OWNED: &str = r#""ownerReferences":[{"uid":"o","name":"o","kind":"K","apiVersion":"v1"}]"#;

fn controller(name: &str) -> String {
    format!("system:serviceaccount:kube-system:{name}")
}

fn by(controller_name: &str, operation: Operation, place: &str) -> Ask {
    ask(&controller(controller_name), operation, place)
}

fn changes(ask: Ask, old: (&str, &str), new: (&str, &str)) -> Ask {
    ask.from(&object(old.0, old.1), &object(new.0, new.1))
}

fn status(who: &str, place: &str) -> Ask {
    let ask = updates(who, place).sub("status");
    changes(ask, ("", r#""status":{"a":1}"#), ("", r#""status":{"a":2}"#))
}

fn delegated(world: &World, ask: &Ask) -> bool {
    world.says(ask) == Said::Allow(Reason::Delegated)
}

/// The ordinary work of a control plane, in a prod namespace.
fn work() -> Vec<Ask> {
    use Operation::{Create, Delete, Update};
    let scale = by(
        "horizontal-pod-autoscaler",
        Update,
        "billing/deployments.apps/web",
    )
    .sub("scale");
    let custom_scale = by(
        "horizontal-pod-autoscaler",
        Update,
        "billing/widgets.example.com/web",
    )
    .sub("scale");
    let replicas = |ask| {
        changes(
            ask,
            ("", r#""spec":{"replicas":1}"#),
            ("", r#""spec":{"replicas":2}"#),
        )
    };
    let revision = by("deployment-controller", Update, "billing/deployments.apps/web").sub("status");
    vec![
        by("deployment-controller", Create, "billing/replicasets.apps/web-1"),
        by("deployment-controller", Delete, "billing/replicasets.apps/web-1"),
        changes(
            revision,
            ("", ""),
            (
                r#""annotations":{"deployment.kubernetes.io/revision":"2"}"#,
                r#""status":{"a":1}"#,
            ),
        ),
        by("replicaset-controller", Create, "billing/pods/web-1-a"),
        by("replicaset-controller", Delete, "billing/pods/web-1-a"),
        changes(
            by("replicaset-controller", Update, "billing/pods/web-1-a"),
            ("", ""),
            (OWNED, ""),
        ),
        status(
            &controller("replicaset-controller"),
            "billing/replicasets.apps/web-1",
        ),
        by("statefulset-controller", Create, "billing/pods/db-0"),
        by(
            "statefulset-controller",
            Create,
            "billing/persistentvolumeclaims/db-0",
        ),
        by("daemon-set-controller", Create, "billing/pods/agent-x"),
        by("job-controller", Create, "billing/pods/job-x"),
        status(&controller("job-controller"), "billing/jobs.batch/job"),
        by("cronjob-controller", Create, "billing/jobs.batch/job"),
        by("endpoint-controller", Update, "billing/endpoints/web"),
        by(
            "endpointslice-controller",
            Create,
            "billing/endpointslices.discovery.k8s.io/web",
        ),
        replicas(scale),
        replicas(custom_scale),
        by(
            "generic-garbage-collector",
            Delete,
            "billing/widgets.example.com/w",
        ),
        changes(
            by(
                "generic-garbage-collector",
                Update,
                "billing/widgets.example.com/w",
            ),
            (OWNED, ""),
            ("", ""),
        ),
        by(
            "service-account-controller",
            Create,
            "billing/serviceaccounts/default",
        ),
        by(
            "root-ca-cert-publisher",
            Create,
            "billing/configmaps/kube-root-ca.crt",
        ),
        by("namespace-controller", Update, "@cluster/namespaces/billing").sub("finalize"),
        creates("system:kube-scheduler", "billing/pods/web-1-a").sub("binding"),
        status("system:kube-scheduler", "billing/pods/web-1-a"),
        creates(
            "system:kube-controller-manager",
            "kube-system/serviceaccounts/job-controller",
        )
        .sub("token"),
        updates(
            "system:apiserver",
            "@cluster/clusterroles.rbac.authorization.k8s.io/edit",
        )
        .in_group("system:masters"),
    ]
}

#[test]
fn the_control_plane_does_its_work_and_nobody_else_does_it() {
    let world = world().admin("ada");
    for ask in work() {
        let told = format!(
            "{} {} {:?} {}/{} {}",
            ask.username, ask.operation, ask.namespace, ask.resource, ask.name, ask.subresource
        );
        assert!(delegated(&world, &ask), "{told}: {:?}", world.decides(&ask));
        for other in [
            "ada",
            "system:serviceaccount:billing:replicaset-controller",
            "system:serviceaccount:kube-system:stray",
            "system:kube-scheduler2",
        ] {
            let by_other = Ask {
                username: other.to_owned(),
                ..ask.clone()
            };
            assert!(!delegated(&world, &by_other), "{other} instead of {told}");
        }
        let user = Ask {
            username: "ada".to_owned(),
            ..ask
        };
        assert_eq!(
            world.says(&user),
            Said::Needs,
            "{told}: for an admin it is a write like any other"
        );
    }
}

#[test]
fn the_control_plane_does_nothing_beyond_its_work() {
    use Operation::{Create, Delete, Update};
    let scale = |ask: Ask| ask.sub("scale");
    let beyond = [
        by("replicaset-controller", Create, "billing/secrets/x"),
        by("replicaset-controller", Delete, "billing/replicasets.apps/web-1"),
        changes(
            by("replicaset-controller", Update, "billing/pods/x"),
            ("", r#""spec":{"image":"a"}"#),
            ("", r#""spec":{"image":"b"}"#),
        ),
        by("deployment-controller", Update, "billing/deployments.apps/web"),
        by("deployment-controller", Create, "billing/pods/x"),
        // A status write covers the status, not the owner that would have the object collected.
        changes(
            by("replicaset-controller", Update, "billing/replicasets.apps/x").sub("status"),
            ("", r#""status":{"a":1}"#),
            (OWNED, r#""status":{"a":2}"#),
        ),
        changes(
            by("deployment-controller", Update, "billing/deployments.apps/x").sub("status"),
            ("", ""),
            (r#""annotations":{"other":"2"}"#, ""),
        ),
        scale(changes(
            by(
                "horizontal-pod-autoscaler",
                Update,
                "billing/deployments.apps/web",
            ),
            ("", ""),
            (r#""labels":{"a":"b"}"#, ""),
        )),
        by(
            "horizontal-pod-autoscaler",
            Update,
            "billing/deployments.apps/web",
        ),
        by(
            "service-account-controller",
            Create,
            "billing/serviceaccounts/robot",
        ),
        by("root-ca-cert-publisher", Update, "billing/configmaps/app"),
        changes(
            by("generic-garbage-collector", Update, "billing/configmaps/x"),
            ("", r#""data":{"a":"1"}"#),
            ("", r#""data":{"a":"2"}"#),
        ),
        by("generic-garbage-collector", Create, "billing/configmaps/x"),
        creates(
            "system:kube-controller-manager",
            "billing/serviceaccounts/default",
        )
        .sub("token"),
        // The Lease of its name in its namespace, and no other.
        updates(
            "system:kube-scheduler",
            "billing/leases.coordination.k8s.io/kube-scheduler",
        ),
        updates(
            "system:kube-scheduler",
            "kube-system/leases.coordination.k8s.io/other",
        ),
        creates(
            "system:bootstrap:abcdef",
            "@cluster/certificatesigningrequests.certificates.k8s.io/csr-x",
        ),
        creates(
            "system:stranger",
            "@cluster/certificatesigningrequests.certificates.k8s.io/csr-x",
        )
        .in_group("system:bootstrappers"),
        creates("system:kube-scheduler", "billing/pods/x"),
        creates("system:kube-scheduler", "billing/pods/x").sub("eviction"),
        creates("system:kube-scheduler", "billing/pods/x").sub("exec"),
    ];
    for ask in beyond {
        let said = world().says(&ask);
        let expected = if ask.username.starts_with("system:serviceaccount:") {
            Reason::UnregisteredAccount
        } else {
            Reason::SystemUser
        };
        assert_eq!(
            said,
            Said::Deny(expected),
            "{} {} {}",
            ask.username,
            ask.resource,
            ask.name
        );
    }
}

#[test]
fn the_api_server_is_known_by_more_than_its_name() {
    let asks = updates("system:apiserver", "billing/configmaps/x");
    let stranger = Said::Deny(Reason::SystemUser);
    assert_eq!(world().says(&asks), stranger, "the name alone");
    let of_group = asks.in_group("system:masters");
    assert!(delegated(&world(), &of_group));
    assert_eq!(world().says(&of_group.of_uid("")), stranger, "without a uid");
}

#[test]
fn what_permits_is_never_delegated() {
    for who in [
        "system:apiserver",
        "system:serviceaccount:kube-system:generic-garbage-collector",
    ] {
        for place in ["zones.countersign.dev/z", "rolegrants.countersign.dev/g"] {
            let ask = deletes(who, &format!("@cluster/{place}")).own(crate::own::Own::Removed);
            assert!(
                matches!(world().says(&ask), Said::Deny(_)),
                "{who} deletes {place}"
            );
        }
    }
}

#[test]
fn a_namespace_that_ends_takes_its_objects_along() {
    let collect = |place: &str| by("namespace-controller", Operation::Delete, place);
    for place in [
        "billing/configmaps/x",
        "billing/approvaltickets.countersign.dev/t",
        "billing/approvalreviews.countersign.dev/r",
    ] {
        assert!(
            delegated(&world().terminating("billing"), &collect(place)),
            "{place}"
        );
        assert!(
            !delegated(&world(), &collect(place)),
            "{place}, while its namespace stays"
        );
    }
    assert!(!delegated(&world(), &collect("unknown/configmaps/x")));
    assert!(
        !delegated(&world().terminating("lab"), &collect("billing/configmaps/x")),
        "another ends"
    );
    let updates = by("namespace-controller", Operation::Update, "billing/configmaps/x");
    assert!(!delegated(&world().terminating("billing"), &updates));
}

/// A request of the kubelet of `node-1`.
fn kubelet(operation: Operation, place: &str) -> Ask {
    ask("system:node:node-1", operation, place).in_group("system:nodes")
}

fn pod(node: &str, metadata: &str) -> String {
    object(
        metadata,
        &format!(r#""spec":{{"nodeName":"{node}"}},"status":{{"a":1}}"#),
    )
}

#[test]
fn a_kubelet_writes_its_own_node_and_no_other() {
    use Operation::{Create, Delete, Update};
    for (operation, place, subresource) in [
        (Create, "@cluster/nodes/", ""),
        (Update, "@cluster/nodes/", "status"),
        (Create, "@cluster/csinodes.storage.k8s.io/", ""),
        (Update, "kube-node-lease/leases.coordination.k8s.io/", ""),
    ] {
        let at = |name: &str| kubelet(operation, &format!("{place}{name}")).sub(subresource);
        assert!(delegated(&world(), &at("node-1")), "{place}");
        assert_eq!(
            world().says(&at("node-2")),
            Said::Deny(Reason::SystemUser),
            "{place}"
        );
        let stranger = Ask {
            groups: Vec::new(),
            ..at("node-1")
        };
        assert!(!delegated(&world(), &stranger), "without the group of nodes");
    }
    let stray = kubelet(Update, "kube-system/leases.coordination.k8s.io/node-1");
    assert!(!delegated(&world(), &stray));
    for operation in [Update, Delete] {
        let whole = kubelet(operation, "@cluster/nodes/node-1");
        assert!(
            !delegated(&world(), &whole),
            "beyond its status, its node is not its own"
        );
    }
}

#[test]
fn a_kubelet_writes_the_status_of_its_own_pods_only() {
    let status = |node: &str, metadata: &str| {
        let (old, new) = (pod(node, ""), pod(node, metadata).replace(r#""a":1"#, r#""a":2"#));
        kubelet(Operation::Update, "billing/pods/web")
            .sub("status")
            .from(&old, &new)
    };
    assert!(delegated(&world(), &status("node-1", "")));
    assert!(
        !delegated(&world(), &status("node-2", "")),
        "a pod of another node"
    );
    assert!(!delegated(&world(), &status("node-1", OWNED)), "an owner besides");
    let spec = kubelet(Operation::Update, "billing/pods/web").from(&pod("node-1", ""), &pod("node-1", OWNED));
    assert!(!delegated(&world(), &spec));
}

#[test]
fn a_kubelet_removes_its_own_pods_once_they_are_being_deleted() {
    let deletes = |node: &str, metadata: &str| {
        let ask = kubelet(Operation::Delete, "billing/pods/web");
        ask.from(&pod(node, metadata), "{}")
    };
    let dying = r#""deletionTimestamp":"2026-06-01T00:00:00Z""#;
    assert!(delegated(&world(), &deletes("node-1", dying)));
    assert!(!delegated(&world(), &deletes("node-2", dying)));
    assert!(!delegated(&world(), &deletes("node-1", "")), "a pod that lives");
    let unseen = Ask {
        old: None,
        ..deletes("node-1", dying)
    };
    assert!(!delegated(&world(), &unseen));
    let mirror = r#""annotations":{"kubernetes.io/config.mirror":"x"}"#;
    assert!(
        delegated(&world(), &deletes("node-1", mirror)),
        "the static pod is gone"
    );
    assert!(!delegated(&world(), &deletes("node-2", mirror)));
}

#[test]
fn a_kubelet_clears_the_devices_of_its_own_node_only() {
    let deletes = |object: &str| {
        let place = "@cluster/resourceslices.resource.k8s.io/devices";
        kubelet(Operation::Delete, place).from(object, "{}")
    };
    assert!(delegated(&world(), &deletes(&pod("node-1", ""))));
    assert!(!delegated(&world(), &deletes(&pod("node-2", ""))));
    assert!(
        !delegated(&world(), &deletes(&object("", ""))),
        "devices of no node"
    );
}

#[test]
fn the_scheduler_marks_claims_and_volumes_and_nothing_else_of_them() {
    let scheduler = |place: &str, old: (&str, &str), new: (&str, &str)| {
        changes(updates("system:kube-scheduler", place), old, new)
    };
    let claim = "billing/persistentvolumeclaims/data";
    let selected = r#""annotations":{"volume.kubernetes.io/selected-node":"node-1"}"#;
    assert!(delegated(&world(), &scheduler(claim, ("", ""), (selected, ""))));
    let grown = (r#""spec":{"size":1}"#, r#""spec":{"size":2}"#);
    assert!(!delegated(
        &world(),
        &scheduler(claim, ("", grown.0), ("", grown.1))
    ));
    let volume = "@cluster/persistentvolumes/disk";
    let bound = r#""spec":{"claimRef":{"name":"data"}}"#;
    assert!(delegated(&world(), &scheduler(volume, ("", ""), ("", bound))));
    assert!(!delegated(
        &world(),
        &scheduler(volume, ("", grown.0), ("", grown.1))
    ));
    let devices = "billing/resourceclaims.resource.k8s.io/gpu";
    let held = r#""finalizers":["resource.kubernetes.io/delete-protection"]"#;
    assert!(delegated(&world(), &scheduler(devices, ("", ""), (held, ""))));
    assert!(!delegated(
        &world(),
        &scheduler(devices, ("", grown.0), ("", grown.1))
    ));
}

#[test]
fn a_kubelet_makes_mirror_pods_on_its_own_node_only() {
    let mirrors = |node: &str, metadata: &str| Ask {
        new: Some(pod(node, metadata)),
        ..kubelet(Operation::Create, "kube-system/pods/etcd")
    };
    let mirror = r#""annotations":{"kubernetes.io/config.mirror":"x"}"#;
    assert!(delegated(&world(), &mirrors("node-1", mirror)));
    assert!(!delegated(&world(), &mirrors("node-2", mirror)));
    assert!(
        !delegated(&world(), &mirrors("node-1", "")),
        "a pod of its own making"
    );
}

#[test]
fn what_the_control_plane_does_is_listed() {
    let is = |said: &str, asked: &str| said == "*" || said == asked;
    for ask in work() {
        let resource = match ask.subresource.as_str() {
            "" => ask.resource.clone(),
            subresource => format!("{}/{subresource}", ask.resource),
        };
        let listed = super::writes().any(|write| {
            let writer = write.writer.trim_end_matches('*');
            let part = write.resource.replacen('*', &ask.resource, 1);
            ask.username.starts_with(writer)
                && write.operation == ask.operation
                && is(write.group, &ask.group)
                && part == resource
        });
        assert!(listed, "{} {} {resource}", ask.username, ask.operation);
    }
}
