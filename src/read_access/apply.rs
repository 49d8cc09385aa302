//! Takes the steps, and tells which of them undo what somebody else did.

use std::collections::{BTreeMap, HashMap};

use futures::{StreamExt, stream};
use kube::{
    Client,
    api::{DeleteParams, PostParams, Preconditions},
};
use prometheus_client::{metrics::counter::Counter, registry::Registry};

use super::{
    binding::{Binding, Key},
    plan::{Step, towards},
};

/// How many writes run at once.
const CONCURRENCY: usize = 8;

/// What the API server said of a binding that it refused, by the binding's name.
pub type Failures = HashMap<String, String>;

/// The numbers of the read side.
#[derive(Clone, Debug, Default)]
pub struct ReadAccessMetrics {
    restored: Counter,
    refused: Counter,
}

impl ReadAccessMetrics {
    /// Creates the metrics in `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "read_bindings_restored",
            "Foreign changes of bindings for reading that were undone",
            metrics.restored.clone(),
        );
        registry.register(
            "read_bindings_refused",
            "Writes of bindings for reading that the API server refused",
            metrics.refused.clone(),
        );
        metrics
    }
}

/// Whether something was written.
#[derive(Debug, PartialEq, Eq)]
enum Taken {
    /// It was.
    Written,
    /// It was there already, or is another by now: the watch tells.
    Nothing,
}

/// Takes these steps; `reached` are the bindings that were all there at last, if they ever were.
pub async fn take_all<K: Binding>(
    steps: Vec<Step<K>>,
    reached: Option<&BTreeMap<Key, K>>,
    (client, metrics): (&Client, &ReadAccessMetrics),
) -> Failures {
    let taken = stream::iter(steps).map(|step| async move {
        let taken = take(&step, client).await;
        (step, taken)
    });
    // In order, so that what is told of a failure is the same each time.
    let mut taken = taken.buffered(CONCURRENCY);
    let mut failures = Failures::new();
    while let Some((step, taken)) = taken.next().await {
        let (namespace, name) = step.subject().key();
        let verb = step.verb();
        match taken {
            Ok(Taken::Nothing) => {}
            Ok(Taken::Written) if reached.is_none_or(|reached| step.is_upkeep(reached)) => {
                tracing::info!(namespace, name, verb, "a binding for reading was written");
            }
            Ok(Taken::Written) => {
                tracing::warn!(
                    namespace,
                    name,
                    verb,
                    "somebody changed a binding for reading: it was put back"
                );
                metrics.restored.inc();
            }
            Err(error) => {
                metrics.refused.inc();
                failures.entry(name).or_insert_with(|| message(&error));
            }
        }
    }
    if let Some((name, error)) = failures.iter().min() {
        tracing::warn!(
            name,
            error,
            failed = failures.len(),
            "bindings for reading were not written"
        );
    }
    failures
}

impl<K: Binding> Step<K> {
    /// The binding that it is about, as it should be, or as it goes.
    fn subject(&self) -> &K {
        match self {
            Self::Make(one) | Self::Mend(one) | Self::Remove(one) | Self::Remake { made: one, .. } => one,
        }
    }

    const fn verb(&self) -> &'static str {
        match self {
            Self::Make(_) => "make",
            Self::Mend(_) => "mend",
            Self::Remake { .. } => "remake",
            Self::Remove(_) => "remove",
        }
    }

    /// Whether the step follows from what should be: otherwise a binding that was there just so is missing or differs,
    /// or one is there that we did not make.
    fn is_upkeep(&self, reached: &BTreeMap<Key, K>) -> bool {
        let wanted = reached.get(&self.subject().key());
        match self {
            Self::Remove(_) => wanted.is_some(),
            Self::Make(one) | Self::Mend(one) | Self::Remake { made: one, .. } => {
                wanted.is_none_or(|wanted| towards(one, Some(wanted)).is_some())
            }
        }
    }
}

async fn take<K: Binding>(step: &Step<K>, client: &Client) -> Result<Taken, kube::Error> {
    match step {
        Step::Make(one) => match written(create(one, client).await)? {
            // Somebody took our label away, or the watch is behind.
            Taken::Nothing => take_over(one, client).await,
            Taken::Written => Ok(Taken::Written),
        },
        Step::Mend(one) => written(replace(one, client).await),
        Step::Remake { gone, made } => remake(gone, made, client).await,
        Step::Remove(gone) => written(delete(gone, client).await),
    }
}

/// Makes the binding that is there by this name the one that should be.
async fn take_over<K: Binding>(wanted: &K, client: &Client) -> Result<Taken, kube::Error> {
    let (namespace, name) = wanted.key();
    let there = K::api(&namespace, client).get_opt(&name).await?;
    match there.as_ref().and_then(|there| towards(wanted, Some(there))) {
        Some(Step::Mend(one)) => written(replace(&one, client).await),
        Some(Step::Remake { gone, made }) => remake(&gone, &made, client).await,
        Some(Step::Make(_) | Step::Remove(_)) | None => Ok(Taken::Nothing),
    }
}

async fn remake<K: Binding>(gone: &K, made: &K, client: &Client) -> Result<Taken, kube::Error> {
    written(delete(gone, client).await)?;
    written(create(made, client).await)
}

async fn create<K: Binding>(one: &K, client: &Client) -> Result<(), kube::Error> {
    let (namespace, _) = one.key();
    let api = K::api(&namespace, client);
    api.create(&PostParams::default(), one).await.map(drop)
}

async fn replace<K: Binding>(one: &K, client: &Client) -> Result<(), kube::Error> {
    let (namespace, name) = one.key();
    let api = K::api(&namespace, client);
    api.replace(&name, &PostParams::default(), one).await.map(drop)
}

async fn delete<K: Binding>(gone: &K, client: &Client) -> Result<(), kube::Error> {
    let (namespace, name) = gone.key();
    let this_one = Preconditions {
        uid: gone.meta().uid.clone(),
        resource_version: None,
    };
    let parameters = DeleteParams::default().preconditions(this_one);
    K::api(&namespace, client)
        .delete(&name, &parameters)
        .await
        .map(drop)
}

fn written(result: Result<(), kube::Error>) -> Result<Taken, kube::Error> {
    match result {
        Ok(()) => Ok(Taken::Written),
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(Taken::Nothing),
        Err(error) => Err(error),
    }
}

fn message(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}
