//! BreakGlass on the path: read as it was sent, and stamped once the passcode is proven.

use base64::{Engine, engine::general_purpose::STANDARD};
use countersign_api::{BreakGlass, break_glass, index::stamped_emergency};
use countersign_core::{
    audit::record::Verdict,
    decide::{GROUP, decide, second_window},
    decision::{Decision, Denial, Findings, Reason},
    identity::Identity,
    own::{EmergencyChange, EmergencyDraft, Own},
    plain::excerpt,
    policy::PasscodeRef,
    request::Operation,
    snapshot::Snapshot,
};
use jiff::Timestamp;
use kube::{Api, Client, api::ListParams};

use super::{
    outcome::{Answer, Outcome},
    own::unheld,
    proof::Proof,
    review::AdmissionRequest,
    stamp,
};
use crate::{emergencies::Emergencies, passcode};

/// Whether the request makes a BreakGlass.
pub fn opens(request: &AdmissionRequest<'_>) -> bool {
    request.target().is(GROUP, "breakglasses") && request.operation() == Operation::Create
}

/// The window that a request makes, ends or reviews.
pub fn read(request: &AdmissionRequest<'_>, text: &str, snapshot: &Snapshot) -> Own {
    let read = match request.old_object() {
        None => draft(text, snapshot).map(|(_, draft)| Own::BreakGlass(Box::new(draft))),
        Some(old) => change(old, text).map(|change| Own::BreakGlassChange(Box::new(change))),
    };
    read.unwrap_or_else(Own::Invalid)
}

fn object(text: &str) -> Result<BreakGlass, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

fn draft(text: &str, snapshot: &Snapshot) -> Result<(BreakGlass, EmergencyDraft), String> {
    let object = object(text)?;
    unheld(&object.metadata)?;
    let draft = EmergencyDraft {
        window: break_glass::parse(&object).map_err(|invalid| invalid.to_string())?,
        cluster_id: object.spec.cluster_id.clone(),
        nonce: object.spec.nonce.clone(),
        reason: object.spec.reason.clone(),
        stamped: break_glass::is_stamped(&object, &snapshot.cluster),
    };
    Ok((object, draft))
}

fn change(old: &str, new: &str) -> Result<EmergencyChange, String> {
    let parse = |object: &BreakGlass| break_glass::parse(object).map_err(|invalid| invalid.to_string());
    let (old, new) = (object(old)?, object(new)?);
    let writes = old.status.iter().flat_map(|status| &status.writes);
    Ok(EmergencyChange {
        before: parse(&old)?,
        after: parse(&new)?,
        writers: writes.map(|write| write.by.clone()).collect(),
    })
}

/// The patch that stamps a BreakGlass whose signature is the passcode's; why not, when it is not.
///
/// Only who may open the window is asked for a proof: who may not gets no stamp, and the validating step says why.
pub async fn prove(
    request: &AdmissionRequest<'_>,
    snapshot: &Snapshot,
    (emergencies, client): (&Emergencies, &Client),
) -> Result<Option<String>, Box<Outcome>> {
    let Some((object, findings)) = eligible(request, snapshot) else {
        return Ok(None);
    };
    let policy = snapshot.policy.get();
    let (Some(who), Some(secret)) = (
        &findings.subject,
        policy.and_then(|policy| policy.passcode.as_ref()),
    ) else {
        return Ok(None);
    };
    match verify(&object, (who, secret), snapshot, (emergencies, client)).await {
        Ok(()) => {
            let stamp = break_glass::stamp(&object, &snapshot.cluster).sign(&snapshot.cluster.stamp);
            let steps = [stamp::add("/spec/stamp", stamp.into())];
            Ok(serde_json::to_vec(&steps)
                .ok()
                .map(|steps| STANDARD.encode(steps)))
        }
        Err(denial) => Err(Box::new(refusal(denial, findings))),
    }
}

/// The object and who makes it, where nothing but the proof is missing.
fn eligible(request: &AdmissionRequest<'_>, snapshot: &Snapshot) -> Option<(BreakGlass, Findings)> {
    let (object, draft) = draft(request.object()?, snapshot).ok()?;
    let own = Own::BreakGlass(Box::new(EmergencyDraft {
        stamped: true,
        ..draft
    }));
    let judged = request.judged(Some(&own), None).ok()?;
    let (decision, findings) = decide(&judged, snapshot, Timestamp::now());
    matches!(decision, Decision::Allow(_)).then_some((object, findings))
}

async fn verify(
    object: &BreakGlass,
    (who, secret): (&Identity, &PasscodeRef),
    snapshot: &Snapshot,
    (emergencies, client): (&Emergencies, &Client),
) -> Result<(), Denial> {
    check_alone(who, snapshot, client).await?;
    let passcode = passcode::read(secret, &snapshot.cluster.namespace, client).await?;
    // Nothing before depends on the passcode, and nobody is locked out by a cluster that is not well.
    emergencies.attempt(who).await?;
    let spec = &object.spec;
    if spec.statement().is_signed_by(&passcode.verifier, &spec.signature) {
        return Ok(());
    }
    let message = format!(
        "spec.signature: `{}` is not the passcode's over this window: type the passcode again",
        excerpt(&spec.signature)
    );
    Err(Denial::new(Reason::BadPasscode, message).because(passcode::of_policy()))
}

/// Another replica may have let a window pass that this one does not know yet.
async fn check_alone(who: &Identity, snapshot: &Snapshot, client: &Client) -> Result<(), Denial> {
    let of_person = ListParams::default().fields(&format!("spec.personID={who}"));
    let windows = Api::<BreakGlass>::all(client.clone()).list(&of_person).await;
    let windows = windows.map_err(|error| {
        let message = format!("the windows of {who} could not be read: {error}");
        Denial::new(Reason::Unreadable, message)
    })?;
    let now = Timestamp::now();
    let stamped = |object| stamped_emergency(object, &snapshot.cluster).ok();
    let open = windows
        .items
        .iter()
        .filter_map(stamped)
        .find(|window| window.is_open(now));
    open.map_or(Ok(()), |open| Err(second_window(&open)))
}

fn refusal(denial: Denial, findings: Findings) -> Outcome {
    Outcome {
        answer: Answer::Deny {
            denial,
            more: Vec::new(),
        },
        verdict: Verdict::Deny,
        findings,
        relaxed: None,
        ticket: None,
        resource_hash: None,
        proof: Proof::default(),
    }
}
