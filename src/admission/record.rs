//! What the audit log is told of a decision.

use countersign_core::{
    audit::{
        Event, Record,
        record::{self, ObjectRef},
    },
    decide::GROUP,
    decision::{Cause, Findings, Grant, Reason},
    digest::Digest,
    identity::Identity,
    request::Operation,
    snapshot::Snapshot,
    ticket::Ticket,
};
use jiff::Timestamp;

use super::{review::AdmissionRequest, seal};

/// What is told beside the request itself.
#[derive(Debug)]
pub struct Told<'a> {
    /// What the rules said.
    pub verdict: record::Verdict,
    /// Why.
    pub reason: Reason,
    /// What the caller reads.
    pub message: &'a str,
    /// The line of configuration that decided.
    pub cause: Option<&'a Cause>,
    /// What let the write through in spite of the verdict, if anything did.
    pub relaxation: Option<&'static str>,
    /// The window of break-glass that did.
    pub window: Option<String>,
    /// The zone that holds the place, if one does; several separated by commas.
    pub zone: Option<String>,
    /// The ticket: namespace, name, uid.
    pub ticket: Option<ObjectRef>,
    /// Digest of the change, where it was hashed.
    pub resource_hash: Option<Digest>,
    /// The intent that is admitted.
    pub intent: Option<record::SignedIntent>,
}

/// The record of a decision.
pub fn decision(request: &AdmissionRequest<'_>, findings: &Findings, told: Told<'_>) -> Record {
    let decided_by = |cause: &Cause| record::DecidedBy {
        kind: cause.kind.clone(),
        name: cause.name.to_string(),
        field: cause.field.into(),
    };
    let event = Event::Decision(Box::new(record::Decision {
        verdict: told.verdict,
        reason: told.reason.as_str().into(),
        message: told.message.to_owned(),
        relaxation: told.relaxation.map(Into::into),
        window: told.window,
        decided_by: told.cause.map(decided_by),
        caller: record::Caller {
            subject: findings.subject.clone(),
            owner: findings.answerable.clone(),
            username: request.username().to_owned(),
            credential_id: request.credential_id(),
        },
        request: asked(request, findings, (told.zone, told.resource_hash)),
        ticket: told.ticket,
        intent: told.intent,
    }));
    Record {
        time: Timestamp::now(),
        event,
    }
}

/// Whether a ticket, a review or an intent goes by another hand than the operator's: with its namespace. Nothing else tells of its
/// end.
pub fn is_removal(request: &AdmissionRequest<'_>, grant: &Grant) -> bool {
    let target = request.target();
    grant.reason() == Reason::Delegated
        && request.operation() == Operation::Delete
        && ["approvaltickets", "approvalreviews", "intents"]
            .iter()
            .any(|resource| target.is(GROUP, resource))
}

fn asked(
    request: &AdmissionRequest<'_>,
    findings: &Findings,
    (zone, resource_hash): (Option<String>, Option<Digest>),
) -> record::Request {
    let target = request.target();
    record::Request {
        uid: request.uid.to_string(),
        operation: request.operation().as_str().into(),
        object: target.place(),
        subresource: Some(target.subresource.to_owned()).filter(|name| !name.is_empty()),
        env: findings.environment,
        zone,
        dry_run: request.is_dry_run(),
        resource_hash,
        content: seal::content(request),
    }
}

/// The record of the step of a known ticket that leads it to `next`.
pub fn of_step(ticket: &Ticket, next: &Ticket, by: String, snapshot: &Snapshot) -> Record {
    let (subject, owner) = whose(&ticket.binding.subject, snapshot);
    transition(record::TicketTransition {
        ticket: reference(ticket),
        subject,
        owner,
        from: Some(ticket.standing().into()),
        to: next.standing().into(),
        steps: Some(ticket.next_steps()),
        by: by.into(),
        bind: next.last_claim().map(|claim| claim.bind),
    })
}

/// The record of where a ticket was found: another replica led it there, or an operator that died before it could
/// record that.
pub fn of_finding(ticket: &Ticket, snapshot: &Snapshot) -> Record {
    let (subject, owner) = whose(&ticket.binding.subject, snapshot);
    transition(record::TicketTransition {
        ticket: reference(ticket),
        subject,
        owner,
        from: None,
        to: ticket.standing().into(),
        steps: ticket.steps,
        by: "observation".into(),
        bind: ticket.last_claim().map(|claim| claim.bind),
    })
}

/// The record of the making of a ticket.
pub fn of_minting(ticket: ObjectRef, subject: &Identity, snapshot: &Snapshot) -> Record {
    let (subject, owner) = whose(subject, snapshot);
    transition(record::TicketTransition {
        ticket,
        subject,
        owner,
        from: None,
        to: "Pending".into(),
        steps: None,
        by: "minting".into(),
        bind: None,
    })
}

/// What the removal of a ticket leads to.
pub const REMOVED: &str = "Removed";

/// The record of the removal of a finished ticket.
pub fn of_removal(ticket: &Ticket, snapshot: &Snapshot) -> Record {
    let (subject, owner) = whose(&ticket.binding.subject, snapshot);
    transition(record::TicketTransition {
        ticket: reference(ticket),
        subject,
        owner,
        from: Some(ticket.standing().into()),
        to: REMOVED.into(),
        steps: Some(ticket.next_steps()),
        by: "retention".into(),
        bind: ticket.last_claim().map(|claim| claim.bind),
    })
}

/// Who may use a ticket, and the human who answers for that agent.
fn whose(subject: &Identity, snapshot: &Snapshot) -> (Option<Identity>, Option<Identity>) {
    let owner = snapshot.agent(subject).map(|agent| agent.owner.clone());
    (Some(subject.clone()), owner)
}

fn transition(step: record::TicketTransition) -> Record {
    Record {
        time: Timestamp::now(),
        event: Event::TicketTransition(step),
    }
}

/// The reference of a ticket.
pub fn reference(ticket: &Ticket) -> ObjectRef {
    ObjectRef {
        namespace: ticket.namespace.to_string(),
        name: ticket.name.to_string(),
        uid: Some(ticket.uid.to_string()),
    }
}
