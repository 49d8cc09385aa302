//! Tickets at the API server: made, read, and moved from state to state by compare-and-swap.

use std::{fmt::Debug, sync::Arc};

use countersign_api::{
    ApprovalReview, ApprovalTicket, ApprovalTicketSpec, ApprovalTicketStatus, STATUS_MANAGER,
    approval_ticket::{Binding, ChangedPart, Claim, DeliveredBy, summary},
    index::stamped_ticket,
};
use countersign_core::{
    decision::Demand,
    gitops::Provenance,
    hash::command_text,
    naming::TicketName,
    object::{Change, Object},
    request::Request,
    snapshot::{Cluster, Snapshot},
    stamp::TicketStamp,
    ticket::Ticket,
};
use http::{HeaderValue, header::ACCEPT};
use jiff::Timestamp;
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions, Request as Call},
    core::NamespaceResourceScope,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, to_value};

use crate::{admission::stamp::nonce, gitops::Origin};

/// Has the API server answer with an object's metadata alone.
const METADATA: HeaderValue =
    HeaderValue::from_static("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1");

/// The tickets of a cluster.
#[derive(Clone)]
pub struct Tickets(Client);

/// The part of a ticket that a swap writes: a typed patch, so that an older replica erases no newer field, and one
/// that only lands on the version it was made for.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Swap<'a, S> {
    metadata: Expected<'a>,
    status: S,
}

/// What is answered when it landed. Any other text is no answer.
#[derive(Debug, Deserialize)]
struct Swapped {
    metadata: Landed,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Landed {
    resource_version: String,
}

/// What is written when somebody refuses the ticket.
#[derive(Debug, Serialize)]
struct Mark {
    contested: bool,
}

/// A status, and the one in whose place it comes: a merge keeps what it does not name, so what is no more has to be named.
#[derive(Debug)]
pub struct Renewed {
    /// What was shown.
    pub before: ApprovalTicketStatus,
    /// What is shown now.
    pub status: ApprovalTicketStatus,
}

impl Renewed {
    fn patch(&self) -> serde_json::Result<Value> {
        let mut patch = to_value(&self.status)?;
        name_what_is_gone(&to_value(&self.before)?, &mut patch);
        Ok(patch)
    }
}

fn name_what_is_gone(before: &Value, next: &mut Value) {
    let (Some(before), Some(next)) = (before.as_object(), next.as_object_mut()) else {
        return;
    };
    for (field, value) in before {
        match next.get_mut(field) {
            Some(next) => name_what_is_gone(value, next),
            None => drop(next.insert(field.clone(), Value::Null)),
        }
    }
}

/// Where a ticket is led. A rollback that nobody made, and somebody else wrote there, has to be named.
#[derive(Debug, Serialize)]
struct Led<'a> {
    #[serde(flatten)]
    status: &'a ApprovalTicketStatus,
    #[serde(rename = "rollback", skip_serializing_if = "Option::is_some")]
    no_rollback: &'a Option<Claim>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Expected<'a> {
    uid: &'a str,
    resource_version: &'a str,
}

impl Tickets {
    /// Through this client.
    pub const fn new(client: Client) -> Self {
        Self(client)
    }

    /// Makes a ticket, and tells its name.
    pub async fn create(&self, namespace: &str, ticket: &ApprovalTicket) -> Result<String, kube::Error> {
        let made = self.api(namespace).create(&PostParams::default(), ticket).await?;
        Ok(made.name_any())
    }

    /// The ticket of this name, by a quorum read.
    pub async fn get(&self, namespace: &str, name: &str) -> Result<Option<ApprovalTicket>, kube::Error> {
        self.api(namespace).get_opt(name).await
    }

    /// The same ticket as it is now, by a quorum read; `None` when it is gone.
    pub async fn again(
        &self,
        ticket: &Ticket,
        snapshot: &Snapshot,
    ) -> Result<Option<Arc<Ticket>>, kube::Error> {
        let object = self.get(&ticket.namespace, &ticket.name).await?;
        let read = object.and_then(|object| compiled(&object, snapshot));
        Ok(read.filter(|read| read.uid == ticket.uid).map(Arc::new))
    }

    /// The uid of the ticket of this name, by a quorum read.
    pub async fn uid(&self, namespace: &str, name: &str) -> Result<Option<String>, kube::Error> {
        let found = self.api(namespace).get_metadata_opt(name).await?;
        Ok(found.and_then(|found| found.metadata.uid))
    }

