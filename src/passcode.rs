//! The passcode's public half, as the operator reads it.

use countersign_core::{
    decision::{Cause, Denial, Reason},
    emergency::passcode::Passcode,
    policy::PasscodeRef,
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
