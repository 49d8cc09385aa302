//! The operator dies at every call that it makes for one ticket: before it, after it, and a moment later.
//!
//! `COUNTERSIGN_E2E_CRASHES` sets how often, 16 times by default.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use futures::{StreamExt, stream};
use tokio::{
    runtime::Runtime,
    sync::{Semaphore, mpsc::UnboundedReceiver},
    time::sleep,
};

use super::{
    faults::{Case, WRITES, cases, judge},
    place::{clients, cluster_with},
    report, set_by,
    truth::{Balance, History, balance},
    wish::{Answer, Clients},
};
use crate::harness::{
    Cluster, Operator, Setup,
    proxy::{Fault, Proxy},
};

const DEATHS: [Fault; 3] = [Fault::KillBefore, Fault::KillAfter, Fault::KillSoon];

/// Changes that are under way at once; most of them wait until a claim that a death left behind is released.
const AT_ONCE: usize = 64;

/// How often it is asked whether a death has come.
const LOOK: Duration = Duration::from_millis(50);

/// Those of them whose death is still to come: each death interrupts all that wait for nothing.
const DOOMED: usize = 6;

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
        let dying = scope.spawn(|| die(deaths, cluster.operator(), &died));
        let balance = {
            let _end = EndOfDeaths(cluster.proxy());
            runtime.block_on(go_through(crashes, &cluster))
        };
        dying.join().unwrap();
        println!("crash_points {} crashes", died.load(Ordering::Relaxed));
        println!("crash_seconds {} s", begun.elapsed().as_secs());
        report("crash", &balance);
    });
}

/// Nobody dies after it, also when the test fails.
struct EndOfDeaths<'a>(&'a Proxy);

impl Drop for EndOfDeaths<'_> {
    fn drop(&mut self) {
        self.0.end_deaths();
    }
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
    let turns = Semaphore::new(DOOMED);
    let answers =
        stream::iter(&cases).map(async |case| (case, go_on(case, &turns, cluster.proxy(), &clients).await));
    let answered: Vec<_> = answers.buffer_unordered(AT_ONCE).collect().await;
    let mut total = Balance::default();
    for (case, answers) in answered {
        let balance = balance(&case.wish.namespace, &history, &admin).await;
        let wrong = judge(case, &answers, &balance, &history);
        total.add(Balance { wrong, ..balance });
    }
    total
}

/// Pursues a wish; it has a turn until its death has come.
async fn go_on(case: &Case, turns: &Semaphore, proxy: &Proxy, clients: &Clients) -> Vec<Answer> {
    let namespace = &case.wish.namespace;
    let turn = turns.acquire().await.unwrap();
    proxy.disturb(namespace, (&case.call, case.after), case.fault);
    let dead = async {
        while !proxy.has_disturbed(namespace) {
            sleep(LOOK).await;
        }
        drop(turn);
        std::future::pending::<()>().await;
    };
    tokio::select! {
        answers = case.wish.pursue(clients) => answers,
        () = dead => unreachable!(),
    }
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
