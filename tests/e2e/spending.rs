//! An approval is spent once or provably not at all, whatever happens between the operator and the API server, and
//! whichever operator dies.
//!
//! Each test runs a slice here, and all of it for `make figures-tickets`, which sets how much that is.

mod crashes;
mod faults;
mod hot_loop;
mod place;
mod rounds;
mod truth;
mod wish;

use std::{env, str::FromStr};

use self::truth::Balance;

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
