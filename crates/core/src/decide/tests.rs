//! Tables of the rules: what is asked, and what is said.

mod delegations;
mod emergency;
mod environments;
mod explained;
mod guardrails;
mod integrity;
mod intents;
mod places;
mod stolen;
mod workflow;
