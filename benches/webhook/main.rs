//! The webhook under load, beside an echo server with the same TLS stack, secret path and bodies, in the same run.
//!
//! Two child processes serve on the loopback: `echo` reads the body and answers a constant AdmissionReview with the
//! uid found in it, `admission` is the webhook over a strict cluster of 10 000 zones (see `cluster`). One thread of
//! this process sends 1 000 requests in a second, evenly, over 16 connections that are kept alive. Rounds of the two
//! alternate, and each figure is the median over the rounds: a ratio is taken within its round.
//!
//! The requests are UPDATEs of a Deployment, object and old object, in 64 of the zones by turns, by a member of the
//! owning team:
//!
//! * of 2.5 KB, without the receipt: `kubectl apply` of what is there already. Both objects are the same bytes, as
//!   the API server writes them for a change that is none; the decision is counted, not recorded;
//! * of 10 KB, likewise;
//! * of 2.5 KB, with the receipt: another number of replicas, in dev. The objects are compared, the decision is
//!   recorded and synced to the disk before the answer.
//!
//! It prints `name value unit`, times in microseconds of one request.

mod cluster;
mod load;
mod process;
mod review;
mod server;

use std::time::Duration;

use clap::Parser;

use self::{
    load::{Client, Latencies},
    process::Process,
    review::{LARGE, Request, SMALL, Write},
    server::Served,
};

/// Requests of one round.
const REQUESTS: u32 = 4_000;

/// What is asked, and what the names of its figures end with.
const REQUESTED: [(&str, Request); 3] = [
    (
        "",
        Request {
            write: Write::NoOp,
            settings: SMALL,
        },
    ),
    (
        "_10_kb",
        Request {
            write: Write::NoOp,
            settings: LARGE,
        },
    ),
    (
        "_with_receipt",
        Request {
            write: Write::Change,
            settings: SMALL,
        },
    ),
];

/// Measures the webhook; or, with `--serve`, is one of the servers until its standard input closes.
#[derive(Debug, Parser)]
struct Arguments {
    /// The server to be.
    #[arg(long, value_enum)]
    serve: Option<Served>,
    /// Rounds of each kind of request at each server.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// What cargo passes to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    match arguments.serve {
        Some(served) => server::serve(served),
        None => measure(arguments.rounds),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn measure(rounds: usize) -> anyhow::Result<()> {
    let (echo, admission) = (
        Subject::start(Served::Echo).await?,
        Subject::start(Served::Admission).await?,
    );
    for (suffix, request) in REQUESTED {
        let bodies = request.bodies()?;
        for subject in [&echo, &admission] {
            subject.client.ask(&bodies, REQUESTS / 4).await?;
        }
        let mut pairs = Vec::with_capacity(rounds);
        for _ in 0..rounds {
            pairs.push((echo.round(&bodies).await?, admission.round(&bodies).await?));
        }
        report(&pairs, suffix);
    }
    println!("memory_10000_zones {:.1} MiB", admission.process.resident_mib()?);
    Ok(())
}

/// A server and the connections to it.
struct Subject {
    process: Process,
    client: Client,
}

/// What one round took.
struct Round {
    /// CPU time of the server for one request.
    cpu: Duration,
    latencies: Latencies,
}

impl Subject {
    async fn start(served: Served) -> anyhow::Result<Self> {
        let (process, announcement) = Process::start(served)?;
        let client = Client::connect(&announcement).await?;
        Ok(Self { process, client })
    }

    async fn round(&self, bodies: &[bytes::Bytes]) -> anyhow::Result<Round> {
        let before = self.process.cpu_time()?;
        let latencies = self.client.ask(bodies, REQUESTS).await?;
        let cpu = self.process.cpu_time()?.saturating_sub(before);
        Ok(Round {
            cpu: cpu / REQUESTS,
            latencies,
        })
    }
}

type Measure = fn(&Round) -> Duration;

fn report(pairs: &[(Round, Round)], suffix: &str) {
    let measures: [(&str, Measure); 3] = [
        ("cpu", |round| round.cpu),
        ("p50", |round| round.latencies.percentile(50)),
        ("p99", |round| round.latencies.percentile(99)),
    ];
    for (name, measure) in measures {
        let micros = |round: &Round| measure(round).as_secs_f64() * 1e6;
        let echo = median(pairs.iter().map(|(echo, _)| micros(echo)));
        let ours = median(pairs.iter().map(|(_, ours)| micros(ours)));
        let ratio = median(pairs.iter().map(|(echo, ours)| micros(ours) / micros(echo)));
        println!("echo_{name}{suffix} {echo:.1} us");
        println!("webhook_{name}{suffix} {ours:.1} us");
        println!("webhook_{name}_ratio{suffix} {ratio:.3} ratio");
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
