//! Namespace: the seals of its labels, kept in the operator's Secret, and a word on what bears none.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use countersign_api::{
    index::Index,
    seal::{NamespaceSeals, Seals, labels_content},
};
use countersign_core::{seal::Content, snapshot::Snapshot};
use futures::StreamExt;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder};
use tokio::time::sleep;

use super::{Context, gathered};
use crate::{
    feeds::Feeds,
    keys::{KeysError, NamespaceVault},
    violations::{publish, recorder},
};

/// How often it is asked whether everything is known, at the start.
const POLL: Duration = Duration::from_millis(100);

/// How long to wait after the seals could not be written.
const PAUSE: Duration = Duration::from_secs(1);

/// What all namespaces bear from now on.
#[derive(Default)]
struct Judged {
    seals: NamespaceSeals,
    /// What bears its seal now.
    sealed: Vec<Content>,
    /// What bears none, by name and uid.
    unsealed: BTreeSet<(Arc<str>, Arc<str>)>,
}

/// Keeps the seals of labels that passed admission, and of all that are there until strict mode is latched. Never
/// returns.
pub async fn keep_namespaces(feeds: Arc<Feeds>, vault: NamespaceVault, context: Arc<Context>) {
    let mut changes = Box::pin(gathered(feeds.changes()));
    // What is not known yet is not gone.
    while context.state.stale().is_some() {
        sleep(POLL).await;
    }
    let recorder = recorder(context.client.clone());
    let (mut seen, mut told) = (None::<Arc<Snapshot>>, BTreeSet::new());
    loop {
        let snapshot = context.state.snapshot();
        if seen.as_ref().is_none_or(|seen| differs(seen, &snapshot)) {
            let judged = judge(&snapshot, &context.seals);
            if let Err(error) = judged.keep(&vault, &feeds, &context.seals).await {
                tracing::warn!(%error, "the seals of namespaces were not written");
                sleep(PAUSE).await;
                continue;
            }
            for one in judged.unsealed.difference(&told) {
                tell(one, &recorder).await;
            }
            told = judged.unsealed;
            seen = Some(snapshot);
        }
        changes.next().await;
    }
}

impl Judged {
    /// Remembers first; from then on the seals alone speak for what bears them.
    async fn keep(&self, vault: &NamespaceVault, feeds: &Feeds, seals: &Seals) -> Result<(), KeysError> {
        if self.seals != seals.namespaces() {
            vault.keep(&self.seals).await?;
            seals.keep_namespaces(self.seals.clone());
            feeds.update(Index::look_at_namespaces_again);
        }
        self.sealed.iter().for_each(|content| seals.forget(content));
        Ok(())
    }
}

fn differs(before: &Snapshot, now: &Snapshot) -> bool {
    before.latched != now.latched || !before.namespaces.ptr_eq(&now.namespaces)
}

fn judge(snapshot: &Snapshot, seals: &Seals) -> Judged {
    let (kept, mut judged) = (seals.namespaces(), Judged::default());
    for (name, known) in &snapshot.namespaces {
        let content = labels_content(&**name, &*known.uid, known.labels());
        let vouched = |content: &Content| !snapshot.latched || seals.vouch_for_labels(content);
        let content = content.filter(vouched);
        let seal = content.as_ref().and_then(|content| seals.sign(content, &[]));
        if seal.is_none() {
            judged.unsealed.insert((name.as_str().into(), known.uid.clone()));
        }
        judged.sealed.extend(content);
        // An old seal stays: the labels that it is for may be given back.
        let seal = seal.or_else(|| kept.get(&**name).cloned());
        judged.seals.extend(seal.map(|seal| (name.to_string(), seal)));
    }
    judged
}

/// Says that a namespace is prod because nobody judged its labels.
async fn tell((name, uid): &(Arc<str>, Arc<str>), recorder: &Recorder) {
    tracing::warn!(namespace = &**name, "nobody judged its labels: it is prod");
    let note = format!(
        "nobody judged its labels, so it is prod: give it back those that it had, or kubectl countersign admin attest \
         namespaces {name}"
    );
    let event = Event {
        type_: EventType::Warning,
        reason: "Unsealed".to_owned(),
        note: Some(note),
        action: "Sealing".to_owned(),
        secondary: None,
    };
    let namespace = ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Namespace".to_owned()),
        name: Some(name.to_string()),
        uid: Some(uid.to_string()),
        ..ObjectReference::default()
    };
    publish(recorder, &event, &namespace).await;
}
