//! One zone's change among 100 000 at a real API server: when a plain watch delivers it, and when decisions see it.
//!
//! The zones are stored by an API server of its own, without an operator. Two watches with a connection each follow
//! them in this process: a plain one, which reads lines and looks for the changed name in them; and the operator's own
//! feed, which reads the object, files it in the index and publishes a snapshot. A change is timed from the moment it
//! is sent. Nothing reconciles here, and no seal is asked for: a change that bears none contests its region as soon as
//! it is published.
//!
//! It prints `name value unit`.

mod apiserver;
mod decisions;
mod plain_watch;
mod zones;

use std::time::{Duration, Instant};

use anyhow::Context as _;

use self::{apiserver::ApiServer, decisions::Decisions, plain_watch::PlainWatch};

/// How many zones there are.
const ZONES: usize = 100_000;

/// How many changes are timed, and how many before them are not.
const CHANGES: usize = 1_000;
const WARM_UP: usize = 100;

/// A step that has no factor in common with the number of zones spreads the changes over them.
const STEP: usize = 7_919;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // Another provider can only be there if a library put it there, and then it serves as well.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let server = ApiServer::start()?;
    let client = server.client().await?;
    zones::create(&client, ZONES).await?;
    let mut watch = PlainWatch::start(&server.client().await?).await?;
    let mut decisions = Decisions::start(&server.client().await?, ZONES).await?;
    let (mut watched, mut visible) = (Vec::new(), Vec::new());
    for number in 0..WARM_UP + CHANGES {
        let zone = number * STEP % ZONES;
        let sent = Instant::now();
        let (changed, seen, published) = tokio::join!(
            zones::change(&client, zone, number),
            in_time(watch.sees(zone)),
            in_time(decisions.see(zone, number)),
        );
        changed?;
        if number >= WARM_UP {
            watched.push(seen?.duration_since(sent));
            visible.push(published?.duration_since(sent));
        }
    }
    report("zone_change_watched", &mut watched);
    report("zone_change_visible", &mut visible);
    for (name, of_100) in PERCENTILES {
        let ratio = percentile(&visible, of_100).div_duration_f64(percentile(&watched, of_100));
        println!("zone_change_visible_to_watched_{name} {ratio:.3} ratio");
    }
    Ok(())
}

const PERCENTILES: [(&str, usize); 2] = [("median", 50), ("p99", 99)];

/// When the only change under way was observed.
async fn in_time(observed: impl Future<Output = anyhow::Result<Instant>>) -> anyhow::Result<Instant> {
    tokio::time::timeout(Duration::from_secs(10), observed)
        .await
        .context("a change was not observed in time")?
}

fn report(what: &str, times: &mut [Duration]) {
    times.sort_unstable();
    for (name, of_100) in PERCENTILES {
        println!("{what}_{name} {} us", percentile(times, of_100).as_micros());
    }
}

fn percentile(sorted: &[Duration], of_100: usize) -> Duration {
    sorted
        .get(sorted.len() * of_100 / 100)
        .copied()
        .unwrap_or_default()
}
