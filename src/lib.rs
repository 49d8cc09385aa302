//! Operator.

pub mod audit;
pub mod certs;
pub mod keys;
pub mod metrics;
pub mod readiness;
pub mod server;
pub mod telemetry;
