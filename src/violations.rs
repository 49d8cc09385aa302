//! Violations: writes that were let through although the rules say no, and those of agents that were stopped. Each is
//! told by an Event on its object, which many alike share, and the former are counted; nothing here ever waits for the
//! other.

mod series;

use std::time::Duration;

use countersign_core::{audit::record::Verdict, decision::Denial, environment::Environment};
use k8s_openapi::api::{core::v1::ObjectReference, events::v1::Event};
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
    runtime::events::{self, Recorder, Reporter},
};
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval, timeout},
};

use self::series::{CONTROLLER, Known, Renewal};
use crate::metrics::ViolationMetrics;

/// How many violations may wait for their Events.
const QUEUE: usize = 1024;

/// How often an Event is told how many more there were.
const RENEW: Duration = Duration::from_mins(1);

/// How long one write of an Event may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// A write that strict mode would have stopped, or did.
#[derive(Clone, Debug)]
pub struct Violation {
    /// What became of it: `Warned` or `Denied`.
    pub action: &'static str,
    /// The caller as the API server names it.
    pub username: String,
    /// The place of the object: `<namespace>/<resource>.<group>/<name>`.
    pub place: String,
    /// What the caller was spared, or was told.
    pub denial: Denial,
    /// What the rules said.
    pub verdict: Verdict,
    /// Where the write landed, if that was told.
    pub environment: Option<Environment>,
    /// The object.
    pub regarding: ObjectReference,
    /// One sentence: who did what, and why it would be stopped, or was.
    pub note: String,
}

/// Takes violations from the admission path.
#[derive(Debug)]
pub struct Violations {
    queue: mpsc::Sender<Violation>,
    metrics: ViolationMetrics,
}

impl Violations {
    /// Counts in `metrics`, and writes Events through `client` for as long as somebody notes violations.
    pub fn start(client: Client, metrics: ViolationMetrics) -> Self {
        let (queue, noted) = mpsc::channel(QUEUE);
        tokio::spawn(write_events(noted, client, metrics.clone()));
        Self { queue, metrics }
    }

    /// Counts one that was let through, and tells it.
    pub fn note(&self, violation: Violation) {
        self.metrics
            .count(violation.denial.reason, violation.verdict, violation.environment);
        self.tell(violation);
    }

    /// Has an Event tell it unless too many wait already.
    pub fn tell(&self, violation: Violation) {
        if self.queue.try_send(violation).is_err() {
            self.metrics.untold.inc();
        }
    }
}

/// Writes Events until nobody sends violations any more: one for each caller, place and reason, told each minute how
/// many there were since, and no more of them than are kept in mind.
async fn write_events(mut noted: mpsc::Receiver<Violation>, client: Client, metrics: ViolationMetrics) {
    let mut known = Known::default();
    let mut renew = interval(RENEW);
    renew.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            violation = noted.recv() => match violation {
                Some(violation) => tell(violation, &mut known, &client, &metrics).await,
                None => return,
            },
            _ = renew.tick() => {
                for renewal in known.renewals() {
                    retell(&renewal, &client).await;
                }
            }
        }
    }
}

async fn tell(violation: Violation, known: &mut Known, client: &Client, metrics: &ViolationMetrics) {
    match known.note(violation) {
        Ok(Some(event)) => {
            let api = events(event.metadata.namespace.as_deref(), client);
            let written = timeout(PATIENCE, api.create(&PostParams::default(), &event)).await;
            if let Some(error) = failure(written) {
                tracing::warn!(%error, "an Event of a violation was not written");
                metrics.untold.inc();
            }
        }
        Ok(None) => {}
        Err(series::Full) => {
            metrics.untold.inc();
        }
    }
}

/// An Event that is gone by now is not made again: the next violation is new once this one is forgotten.
async fn retell(renewal: &Renewal, client: &Client) {
    let api = events(Some(&renewal.namespace), client);
    let (parameters, patch) = (PatchParams::default(), Patch::Merge(&renewal.patch));
    let written = timeout(PATIENCE, api.patch(&renewal.name, &parameters, &patch)).await;
    if let Some(error) = failure(written) {
        tracing::debug!(%error, event = renewal.name, "an Event of violations was not renewed");
    }
}

/// Writes single Events in the operator's name.
pub fn recorder(client: Client) -> Recorder {
    let reporter = Reporter {
        controller: CONTROLLER.to_owned(),
        instance: None,
    };
    Recorder::new(client, reporter)
}

/// Writes one; nothing that matters waits for it, so that it may fail.
pub async fn publish(recorder: &Recorder, event: &events::Event, regarding: &ObjectReference) {
    let written = timeout(PATIENCE, recorder.publish(event, regarding)).await;
    if let Some(error) = failure(written) {
        tracing::warn!(%error, reason = event.reason, "an Event was not written");
    }
}

fn events(namespace: Option<&str>, client: &Client) -> Api<Event> {
    Api::namespaced(client.clone(), namespace.unwrap_or_default())
}

fn failure<T>(written: Result<kube::Result<T>, tokio::time::error::Elapsed>) -> Option<String> {
    match written {
        Ok(Ok(_)) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(late) => Some(late.to_string()),
    }
}
