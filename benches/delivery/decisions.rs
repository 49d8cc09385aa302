//! What decisions read, as the operator's feed of zones keeps it.

use std::{sync::Arc, time::Instant};

use countersign::{
    clock::Clock,
    feeds::{Feed, Feeds},
    state::State,
    watch::Freshness,
};
use countersign_api::{Zone, index::Index};
use countersign_core::{digest::MacKey, snapshot, zones::Holding};
use kube::Client;
use tokio::sync::watch;

use super::zones;

/// The published snapshot.
pub struct Decisions {
    state: Arc<State>,
    published: watch::Receiver<u64>,
    _feed: Feed<Zone>,
}

impl Decisions {
    /// Follows the zones, and waits until that many are known.
    pub async fn start(client: &Client, count: usize) -> anyhow::Result<Self> {
        let index = Index::new(snapshot::Cluster {
            id: "cluster".into(),
            operator: "system:serviceaccount:countersign-system:countersign".into(),
            operator_uid: "operator".into(),
            namespace: "countersign-system".into(),
            redaction: MacKey::new([1; 32]),
            stamp: MacKey::new([2; 32]),
        });
        let state = Arc::new(State::new(index.snapshot().clone(), Vec::new(), Clock::default()));
        let feeds = Feeds::new(index, state.clone());
        let mut published = feeds.changes();
        let feed = feeds.watch(client, Freshness::default());
        while state.snapshot().zones.len() < count {
            published.changed().await?;
        }
        Ok(Self {
            state,
            published,
            _feed: feed,
        })
    }

    /// When zone `i` is published as change `number` left it.
    pub async fn see(&mut self, i: usize, number: usize) -> anyhow::Result<Instant> {
        let (namespace, cooperator) = (zones::namespace(i), zones::cooperator(number));
        loop {
            self.published.changed().await?;
            let seen = Instant::now();
            let snapshot = self.state.snapshot();
            if let Holding::One(zone) = snapshot.zones.object(&namespace, "deployments.apps", "web")
                && zone.cooperators.iter().any(|known| known.as_str() == cooperator)
            {
                return Ok(seen);
            }
        }
    }
}
