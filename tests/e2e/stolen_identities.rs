//! Outside prod, too, nobody gets the credential of an agent or of a delegated subject, or has anything run under it,
//! unless it was approved; what was approved rolls out.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::harness::{Area, Person, pods, shared, wait::until};

/// A request of a client named `system:node:n1`.
const REQUEST: &str = "-----BEGIN CERTIFICATE REQUEST-----
MIGvMGMCAQAwMDEVMBMGA1UECgwMc3lzdGVtOm5vZGVzMRcwFQYDVQQDDA5zeXN0
ZW06bm9kZTpuMTAqMAUGAytlcAMhAPBia2mmAXlMEXqtd9NEbjDQSsG3UjZP9xqJ
IxW0L0cloAAwBQYDK2VwA0EA98S2obJlZ4AEVzm2YS0cnjt/zTQQgM0tijGSCPDG
lF+sUz0OrkYeuFUheJm3x2tL7a6NJttkBZfIkTC11EigCA==
-----END CERTIFICATE REQUEST-----
";

/// Mallory's place in dev: the agent robot and the delegated manager have their accounts in it.
fn workshop() -> Area<'static> {
    Area {
        cluster: shared(),
        namespace: "workshop".to_owned(),
        reviewers: &["ben"],
    }
}

fn mallory() -> &'static Person {
    shared().person("mallory")
}

/// Pods under this account.
fn pods_as(account: &str, name: &str) -> Value {
    let mut pods = pods(name);
    pods["spec"]["serviceAccountName"] = json!(account);
    pods
}

fn pod(account: &str, name: &str) -> Value {
    let mut pod = pods_as(account, name);
    pod["apiVersion"] = json!("v1");
    pod["kind"] = json!("Pod");
    pod["metadata"] = json!({ "name": name, "namespace": "workshop" });
    pod
}

fn deployment(account: &str, name: &str) -> Value {
    let mut deployment = workshop().deployment(name, 1);
    deployment["spec"]["template"] = pods_as(account, name);
    deployment
}

/// Waits until so many pods of a Deployment are there, all of them under this account.
#[track_caller]
fn runs(name: &str, number: usize, account: &str) -> Vec<Value> {
    until(&format!("{number} pods of {name}"), || {
        let pods = workshop().get(&format!("pods -l app={name}"));
        let pods = pods["items"].as_array().unwrap().clone();
        let is_of_account = |pod: &Value| pod["spec"]["serviceAccountName"] == account;
        (pods.len() == number && pods.iter().all(is_of_account)).then_some(pods)
    })
}

#[test]
fn nobody_runs_anything_as_somebody_else_in_a_place_of_their_own() {
    for account in ["robot", "manager"] {
        mallory()
            .apply(&deployment(account, "theft"))
            .denied("StolenIdentity");
        mallory().apply(&pod(account, "theft")).denied("StolenIdentity");
        let mut template = pods_as(account, "theft");
        template["spec"]["restartPolicy"] = json!("Never");
        let job = json!({ "spec": { "template": template } });
        let cron_job = json!({
            "apiVersion": "batch/v1",
            "kind": "CronJob",
            "metadata": { "name": "theft", "namespace": "workshop" },
            "spec": { "schedule": "* * * * *", "jobTemplate": job },
        });
        mallory().apply(&cron_job).denied("StolenIdentity");
    }
    mallory().apply(&deployment("other", "own")).done();
    runs("own", 1, "other");
    let switched =
        json!({ "spec": { "template": { "spec": { "serviceAccountName": "robot" } } } }).to_string();
    let patch = [
        "patch",
        "deployment",
        "own",
        "-n",
        "workshop",
        "--type=merge",
        "-p",
        &switched,
    ];
    let denied = mallory().run(&patch, "").denied("StolenIdentity");
    assert!(denied.contains("agent:robot"), "{denied}");
}

