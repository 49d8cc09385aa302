//! Tables of the rules: what is asked, and what is said.

mod delegations;
mod environments;
mod explained;
mod integrity;
mod places;
mod stolen;
mod workflow;
