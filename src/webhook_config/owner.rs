//! The task that keeps both configurations as they should be, and says whether they are.

use std::{pin::pin, task::Poll, time::Duration};

use countersign_core::audit::{
    Event, Record,
    record::{WebhookConfiguration, WebhookOutcome},
};
use futures::{Stream, StreamExt, stream};
use jiff::Timestamp;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use kube::{
    Client, ResourceExt,
    api::DynamicObject,
    runtime::{WatchStreamExt, watcher::watch_object},
};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use super::{
    FailurePolicy, NAME, OFF_SWITCH, Plan,
    desired::Desired,
    owned::{ForeignChange, Owned, managers},
};
use crate::{audit::Log, metrics::WebhookConfigMetrics};

/// The configurations are read at least this often, whatever the watches say: a watch may die in silence.
const READ_EVERY: Duration = Duration::from_secs(3);

/// How long after a failed round the next begins.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The pause after a restoration: doubled with each one, so that nobody is fought at full speed, and short enough
/// for a restoration within 5 s of any change.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Without a restoration for this long the pause is short again.
const PEACE: Duration = Duration::from_mins(1);

/// What is really in force, as read back from the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Enforced {
    /// The failure policy of both configurations; `None` while they are unknown or not as they should be.
    pub failure_policy: Option<FailurePolicy>,
    /// Whether the documented annotation keeps enforcement off: an alarm.
    pub switched_off: bool,
}

/// Owns both configurations. It needs `get`, `list`, `watch`, `create` and `update` on both kinds.
pub struct WebhookConfigOwner {
    validating: Owned,
    mutating: Owned,
    plan: watch::Receiver<Plan>,
    witness: Witness,
    enforced: watch::Sender<Enforced>,
    pause: Pause,
}

impl WebhookConfigOwner {
    /// An owner that follows `plan`.
    pub fn new(
        client: &Client,
        plan: watch::Receiver<Plan>,
        audit: Log,
        metrics: WebhookConfigMetrics,
    ) -> Self {
        Self {
            validating: Owned::new::<ValidatingWebhookConfiguration>(client),
            mutating: Owned::new::<MutatingWebhookConfiguration>(client),
            plan,
            witness: Witness { audit, metrics },
            enforced: watch::Sender::default(),
            pause: Pause::default(),
        }
    }

    /// What is in force, followed.
    pub fn enforced(&self) -> watch::Receiver<Enforced> {
        self.enforced.subscribe()
    }

    /// Keeps the configurations. Returns when the plan's sender is gone.
    pub async fn run(mut self) {
        let mut changes = pin!(stream::select(changes(&self.validating), changes(&self.mutating)));
        loop {
            let pause = match self.look_after().await {
                Ok(restored) => restored.then(|| self.pause.next(Instant::now())),
                Err(error) => {
                    tracing::warn!(%error, "the webhook configurations cannot be looked after");
                    let switched_off = self.enforced.borrow().switched_off;
                    self.publish(Enforced {
                        failure_policy: None,
                        switched_off,
                    });
                    Some(RETRY_AFTER)
                }
            };
            if let Some(pause) = pause {
                sleep(pause).await;
                // Read anew without waiting: whatever happened meanwhile is in it.
                while let Poll::Ready(Some(())) = futures::poll!(changes.next()) {}
                continue;
            }
            tokio::select! {
                _ = changes.next() => {}
                changed = self.plan.changed() => if changed.is_err() { return },
                () = sleep(READ_EVERY) => {}
            }
        }
    }

    /// One look at both, and whether anybody's change was undone.
    async fn look_after(&mut self) -> kube::Result<bool> {
        let (validating, mutating) = (self.validating.read().await?, self.mutating.read().await?);
        let switched_off = self.off_switch(validating.as_ref()).await;
        let plan = self.plan.borrow_and_update().clone();
        let desired = Desired::new(&plan, switched_off);
        let validating = self.validating.restore(validating, &desired.validating).await?;
        self.witness
            .restored(self.validating.kind, validating.foreign.as_ref())
            .await;
        let mutating = self.mutating.restore(mutating, &desired.mutating).await?;
        self.witness
            .restored(self.mutating.kind, mutating.foreign.as_ref())
            .await;
        let in_sync = validating.in_sync && mutating.in_sync;
        self.publish(Enforced {
            failure_policy: in_sync.then_some(desired.policy),
            switched_off,
        });
        Ok(validating.foreign.is_some() || mutating.foreign.is_some())
    }

