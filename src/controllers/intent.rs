//! Intents leave after an hour; the audit log keeps what they say. Of one that nobody verified it is said so.

use std::{sync::Arc, time::Duration};

use countersign_api::{Intent, IntentStatus, intent::stamped};
use countersign_core::snapshot::Snapshot;
use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};
use kube::{
    Resource,
    runtime::controller::{Action, Config, Controller},
};

use super::{
    CONCURRENCY, Context, ReconcileError, retry,
    status::{self, Problem, set_standing},
};
use crate::{feeds::Feed, tickets::remove_object};

/// How long an intent is kept in the cluster: longer than it explains anything, and so short that the intents of agents
/// that make as many as they may fill nothing up.
const KEPT: SignedDuration = SignedDuration::from_hours(1);

/// How soon, at the latest, what is kept is looked at again: clocks are set.
const LOOK: Duration = Duration::from_mins(10);

/// Keeps the intents.
pub async fn keep_intents(feed: Feed<Intent>, context: Arc<Context>) {
    let store = feed.store.clone();
    Controller::for_stream(feed.touched(), store)
        .with_config(Config::default().concurrency(CONCURRENCY))
        .run(reconcile, |_, error, _| retry(error), context)
        .for_each(|_| async {})
        .await;
}

async fn reconcile(intent: Arc<Intent>, context: Arc<Context>) -> Result<Action, ReconcileError> {
    let (snapshot, now) = (context.state.snapshot(), Timestamp::now());
    let Some(left) = left(&intent, now) else {
        remove_object(&*intent, &context.client).await?;
        return Ok(Action::await_change());
    };
    if let Some(next) = unverified(&intent, &snapshot, now)
        && intent.status.as_ref() != Some(&next)
    {
        status::apply_to(&*intent, &next, &context.client).await?;
    }
    Ok(Action::requeue(left))
}

/// How long until the intent leaves, or is looked at again; `None` when its time is over.
fn left(intent: &Intent, now: Timestamp) -> Option<Duration> {
    let created = intent.meta().creation_timestamp.as_ref()?;
    let leaves = created.0.saturating_add(KEPT).unwrap_or(Timestamp::MAX);
    let left = Duration::try_from(leaves.duration_since(now)).ok()?;
    (!left.is_zero()).then_some(left.min(LOOK))
}

/// The status of an intent that nobody verified.
fn unverified(intent: &Intent, snapshot: &Snapshot, now: Timestamp) -> Option<IntentStatus> {
    let why = stamped(intent, &snapshot.cluster).err()?;
    let (generation, mut status) = (
        intent.metadata.generation,
        intent.status.clone().unwrap_or_default(),
    );
    status.observed_generation = generation;
    let problem = Problem::new("BadStamp", format!("it explains nothing: {why}"));
    set_standing(&mut status.conditions, Some(problem), generation, now);
    Some(status)
}

#[cfg(test)]
mod tests {
    use countersign_core::{digest::MacKey, snapshot::Cluster};
    use serde_json::json;

    use super::*;

    fn snapshot() -> Snapshot {
        Snapshot::new(Cluster {
            id: "c1".into(),
            operator: "operator".into(),
            operator_uid: "".into(),
            namespace: "countersign-system".into(),
            redaction: MacKey::new([1; 32]),
            stamp: MacKey::new([2; 32]),
        })
    }

    fn intent() -> Intent {
        let nonce = "00112233445566778899aabbccddeeff";
        serde_json::from_value(json!({
            "apiVersion": "countersign.dev/v1alpha1", "kind": "Intent",
            "metadata": {
                "name": format!("bot-{nonce}"), "namespace": "billing", "uid": "u1",
                "creationTimestamp": "2026-06-01T12:00:00Z",
            },
            "spec": {
                "agentID": "agent:bot", "clusterID": "c1", "action": "tidy", "reason": "unused", "nonce": nonce,
                "time": "2026-06-01T12:00:00Z", "signature": "c2ln",
            },
        }))
        .unwrap()
    }

    #[test]
    fn an_intent_leaves_after_an_hour() {
        let at = |minutes| {
            let created: Timestamp = "2026-06-01T12:00:00Z".parse().unwrap();
            created + SignedDuration::from_mins(minutes)
        };
        assert_eq!(left(&intent(), at(0)), Some(LOOK));
        assert_eq!(left(&intent(), at(55)), Some(Duration::from_mins(5)));
        assert_eq!(left(&intent(), at(60)), None);
    }

    #[test]
    fn of_one_that_nobody_verified_it_is_said_so() {
        let now = Timestamp::UNIX_EPOCH;
        let status = unverified(&intent(), &snapshot(), now).unwrap();
        let told: Vec<_> = status
            .conditions
            .iter()
            .map(|one| (&*one.type_, &*one.reason))
            .collect();
        assert_eq!(told, [("Ready", "BadStamp"), ("Degraded", "BadStamp")]);
    }
}
