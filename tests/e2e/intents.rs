//! An agent says what it is about to do, once, in one place, at a limited rate; and the audit log keeps it.

use std::{fs, path::PathBuf, time::Instant};

use base64::{Engine, engine::general_purpose::STANDARD};
use futures::future::join_all;
use http::{Response, header::RETRY_AFTER};
use kube::Client;
use serde_json::{Value, json};

use super::harness::{
    Area, Cluster, Outcome, Person, Setup,
    intent::{post, signed},
    shared,
    wait::{LONG, until},
};

/// The file of a private key, of which each byte is this.
pub fn private_key(cluster: &Cluster, seed: u8) -> PathBuf {
    let pkcs8 = [
        &[
            0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
        ][..],
        &[seed; 32],
    ];
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        STANDARD.encode(pkcs8.concat())
    );
    let file = cluster.control_plane().dir().join(format!("{seed}.pem"));
    fs::write(&file, pem).unwrap();
    file
}

/// What the command says of an intent by this key to delete an object here.
pub fn log(agent: &Person, area: &Area<'_>, seed: u8, more: &str) -> Outcome {
    let key = private_key(area.cluster, seed);
    let namespace = &area.namespace;
    agent.countersign(&format!(
        "intent log --action object.configmaps.delete --deletes configmaps:{namespace}/prod/app --reason unused \
         --key {} {more}",
        key.display()
    ))
}

/// The intent as its agent sent it.
fn as_sent(stored: &Value) -> Value {
    let mut intent = stored.clone();
    let (name, namespace) = (&stored["metadata"]["name"], &stored["metadata"]["namespace"]);
    intent["metadata"] = json!({ "name": name, "namespace": namespace });
    intent["spec"].as_object_mut().unwrap().remove("stamp");
    intent
}

#[test]
fn an_intent_is_made_once_by_its_agent_where_it_belongs_and_stays() {
    let area = shared().area();
    let scribe = area.person("scribe");
    let made: Value = serde_json::from_str(&log(scribe, &area, 7, "-o json").done()).unwrap();
    let stored = area.get(&format!("intent {}", made["metadata"]["name"].as_str().unwrap()));
    assert_eq!(stored["spec"]["agentID"], "agent:scribe");
    assert!(
        stored["spec"]["stamp"]
            .as_str()
            .unwrap()
            .starts_with("hmac-sha256:")
    );

    scribe.create(&as_sent(&stored)).refused("already exists");
    let mut elsewhere = as_sent(&stored);
    elsewhere["metadata"]["namespace"] = json!("agents");
    let denial = scribe.create(&elsewhere).denied("BadIntent");
    assert!(
        denial.contains("spec.deletes[0]: an intent about") && denial.contains("belongs in namespace"),
        "{denial}"
    );
    let mut altered = as_sent(&stored);
    let nonce = "00112233445566778899aabbccddeeff";
    altered["spec"]["nonce"] = json!(nonce);
    altered["metadata"]["name"] = json!(format!("scribe-{nonce}"));
    let denial = scribe.create(&altered).denied("BadIntent");
    assert!(
        denial.contains("spec.signature: it is not by this key"),
        "{denial}"
    );
    for who in ["olga", "deployer"] {
        area.person(who).create(&altered).denied("BadIntent");
    }
    altered["metadata"]["name"] = json!("another");
    scribe
        .create(&altered)
        .refused("metadata.name is <agent>-<nonce>");

    let what = format!(
        "intent {} -n {}",
        made["metadata"]["name"].as_str().unwrap(),
        area.namespace
    );
    let patch = r#"--type=merge -p={"spec":{"reason":"other"}}"#;
    scribe
        .kubectl(&format!("patch {what} {patch}"))
        .refused("an intent is immutable");
    for who in [scribe, area.person("ada")] {
        who.kubectl(&format!("delete {what}")).denied("Immutable");
    }
}

/// All that the shared operator has on record.
pub fn recorded() -> String {
    let folder = fs::read_dir(shared().operator().audit_log()).unwrap();
    folder
        .filter_map(|entry| fs::read_to_string(entry.unwrap().path()).ok())
        .collect()
}

#[test]
fn the_audit_log_keeps_what_was_said_and_its_signature() {
    let area = shared().area();
    let scribe = area.person("scribe");
    let made: Value = serde_json::from_str(&log(scribe, &area, 7, "-o json").done()).unwrap();
    let log = recorded();
    let nonce = made["spec"]["nonce"].as_str().unwrap();
    let line = log
        .lines()
        .find(|line| line.contains(&format!("\"nonce\":\"{nonce}\"")));
    let line = line.unwrap_or_else(|| panic!("no record of {nonce}"));
    for part in [
        "\"owner\":\"user:olga\"",
        "\"publicKey\":\"ed25519:",
        made["spec"]["signature"].as_str().unwrap(),
        made["spec"]["reason"].as_str().unwrap(),
    ] {
        assert!(line.contains(part), "{part} is not in {line}");
    }
}

