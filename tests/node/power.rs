//! The node loses its certificates, or power, and comes back.

use std::{collections::BTreeSet, fs, process::Command};

use serde_json::Value;

use super::{
    harness::{
        Person,
        control_plane::ControlPlane,
        wait::{until, within},
    },
    node::{LONG, Node},
    work,
};

/// What the API server says when the operator does not answer.
pub const AWAY: &str = r#"failed calling webhook "validate.countersign.dev""#;

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

/// Node, control plane and operator are off, and all but the operator start again: what stands in for its pods runs in
/// its place, with its volume, and is made anew when the node fails once more, and when another machine takes its name;
/// people wait. Once the operator is back all the rest is, too.
pub fn comes_back_without_the_operator(node: &Node<'_>) {
    // Where every node is silent, the controllers take no pods away: this one does not count, as if there were others.
    node.asks_to("label node node1 node.kubernetes.io/exclude-disruption=");
    node.cluster.operator().kill();
    let at_first = uids(&stand_ins(node));
    returns(node.cluster.control_plane(), node.cluster.admin());
    runs_where_it_was(node, &at_first);
    node.shows("get endpoints left -o name", "");
    leaves_a_silent_node(node);
    leaves_a_lost_machine(node);
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

/// Power is lost and comes back.
pub fn returns(control_plane: &ControlPlane, admin: &Person) {
    for component in ["kubelet", "scheduler", "controller-manager", "apiserver", "etcd"] {
        control_plane.component("stop", component);
    }
    kill_pods();
    control_plane.component("start", "etcd");
    control_plane.component("start", "apiserver");
    until("the API server", || {
        let ready = admin.kubectl("get --raw /readyz");
        ready.succeeded().then_some(())
    });
    for component in ["kubelet", "controller-manager", "scheduler"] {
        control_plane.component("start", component);
    }
}

/// The same pods run again, and the Service of the one that has a volume finds it at its new address.
fn runs_where_it_was(node: &Node<'_>, at_first: &BTreeSet<String>) {
    within(LONG, "the stand-ins to run again", || {
        let pods = stand_ins(node);
        let restarted = |pod: &Value| pod["status"]["containerStatuses"][0]["restartCount"] == 1;
        (pods.iter().all(|pod| restarted(pod) && is_ready(pod)) && uids(&pods) == *at_first).then_some(())
    });
    is_found(node);
}

/// The node does not answer: its pods are taken from it. Once it answers, others run in their place.
fn leaves_a_silent_node(node: &Node<'_>) {
    let before = loses_power(node);
    within(
        LONG,
        "the stand-ins to be taken from a node that does not answer",
        || {
            let mut pods = stand_ins(node);
            pods.retain(|pod| !pod["metadata"]["deletionTimestamp"].is_null());
            (uids(&pods) == before).then_some(())
        },
    );
    runs_anew(node, &before);
}

/// The machine is gone: who manages machines removes its Node, and the pods go with that. Another machine takes its name,
/// and finds what the first one wrote there of itself.
fn leaves_a_lost_machine(node: &Node<'_>) {
    let before = loses_power(node);
    let control_plane = node.cluster.control_plane();
    let machines = control_plane.issue("system:machines", &["people"]);
    let machines = Person::new(machines, control_plane.kubectl());
    machines.kubectl("delete node node1").done();
    within(LONG, "the stand-ins to go with their Node", || {
        uids(&stand_ins(node)).is_disjoint(&before).then_some(())
    });
    runs_anew(node, &before);
}

/// The node alone is off. Tells which pods were on it.
fn loses_power(node: &Node<'_>) -> BTreeSet<String> {
    let pods = uids(&stand_ins(node));
    node.component("stop", "kubelet");
    kill_pods();
    pods
}

fn runs_anew(node: &Node<'_>, before: &BTreeSet<String>) {
    node.component("start", "kubelet");
    within(LONG, "others to run in their place", || {
        let pods = stand_ins(node);
        (pods.iter().all(is_ready) && pods.len() == before.len() && uids(&pods).is_disjoint(before))
            .then_some(())
    });
    is_found(node);
}

fn is_found(node: &Node<'_>) {
    let admin = node.cluster.admin();
    until("the Service to find its pod", || {
        let pod = admin.get("pod stand-in-0 -n countersign-system");
        let slices = admin.get("endpointslices -n countersign-system -l kubernetes.io/service-name=stand-in");
        let endpoint = &slices["items"][0]["endpoints"][0];
        let ready = endpoint["conditions"]["ready"] == true;
        (ready && endpoint["addresses"][0] == pod["status"]["podIP"]).then_some(())
    });
}

fn stand_ins(node: &Node<'_>) -> Vec<Value> {
    let pods = node.cluster.admin().get("pods -n countersign-system");
    pods["items"].as_array().unwrap().clone()
}

fn uids(pods: &[Value]) -> BTreeSet<String> {
    let uids = pods.iter().map(|pod| pod["metadata"]["uid"].as_str().unwrap());
    uids.map(str::to_owned).collect()
}

/// Whether a pod is ready.
pub fn is_ready(pod: &Value) -> bool {
    let mut conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
    conditions.any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

/// Kills everything that runs in pods, as a loss of power does.
fn kill_pods() {
    let tasks = "ctr -n k8s.io tasks list -q | xargs -r -n1 ctr -n k8s.io tasks kill -s KILL";
    let killed = Command::new("sh").args(["-c", tasks]).status().unwrap();
    assert!(killed.success());
}
