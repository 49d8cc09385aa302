//! Controllers: each kind's status is a pure function of the object and the snapshot, written in one way.

mod access_policy;
mod agent;
mod break_glass;
mod intent;
mod namespace;
mod numbers;
mod pending;
mod resolution;
mod retention;
mod review;
mod role_grant;
mod status;
mod task;
mod team;
mod ticket;
mod write_delegation;
mod zone;

use std::{fmt::Debug, sync::Arc, time::Duration};

use countersign_api::{
    agent::PinnedServiceAccount,
    seal::{Sealed, Seals, content},
};
use countersign_core::{seal::Content, snapshot::Snapshot};
use futures::{Stream, StreamExt, stream};
use jiff::Timestamp;
use kube::{
    Client, Resource,
    runtime::{
        controller::{Action, Config, Controller},
        reflector::ObjectRef,
    },
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::watch;

use self::status::Problem;
pub use self::{
    agent::pin_accounts,
    break_glass::keep_emergencies,
    intent::keep_intents,
    namespace::keep_namespaces,
    numbers::Numbers,
    pending::{Counts, Pending, moved_agents, moved_zones},
    status::apply as apply_status,
    task::follow_tasks,
    ticket::keep_tickets,
};
use crate::{
    audit::Log,
    feeds::Feed,
    read_access::{Outcomes, Told},
    state::State,
    turns::Turns,
    webhook_config::Enforced,
};

/// What a reconciler needs.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// What is known.
    pub state: Arc<State>,
    /// Makes and proves seals.
    pub seals: Seals,
    /// Changes with what somebody may do.
    pub permissions: watch::Receiver<u64>,
    /// How many tickets wait for places in each zone.
    pub pending: Arc<Pending>,
    /// Which numbers are not shown as this replica counts.
    pub numbers: Numbers,
    /// What became of reading.
    pub read_access: Arc<Outcomes>,
    /// What the webhook configurations say at the API server.
    pub enforced: watch::Receiver<Enforced>,
    /// The audit log.
    pub log: Log,
    /// What this replica goes on with.
    pub turns: Turns,
}

/// What a status is made of, beside the object.
#[derive(Debug)]
pub struct Known {
    /// What is known of the cluster.
    pub snapshot: Arc<Snapshot>,
    /// Makes and proves seals.
    pub seals: Seals,
    /// What the webhook configurations say at the API server.
    pub enforced: Enforced,
    /// How many tickets wait for places in each zone.
    pub pending: Arc<Counts>,
    /// What became of reading.
    pub read_access: Arc<Told>,
    /// The time.
    pub now: Timestamp,
}

impl Context {
    fn known(&self) -> Known {
        Known {
            snapshot: self.state.snapshot(),
            seals: self.seals.clone(),
            enforced: *self.enforced.borrow(),
            pending: self.pending.counts(),
            read_access: self.read_access.present(),
            now: Timestamp::now(),
        }
    }
}

impl Known {
    /// The seal that the object's status shall show, with these pins, and the problem when it does not hold.
    ///
    /// Until strict mode is latched nothing is refused, so everything that is there is sealed. A seal that does not hold
    /// stays where it is: it may hold again, after a rollback of the operator.
    fn seal<K: Sealed>(
        &self,
        object: &K,
        pins: &[PinnedServiceAccount],
    ) -> (Option<String>, Option<Problem>) {
        if let Some(seal) = content(object).and_then(|content| self.sign(object, &content, pins)) {
            return (Some(seal), None);
        }
        let message = "nobody judged what it says now: an admin reads it and attests it \
                       (kubectl countersign admin attest), or deletes it";
        let problem = Problem::new("Unsealed", message);
        (object.seal().map(str::to_owned), Some(problem))
    }

    fn sign<K: Sealed>(
        &self,
        object: &K,
        content: &Content,
        pins: &[PinnedServiceAccount],
    ) -> Option<String> {
        if self.seals.hold(object) {
            self.seals.forget(content);
        } else if self.snapshot.latched && !self.seals.admitted(content) {
            return None;
        }
        self.seals.sign(content, pins)
    }
}