    async fn off_switch(&self, live: Option<&DynamicObject>) -> bool {
        let now = live.is_some_and(|live| {
            live.annotations()
                .get(OFF_SWITCH)
                .is_some_and(|value| value == "off")
        });
        let before = self.enforced.borrow().switched_off;
        if now != before {
            let managers = live.map(managers).unwrap_or_default();
            self.witness.switched(self.validating.kind, now, managers).await;
            self.enforced.send_modify(|enforced| enforced.switched_off = now);
        }
        now
    }

    fn publish(&self, enforced: Enforced) {
        self.witness
            .metrics
            .in_sync
            .set(enforced.failure_policy.is_some().into());
        self.witness
            .metrics
            .switched_off
            .set(enforced.switched_off.into());
        self.enforced
            .send_if_modified(|present| std::mem::replace(present, enforced) != enforced);
    }
}

/// A tick for every change, and for every error, of one configuration.
fn changes(owned: &Owned) -> impl Stream<Item = ()> + use<> {
    watch_object(owned.api().clone(), NAME)
        .default_backoff()
        .map(drop)
}

/// Tells of what others did: in the log, in the audit log and in numbers.
struct Witness {
    audit: Log,
    metrics: WebhookConfigMetrics,
}

impl Witness {
    async fn restored(&self, kind: &'static str, foreign: Option<&ForeignChange>) {
        let Some(ForeignChange { managers, fields }) = foreign else {
            return;
        };
        tracing::warn!(
            kind,
            ?managers,
            ?fields,
            "undid a change of the webhook configuration"
        );
        self.metrics.restored.inc();
        self.record(kind, WebhookOutcome::Restored, managers.clone(), fields.clone())
            .await;
    }

    async fn switched(&self, kind: &'static str, off: bool, managers: Vec<String>) {
        let outcome = if off {
            WebhookOutcome::SwitchedOff
        } else {
            WebhookOutcome::SwitchedOn
        };
        tracing::error!(
            ?outcome,
            ?managers,
            "enforcement was switched by the annotation `{OFF_SWITCH}`"
        );
        let field = format!("metadata.annotations[{OFF_SWITCH}]");
        self.record(kind, outcome, managers, vec![field]).await;
    }

    async fn record(
        &self,
        kind: &'static str,
        outcome: WebhookOutcome,
        managers: Vec<String>,
        fields: Vec<String>,
    ) {
        let change = WebhookConfiguration {
            kind: kind.into(),
            outcome,
            managers,
            fields,
        };
        let record = Record {
            time: Timestamp::now(),
            event: Event::WebhookConfiguration(change),
        };
        if let Err(error) = self.audit.append(record).await {
            tracing::error!(%error, "a change of the webhook configuration is not in the audit log");
        }
    }
}

/// How long to wait after a restoration.
#[derive(Debug, Default)]
struct Pause(Option<(Instant, Duration)>);

impl Pause {
    fn next(&mut self, now: Instant) -> Duration {
        let pause = match self.0 {
            Some((last, pause)) if now.duration_since(last) < PEACE => (pause * 2).min(LONGEST_PAUSE),
            _ => SHORTEST_PAUSE,
        };
        self.0 = Some((now, pause));
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fight_slows_down_and_peace_is_forgiving() {
        let begin = Instant::now();
        let mut pause = Pause::default();
        let pauses: Vec<_> = (0..9)
            .map(|second| pause.next(begin + Duration::from_secs(second)))
            .collect();
        assert_eq!(pauses.first(), Some(&SHORTEST_PAUSE));
        assert!(pauses.is_sorted(), "{pauses:?}");
        assert_eq!(pauses.last(), Some(&LONGEST_PAUSE));
        assert_eq!(pause.next(begin + Duration::from_secs(8) + PEACE), SHORTEST_PAUSE);
    }
}
