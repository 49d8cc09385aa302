//! Whether a claimed write was stored: what a watch of its object shows since the claim.

use std::time::Duration;

use countersign_core::{
    binding::Binding,
    digest::{Digest, MacKey},
    hash::{HashContext, Pattern, state_hash},
    object::Object,
    request::Operation,
    ticket::Ticket,
};
use futures::StreamExt;
use http::Request;
use kube::{
    Client, ResourceExt,
    api::{DynamicObject, ObjectList, WatchEvent},
    core::Status,
};
use serde_json::json;
use tokio::time::timeout;

use super::complete::{self, collection_path, encoded};

/// What the past of an object says of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Past {
    /// The write was stored.
    Committed,
    /// Nothing of the write was stored up to this version.
    Untouched(u64),
    /// The API server did not tell all in time: it may when it is asked again.
    Untold,
    /// It cannot be told.
    Lost,
}

/// How long the API server keeps the watch open, in seconds. Two seconds before its end it tells how far it has come.
const WATCH_SECONDS: u32 = 4;

/// How long to wait for that.
const PATIENCE: Duration = Duration::from_secs(6);

/// What the API server says where it has forgotten what happened since a version.
const GONE: u16 = 410;

/// Who made an object what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Author {
    Us,
    Others,
    Unknown,
}

/// What a stored write of a ticket looks like.
#[derive(Debug)]
pub struct Trace<'a> {
    ticket: &'a Ticket,
    redaction: &'a MacKey,
    ignore: Vec<Pattern>,
}

impl<'a> Trace<'a> {
    /// The trace of the write that `ticket` approves; `ignore` leaves its hash.
    pub const fn new(ticket: &'a Ticket, redaction: &'a MacKey, ignore: Vec<Pattern>) -> Self {
        Self {
            ticket,
            redaction,
            ignore,
        }
    }

    /// What happened to the object since `version`: up to the version `until`, else up to now. Of what must not be
    /// watched, Secrets above all, and of what is served no longer, nothing is known.
    pub async fn since(
        &self,
        version: &str,
        until: Option<&str>,
        client: &Client,
    ) -> Result<Past, kube::Error> {
        match self.watched(version, until, client).await {
            Err(kube::Error::Api(status)) if hides(&status) => Ok(Past::Lost),
            other => other,
        }
    }

    async fn watched(
        &self,
        version: &str,
        until: Option<&str>,
        client: &Client,
    ) -> Result<Past, kube::Error> {
        let end = if let Some(until) = until {
            until.to_owned()
        } else {
            let present = self.present(client).await?;
            if self.shows_us(&present, version) {
                return Ok(Past::Committed);
            }
            present.metadata.resource_version.unwrap_or_default()
        };
        let Some(end) = number(&end) else {
            return Ok(Past::Lost);
        };
        let watched = timeout(PATIENCE, self.watch(version, end, client)).await;
        watched.unwrap_or(Ok(Past::Untold))
    }

    /// Follows the events from `version` on, until one of them, or the API server itself, is at `end`.
    async fn watch(&self, version: &str, end: u64, client: &Client) -> Result<Past, kube::Error> {
        let uri = format!(
            "{}&watch=1&resourceVersion={version}&timeoutSeconds={WATCH_SECONDS}&allowWatchBookmarks=true",
            self.uri()
        );
        let request = Request::get(uri)
            .body(Vec::new())
            .map_err(kube::Error::HttpError)?;
        let events = match client.request_events::<DynamicObject>(request).await {
            Ok(events) => events,
            Err(kube::Error::Api(status)) if status.code == GONE => return Ok(Past::Lost),
            Err(error) => return Err(error),
        };
        let mut events = events.boxed();
        while let Some(event) = events.next().await {
            let (object, deleted) = match event? {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => (object, false),
                WatchEvent::Deleted(object) => (object, true),
                WatchEvent::Bookmark(bookmark) => {
                    if number(&bookmark.metadata.resource_version).is_some_and(|seen| seen >= end) {
                        return Ok(Past::Untouched(end));
                    }
                    continue;
                }
                WatchEvent::Error(status) if status.code == GONE => return Ok(Past::Lost),
                WatchEvent::Error(_) => return Ok(Past::Untold),
            };
            match self.explain(&object, deleted) {
                Author::Us => return Ok(Past::Committed),
                Author::Others => {}
                Author::Unknown => return Ok(Past::Lost),
            }
            if object
                .resource_version()
                .as_deref()
                .and_then(number)
                .is_some_and(|seen| seen >= end)
            {
                return Ok(Past::Untouched(end));
            }
        }
        Ok(Past::Untold)
    }

    /// The object, if it is there, and the version up to which the past is complete, by a quorum read.
    async fn present(&self, client: &Client) -> Result<ObjectList<DynamicObject>, kube::Error> {
        let request = Request::get(self.uri())
            .body(Vec::new())
            .map_err(kube::Error::HttpError)?;
        client.request(request).await
    }

    /// Whether the object is what the write made it, since this version: the last event of a watch would show the same.
    fn shows_us(&self, present: &ObjectList<DynamicObject>, version: &str) -> bool {
        let is_newer = |object: &&DynamicObject| {
            let seen = object.resource_version();
            seen.as_deref().and_then(number) > number(version) && number(version).is_some()
        };
        let mut objects = present.items.iter().filter(is_newer);
        objects.any(|object| self.explain(object, false) == Author::Us)
    }

