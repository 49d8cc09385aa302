//! The webhook under load beside two echo servers, with the same TLS stack, secret path and bodies in the same run.
//!
//! Three child processes serve on the loopback: `mirror` sends the bytes of the body back; `echo` reads the review, as
//! every webhook has to, and sends its uid back with "allowed"; `admission` is the webhook over a strict cluster of
//! 10 000 zones (see `cluster`). One thread of this process sends 1 000 requests in a second, evenly, over 16
//! connections that are kept alive. Rounds of one second alternate between the three, several times they are started
//! anew, and each figure is the median of the rounds: what else the machine does for a moment is in few of them.
//!
//! The requests are UPDATEs of a Deployment, object and old object, in 64 of the zones by turns, by a member of the
//! owning team:
//!
//! * of 3 KB, without the receipt: `kubectl apply` of what is there already. Both objects are the same bytes, as
//!   the API server writes them for a change that is none; the decision is counted, not recorded;
//! * of 6 KB and of 20 KB, likewise: finding where the objects end takes time with their length;
//! * of 3 KB, with the receipt: another number of replicas, in dev. The objects are compared, the decision is
//!   recorded and synced to the disk before the answer.
//!
//! It prints `name value unit`, times in microseconds of one request.

mod cluster;
#[path = "../listener.rs"]
mod listener;
mod load;
#[path = "../process.rs"]
mod process;
mod review;
mod server;

use std::time::Duration;

use bytes::Bytes;
use clap::{Parser, ValueEnum as _};

use self::{
    load::Client,
    process::Process,
    review::{LARGE, MEDIUM, Request, SMALL, Write},
    server::Served,
};

/// Requests of one round.
const REQUESTS: u32 = 1_008;

/// How often the servers are started for each kind of request: where a process lies in memory is luck.
const STARTS: usize = 8;

/// What is asked, and what the names of its figures end with.
const REQUESTED: [(&str, Request); 4] = [
    (
        "",
        Request {
            write: Write::NoOp,
            settings: SMALL,
        },
    ),
    (
        "_6_kb",
        Request {
            write: Write::NoOp,
            settings: MEDIUM,
        },
    ),
    (
        "_20_kb",
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
    /// Rounds of each kind of request at each server, after each start.
    #[arg(long, default_value_t = 4)]
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
    let mut subjects = Vec::new();
    for served in Served::value_variants() {
        subjects.push(Subject::start(*served).await?);
    }
    for (suffix, request) in REQUESTED {
        let bodies = request.bodies()?;
        for _ in 0..STARTS {
            for subject in &mut subjects {
                subject.restart(&bodies).await?;
            }
            for _ in 0..rounds {
                for subject in &mut subjects {
                    subject.round(&bodies).await?;
                }
            }
        }
        report(&mut subjects, suffix);
    }
    for subject in subjects {
        println!(
            "memory_of_{} {:.1} MiB",
            subject.served.name(),
            subject.process.resident_mib()?
        );
    }
    Ok(())
}

/// A server, the connections to it, and what it took so far.
struct Subject {
    served: Served,
    process: Process,
    client: Client,
    measured: Measured,
}

/// What each round took: the CPU time of one request, half of the answers' time, and that of all but one in a hundred.
#[derive(Default)]
struct Measured([Vec<Duration>; 3]);

impl Measured {
    fn note(&mut self, round: [Duration; 3]) {
        for (figure, value) in self.0.iter_mut().zip(round) {
            figure.push(value);
        }
    }

    fn medians(self) -> [(&'static str, Duration); 3] {
        let [cpu, p50, p99] = self.0.map(|mut rounds| percentile(&mut rounds, 50));
        [("cpu", cpu), ("p50", p50), ("p99", p99)]
    }
}

/// What so many in a hundred are below.
fn percentile(values: &mut [Duration], percent: usize) -> Duration {
    values.sort_unstable();
    let at = values.len() * percent / 100;
    values.get(at).copied().unwrap_or_default()
}

impl Subject {
    async fn start(served: Served) -> anyhow::Result<Self> {
        let (process, announcement) = Process::start(&[served.name()])?;
        let client = Client::connect(&announcement).await?;
        Ok(Self {
            served,
            process,
            client,
            measured: Measured::default(),
        })
    }

    async fn restart(&mut self, bodies: &[Bytes]) -> anyhow::Result<()> {
        let measured = std::mem::take(&mut self.measured);
        *self = Self::start(self.served).await?;
        // What happens once is no part of a request.
        self.round(bodies).await?;
        self.measured = measured;
        Ok(())
    }

    async fn round(&mut self, bodies: &[Bytes]) -> anyhow::Result<()> {
        let before = self.process.cpu_time()?;
        let mut latencies = self.client.ask(bodies, REQUESTS).await?;
        let cpu = self.process.cpu_time()?.saturating_sub(before) / REQUESTS;
        let (p50, p99) = (percentile(&mut latencies, 50), percentile(&mut latencies, 99));
        self.measured.note([cpu, p50, p99]);
        Ok(())
    }
}

/// Prints what each took, and what the webhook, the last of them, took in relation to the others.
fn report(subjects: &mut [Subject], suffix: &str) {
    let mut all = Vec::new();
    for subject in subjects {
        let figures = std::mem::take(&mut subject.measured).medians();
        for (figure, time) in figures {
            println!(
                "{}_{figure}{suffix} {:.1} us",
                subject.served.name(),
                time.as_secs_f64() * 1e6
            );
        }
        all.push((subject.served.name(), figures));
    }
    let Some(((_, ours), others)) = all.split_last() else {
        return;
    };
    for (name, theirs) in others {
        for ((figure, ours), (_, theirs)) in ours.iter().zip(theirs) {
            println!(
                "{figure}_to_{name}{suffix} {:.3} ratio",
                ours.div_duration_f64(*theirs)
            );
        }
    }
}
