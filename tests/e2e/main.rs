//! End to end: a real control plane, the operator's binary, and people and agents who act by kubectl.
//!
//! Most tests share one cluster in strict mode, each in an area (a namespace and its zone) of its own. Those that
//! turn switches or kill things have a cluster of their own.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod adoption;
mod agents;
mod bad_input;
mod bad_tickets;
mod batches;
mod break_glass;
mod callers;
mod cluster_work;
mod command_line;
mod connections;
mod coverage;
mod delegations;
mod deletions;
mod environments;
mod every_client;
mod every_field;
mod exactness;
mod floods;
mod foreign_mutators;
mod forgery;
mod guardrails;
#[expect(dead_code, reason = "`tests/spending` uses all of it")]
mod harness;
mod install;
mod intents;
mod large_objects;
mod late_answers;
mod late_refusals;
mod lockouts;
mod losses;
mod outages;
mod previews;
mod races;
mod reading;
mod retention;
mod reviews;
mod rollback;
mod seals;
mod ssh_proofs;
mod stolen_identities;
mod story;
mod strict_mode;
mod tasks;
mod webhook_configuration;
mod zone_claims;
