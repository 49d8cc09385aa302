//! Enforcement: strict mode from the policy to the latch and to the webhook configurations, delegations to the latter.

use std::{sync::Arc, time::Duration};

use countersign_api::{AccessPolicy, POLICY_NAME};
use countersign_core::{delegation::at_startup, snapshot::Snapshot};
use jiff::Timestamp;
use kube::{
    Client,
    runtime::{
        events::{Event, EventType},
        reflector::ObjectRef,
    },
};
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::watch;

use crate::{
    feeds::Feeds,
    keys::{PathKey, StrictLatch},
    passcode,
    state::State,
    violations::{publish, recorder},
    webhook_config::{Enforced, Plan, StartupRule, WebhookConfigOwner},
};

/// How often the plan is made anew although nothing changed: the secret in the path has its periods.
const RENEW: Duration = Duration::from_hours(1);

/// How often it is asked whether everything is known, at the start.
const POLL: Duration = Duration::from_millis(100);

/// How often a passcode is looked for that strict mode waits for.
const LOOK: Duration = Duration::from_secs(2);

/// How long to wait after the latch could not be written.
const PAUSE: Duration = Duration::from_secs(1);

/// Follows the policy.
pub struct Enforcement {
    /// What is known.
    pub state: Arc<State>,
    /// Who publishes it.
    pub feeds: Arc<Feeds>,
    /// The latch.
    pub latch: StrictLatch,
    /// Makes the secret in the path.
    pub path: PathKey,
    /// What the webhook configurations shall say.
    pub plan: watch::Sender<Plan>,
    /// What they say.
    pub enforced: watch::Receiver<Enforced>,
    /// Tells of each turn by an Event.
    pub client: Client,
    /// 1 while strict mode is on.
    pub strict: Gauge,
}

impl Enforcement {
    /// Keeps latch, plan and configurations as the policy says. Never returns.
    ///
    /// The configurations name us only once we can judge, and they keep what was compiled into them before until it is
    /// known what shall be.
    pub async fn enforce(self, owner: WebhookConfigOwner) {
        while self.state.stale().is_some() {
            tokio::time::sleep(POLL).await;
        }
        let snapshot = self.state.snapshot();
        self.plan_anew(&snapshot, snapshot.latched);
        tokio::join!(owner.run(), self.follow_policy());
    }

    async fn follow_policy(mut self) {
        let mut changes = self.feeds.changes();
        // Of the places where the latch is, one may have been lost.
        let mut remembered = false;
        loop {
            let snapshot = self.state.snapshot();
            let switched_off = self.enforced.borrow_and_update().switched_off;
            if switched_off != snapshot.switched_off {
                tracing::warn!(switched_off, "the annotation that switches enforcement off");
                self.feeds.update(|index| index.set_switched_off(switched_off));
            }
            let looks_again = self.look_for_passcode(&snapshot).await;
            let snapshot = self.state.snapshot();
            let strict = snapshot.is_strict();
            if strict != snapshot.latched {
                let unsealed = self.feeds.unsealed();
                if strict && unsealed > 0 {
                    // What is there when strict mode begins is sealed first; the controllers are at it.
                    tracing::info!(
                        unsealed,
                        "strict mode waits until every permission object is sealed"
                    );
                    let _ = tokio::time::timeout(PAUSE, changes.changed()).await;
                    continue;
                }
                if !self.turn(strict).await {
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            }
            if strict && !remembered {
                remembered = self.remember(true).await;
            }
            self.strict.set(i64::from(strict));
            let lasts = self.plan_anew(&snapshot, strict).min(looks_again);
            // Waiting ends with a change, or after a while without one.
            tokio::select! {
                _ = changes.changed() => {}
                _ = self.enforced.changed() => {}
                () = tokio::time::sleep(lasts) => {}
            }
        }
    }

    /// Before strict mode begins on the strength of a passcode: whether there is one. Tells when to look again.
    async fn look_for_passcode(&self, snapshot: &Snapshot) -> Duration {
        let policy = snapshot.policy.get();
        let begins = policy.filter(|policy| policy.strict_mode && !snapshot.latched);
        let Some(secret) = begins.and_then(|policy| policy.passcode.clone()) else {
            return RENEW;
        };
        let read = passcode::read(&secret, &snapshot.cluster.namespace, &self.client).await;
        if let Err(why) = &read {
            tracing::warn!(%why, "strict mode does not begin without its passcode");
        }
        let found = read.is_ok().then_some(secret);
        if found != snapshot.passcode {
            self.feeds.update(|index| index.set_passcode(found));
        }
        LOOK
    }

    /// Makes the plan anew, and tells for how long it is right by itself. By a wrong clock no delegation is compiled
    /// that was not: it may have expired.
    fn plan_anew(&self, snapshot: &Snapshot, strict: bool) -> Duration {
        let now = Timestamp::now();
        let is_dated = self.state.clock().check().is_ok();
        let delegations = at_startup(snapshot, now);
        let startup = delegations.iter().map(|one| StartupRule::delegated(one));
        let policy = snapshot.policy.get();
        self.plan.send_if_modified(|plan| {
            let next = Plan {
                path_secret: self.path.current(now),
                strict,
                fails_open: policy.map(|policy| policy.fails_open()).unwrap_or_default(),
                startup: if is_dated {
                    startup.collect()
                } else {
                    plan.startup.clone()
                },
                ..plan.clone()
            };
            let modified = *plan != next;
            *plan = next;
            modified
        });
        let ends = delegations.iter().filter_map(|one| one.expires_at).min();
        let left = ends.and_then(|end| Duration::try_from(end.duration_since(now)).ok());
        let left = if is_dated { left } else { Some(PAUSE) };
        left.map_or(RENEW, |left| left.min(RENEW))
    }

    /// Remembers first, enforces then, unless what is known has changed meanwhile.
    async fn turn(&self, strict: bool) -> bool {
        if !self.remember(strict).await {
            return false;
        }
        let turned = self.feeds.latch(strict);
        if turned {
            tracing::info!(strict, "strict mode");
            self.tell(strict).await;
        } else {
            while !self.remember(!strict).await {
                tokio::time::sleep(PAUSE).await;
            }
        }
        turned
    }

    /// Who turned it is told by the audit log.
    async fn tell(&self, strict: bool) {
        let (type_, reason, note) = if strict {
            (
                EventType::Normal,
                "StrictModeOn",
                "what breaks a rule is stopped from now on",
            )
        } else {
            (
                EventType::Warning,
                "StrictModeOff",
                "nothing that breaks a rule is stopped any more",
            )
        };
        let event = Event {
            type_,
            reason: reason.to_owned(),
            note: Some(note.to_owned()),
            action: "Turned".to_owned(),
            secondary: None,
        };
        let policy = ObjectRef::<AccessPolicy>::new(POLICY_NAME);
        publish(&recorder(self.client.clone()), &event, &policy.into()).await;
    }

    async fn remember(&self, strict: bool) -> bool {
        let written = self.latch.set(strict).await;
        if let Err(error) = &written {
            tracing::warn!(%error, "the strict latch was not written");
        }
        written.is_ok()
    }
}
