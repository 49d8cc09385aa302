//! One watch of one kind: a list, then its changes, with proof of how fresh they are.
//!
//! The client library's watcher hides bookmarks and the ordinary end of a watch, and these are what proves that
//! nothing was missed while nothing happened. Deciding needs that proof, so the loop is ours.

use std::{
    fmt::Debug,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::StreamExt;
use kube::{
    Api, Resource, ResourceExt,
    api::{ListParams, WatchEvent, WatchParams},
};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep, timeout};

/// What happened to the objects of a kind.
#[derive(Debug)]
pub enum Change<K> {
    /// These are all of them.
    Replaced(Vec<K>),
    /// This one was made or changed.
    Applied(K),
    /// This one is gone; its last state.
    Deleted(K),
}

/// How long the API server lets one watch last, in seconds; its end proves that all was seen until then.
const WATCH_SECONDS: u32 = 25;

/// How long a silent connection is trusted beyond that.
const GRACE: Duration = Duration::from_secs(3);

/// How many objects one page of a list holds.
const PAGE: u32 = 500;

/// How long to wait after an error, at most.
const MAX_BACKOFF: Duration = Duration::from_secs(5);

/// When a watch was last proven to show everything.
#[derive(Clone, Debug)]
pub struct Freshness {
    started: Instant,
    /// Milliseconds after `started`; 0 before the first list is complete.
    proven: Arc<AtomicU64>,
}

impl Default for Freshness {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            proven: Arc::default(),
        }
    }
}

impl Freshness {
    /// How long ago all was seen; `None` before the first list is complete.
    pub fn age(&self) -> Option<Duration> {
        let proven = self.proven.load(Ordering::Acquire);
        (proven > 0).then(|| {
            self.started
                .elapsed()
                .saturating_sub(Duration::from_millis(proven))
        })
    }

    /// Says that all was seen until now.
    pub fn prove(&self) {
        let millis = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.proven.store(millis.max(1), Ordering::Release);
    }
}

/// Why a watch starts over.
#[derive(Debug, thiserror::Error)]
enum Interruption {
    #[error(transparent)]
    Client(#[from] kube::Error),
    #[error("nothing came for {} s", WATCH_SECONDS + 3)]
    Silence,
    #[error("the watch ended with {0}")]
    Status(String),
    #[error("the list has no resource version")]
    NoVersion,
}

impl Interruption {
    /// What a person needs to know of it.
    fn brief(&self) -> String {
        match self {
            Self::Client(kube::Error::Api(status)) => format!("{} {}", status.code, status.message),
            other => other.to_string(),
        }
    }
}

/// Follows the objects of `api` for ever and hands each change to `feed`.
pub async fn follow<K>(api: Api<K>, freshness: Freshness, mut feed: impl FnMut(Change<K>) + Send)
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let mut backoff = Duration::from_millis(100);
    loop {
        let interruption = list_and_watch(&api, &freshness, &mut feed, &mut backoff).await;
        tracing::warn!(
            why = interruption.brief(),
            resource = api.resource_url(),
            "watch starts over"
        );
        sleep(backoff).await;
        backoff = (backoff * 2).min(MAX_BACKOFF);
    }
}

async fn list_and_watch<K>(
    api: &Api<K>,
    freshness: &Freshness,
    feed: &mut (impl FnMut(Change<K>) + Send),
    backoff: &mut Duration,
) -> Interruption
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let mut version = match list(api).await {
        Ok((objects, version)) => {
            feed(Change::Replaced(objects));
            version
        }
        Err(interruption) => return interruption,
    };
    freshness.prove();
    *backoff = Duration::from_millis(100);
    loop {
        match watch(api, &version, freshness, feed).await {
            Ok(last) => version = last,
            Err(interruption) => return interruption,
        }
        freshness.prove();
    }
}

async fn list<K>(api: &Api<K>) -> Result<(Vec<K>, String), Interruption>
where
    K: Clone + DeserializeOwned + Debug,
{
    let mut objects = Vec::new();
    let mut page = ListParams::default().limit(PAGE);
    loop {
        let list = api.list(&page).await?;
        objects.extend(list.items);
        if let Some(token) = list.metadata.continue_.filter(|token| !token.is_empty()) {
            page = page.continue_token(&token);
        } else {
            let version = list.metadata.resource_version.ok_or(Interruption::NoVersion)?;
            return Ok((objects, version));
        }
    }
}

/// One watch, until the API server ends it; the version up to which it showed everything.
async fn watch<K>(
    api: &Api<K>,
    version: &str,
    freshness: &Freshness,
    feed: &mut (impl FnMut(Change<K>) + Send),
) -> Result<String, Interruption>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let mut last = version.to_owned();
    let parameters = WatchParams::default().timeout(WATCH_SECONDS);
    let patience = Duration::from_secs(WATCH_SECONDS.into()) + GRACE;
    let mut events = timeout(patience, api.watch(&parameters, version))
        .await
        .map_err(|_| Interruption::Silence)??
        .boxed();
    while let Some(event) = timeout(patience, events.next())
        .await
        .map_err(|_| Interruption::Silence)?
    {
        let seen = match event? {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                let version = object.resource_version();
                feed(Change::Applied(object));
                version
            }
            WatchEvent::Deleted(object) => {
                let version = object.resource_version();
                feed(Change::Deleted(object));
                version
            }
            WatchEvent::Bookmark(bookmark) => Some(bookmark.metadata.resource_version),
            WatchEvent::Error(status) => return Err(Interruption::Status(status.to_string())),
        };
        last = seen.unwrap_or(last);
        freshness.prove();
    }
    Ok(last)
}
