//! Tickets, reviews and intents: who may make them, and that they fit what they are about. They follow these rules alone.

use jiff::Timestamp;

use super::{End, intents, subject::Actor};
use crate::{
    decision::{Cause, Denial, Grant, Reason},
    environment::Environment,
    hash::resource_hash,
    identity::Identity,
    own::{Own, Present, ReviewDraft, TicketDraft},
    policy::Policy,
    request::Request,
    review::{Ineligible, ReviewDecision, Unproven, check_eligible},
    role::Role,
    snapshot::Snapshot,
    ticket::{Ticket, TicketState},
};

/// Ends the chain for tickets, reviews and intents.
pub(super) fn judge(
    request: &Request<'_>,
    actor: &Actor,
    (snapshot, policy): (&Snapshot, &Policy),
    now: Timestamp,
) -> Result<(), End> {
    match request.own {
        Some(Own::Ticket(draft)) => {
            snapshot.check_mutators(now)?;
            check_ticket(draft, request, actor, (snapshot, policy))?;
        }
        Some(Own::Review(draft)) => {
            // Whoever says no may do so in any case: at worst, somebody asks again.
            if draft.decision == ReviewDecision::Approve {
                snapshot.check_mutators(now)?;
            }
            check_review(draft, actor, (snapshot, policy))?;
        }
        Some(Own::Intent(draft)) => intents::check(draft, request, actor, (snapshot, policy), now)?,
        _ => return Ok(()),
    }
    Err(Grant::new(Reason::Workflow, None).into())
}

fn check_ticket(
    draft: &TicketDraft,
    request: &Request<'_>,
    actor: &Actor,
    (snapshot, policy): (&Snapshot, &Policy),
) -> Result<(), Denial> {
    let mismatch = |message: String| Err(Denial::new(Reason::BindingMismatch, message));
    let who = &actor.subject.identity;
    check_stamp(draft.stamped)?;
    if actor.role.role == Role::Reader {
        let message = format!("{who} is a reader and requests no changes");
        return Err(Denial::new(Reason::ReaderWrites, message).because(actor.role_cause()));
    }
    if draft.binding.subject != *who || draft.requester != *who {
        let message = format!(
            "spec.subjectID: a ticket for {} is not yours to request, {who}",
            draft.binding.subject
        );
        return Err(Denial::new(Reason::ForeignSubject, message));
    }
    if draft.binding.cluster_id != *snapshot.cluster.id {
        return mismatch(format!(
            "spec.clusterID: `{}` is not this cluster",
            draft.binding.cluster_id
        ));
    }
    let binding_hash = draft.binding.hash(Some(&draft.nonce));
    if binding_hash != draft.binding_hash {
        return mismatch(format!("spec.bindingHash: spec.binding hashes to {binding_hash}"));
    }
    check_pending(
        who,
        request.target.namespace.unwrap_or_default(),
        (snapshot, policy),
    )?;
    check_place(draft, request, snapshot, policy)?;
    check_change(draft)?;
    check_present(draft)
}

/// Refuses one more ticket to whom too many in the namespace wait already.
pub fn check_pending(
    who: &Identity,
    namespace: &str,
    (snapshot, policy): (&Snapshot, &Policy),
) -> Result<(), Denial> {
    let (waiting, most) = (
        snapshot.open_tickets(who, namespace).count(),
        policy.approvals.max_pending,
    );
    if waiting < most {
        return Ok(());
    }
    let message =
        format!("{who} has {waiting} pending tickets in `{namespace}`: cancel some, or have them reviewed");
    let cause = Cause::of_policy("spec.approvals.maxPending");
    Err(Denial::new(Reason::TooManyPending, message).because(cause))
}

fn check_change(draft: &TicketDraft) -> Result<(), Denial> {
    let target = &draft.binding.target;
    let api_version = target.target().api_version();
    let change = draft
        .change
        .iter()
        .map(|(pointer, digest)| (pointer.as_str(), *digest))
        .collect();
    let hash = resource_hash(&api_version, &target.kind, &target.subresource, &change);
    if hash != draft.binding.resource_hash {
        let message = format!("spec.resourceHash: spec.change hashes to {hash}");
        return Err(Denial::new(Reason::BindingMismatch, message));
    }
    Ok(())
}

pub(super) fn check_stamp(stamped: bool) -> Result<(), Denial> {
    if stamped {
        return Ok(());
    }
    let message =
        "spec.stamp: it is not the operator's over this object: make it anew while the operator runs";
    Err(Denial::new(Reason::OperatorOnly, message))
}

fn check_place(
    draft: &TicketDraft,
    request: &Request<'_>,
    snapshot: &Snapshot,
    policy: &Policy,
) -> Result<(), Denial> {
    let target = draft.binding.target.target();
    let home = ticket_namespace(target.namespace, snapshot);
    if request.target.namespace != Some(home) {
        let message = format!(
            "metadata.namespace: a ticket for `{}` belongs in `{home}`",
            target.place()
        );
        return Err(Denial::new(Reason::BindingMismatch, message));
    }
    let environment = match target.namespace {
        Some(namespace) => snapshot.environment_of_namespace(namespace, policy),
        None => draft.binding.environment,
    };
    // A write that yields an identity is one to prod, wherever it lands; of another write such a ticket is of no use.
    if environment != draft.binding.environment && draft.binding.environment != Environment::Prod {
        let message = format!("spec.env: `{}` is {environment}", target.place());
        let cause = Cause::of_policy("spec.environments");
        return Err(Denial::new(Reason::BindingMismatch, message).because(cause));
    }
    Ok(())
}

