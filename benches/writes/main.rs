//! What one write costs its client at a real API server: under a ticket, under the rules, through an echo webhook, and by
//! itself.
//!
//! Each write is a patch of a ConfigMap of its own, over one connection, one after the other. The kinds of writes take
//! turns (see `kind`) in ever other orders, with a pause after each, so that what is left to do after one is not paid for
//! by the next, and with plain writes before each that are not counted, since after a pause everything is slow. The
//! operator's log is kept where etcd keeps its data.
//!
//! It prints `name value unit`: half of the writes of a round take at most the p50, 99 in 100 at most the p99; of five
//! rounds the median counts.

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

use std::time::Duration;

use self::{
    e2e::harness,
    kind::Kind,
    place::{Place, TICKETS},
};

const ROUNDS: usize = 5;

/// Turns of one round.
const TURNS: usize = 200;

#[tokio::main]
async fn main() {
    // Another provider can only be there if a library put it there, and then it serves as well.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let place = Place::furnish().await;
    // What happens once is no part of a write.
    round(&place, 0).await;
    let mut rounds = Vec::new();
    for number in 1..=ROUNDS {
        rounds.push(round(&place, number).await);
    }
    for (name, percent) in [("p50", 50), ("p99", 99)] {
        report(name, &rounds, percent);
    }
}

/// The kinds in the order of a turn: each comes after each other as often as after any.
fn order(turn: usize) -> impl Iterator<Item = Kind> {
    let kinds = Kind::ALL.len();
    // Their number is a prime: each step comes to all of them.
    let step = 1 + turn % (kinds - 1);
    (0..kinds).map(move |number| Kind::ALL[(turn + number * step) % kinds])
}

/// How long each write of a round took, by kind.
type Times = [Vec<Duration>; Kind::ALL.len()];

async fn round(place: &Place, number: usize) -> Times {
    let mut times = Times::default();
    for part in 0..TURNS / TICKETS {
        let value = format!("{number}.{part}");
        place.have_approved(&value).await;
        for turn in 0..TICKETS {
            for kind in order(turn) {
                times[kind as usize].push(place.write(kind, turn, &value).await);
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
    let median = |kind: Kind| {
        let mut values: Vec<_> = rounds
            .iter()
            .map(|times| &times[kind as usize])
            .map(|times| times[times.len() * percent / 100])
            .collect();
        values.sort_unstable();
        values[values.len() / 2].as_secs_f64() * 1e6
    };
    for kind in Kind::ALL {
        println!("{}_{name} {:.0} us", kind.name(), median(kind));
    }
    for (others, kind) in [
        ("two_plain", Kind::TwoPlain),
        ("plain_and_status", Kind::PlainAndStatus),
    ] {
        let ratio = median(Kind::Gated) / median(kind);
        println!("gated_write_to_{others}_{name} {ratio:.3} ratio");
    }
    let addition = |kind| median(kind) - median(Kind::Plain);
    for (other, kind) in [("echo", Kind::Echoed), ("recording_echo", Kind::Recorded)] {
        let ratio = addition(Kind::Guarded) / addition(kind);
        println!("guarded_addition_to_{other}_addition_{name} {ratio:.3} ratio");
    }
    let parts = median(Kind::PlainAndStatus) + addition(Kind::Recorded);
    println!(
        "gated_write_to_its_parts_{name} {:.3} ratio",
        median(Kind::Gated) / parts
    );
}
