//! The work itself: people ask, with approvals, and the node, the scheduler and the controllers do what follows.

use std::fs;

use serde_json::json;

use super::{harness::wait::until, node::Node};

const GROUND: &str = include_str!("../data/node/ground.yaml");
const WORK: &str = include_str!("../data/node/work.yaml");
const STATIC_POD: &str = include_str!("../data/node/static-pod.yaml");

/// Everything that was asked for is there and works.
pub fn is_done(node: &Node<'_>) {
    node.apply(GROUND);
    node.apply(WORK);
    node.asks(&[
        "patch",
        "pod",
        "orphan-rc",
        "--subresource=status",
        "-p",
        r#"{"status":{"conditions":[{"type":"DisruptionTarget","status":"True"}]}}"#,
    ]);
    runs(node);
    node.waits("wait --for=jsonpath={.status.readyReplicas}=3 deployment/web");
    node.shows("get job once -o name", "");
    for (pod, owner) in [("orphan-rs", "rs"), ("orphan-rc", "rc")] {
        node.shows(
            &format!("get pod {pod} -o jsonpath={{.metadata.ownerReferences[0].name}}"),
            owner,
        );
    }
    node.shows("get pvc made -o jsonpath={.status.phase}", "Bound");
    node.shows(
        r"get pvc scratch-s -o jsonpath={.metadata.annotations.volume\.kubernetes\.io/selected-node}",
        "node1",
    );
    node.shows("get pod tainted -o jsonpath={.spec.nodeName}", "node1");
    node.shows(
        "get resourcequota quota -o jsonpath={.status.hard.configmaps}",
        "50",
    );
    node.shows(
        "get clusterrole whole -o jsonpath={.rules[0].resources[0]}",
        "widgets",
    );
    until("the token of an old kind", || {
        (!node
            .sees("get secret old-token -o jsonpath={.data.token}")
            .is_empty())
        .then_some(())
    });
    is_attached(node);
}

/// The driver, played, attaches a volume.
fn is_attached(node: &Node<'_>) {
    let name = until("the volume attachment", || {
        let name = node.sees("get volumeattachments -o jsonpath={.items[*].metadata.name}");
        (!name.is_empty()).then_some(name)
    });
    let attached = r#"{"status":{"attached":true}}"#;
    node.asks(&[
        "patch",
        "volumeattachment",
        &name,
        "--subresource=status",
        "--type=merge",
        "-p",
        attached,
    ]);
    until("the node to show the volume", || {
        (!node
            .sees("get node node1 -o jsonpath={.status.volumesAttached}")
            .is_empty())
        .then_some(())
    });
}

/// The workloads are up.
pub fn runs(node: &Node<'_>) {
    for workload in ["deployment/web", "statefulset/db", "daemonset/agent"] {
        node.waits(&format!("rollout status {workload}"));
    }
}

/// What people change is carried out.
pub fn follows_changes(node: &Node<'_>) {
    let pod = node.sees("get pods -l app=rs -o jsonpath={.items[0].metadata.name}");
    node.call(&pod, "/crash");
    node.shows(
        &format!("get pod {pod} -o jsonpath={{.status.containerStatuses[0].restartCount}}"),
        "1",
    );
    let pod = node.sees("get pods -l app=web -o jsonpath={.items[0].metadata.name}");
    node.call(&pod, "/unready");
    node.waits(&format!("wait --for=condition=Ready=false pod/{pod}"));
    for workload in ["deployment/web", "statefulset/db", "daemonset/agent"] {
        node.asks_to(&format!("set env {workload} VERSION=2"));
    }
    runs(node);
    services_follow(node);
    node.asks(&[
        "patch",
        "job",
        "long",
        "--type=merge",
        "-p",
        r#"{"spec":{"suspend":true}}"#,
    ]);
    node.shows("get pods -l job-name=long -o name", "");
    volumes_and_devices_follow(node);
    orphans_are_adopted(node);
    node.asks_to("delete serviceaccount leaving");
    node.shows("get secret leaving-token -o name", "");
    node.asks_to("scale replicationcontroller/rc --replicas=1");
    node.asks_to("scale statefulset/db --replicas=1");
    node.shows("get pvc data-db-1 -o name", "");
    static_pods_are_mirrored(node);
    signers_follow(node);
    until("the CronJob to have run", || {
        (!node
            .sees("get cronjob often -o jsonpath={.status.lastSuccessfulTime}")
            .is_empty())
        .then_some(())
    });
}

