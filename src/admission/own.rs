//! The object of a request that is of Countersign's own kinds, parsed by the parsers that compile the snapshot,
//! with what has to be read from the cluster to judge it.

mod intent;

use std::sync::Arc;

use countersign_api::{
    ApprovalReview, ApprovalTicket, approval_review,
    approval_ticket::{ChangedPart, Side, digests},
    index::stamped_ticket,
    permission,
    seal::Seals,
};
use countersign_core::{
    binding::Binding,
    decide::GROUP,
    decision::{Denial, Reason},
    gitops::Authorship,
    hash::{HashContext, state_hash},
    object::Object,
    own::{Own, Present, ReviewDraft, TicketDraft},
    request::{Operation, Target},
    snapshot::Snapshot,
    stamp::{ReviewStamp, TicketStamp},
};
use kube::{Api, Client, api::ObjectMeta};

use super::{complete, emergency, review::AdmissionRequest, seal};

/// The object that would be. The operator's own writes need no look: they must not wait for an API call.
pub async fn read(
    request: &AdmissionRequest<'_>,
    (snapshot, seals): (&Snapshot, &Seals),
    client: &Client,
) -> Result<Option<Own>, Denial> {
    let target = request.target();
    let is_operators = request.username() == &*snapshot.cluster.operator;
    if snapshot.latched
        && !is_operators
        && let Some(attestation) = seal::unsealed(request, seals)
    {
        return Ok(Some(Own::Unsealed { attestation }));
    }
    if target.group != GROUP || !target.subresource.is_empty() || is_operators {
        return Ok(None);
    }
    if request.operation() == Operation::Delete {
        return Ok(Some(Own::Removed));
    }
    let Some(text) = request.object() else {
        return Ok(None);
    };
    // Boxed, since every request is as large as the largest of them.
    match target.resource {
        "approvaltickets" => {
            let sent = (text, request.authorship());
            let read = Box::pin(read_ticket(sent, &target, snapshot, client));
            read.await.map(Some)
        }
        "approvalreviews" => Box::pin(read_review(text, &target, snapshot, client))
            .await
            .map(Some),
        "intents" => Ok(Some(intent::read(text, snapshot))),
        "breakglasses" => Ok(Some(emergency::read(request, text, snapshot))),
        resource => Ok(permission::read(resource, text, request.old_object())),
    }
}

/// A ticket as it was sent and stamped.
struct SentTicket {
    object: ApprovalTicket,
    binding: Binding,
    namespace: String,
}

fn draft_ticket((text, authorship): (&str, Authorship), target: &Target<'_>) -> Result<SentTicket, String> {
    let object: ApprovalTicket = serde_json::from_str(text).map_err(|error| error.to_string())?;
    only_what_clients_may_say(&object, authorship)?;
    let binding = object.spec.bound().map_err(|invalid| invalid.to_string())?;
    Ok(SentTicket {
        object,
        binding,
        namespace: target.namespace.unwrap_or_default().to_owned(),
    })
}

/// What only the operator says on a ticket, and what would keep it or take it away: a reviewer reads it as its word.
fn only_what_clients_may_say(object: &ApprovalTicket, authorship: Authorship) -> Result<(), String> {
    let spec = &object.spec;
    let hides = spec.change.iter().any(ChangedPart::is_digested);
    let refused = [
        (
            hides,
            "spec.change: a change that is too large to be shown is not requested: make it, and the denial asks",
        ),
        (
            spec.change_summary.is_some(),
            "spec.changeSummary: it is the operator's to write",
        ),
        (
            !spec.ignored.is_empty(),
            "spec.ignored: it is the operator's to write",
        ),
        (
            spec.policy_digest.is_some(),
            "spec.policyDigest: it is the operator's to write",
        ),
        (
            spec.authorship != authorship,
            "spec.authorship: it is the operator's to write",
        ),
        (
            spec.delivered_by.is_some(),
            "spec.deliveredBy: it is the operator's to write",
        ),
    ];
    let refused = refused
        .into_iter()
        .find_map(|(holds, why)| holds.then(|| why.to_owned()));
    refused.map_or_else(|| unheld(&object.metadata), Err)
}

/// Tickets, reviews and intents come and go by their own rules: no finalizer holds them, no owner takes them away.
pub(super) fn unheld(metadata: &ObjectMeta) -> Result<(), String> {
    let refused = [
        (
            metadata.finalizers.iter().flatten().next().is_some(),
            "metadata.finalizers: it must not be held",
        ),
        (
            metadata.owner_references.iter().flatten().next().is_some(),
            "metadata.ownerReferences: it has no owner",
        ),
    ];
    refused
        .into_iter()
        .find_map(|(holds, why)| holds.then(|| Err(why.to_owned())))
        .unwrap_or(Ok(()))
}

