//! Rule 7: whether the write needs an approval, and whether a ticket gives it.

use std::sync::Arc;

use jiff::Timestamp;

use super::{
    End,
    subject::Actor,
    zone::{Standing, contested},
};
use crate::{
    binding::{Binding, BoundTarget},
    decision::{Cause, Covered, Decision, Demand, Denial, Grant, Reason, Undoing},
    digest::Digest,
    environment::Environment,
    gitops::is_release_record,
    hash::{self, EffectiveChange, HashContext},
    object::{Change, Object},
    place::Place,
    policy::Policy,
    request::{Operation, Request},
    review::{Needs, Outcome, ReviewDecision, tally},
    rollback,
    snapshot::Snapshot,
    ticket::{CallKind, End as TicketEnd, Event, Refusal, Step, Ticket, TicketState, falls_back, step},
    zone_claim::zone_claims,
};

/// What the rule judges.
pub(super) struct Case<'a, 'r> {
    pub(super) request: &'a Request<'r>,
    pub(super) actor: &'a Actor,
    pub(super) standing: Standing,
    pub(super) environment: Environment,
    /// Whose identity the write yields, if anybody's.
    pub(super) yielded: Option<Cause>,
    /// Whether an agent ends something that it did not explain.
    pub(super) is_unexplained: bool,
    pub(super) snapshot: &'a Snapshot,
    pub(super) policy: &'a Policy,
    pub(super) now: Timestamp,
}

/// A no-op escapes, and Helm's record of what it does; what needs no approval passes; an approved ticket that covers
/// exactly this passes, and for a while what undoes a change that was approved.
pub(super) fn judge(case: &Case<'_, '_>) -> Result<Decision, End> {
    let request = case.request;
    if hash::is_noop(&request.change).map_err(Denial::from)? {
        return Ok(Decision::Allow(Grant::new(
            Reason::NoOp,
            Some(case.standing.cause.clone()),
        )));
    }
    if is_release_record(request).map_err(Denial::from)? {
        return Ok(case.permitted());
    }
    let place = Place::of(&request.target);
    let Some(cause) = case.approval_asked_by(&place) else {
        return Ok(case.permitted());
    };
    if request.generates_name || request.target.name.is_empty() {
        let message = "a change that needs approval must name its object: give it a metadata.name";
        return Err(Denial::new(Reason::GeneratedName, message).because(cause).into());
    }
    let change = case.effective_change()?;
    let binding = case.binding(&change)?;
    let mut needs =
        Needs::of(&place, case.snapshot, case.policy).map_err(|contest| contested(&place, &contest))?;
    needs.zone_claims.clone_from(&binding.zone_claims);
    let pending = match case.covering_ticket(&binding)? {
        Tickets::Covered(covered) => return Ok(Decision::Allow(Grant::by_ticket(covered))),
        Tickets::Waiting(ticket) => Some(ticket),
        Tickets::None => None,
    };
    if let Some(covered) = case.undone_ticket(&binding, &change)? {
        return Ok(Decision::Allow(Grant::by_ticket(covered)));
    }
    Ok(Decision::NeedsTicket(Box::new(Demand {
        binding,
        change,
        needs,
        cause,
        pending,
    })))
}

/// What the tickets for a binding say.
enum Tickets {
    Covered(Covered),
    Waiting(Arc<Ticket>),
    None,
}

impl Case<'_, '_> {
    fn permitted(&self) -> Decision {
        Decision::Allow(Grant::new(Reason::Permitted, Some(self.standing.cause.clone())))
    }

    fn approval_asked_by(&self, place: &Place<'_>) -> Option<Cause> {
        if self.yielded.is_some() {
            return self.yielded.clone();
        }
        if self.environment == Environment::Prod {
            return Some(Cause::of_policy("spec.environments"));
        }
        if self.standing.reviewed {
            return Some(Cause {
                field: "spec.requireReview",
                ..self.standing.cause.clone()
            });
        }
        if self.is_unexplained {
            return Some(self.actor.role_cause());
        }
        let rule = self
            .policy
            .review_rules
            .iter()
            .find(|rule| place.is_under(&rule.objects));
        rule.map(|_| Cause::of_policy("spec.reviewRules"))
    }

    fn effective_change(&self) -> Result<EffectiveChange, Denial> {
        Ok(self.hashed(|context| hash::effective_change(&self.request.change, context))?)
    }

