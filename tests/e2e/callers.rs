//! Callers of the webhook: with `--webhook-client-ca` they prove by a certificate that they are the API server.

use std::fs;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{harness::Cluster, outages::AWAY};

/// What tells the API server which certificate it shows to webhooks.
fn admission_configuration(kubeconfig: &str) -> Value {
    let plugin = |name: &str| {
        json!({
            "name": name,
            "configuration": {
                "apiVersion": "apiserver.config.k8s.io/v1",
                "kind": "WebhookAdmissionConfiguration",
                "kubeConfigFile": kubeconfig,
            },
        })
    };
    json!({
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AdmissionConfiguration",
        "plugins": [plugin("ValidatingAdmissionWebhook"), plugin("MutatingAdmissionWebhook")],
    })
}

#[test]
fn without_its_certificate_the_api_server_itself_is_not_answered() {
    let folder = std::env::temp_dir().join(format!("countersign-callers-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let file = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let (configuration, kubeconfig, authority) = (file("admission"), file("kubeconfig"), file("ca.crt"));
    fs::write(&configuration, admission_configuration(&kubeconfig).to_string()).unwrap();
    fs::write(&kubeconfig, r#"{"apiVersion":"v1","kind":"Config"}"#).unwrap();
    let flag = format!("--admission-control-config-file={configuration}");
    let cluster = Cluster::observing_with(&[flag]).of_company(1);
    cluster.see_admins();
    cluster.enforce();
    fs::write(&authority, STANDARD.decode(cluster.authority()).unwrap()).unwrap();

    let area = cluster.area();
    let object = area.config_map("app", &json!({}));
    let with_authority = ["sh", "-c", r#"exec "$@" --webhook-client-ca "$0""#, &authority];
    cluster.operator().restart_by(&with_authority);
    area.person("olga").create(&object).refused(AWAY);
    let rejected = r#"countersign_listener_rejected_total{reason="handshake"}"#;
    assert!(cluster.operator().counted(rejected).unwrap() > 0);

    // For lack of a user of the webhook's name the one of the present context is taken.
    fs::copy(cluster.control_plane().issue("api-server", &[]), &kubeconfig).unwrap();
    cluster.control_plane().component("restart", "apiserver");
    area.put(&object);
    fs::remove_dir_all(&folder).unwrap();
}
