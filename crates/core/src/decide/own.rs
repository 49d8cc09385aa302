//! Integrity of Countersign's own kinds: what is wrong here is refused in every mode, whoever writes it.

use super::{End, operator, subject::Actor};
use crate::{
    decision::{Denial, Grant, Reason},
    hash::resource_hash,
    identity::Identity,
    own::{Own, Present, ReviewDraft, TicketDraft},
    policy::Policy,
    request::Request,
    review::{ReviewDecision, check_eligible},
    role::Role,
    snapshot::{Agent, PolicyState, Snapshot},
    ticket::TicketState,
    zones::Zone,
};

/// The least number of live human admins while strict mode is on; one where a passcode is set.
pub const LIVE_ADMINS: usize = 2;

/// Refuses what is not valid; ends the chain for tickets and reviews, which follow these rules alone.
pub(super) fn check(
    request: &Request<'_>,
    actor: &Actor,
    snapshot: &Snapshot,
    policy: &Policy,
) -> Result<(), End> {
    if request.target.group != operator::GROUP {
        return Ok(());
    }
    let Some(own) = request.own else {
        let message = format!(
            "`{}` is of a kind or version this operator does not know",
            request.target.place()
        );
        return Err(Denial::new(Reason::Invalid, message).into());
    };
    match own {
        Own::Invalid(why) => Err(Denial::new(Reason::Invalid, why.clone()).into()),
        Own::Ticket(draft) => Err(match check_ticket(draft, request, actor, snapshot, policy) {
            Ok(()) => Grant::new(Reason::Workflow, None).into(),
            Err(denial) => denial.into(),
        }),
        Own::Review(draft) => Err(match check_review(draft, actor, snapshot) {
            Ok(()) => Grant::new(Reason::Workflow, None).into(),
            Err(denial) => denial.into(),
        }),
        Own::Zone(zone) => Ok(check_overlap(zone, snapshot)?),
        Own::Agent(agent) => Ok(check_accounts(agent, snapshot)?),
        Own::AccessPolicy(next) => Ok(check_policy(next, actor, snapshot, policy)?),
        Own::RoleGrant { identity, role } => {
            let stays = (identity.is_user() && *role == Role::Admin).then_some(identity);
            Ok(check_live_admins(request, stays, snapshot, policy)?)
        }
        Own::Removed if request.target.resource == "accesspolicies" && is_strict(snapshot, policy) => {
            let message =
                "the AccessPolicy is not deleted while strict mode is on: turn strict mode off first";
            Err(Denial::new(Reason::StrictMode, message).into())
        }
        Own::Removed => Ok(check_live_admins(request, None, snapshot, policy)?),
        Own::Team(_) | Own::WriteDelegation(_) => Ok(()),
    }
}

fn is_strict(snapshot: &Snapshot, policy: &Policy) -> bool {
    policy.strict_mode || snapshot.latched
}

fn check_overlap(zone: &Zone, snapshot: &Snapshot) -> Result<(), Denial> {
    let Some(overlap) = snapshot.zones.overlap(zone) else {
        return Ok(());
    };
    let message = format!(
        "zone `{}` and zone `{}` would both hold `{}`: zones do not overlap, narrow one of them",
        zone.name, overlap.other, overlap.witness
    );
    Err(Denial::new(Reason::ZoneOverlap, message))
}

fn check_accounts(agent: &Agent, snapshot: &Snapshot) -> Result<(), Denial> {
    for account in &agent.accounts {
        let key = format!("{}:{}", account.namespace, account.name);
        let others = snapshot.service_accounts.get(key.as_str()).into_iter().flatten();
        if let Some(other) = others.into_iter().find(|other| **other != agent.identity) {
            let message = format!("spec.serviceAccounts: `{key}` acts as {other} already");
            return Err(Denial::new(Reason::Invalid, message));
        }
    }
    Ok(())
}

fn check_policy(next: &Policy, actor: &Actor, snapshot: &Snapshot, policy: &Policy) -> Result<(), Denial> {
    let was_strict = matches!(snapshot.policy, PolicyState::Loaded(_)) && policy.strict_mode;
    if next.strict_mode == was_strict {
        return Ok(());
    }
    if !actor.subject.identity.is_user() {
        let message = format!(
            "{} is no human: only people change strict mode",
            actor.subject.identity
        );
        return Err(Denial::new(Reason::StrictMode, message));
    }
    let needed = if next.has_passcode { 1 } else { LIVE_ADMINS };
    let live = snapshot.live_admins().len();
    if next.strict_mode && live < needed {
        let message = format!(
            "spec.strictMode: {live} live human admins, and {needed} are needed: grant the role admin to people \
             with RoleGrants, and let each make any change, so that it is seen that they can"
        );
        return Err(Denial::new(Reason::TooFewAdmins, message));
    }
    if !next.strict_mode && policy.strict_mode_locked {
        let message = "spec.strictMode: it is locked, and only a break-glass window opens it";
        return Err(Denial::new(Reason::StrictMode, message));
    }
    Ok(())
}

