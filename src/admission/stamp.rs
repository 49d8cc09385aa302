//! The mutating step: on a new ticket, review or intent, what a person may not choose is written by the operator.

use base64::{Engine, engine::general_purpose::STANDARD};
use countersign_api::{ApprovalReview, ApprovalTicket, Intent, intent};
use countersign_core::{
    authn,
    decide::GROUP,
    gitops::{Authorship, Provenance},
    identity::Identity,
    request::Operation,
    snapshot::Snapshot,
    stamp::{IntentStamp, ReviewStamp, TicketStamp},
};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::review::AdmissionRequest;

/// One step of a JSON patch (RFC 6902) that sets a field, there or not.
#[derive(Debug, Serialize)]
pub(super) struct Add {
    op: &'static str,
    path: &'static str,
    value: Value,
}

pub(super) const fn add(path: &'static str, value: Value) -> Add {
    Add {
        op: "add",
        path,
        value,
    }
}

/// The patch for the object of this request, in base64; `None` leaves the object as it is.
///
/// What cannot be read, and whoever is nobody, gets no stamp: the validating step refuses it and says why.
pub fn patch(request: &AdmissionRequest<'_>, snapshot: &Snapshot) -> Option<String> {
    let judged = request.judged(None, None).ok()?;
    let caller = judged.caller;
    let is_operator =
        *caller.username == *snapshot.cluster.operator && *caller.uid == *snapshot.cluster.operator_uid;
    if is_operator {
        let mints = judged.target.is(GROUP, "approvaltickets") && request.operation() == Operation::Create;
        return mints.then(|| encoded(&[untracked()])).flatten();
    }
    let policy = snapshot.policy.get()?;
    let who = authn::identify(&caller, snapshot, policy).ok()?.identity;
    let text = request.object()?;
    let namespace = judged.target.namespace?;
    let steps = match judged.target.resource {
        "approvaltickets" => {
            let sent = serde_json::from_str(text).ok()?;
            ticket(&sent, (namespace, &who), request.authorship(), snapshot)?
        }
        "approvalreviews" => review(&serde_json::from_str(text).ok()?, namespace, &who, snapshot)?,
        "intents" => said(&serde_json::from_str(text).ok()?, &who, snapshot)?,
        _ => return None,
    };
    encoded(&steps)
}

fn encoded(steps: &[Add]) -> Option<String> {
    Some(STANDARD.encode(serde_json::to_vec(steps).ok()?))
}

/// Where the rules are enforced nobody else writes a ticket of the operator's. Who manages which of its fields is an account
/// that the API server does not keep on once it is empty, and each step of the ticket costs it less.
fn untracked() -> Add {
    add("/metadata/managedFields", json!([]))
}

fn ticket(
    ticket: &ApprovalTicket,
    (namespace, who): (&str, &Identity),
    authorship: Authorship,
    snapshot: &Snapshot,
) -> Option<Vec<Add>> {
    let nonce = nonce().ok()?;
    let binding = ticket.spec.binding.parse().ok()?;
    let said = ticket.spec.provenance().ok()?;
    // Who claims a proof is refused for it, by the validating step.
    let provenance = match said.authorship {
        Authorship::Claimed => Provenance { authorship, ..said },
        Authorship::Verified | Authorship::Unverified => said,
    };
    let stamp = TicketStamp {
        binding: &binding,
        namespace,
        nonce: &nonce,
        requester: who,
        provenance: &provenance,
    };
    Some(vec![
        add("/spec/requester", json!(who)),
        add("/spec/authorship", json!(provenance.authorship)),
        add("/spec/bindingHash", json!(binding.hash(Some(&nonce)))),
        add("/spec/stamp", json!(stamp.sign(&snapshot.cluster.stamp))),
        add("/spec/binding/nonce", json!(nonce)),
    ])
}

fn review(review: &ApprovalReview, namespace: &str, who: &Identity, snapshot: &Snapshot) -> Option<Vec<Add>> {
    let stamp = ReviewStamp {
        cluster_id: &snapshot.cluster.id,
        namespace,
        ticket_uid: &review.spec.ticket_ref.uid,
        binding_hash: review.spec.binding_hash.parse().ok()?,
        reviewer: who,
        decision: review.spec.decision,
    };
    Some(vec![
        add("/spec/reviewer", json!(who)),
        add("/spec/stamp", json!(stamp.sign(&snapshot.cluster.stamp))),
    ])
}

fn said(object: &Intent, who: &Identity, snapshot: &Snapshot) -> Option<Vec<Add>> {
    let signed = intent::parse(object).ok()?;
    let agent = snapshot.agent(who)?;
    if signed.statement.agent != *who || signed.check(agent, Timestamp::now()).is_err() {
        return None;
    }
    let key = agent.key?;
    let stamp = IntentStamp {
        signed: &signed,
        key: &key,
    };
    Some(vec![
        add("/spec/publicKey", json!(key.to_string())),
        add("/spec/stamp", json!(stamp.sign(&snapshot.cluster.stamp)?)),
    ])
}

/// 128 random bits in hex.
pub fn nonce() -> Result<String, getrandom::Error> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes)?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}
