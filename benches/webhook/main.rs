//! The webhook under load beside two echo servers, with the same TLS stack, secret path and bodies in the same run.
//!
//! Three child processes serve on the loopback: `mirror` sends the bytes of the body back; `echo` reads the review, as
//! every webhook has to, and sends its uid back with "allowed"; `admission` is the webhook over a strict cluster of
//! 10 000 zones (see `cluster`). One thread of this process sends 1 000 requests in a second, evenly, over 16
//! connections that are kept alive. Rounds of one second alternate between the three, several times they are started
//! anew, and each figure is of all rounds together.
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
mod load;
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
const STARTS: usize = 4;

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

/// What the rounds took together.
#[derive(Default)]
struct Measured {
    /// CPU time of the server.
    cpu: Duration,
    latencies: Vec<Duration>,
}

impl Measured {
    /// CPU time of one request, half of the answers' time, and that of all but one in a hundred.
    fn figures(mut self) -> [(&'static str, Duration); 3] {
        self.latencies.sort_unstable();
        let count = self.latencies.len();
        let percentile = |percent| {
            self.latencies
                .get(count * percent / 100)
                .copied()
                .unwrap_or_default()
        };
        let requests = u32::try_from(count).unwrap_or(u32::MAX).max(1);
        [
            ("cpu", self.cpu / requests),
            ("p50", percentile(50)),
            ("p99", percentile(99)),
        ]
    }
}

impl Subject {
    async fn start(served: Served) -> anyhow::Result<Self> {
        let (process, announcement) = Process::start(served)?;
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
        let latencies = self.client.ask(bodies, REQUESTS).await?;
        self.measured.cpu += self.process.cpu_time()?.saturating_sub(before);
        self.measured.latencies.extend(latencies);
        Ok(())
    }
}

/// Prints what each took, and what the webhook, the last of them, took in relation to the others.
fn report(subjects: &mut [Subject], suffix: &str) {
    let mut all = Vec::new();
    for subject in subjects {
        let figures = std::mem::take(&mut subject.measured).figures();
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
