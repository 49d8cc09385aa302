//! The node loses its certificates, or power, and comes back.

use std::{fs, process::Command};

use super::{
    harness::wait::{until, within},
    node::{LONG, Node},
    work,
};

/// What the API server says when the operator does not answer.
const AWAY: &str = r#"failed calling webhook "validate.countersign.dev""#;

/// A kubelet without certificates gets one by its bootstrap token, which nobody has to approve, and one to serve with,
/// which people approve; and finds that the driver of its devices is gone.
pub fn joins_again(node: &Node<'_>) {
    node.component("stop", "kubelet");
    fs::remove_dir_all(node.file("kubelet/pki")).unwrap();
    fs::remove_file(node.file("kubelet/kubeconfig")).unwrap();
    node.component("start", "kubelet");
    let serving = r#"get csr -o jsonpath={.items[?(@.spec.signerName=="kubernetes.io/kubelet-serving")].metadata.name}"#;
    let old = node.sees(serving);
    let new = within(LONG, "a request for a serving certificate", || {
        let all = node.sees(serving);
        let new = all.split(' ').find(|name| !old.contains(name))?;
        Some(new.to_owned())
    });
    node.asks_to(&format!("certificate approve {new}"));
    let certificate = node.file("kubelet/pki/kubelet-server-current.pem");
    until("the serving certificate", || certificate.exists().then_some(()));
    node.shows("get resourceslices -o name", "");
}

/// Node, control plane and operator are off. All but the operator start again: the node is ready, and what stands in
/// for the operator's pod is made anew and runs; people wait. Once the operator is back all the rest is, too.
pub fn comes_back_without_the_operator(node: &Node<'_>) {
    let admin = node.cluster.admin();
    let stand_ins = "get pods -n countersign-system -o jsonpath={.items[*].metadata.uid}";
    let before = admin.kubectl(stand_ins).done();
    node.cluster.operator().kill();
    for component in ["kubelet", "scheduler", "controller-manager", "apiserver", "etcd"] {
        node.component("stop", component);
    }
    kill_pods();
    node.component("start", "etcd");
    node.component("start", "apiserver");
    until("the API server", || {
        admin.kubectl("get --raw /readyz").succeeded().then_some(())
    });
    node.component("start", "controller-manager");
    node.component("start", "scheduler");
    let leaving = "get pods -n countersign-system -o jsonpath={.items[*].metadata.deletionTimestamp}";
    within(LONG, "the stand-ins to leave a node that does not answer", || {
        let left = admin.kubectl(leaving);
        (left.stdout.split_whitespace().count() == 2).then_some(())
    });
    node.component("start", "kubelet");
    admin
        .kubectl("wait --for=condition=Ready --timeout=120s node/node1")
        .done();
    for workload in ["statefulset/stand-in", "deployment/stand-in"] {
        admin
            .kubectl(&format!(
                "rollout status {workload} -n countersign-system --timeout=120s"
            ))
            .done();
    }
    let after = admin.kubectl(stand_ins).done();
    assert!(
        before.split_whitespace().all(|uid| !after.contains(uid)),
        "{before} {after}"
    );
    node.area
        .person("ada")
        .kubectl("create namespace other")
        .refused(AWAY);

    node.cluster.operator().restart();
    within(LONG, "the workloads to be back", || {
        let ready = node.sees("get deployment web -o jsonpath={.status.readyReplicas}");
        (ready == "3").then_some(())
    });
    work::runs(node);
}

/// Kills everything that runs in pods, as a loss of power does.
fn kill_pods() {
    let tasks = "ctr -n k8s.io tasks list -q | xargs -r -n1 ctr -n k8s.io tasks kill -s KILL";
    let killed = Command::new("sh").args(["-c", tasks]).status().unwrap();
    assert!(killed.success());
}
