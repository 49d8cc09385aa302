//! The passcode's public half, as the operator reads it; a policy that relies on one has one.

use countersign_core::{
    decision::{Cause, Decision, Denial, Reason},
    emergency::passcode::Passcode,
    own::Own,
    policy::{PasscodeRef, Policy},
    request::Request,
    snapshot::Snapshot,
};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};

/// What is set in the Secret that the policy names.
pub async fn read(secret: &PasscodeRef, namespace: &str, client: &Client) -> Result<Passcode, Denial> {
    let (name, key) = (&*secret.name, &*secret.key);
    let read = Api::<Secret>::namespaced(client.clone(), namespace)
        .get_opt(name)
        .await;
    let read = read.map_err(|error| {
        let message =
            format!("Secret `{name}` in `{namespace}`, with the passcode, could not be read: {error}");
        Denial::new(Reason::Unreadable, message)
    })?;
    let missing = |what: String| {
        let message = format!("{what}: an admin sets a passcode with kubectl countersign admin passcode set");
        Denial::new(Reason::BreakGlassRefused, message).because(of_policy())
    };
    let Some(read) = read else {
        return Err(missing(format!("there is no Secret `{name}` in `{namespace}`")));
    };
    let data = read.data.unwrap_or_default();
    let Some(text) = data.get(key) else {
        return Err(missing(format!(
            "Secret `{name}` in `{namespace}` has no key `{key}`"
        )));
    };
    Passcode::parse(&text.0).map_err(|invalid| {
        missing(format!(
            "key `{key}` of Secret `{name}` in `{namespace}`: {invalid}"
        ))
    })
}

/// The policy's reference as a cause.
pub fn of_policy() -> Cause {
    Cause::of_policy("spec.passcodeSecretRef")
}

/// The decision, unless it lets strict mode begin, or be locked, on the strength of a passcode that nobody set: one admin
/// would do then where two are needed, and nobody could turn it off again.
pub async fn unless_unset(
    decision: Decision,
    judged: &Request<'_>,
    snapshot: &Snapshot,
    client: &Client,
) -> Decision {
    let (Some(Own::AccessPolicy(next)), false) = (judged.own, matches!(decision, Decision::Deny(_))) else {
        return decision;
    };
    let Some(secret) = newly_relied_on(next, snapshot.policy.get().map(AsRef::as_ref)) else {
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
