//! Strict mode does not stop the cluster's own work: with the built-in delegations alone, what people were allowed
//! to ask for is done, and what the controllers do is still refused to people.

use std::sync::Once;

use serde_json::{Value, json};

use super::harness::{Area, kubelet, pods, shared, wait::until};

/// An area of the shared cluster, with the kubelet at work.
pub fn area() -> Area<'static> {
    static KUBELET: Once = Once::new();
    KUBELET.call_once(|| {
        let credential = shared()
            .control_plane()
            .issue("system:node:node1", &["system:nodes"]);
        kubelet::play(credential);
    });
    shared().area()
}

/// Lets olga run kubectl here, with an approval.
fn asks(area: &Area<'_>, arguments: &str) {
    let arguments = format!("{arguments} -n {}", area.namespace);
    area.with_approval(|| area.person("olga").kubectl(&arguments));
}

/// Waits for kubectl to say that this is so.
fn sees(area: &Area<'_>, wait: &str) {
    let arguments = format!("{wait} --timeout=60s -n {}", area.namespace);
    area.cluster.admin().kubectl(&arguments).done();
}

#[test]
fn a_deployment_rolls_out_and_is_collected_with_all_its_pods() {
    let area = area();
    area.put(&area.deployment("web", 2));
    sees(&area, "rollout status deployment/web");
    asks(&area, "set image deployment/web main=registry.example/main:2");
    sees(&area, "rollout status deployment/web");
    let web = area.get("deployment web");
    assert_eq!(web["status"]["readyReplicas"], 2);
    assert_eq!(
        web["metadata"]["annotations"]["deployment.kubernetes.io/revision"],
        "2"
    );

    asks(&area, "delete deployment web --cascade=foreground --wait=false");
    until("everything of the deployment to be gone", || {
        let left = area.get("deployments,replicasets,pods");
        left["items"].as_array().unwrap().is_empty().then_some(())
    });
}

#[test]
fn a_job_completes() {
    let area = area();
    area.put(&object(
        &area,
        "batch/v1",
        "Job",
        "once",
        &json!({ "template": once() }),
    ));
    sees(&area, "wait --for=condition=Complete job/once");
}

#[test]
fn a_cron_job_runs() {
    let area = area();
    let every_minute = json!({ "schedule": "* * * * *", "jobTemplate": { "spec": { "template": once() } } });
    area.put(&object(&area, "batch/v1", "CronJob", "often", &every_minute));
    until("the first run", || {
        (!area.get("jobs")["items"].as_array().unwrap().is_empty()).then_some(())
    });
    sees(&area, "wait --for=condition=Complete job --all");
}

#[test]
fn a_stateful_set_with_volumes_becomes_ready() {
    let area = area();
    let spec = json!({
        "serviceName": "db",
        "replicas": 2,
        "selector": { "matchLabels": { "app": "db" } },
        "template": pods("db"),
        "volumeClaimTemplates": [{
            "metadata": { "name": "data" },
            "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } },
        }],
    });
    area.put(&object(&area, "apps/v1", "StatefulSet", "db", &spec));
    sees(&area, "rollout status statefulset/db");
    assert_eq!(
        area.get("persistentvolumeclaims")["items"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn an_autoscaler_scales() {
    let area = area();
    area.put(&area.deployment("web", 1));
    let spec = json!({
        "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" },
        "minReplicas": 3,
        "maxReplicas": 5,
    });
    area.put(&object(
        &area,
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        "web",
        &spec,
    ));
    sees(
        &area,
        "wait --for=jsonpath={.status.readyReplicas}=3 deployment/web",
    );
}

#[test]
fn a_namespace_of_prod_is_deleted_with_its_ticket_and_all_that_is_in_it() {
    let area = area();
    area.put(&area.deployment("web", 1));
    area.put(&area.config_map("app", &json!({ "a": "1" })));
    sees(&area, "rollout status deployment/web");
    let delete = format!("delete namespace {} --timeout=60s", area.namespace);
    let ticket = area.with_approval(|| area.person("olga").kubectl(&delete));
    assert_eq!(ticket.namespace, "countersign-system");
    ticket.becomes("Consumed");
}

#[test]
fn what_controllers_do_is_refused_to_people() {
    let area = area();
    area.put(&area.deployment("web", 1));
    sees(&area, "rollout status deployment/web");
    let pod = area.get("pods")["items"][0]["metadata"]["name"].clone();
    let pod = pod.as_str().unwrap();
    let status = r#"{"status":{"replicas":9}}"#;
    let owner = r#"{"metadata":{"ownerReferences":[]}}"#;
    let n = area.namespace.as_str();
    for write in [
        vec!["scale", "deployment", "web", "--replicas=3", "-n", n],
        vec!["delete", "pod", pod, "-n", n],
        vec!["delete", "replicaset", "-l", "app=web", "-n", n],
        vec![
            "patch",
            "deployment",
            "web",
            "--subresource=status",
            "--type=merge",
            "-p",
            status,
            "-n",
            n,
        ],
        vec![
            "patch",
            "pod",
            pod,
            "--subresource=status",
            "--type=merge",
            "-p",
            r#"{"status":{"podIP":"10.0.0.9"}}"#,
            "-n",
            n,
        ],
        vec!["patch", "pod", pod, "--type=merge", "-p", owner, "-n", n],
        vec![
            "create",
            "job",
            "once",
            "--image=registry.example/main:1",
            "-n",
            n,
        ],
        vec![
            "drain",
            "node1",
            "--force",
            "--ignore-daemonsets",
            "--pod-selector=app=web",
            "--disable-eviction",
        ],
    ] {
        let denied = area.person("olga").run(&write, "");
        let reason = if write[0] == "drain" {
            "Unzoned"
        } else {
            "ApprovalRequired"
        };
        denied.denied(reason);
    }
    let eviction = json!({
        "apiVersion": "policy/v1", "kind": "Eviction", "metadata": { "name": pod, "namespace": n },
    });
    let evict = format!("create --raw /api/v1/namespaces/{n}/pods/{pod}/eviction -f -");
    area.person("olga")
        .kubectl_with(&evict, &eviction.to_string())
        .denied("ApprovalRequired");
    let binding = json!({
        "apiVersion": "v1", "kind": "Binding", "metadata": { "name": pod, "namespace": n },
        "target": { "kind": "Node", "name": "node2" },
    });
    let bind = format!("create --raw /api/v1/namespaces/{n}/pods/{pod}/binding -f -");
    area.person("olga")
        .kubectl_with(&bind, &binding.to_string())
        .denied("ApprovalRequired");
}

fn object(area: &Area<'_>, version: &str, kind: &str, name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": version,
        "kind": kind,
        "metadata": { "name": name, "namespace": area.namespace },
        "spec": spec,
    })
}

/// Pods that run to their end.
fn once() -> Value {
    let mut template = pods("once");
    template["spec"]["restartPolicy"] = json!("Never");
    template
}
