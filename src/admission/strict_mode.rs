//! A policy by which strict mode begins, or is locked, on the strength of a passcode: one is set.

use countersign_core::{
    decision::{Decision, Denial, Reason, Severity},
    own::Own,
    policy::{PasscodeRef, Policy},
    request::Request,
    snapshot::Snapshot,
};
use kube::Client;

use crate::passcode::{of_policy, read};

/// The decision, unless it lets strict mode begin, or be locked, on the strength of a passcode that nobody set: one admin
/// would do then where two are needed, and nobody could turn it off again.
pub async fn unless_unset(
    decision: Decision,
    judged: &Request<'_>,
    snapshot: &Snapshot,
    client: &Client,
) -> Decision {
    let Some(Own::AccessPolicy(next)) = judged.own else {
        return decision;
    };
    let present = snapshot.policy.get().map(AsRef::as_ref);
    let Some(secret) = newly_relied_on(next, present).filter(|_| may_pass(&decision)) else {
        return decision;
    };
    match read(secret, &snapshot.cluster.namespace, client).await {
        Ok(_) => decision,
        Err(unset) => {
            let message = format!("spec.passcodeSecretRef: {}", unset.message);
            Decision::Deny(Denial::new(Reason::StrictMode, message).because(of_policy()))
        }
    }
}

/// The passcode that strict mode is to rest on and did not until now.
fn newly_relied_on<'a>(next: &'a Policy, present: Option<&Policy>) -> Option<&'a PasscodeRef> {
    let rests = |policy: &Policy| {
        (
            policy.strict_mode,
            policy.strict_mode_locked,
            policy.passcode.clone(),
        )
    };
    let is_new = present.is_none_or(|present| rests(present) != rests(next));
    next.passcode.as_ref().filter(|_| next.strict_mode && is_new)
}

/// Whether the write is let through, now or with an approval, or may be where nothing is enforced.
fn may_pass(decision: &Decision) -> bool {
    !matches!(decision, Decision::Deny(denial) if denial.reason.severity() == Severity::Integrity)
}