    /// The reviews of the ticket, by a quorum read.
    pub async fn reviews(&self, ticket: &Ticket) -> Result<Vec<ApprovalReview>, kube::Error> {
        let reviews: Api<ApprovalReview> = Api::namespaced(self.0.clone(), &ticket.namespace);
        let of_ticket = ListParams::default().fields(&format!("spec.ticketRef.uid={}", ticket.uid));
        Ok(reviews.list(&of_ticket).await?.items)
    }

    /// Leads the ticket where `next` stands, if it is still the version that is known.
    pub async fn lead(&self, ticket: &Ticket, next: &Ticket, cluster: &Cluster) -> Result<(), kube::Error> {
        let mut status = ApprovalTicketStatus::default();
        match (next.state.claim(), &next.rollback) {
            (Some(used), Some(undone)) => status.show_rollback(used, undone),
            _ => status.set_state(&next.state, Timestamp::now()),
        }
        status.seal(ticket.next_steps(), &ticket.uid, cluster);
        let led = Led {
            status: &status,
            no_rollback: &status.rollback,
        };
        self.swap(ticket, led).await.map(drop)
    }

    /// Marks the ticket as contested, if it is still the version that is known: the version that it has then.
    pub async fn contest(&self, ticket: &Ticket, cluster: &Cluster) -> Result<String, kube::Error> {
        if ticket.steps != Some(0) {
            return self.swap(ticket, Mark { contested: true }).await;
        }
        let first = ApprovalTicketStatus::contested_at_first(&ticket.state, &ticket.uid, cluster);
        self.swap(ticket, first).await
    }

    /// Writes the whole status, if the ticket is still the version that is known. Tells whether that changed anything: a
    /// kind that is older than the operator lacks fields.
    pub async fn show(&self, ticket: &Ticket, status: Renewed) -> Result<bool, kube::Error> {
        let status = status.patch().map_err(kube::Error::SerdeError)?;
        Ok(self.swap(ticket, status).await? != *ticket.resource_version)
    }