    fn hashed<T>(&self, read: impl FnOnce(&HashContext<'_>) -> T) -> T {
        let target = &self.request.target;
        read(&HashContext {
            api_version: &target.api_version(),
            kind: target.kind,
            subresource: target.subresource,
            writer: None,
            ignore: &self.policy.hash_ignore(target.group, target.kind),
            redaction: &self.snapshot.cluster.redaction,
        })
    }

    fn binding(&self, change: &EffectiveChange) -> Result<Binding, Denial> {
        let request = self.request;
        let uid = match (&request.change, request.change.before()) {
            (_, Some(old)) => old.uid()?,
            (Change::Delete(_), None) => {
                let message = "the review does not show what is deleted";
                return Err(Denial::new(Reason::Unreadable, message));
            }
            (_, None) => request.hidden.map(|hidden| hidden.uid.as_str().into()),
        };
        Ok(Binding {
            cluster_id: self.snapshot.cluster.id.to_string(),
            subject: self.actor.subject.identity.clone(),
            environment: self.environment,
            target: BoundTarget::of(&request.target, uid.as_deref()),
            operation: request.operation,
            resource_hash: change.resource_hash,
            old_hash: change.old_hash,
            command_hash: command_hash(request)?,
            zone_claims: zone_claims(request, &self.actor.subject, self.snapshot)?,
        })
    }

    /// The ticket that opens the way, else the one that waits, else why there is to be none for now.
    fn covering_ticket(&self, binding: &Binding) -> Result<Tickets, Denial> {
        let tickets = self.snapshot.tickets.get(&binding.digest()).into_iter().flatten();
        let (mut waiting, mut refusal) = (None, None);
        for ticket in tickets {
            let event = Event::Claim {
                bind: binding.bind(&ticket.uid),
                call: call_kind(self.request),
                // Whether an earlier attempt was stored is asked by who claims.
                resource_version: None,
            };
            match step(&ticket.state, event, self.now) {
                Ok(Step::To(TicketState::Ended(_))) => {}
                Ok(_) if tally(ticket, self.snapshot).outcome == Outcome::Approved => {
                    return Ok(Tickets::Covered(self.covered(ticket, binding)));
                }
                Ok(_) => {
                    refusal.get_or_insert_with(|| self.no_longer_approved(ticket));
                }
                Err(_) if matches!(ticket.state, TicketState::Pending { .. }) => {
                    waiting = Some(ticket.clone());
                }
                Err(_) if self.denied_lately(ticket) => refusal = Some(denied(ticket)),
                Err(why) if !ticket.state.is_final() => {
                    refusal.get_or_insert_with(|| spent(ticket, &why_spent(self.request, why)));
                }
                Err(_) => {}
            }
        }
        match (waiting, refusal) {
            (Some(ticket), _) => Ok(Tickets::Waiting(ticket)),
            (None, Some(denial)) => Err(denial),
            (None, None) => Ok(Tickets::None),
        }
    }

    fn covered(&self, ticket: &Arc<Ticket>, binding: &Binding) -> Covered {
        Covered {
            ticket: ticket.clone(),
            bind: binding.bind(&ticket.uid),
            call: call_kind(self.request),
            undoes: None,
        }
    }

    /// The used ticket whose write this one undoes, where the policy has that need no approval. What yields an identity
    /// needs one in any case, and so does what is done in an agent's name by who may impersonate it.
    fn undone_ticket(&self, binding: &Binding, change: &EffectiveChange) -> Result<Option<Covered>, Denial> {
        let needs_approval = self.yielded.is_some()
            || self.request.caller.is_account_in_name_only()
            || !binding.zone_claims.is_empty();
        let window = self.policy.approvals.rollback_window;
        let Some(window) = window.filter(|_| !needs_approval && rollback::is_bound_whole(change)) else {
            return Ok(None);
        };
        let call = call_kind(self.request);
        let Some(ticket) = rollback::covering(binding, call, (window, self.now), self.snapshot) else {
            return Ok(None);
        };
        if !self.takes_no_more_than_was_made(&ticket)? {
            return Ok(None);
        }
        Ok(Some(Covered {
            bind: binding.bind(&ticket.uid),
            ticket,
            call,
            undoes: Some(Box::new(Undoing {
                binding: binding.clone(),
                window,
            })),
        }))
    }

    /// The binding of a deletion does not hold what goes with it.
    fn takes_no_more_than_was_made(&self, ticket: &Ticket) -> Result<bool, Denial> {
        match &self.request.change {
            Change::Update { .. } => Ok(true),
            Change::Delete(Some(object)) => {
                Ok(self.hashed(|context| rollback::is_as_made(object, ticket, context))?)
            }
            Change::Delete(None) | Change::Create(_) | Change::Connect(_) => Ok(false),
        }
    }

    fn no_longer_approved(&self, ticket: &Ticket) -> Denial {
        let tally = tally(ticket, self.snapshot);
        let message = match tally.outcome {
            Outcome::Denied => format!("ticket `{}` was denied", ticket.name),
            Outcome::Revoked => format!("ticket `{}`: a reviewer took the approval back", ticket.name),
            Outcome::Cancelled => format!("ticket `{}` was cancelled", ticket.name),
            Outcome::Approved | Outcome::Open => format!(
                "ticket `{}` has {} of {} reviews that still count: ask for another review, or cancel it and start \
                 anew",
                ticket.name,
                tally.counted.len(),
                tally.required
            ),
        };
        Denial::new(Reason::TicketSpent, message).because(Cause::of_ticket(ticket, "status.state"))
    }

    /// A denied change is not asked for again for as long as a ticket waits.
    fn denied_lately(&self, ticket: &Ticket) -> bool {
        let reviews = self.snapshot.reviews.get(&ticket.uid).into_iter().flatten();
        let denied = reviews
            .filter(|review| review.decision == ReviewDecision::Deny)
            .map(|review| review.created);
        let at = denied.max().unwrap_or(ticket.created);
        let until = at
            .saturating_add(self.policy.approvals.pending_ttl)
            .unwrap_or(Timestamp::MAX);
        ticket.state == TicketState::Ended(TicketEnd::Denied) && self.now < until
    }
}

fn denied(ticket: &Ticket) -> Denial {
    let message = format!(
        "this change was denied: kubectl countersign describe {} -n {}; make another change, or wait",
        ticket.name, ticket.namespace
    );
    Denial::new(Reason::TicketDenied, message).because(Cause::of_ticket(ticket, "status.state"))
}

fn spent(ticket: &Ticket, why: &str) -> Denial {
    let message = format!("ticket `{}`: {why}", ticket.name);
    Denial::new(Reason::TicketSpent, message).because(Cause::of_ticket(ticket, "status.state"))
}

/// Why the write is not made under a ticket that somebody holds. A create that the store does not take, since it is too
/// large, is asked for once more without its managed fields (E6), and nothing proves that it is the same call.
pub fn why_spent(request: &Request<'_>, why: Refusal) -> String {
    let asks_again = matches!(&request.change, Change::Create(object)
        if object.field(&["metadata", "managedFields"]).is_ok_and(|fields| fields.is_none()));
    if asks_again && why == Refusal::ClaimedElsewhere && call_kind(request) == CallKind::Once {
        return "the object is too large to be stored with its managed fields: make it smaller, or in several steps"
            .to_owned();
    }
    why.to_string()
}

/// How often the API server may ask for this write.
pub fn call_kind(request: &Request<'_>) -> CallKind {
    match (request.operation, request.target.subresource) {
        (Operation::Connect, subresource) if falls_back(subresource) => CallKind::Connect,
        (Operation::Connect, _) | (Operation::Create, "token") => CallKind::Unseen,
        (Operation::Delete, _) => CallKind::Delete,
        (Operation::Update, _) => CallKind::Update,
        (Operation::Create, "eviction") => CallKind::Evict,
        (Operation::Create, _) => CallKind::Once,
    }
}

/// The digest of what the change alone does not say: a connection's options, a delete's.
fn command_hash(request: &Request<'_>) -> Result<Option<Digest>, Denial> {
    let options = match (&request.change, request.operation) {
        (Change::Connect(body), _) => body.as_ref(),
        (_, Operation::Delete) => request.options.as_ref(),
        (Change::Create(body), _) if request.target.subresource == "eviction" => {
            return eviction_hash(body).map(Some);
        }
        _ => return Ok(None),
    };
    Ok(Some(hash::command_hash(options)?))
}

/// An eviction's options are those of the delete that it makes.
fn eviction_hash(body: &Object<'_>) -> Result<Digest, Denial> {
    let options = body.field(&["deleteOptions"])?.map(Object::new);
    Ok(hash::command_hash(options.as_ref())?)
}
