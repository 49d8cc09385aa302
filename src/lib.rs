//! The operator.

pub mod admission;
pub mod audit;
pub mod certs;
pub mod controllers;
pub mod feeds;
pub mod keys;
pub mod metrics;
pub mod readiness;
pub mod server;
pub mod state;
pub mod telemetry;
pub mod tickets;
pub mod watch;
pub mod webhook_config;
