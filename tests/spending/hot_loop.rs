//! Patches of objects that another writer keeps changing: the API server asks again at every conflict.
//!
//! `COUNTERSIGN_E2E_PATCHES` sets how many, 20 by default.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use countersign_api::ApprovalTicket;
use futures::future::{join, join_all};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{
    place::{clients, observing_with, place},
    report, set_by,
    truth::{Balance, History, balance},
    wish::{Answer, Clients, Wish, Write, approve},
};
use crate::harness::{Cluster, Setup};

const ACCOUNT: &str = "create serviceaccount busy -n agents";

/// Objects that are patched at once.
const LANES: usize = 4;

/// The other writer pauses at most so long, in milliseconds: a pass of the webhook may fit in between.
const PAUSE: u64 = 250;

/// How long an approval takes at most.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the other writer may do, without asking: another key of the same ConfigMaps.
fn delegation() -> serde_json::Value {
    let places: Vec<_> = (0..LANES).map(place).collect();
    json!({
        "apiVersion": "countersign.dev/v1alpha1", "kind": "WriteDelegation", "metadata": { "name": "busy" },
        "spec": {
            "subject": { "serviceAccount": { "namespace": "agents", "name": "busy" } },
            "resources": [{ "group": "", "resource": "configmaps" }],
            "verbs": ["Update"], "namespaces": { "names": places }, "fields": ["/data/hot"],
            "reason": "A controller that counts.",
        },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn every_ticketed_patch_succeeds_under_a_hot_loop_of_another_writer() {
    let patches = set_by("COUNTERSIGN_E2E_PATCHES", 20_usize).next_multiple_of(LANES);
    let (cluster, busy) = with_busy().await;
    let (clients, admin) = (clients(&cluster).await, cluster.admin().client().await);
    let history = History::follow(&admin).await;
    let written = AtomicU64::new(0);
    let called = || cluster.operator().counted(CALLS).unwrap_or_default();
    let (before, begun) = (called(), Instant::now());
    join_all((0..LANES).map(async |lane| {
        let over = AtomicBool::new(false);
        let patching = async {
            for value in 1..=patches / LANES {
                patch((lane, value), &clients).await;
            }
            over.store(true, Ordering::Relaxed);
        };
        join(patching, keep_writing((lane, &busy), &over, &written)).await;
    }))
    .await;
    println!("hot_loop_patches {patches} patches");
    println!("hot_loop_seconds {} s", begun.elapsed().as_secs());
    println!("hot_loop_other_writes {} writes", written.load(Ordering::Relaxed));
    println!("hot_loop_passes_under_tickets {} calls", called() - before);
    let mut total = Balance::default();
    for lane in 0..LANES {
        total.add(balance(&place(lane), &history, &admin).await);
    }
    assert_eq!((total.spends, total.consumed), (patches, patches));
    report("hot_loop", &total);
}

/// Passes of the webhook under a ticket.
const CALLS: &str = r#"countersign_admission_decisions_total{reason="Approved",relaxed="false"}"#;

/// A strict cluster with its places, and the other writer.
async fn with_busy() -> (Cluster, Client) {
    let cluster = observing_with(LANES, &Setup::default()).await;
    cluster.admin().kubectl(ACCOUNT).done();
    let busy = cluster.account("busy").client().await;
    cluster.admin().create(&delegation()).done();
    cluster.see_admins();
    cluster.enforce();
    (cluster, busy)
}

/// One patch: asked for, approved, and then made at the first attempt.
async fn patch((lane, value): (usize, usize), clients: &Clients) {
    let wish = Wish {
        namespace: place(lane),
        name: "app".to_owned(),
        write: Write::Update,
        value: value.to_string(),
    };
    let answer = wish.attempt(&clients.agent).await;
    let Answer::Needs(ticket) = answer else {
        panic!("{wish:?} needs no ticket: {answer:?}");
    };
    approve((&wish.namespace, &ticket), &clients.reviewer)
        .await
        .unwrap();
    let tickets: Api<ApprovalTicket> = Api::namespaced(clients.reviewer.clone(), &wish.namespace);
    let end = Instant::now() + PATIENCE;
    loop {
        let status = tickets.get(&ticket).await.unwrap().status.unwrap_or_default();
        if status.approved_at.is_some() {
            break;
        }
        assert!(Instant::now() < end, "{wish:?}: never approved: {status:?}");
        sleep(Duration::from_millis(20)).await;
    }
    let answer = wish.attempt(&clients.agent).await;
    assert!(matches!(answer, Answer::Made(_)), "{wish:?}: {answer:?}");
}

/// Writes until it is over, after pauses that the golden ratio spreads evenly.
async fn keep_writing((lane, busy): (usize, &Client), over: &AtomicBool, written: &AtomicU64) {
    let maps: Api<ConfigMap> = Api::namespaced(busy.clone(), &place(lane));
    while !over.load(Ordering::Relaxed) {
        let number = written.fetch_add(1, Ordering::Relaxed);
        sleep(Duration::from_millis(number * 618 * PAUSE / 1000 % PAUSE)).await;
        let change = Patch::Merge(json!({ "data": { "hot": number.to_string() } }));
        maps.patch("app", &PatchParams::default(), &change).await.unwrap();
    }
}