/// A kind whose status says what the operator makes of its objects.
pub trait Assessed:
    Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static
{
    /// Its status.
    type Status: Clone + Debug + Default + PartialEq + Serialize + Send + Sync;

    /// The status that the object has, without what others write.
    fn shown(&self) -> Option<Self::Status>;

    /// The status that it should have.
    fn assess(&self, known: &Known) -> Self::Status;

    /// Leaves a status the numbers that another one tells in passing.
    fn keep_numbers(_status: &mut Self::Status, _other: &Self::Status) {}

    /// When it should have another one although nothing else changes.
    fn due(&self) -> Option<Timestamp> {
        None
    }
}

/// Why a reconciliation failed.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The API server refused or did not answer.
    #[error(transparent)]
    Client(#[from] kube::Error),
    /// A step of a ticket could not be recorded.
    #[error("the step could not be recorded: {0}")]
    Audit(#[from] crate::audit::AuditError),
}

/// How many reconciliations of a kind run at once.
const CONCURRENCY: u16 = 8;

/// How long changes are gathered before all objects of a kind are looked at again.
const GATHER: Duration = Duration::from_millis(300);

/// Assesses the objects of a kind: each when it changes or is among the `moved`, all when what somebody may do
/// changes.
pub async fn assess<K: Assessed>(
    feed: Feed<K>,
    moved: impl Stream<Item = ObjectRef<K>> + Send + 'static,
    context: Arc<Context>,
) {
    let store = feed.store.clone();
    let changes = gathered(context.permissions.clone());
    Controller::for_stream(feed.touched(), store)
        .with_config(Config::default().concurrency(CONCURRENCY))
        .reconcile_on(moved)
        .reconcile_all_on(changes)
        .run(reconcile::<K>, |_, error, _| retry(error), context)
        .for_each(|_| async {})
        .await;
}

/// Changes, a little while of them at a time.
pub fn gathered<T: Send + Sync + 'static>(
    changes: watch::Receiver<T>,
) -> impl Stream<Item = ()> + Send + 'static {
    gathered_for(GATHER, changes)
}

fn gathered_for<T: Send + Sync + 'static>(
    span: Duration,
    changes: watch::Receiver<T>,
) -> impl Stream<Item = ()> + Send + 'static {
    stream::unfold(changes, move |mut changes| async move {
        changes.changed().await.ok()?;
        tokio::time::sleep(span).await;
        changes.mark_unchanged();
        Some(((), changes))
    })
}

async fn reconcile<K: Assessed>(object: Arc<K>, context: Arc<Context>) -> Result<Action, ReconcileError> {
    let known = context.known();
    let next = object.assess(&known);
    let wait = show(&*object, (object.shown(), next), K::keep_numbers, &context).await?;
    let left = object
        .due()
        .and_then(|due| Duration::try_from(due.duration_since(known.now)).ok());
    let again = wait.into_iter().chain(left).min();
    Ok(again.map_or_else(Action::await_change, Action::requeue))
}

/// Writes the status that an object should have, unless it has it. One that is another only in its numbers waits: for how
/// long.
async fn show<K, S>(
    object: &K,
    (shown, next): (Option<S>, S),
    keep_numbers: fn(&mut S, &S),
    context: &Context,
) -> Result<Option<Duration>, ReconcileError>
where
    K: Resource<DynamicType = ()>,
    S: Clone + PartialEq + Serialize + Debug,
{
    let is_shown = |next: &S| shown.as_ref() == Some(next);
    if !is_shown(&next) {
        let mut but_for_numbers = next.clone();
        if let Some(shown) = &shown {
            keep_numbers(&mut but_for_numbers, shown);
        }
        if is_shown(&but_for_numbers)
            && let Some(wait) = context.numbers.wait(object)
        {
            return Ok(Some(wait));
        }
        status::apply_to(object, &next, &context.client).await?;
    }
    context.numbers.settle(object);
    Ok(None)
}

/// What the API server does not take is tried again, after a while.
fn retry(error: &ReconcileError) -> Action {
    tracing::warn!(%error, "reconciliation failed");
    Action::requeue(spread(Duration::from_secs(2), Duration::from_secs(4)))
}

/// A while between these two, which differs from replica to replica.
fn spread(least: Duration, most: Duration) -> Duration {
    let parts = Timestamp::now().subsec_nanosecond().unsigned_abs() % 1_000;
    least + most.saturating_sub(least) * parts / 1_000
}
