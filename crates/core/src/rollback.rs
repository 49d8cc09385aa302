//! Rollback: for a while after an approved change its exact inverse, by the same subject, needs no approval of its own.

use std::{collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};

use crate::{
    binding::{Binding, BoundTarget},
    credential::has_power,
    digest::Digest,
    hash::{EffectiveChange, HashContext, Value, command_hash, effective_change},
    object::{Change, Object, ObjectError},
    request::Operation,
    snapshot::Snapshot,
    ticket::{CallKind, Claim, Event, Step, Ticket, TicketState, step},
};

/// The options of a deletion that say no more than that the object goes: none, and what `kubectl delete` says.
const PLAIN: [&str; 2] = ["{}", r#"{"propagationPolicy":"Background"}"#];

/// What others than its owner write of an object that is as it was made.
const KEPT_BY_CONTROLLERS: [&str; 2] = ["/status", "/metadata/annotations"];

/// What says when an object goes, and with whom: put back it may take along what stands by itself since.
const BONDS: [&str; 2] = ["/metadata/finalizers", "/metadata/ownerReferences"];

/// The used ticket that covers a write with this binding as the inverse of its own.
///
/// It covers one such write, and that write as often as the API server asks for it.
pub fn covering(
    binding: &Binding,
    call: CallKind,
    (window, now): (SignedDuration, Timestamp),
    snapshot: &Snapshot,
) -> Option<Arc<Ticket>> {
    let covers = |ticket: &Ticket| {
        let event = Event::Claim {
            bind: binding.bind(&ticket.uid),
            call,
            resource_version: None,
        };
        let next = step(&ticket.state, event, now);
        matches!(next, Ok(step) if !matches!(step, Step::To(TicketState::Ended(_))))
    };
    let used = match binding.operation {
        Operation::Update => {
            let undone = undone_by_update(binding)?.digest();
            snapshot.tickets.get(&undone).into_iter().flatten().collect()
        }
        Operation::Delete => {
            let uid = binding.target.uid.as_deref()?;
            snapshot.created.get(uid).into_iter().collect::<Vec<_>>()
        }
        Operation::Create | Operation::Connect => return None,
    };
    let covers = |ticket: &&Arc<Ticket>| inverse(ticket, binding, window).as_ref().is_some_and(covers);
    used.into_iter().find(covers).cloned()
}

/// A used ticket read as an approval of `by`, for so long after its write; `None` when `by` is not the exact inverse
/// of that.
///
/// Who undid it already holds it.
pub fn inverse(ticket: &Ticket, by: &Binding, window: SignedDuration) -> Option<Ticket> {
    let TicketState::Consumed { claim } = &ticket.state else {
        return None;
    };
    if !undoes(by, &ticket.binding, claim) {
        return None;
    }
    let usable_until = claim.claimed_at.saturating_add(window).unwrap_or(Timestamp::MAX);
    let state = match &ticket.rollback {
        None => TicketState::Approved { usable_until },
        Some(claim) => TicketState::Claimed {
            usable_until,
            claim: claim.clone(),
            stop: None,
        },
    };
    Some(Ticket {
        binding: by.clone(),
        state,
        ..ticket.clone()
    })
}

/// Whether the digests of a change hold all of it, and it takes nothing along: what is left out of them may be put to
/// any value.
pub fn is_bound_whole(change: &EffectiveChange) -> bool {
    let parts = &change.granules;
    let takes_along = || parts.iter().any(|part| BONDS.contains(&&*part.pointer));
    change.ignored.is_empty() && !parts.is_empty() && !takes_along()
}

/// Whether the object that a ticket made is still what it was made as: what others put there since would go with it.
pub fn is_as_made(
    object: &Object<'_>,
    ticket: &Ticket,
    context: &HashContext<'_>,
) -> Result<bool, ObjectError> {
    let below = |root: &str, pointer: &str| {
        pointer
            .strip_prefix(root)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let is_kept = |pointer: &str| KEPT_BY_CONTROLLERS.iter().any(|root| below(root, pointer));
    let now = effective_change(&Change::Create(object.clone()), context)?;
    let now = now
        .granules
        .iter()
        .map(|part| (&*part.pointer, part.new.as_ref().map(Value::digest)));
    let now: BTreeMap<_, _> = now.filter(|(pointer, _)| !is_kept(pointer)).collect();
    let made = ticket.parts.iter().map(|(pointer, digest)| (&**pointer, *digest));
    Ok(now == made.filter(|(pointer, _)| !is_kept(pointer)).collect())
}

fn undoes(by: &Binding, made: &Binding, claim: &Claim) -> bool {
    if has_power(&by.target.target()) {
        return false;
    }
    match by.operation {
        Operation::Update => {
            matches!(&*by.target.subresource, "" | "scale") && undone_by_update(by).as_ref() == Some(made)
        }
        Operation::Delete => {
            let of_object = BoundTarget {
                uid: None,
                ..by.target.clone()
            };
            made.operation == Operation::Create
                && by.target.uid.is_some()
                && by.target.uid.as_deref() == claim.object_uid.as_deref()
                && made.target == of_object
                && made.target.subresource.is_empty()
                && (&made.cluster_id, &made.subject, made.environment)
                    == (&by.cluster_id, &by.subject, by.environment)
                && is_plain(by.command_hash)
        }
        Operation::Create | Operation::Connect => false,
    }
}

/// The update of which this one is the inverse: it put there what this one replaces, and replaced what this one puts
/// there.
fn undone_by_update(by: &Binding) -> Option<Binding> {
    Some(Binding {
        resource_hash: by.old_hash?,
        old_hash: Some(by.resource_hash),
        ..by.clone()
    })
}

fn is_plain(options: Option<Digest>) -> bool {
    let hash = |text| command_hash(Some(&Object::parse(text).ok()?)).ok();
    options.is_some() && PLAIN.iter().any(|text| hash(text) == options)
}

#[cfg(test)]
mod tests;
