//! Stolen identities: a write that yields the credential of somebody who writes without being asked (an agent, a
//! delegated subject, the control plane, the operator) is a prod write to that identity, wherever it lands.
//!
//! The passcode of break-glass is such a credential, whose holder is whoever knows it.
//!
//! Only admins hand a credential out. What changes something that runs under it already is the business of its place.
//! The control plane's own delegations come before this step: its controllers repeat pod templates that were judged
//! here when somebody wrote them, and a kubelet gets tokens for the pods of its node alone. No other delegation
//! reaches beyond it: who can steer the controller of some custom kind would have its pods run as anybody.

mod former;
mod holder;
mod workload;

use std::slice;

use super::{End, subject::Actor};
use crate::{
    certificate_request::common_names,
    credential::{self, Yields},
    decision::{Cause, Denial, Reason},
    delegation::within,
    hash,
    object::{Object, ObjectError},
    request::{Operation, Request, Target},
    snapshot::Snapshot,
};

use holder::Holder;

/// A write that yields somebody's credential.
pub(super) struct Yielded {
    holder: Holder,
    how: How,
}

/// In which way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    /// Who gets it did not have it: a token, a certificate, a pod under the account.
    HandsOut,
    /// The account is made, or taken away: what comes after it bears its name.
    Replaces,
    /// What runs under it already runs something else, or somebody connects to it.
    Steers,
    /// Another passcode opens windows of break-glass, or none does.
    Unlocks,
}

/// Signers whose certificates the API server takes for those of its clients.
const CLIENT_SIGNERS: [&str; 3] = [
    "kubernetes.io/kube-apiserver-client",
    "kubernetes.io/kube-apiserver-client-kubelet",
    "kubernetes.io/legacy-unknown",
];

/// Whether the request cannot be judged without a look at the object behind it: a pod runs as somebody.
pub fn needs_hidden(request: &Request<'_>) -> bool {
    request.operation == Operation::Connect && request.target.is("", "pods")
}

/// Whose credential the request yields, if anybody's who matters here.
pub(super) fn yielded(request: &Request<'_>, snapshot: &Snapshot) -> Result<Option<Yielded>, Denial> {
    if request.change.is_same_text() {
        return Ok(None);
    }
    let target = &request.target;
    if is_passcode(target, snapshot) {
        return Ok(Some(Yielded {
            holder: Holder::of_passcode(),
            how: How::Unlocks,
        }));
    }
    let found = match credential::yields(target.group, target.resource) {
        Some(Yields::Account) => account(request, snapshot),
        Some(Yields::Token) if target.subresource.is_empty() => token_secret(request, snapshot),
        Some(Yields::Certificate) => certificate(request, snapshot),
        Some(Yields::Pods(_)) if needs_hidden(request) => return connection(request, snapshot),
        Some(Yields::Pods(workload)) => workload::judge(workload, request, snapshot),
        // Whoever has power takes further steps, which are judged; the object is guarded as any.
        Some(Yields::Token | Yields::Power) | None => return Ok(None),
    };
    Ok(found?)
}

/// Whether it is the Secret with the passcode of break-glass.
pub(super) fn is_passcode(target: &Target<'_>, snapshot: &Snapshot) -> bool {
    let passcode = snapshot.policy.get().and_then(|policy| policy.passcode.as_ref());
    let at_home = target.namespace == Some(&*snapshot.cluster.namespace);
    at_home && target.is("", "secrets") && passcode.is_some_and(|passcode| *passcode.name == *target.name)
}

/// A token of the account, or the account itself.
fn account(request: &Request<'_>, snapshot: &Snapshot) -> Result<Option<Yielded>, ObjectError> {
    let target = &request.target;
    let Some(holder) = Holder::of_account(target.namespace, target.name, snapshot) else {
        return Ok(None);
    };
    let how = match (request.operation, target.subresource) {
        (Operation::Create, "token") => How::HandsOut,
        (Operation::Create | Operation::Delete, "") => How::Replaces,
        // Owners whose end is its end.
        (Operation::Update, "") if touches(request, &["/metadata/ownerReferences"])? => How::Replaces,
        _ => return Ok(None),
    };
    Ok(Some(Yielded { holder, how }))
}

