//! ApprovalTicket: its reviews added up, its time kept, its claim resolved. One step at a time, each recorded and
//! written by compare-and-swap.

use std::{sync::Arc, time::Duration};

use countersign_api::{
    ApprovalReview, ApprovalTicket, ApprovalTicketStatus,
    approval_review::ProofType,
    approval_ticket::CountedReview,
    condition::{ConditionStatus, Observation, set_condition},
    index::stamped_ticket,
};
use countersign_core::{
    batch::{self, BatchKey},
    policy::Policy,
    review::{Outcome, ReviewDecision, Tally, tally},
    snapshot::Snapshot,
    ticket::{End, Event, Step, Ticket, TicketState, step},
};
use futures::{Stream, StreamExt, stream::poll_fn};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::runtime::{
    controller::{Action, Config, Controller},
    reflector::{ObjectRef, Store},
    watcher,
};

use super::{CONCURRENCY, Context, ReconcileError, gathered, resolution::resolve, retry, review};
use tokio::sync::mpsc;

use crate::{
    admission::{record_finding, transition},
    feeds::Feed,
    gitops::nudge,
    tickets::{Tickets, compiled},
};

/// How soon to look again at a clock that is wrong.
const CLOCK_LOOK: Duration = Duration::from_secs(2);

/// Keeps the tickets, each when it or one of its reviews changes, and all when what they depend on does.
pub async fn keep_tickets(feed: Feed<ApprovalTicket>, reviews: Feed<ApprovalReview>, context: Arc<Context>) {
    let store = feed.store.clone();
    let keeper = Arc::new(Keeper {
        context: context.clone(),
        reviews: reviews.store.clone(),
    });
    let changes = gathered(context.permissions.clone());
    let (others, concerned) = mpsc::unbounded_channel();
    let state = context.state.clone();
    let touched = feed.touched().inspect(move |ticket| {
        let Ok(ticket) = ticket else { return };
        let snapshot = state.snapshot();
        let Some(ticket) = compiled(ticket, &snapshot) else {
            return;
        };
        for other in [rivals(&ticket, &snapshot), companions(&ticket, &snapshot)].concat() {
            // The receiver lives as long as the controller that polls this.
            let _ = others.send(other);
        }
    });
    Controller::for_stream(touched, store)
        .with_config(Config::default().concurrency(CONCURRENCY))
        .reconcile_on(reviewed(reviews.touched()))
        .reconcile_on(received(concerned))
        .reconcile_all_on(changes)
        .run(reconcile, |_, error, _| retry(error), keeper)
        .for_each(|_| async {})
        .await;
}

/// What keeps tickets.
struct Keeper {
    context: Arc<Context>,
    reviews: Store<ApprovalReview>,
}

/// The other waiting tickets of the subject for the same: a newer one takes the place of an older.
fn rivals(ticket: &Ticket, snapshot: &Snapshot) -> Vec<ObjectRef<ApprovalTicket>> {
    others_for_the_same(ticket, snapshot).map(reference).collect()
}

/// The other waiting tickets of the subject for the same verb of the same object.
fn others_for_the_same<'a>(
    ticket: &'a Ticket,
    snapshot: &'a Snapshot,
) -> impl Iterator<Item = &'a Arc<Ticket>> {
    let binding = &ticket.binding;
    snapshot
        .open_tickets(&binding.subject, &ticket.namespace)
        .filter(move |other| {
            other.uid != ticket.uid
                && other.binding.operation == binding.operation
                && other.binding.target == binding.target
        })
}

/// The open tickets of the batch of a ticket that is being used: they stay usable.
fn companions(ticket: &Ticket, snapshot: &Snapshot) -> Vec<ObjectRef<ApprovalTicket>> {
    let batch = ticket.state.claim().and_then(|_| BatchKey::of(ticket));
    let others = batch.and_then(|batch| snapshot.batches.get(&batch));
    let open = others
        .into_iter()
        .flatten()
        .filter(|other| !other.state.is_final());
    open.map(reference).collect()
}

fn reference(ticket: &Arc<Ticket>) -> ObjectRef<ApprovalTicket> {
    ObjectRef::new(&ticket.name).within(&ticket.namespace)
}

fn received<T: Send + 'static>(
    mut receiver: mpsc::UnboundedReceiver<T>,
) -> impl Stream<Item = T> + Send + 'static {
    poll_fn(move |context| receiver.poll_recv(context))
}

/// The tickets that reviews are about.
fn reviewed(
    reviews: impl Stream<Item = Result<ApprovalReview, watcher::Error>> + Send + 'static,
) -> impl Stream<Item = ObjectRef<ApprovalTicket>> + Send + 'static {
    reviews.filter_map(|review| async {
        let review = review.ok()?;
        let namespace = review.metadata.namespace.as_deref()?;
        Some(ObjectRef::new(&review.spec.ticket_ref.name).within(namespace))
    })
}

