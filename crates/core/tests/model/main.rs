//! The ticket protocol, explored exhaustively: `docs/spec/ticket-protocol.md` tells what is in the model and what is not.
//!
//! `make test` explores what takes a minute; `COUNTERSIGN_MODEL=whole` explores more, in release mode.

mod api_server;
mod bug;
mod collection;
mod keeper;
mod log;
mod names;
mod pair;
mod plan;
mod proof;
mod properties;
mod protocol;
mod scope;
mod time;
mod webhook;
mod world;

use std::collections::BTreeSet;

use stateright::{Checker, Expectation, HasDiscoveries, Model};

use properties::all;
use scope::{SEEDED, Scope, Seeded, scopes};

#[test]
fn every_property_holds_in_every_state() {
    let whole = std::env::var("COUNTERSIGN_MODEL").is_ok_and(|scope| scope == "whole");
    let (mut states, mut possible) = (0, BTreeSet::new());
    for Scope { name, protocol } in scopes(whole) {
        let checker = protocol.checker().threads(2).spawn_bfs().join();
        for property in all() {
            match property.expectation {
                Expectation::Always | Expectation::Eventually => checker.assert_no_discovery(property.name),
                Expectation::Sometimes => {
                    possible.extend(checker.discovery(property.name).map(|_| property.name));
                }
            }
        }
        println!("model_states_{name} {} states", checker.unique_state_count());
        states += checker.unique_state_count();
    }
    println!("model_states {states} states");
    let wanted = all()
        .into_iter()
        .filter(|property| property.expectation == Expectation::Sometimes);
    let impossible: Vec<_> = wanted
        .map(|property| property.name)
        .filter(|name| !possible.contains(name))
        .collect();
    assert!(
        impossible.is_empty(),
        "this must happen somewhere: {impossible:?}"
    );
}

#[test]
fn every_seeded_bug_is_found() {
    for Seeded { property, protocol } in SEEDED {
        let found = HasDiscoveries::AnyOf([property].into());
        let checker = protocol.clone().checker().finish_when(found).spawn_bfs().join();
        let (bug, states) = (protocol.bug, checker.unique_state_count());
        assert!(
            checker.discovery(property).is_some(),
            "{bug:?} is not found by {property} in {states} states"
        );
        println!("found: {bug:?} by {property} after {states} states");
    }
}