    /// The collection, narrowed to the object.
    fn uri(&self) -> String {
        let target = self.ticket.binding.target.target().parent();
        // A selector ends at a comma, and tells its two sides apart by an equals sign.
        let name = target
            .name
            .replace('\\', r"\\")
            .replace(',', r"\,")
            .replace('=', r"\=");
        format!(
            "{}?fieldSelector=metadata.name%3D{}",
            collection_path(&target),
            encoded(&name)
        )
    }

    /// Whether the object is as the write leaves it, read anew. It is lost when it is neither that nor as before, and
    /// when it must not be read.
    pub async fn of_present(&self, version: Option<&str>, client: &Client) -> Result<Past, kube::Error> {
        let target = self.ticket.binding.target.target();
        let read = match complete::read(&complete::path(&target.parent()), client).await {
            Err(kube::Error::Api(status)) if hides(&status) => return Ok(Past::Lost),
            read => read?,
        };
        let Some(text) = read else {
            let gone = self.ticket.binding.operation == Operation::Delete || target.subresource == "eviction";
            return Ok(if gone { Past::Committed } else { Past::Lost });
        };
        let Ok(object) = serde_json::from_str::<DynamicObject>(&text) else {
            return Ok(Past::Lost);
        };
        if self.explain(&object, false) == Author::Us {
            return Ok(Past::Committed);
        }
        let same =
            object.uid() == self.ticket.binding.target.uid && object.resource_version().as_deref() == version;
        let unchanged = version.and_then(number).filter(|_| same);
        Ok(unchanged.map_or(Past::Lost, Past::Untouched))
    }

    /// Who made an object what an event shows: us, somebody else, or nobody can tell. What is neither as before our
    /// write nor as after it may be our write in the form in which it was stored.
    fn explain(&self, object: &DynamicObject, deleted: bool) -> Author {
        let binding = &self.ticket.binding;
        let same = binding.target.uid.is_some() && object.uid() == binding.target.uid;
        let ours = match (binding.operation, binding.target.subresource.as_str()) {
            (Operation::Delete, _) | (Operation::Create, "eviction") => {
                same && (deleted || object.metadata.deletion_timestamp.is_some())
            }
            (Operation::Create, "binding") => same && object.data.pointer("/spec/nodeName").is_some(),
            (Operation::Create, "") => match self
                .ticket
                .state
                .claim()
                .and_then(|claim| claim.object_uid.as_deref())
            {
                Some(uid) => object.uid().as_deref() == Some(uid),
                None => return Author::Unknown,
            },
            (Operation::Update, _) if same => return self.explain_update(object, deleted),
            (Operation::Update, _) => false,
            (Operation::Create | Operation::Connect, _) => return Author::Unknown,
        };
        if ours { Author::Us } else { Author::Others }
    }

    /// A Scale shows its parent's `/spec/replicas`, where that is what it scales; else nobody can tell.
    fn explain_update(&self, object: &DynamicObject, deleted: bool) -> Author {
        let binding = &self.ticket.binding;
        if deleted && self.state(binding, &let_go(object)) == Some(binding.resource_hash) {
            return Author::Us;
        }
        let Some(state) = self.state(binding, object) else {
            return Author::Unknown;
        };
        if state == binding.resource_hash {
            return Author::Us;
        }
        if Some(state) == binding.old_hash {
            Author::Others
        } else {
            Author::Unknown
        }
    }

    /// The digest over what the object holds where the write changes it.
    fn state(&self, binding: &Binding, object: &DynamicObject) -> Option<Digest> {
        let text = if binding.target.subresource == "scale" {
            serde_json::to_string(&as_scaled(object))
        } else {
            serde_json::to_string(object)
        };
        let text = text.ok()?;
        let context = HashContext {
            api_version: &binding.target.target().api_version(),
            kind: &binding.target.kind,
            subresource: &binding.target.subresource,
            writer: None,
            ignore: &self.ignore,
            redaction: self.redaction,
        };
        let pointers: Vec<_> = self.ticket.parts.keys().collect();
        state_hash(&Object::parse(&text).ok()?, &pointers, &context).ok()
    }
}

/// As the body of a Scale tells of the object: of its spec the replicas alone, and of none nothing.
fn as_scaled(object: &DynamicObject) -> DynamicObject {
    let mut object = object.clone();
    let replicas = object.data.pointer("/spec/replicas").cloned();
    let replicas = replicas.filter(|replicas| *replicas != 0);
    if let Some(spec) = object.data.get_mut("spec") {
        *spec = replicas.map_or_else(|| json!({}), |replicas| json!({ "replicas": replicas }));
    }
    object
}

/// A terminating object goes with its last finalizer, and the watch shows it as it was before that write: this is it as
/// the write left it.
fn let_go(object: &DynamicObject) -> DynamicObject {
    let mut object = object.clone();
    if object.metadata.deletion_timestamp.is_some() {
        object.metadata.finalizers = None;
    }
    object
}

/// Whether the API server will tell nothing of a collection: it must not be read, or its resource is gone.
fn hides(status: &Status) -> bool {
    status.is_forbidden() || status.is_not_found()
}

/// Versions of one resource type grow with time.
fn number(version: &str) -> Option<u64> {
    version.parse().ok()
}
