//! Rollback: for a while after an approved change its exact inverse, by the same subject, needs no approval of its own.

use jiff::{SignedDuration, Timestamp};

use crate::{
    binding::{Binding, BoundTarget},
    digest::Digest,
    hash::command_hash,
    object::Object,
    request::Operation,
    snapshot::Snapshot,
    ticket::{CallKind, Claim, Event, Step, Ticket, TicketState, step},
};

/// The options of a deletion that say no more than that the object goes: none, and what `kubectl delete` says.
const PLAIN: [&str; 2] = ["{}", r#"{"propagationPolicy":"Background"}"#];

/// What holds the objects of others: they would go with it.
const HOLDERS: [(&str, &str); 2] = [
    ("", "namespaces"),
    ("apiextensions.k8s.io", "customresourcedefinitions"),
];

/// The used ticket that covers a write with this binding as the inverse of its own, read as an approval of that.
///
/// It covers one such write, and that write as often as the API server asks for it.
pub fn covering(
    binding: &Binding,
    call: CallKind,
    (window, now): (SignedDuration, Timestamp),
    snapshot: &Snapshot,
) -> Option<Ticket> {
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
    used.into_iter()
        .filter_map(|ticket| inverse(ticket, binding, window))
        .find(covers)
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

fn undoes(by: &Binding, made: &Binding, claim: &Claim) -> bool {
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
                && !HOLDERS.contains(&(&*by.target.group, &*by.target.resource))
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
