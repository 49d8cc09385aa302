//! Emergencies as the operator runs them: attempts at the passcode are counted, and the writes that a window let pass are
//! told in its status. Nothing waits for that status: the audit log has each of them before it is allowed.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use countersign_api::{
    BreakGlass,
    break_glass::{MAX_WRITES, RelaxedWrite},
};
use countersign_core::{
    decision::{Denial, Reason},
    identity::Identity,
};
use jiff::{SignedDuration, Timestamp};
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use prometheus_client::registry::Registry;
use serde::Serialize;
use tokio::{sync::mpsc, time::sleep};

use crate::{metrics::EmergencyMetrics, quota::Quotas, state::State};

/// How many attempts at the passcode a person has in [`SPAN`].
const ATTEMPTS: usize = 5;

/// The span that attempts are counted in.
const SPAN: SignedDuration = SignedDuration::from_mins(15);

/// How many writes may wait to be told.
const QUEUE: usize = 4096;

/// How many writes are told at once.
const BATCH: usize = 256;

/// How often a status is written anew when another replica was faster.
const TRIES: usize = 10;

/// How long to wait before that.
const PAUSE: Duration = Duration::from_millis(100);

/// How often the open windows are counted.
const LOOK: Duration = Duration::from_secs(1);

/// The field manager of what is told of relaxed writes: the rest of the status is the controller's.
const MANAGER: &str = "countersign-emergencies";

/// A write that a window let pass.
#[derive(Clone, Debug)]
pub struct Noted {
    /// Name of the BreakGlass.
    pub window: Arc<str>,
    /// The write.
    pub write: RelaxedWrite,
}

/// Counts attempts, and takes relaxed writes from the admission path.
#[derive(Debug)]
pub struct Emergencies {
    quotas: Quotas,
    queue: mpsc::Sender<Noted>,
    metrics: EmergencyMetrics,
}

impl Emergencies {
    /// Counts and tells through `client` for as long as somebody notes writes; its numbers are in `registry`.
    pub fn start((client, quotas): (Client, Quotas), state: Arc<State>, registry: &mut Registry) -> Self {
        let metrics = EmergencyMetrics::register(registry);
        let (queue, noted) = mpsc::channel(QUEUE);
        tokio::spawn(tell_writes(noted, client, metrics.clone()));
        tokio::spawn(count_open(state, metrics.clone()));
        Self {
            quotas,
            queue,
            metrics,
        }
    }

    /// Counts one attempt of a person at the passcode, unless there were too many.
    pub async fn attempt(&self, who: &Identity) -> Result<(), Denial> {
        let taken = self
            .quotas
            .take(&format!("break-glass {who}"), ATTEMPTS, SPAN)
            .await;
        let taken = taken.map_err(|error| {
            let message = format!("attempts at the passcode could not be counted: {error}");
            Denial::new(Reason::Unreadable, message)
        })?;
        taken.map_err(|exceeded| {
            let minutes = exceeded.wait.as_secs() / 60 + 1;
            let message = format!(
                "{who} tried the passcode {ATTEMPTS} times in {} minutes: try again in {minutes} minutes",
                SPAN.as_mins()
            );
            Denial::new(Reason::TooManyAttempts, message)
        })
    }

    /// Counts one write, and has the window's status tell it unless too many wait already.
    pub fn note(&self, noted: Noted) {
        self.metrics.writes.inc();
        if self.queue.try_send(noted).is_err() {
            self.metrics.untold.inc();
        }
    }
}

async fn count_open(state: Arc<State>, metrics: EmergencyMetrics) {
    loop {
        let (snapshot, now) = (state.snapshot(), Timestamp::now());
        let windows = snapshot.emergencies.values().flatten();
        let open = windows.filter(|window| window.is_open(now)).count();
        metrics.open.set(i64::try_from(open).unwrap_or(i64::MAX));
        sleep(LOOK).await;
    }
}

async fn tell_writes(mut noted: mpsc::Receiver<Noted>, client: Client, metrics: EmergencyMetrics) {
    let windows = Api::<BreakGlass>::all(client);
    let mut batch = Vec::new();
    while noted.recv_many(&mut batch, BATCH).await > 0 {
        let mut writes: BTreeMap<Arc<str>, Vec<RelaxedWrite>> = BTreeMap::new();
        for Noted { window, write } in batch.drain(..) {
            writes.entry(window).or_default().push(write);
        }
        for (window, writes) in writes {
            if let Err(error) = tell(&window, &writes, &windows).await {
                tracing::warn!(%error, window = &*window, "relaxed writes are told by the audit log alone");
                metrics.untold.inc_by(writes.len() as u64);
            }
        }
    }
}

/// What is said of the relaxed writes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    metadata: Version,
    status: Writes,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    resource_version: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Writes {
    relaxed_writes: u32,
    writes: Vec<RelaxedWrite>,
}

/// Adds to what the status tells already, by compare-and-swap.
async fn tell(window: &str, more: &[RelaxedWrite], windows: &Api<BreakGlass>) -> kube::Result<()> {
    let parameters = PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let mut tries = 0;
    loop {
        let object = windows.get(window).await?;
        let told = Patch::Merge(with(object, more));
        match windows.patch_status(window, &parameters, &told).await {
            Err(kube::Error::Api(status)) if status.is_conflict() && tries < TRIES => {
                tries += 1;
                sleep(PAUSE).await;
            }
            written => return written.map(drop),
        }
    }
}

fn with(object: BreakGlass, more: &[RelaxedWrite]) -> Told {
    let status = object.status.unwrap_or_default();
    let count = status.relaxed_writes.unwrap_or_default();
    let mut writes = status.writes;
    writes.extend(more.iter().cloned());
    writes.truncate(MAX_WRITES);
    Told {
        metadata: Version {
            resource_version: object.metadata.resource_version,
        },
        status: Writes {
            relaxed_writes: count.saturating_add(u32::try_from(more.len()).unwrap_or(u32::MAX)),
            writes,
        },
    }
}
