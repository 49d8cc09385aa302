//! One agent with many clients makes as many intents in a minute as it may, whichever of three operators judges them, and
//! though they are started anew meanwhile.
//!
//! `COUNTERSIGN_E2E_RATE_MINUTES` sets for how many minutes, 2 by default.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use futures::future::join_all;
use kube::Client;
use tokio::{runtime::Runtime, time::sleep};

use super::set_by;
use crate::harness::{Cluster, Operator, Setup, intent};

/// As an Agent has it that says nothing.
const A_MINUTE: usize = 120;

const CLIENTS: u64 = 10;

/// Between two attempts of a client that was refused.
const PAUSE: Duration = Duration::from_millis(200);

/// Longer than the attempts of the last minute's beginning take, and shorter than until the next one's.
const SLACK: Duration = Duration::from_secs(20);

#[test]
fn an_agent_makes_as_many_intents_in_a_minute_as_it_may() {
    let minutes: u32 = set_by("COUNTERSIGN_E2E_RATE_MINUTES", 2);
    let setup = Setup {
        more_replicas: 2,
        ..Setup::default()
    };
    let runtime = Runtime::new().unwrap();
    let cluster = Cluster::observing_as(&setup).of_company(1);
    cluster.see_admins();
    // Until then what no operator answers passes, and one that dies answers nothing.
    cluster.enforce();
    let begun = Instant::now();
    let until = begun + Duration::from_mins(1) * (minutes - 1) + SLACK;
    let accepted = std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep((until - begun) / 2);
            cluster.operators().iter().for_each(Operator::restart);
        });
        runtime.block_on(make_until(until, &cluster))
    });
    let most = most_in_a_minute(accepted.clone());
    println!("rate_clients {CLIENTS} clients");
    println!("rate_minutes {minutes} minutes");
    println!("rate_accepted {} intents", accepted.len());
    println!("rate_most_in_a_minute {most} intents");
    assert_eq!(accepted.len(), A_MINUTE * usize::try_from(minutes).unwrap());
    assert!(most <= A_MINUTE, "{most} in one minute");
}

/// When each intent was accepted, as its client saw it.
async fn make_until(end: Instant, cluster: &Cluster) -> Vec<Instant> {
    let namespace = cluster.area().namespace;
    let policy = cluster.admin().get("accesspolicy default");
    let cluster_id = policy["status"]["clusterID"].as_str().unwrap();
    let numbers = AtomicU64::new(0);
    let clients = (0..CLIENTS).map(|_| async {
        let client: Client = cluster.person("scribe").client().await;
        let mut accepted = Vec::new();
        while Instant::now() < end {
            let number = numbers.fetch_add(1, Ordering::Relaxed);
            let answer = intent::post(
                &client,
                &namespace,
                &intent::signed(&namespace, cluster_id, number),
            )
            .await;
            if answer.is_ok_and(|answer| answer.status() == 201) {
                accepted.push(Instant::now());
            } else {
                sleep(PAUSE).await;
            }
        }
        accepted
    });
    join_all(clients).await.concat()
}

/// A minute, less what an answer may be later than its intent.
const NEARLY_A_MINUTE: Duration = Duration::from_secs(58);

/// The most that lie within one minute.
fn most_in_a_minute(mut times: Vec<Instant>) -> usize {
    times.sort_unstable();
    let within = |first: &Instant| {
        let end = *first + NEARLY_A_MINUTE;
        times.iter().filter(|time| (*first..end).contains(*time)).count()
    };
    times.iter().map(within).max().unwrap_or_default()
}
