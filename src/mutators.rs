//! The watch of what else changes objects before they are stored. It needs `list` and `watch` of mutating webhook
//! configurations, and of mutating policies and their bindings where the API server serves them.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use countersign_api::{
    GROUP, POLICY_NAME, VERSION,
    mutator::{Part, Seen},
};
use countersign_core::mutator::{Mutator, Mutators};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DynamicObject},
    core::GroupVersionKind,
    runtime::events::{Event, EventType, Recorder},
};
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

use crate::{
    feeds::Feeds,
    metrics::MutatorMetrics,
    state::{MAX_AGE, State},
    violations::{publish, recorder},
    watch::{Change, Freshness, follow},
};

const ADMISSION: &str = "admissionregistration.k8s.io";

/// The versions in which mutating policies are served, best first.
const VERSIONS: [&str; 3] = ["v1", "v1beta1", "v1alpha1"];

/// How often it is asked which version is served.
const DISCOVER_EVERY: Duration = Duration::from_secs(10);

/// How often it is asked whether the watches are fresh, and while they are not.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// What the watches found.
#[derive(Default)]
struct Found {
    seen: Mutex<Seen>,
    changed: Notify,
}

impl Found {
    fn take(&self, part: Part, change: Change<DynamicObject>) {
        let now = Timestamp::now();
        self.update(|seen| match change {
            Change::Replaced(objects) => seen.replace(part, &objects, now),
            Change::Applied(object) => seen.apply(part, &object, now),
            Change::Deleted(object) => seen.remove(part, &object.name_any(), now),
        });
        self.changed.notify_one();
    }

    fn update<T>(&self, change: impl FnOnce(&mut Seen) -> T) -> T {
        // A panic while it was locked left it whole: changes of its maps are not torn.
        change(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Watches mutators for ever, publishes through `feeds` what is known of them, and tells of foreign ones.
pub async fn watch_mutators(client: Client, feeds: Arc<Feeds>, state: Arc<State>, metrics: MutatorMetrics) {
    let found = Arc::new(Found::default());
    let watches = Part::ALL.map(|part| {
        let freshness = Freshness::default();
        tokio::spawn(keep(part, client.clone(), freshness.clone(), found.clone()));
        freshness
    });
    let herald = Herald::new(client, metrics);
    let (mut published, mut told) = (state.snapshot().mutators.clone(), Vec::new());
    loop {
        let stale = |freshness: &Freshness| freshness.age().is_none_or(|age| age > MAX_AGE);
        let known = Mutators {
            stale: watches.iter().any(stale),
            seen: found.update(|seen| seen.presences()),
        };
        if known != published {
            published = known.clone();
            feeds.set_mutators(known);
        }
        // Which are foreign changes with the policy, too.
        let foreign: Vec<_> = state.snapshot().foreign_mutators().cloned().collect();
        herald.tell(&foreign, &told);
        told = foreign;
        // Waiting ends with a change, or after a while without one.
        let patience = if published.stale { LOOK_AGAIN } else { LOOK_EVERY };
        let _ = timeout(patience, found.changed.notified()).await;
    }
}

/// Follows the objects of one kind in the version that is served, and learns when that is another.
async fn keep(part: Part, client: Client, freshness: Freshness, found: Arc<Found>) {
    loop {
        match served(part, &client).await {
            Ok(Some(resource)) => {
                let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
                let following = follow(api, freshness.clone(), |change| found.take(part, change));
                tokio::select! {
                    () = following => {}
                    () = until_moved(part, &resource, &client) => {}
                }
            }
            Ok(None) => {
                // What is not served does nothing.
                found.take(part, Change::Replaced(Vec::new()));
                freshness.prove();
                sleep(DISCOVER_EVERY).await;
            }
            Err(error) => {
                tracing::warn!(%error, kind = part.kind().0, "which version is served is not known");
                sleep(LOOK_EVERY).await;
            }
        }
    }
}

/// Returns once the kind is served in another version, or in none.
async fn until_moved(part: Part, resource: &ApiResource, client: &Client) {
    loop {
        sleep(DISCOVER_EVERY).await;
        if served(part, client)
            .await
            .is_ok_and(|now| now.as_ref() != Some(resource))
        {
            return;
        }
    }
}

/// The best version in which the API server serves a kind.
async fn served(part: Part, client: &Client) -> kube::Result<Option<ApiResource>> {
    let (kind, plural) = part.kind();
    for version in VERSIONS {
        let resources = match client
            .list_api_group_resources(&format!("{ADMISSION}/{version}"))
            .await
        {
            Ok(list) => list.resources,
            Err(kube::Error::Api(status)) if status.is_not_found() => continue,
            Err(error) => return Err(error),
        };
        if resources.iter().any(|resource| resource.name == plural) {
            let kind = GroupVersionKind::gvk(ADMISSION, version, kind);
            return Ok(Some(ApiResource::from_gvk_with_plural(&kind, plural)));
        }
    }
    Ok(None)
}

/// Tells of foreign mutators in the log, by Events and in numbers.
struct Herald {
    recorder: Recorder,
    metrics: MutatorMetrics,
}

impl Herald {
    fn new(client: Client, metrics: MutatorMetrics) -> Self {
        Self {
            recorder: recorder(client),
            metrics,
        }
    }

    fn tell(&self, foreign: &[Mutator], told: &[Mutator]) {
        self.metrics
            .foreign
            .set(i64::try_from(foreign.len()).unwrap_or(i64::MAX));
        for mutator in foreign.iter().filter(|mutator| !told.contains(mutator)) {
            tracing::warn!(%mutator, "somebody else can change tickets and reviews before they are stored");
            // Nothing that is watched waits for an Event.
            tokio::spawn(write_event(self.recorder.clone(), mutator.clone()));
        }
        for mutator in told.iter().filter(|mutator| !foreign.contains(mutator)) {
            tracing::info!(%mutator, "a foreign mutator is gone, or accepted");
        }
    }
}

async fn write_event(recorder: Recorder, mutator: Mutator) {
    publish(&recorder, &event(&mutator), &policy()).await;
}

fn policy() -> ObjectReference {
    ObjectReference {
        api_version: Some(format!("{GROUP}/{VERSION}")),
        kind: Some("AccessPolicy".to_owned()),
        name: Some(POLICY_NAME.to_owned()),
        ..ObjectReference::default()
    }
}

fn event(mutator: &Mutator) -> Event {
    Event {
        type_: EventType::Warning,
        reason: "ForeignMutator".to_owned(),
        note: Some(format!(
            "{mutator} can change tickets and reviews before they are stored"
        )),
        action: "Watch".to_owned(),
        secondary: Some(ObjectReference {
            kind: Some(mutator.kind.as_str().to_owned()),
            name: Some(mutator.name.to_string()),
            ..ObjectReference::default()
        }),
    }
}
