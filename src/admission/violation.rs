//! What is told of a write that was let through although the rules say no, and of what an agent was denied.

use countersign_api::break_glass::RelaxedWrite;
use countersign_core::{
    decision::{Denial, Reason},
    emergency::Emergency,
    plain::plain,
    request::Target,
    snapshot::Snapshot,
};
use jiff::Timestamp;
use k8s_openapi::{api::core::v1::ObjectReference, apimachinery::pkg::apis::meta::v1::Time};

use super::{
    outcome::{Answer, Outcome, findings_about},
    review::AdmissionRequest,
};
use crate::{emergencies::Noted, violations::Violation};

/// The most bytes of an Event's note that the API server takes.
const MAX_NOTE: usize = 1024;

/// The violation that the request is. A dry run is none: it does nothing.
pub fn of(request: &AdmissionRequest<'_>, outcome: &Outcome) -> Option<Violation> {
    let denial = outcome.relaxed.as_ref().filter(|_| !request.is_dry_run())?;
    let who = (outcome.findings.subject.as_ref()).map_or(request.username(), |subject| subject.as_str());
    let verb = request.operation().verb();
    let note = format!("{verb} by {who} would be denied if this were enforced: {denial}");
    Some(violation(request, outcome, ("Warned", denial), &note))
}

/// What an agent was denied, for whoever answers for it. Where an approval is asked for there is a ticket to tell it.
pub fn of_agent(request: &AdmissionRequest<'_>, outcome: &Outcome, snapshot: &Snapshot) -> Option<Violation> {
    let Answer::Deny { denial, .. } = &outcome.answer else {
        return None;
    };
    if request.is_dry_run() || denial.reason == Reason::ApprovalRequired {
        return None;
    }
    let findings = findings_about(&outcome.findings, &request.caller(), snapshot);
    let (who, owner) = (findings.subject?, findings.answerable?);
    let verb = request.operation().verb();
    let note = format!("{verb} by {who} was denied; {owner} answers for it: {denial}");
    Some(violation(request, outcome, ("Denied", denial), &note))
}

fn violation(
    request: &AdmissionRequest<'_>,
    outcome: &Outcome,
    (action, denial): (&'static str, &Denial),
    note: &str,
) -> Violation {
    let target = request.target();
    Violation {
        action,
        username: request.username().to_owned(),
        place: target.place(),
        verdict: outcome.verdict,
        environment: outcome.findings.environment,
        regarding: reference(&target, uid(request)),
        note: shortened(&plain(note)),
        denial: denial.clone(),
    }
}

/// The write as the window of break-glass that let it pass tells of it.
pub fn in_window(request: &AdmissionRequest<'_>, outcome: &Outcome, window: &Emergency) -> Option<Noted> {
    let denial = outcome.relaxed.as_ref().filter(|_| !request.is_dry_run())?;
    Some(Noted {
        window: window.name.clone(),
        write: RelaxedWrite {
            time: Time(Timestamp::now()),
            by: request.username().to_owned(),
            operation: request.operation().as_str().to_owned(),
            object: request.target().place(),
            reason: denial.reason.to_string(),
        },
    })
}

fn reference(target: &Target<'_>, uid: Option<String>) -> ObjectReference {
    ObjectReference {
        api_version: Some(target.api_version()),
        kind: Some(target.kind.to_owned()),
        namespace: target.namespace.map(str::to_owned),
        name: Some(target.name.to_owned()),
        uid,
        ..ObjectReference::default()
    }
}

/// The uid of the object, where the review shows it: `kubectl describe` looks for Events by it.
fn uid(request: &AdmissionRequest<'_>) -> Option<String> {
    let judged = request.judged(None, None).ok()?;
    let hidden = judged.target.hides_its_object(judged.operation);
    let shown = judged.change.before().or(judged.change.after());
    let object = shown.filter(|_| !hidden)?;
    Some(object.uid().ok()??.into_owned())
}

fn shortened(note: &str) -> String {
    let end = note.floor_char_boundary(MAX_NOTE);
    note.get(..end).unwrap_or_default().to_owned()
}
