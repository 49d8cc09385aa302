//! The read side: keeps the RBAC bindings that the policy asks for, as roles and zones say, and no others of their name.
//!
//! What is not known changes nothing: while a watch is not fresh, or the policy cannot be read, bindings stay as they
//! are. Those of a grant or agent that is deleted are removed by the API server's garbage collector, too.

mod apply;
mod binding;
mod outcomes;
mod plan;
#[cfg(test)]
mod tests;
mod wanted;

use std::{future::ready, sync::Arc, time::Duration};

use countersign_core::read_access::{LABEL, Source};
use futures::{StreamExt, stream};
use k8s_openapi::api::rbac::v1::{ClusterRoleBinding, RoleBinding};
use kube::{
    Api, Client, ResourceExt,
    runtime::{
        WatchStreamExt,
        reflector::{self, Store},
        watcher,
    },
};
use tokio::{
    sync::watch,
    task::block_in_place,
    time::{Instant, sleep, timeout},
};

pub use self::{
    apply::ReadAccessMetrics,
    outcomes::{Moved, Outcome, Outcomes, Told, tell},
    wanted::Sources,
};
use self::{
    apply::{Failures, take_all},
    binding::{Binding, Bindings},
    plan::plan,
    wanted::{Renewed, Wanted},
};
use crate::controllers::gathered;

/// How long the API server lets one watch last, in seconds: a silent one is noticed soon.
const WATCH_SECONDS: u32 = 25;

/// How long to wait for a change, before all is looked at again.
const LOOK_AGAIN: Duration = Duration::from_mins(1);

/// How long to wait after the API server refused something, and while nothing can be told.
const PAUSE: Duration = Duration::from_secs(10);

/// Keeps the bindings.
pub struct ReadAccess {
    /// Writes them.
    pub client: Client,
    /// What they are made from.
    pub sources: Sources,
    /// What became of them.
    pub outcomes: Arc<Outcomes>,
    /// What is counted.
    pub metrics: ReadAccessMetrics,
}

impl ReadAccess {
    /// Keeps them for ever; `changes` is when something else is known.
    pub async fn keep(self, changes: watch::Receiver<u64>) {
        let (everywhere, everywhere_changes) = present::<ClusterRoleBinding>(&self.client);
        let (inside, inside_changes) = present::<RoleBinding>(&self.client);
        let mut wakes = stream::select_all([
            gathered(changes).boxed(),
            gathered(everywhere_changes).boxed(),
            gathered(inside_changes).boxed(),
        ]);
        if everywhere.wait_until_ready().await.is_err() || inside.wait_until_ready().await.is_err() {
            return;
        }
        let (mut wanted, mut reached) = (None, None);
        loop {
            let began = Instant::now();
            // With 100 000 zones this takes half a second: nobody may wait for it, and it must not run all the time.
            let renewed = block_in_place(|| self.sources.renew(wanted.as_ref()));
            let rest = began.elapsed() * 4;
            let known = match renewed {
                Renewed::Unknown => None,
                Renewed::Same => wanted.as_ref(),
                Renewed::Other(next) => Some(&*wanted.insert(next)),
            };
            let present = (everywhere.state(), inside.state());
            let patience = match known {
                Some(wanted) => self.approach(wanted, &mut reached, present).await,
                None => PAUSE,
            };
            sleep(rest).await;
            drop(timeout(patience, wakes.next()).await);
        }
    }

    /// Writes what is not as it should be; how long to wait until the next time.
    async fn approach(
        &self,
        wanted: &Wanted,
        reached: &mut Option<Arc<Bindings>>,
        (everywhere, inside): Present,
    ) -> Duration {
        let by = (&self.client, &self.metrics);
        let was = reached.as_deref();
        let steps = plan(&wanted.bindings.everywhere, &everywhere);
        let mut failures = take_all(steps, was.map(|was| &was.everywhere), by).await;
        let steps = plan(&wanted.bindings.inside, &inside);
        failures.extend(take_all(steps, was.map(|was| &was.inside), by).await);
        self.outcomes.publish(told(&wanted.told, &failures));
        if failures.is_empty() {
            *reached = Some(wanted.bindings.clone());
            LOOK_AGAIN
        } else {
            PAUSE
        }
    }
}

/// The bindings that bear our label.
type Present = (Vec<Arc<ClusterRoleBinding>>, Vec<Arc<RoleBinding>>);

/// The bindings of a kind that bear our label, and when they change.
fn present<K: Binding>(client: &Client) -> (Store<K>, watch::Receiver<()>) {
    let (store, writer) = reflector::store();
    let (changed, changes) = watch::channel(());
    let labelled = watcher::Config::default().labels(LABEL).timeout(WATCH_SECONDS);
    let bindings = watcher(Api::<K>::all(client.clone()), labelled)
        .default_backoff()
        .modify(|binding| binding.managed_fields_mut().clear())
        .reflect(writer);
    tokio::spawn(bindings.for_each(move |event| {
        match event {
            Ok(_) => drop(changed.send(())),
            Err(error) => tracing::warn!(%error, "the watch of bindings for reading starts over"),
        }
        ready(())
    }));
    (store, changes)
}

/// What became of each reading, with what the API server refused.
fn told(told: &Told, failures: &Failures) -> Told {
    let outcome = |(source, outcome): (&Source, &Outcome)| {
        let refused = failures.get(&source.binding()).cloned().map(Outcome::Refused);
        (source.clone(), refused.unwrap_or_else(|| outcome.clone()))
    };
    told.iter().map(outcome).collect()
}