fn services_follow(node: &Node<'_>) {
    let ports = r#"{"spec":{"ports":[{"port":81,"targetPort":8081}]}}"#;
    node.asks(&["patch", "service", "web", "--type=merge", "-p", ports]);
    node.apply(include_str!("../data/node/stray-slice.yaml"));
    node.shows("get endpointslice stray -o name", "");
    let subsets = r#"{"subsets":[{"addresses":[{"ip":"192.0.2.2"}],"ports":[{"port":80}]}]}"#;
    node.asks(&["patch", "endpoints", "outside", "--type=merge", "-p", subsets]);
    node.shows(
        "get endpointslices -l kubernetes.io/service-name=outside -o jsonpath={.items[0].endpoints[0].addresses[0]}",
        "192.0.2.2",
    );
    node.asks_to("delete endpoints outside");
    node.shows(
        "get endpointslices -l kubernetes.io/service-name=outside -o name",
        "",
    );
}

fn volumes_and_devices_follow(node: &Node<'_>) {
    let more = r#"{"spec":{"resources":{"requests":{"storage":"2Gi"}}}}"#;
    node.asks(&["patch", "pvc", "migrated", "--type=merge", "-p", more]);
    node.shows(
        r"get pvc migrated -o jsonpath={.metadata.annotations.volume\.kubernetes\.io/storage-resizer}",
        "ebs.csi.aws.com",
    );
    node.shows("get pod gpu -o jsonpath={.status.phase}", "Failed");
    let claim = node.sees("get pod tainted -o jsonpath={.status.resourceClaimStatuses[0].resourceClaimName}");
    let device = node.sees(&format!(
        "get resourceclaim {claim} -o jsonpath={{.status.allocation.devices.results[0].device}}"
    ));
    let at = usize::from(device != "one");
    let taint = json!([{
        "op": "add",
        "path": format!("/spec/devices/{at}/taints"),
        // Without a time the API server would choose that of the attempt.
        "value": [{ "key": "example.com/broken", "effect": "NoExecute", "timeAdded": "2026-01-01T00:00:00Z" }],
    }]);
    node.asks(&[
        "patch",
        "resourceslice",
        "node1-gpus",
        "--type=json",
        "-p",
        &taint.to_string(),
    ]);
    node.shows("get pod tainted -o name", "");
    node.shows("get resourceclaims -o name", "");
}

/// Pods whose owner is made anew.
fn orphans_are_adopted(node: &Node<'_>) {
    for (kind, name) in [
        ("StatefulSet", "db"),
        ("DaemonSet", "agent"),
        ("Deployment", "web"),
    ] {
        node.asks_to(&format!("delete {kind} {name} --cascade=orphan"));
        let again = WORK
            .split("\n---\n")
            .find(|object| object.contains(&format!("kind: {kind}\n")))
            .unwrap();
        node.apply(again);
    }
    runs(node);
}

fn static_pods_are_mirrored(node: &Node<'_>) {
    let file = node.file("static/mirrored.yaml");
    fs::write(&file, STATIC_POD).unwrap();
    let admin = node.cluster.admin();
    let get = "get pod mirrored-node1 -n kube-system --ignore-not-found -o jsonpath={.status.phase}";
    until("the mirror of the static pod", || {
        (admin.kubectl(get).stdout == "Running").then_some(())
    });
    fs::remove_file(file).unwrap();
    until("the mirror to be gone", || {
        admin.kubectl(get).stdout.is_empty().then_some(())
    });
}

/// What only the control plane knows how to write is put back.
fn signers_follow(node: &Node<'_>) {
    let ada = |arguments: &[&str]| node.asks(arguments);
    ada(&[
        "patch",
        "configmap",
        "kube-root-ca.crt",
        "--type=merge",
        "-p",
        r#"{"data":{"ca.crt":"x"}}"#,
    ]);
    until("the cluster's authority to be published again", || {
        node.sees(r"get configmap kube-root-ca.crt -o jsonpath={.data.ca\.crt}")
            .starts_with("-----BEGIN")
            .then_some(())
    });
    let signature = r"get configmap cluster-info -n kube-public -o jsonpath={.data.jws-kubeconfig-abcdef}";
    let before = node.cluster.admin().kubectl(signature).done();
    node.asks_in(
        "kube-public",
        &[
            "patch",
            "configmap",
            "cluster-info",
            "--type=merge",
            "-p",
            r#"{"data":{"kubeconfig":"{ }"}}"#,
        ],
    );
    until("the cluster's description to be signed again", || {
        (node.cluster.admin().kubectl(signature).done() != before).then_some(())
    });
}