/// A Secret into which the control plane writes a token.
fn token_secret(request: &Request<'_>, snapshot: &Snapshot) -> Result<Option<Yielded>, ObjectError> {
    let account_of = |object: &Object<'_>| {
        let kind = object.text_at(&["type"])?;
        if kind.as_deref() != Some("kubernetes.io/service-account-token") {
            return Ok(None);
        }
        let name = object.annotation("kubernetes.io/service-account.name")?;
        Ok::<_, ObjectError>(name.map(std::borrow::Cow::into_owned))
    };
    let Some(account) = request.change.after().map(account_of).transpose()?.flatten() else {
        return Ok(None);
    };
    let Some(holder) = Holder::of_account(request.target.namespace, &account, snapshot) else {
        return Ok(None);
    };
    let before = request.change.before().map(account_of).transpose()?.flatten();
    let how = if before != Some(account) {
        How::HandsOut
    } else if touches(request, &["/data"])? {
        How::Steers
    } else {
        return Ok(None);
    };
    Ok(Some(Yielded { holder, how }))
}

/// A client certificate for a name that is nobody's but the cluster's.
fn certificate(request: &Request<'_>, snapshot: &Snapshot) -> Result<Option<Yielded>, ObjectError> {
    let asks = match request.operation {
        Operation::Create => request.target.subresource.is_empty(),
        Operation::Update => request.target.subresource == "approval",
        Operation::Delete | Operation::Connect => false,
    };
    let Some(csr) = request.change.after().filter(|_| asks) else {
        return Ok(None);
    };
    let signer = csr.text_at(&["spec", "signerName"])?;
    if !signer.is_some_and(|signer| CLIENT_SIGNERS.contains(&&*signer)) {
        return Ok(None);
    }
    let names = csr
        .text_at(&["spec", "request"])?
        .and_then(|text| common_names(&text));
    let holder = match names {
        None => Some(Holder::untold("whoever the certificate names", request)),
        Some(names) => names
            .iter()
            .find_map(|name| Holder::of_certificate(name, snapshot)),
    };
    Ok(holder.map(|holder| Yielded {
        holder,
        how: How::HandsOut,
    }))
}

/// A connection to a pod.
fn connection(request: &Request<'_>, snapshot: &Snapshot) -> Result<Option<Yielded>, Denial> {
    let target = request.target.parent();
    let Some(pod) = request.hidden else {
        let message = format!("as whom `{}` runs is not known", target.place());
        return Err(Denial::new(Reason::Unreadable, message));
    };
    let account = pod.service_account.as_deref();
    let holder = account.and_then(|account| Holder::of_account(target.namespace, account, snapshot));
    Ok(holder.map(|holder| Yielded {
        holder,
        how: How::Steers,
    }))
}

/// Whether one of these granules changes, or what lies below it.
fn touches(request: &Request<'_>, granules: &[&str]) -> Result<bool, ObjectError> {
    let changed = hash::changed_pointers(&request.change)?;
    Ok(changed
        .iter()
        .any(|pointer| within(slice::from_ref(pointer), granules)))
}

/// What a delegation says, which never reaches to another identity.
pub(super) fn unless_yielded(delegated: Result<(), End>, yielded: Option<&Yielded>) -> Result<(), End> {
    match (delegated, yielded) {
        (Err(End::Allow(_)), Some(yielded)) => Err(yielded
            .denial("no delegation covers that: let an admin make this write")
            .into()),
        (delegated, _) => delegated,
    }
}

/// What hands a credential out is for admins, as the object that gives it its power is.
pub(super) fn check_role(yielded: Option<&Yielded>, actor: &Actor) -> Result<(), End> {
    match yielded {
        Some(yielded) if yielded.how != How::Steers && !actor.is_admin() => {
            let way = match yielded.how {
                How::Unlocks => "only admins who are people do that, with an approval: ask one of them",
                How::HandsOut | How::Replaces | How::Steers => {
                    "only admins do that, with an approval: ask one of them, or use another service account"
                }
            };
            Err(yielded.denial(way).into())
        }
        _ => Ok(()),
    }
}

impl Yielded {
    /// Whether nothing relaxes what is decided of the write.
    pub(super) fn is_integral(&self) -> bool {
        self.holder.is_operator && self.how == How::HandsOut
    }

    /// Whether who makes the write keeps what it yields.
    pub(super) fn is_lasting(&self) -> bool {
        self.holder.is_operator || self.how != How::Steers
    }

    /// The line of configuration that makes the identity matter.
    pub(super) fn into_cause(self) -> Cause {
        self.holder.cause
    }

    fn denial(&self, way: &str) -> Denial {
        let what = match self.how {
            How::HandsOut => "this would hand out the credential of",
            How::Replaces => "this would replace the service account of",
            How::Steers => "this reaches into what runs as",
            How::Unlocks => "this would change",
        };
        let message = format!("{what} {}, and {way}", self.holder.who);
        Denial::new(Reason::StolenIdentity, message).because(self.holder.cause.clone())
    }
}