async fn reconcile(object: Arc<ApprovalTicket>, keeper: Arc<Keeper>) -> Result<Action, ReconcileError> {
    let context = &keeper.context;
    if context.state.clock().check().is_err() {
        return Ok(Action::requeue(CLOCK_LOOK));
    }
    let snapshot = context.state.snapshot();
    let Some(policy) = snapshot.policy.get() else {
        return Ok(Action::await_change());
    };
    let ticket = match stamped_ticket(&object, &snapshot.cluster, policy) {
        Ok(ticket) => ticket,
        Err(why) => {
            tracing::warn!(ticket = object.metadata.name, %why, "a ticket is ignored");
            return Ok(Action::await_change());
        }
    };
    record_finding(&context.log, &ticket).await?;
    let now = Timestamp::now();
    let tally = tally(&ticket, &snapshot);
    let (state, again) = next_state(&ticket, &tally, &snapshot, policy, context).await?;
    let Some(state) = unless_rewound(&ticket, state, context).await? else {
        return Ok(Action::await_change());
    };
    let mut status = shown(&object, &state, &tally, now);
    if let Some(steps) = steps_to(&state, &ticket) {
        status.seal(steps, &ticket.uid, &snapshot.cluster);
    }
    if object.status.as_ref() != Some(&status) {
        if state != ticket.state {
            let by = cause(&tally, &ticket.state, &state);
            context.log.append(transition(&ticket, &state, by)).await?;
        }
        Tickets::new(context.client.clone())
            .set_status(&ticket, &status)
            .await?;
        if approves(&ticket.state, &state) {
            nudge(&ticket, &context.client);
        }
    }
    review::tell(&keeper.reviews, (&ticket, &tally), &snapshot, &context.client).await?;
    Ok(again.map_or_else(Action::await_change, Action::requeue))
}

/// Whether reviews open the way now; a ticket that is released was open before.
const fn approves(before: &TicketState, after: &TicketState) -> bool {
    matches!(
        (before, after),
        (TicketState::Pending { .. }, TicketState::Approved { .. })
    )
}

/// The state that follows, and when to look again.
async fn next_state(
    ticket: &Ticket,
    tally: &Tally,
    snapshot: &Snapshot,
    policy: &Policy,
    context: &Context,
) -> Result<(TicketState, Option<Duration>), ReconcileError> {
    let now = Timestamp::now();
    let event = event_of(ticket, tally, snapshot, policy);
    let mut state = ticket.state.clone();
    if let Ok(Step::To(next)) = step(&state, event, now) {
        state = next;
    }
    if let TicketState::Claimed { .. } = state {
        let (found, again) = resolve(
            &Ticket {
                state: state.clone(),
                ..ticket.clone()
            },
            snapshot,
            context,
        )
        .await?;
        let event = found.unwrap_or(Event::Tick);
        if let Ok(Step::To(next)) = step(&state, event, Timestamp::now()) {
            state = next;
        }
        return Ok((state, Some(again)));
    }
    let end = match &state {
        TicketState::Pending { until } => Some(*until),
        TicketState::Approved { usable_until } => Some(*usable_until),
        TicketState::Claimed { .. } | TicketState::Consumed { .. } | TicketState::Ended(_) => None,
    };
    Ok((state, end.map(|end| until(end, now))))
}

/// How many steps lead to a state of the ticket; `None` where somebody else wrote the end that it shows.
fn steps_to(state: &TicketState, ticket: &Ticket) -> Option<u32> {
    match (state, ticket.steps) {
        (state, _) if *state != ticket.state => Some(ticket.next_steps()),
        (TicketState::Pending { .. }, None) => Some(0),
        (_, steps) => steps,
    }
}

/// The state; or the end of a ticket whose status somebody else set back, since it may have been used. `None` when only
/// our knowledge of it is old.
async fn unless_rewound(
    ticket: &Ticket,
    state: TicketState,
    context: &Context,
) -> Result<Option<TicketState>, ReconcileError> {
    let is_open = matches!(state, TicketState::Pending { .. } | TicketState::Approved { .. });
    let next = Ticket {
        steps: steps_to(&state, ticket),
        state,
        ..ticket.clone()
    };
    // Recorded first and written then: what the log knows may be the present state, or the step that follows.
    if !is_open || !context.log.contradicts(ticket) || !context.log.contradicts(&next) {
        return Ok(Some(next.state));
    }
    let tickets = Tickets::new(context.client.clone());
    let read = tickets.get(&ticket.namespace, &ticket.name).await?;
    let version = read.and_then(|read| read.metadata.resource_version);
    if version.as_deref() != Some(&*ticket.resource_version) {
        return Ok(None);
    }
    tracing::error!(ticket = %ticket.name, "the status was set back by somebody else than the operator");
    Ok(Some(TicketState::Ended(End::Indeterminate)))
}