    /// Writes these fields of the status, if the ticket is still the version that is known: the version that it has then.
    async fn swap(&self, ticket: &Ticket, status: impl Debug + Serialize) -> Result<String, kube::Error> {
        let metadata = Expected {
            uid: &ticket.uid,
            resource_version: &ticket.resource_version,
        };
        let patch = Patch::Merge(Swap { metadata, status });
        let parameters = PatchParams {
            field_manager: Some(STATUS_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let tickets = Call::new(ApprovalTicket::url_path(&(), Some(&ticket.namespace)));
        let mut swap = tickets
            .patch_subresource("status", &ticket.name, &parameters, &patch)
            .map_err(kube::Error::BuildRequest)?;
        swap.headers_mut().insert(ACCEPT, METADATA);
        let swapped: Swapped = self.0.request(swap).await?;
        Ok(swapped.metadata.resource_version)
    }

    /// Removes these reviews of the ticket, and then the ticket: each only if it is still the version that is known.
    pub async fn remove(&self, ticket: &Ticket, reviews: &[ApprovalReview]) -> Result<(), kube::Error> {
        for review in reviews {
            self.remove_review(review).await?;
        }
        let known = Preconditions {
            uid: Some(ticket.uid.to_string()),
            resource_version: Some(ticket.resource_version.to_string()),
        };
        remove(&self.api(&ticket.namespace), &ticket.name, known).await
    }

    /// Removes the review, if it is still the version that is known.
    pub async fn remove_review(&self, review: &ApprovalReview) -> Result<(), kube::Error> {
        remove_object(review, &self.0).await
    }

    fn api(&self, namespace: &str) -> Api<ApprovalTicket> {
        Api::namespaced(self.0.clone(), namespace)
    }
}

/// Removes an object of a namespace, if it is still the version that is known.
pub async fn remove_object<K>(object: &K, client: &Client) -> Result<(), kube::Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
{
    let known = Preconditions {
        uid: object.uid(),
        resource_version: object.resource_version(),
    };
    let api: Api<K> = Api::namespaced(client.clone(), &object.namespace().unwrap_or_default());
    remove(&api, &object.name_any(), known).await
}

/// Deletes an object on these conditions; one that is gone already is gone.
async fn remove<K>(api: &Api<K>, name: &str, known: Preconditions) -> Result<(), kube::Error>
where
    K: Clone + DeserializeOwned + Debug,
{
    let parameters = DeleteParams {
        preconditions: Some(known),
        ..DeleteParams::default()
    };
    match api.delete(name, &parameters).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(gone)) if gone.is_not_found() => Ok(()),
        Err(error) => Err(error),
    }
}

/// The ticket that the operator makes for a denied write, with the operator's stamp.
pub fn minted(
    demand: &Demand,
    (request, origin): (&Request<'_>, &Origin),
    (namespace, name): (&str, &TicketName),
    snapshot: &Snapshot,
) -> Result<ApprovalTicket, getrandom::Error> {
    let nonce = nonce()?;
    let binding = &demand.binding;
    let requester = &binding.subject;
    let change = ChangedPart::list(&demand.change);
    let Provenance {
        authors,
        authorship,
        delivered_by,
    } = &origin.provenance;
    let stamp = TicketStamp {
        binding,
        namespace,
        nonce: &nonce,
        requester,
        provenance: &origin.provenance,
    };
    let mut ticket = ApprovalTicket::named(
        name,
        ApprovalTicketSpec {
            binding: Binding {
                nonce: Some(nonce.clone()),
                ..Binding::of(binding)
            },
            binding_hash: Some(binding.hash(Some(&nonce)).to_string()),
            requester: Some(requester.to_string()),
            policy_digest: policy_digest(snapshot),
            change_summary: summary(&demand.change, &change),
            change,
            ignored: demand.change.ignored.clone(),
            command: command(request, binding),
            reason: None,
            authors: authors.iter().map(ToString::to_string).collect(),
            authorship: *authorship,
            delivered_by: delivered_by.as_ref().map(DeliveredBy::of),
            batch: origin.batch.clone(),
            stamp: Some(stamp.sign(&snapshot.cluster.stamp)),
        },
    );
    ticket.meta_mut().namespace = Some(namespace.to_owned());
    Ok(ticket)
}

/// What the command hash is over, for a reader: a connection's options, a delete's, those of the delete that an
/// eviction makes.
fn command(request: &Request<'_>, binding: &countersign_core::binding::Binding) -> Option<String> {
    binding.command_hash?;
    let evicts = |body: &Object<'_>| Some(body.field(&["deleteOptions"]).ok()??.to_owned());
    let options = match &request.change {
        Change::Connect(options) => options.as_ref().map(|options| options.text().to_owned()),
        Change::Create(body) => evicts(body),
        Change::Update { .. } | Change::Delete(_) => {
            request.options.as_ref().map(|options| options.text().to_owned())
        }
    };
    let options = options.as_deref().map(Object::parse).transpose().ok()?;
    command_text(options.as_ref()).ok()
}

fn policy_digest(snapshot: &Snapshot) -> Option<String> {
    snapshot
        .policy
        .get()
        .map(|policy| policy.digest.to_string())
        .filter(|digest| !digest.is_empty())
}

/// The ticket, if it bears the operator's stamp and the policy can be read.
pub fn compiled(object: &ApprovalTicket, snapshot: &Snapshot) -> Option<Ticket> {
    stamped_ticket(object, &snapshot.cluster, snapshot.policy.get()?).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    #[test]
    fn what_is_shown_no_more_is_taken_away_by_name() {
        let review = json!({ "reviewer": "user:rita", "decision": "Approve", "name": "one", "uid": "u1",
            "time": "2026-06-01T12:00:00Z", "proof": "SSH" });
        let claim = json!({ "bind": "sha256:00", "claimedAt": "2026-06-01T12:00:00.000000Z",
            "deadline": "2026-06-01T12:01:15.000000Z" });
        let stopped = json!({ "bind": "sha256:00", "claimedAt": "2026-06-01T12:00:00.000000Z",
            "deadline": "2026-06-01T12:01:15.000000Z", "stop": "Denied" });
        let before = json!({ "state": "Claimed", "reviews": [review], "approvals": 1, "claim": claim });
        let status = json!({ "state": "Approved", "approvals": 0 });
        let renewed = Renewed {
            before: from_value(before).unwrap(),
            status: from_value(status).unwrap(),
        };
        let patch = json!({ "state": "Approved", "approvals": 0, "reviews": null, "claim": null });
        assert_eq!(renewed.patch().unwrap(), patch);
        let renewed = Renewed {
            before: from_value(json!({ "state": "Claimed", "claim": stopped })).unwrap(),
            status: from_value(json!({ "state": "Consumed", "claim": claim })).unwrap(),
        };
        assert_eq!(renewed.patch().unwrap()["claim"]["stop"], Value::Null);
    }
}