#[test]
fn no_former_template_runs_as_somebody_else() {
    let revision = |template: Value| {
        json!({
            "apiVersion": "apps/v1",
            "kind": "ControllerRevision",
            "metadata": { "name": "theft", "namespace": "workshop" },
            "revision": 1,
            "data": { "spec": { "template": template } },
        })
    };
    let pods = |more: Value| {
        let mut pods = pods_as("other", "theft");
        pods["$patch"] = json!("replace");
        pods["spec"]
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        pods
    };
    // The StatefulSet controller takes all of these for the account: U+017F is a long s.
    for key in [
        "serviceAccountName",
        "ServiceAccountName",
        "\u{17f}erviceAccountName",
    ] {
        let stolen = revision(pods(json!({ key: "robot" })));
        mallory().create(&stolen).denied("StolenIdentity");
    }
    mallory().create(&revision(pods(json!({})))).done();
}

#[test]
fn nobody_gets_a_token_an_account_or_a_certificate_of_somebody_else() {
    for account in ["robot", "manager"] {
        mallory()
            .kubectl(&format!("create token {account} -n workshop"))
            .denied("StolenIdentity");
        mallory()
            .kubectl(&format!("delete serviceaccount {account} -n workshop"))
            .denied("StolenIdentity");
        let secret = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/service-account-token",
            "metadata": {
                "name": "theft",
                "namespace": "workshop",
                "annotations": { "kubernetes.io/service-account.name": account },
            },
        });
        mallory().create(&secret).denied("StolenIdentity");
    }
    mallory().kubectl("create token other -n workshop").done();
    let controller = "create token namespace-controller -n kube-system";
    mallory().kubectl(controller).denied("StolenIdentity");
    let request = json!({
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": { "name": "theft" },
        "spec": {
            "signerName": "kubernetes.io/kube-apiserver-client-kubelet",
            "request": STANDARD.encode(REQUEST),
            "usages": ["digital signature", "client auth"],
        },
    });
    mallory().create(&request).denied("StolenIdentity");
    // Nor does an agent get one of its own unseen.
    shared()
        .person("deployer")
        .kubectl("create token deployer -n agents")
        .denied("StolenIdentity");
}

#[test]
fn what_an_admin_was_allowed_to_run_as_an_agent_rolls_out() {
    let area = workshop();
    let ticket = area.with_approval(|| area.person("ada").apply(&deployment("robot", "robots")));
    assert_eq!(ticket.object()["spec"]["binding"]["env"], "prod");
    let pods = runs("robots", 1, "robot");
    let pod = pods[0]["metadata"]["name"].as_str().unwrap();

    // More of the same is as free as the place is.
    let scale = "scale deployment robots --replicas=2 -n workshop";
    mallory().kubectl(scale).done();
    runs("robots", 2, "robot");
    // Something else under the account is not, and its owner may ask for it.
    let exec = format!("exec {pod} -n workshop -- cat /token");
    mallory().kubectl(&exec).denied("ApprovalRequired");
    let image = "set image deployment/robots main=registry.example/main:2 -n workshop";
    area.with_approval(|| mallory().kubectl(image));
    until("a pod of the new version", || {
        let pods = area.get("pods -l app=robots");
        let is_new = |pod: &Value| pod["spec"]["containers"][0]["image"] == "registry.example/main:2";
        pods["items"].as_array().unwrap().iter().any(is_new).then_some(())
    });
}

#[test]
fn the_controller_of_some_kind_runs_nothing_as_somebody_else() {
    let manager = |object: &Value, more: &[&str]| {
        let create = ["create", "-f", "-", "--as=system:serviceaccount:workshop:manager"];
        let arguments = [&create, more].concat();
        shared().admin().run(&arguments, &object.to_string())
    };
    let with_uid = ["--as-uid=as-every-token-tells-it"];
    manager(&pod("other", "made"), &with_uid).done();
    for account in ["robot", "manager"] {
        manager(&pod(account, "stolen"), &with_uid).denied("StolenIdentity");
    }
    let in_name_only = manager(&pod("other", "in-name-only"), &[]);
    assert!(
        in_name_only.stderr.contains("UnregisteredAccount"),
        "{}",
        in_name_only.stderr
    );
}

#[test]
fn a_connection_to_what_runs_as_nobody_in_particular_is_free() {
    mallory().apply(&pod("other", "plain")).done();
    // No kubelet listens: that the API server looks for it shows that it was let through.
    let passed = mallory().kubectl("exec plain -n workshop -- ls");
    assert!(!passed.stderr.contains("denied the request"), "{}", passed.stderr);
    mallory()
        .kubectl("exec nowhere -n workshop -- ls")
        .refused("not found");
}
