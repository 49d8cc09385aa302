//! What Countersign decides, and nothing of how it is asked: no client, no runtime, no clock, no log.
//!
//! One request is judged by [`decide()`](decide::decide): identity, role, zone, guardrails and approval, in that
//! order, each step returning the evidence that the next one needs. [`relax()`](relax::relax) comes after it.

pub mod advice;
pub mod agent;
pub mod agent_key;
pub mod audit;
pub mod authn;
pub mod batch;
pub mod binding;
pub mod builtin;
mod certificate_request;
pub mod credential;
pub mod decide;
pub mod decision;
pub mod delegation;
pub mod digest;
pub mod dsse;
pub mod emergency;
pub mod ending;
pub mod environment;
#[cfg(test)]
mod fixtures;
pub mod gitops;
pub mod glob;
pub mod hash;
pub mod identity;
pub mod intent;
pub mod json;
pub mod map;
pub mod mutator;
pub mod naming;
pub mod object;
pub mod own;
pub mod parent;
pub mod permissions;
pub mod place;
pub mod plain;
pub mod policy;
pub mod quota;
pub mod read_access;
pub mod relax;
pub mod request;
pub mod resource_name;
pub mod retention;
pub mod review;
pub mod role;
pub mod role_of;
pub mod rollback;
pub mod rotation;
pub mod seal;
pub mod snapshot;
pub mod ssh;
pub mod stamp;
pub mod ticket;
pub mod zone_claim;
pub mod zones;