fn until(end: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(end.duration_since(now)).unwrap_or_default() + Duration::from_millis(50)
}

fn event_of(ticket: &Ticket, tally: &Tally, snapshot: &Snapshot, policy: &Policy) -> Event {
    match tally.outcome {
        Outcome::Denied => Event::Deny,
        Outcome::Revoked => Event::Revoke,
        Outcome::Cancelled => Event::Cancel,
        Outcome::Approved if matches!(ticket.state, TicketState::Pending { .. }) => {
            Event::Approve(policy.approvals.approved_ttl)
        }
        Outcome::Approved => batch::usable_until(ticket, tally, snapshot, &policy.approvals)
            .map_or(Event::Tick, Event::Prolong),
        Outcome::Open if is_superseded(ticket, snapshot) => Event::Supersede,
        Outcome::Open => Event::Tick,
    }
}

/// Whether the subject asked for a newer change by the same verb of the same object. Of two within one second, as
/// exact as the API server is, neither is newer.
fn is_superseded(ticket: &Ticket, snapshot: &Snapshot) -> bool {
    others_for_the_same(ticket, snapshot).any(|other| other.created > ticket.created)
}

/// Who or what made the state what it is, for the record.
fn cause(tally: &Tally, before: &TicketState, state: &TicketState) -> String {
    match (before, state) {
        (TicketState::Approved { .. }, TicketState::Approved { .. }) => "batch".to_owned(),
        (TicketState::Claimed { stop, .. }, TicketState::Claimed { stop: next, .. }) if stop == next => {
            "batch".to_owned()
        }
        (
            _,
            TicketState::Approved { .. } | TicketState::Ended(End::Denied | End::Revoked | End::Cancelled),
        ) => {
            let people: Vec<_> = tally
                .counted
                .iter()
                .map(|review| review.reviewer.as_str())
                .collect();
            people.join(" ")
        }
        (_, TicketState::Ended(End::Expired)) => "expiry".to_owned(),
        (_, TicketState::Ended(End::Superseded)) => "supersession".to_owned(),
        _ => "resolution".to_owned(),
    }
}

fn shown(
    object: &ApprovalTicket,
    state: &TicketState,
    tally: &Tally,
    now: Timestamp,
) -> ApprovalTicketStatus {
    let mut status = object.status.clone().unwrap_or_default();
    status.set_state(state, now);
    status.observed_generation = object.metadata.generation;
    if !state.is_final() || status.required_reviews.is_none() {
        status.required_reviews = Some(tally.required).filter(|required| *required < u32::MAX);
        status.approvals = Some(approvals(tally));
        status.reviews = tally.counted.iter().map(|review| counted(review)).collect();
    }
    status.resolution = Some(resolution(state).to_owned());
    let conditions = [
        ("Ready", matches!(state, TicketState::Approved { .. })),
        ("Approved", status.approved_at.is_some()),
        ("Denied", *state == TicketState::Ended(End::Denied)),
        ("Consumed", matches!(state, TicketState::Consumed { .. })),
    ];
    for (kind, holds) in conditions {
        let observed = Observation {
            kind,
            status: ConditionStatus::from(holds),
            reason: state.as_str(),
            message: String::new(),
        };
        set_condition(&mut status.conditions, observed, object.metadata.generation, now);
    }
    status
}

fn approvals(tally: &Tally) -> u32 {
    let approving = tally
        .counted
        .iter()
        .filter(|review| review.decision == ReviewDecision::Approve);
    u32::try_from(approving.count()).unwrap_or(u32::MAX)
}

fn counted(review: &countersign_core::review::Review) -> CountedReview {
    CountedReview {
        reviewer: review.reviewer.to_string(),
        decision: review.decision,
        name: review.name.to_string(),
        uid: review.uid.to_string(),
        time: Time(review.created),
        proof: ProofType::from(&review.proof),
    }
}

const fn resolution(state: &TicketState) -> &'static str {
    match state {
        TicketState::Pending { .. } => "waits for reviews",
        TicketState::Approved { .. } => "the change may be made, once",
        TicketState::Claimed { stop: None, .. } => {
            "a write holds it, and whether it was stored is being found out"
        }
        TicketState::Claimed { stop: Some(_), .. } => {
            "ended while a write held it, whose outcome is being found out"
        }
        TicketState::Consumed { .. } => "the change was made",
        TicketState::Ended(End::Denied) => "a reviewer denied it",
        TicketState::Ended(End::Expired) => "its time ran out",
        TicketState::Ended(End::Cancelled) => "who asked for it took it back",
        TicketState::Ended(End::Superseded) => "the subject asked for a newer change of the same object",
        TicketState::Ended(End::Revoked) => "a reviewer took the approval back",
        TicketState::Ended(End::Indeterminate) => "whether the change was made cannot be known: ask anew",
    }
}
