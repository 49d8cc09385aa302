//! Whether a claimed write was stored: what a watch of its object shows since the claim.

use std::time::Duration;

use countersign_core::{
    binding::Binding,
    digest::MacKey,
    hash::{HashContext, Pattern, effective_change, state_hash},
    object::{Change, Object},
    request::Operation,
    ticket::Ticket,
};
use futures::StreamExt;
use http::Request;
use kube::{
    Client, ResourceExt,
    api::{DynamicObject, WatchEvent},
};
use tokio::time::timeout;

use super::complete::{self, collection_path};

/// What the past of an object says of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Past {
    /// The write was stored.
    Committed,
    /// Nothing of the write was stored in the time that was watched.
    Untouched,
    /// The time in question cannot be watched any more.
    Lost,
}

/// How long the API server waits for more events; those of the past come at once.
const WATCH_SECONDS: u32 = 2;

/// How long a pause among past events lasts at most.
const PAUSE: Duration = Duration::from_millis(400);

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

    /// What happened to the object since `version`, up to `until` when that is given, else up to now.
    pub async fn since(
        &self,
        version: &str,
        until: Option<&str>,
        client: &Client,
    ) -> Result<Past, kube::Error> {
        let target = self.ticket.binding.target.target();
        let uri = format!(
            "{}?watch=1&resourceVersion={version}&fieldSelector=metadata.name%3D{}&timeoutSeconds={WATCH_SECONDS}",
            collection_path(&target),
            target.name
        );
        let request = Request::get(uri)
            .body(Vec::new())
            .map_err(kube::Error::HttpError)?;
        let events = match client.request_events::<DynamicObject>(request).await {
            Ok(events) => events,
            Err(kube::Error::Api(status)) if status.code == 410 => return Ok(Past::Lost),
            Err(error) => return Err(error),
        };
        let mut events = events.boxed();
        while let Ok(Some(event)) = timeout(PAUSE, events.next()).await {
            let (object, deleted) = match event? {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => (object, false),
                WatchEvent::Deleted(object) => (object, true),
                WatchEvent::Bookmark(_) => continue,
                WatchEvent::Error(_) => return Ok(Past::Lost),
            };
            if self.is_shown_by(&object, deleted, client).await? {
                return Ok(Past::Committed);
            }
            if until.is_some() && object.resource_version().as_deref() == until {
                break;
            }
        }
        Ok(Past::Untouched)
    }

    /// Whether the object is as the write leaves it, read anew; `None` when it is neither that nor as before.
    pub async fn of_present(&self, version: Option<&str>, client: &Client) -> Result<Past, kube::Error> {
        let target = self.ticket.binding.target.target();
        let Some(text) = complete::read(&complete::path(&target.parent()), client).await? else {
            let gone = self.ticket.binding.operation == Operation::Delete || target.subresource == "eviction";
            return Ok(if gone { Past::Committed } else { Past::Lost });
        };
        let Ok(object) = serde_json::from_str::<DynamicObject>(&text) else {
            return Ok(Past::Lost);
        };
        if self.is_shown_by(&object, false, client).await? {
            return Ok(Past::Committed);
        }
        let same =
            object.uid() == self.ticket.binding.target.uid && object.resource_version().as_deref() == version;
        Ok(if same && version.is_some() {
            Past::Untouched
        } else {
            Past::Lost
        })
    }

    async fn is_shown_by(
        &self,
        object: &DynamicObject,
        deleted: bool,
        client: &Client,
    ) -> Result<bool, kube::Error> {
        let binding = &self.ticket.binding;
        let same = binding.target.uid.is_some() && object.uid() == binding.target.uid;
        let text = serde_json::to_string(object).map_err(kube::Error::SerdeError)?;
        Ok(match (binding.operation, binding.target.subresource.as_str()) {
            (Operation::Delete, _) | (Operation::Create, "eviction") => {
                same && (deleted || object.metadata.deletion_timestamp.is_some())
            }
            (Operation::Create, "") => !deleted && self.creates(binding, &text),
            (Operation::Create, "binding") => same && object.data.pointer("/spec/nodeName").is_some(),
            (Operation::Update, "scale") if same && !deleted => {
                let scale = complete::read(&complete::path(&binding.target.target()), client).await?;
                scale.is_some_and(|scale| self.holds(binding, &scale))
            }
            (Operation::Update, _) => same && !deleted && self.holds(binding, &text),
            (Operation::Create | Operation::Connect, _) => false,
        })
    }

    fn holds(&self, binding: &Binding, text: &str) -> bool {
        self.with_context(binding, |context| {
            let object = Object::parse(text).ok()?;
            Some(state_hash(&object, &self.ticket.pointers, context).ok()? == binding.resource_hash)
        })
    }

    fn creates(&self, binding: &Binding, text: &str) -> bool {
        self.with_context(binding, |context| {
            let created = Change::Create(Object::parse(text).ok()?);
            Some(effective_change(&created, context).ok()?.resource_hash == binding.resource_hash)
        })
    }

    fn with_context(&self, binding: &Binding, ask: impl FnOnce(&HashContext<'_>) -> Option<bool>) -> bool {
        let context = HashContext {
            api_version: &binding.target.target().api_version(),
            kind: &binding.target.kind,
            subresource: &binding.target.subresource,
            writer: None,
            ignore: &self.ignore,
            redaction: self.redaction,
        };
        ask(&context).unwrap_or(false)
    }
}