/// Refuses the removal or change of an admin's grant that would leave too few. `stays` is who the changed grant
/// still makes an admin.
fn check_live_admins(
    request: &Request<'_>,
    stays: Option<&Identity>,
    snapshot: &Snapshot,
    policy: &Policy,
) -> Result<(), Denial> {
    if request.target.resource != "rolegrants" || !is_strict(snapshot, policy) {
        return Ok(());
    }
    let live = snapshot.live_admins();
    let by_this_grant = |who: &Identity| {
        let grants = snapshot.grants.get(who).into_iter().flatten();
        grants
            .into_iter()
            .any(|grant| *grant.name == *request.target.name)
    };
    let remaining = live
        .iter()
        .filter(|who| !by_this_grant(who) || stays == Some(**who))
        .count();
    let needed = if policy.has_passcode { 1 } else { LIVE_ADMINS };
    if remaining < live.len() && remaining < needed {
        let message = format!("{remaining} live human admins would remain, and strict mode needs {needed}");
        return Err(Denial::new(Reason::TooFewAdmins, message));
    }
    Ok(())
}

fn check_ticket(
    draft: &TicketDraft,
    request: &Request<'_>,
    actor: &Actor,
    snapshot: &Snapshot,
    policy: &Policy,
) -> Result<(), Denial> {
    let mismatch = |message: String| Err(Denial::new(Reason::BindingMismatch, message));
    let who = &actor.subject.identity;
    check_stamp(draft.stamped)?;
    if actor.role.role == Role::Reader {
        return Err(Denial::new(
            Reason::ReaderWrites,
            format!("{who} is a reader and requests no changes"),
        ));
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
    check_place(draft, request, snapshot, policy)?;
    let target = &draft.binding.target;
    let api_version = target.target().api_version();
    let change = draft
        .change
        .iter()
        .map(|(pointer, digest)| (pointer.as_str(), *digest))
        .collect();
    let hash = resource_hash(&api_version, &target.kind, &target.subresource, &change);
    if hash != draft.binding.resource_hash {
        return mismatch(format!("spec.resourceHash: spec.change hashes to {hash}"));
    }
    check_present(draft)
}

fn check_stamp(stamped: bool) -> Result<(), Denial> {
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
    if environment != draft.binding.environment {
        let message = format!("spec.env: `{}` is {environment}", target.place());
        return Err(Denial::new(Reason::BindingMismatch, message));
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

fn check_review(draft: &ReviewDraft, actor: &Actor, snapshot: &Snapshot) -> Result<(), Denial> {
    let mismatch = |message: String| Err(Denial::new(Reason::BindingMismatch, message));
    check_stamp(draft.stamped && draft.reviewer == actor.subject.identity)?;
    let Some(ticket) = &draft.ticket else {
        return mismatch("spec.ticketRef.name: there is no such ticket".to_owned());
    };
    if *ticket.uid != *draft.ticket_uid {
        return mismatch(format!(
            "spec.ticketRef.uid: ticket `{}` has uid {}, read it again",
            ticket.name, ticket.uid
        ));
    }
    if ticket.binding_hash() != draft.binding_hash {
        return mismatch(format!(
            "spec.bindingHash: ticket `{}` has another, read it again",
            ticket.name
        ));
    }
    if !is_open_to(draft.decision, &ticket.state) {
        let state = ticket.state.as_str();
        return mismatch(format!(
            "spec.decision: ticket `{}` is {state} and not open to this",
            ticket.name
        ));
    }
    let of_ticket = snapshot.reviews.get(&ticket.uid).into_iter().flatten();
    let again = of_ticket
        .into_iter()
        .any(|r| r.reviewer == draft.reviewer && r.decision == draft.decision);
    if again {
        return mismatch(format!(
            "{} has reviewed ticket `{}` so already",
            draft.reviewer, ticket.name
        ));
    }
    check_eligible(&actor.subject, draft.decision, ticket, snapshot)
        .map_err(|why| Denial::new(Reason::IneligibleReviewer, why.to_string()))
}

const fn is_open_to(decision: ReviewDecision, state: &TicketState) -> bool {
    match state {
        TicketState::Pending { .. } => !matches!(decision, ReviewDecision::Revoke),
        TicketState::Approved { .. } | TicketState::Claimed { .. } => {
            !matches!(decision, ReviewDecision::Approve)
        }
        TicketState::Consumed { .. } | TicketState::Ended(_) => false,
    }
}
