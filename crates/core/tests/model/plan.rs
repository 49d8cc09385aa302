//! What a ticket approves, and what a stored write of it looks like.

use countersign_core::{
    digest::Digest,
    ticket::{CallKind, Claim},
};

use super::{
    collection::{Event, Object, Value},
    names::number,
};

/// The uid of the object that is there at first.
pub const ORIGINAL: u8 = 0;

/// A change of the one object there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// The original's value becomes this one; it is the other before.
    Set(Value),
    /// Another object of that name.
    Create,
    /// The original is deleted, in two passes (E8).
    Delete,
    /// Somebody connects to it.
    Connect,
}

/// Who made an object what an event shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Author {
    Us,
    Others,
    Unknown,
}

impl Plan {
    pub const fn call_kind(self) -> CallKind {
        match self {
            Self::Set(_) => CallKind::Update,
            Self::Create => CallKind::Once,
            Self::Delete => CallKind::Delete,
            Self::Connect => CallKind::Connect,
        }
    }

    /// Whether a write of this object would be the change that is approved.
    pub fn fits(self, before: Option<&Object>) -> bool {
        let original = before.filter(|object| object.uid == ORIGINAL);
        match self {
            Self::Set(value) => original.is_some_and(|object| object.value != value && !object.leaving),
            Self::Create => true,
            Self::Delete | Self::Connect => original.is_some(),
        }
    }

    /// How many writes it may come to: a connection is made again by a client that falls back.
    pub const fn most(self) -> u8 {
        if matches!(self, Self::Connect) { 2 } else { 1 }
    }

    /// Who made the object so; as `Trace::explain`.
    pub fn explain(self, claim: &Claim, event: &Event) -> Author {
        let object = &event.object;
        let same = object.uid == ORIGINAL;
        let ours = match self {
            Self::Set(value) => same && object.value == value,
            Self::Create => match claim.object_uid.as_deref().and_then(number) {
                Some(uid) => object.uid == uid,
                None => return Author::Unknown,
            },
            Self::Delete => same && (event.deleted || object.leaving),
            Self::Connect => return Author::Unknown,
        };
        if ours { Author::Us } else { Author::Others }
    }

    /// What a claim of it holds on to; `strange` of another change than the approved one.
    pub fn bind(self, strange: bool) -> Digest {
        let bind = |seed: u8| Digest::of(&[&[seed, u8::from(strange)]]);
        match self {
            Self::Set(Value::Old) => bind(0),
            Self::Set(Value::New) => bind(1),
            Self::Create => bind(2),
            Self::Delete => bind(3),
            Self::Connect => bind(4),
        }
    }
}
