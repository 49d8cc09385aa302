//! What Countersign decides, and nothing of how it is asked: no client, no runtime, no clock, no log.
//!
//! One request is judged by [`decide()`](decide::decide): identity, role, zone, guardrails and approval, in that
//! order, each step returning the evidence that the next one needs. [`relax()`](relax::relax) comes after it.

pub mod audit;
pub mod digest;
pub mod environment;
pub mod identity;
pub mod role;
