//! Intents: what an agent said, and signed, that it is about to do and why. An intent allows nothing by itself.

mod statement;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

pub use self::statement::{BadIntent, Signed, Statement};
use crate::{agent_key::AgentKey, identity::Identity};

/// How long after an intent was signed what it explains may be done.
pub const USABLE: SignedDuration = SignedDuration::from_mins(15);

/// How old a signature may be when the intent is made.
pub const MAX_AGE: SignedDuration = SignedDuration::from_mins(5);

/// An intent that was admitted: signed by the agent's key, and stamped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// Namespace of the object.
    pub namespace: Arc<str>,
    /// Name of the object.
    pub name: Arc<str>,
    /// Uid of the object.
    pub uid: Arc<str>,
    /// Who signed it.
    pub agent: Identity,
    /// What it is about to delete, each as [`resource`](crate::binding::resource) writes it.
    pub deletes: Vec<Arc<str>>,
    /// When it was signed.
    pub time: Timestamp,
    /// The key that signed it.
    pub key: AgentKey,
}

impl Intent {
    /// Whether it explains, at this moment, that this resource is deleted.
    pub fn explains(&self, resource: &str, now: Timestamp) -> bool {
        let is_fresh = now.duration_since(self.time) < USABLE;
        is_fresh && self.deletes.iter().any(|named| **named == *resource)
    }
}
