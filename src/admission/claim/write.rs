//! One write that wants a ticket, and how it will be known when it was stored.

use std::sync::Arc;

use countersign_core::{
    decision::{Covered, Denial},
    object::Change,
    request::{Operation, Request},
    rollback::inverse,
    snapshot::Snapshot,
    ticket::{CallKind, Ticket, TicketState},
};
use kube::{Api, Client, api::ListParams};

use super::denial;
use crate::admission::complete;

/// One write that wants a ticket.
pub struct Write<'a, 'r> {
    pub covered: &'a Covered,
    pub review_uid: &'a str,
    pub request: &'a Request<'r>,
    pub snapshot: &'a Snapshot,
}

impl Write<'_, '_> {
    /// The ticket as it approves this write: one that was used approves what undoes its own.
    pub fn reads(&self, ticket: &Arc<Ticket>) -> Result<Arc<Ticket>, Denial> {
        let Some(undoing) = &self.covered.undoes else {
            return Ok(ticket.clone());
        };
        inverse(ticket, &undoing.binding, undoing.window)
            .map(Arc::new)
            .ok_or_else(|| denial(ticket, "it covers the inverse of its change no more"))
    }

    /// The ticket when this write has led it, as it approves this, to `state`.
    pub fn leads(&self, ticket: &Ticket, state: TicketState) -> Ticket {
        let ticket = ticket.clone();
        match self.covered.undoes {
            None => Ticket { state, ..ticket },
            Some(_) => Ticket {
                rollback: state.claim().cloned(),
                ..ticket
            },
        }
    }

    /// The uid of the object that the write creates.
    pub fn created_uid(&self) -> Result<Option<Arc<str>>, Denial> {
        let creates = self.covered.call == CallKind::Once && self.request.target.subresource.is_empty();
        let Change::Create(object) = &self.request.change else {
            return Ok(None);
        };
        Ok(if creates {
            object.uid()?.map(Arc::from)
        } else {
            None
        })
    }

    /// The version from which on a watch shows whether the write was stored: of the old object, or for a create
    /// of its collection just before the claim.
    pub async fn version_before(&self, client: &Client) -> Result<Option<Arc<str>>, Denial> {
        let request = self.request;
        if let Some(old) = request.change.before() {
            return Ok(old.resource_version()?.map(Arc::from));
        }
        let watched = matches!(request.change, Change::Create(_)) && request.operation == Operation::Create;
        if !watched {
            return Ok(None);
        }
        let resource = kube::api::ApiResource {
            group: request.target.group.to_owned(),
            version: request.target.version.to_owned(),
            api_version: request.target.api_version(),
            kind: request.target.kind.to_owned(),
            plural: request.target.resource.to_owned(),
        };
        let api: Api<kube::api::DynamicObject> = match request.target.namespace {
            Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
            None => Api::all_with(client.clone(), &resource),
        };
        match api.list_metadata(&ListParams::default().limit(1)).await {
            Ok(list) => Ok(list.metadata.resource_version.map(Arc::from)),
            // Of Secrets one at a time is read, and no watch: the object itself will show whether it was made.
            Err(kube::Error::Api(status)) if status.is_forbidden() => Ok(None),
            Err(error) => Err(complete::unreadable(&request.target, &error)),
        }
    }
}