/// The namespace that a ticket for this target lives in: the target's, when it exists and stays, else the operator's.
pub fn ticket_namespace<'a>(namespace: Option<&'a str>, snapshot: &'a Snapshot) -> &'a str {
    let stays = |name: &&str| {
        snapshot
            .namespaces
            .get(*name)
            .is_some_and(|known| !known.terminating)
    };
    namespace.filter(stays).unwrap_or(&snapshot.cluster.namespace)
}

fn check_present(draft: &TicketDraft) -> Result<(), Denial> {
    let mismatch = |message: String| Err(Denial::new(Reason::BindingMismatch, message));
    let place = draft.binding.target.target().place();
    match (&draft.present, &draft.binding.target.uid) {
        (Present::Absent, Some(_)) => mismatch(format!("spec.target: `{place}` does not exist")),
        (Present::Object { .. }, None) => mismatch(format!("spec.target: `{place}` exists already")),
        (Present::Object { uid, .. }, Some(bound)) if uid != bound => {
            mismatch(format!("spec.target.uid: `{place}` has uid {uid}"))
        }
        (Present::Object { old_hash, .. }, Some(_)) if *old_hash != draft.binding.old_hash => mismatch(
            format!("spec.oldHash: `{place}` has changed since, request it again"),
        ),
        (Present::Absent, None) | (Present::Object { .. }, Some(_)) => Ok(()),
    }
}

fn check_review(
    draft: &ReviewDraft,
    actor: &Actor,
    (snapshot, policy): (&Snapshot, &Policy),
) -> Result<(), Denial> {
    check_stamp(draft.stamped && draft.reviewer == actor.subject.identity)?;
    let Some(ticket) = &draft.ticket else {
        let message = "spec.ticketRef.name: there is no such ticket";
        return Err(Denial::new(Reason::BindingMismatch, message));
    };
    let mismatch = |message: String, field| {
        let denial = Denial::new(Reason::BindingMismatch, message);
        Err(denial.because(Cause::of_ticket(ticket, field)))
    };
    let name = &ticket.name;
    if *ticket.uid != *draft.ticket_uid {
        let uid = &ticket.uid;
        let message = format!("spec.ticketRef.uid: ticket `{name}` has uid {uid}, read it again");
        return mismatch(message, "metadata.uid");
    }
    if ticket.binding_hash() != draft.binding_hash {
        let message = format!("spec.bindingHash: ticket `{name}` has another, read it again");
        return mismatch(message, "spec.bindingHash");
    }
    if !is_open_to(draft.decision, &ticket.state) {
        let state = ticket.state.as_str();
        let message = format!("spec.decision: ticket `{name}` is {state} and not open to this");
        return mismatch(message, "status.state");
    }
    let of_ticket = snapshot.reviews.get(&ticket.uid).into_iter().flatten();
    let said = (&draft.reviewer, draft.decision);
    // What does not count for want of a proof may be said anew, with a better one.
    let again = of_ticket.into_iter().any(|r| {
        (&r.reviewer, r.decision) == said
            && !snapshot.may_be_rewritten(r.created)
            && r.proof.check(said, ticket, policy).is_ok()
    });
    if again {
        let message = format!("{} has reviewed ticket `{name}` so already", draft.reviewer);
        return mismatch(message, "status.reviews");
    }
    check_eligible(&actor.subject, draft.decision, ticket, snapshot).map_err(|why| {
        let cause = cause_of(&why, ticket, actor);
        Denial::new(Reason::IneligibleReviewer, why.to_string()).because(cause)
    })?;
    draft.proof.check(said, ticket, policy).map_err(|why| {
        let field = match why {
            Unproven::Unsigned => "spec.approvals.requiredProof",
            Unproven::Signature(..) => "spec.directory.sshKeys",
        };
        Denial::new(Reason::BadProof, why.to_string()).because(Cause::of_policy(field))
    })
}

/// The line of configuration that keeps somebody from reviewing a ticket.
fn cause_of(why: &Ineligible, ticket: &Ticket, actor: &Actor) -> Cause {
    match why {
        Ineligible::NotHuman(who) => Cause::new("Agent", who.local(), "spec.serviceAccounts"),
        Ineligible::Subject(_) | Ineligible::NotTheirs(_) => Cause::of_ticket(ticket, "spec.subjectID"),
        Ineligible::Requester(_) => Cause::of_ticket(ticket, "spec.requester"),
        Ineligible::Author(_) => Cause::of_ticket(ticket, "spec.authors"),
        Ineligible::AgentOwner(_) => Cause::new("Agent", ticket.binding.subject.local(), "spec.owner"),
        Ineligible::Role { .. } | Ineligible::NotAdmin(_) => actor.role_cause(),
        Ineligible::NotOfZone { zone, .. } => Cause::new("Zone", zone.clone(), "spec.reviewers"),
        Ineligible::Contested(zones) => Cause::new("Zone", zones.as_str(), "spec.objects"),
    }
}

const fn is_open_to(decision: ReviewDecision, state: &TicketState) -> bool {
    match state {
        TicketState::Pending { .. } => !matches!(decision, ReviewDecision::Revoke),
        // One more approval, where the rules ask for more by now.
        TicketState::Approved { .. } => true,
        TicketState::Claimed { .. } => !matches!(decision, ReviewDecision::Approve),
        TicketState::Consumed { .. } | TicketState::Ended(_) => false,
    }
}
