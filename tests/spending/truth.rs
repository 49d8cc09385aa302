//! What was really stored, by the API server's own word, beside what the tickets say.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use countersign_api::{ApprovalTicket, approval_ticket::TicketState};
use countersign_core::request::Operation;
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, WatchEvent, WatchParams},
};
use tokio::time::{Instant, sleep};

use super::wish::Write;

/// One change of one object, as a ticket approves it and as a watch shows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    pub write: Write,
    pub uid: String,
    /// The value that it left; none of a delete.
    pub value: Option<String>,
}

/// A change that was stored.
#[derive(Clone, Debug)]
pub struct Stored {
    pub namespace: String,
    pub change: Change,
    pub version: String,
}

/// All versions of all ConfigMaps, from the begin on.
pub struct History(Arc<Mutex<Vec<Stored>>>);

impl History {
    /// Follows them by this client.
    pub async fn follow(client: &Client) -> Self {
        let maps: Api<ConfigMap> = Api::all(client.clone());
        let list = maps.list(&ListParams::default()).await.unwrap();
        let values = list.items.iter().map(|map| (map.uid().unwrap(), value(map)));
        let values: BTreeMap<_, _> = values.collect();
        let stored = Arc::<Mutex<Vec<Stored>>>::default();
        tokio::spawn(note(
            maps,
            list.metadata.resource_version.unwrap(),
            values,
            stored.clone(),
        ));
        Self(stored)
    }

    /// What was stored in this namespace so far.
    pub fn of(&self, namespace: &str) -> Vec<Stored> {
        let stored = self.0.lock().unwrap();
        stored
            .iter()
            .filter(|one| one.namespace == namespace)
            .cloned()
            .collect()
    }
}

fn value(map: &ConfigMap) -> Option<String> {
    map.data.as_ref()?.get("a").cloned()
}

async fn note(
    maps: Api<ConfigMap>,
    mut version: String,
    mut values: BTreeMap<String, Option<String>>,
    stored: Arc<Mutex<Vec<Stored>>>,
) {
    loop {
        let Ok(events) = maps.watch(&WatchParams::default(), &version).await else {
            sleep(Duration::from_millis(100)).await;
            continue;
        };
        let mut events = events.boxed();
        while let Ok(Some(event)) = events.try_next().await {
            let (map, write) = match event {
                WatchEvent::Added(map) => (map, Write::Create),
                WatchEvent::Modified(map) => (map, Write::Update),
                WatchEvent::Deleted(map) => (map, Write::Delete),
                WatchEvent::Bookmark(bookmark) => {
                    version = bookmark.metadata.resource_version;
                    continue;
                }
                WatchEvent::Error(error) => panic!("the history is lost: {error}"),
            };
            version = map.resource_version().unwrap();
            // Every namespace gets the cluster's certificate.
            let Some(value) = value(&map) else { continue };
            let (uid, value) = (map.uid().unwrap(), Some(value).filter(|_| write != Write::Delete));
            let before = values.insert(uid.clone(), value.clone());
            if write == Write::Update && before.as_ref() == Some(&value) {
                continue;
            }
            stored.lock().unwrap().push(Stored {
                namespace: map.namespace().unwrap(),
                change: Change { write, uid, value },
                version: version.clone(),
            });
        }
    }
}

/// Where the tickets of some places ended, each beside what was stored.
#[derive(Debug, Default)]
pub struct Balance {
    pub spends: usize,
    pub consumed: usize,
    pub indeterminate: usize,
    pub unused: usize,
    /// Spends without a ticket that says so, tickets that say so without a spend.
    pub wrong: Vec<String>,
}

impl Balance {
    /// Counts another one in.
    pub fn add(&mut self, other: Self) {
        self.spends += other.spends;
        self.consumed += other.consumed;
        self.indeterminate += other.indeterminate;
        self.unused += other.unused;
        self.wrong.extend(other.wrong);
    }
}

/// Waits until no write holds any ticket of a namespace, and compares them all with what was stored.
pub async fn balance(namespace: &str, history: &History, admin: &Client) -> Balance {
    let tickets = settled(namespace, admin).await;
    let stored = history.of(namespace);
    let mut balance = Balance {
        spends: stored.len(),
        ..Balance::default()
    };
    let mut changes = BTreeSet::new();
    for one in &stored {
        if !changes.insert(one.change.clone()) {
            balance.wrong.push(format!("stored twice: {one:?}"));
        }
    }
    let (mut paid, mut perhaps) = (BTreeSet::new(), BTreeSet::new());
    for ticket in &tickets {
        let status = ticket.status.clone().unwrap_or_default();
        let spent = spent(ticket).filter(|change| changes.contains(change));
        match (status.state, spent) {
            (TicketState::Consumed, Some(change)) => {
                balance.consumed += 1;
                if !paid.insert(change) {
                    let name = ticket.name_any();
                    balance
                        .wrong
                        .push(format!("{name} is a second ticket for one change"));
                }
            }
            (TicketState::Indeterminate, spent) => {
                balance.indeterminate += 1;
                perhaps.extend(spent);
            }
            (state, None) if state != TicketState::Consumed => balance.unused += 1,
            (state, spent) => {
                let name = ticket.name_any();
                balance.wrong.push(format!(
                    "{name} is {state:?}, and stored is {spent:?}: {status:#?}"
                ));
            }
        }
    }
    for change in changes
        .difference(&paid)
        .filter(|change| !perhaps.contains(change))
    {
        balance.wrong.push(format!("no ticket for {change:?}"));
    }
    balance
}

/// The change that a ticket was used for, or would be; of a create it is known by its claim alone.
fn spent(ticket: &ApprovalTicket) -> Option<Change> {
    let binding = &ticket.spec.binding;
    let part = ticket.spec.change.iter().find(|part| part.pointer == "/data/a");
    let new = || serde_json::from_str(part?.new.as_deref()?).ok();
    let uid = binding.target.uid.clone();
    Some(match binding.operation {
        Operation::Create => Change {
            write: Write::Create,
            uid: ticket.status.as_ref()?.claim.as_ref()?.object_uid.clone()?,
            value: new(),
        },
        Operation::Update => Change {
            write: Write::Update,
            uid: uid?,
            value: new(),
        },
        _ => Change {
            write: Write::Delete,
            uid: uid?,
            value: None,
        },
    })
}

async fn settled(namespace: &str, admin: &Client) -> Vec<ApprovalTicket> {
    let api: Api<ApprovalTicket> = Api::namespaced(admin.clone(), namespace);
    let end = Instant::now() + Duration::from_secs(150);
    loop {
        let tickets = api.list(&ListParams::default()).await.unwrap().items;
        let is_claimed = |ticket: &&ApprovalTicket| {
            let state = ticket.status.as_ref().map(|status| status.state);
            state == Some(TicketState::Claimed)
        };
        let Some(held) = tickets.iter().find(is_claimed) else {
            return tickets;
        };
        assert!(Instant::now() < end, "still held: {held:#?}");
        sleep(Duration::from_millis(500)).await;
    }
}
