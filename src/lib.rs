//! Operator.

pub mod audit;
pub mod metrics;
pub mod readiness;
pub mod telemetry;
