//! Whose credential a username stands for: looked up by the name, however many agents and delegations there are.

use crate::{
    builtin,
    decision::Cause,
    plain::excerpt,
    request::{Request, SERVICE_ACCOUNT},
    snapshot::Snapshot,
};

/// Somebody whose credential is worth stealing.
pub(super) struct Holder {
    /// Who, for a message.
    pub(super) who: String,
    /// What gives the credential its power.
    pub(super) cause: Cause,
    /// Whether it is the operator itself.
    pub(super) is_operator: bool,
}

impl Holder {
    /// Who acts by this service account.
    pub(super) fn of_account(namespace: Option<&str>, name: &str, snapshot: &Snapshot) -> Option<Self> {
        Self::of(&format!("{SERVICE_ACCOUNT}{}:{name}", namespace?), snapshot)
    }

    /// Who acts by a certificate of this name; every name of the cluster's own is somebody's.
    pub(super) fn of_certificate(name: &str, snapshot: &Snapshot) -> Option<Self> {
        let of_cluster = || {
            let name = excerpt(name);
            Self::new(
                format!("`{name}`"),
                Cause::new("BuiltinDelegation", name, "username"),
            )
        };
        Self::of(name, snapshot).or_else(|| name.starts_with("system:").then(of_cluster))
    }

    /// Whoever knows the passcode of break-glass.
    pub(super) fn of_passcode() -> Self {
        let cause = Cause::of_policy("spec.passcodeSecretRef");
        Self::new("the passcode of break-glass".to_owned(), cause)
    }

    /// Somebody of whom the request does not tell who it is.
    pub(super) fn untold(who: &str, request: &Request<'_>) -> Self {
        let cause = Cause::new("Request", request.target.place(), "spec");
        Self::new(format!("{who}, which cannot be read"), cause)
    }

    fn of(username: &str, snapshot: &Snapshot) -> Option<Self> {
        if *username == *snapshot.cluster.operator {
            let cause = Cause::new("Operator", username, "username");
            return Some(Self {
                is_operator: true,
                ..Self::new(format!("the operator, `{username}`"), cause)
            });
        }
        let account = username.strip_prefix(SERVICE_ACCOUNT);
        let agents = account.and_then(|account| snapshot.service_accounts.get(account));
        if let Some(agent) = agents.into_iter().flatten().min() {
            let cause = Cause::new("Agent", agent.local(), "spec.serviceAccounts");
            return Some(Self::new(format!("{agent}, `{username}`"), cause));
        }
        let delegations = snapshot.delegations.get(username).into_iter().flatten();
        if let Some(name) = delegations.map(|delegation| &delegation.name).min() {
            let cause = Cause::new("WriteDelegation", name.clone(), "spec.subject");
            return Some(Self::new(format!("the delegated `{username}`"), cause));
        }
        builtin::acts_as(username).then(|| {
            let cause = Cause::new("BuiltinDelegation", username, "username");
            Self::new(format!("`{username}` of the control plane"), cause)
        })
    }

    const fn new(who: String, cause: Cause) -> Self {
        Self {
            who,
            cause,
            is_operator: false,
        }
    }
}
