//! Which parts of the operator are not ready, and why; ready is who is not in that list.
//!
//! A part is unready from its registration until it says otherwise, also when it dies before it does.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use crate::{audit::Log, state::State};

/// How long the first list of mutating webhooks and policies is waited for.
const MUTATORS_WAIT: Duration = Duration::from_secs(10);

/// How often it is asked what is ready.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Why a part is not ready.
pub type Why = Cow<'static, str>;

/// The parts that are not ready, with why; shared by all who hold a clone.
#[derive(Clone, Debug, Default)]
pub struct Readiness(watch::Sender<BTreeMap<&'static str, Why>>);

impl Readiness {
    /// Registers a part that is not ready yet.
    pub fn register(&self, part: &'static str) -> Part {
        let part = Part {
            name: part,
            readiness: self.clone(),
        };
        part.unready("starting");
        part
    }

    /// The parts that are not ready, by name; empty when everything is.
    pub fn unready(&self) -> BTreeMap<&'static str, Why> {
        self.0.borrow().clone()
    }

    /// Returns once every registered part is ready.
    pub async fn ready(&self) {
        // The sender is held here, so the channel cannot close: an error cannot come.
        let _ = self.0.subscribe().wait_for(BTreeMap::is_empty).await;
    }
}

/// One part's say in readiness.
#[derive(Debug)]
pub struct Part {
    name: &'static str,
    readiness: Readiness,
}

impl Part {
    /// The part is ready.
    pub fn ready(&self) {
        self.readiness
            .0
            .send_if_modified(|unready| unready.remove(self.name).is_some());
    }

    /// The part is not ready, or no longer.
    pub fn unready(&self, why: impl Into<Why>) {
        let why = why.into();
        self.readiness.0.send_if_modified(|unready| {
            let changed = unready.get(self.name) != Some(&why);
            unready.insert(self.name, why);
            changed
        });
    }
}

/// Ready while everything is known and the audit log takes records.
pub async fn tell_readiness(readiness: Readiness, state: Arc<State>, log: Log) {
    let (knowledge, audit) = (readiness.register("knowledge"), readiness.register("audit log"));
    let (mutators, begun) = (readiness.register("mutators"), Instant::now());
    let clock = readiness.register("clock");
    loop {
        // As long as they are not known approvals are refused, and nothing else: that is no reason to be away.
        if !state.snapshot().mutators.stale || begun.elapsed() > MUTATORS_WAIT {
            mutators.ready();
        }
        match state.clock().check() {
            Ok(()) => clock.ready(),
            Err(denial) => clock.unready(denial.message),
        }
        match state.stale() {
            None => knowledge.ready(),
            Some((kind, None)) => knowledge.unready(format!("{kind} objects are not known yet")),
            Some((kind, Some(age))) => {
                knowledge.unready(format!("{kind} objects were last seen {} s ago", age.as_secs()));
            }
        }
        if log.is_available() {
            audit.ready();
        } else {
            audit.unready("it takes no more records");
        }
        sleep(LOOK_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn ready_is_when_every_part_says_so() {
        let readiness = Readiness::default();
        let (zones, audit) = (readiness.register("zones"), readiness.register("audit"));
        zones.ready();
        assert_eq!(readiness.unready(), [("audit", "starting".into())].into());
        audit.ready();
        readiness.ready().await;
        audit.unready("disk full");
        assert_eq!(readiness.unready(), [("audit", "disk full".into())].into());
    }

    #[test]
    fn a_part_that_dies_stays_unready() {
        let readiness = Readiness::default();
        drop(readiness.register("zones"));
        assert_eq!(readiness.unready(), [("zones", "starting".into())].into());
    }
}
