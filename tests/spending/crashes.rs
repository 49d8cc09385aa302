//! The operator dies at every call that it makes for one ticket: before it, after it, and a moment later.
//!
//! `COUNTERSIGN_E2E_CRASHES` sets how often, 16 times by default.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Instant,
};

use futures::{StreamExt, stream};
use tokio::{runtime::Runtime, sync::mpsc::UnboundedReceiver};

use super::{
    faults::{Case, WRITES, cases, judge},
    place::{clients, cluster_with},
    report, set_by,
    truth::{Balance, History, balance},
    wish::Clients,
};
use crate::harness::{
    Cluster, Operator, Setup,
    proxy::{Fault, Proxy},
};

const DEATHS: [Fault; 3] = [Fault::KillBefore, Fault::KillAfter, Fault::KillSoon];

/// Flows that are under way at once: each death interrupts them all.
const AT_ONCE: usize = 6;

#[test]
fn a_crash_at_any_call_spends_nothing_twice_and_loses_nothing() {
    let crashes = set_by("COUNTERSIGN_E2E_CRASHES", 16);
    let setup = Setup {
        proxied: true,
        ..Setup::default()
    };
    let runtime = Runtime::new().unwrap();
    let cluster = runtime.block_on(cluster_with(crashes + WRITES.len(), &setup));
    let (died, begun) = (AtomicUsize::new(0), Instant::now());
    thread::scope(|scope| {
        let deaths = cluster.proxy().deaths();
        scope.spawn(|| die(deaths, cluster.operator(), &died));
        let balance = runtime.block_on(go_through(crashes, &cluster));
        cluster.proxy().end_deaths();
        println!("crash_points {} crashes", died.load(Ordering::Relaxed));
        println!("crash_seconds {} s", begun.elapsed().as_secs());
        report("crash", &balance);
    });
}

/// Kills the operator whenever it has to die, and starts it again.
fn die(mut deaths: UnboundedReceiver<()>, operator: &Operator, died: &AtomicUsize) {
    while deaths.blocking_recv().is_some() {
        operator.restart();
        died.fetch_add(1, Ordering::Relaxed);
    }
}

async fn go_through(crashes: usize, cluster: &Cluster) -> Balance {
    let clients = clients(cluster).await;
    let admin = cluster.admin().client().await;
    let history = History::follow(&admin).await;
    let cases = spread(crashes, cluster.proxy(), &clients).await;
    let balances = stream::iter(&cases).map(async |case| {
        cluster
            .proxy()
            .disturb(&case.wish.namespace, (&case.call, case.after), case.fault);
        let answers = case.wish.pursue(&clients).await;
        (case, answers)
    });
    let answered: Vec<_> = balances.buffer_unordered(AT_ONCE).collect().await;
    let mut total = Balance::default();
    for (case, answers) in answered {
        let balance = balance(&case.wish.namespace, &history, &admin).await;
        let wrong = judge(case, &answers, &balance, &history);
        total.add(Balance { wrong, ..balance });
    }
    total
}

/// So many cases, from all over the protocol; where there are more than it has calls they come again.
async fn spread(crashes: usize, proxy: &Proxy, clients: &Clients) -> Vec<Case> {
    let all = cases(&DEATHS, proxy, clients).await;
    // A step that shares no divisor with their number comes to each of them.
    let step = (7..all.len()).find(|step| all.len() % step != 0).unwrap();
    let numbered = (WRITES.len()..).take(crashes);
    numbered
        .map(|number| {
            let case = &all[number * step % all.len()];
            case.in_place(number)
        })
        .collect()
}
