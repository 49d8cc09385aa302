//! The real binary, with nothing of who runs the tests.

use std::process::{Command, Output};

/// Runs the command, without any cluster to ask.
pub fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kubectl-countersign"))
        .args(arguments)
        .env_clear()
        .env("HOME", "/nonexistent")
        .output()
        .unwrap()
}