async fn read_ticket(
    sent: (&str, Authorship),
    target: &Target<'_>,
    snapshot: &Snapshot,
    client: &Client,
) -> Result<Own, Denial> {
    let SentTicket {
        object,
        binding,
        namespace,
    } = match draft_ticket(sent, target) {
        Ok(sent) => sent,
        Err(why) => return Ok(Own::Invalid(why)),
    };
    let spec = &object.spec;
    let invalid = |why: String| Ok(Own::Invalid(why));
    let change = match digests(&spec.change, Side::New) {
        Ok(change) => change
            .into_iter()
            .map(|(pointer, digest)| (pointer.to_owned(), digest))
            .collect(),
        Err(why) => return invalid(why.to_string()),
    };
    let requester = match spec.requester.as_deref().unwrap_or_default().parse() {
        Ok(requester) => requester,
        Err(why) => return invalid(format!("spec.requester: {why}")),
    };
    let binding_hash = match spec.binding_hash.as_deref().unwrap_or_default().parse() {
        Ok(hash) => hash,
        Err(why) => return invalid(format!("spec.bindingHash: {why}")),
    };
    let provenance = match spec.provenance() {
        Ok(provenance) => provenance,
        Err(why) => return invalid(why.to_string()),
    };
    let nonce = spec.binding.nonce.clone().unwrap_or_default();
    let stamp = TicketStamp {
        binding: &binding,
        namespace: &namespace,
        nonce: &nonce,
        requester: &requester,
        provenance: &provenance,
    };
    let stamped = !nonce.is_empty()
        && stamp.verify(&snapshot.cluster.stamp, spec.stamp.as_deref().unwrap_or_default())
        && binding.hash(Some(&nonce)) == binding_hash;
    let pointers: Vec<&str> = spec.change.iter().map(|part| part.pointer.as_str()).collect();
    let present = present(&binding, &pointers, snapshot, client).await?;
    let draft = TicketDraft {
        binding,
        nonce,
        binding_hash,
        requester,
        stamped,
        change,
        present,
    };
    Ok(Own::Ticket(Box::new(draft)))
}

/// What the target of a ticket is at the moment, by a quorum read: the object itself, whose parts most subresources
/// are, or its Scale.
pub(super) async fn present(
    binding: &Binding,
    pointers: &[&str],
    snapshot: &Snapshot,
    client: &Client,
) -> Result<Present, Denial> {
    let target = binding.target.target();
    let path = if binding.operation == Operation::Update && target.subresource == "scale" {
        complete::path(&target)
    } else {
        complete::path(&target.parent())
    };
    let text = complete::read(&path, client)
        .await
        .map_err(|error| complete::unreadable(&target, &error))?;
    let Some(text) = text else {
        return Ok(Present::Absent);
    };
    let object = Object::parse(&text)?;
    let uid = object.uid()?.unwrap_or_default().into_owned();
    let ignore = snapshot
        .policy
        .get()
        .map(|policy| policy.hash_ignore(target.group, target.kind));
    let context = HashContext {
        api_version: &target.api_version(),
        kind: target.kind,
        subresource: target.subresource,
        writer: None,
        ignore: &ignore.unwrap_or_default(),
        redaction: &snapshot.cluster.redaction,
    };
    let updates = binding.operation == Operation::Update;
    let old_hash = updates
        .then(|| state_hash(&object, pointers, &context))
        .transpose()?;
    Ok(Present::Object { uid, old_hash })
}

fn draft_review(text: &str, snapshot: &Snapshot) -> Result<(ApprovalReview, ReviewDraft), String> {
    let mut object: ApprovalReview = serde_json::from_str(text).map_err(|error| error.to_string())?;
    // At admission of a create there is no creation time yet where the API server sets it afterwards.
    object
        .metadata
        .creation_timestamp
        .get_or_insert_with(|| k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(jiff::Timestamp::now()));
    unheld(&object.metadata)?;
    let review = approval_review::parse(&object).map_err(|invalid| invalid.to_string())?;
    let stamp = ReviewStamp {
        cluster_id: &snapshot.cluster.id,
        namespace: object.metadata.namespace.as_deref().unwrap_or_default(),
        ticket_uid: &review.ticket_uid,
        binding_hash: review.binding_hash,
        reviewer: &review.reviewer,
        decision: review.decision,
    };
    let draft = ReviewDraft {
        ticket: None,
        ticket_uid: review.ticket_uid.to_string(),
        binding_hash: review.binding_hash,
        decision: review.decision,
        stamped: stamp.verify(
            &snapshot.cluster.stamp,
            object.spec.stamp.as_deref().unwrap_or_default(),
        ),
        reviewer: review.reviewer,
        proof: review.proof,
    };
    Ok((object, draft))
}

async fn read_review(
    text: &str,
    target: &Target<'_>,
    snapshot: &Snapshot,
    client: &Client,
) -> Result<Own, Denial> {
    let (object, mut draft) = match draft_review(text, snapshot) {
        Ok(sent) => sent,
        Err(why) => return Ok(Own::Invalid(why)),
    };
    let Some(policy) = snapshot.policy.get() else {
        return Ok(Own::Review(Box::new(draft)));
    };
    let tickets: Api<ApprovalTicket> = Api::namespaced(client.clone(), target.namespace.unwrap_or_default());
    let ticket = tickets.get_opt(&object.spec.ticket_ref.name).await;
    let ticket = ticket.map_err(|error| {
        Denial::new(
            Reason::Unreadable,
            format!("the ticket of this review could not be read: {error}"),
        )
    })?;
    let ticket = ticket
        .map(|ticket| stamped_ticket(&ticket, &snapshot.cluster, policy))
        .transpose();
    match ticket {
        Ok(ticket) => draft.ticket = ticket.map(Arc::new),
        Err(invalid) => return Ok(Own::Invalid(format!("the ticket of this review: {invalid}"))),
    }
    Ok(Own::Review(Box::new(draft)))
}
