//! The intent of a moment ago: an agent that acts as soon as its intent is stored is ahead of the watch.

use std::time::Duration;

use countersign_core::{
    decision::{Decision, Findings, Reason},
    request::Request,
    snapshot::Snapshot,
};
use kube::Client;
use tokio::time::sleep;

use super::parent;
use crate::state::State;

/// How often an intent is looked for, and how long it takes from one look to the next: longer than a watch that is well
/// needs.
const LOOKS: usize = 10;
const LOOK: Duration = Duration::from_millis(25);

/// The decision, made again with the agent's latest intents in view where one is wanting.
pub async fn decide(
    judged: &Request<'_>,
    snapshot: &Snapshot,
    (state, client): (&State, &Client),
) -> (Decision, Findings) {
    let mut decided = parent::decide(judged, snapshot, client).await;
    let mut known = snapshot.intents.clone();
    for _ in 0..LOOKS {
        if !is_unexplained(&decided.0) {
            break;
        }
        sleep(LOOK).await;
        let latest = state.snapshot();
        if !latest.intents.ptr_eq(&known) {
            known = latest.intents.clone();
            let fresh = Snapshot {
                intents: known.clone(),
                ..snapshot.clone()
            };
            decided = parent::decide(judged, &fresh, client).await;
        }
    }
    decided
}

/// Whether an agent is refused for want of an intent.
pub const fn is_unexplained(decision: &Decision) -> bool {
    matches!(decision, Decision::Deny(denial) if matches!(denial.reason, Reason::IntentRequired))
}
