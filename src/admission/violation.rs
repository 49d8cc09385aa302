//! What is told of a write that was let through although the rules say no.

use countersign_api::break_glass::RelaxedWrite;
use countersign_core::{emergency::Emergency, plain::plain, request::Target};
use jiff::Timestamp;
use k8s_openapi::{api::core::v1::ObjectReference, apimachinery::pkg::apis::meta::v1::Time};

use super::{outcome::Outcome, review::AdmissionRequest};
use crate::{emergencies::Noted, violations::Violation};

/// The most bytes of an Event's note that the API server takes.
const MAX_NOTE: usize = 1024;

/// The violation that the request is. A dry run is none: it does nothing.
pub fn of(request: &AdmissionRequest<'_>, outcome: &Outcome) -> Option<Violation> {
    let denial = outcome.relaxed.clone().filter(|_| !request.is_dry_run())?;
    let (target, findings) = (request.target(), &outcome.findings);
    let who = findings
        .subject
        .as_ref()
        .map_or(request.username(), |subject| subject.as_str());
    let verb = request.operation().verb();
    let note = format!("{verb} by {who} would be denied if this were enforced: {denial}");
    Some(Violation {
        username: request.username().to_owned(),
        place: target.place(),
        verdict: outcome.verdict,
        environment: findings.environment,
        regarding: reference(&target, uid(request)),
        note: shortened(&plain(&note)),
        denial,
    })
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
