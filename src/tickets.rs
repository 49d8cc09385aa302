//! Tickets at the API server: made, read, and moved from state to state by compare-and-swap.

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
    ticket::{Ticket, TicketState},
};
use jiff::Timestamp;
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use serde::Serialize;

use crate::{admission::stamp::nonce, gitops::Origin};

/// The tickets of a cluster.
#[derive(Clone)]
pub struct Tickets(Client);

/// The part of a ticket that a swap writes: a typed patch, so that an older replica erases no newer field, and one
/// that only lands on the version it was made for.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Swap<'a> {
    metadata: Expected<'a>,
    status: Shown<'a>,
}

#[derive(Debug, Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    status: &'a ApprovalTicketStatus,
    /// A merge keeps what it does not name: a claim that is over has to be named.
    #[serde(rename = "claim", skip_serializing_if = "Option::is_some")]
    no_claim: &'a Option<Claim>,
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

    /// The reviews of the ticket, by a quorum read.
    pub async fn reviews(&self, ticket: &Ticket) -> Result<Vec<ApprovalReview>, kube::Error> {
        let reviews: Api<ApprovalReview> = Api::namespaced(self.0.clone(), &ticket.namespace);
        let of_ticket = ListParams::default().fields(&format!("spec.ticketRef.uid={}", ticket.uid));
        Ok(reviews.list(&of_ticket).await?.items)
    }

    /// Moves the ticket to `state`, if it is still the version that is known.
    pub async fn set_state(
        &self,
        ticket: &Ticket,
        state: &TicketState,
        cluster: &Cluster,
    ) -> Result<(), kube::Error> {
        let mut status = ApprovalTicketStatus::default();
        status.set_state(state, Timestamp::now());
        status.seal(ticket.next_steps(), &ticket.uid, cluster);
        self.set_status(ticket, &status).await
    }

    /// Writes these fields of the status, if the ticket is still the version that is known.
    pub async fn set_status(
        &self,
        ticket: &Ticket,
        status: &ApprovalTicketStatus,
    ) -> Result<(), kube::Error> {
        let metadata = Expected {
            uid: &ticket.uid,
            resource_version: &ticket.resource_version,
        };
        let no_claim = &status.claim;
        let status = Shown { status, no_claim };
        let patch = Patch::Merge(Swap { metadata, status });
        let parameters = PatchParams {
            field_manager: Some(STATUS_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        self.api(&ticket.namespace)
            .patch_status(&ticket.name, &parameters, &patch)
            .await
            .map(|_| ())
    }

    fn api(&self, namespace: &str) -> Api<ApprovalTicket> {
        Api::namespaced(self.0.clone(), namespace)
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
    use serde_json::{from_value, json, to_value};

    use super::*;

    #[test]
    fn a_claim_that_is_over_is_taken_away_by_name() {
        let written = |status: &ApprovalTicketStatus| {
            let no_claim = &status.claim;
            to_value(Shown { status, no_claim }).unwrap()
        };
        let released: ApprovalTicketStatus = from_value(json!({ "state": "Approved" })).unwrap();
        assert_eq!(written(&released), json!({ "state": "Approved", "claim": null }));
        let claim = json!({ "bind": "sha256:00", "claimedAt": "2026-06-01T12:00:00.000000Z", "deadline": "2026-06-01T12:01:15.000000Z" });
        let claimed = json!({ "state": "Claimed", "claim": claim });
        let claimed: ApprovalTicketStatus = from_value(claimed).unwrap();
        assert_eq!(written(&claimed)["claim"]["bind"], "sha256:00");
    }
}
