//! Patches of an object that another writer changes without pause: the API server asks again at every conflict.
//!
//! `COUNTERSIGN_E2E_PATCHES` sets how many, 20 by default.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::json;
use tokio::time::{Duration, sleep};

use super::{
    place::{clients, cluster_with, place},
    report, set_by,
    truth::{History, balance},
    wish::{Answer, Clients, Wish, Write, approve},
};
use crate::harness::{Cluster, Setup, wait::until};

const ACCOUNT: &str = "create serviceaccount busy -n agents";

/// What the other writer may do, without asking: another key of the same ConfigMap.
fn delegation() -> serde_json::Value {
    json!({
        "apiVersion": "countersign.dev/v1alpha1", "kind": "WriteDelegation", "metadata": { "name": "busy" },
        "spec": {
            "subject": { "serviceAccount": { "namespace": "agents", "name": "busy" } },
            "resources": [{ "group": "", "resource": "configmaps" }],
            "verbs": ["Update"], "namespaces": { "names": [place(0)] }, "fields": ["/data/hot"],
            "reason": "A controller that counts.",
        },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn every_ticketed_patch_succeeds_under_a_hot_loop_of_another_writer() {
    let patches = set_by("COUNTERSIGN_E2E_PATCHES", 20);
    let cluster = cluster_with(1, &Setup::default()).await;
    let busy = delegated(&cluster).await;
    let (clients, admin) = (clients(&cluster).await, cluster.admin().client().await);
    let history = History::follow(&admin).await;
    let (over, written) = (AtomicBool::new(false), AtomicU64::new(0));
    let called = || cluster.operator().counted(CALLS).unwrap_or_default();
    let before = called();
    let patching = async {
        for value in 1..=patches {
            patch(value, &clients).await;
        }
        over.store(true, Ordering::Relaxed);
    };
    futures::future::join(patching, write_without_pause(&busy, &over, &written)).await;
    let balance = balance(&place(0), &history, &admin).await;
    println!("hot_loop_patches {patches} patches");
    println!("hot_loop_other_writes {} writes", written.load(Ordering::Relaxed));
    println!("hot_loop_passes_under_tickets {} calls", called() - before);
    assert_eq!((balance.spends, balance.consumed), (patches, patches));
    report("hot_loop", &balance);
}

/// Passes of the webhook under a ticket.
const CALLS: &str = r#"countersign_admission_decisions_total{reason="Approved",relaxed="false"}"#;

async fn delegated(cluster: &Cluster) -> Client {
    cluster.admin().kubectl(ACCOUNT).done();
    let ada = cluster.person("ada");
    let denied = ada.apply(&delegation()).denied("ApprovalRequired");
    let ticket = crate::harness::Ticket::named_in(&denied, cluster);
    ticket.approve(cluster.person("ben"));
    ticket.becomes("Approved");
    ada.apply(&delegation()).done();
    let busy = cluster.account("busy").client().await;
    until("the delegation to be in force", || {
        let ready = "wait --for=condition=Ready --timeout=1s writedelegation/busy";
        cluster.admin().kubectl(ready).succeeded().then_some(())
    });
    busy
}

/// One patch: asked for, approved, and then made at the first attempt.
async fn patch(value: usize, clients: &Clients) {
    let wish = Wish {
        namespace: place(0),
        name: "app".to_owned(),
        write: Write::Update,
        value: value.to_string(),
    };
    let Answer::Needs(ticket) = wish.attempt(&clients.agent).await else {
        panic!("{wish:?} needs no ticket");
    };
    approve((&wish.namespace, &ticket), &clients.reviewer)
        .await
        .unwrap();
    let tickets =
        Api::<countersign_api::ApprovalTicket>::namespaced(clients.reviewer.clone(), &wish.namespace);
    while tickets
        .get(&ticket)
        .await
        .unwrap()
        .status
        .is_none_or(|status| status.approved_at.is_none())
    {
        sleep(Duration::from_millis(10)).await;
    }
    let answer = wish.attempt(&clients.agent).await;
    assert!(matches!(answer, Answer::Made(_)), "{wish:?}: {answer:?}");
}

async fn write_without_pause(client: &Client, over: &AtomicBool, written: &AtomicU64) {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), &place(0));
    while !over.load(Ordering::Relaxed) {
        let number = written.fetch_add(1, Ordering::Relaxed);
        let change = Patch::Merge(json!({ "data": { "hot": number.to_string() } }));
        maps.patch("app", &PatchParams::default(), &change).await.unwrap();
    }
}