#[test]
fn only_the_registered_key_signs_and_a_list_shows_what_was_said() {
    let area = shared().area();
    let scribe = area.person("scribe");
    let other = log(scribe, &area, 8, "");
    assert_eq!(other.code, Some(1));
    assert!(
        other
            .stderr
            .contains("BadIntent: spec.signature: it is not by this key"),
        "{}",
        other.stderr
    );
    let helper = log(area.person("helper"), &area, 7, "");
    assert!(
        helper.stderr.contains("agent:helper signs nothing"),
        "{}",
        helper.stderr
    );
    log(scribe, &area, 7, "").done();
    let listed = scribe
        .countersign(&format!("intent list -n {} --agent scribe", area.namespace))
        .done();
    assert!(
        listed.contains("object.configmaps.delete") && listed.lines().count() == 2,
        "{listed}"
    );
    scribe
        .create(&area.config_map("app", &json!({})))
        .denied("NotOfZone");
    let parts = [
        "user:olga",
        "SHA256:",
        &format!("zone {}:", area.namespace),
        "intent",
        "create by agent:scribe was denied; user:olga answers for it: agent:scribe has no part in zone",
    ];
    until("what the agent was denied", || {
        let shown = area.person("ada").countersign("agent show scribe").done();
        parts.iter().all(|part| shown.contains(part)).then_some(())
    });
}

/// Whether all clients are answered so; they ask at once, so that the replicas share that.
async fn all_answer(status: u16, clients: &[Client], (namespace, cluster_id): (&str, &str)) -> bool {
    let intent = signed(namespace, cluster_id, 98);
    let answers = join_all(clients.iter().map(|client| post(client, namespace, &intent))).await;
    answers
        .into_iter()
        .all(|answer| answer.is_ok_and(|answer| answer.status() == status))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rate_of_intents_is_shared_by_all_replicas_and_outlives_them() {
    let setup = Setup {
        more_replicas: 1,
        ..Setup::default()
    };
    let cluster = Cluster::observing_as(&setup).of_company(1);
    let area = cluster.area();
    let limit = r#"--type=merge -p={"spec":{"intentsPerMinute":5}}"#;
    area.cluster
        .admin()
        .kubectl(&format!("patch agent scribe {limit}"))
        .done();
    area.cluster
        .admin()
        .kubectl("wait --for=condition=Ready --timeout=60s agent/scribe")
        .done();
    let policy = cluster.admin().get("accesspolicy default");
    let cluster_id = policy["status"]["clusterID"].as_str().unwrap();
    let scribe = cluster.person("scribe");
    // Each client has a connection of its own.
    let mut clients = Vec::new();
    for _ in 0..4 {
        clients.push(scribe.client().await);
    }
    let all = (0..12_u64).map(|number| {
        let client = clients[usize::try_from(number).unwrap() % clients.len()].clone();
        let intent = signed(&area.namespace, cluster_id, number);
        let namespace = area.namespace.clone();
        async move { post(&client, &namespace, &intent).await.unwrap() }
    });
    let answers = join_all(all).await;
    let taken = answers.iter().filter(|answer| answer.status() == 201).count();
    assert_eq!(
        taken,
        5,
        "{:?}",
        answers.iter().map(Response::status).collect::<Vec<_>>()
    );
    for answer in answers.iter().filter(|answer| answer.status() != 201) {
        assert_eq!(answer.status(), 429);
        let wait: u64 = answer.headers()[RETRY_AFTER].to_str().unwrap().parse().unwrap();
        assert!((1..=60).contains(&wait), "{wait}");
    }
    for operator in cluster.operators() {
        operator.restart();
    }
    let later = post(
        &clients[0],
        &area.namespace,
        &signed(&area.namespace, cluster_id, 99),
    )
    .await
    .unwrap();
    assert_eq!(later.status(), 429, "after a restart");
    for (suspended, status) in [(true, 403), (false, 429)] {
        let patch = format!(r#"--type=merge -p={{"spec":{{"suspend":{suspended}}}}}"#);
        let patch = format!("patch agent.countersign.dev scribe {patch}");
        area.cluster.admin().kubectl(&patch).done();
        let begun = Instant::now();
        while !all_answer(status, &clients, (&area.namespace, cluster_id)).await {
            assert!(begun.elapsed() < LONG, "suspended: {suspended}");
        }
        let told = if suspended { "suspended" } else { "resumed" };
        println!("agent_{told}_everywhere_after {} ms", begun.elapsed().as_millis());
    }
    let stored = area.get("intents")["items"].as_array().unwrap().len();
    assert_eq!(stored, 5);
}
