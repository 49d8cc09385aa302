//! An approval is spent once or provably not at all, whatever happens between the operator and the API server, and
//! whichever operator dies.
//!
//! `make figures-tickets` runs them, and sets how much of each.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[expect(dead_code, unused_imports, reason = "the end-to-end tests use all of it")]
#[path = "../e2e"]
mod e2e {
    pub mod harness;
}
mod crashes;
mod faults;
mod hot_loop;
mod place;
mod rates;
mod rounds;
mod truth;
mod wish;

use std::{env, str::FromStr};

use self::{e2e::harness, truth::Balance};

/// What the environment says, or else this.
fn set_by<T: FromStr>(variable: &str, or: T) -> T {
    let told = env::var(variable).ok();
    told.map_or(or, |told| told.parse().ok().unwrap())
}

/// Prints what a test counted.
fn report(test: &str, balance: &Balance) {
    println!("{test}_spends {} changes", balance.spends);
    println!("{test}_consumed {} tickets", balance.consumed);
    println!("{test}_indeterminate {} tickets", balance.indeterminate);
    println!("{test}_unused {} tickets", balance.unused);
    println!("{test}_wrong {} findings", balance.wrong.len());
    assert!(balance.wrong.is_empty(), "{}", balance.wrong.join("\n"));
}
