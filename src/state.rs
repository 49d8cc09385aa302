//! What the operator knows at the moment: one published snapshot, and how fresh it is.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use countersign_core::{
    decision::{Decision, Denial, Reason},
    snapshot::Snapshot,
};
use tokio::time::sleep;

use crate::{clock::Clock, watch::Freshness};

/// How old knowledge may be at most.
pub const MAX_AGE: Duration = Duration::from_secs(30);

/// How often, and for how long each time, a namespace is waited for that is not known yet.
const LOOKS: usize = 20;
const LOOK: Duration = Duration::from_millis(10);

/// The published snapshot. One writer replaces it; a request loads it once.
#[derive(Debug)]
pub struct State {
    snapshot: ArcSwap<Snapshot>,
    /// The watches that the snapshot is made of, by kind.
    watches: Vec<(&'static str, Freshness)>,
    /// What time it is known by.
    clock: Clock,
}

impl State {
    /// A state that begins with `snapshot` and depends on `watches` and on `clock`.
    pub fn new(snapshot: Snapshot, watches: Vec<(&'static str, Freshness)>, clock: Clock) -> Self {
        Self {
            snapshot: ArcSwap::from_pointee(snapshot),
            watches,
            clock,
        }
    }

    /// The operator's clock.
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// What is known now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// What is known now, with this namespace if it becomes known within a moment: the API server has it, and whoever
    /// applies it with its content in one go is ahead of the watch.
    pub async fn snapshot_with(&self, namespace: &str) -> Arc<Snapshot> {
        for _ in 0..LOOKS {
            let snapshot = self.snapshot();
            if snapshot.namespaces.contains_key(namespace) {
                return snapshot;
            }
            sleep(LOOK).await;
        }
        self.snapshot()
    }

    /// Replaces what is known.
    pub fn publish(&self, snapshot: Snapshot) {
        self.snapshot.store(Arc::new(snapshot));
    }

    /// The first kind whose objects are not known, or not known to be fresh.
    pub fn stale(&self) -> Option<(&'static str, Option<Duration>)> {
        let ages = self
            .watches
            .iter()
            .map(|(kind, freshness)| (*kind, freshness.age()));
        ages.into_iter()
            .find(|(_, age)| age.is_none_or(|age| age > MAX_AGE))
    }

    /// The decision, unless it rests on what may be outdated, or on a wrong clock: then a denial. What passes by
    /// built-in rules alone rests on nothing.
    pub fn unless_stale(&self, decision: Decision) -> Decision {
        if let Decision::Allow(grant) = &decision
            && matches!(grant.reason(), Reason::NotGuarded | Reason::Operator)
        {
            return decision;
        }
        self.check_fresh().map_or_else(Decision::Deny, |()| decision)
    }

    /// Refuses what rests on what may be outdated, or on a wrong clock.
    pub fn check_fresh(&self) -> Result<(), Denial> {
        self.clock.check()?;
        let message = match self.stale() {
            None => return Ok(()),
            Some((kind, None)) => format!("the {kind} objects are not known yet: try again in a moment"),
            Some((kind, Some(_))) => {
                format!(
                    "what is known of {kind} objects may be outdated: try again when the API server is well"
                )
            }
        };
        Err(Denial::new(Reason::Stale, message))
    }
}
