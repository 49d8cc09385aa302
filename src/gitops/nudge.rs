//! The nudge: once a ticket is approved, its controller is asked to try again, so that nobody waits for its next round
//! or for a budget of retries that is spent.

use std::{collections::BTreeMap, time::Duration};

use countersign_core::{
    gitops::{Owner, Tool},
    ticket::Ticket,
};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client,
    runtime::events::{Event, EventType},
};
use serde::Serialize;
use serde_json::Value;
use tokio::time::timeout;

use super::object::Deployer;
use crate::{
    admission::object_path,
    violations::{publish, recorder},
};

/// How long a nudge may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How much of what went wrong an Event tells.
const MAX_NOTE: usize = 500;

/// Who asks, as managed fields show it.
const MANAGER: &str = "countersign";

/// Asks the controller that delivers the change of this ticket to try again. Nothing waits for it, and it may fail: the
/// controller comes back by itself, later.
pub fn nudge(ticket: &Ticket, client: &Client) {
    let Some(delivery) = &ticket.provenance.delivered_by else {
        return;
    };
    let (owner, client) = (delivery.owner.clone(), client.clone());
    let regarding = ObjectReference {
        api_version: Some("countersign.dev/v1alpha1".to_owned()),
        kind: Some("ApprovalTicket".to_owned()),
        namespace: Some(ticket.namespace.to_string()),
        name: Some(ticket.name.to_string()),
        uid: Some(ticket.uid.to_string()),
        ..ObjectReference::default()
    };
    tokio::spawn(async move {
        let asked = timeout(PATIENCE, ask(&owner, &client)).await;
        let failed = match asked {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(late) => Some(late.to_string()),
        };
        publish(&recorder(client), &event(&owner, failed), &regarding).await;
    });
}

async fn ask(owner: &Owner, client: &Client) -> Result<(), kube::Error> {
    let patch = match owner.tool {
        Tool::Kustomization | Tool::HelmRelease => reconcile(owner.tool, Timestamp::now()),
        Tool::Application => match Deployer::read(owner, client).await? {
            Some(application) => again(&application),
            None => return Ok(()),
        },
    };
    let path = object_path(&owner.target());
    let request = http::Request::patch(format!("{path}?fieldManager={MANAGER}"))
        .header("content-type", "application/merge-patch+json")
        .body(serde_json::to_vec(&patch).map_err(kube::Error::SerdeError)?)
        .map_err(kube::Error::HttpError)?;
    client.request_text(request).await.map(|_| ())
}

/// What is written of an owner, and no more.
#[derive(Debug, Serialize)]
struct Request {
    metadata: Annotated,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<Value>,
}

#[derive(Debug, Serialize)]
struct Annotated {
    annotations: BTreeMap<&'static str, String>,
}

impl Request {
    fn by(annotations: &[&'static str], value: &str, operation: Option<Value>) -> Self {
        let annotations = annotations.iter().map(|key| (*key, value.to_owned()));
        Self {
            metadata: Annotated {
                annotations: annotations.collect(),
            },
            operation,
        }
    }
}

/// What Flux documents for a reconciliation at once; of a HelmRelease for a release although nothing changed.
fn reconcile(tool: Tool, now: Timestamp) -> Request {
    let (requested, forced) = ("reconcile.fluxcd.io/requestedAt", "reconcile.fluxcd.io/forceAt");
    let annotations: &[_] = match tool {
        Tool::HelmRelease => &[requested, forced],
        Tool::Kustomization | Tool::Application => &[requested],
    };
    Request::by(annotations, &now.to_string(), None)
}

/// What Argo CD documents: look again; and the operation that failed, once more.
fn again(application: &Deployer) -> Request {
    let failed = application.status.operation_state.as_ref();
    let failed = failed.filter(|state| ["Failed", "Error"].contains(&&*state.phase));
    let idle = failed.filter(|_| application.operation.is_none());
    let operation = idle.map(|state| state.operation.clone());
    Request::by(&["argocd.argoproj.io/refresh"], "normal", operation)
}

fn event(owner: &Owner, failed: Option<String>) -> Event {
    let whom = format!("{} {}/{}", owner.tool.kind(), owner.namespace, owner.name);
    let (type_, reason, note) = match failed {
        None => (
            EventType::Normal,
            "OwnerNudged",
            format!("{whom} was asked to try again"),
        ),
        Some(why) => {
            let note = format!("{whom} could not be asked to try again, and comes back by itself: {why}");
            let note = note.chars().take(MAX_NOTE).collect();
            (EventType::Warning, "OwnerNotNudged", note)
        }
    };
    Event {
        type_,
        reason: reason.to_owned(),
        note: Some(note),
        action: "Nudge".to_owned(),
        secondary: None,
    }
}

#[cfg(test)]
mod tests;
