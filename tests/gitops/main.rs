//! The GitOps clients that people use, as they are built from Go modules, on a real API server in strict mode: Flux'
//! source-, kustomize- and helm-controller, Helm, Argo CD's gitops-engine, and kubectl. `make test-gitops` builds them.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[expect(dead_code, unused_imports, reason = "the end-to-end tests use all of it")]
#[path = "../e2e"]
mod e2e {
    pub mod harness;
}
mod client;
mod engine;
mod examples;
mod flux;
mod git;
mod helm;
mod kubectl;
mod kustomize;
mod place;

use self::e2e::harness;
