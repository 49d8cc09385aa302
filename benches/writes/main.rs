//! What one write costs its client at a real API server: under a ticket, under the rules, through an echo webhook, and by
//! itself.
//!
//! Each write is a patch of a ConfigMap of its own, over one connection, one after the other. The kinds of writes (see
//! `kind`) take turns in ever other orders, some writes at a time: under load, too, what a write needs was just in use.
//! After each turn come plain writes that are not counted, until what is left to do after it is done. The operator's log
//! is kept where etcd keeps its data.
//!
//! It prints `name value unit`: half of the writes of a round take at most the p50, 99 in 100 at most the p99. Each of five
//! rounds has a cluster and processes of its own, which happen to be faster or slower than others of their kind; so a ratio
//! is one of times of the same round, and of all, times and ratios, the median counts.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what goes wrong ends the bench"
)]

#[expect(dead_code, unused_imports, reason = "the end-to-end tests use all of it")]
#[path = "../../tests/e2e"]
mod e2e {
    pub mod harness;
}
#[expect(dead_code, reason = "the campaigns use all of it")]
#[path = "../../tests/spending/wish.rs"]
mod wish;

mod echo;
mod kind;
mod likeness;
#[path = "../listener.rs"]
mod listener;
mod place;
#[expect(dead_code, reason = "the other bench measures the process, too")]
#[path = "../process.rs"]
mod process;

use std::{ops::Range, path::Path, time::Duration};

use self::{
    e2e::harness,
    kind::Kind,
    place::{AT_A_TIME, Place, TICKETS},
};

const ROUNDS: usize = 5;

/// Turns that each kind has in one round, after those that do not count.
const TURNS: usize = 20;
const WARM_UP: usize = 8;

#[tokio::main]
async fn main() {
    // Another provider can only be there if a library put it there, and then it serves as well.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let arguments: Vec<_> = std::env::args().collect();
    if let [_, serve, kind, directory, kubeconfig] = arguments.as_slice()
        && serve == "--serve"
    {
        let kind = Kind::ALL.into_iter().find(|known| known.name() == kind);
        return echo::serve(kind.unwrap(), Path::new(directory), Path::new(kubeconfig)).await;
    }
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let place = Place::furnish().await;
        // What happens once is no part of a write.
        turns(&place, 0..WARM_UP).await;
        rounds.push(turns(&place, WARM_UP..WARM_UP + TURNS).await);
    }
    for (name, percent) in [("p50", 50), ("p99", 99)] {
        report(name, &rounds, percent);
    }
}

/// A prime that is no less than the number of kinds: each step leads to all of them.
const PLACES: usize = 11;

/// The kinds in the order of a turn: each comes after each other about as often as after any.
fn order(turn: usize) -> impl Iterator<Item = Kind> {
    let step = 1 + turn % (PLACES - 1);
    (0..PLACES).filter_map(move |number| Kind::ALL.get((turn + number * step) % PLACES).copied())
}

/// How long each write of a round took, by kind, the shortest first.
type Times = [Vec<Duration>; Kind::ALL.len()];

/// The turns of these numbers.
async fn turns(place: &Place, numbers: Range<usize>) -> Times {
    let mut times = Times::default();
    for first in numbers.step_by(TICKETS / AT_A_TIME) {
        let value = first.to_string();
        place.have_approved(&value).await;
        for part in 0..TICKETS / AT_A_TIME {
            for kind in order(first + part) {
                times[kind as usize].extend(place.turn(kind, part, &value).await);
            }
        }
    }
    for times in &mut times {
        times.sort_unstable();
    }
    times
}

/// Prints what each kind of write took, and how they relate.
fn report(name: &str, rounds: &[Times], percent: usize) {
    let median = |value: &dyn Fn(&Figures) -> f64| {
        let mut values: Vec<_> = rounds
            .iter()
            .map(|times| value(&Figures { times, percent }))
            .collect();
        values.sort_unstable_by(f64::total_cmp);
        values[values.len() / 2]
    };
    for kind in Kind::ALL {
        println!("{}_{name} {:.0} us", kind.name(), median(&|round| round.of(kind)));
    }
    for (others, kind) in [
        ("two_plain", Kind::TwoPlain),
        ("plain_and_status", Kind::PlainAndStatus),
        ("claimed", Kind::Claimed),
    ] {
        let ratio = median(&|round| round.of(Kind::Gated) / round.of(kind));
        println!("gated_write_to_{others}_{name} {ratio:.3} ratio");
    }
    // The least that a webhook adds to the two plain writes that spending a ticket is.
    let least = median(&|round| 1. + round.addition(Kind::Echoed) / round.of(Kind::TwoPlain));
    println!("two_plain_and_echo_to_two_plain_{name} {least:.3} ratio");
    for (ours, kind, other, echo) in [
        ("delegated", Kind::Delegated, "echo", Kind::Echoed),
        ("guarded", Kind::Guarded, "echo", Kind::Echoed),
        ("guarded", Kind::Guarded, "recording_echo", Kind::Recorded),
    ] {
        let ratio = median(&|round| round.addition(kind) / round.addition(echo));
        println!("{ours}_addition_to_{other}_addition_{name} {ratio:.3} ratio");
    }
}

/// What one round says, in microseconds.
struct Figures<'a> {
    times: &'a Times,
    percent: usize,
}

impl Figures<'_> {
    /// How long so many in a hundred of these writes take at most.
    fn of(&self, kind: Kind) -> f64 {
        let times = &self.times[kind as usize];
        times[times.len() * self.percent / 100].as_secs_f64() * 1e6
    }

    /// What the webhook adds to a plain write.
    fn addition(&self, kind: Kind) -> f64 {
        self.of(kind) - self.of(Kind::Plain)
    }
}
