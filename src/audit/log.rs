//! The append-only log: one thread writes; what waits while it syncs is the next batch.

use std::{io, path::Path, sync::Arc, thread::JoinHandle, time::Instant};

use countersign_core::{
    audit::{
        Entry, Event, Head, Record,
        record::{Opened, Torn},
    },
    digest::Digest,
    ticket::Ticket,
};
use jiff::Timestamp;
use tokio::sync::{
    mpsc::{self, error::TrySendError},
    oneshot,
};

use super::{
    directory::{Directory, Found, OpenError},
    standing::Standing,
};
use crate::metrics::AuditMetrics;

/// Records that may wait for the thread.
const QUEUE: usize = 4096;

/// Records that are synced at once.
const BATCH: usize = 512;

/// Proof that a record is durable. Only the log can make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    index: u64,
    hash: Digest,
}

impl Receipt {
    /// The record's index in its writer's log.
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// The record's leaf hash.
    pub const fn hash(&self) -> Digest {
        self.hash
    }
}

/// A record was not made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuditError {
    /// More records wait than the log takes on.
    #[error("the audit log is overloaded")]
    Overloaded,
    /// A write or sync failed. The log takes no more: after a failed sync nobody knows what is on the disk.
    #[error("the audit log is unavailable")]
    Unavailable,
}

/// Where batches are made durable.
pub(super) trait Storage: Send + 'static {
    /// Appends `batch`, whose first entry follows `before`, and returns once it is durable.
    fn commit(&mut self, before: &Head, batch: &[u8]) -> io::Result<()>;
}

struct Append {
    record: Record,
    answer: oneshot::Sender<Receipt>,
}

/// One writer's log. Clones write to the same; the last one to go waits until the directory is free again.
#[derive(Clone, Debug)]
pub struct Log(Arc<Writer>);

#[derive(Debug)]
struct Writer {
    appends: Option<mpsc::Sender<Append>>,
    thread: Option<JoinHandle<()>>,
    tickets: Standing,
}

impl Log {
    /// Opens the log in `path`, or begins one there, and records that it was opened.
    pub fn open(path: &Path, now: Timestamp, metrics: AuditMetrics) -> Result<Self, OpenError> {
        let Found {
            directory,
            head,
            torn,
        } = Directory::open(path)?;
        let tickets = Standing::read(path, now)?;
        let first = opened(now, torn);
        Self::start((directory, tickets), &head, &first, metrics).map_err(OpenError::First)
    }

    fn start(
        (mut storage, tickets): (impl Storage, Standing),
        head: &Head,
        first: &Record,
        metrics: AuditMetrics,
    ) -> Result<Self, AuditError> {
        let entry = link(head, first)?;
        storage
            .commit(head, &entry.bytes)
            .map_err(|error| poisoned(&error))?;
        let (appends, queue) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || write(storage, entry.head, queue, &metrics))
            .map_err(|error| poisoned(&error))?;
        Ok(Self(Arc::new(Writer {
            appends: Some(appends),
            thread: Some(thread),
            tickets,
        })))
    }

    /// Appends a record and returns once it is durable. Dropping the future does not take the record back.
    pub async fn append(&self, record: Record) -> Result<Receipt, AuditError> {
        let receipt = self.enqueue(record)?;
        receipt.await.map_err(|_| AuditError::Unavailable)
    }

    /// Appends a record before whatever is appended later: records become durable in their order, so that the receipt of a
    /// later one proves this one, too.
    pub fn append_ahead(&self, record: Record) -> Result<(), AuditError> {
        self.enqueue(record).map(drop)
    }

    fn enqueue(&self, record: Record) -> Result<oneshot::Receiver<Receipt>, AuditError> {
        let (answer, receipt) = oneshot::channel();
        let appends = self.0.appends.as_ref().ok_or(AuditError::Unavailable)?;
        // Before it is durable: too early a word only delays, too late a one lets a ticket be used twice.
        self.0.tickets.note(&record);
        appends
            .try_send(Append { record, answer })
            .map_err(|error| match error {
                TrySendError::Full(_) => AuditError::Overloaded,
                TrySendError::Closed(_) => AuditError::Unavailable,
            })?;
        Ok(receipt)
    }

    /// Whether a ticket was led further than its status says, or somewhere else, or may have been for all that is on
    /// record.
    pub fn contradicts(&self, ticket: &Ticket) -> bool {
        self.0.tickets.denies(ticket)
    }

    /// Whether the last step of the ticket that is on record led where its status says.
    pub fn confirms(&self, ticket: &Ticket) -> bool {
        self.0.tickets.confirms(ticket)
    }

    /// Whether the last step of the ticket that is on record led to what has this name.
    pub fn led_to(&self, ticket: &Ticket, name: &str) -> bool {
        self.0.tickets.led_to(&ticket.uid, name)
    }

    /// Whether where the ticket stands is not on record yet, or never came there.
    pub fn lags_behind(&self, ticket: &Ticket) -> bool {
        self.0.tickets.lags(ticket)
    }

    /// Whether the log can still make records durable.
    pub fn is_available(&self) -> bool {
        self.0
            .appends
            .as_ref()
            .is_some_and(|appends| !appends.is_closed())
    }

    /// Returns when the log has become unavailable; it never becomes available again.
    pub async fn failed(&self) {
        if let Some(appends) = &self.0.appends {
            appends.closed().await;
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.appends.take());
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            tracing::error!("the audit log's thread panicked");
        }
    }
}

fn opened(time: Timestamp, torn: Option<Torn>) -> Record {
    Record {
        time,
        event: Event::Opened(Opened {
            version: env!("CARGO_PKG_VERSION").into(),
            torn,
        }),
    }
}

/// Writes batches until nobody can append any more, or until one fails: then every waiter and everybody after
/// it learns that the log is unavailable, by the queue's end.
fn write(
    mut storage: impl Storage,
    mut head: Head,
    mut queue: mpsc::Receiver<Append>,
    metrics: &AuditMetrics,
) {
    let mut batch = Vec::with_capacity(BATCH);
    while queue.blocking_recv_many(&mut batch, BATCH) > 0 {
        let begun = Instant::now();
        let Ok(entries) = commit(&mut storage, &head, &batch) else {
            return;
        };
        metrics.commit_seconds.observe(begun.elapsed().as_secs_f64());
        metrics.records.inc_by(entries.len() as u64);
        for (append, entry) in batch.drain(..).zip(entries) {
            let receipt = Receipt {
                index: head.next(),
                hash: entry.hash(),
            };
            // The one who asked may be gone; the record stays.
            let _ = append.answer.send(receipt);
            head = entry;
        }
    }
}

/// Makes a batch durable and gives the chain's head after each of its records.
fn commit(storage: &mut impl Storage, head: &Head, batch: &[Append]) -> Result<Vec<Head>, AuditError> {
    let mut bytes = Vec::with_capacity(batch.len() * 1024);
    let mut heads: Vec<Head> = Vec::with_capacity(batch.len());
    for append in batch {
        let entry = link(heads.last().unwrap_or(head), &append.record)?;
        bytes.extend_from_slice(&entry.bytes);
        heads.push(entry.head);
    }
    storage.commit(head, &bytes).map_err(|error| poisoned(&error))?;
    Ok(heads)
}

fn link(head: &Head, record: &Record) -> Result<Entry, AuditError> {
    head.link(record).map_err(|error| poisoned(&error))
}

fn poisoned(error: &impl std::fmt::Display) -> AuditError {
    tracing::error!(%error, "the audit log failed; guarded writes are denied until the operator is restarted");
    AuditError::Unavailable
}

#[cfg(test)]
mod tests;