/// The same writes, by somebody whom Kubernetes lets do anything.
pub fn is_refused_to_people(node: &Node<'_>) {
    let pod = node.sees("get pods -l app=web -o jsonpath={.items[0].metadata.name}");
    let here = node.area.namespace.as_str();
    let finalizers = r#"{"metadata":{"finalizers":[]}}"#;
    let claim = r#"{"spec":{"claimRef":null}}"#;
    let status = r#"{"status":{"phase":"Failed"}}"#;
    let conditions = r#"{"status":{"conditions":[]}}"#;
    let taints = r#"{"spec":{"taints":[{"key":"a","effect":"NoExecute"}]}}"#;
    let holder = r#"{"spec":{"holderIdentity":"mallory"}}"#;
    let patch = ["--type=merge", "-p"];
    for write in [
        &[
            "patch",
            "pod",
            &pod,
            "-n",
            here,
            "--subresource=status",
            patch[0],
            patch[1],
            status,
        ][..],
        &[
            "patch",
            "node",
            "node1",
            "--subresource=status",
            patch[0],
            patch[1],
            conditions,
        ],
        &["patch", "node", "node1", patch[0], patch[1], taints],
        &[
            "patch",
            "lease",
            "node1",
            "-n",
            "kube-node-lease",
            patch[0],
            patch[1],
            holder,
        ],
        &[
            "patch",
            "lease",
            "kube-scheduler",
            "-n",
            "kube-system",
            patch[0],
            patch[1],
            holder,
        ],
        &[
            "patch",
            "persistentvolume",
            &format!("{here}-0"),
            patch[0],
            patch[1],
            claim,
        ],
        &["patch", "pvc", "made", "-n", here, patch[0], patch[1], finalizers],
        &[
            "patch",
            "deployment",
            "web",
            "-n",
            here,
            "--subresource=status",
            patch[0],
            patch[1],
            conditions,
        ],
        &["scale", "deployment", "web", "-n", here, "--replicas=1"],
        &["delete", "pod", &pod, "-n", here],
        &["delete", "pod", "-n", "kube-system", "-l", "k8s-app=kube-dns"],
        &["delete", "resourceslice", "node1-gpus"],
        &["delete", "csinode", "node1"],
        &["create", "token", "default", "-n", here],
        &["create", "job", "more", "-n", here, "--image=node.local/work:1"],
    ] {
        let outcome = node.cluster.person("mallory").run(write, "");
        assert!(
            outcome.stderr.contains("denied the request: "),
            "{write:?} was not denied: {}{}",
            outcome.stdout,
            outcome.stderr
        );
    }
}

/// Pods make room for others, leave a tainted node, and go with a node that is gone.
pub fn moves_away(node: &Node<'_>) {
    node.shows(
        r#"get pod orphan-rc -o jsonpath={.status.conditions[?(@.type=="DisruptionTarget")].status}"#,
        "False",
    );
    let room = r#"{"status":{"capacity":{"example.com/room":"1"}}}"#;
    node.asks(&[
        "patch",
        "node",
        "node1",
        "--subresource=status",
        "--type=merge",
        "-p",
        room,
    ]);
    node.apply(include_str!("../data/node/big.yaml"));
    node.waits("wait --for=condition=Ready pod/big");
    node.apply(include_str!("../data/node/urgent.yaml"));
    node.waits("wait --for=condition=Ready pod/urgent");
    node.shows("get pod big -o name", "");
    node.asks_to("delete pod urgent");

    node.apply(include_str!("../data/node/ghost.yaml"));
    node.asks_to("delete node ghost");
    node.shows("get pod lost -o name", "");

    let pod = node.sees("get pods -l app=agent -o jsonpath={.items[0].metadata.name}");
    node.asks_to("taint node node1 example.com/leave=now:NoExecute");
    node.shows(&format!("get pod {pod} -o name"), "");
    node.asks_to("taint node node1 example.com/leave-");
    runs(node);
}

/// What people delete goes with all that belongs to it.
pub fn is_cleaned_up(node: &Node<'_>) {
    node.asks_to("delete pod attached --ignore-not-found");
    node.shows("get volumeattachments -o name", "");
    node.asks_to("delete service web");
    node.shows("get endpoints web -o name", "");
    node.asks_to("delete pvc made");
    until("the volume that was made to go", || {
        let left = node.sees("get persistentvolumes -o jsonpath={.items[*].spec.storageClassName}");
        (!left.contains("made")).then_some(())
    });
    node.asks_to("delete volumeattributesclass fast");
    node.asks_to("delete servicecidr more");
    let unused = format!("{}-unused", node.area.namespace);
    node.asks_to(&format!("delete persistentvolume {unused}"));
    let delete = format!("delete namespace {} --timeout=90s", node.area.namespace);
    node.asks_to(&delete);
}
