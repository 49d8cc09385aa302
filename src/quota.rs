//! Quotas that all replicas share and that outlive them: a ConfigMap each in the operator's namespace, changed by
//! compare-and-swap.

use std::{collections::HashMap, sync::Arc};

use countersign_core::{
    decide::QUOTA_PREFIX,
    digest::Digest,
    quota::{Events, InvalidEvents},
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use tokio::sync::{Mutex, MutexGuard};

/// What the quota is of, for people.
const OF: &str = "of";
const EVENTS: &str = "events";

/// How many hex digits of the digest of what a quota is of are in its name.
const DIGITS: usize = 20;

/// One more event does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// How long until one more does.
    pub wait: SignedDuration,
}

/// All quotas of a cluster.
#[derive(Clone, Debug)]
pub struct Quotas {
    maps: Api<ConfigMap>,
    /// Here the events of one quota come one after the other, so that only replicas compete for it.
    known: Arc<Mutex<HashMap<String, Arc<Mutex<Known>>>>>,
}

/// The ConfigMap as this replica read or wrote it last.
type Known = Option<ConfigMap>;

impl Quotas {
    /// The quotas that are kept in this namespace.
    pub fn new(client: Client, namespace: &str) -> Self {
        Self {
            maps: Api::namespaced(client, namespace),
            known: Arc::default(),
        }
    }

    /// Counts one more event, unless `span` holds `most` already. After an error it may have been counted. A quota that
    /// somebody else wrote, and that cannot be read, is used up for a span.
    pub async fn take(
        &self,
        of: &str,
        most: usize,
        span: SignedDuration,
    ) -> Result<Result<(), Exceeded>, kube::Error> {
        let digits: String = Digest::of(&[of.as_bytes()]).hex().chars().take(DIGITS).collect();
        let name = format!("{QUOTA_PREFIX}{digits}");
        let turn = self.known.lock().await.entry(name.clone()).or_default().clone();
        let mut known = turn.lock().await;
        loop {
            let now = Timestamp::now();
            let (events, taken) = match events_of(known.as_ref()) {
                Ok(events) => match events.take(now, most, span) {
                    Ok(events) => (events, Ok(())),
                    // Another replica only adds events: a wait that was due may be longer, never shorter.
                    Err(wait) => return Ok(Err(Exceeded { wait })),
                },
                Err(_) => (Events::full(now, most), Err(Exceeded { wait: span })),
            };
            if self
                .write(map(&name, of, &events, known.as_ref()), &mut known)
                .await?
            {
                return Ok(taken);
            }
        }
    }

    /// Writes the next version. When another replica was faster, learns what it wrote.
    async fn write(&self, next: ConfigMap, known: &mut MutexGuard<'_, Known>) -> Result<bool, kube::Error> {
        let name = next.metadata.name.clone().unwrap_or_default();
        let parameters = PostParams::default();
        let written = if known.is_some() {
            self.maps.replace(&name, &parameters, &next).await
        } else {
            self.maps.create(&parameters, &next).await
        };
        match written {
            Ok(written) => {
                **known = Some(written);
                Ok(true)
            }
            Err(kube::Error::Api(status))
                if status.is_conflict() || status.is_already_exists() || status.is_not_found() =>
            {
                **known = self.maps.get_opt(&name).await?;
                Ok(false)
            }
            Err(error) => {
                // What is stored now, nobody knows.
                **known = None;
                Err(error)
            }
        }
    }
}

fn events_of(known: Option<&ConfigMap>) -> Result<Events, InvalidEvents> {
    let Some(known) = known else {
        return Ok(Events::default());
    };
    let text = known.data.as_ref().and_then(|data| data.get(EVENTS));
    text.map_or("?", String::as_str).parse()
}

fn map(name: &str, of: &str, events: &Events, known: Option<&ConfigMap>) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            uid: known.and_then(|known| known.metadata.uid.clone()),
            resource_version: known.and_then(|known| known.metadata.resource_version.clone()),
            ..ObjectMeta::default()
        },
        data: Some(
            [
                (OF.to_owned(), of.to_owned()),
                (EVENTS.to_owned(), events.to_string()),
            ]
            .into(),
        ),
        ..ConfigMap::default()
    }
}
