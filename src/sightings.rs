//! Sightings: when the webhook last saw a person who holds a grant, an agent, and a use of a delegation. An admin who
//! was never seen is no live admin.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use countersign_api::{
    Agent, AgentStatus, RoleGrant, RoleGrantStatus, WriteDelegation, WriteDelegationStatus,
};
use countersign_core::{decision::Cause, identity::Identity, snapshot::Snapshot};
use foldhash::quality::RandomState;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Client;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};

use crate::controllers::{ReconcileError, apply_status};

/// The field manager of what is seen.
const MANAGER: &str = "countersign-sightings";

/// How long one sighting speaks for those that follow.
const RENEW: Duration = Duration::from_mins(1);

/// How long to wait after a failed write.
const PAUSE: Duration = Duration::from_secs(1);

/// An object whose status says when it was last seen or used.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Sighted {
    /// A RoleGrant, by name.
    Grant(Arc<str>),
    /// An Agent, by name.
    Agent(Arc<str>),
    /// A WriteDelegation, by name.
    Delegation(Arc<str>),
}

/// Notes what is seen; most of it was seen a moment ago, and goes no further.
#[derive(Debug)]
pub struct Sightings {
    last: Mutex<HashMap<Sighted, Instant, RandomState>>,
    queue: mpsc::Sender<Sighted>,
}

impl Sightings {
    /// Sightings that are sent to `queue`.
    pub fn new(queue: mpsc::Sender<Sighted>) -> Self {
        Self {
            last: Mutex::default(),
            queue,
        }
    }

    /// Somebody made a request.
    pub fn saw(&self, who: &Identity, snapshot: &Snapshot) {
        if who.is_agent() {
            self.note(Sighted::Agent(who.local().into()));
        }
        for grant in snapshot.grants.get(who).into_iter().flatten() {
            self.note(Sighted::Grant(grant.name.clone()));
        }
    }

    /// A line of configuration decided.
    pub fn used(&self, cause: &Cause) {
        if cause.kind == "WriteDelegation" {
            self.note(Sighted::Delegation(cause.name.clone()));
        }
    }

    fn note(&self, sighted: Sighted) {
        let now = Instant::now();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last
            .get(&sighted)
            .is_some_and(|at| now.duration_since(*at) < RENEW)
        {
            return;
        }
        // When the queue is full the next request says the same.
        if self.queue.try_send(sighted.clone()).is_ok() {
            last.insert(sighted, now);
        }
    }
}

/// Writes what is seen into the objects, until nobody sends any more.
pub async fn write_sightings(mut seen: mpsc::Receiver<Sighted>, client: Client) {
    while let Some(sighted) = seen.recv().await {
        while let Err(error) = write(&sighted, &client).await {
            tracing::warn!(%error, ?sighted, "a sighting was not written");
            sleep(PAUSE).await;
        }
    }
}

async fn write(sighted: &Sighted, client: &Client) -> Result<(), ReconcileError> {
    let now = Some(Time(Timestamp::now()));
    match sighted {
        Sighted::Grant(name) => {
            let status = RoleGrantStatus {
                last_seen: now,
                ..RoleGrantStatus::default()
            };
            apply_status::<RoleGrant, _>(name, &status, MANAGER, client).await
        }
        Sighted::Agent(name) => {
            let status = AgentStatus {
                last_used: now,
                ..AgentStatus::default()
            };
            apply_status::<Agent, _>(name, &status, MANAGER, client).await
        }
        Sighted::Delegation(name) => {
            let status = WriteDelegationStatus {
                last_used: now,
                ..WriteDelegationStatus::default()
            };
            apply_status::<WriteDelegation, _>(name, &status, MANAGER, client).await
        }
    }
}
