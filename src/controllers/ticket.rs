//! ApprovalTicket: its reviews added up, its time kept, its claim resolved. One step at a time, each recorded and
//! written by compare-and-swap.

mod shown;

use std::{sync::Arc, time::Duration};

use countersign_api::{ApprovalReview, ApprovalTicket, ApprovalTicketStatus, index::stamped_ticket};
use countersign_core::{
    batch::{self, BatchKey},
    policy::Policy,
    review::{Outcome, Tally, tally},
    snapshot::Snapshot,
    ticket::{End, Event, Step, Ticket, TicketState, step},
};
use futures::{Stream, StreamExt, stream::poll_fn};
use jiff::Timestamp;
use kube::runtime::{
    controller::{Action, Config, Controller},
    reflector::{ObjectRef, Store},
    watcher,
};

use self::shown::shown;
use super::{
    Context, ReconcileError, gathered,
    resolution::{Progress, resolve, too_early},
    retention::{keep_reviews, outlive},
    retry, review, task,
};
use tokio::sync::{Semaphore, mpsc};

use crate::{
    admission::{record_finding, transition},
    feeds::Feed,
    gitops::nudge,
    tickets::{Renewed, Tickets, compiled},
    turns::grace,
};

/// How soon to look again at a clock that is wrong, or for what is not known yet.
const LOOK: Duration = Duration::from_secs(2);

/// Tickets that are looked after at once; most of them wait for an answer.
const AT_ONCE: u16 = 64;

/// Those of them whose write is looked for: that takes seconds each, and no approval waits for it.
const RESOLVED_AT_ONCE: usize = 48;

/// Keeps the tickets, each when it or one of its reviews changes, and all when what they depend on does; and their
/// reviews.
pub async fn keep_tickets(feed: Feed<ApprovalTicket>, reviews: Feed<ApprovalReview>, context: Arc<Context>) {
    let store = feed.store.clone();
    let keeper = Arc::new(Keeper {
        context: context.clone(),
        reviews: reviews.store.clone(),
        resolutions: Semaphore::new(RESOLVED_AT_ONCE),
        progress: Progress::default(),
    });
    let changes = gathered(context.permissions.clone());
    let (review, each_review) = mpsc::unbounded_channel();
    let orphans = keep_reviews(
        received(each_review).map(Ok),
        reviews.store.clone(),
        store.clone(),
        context.clone(),
    );
    let of_tickets = reviews.touched().inspect(move |touched| {
        if let Ok(touched) = touched {
            let _ = review.send(touched.clone());
        }
    });
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
    let tickets = Controller::for_stream(touched, store)
        .with_config(Config::default().concurrency(AT_ONCE))
        .reconcile_on(reviewed(of_tickets))
        .reconcile_on(received(concerned))
        .reconcile_all_on(changes)
        .run(reconcile, |_, error, _| retry(error), keeper)
        .for_each(|_| async {});
    tokio::join!(tickets, orphans);
}

/// How soon to open a task again that could not be opened.
const TASK_LOOK: Duration = Duration::from_secs(30);

/// What keeps tickets.
struct Keeper {
    context: Arc<Context>,
    reviews: Store<ApprovalReview>,
    /// Turns at looking for the write of a claim.
    resolutions: Semaphore,
    /// How far that is.
    progress: Progress,
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
    // Who reviews and what was reviewed may not be known yet: without it a ticket looks as if it had been set back.
    if context.state.clock().check().is_err() || context.state.stale().is_some() {
        return Ok(Action::requeue(LOOK));
    }
    let snapshot = context.state.snapshot();
    let Some((ticket, policy)) = judged(&object, &snapshot) else {
        return Ok(Action::await_change());
    };
    record_finding(&context.log, &ticket, &snapshot).await?;
    let now = Timestamp::now();
    let place = (&*ticket.namespace, &*ticket.name);
    let claimed_by = ticket
        .last_claim()
        .map(|claim| &*claim.by)
        .filter(|by| !by.is_empty());
    if !context.turns.tickets.is_ours(place, claimed_by)
        && let Some(grace) = grace(last_moved(&ticket, &snapshot), now)
    {
        return Ok(Action::requeue(grace));
    }
    if let TicketState::Claimed { claim, .. } = &ticket.state
        && let Some(early) = too_early(claim, now)
    {
        return Ok(Action::requeue(early));
    }
    let tally = tally(&ticket, &snapshot);
    let (state, mut again) = next_state(&ticket, &tally, &snapshot, policy, &keeper).await?;
    let Some(state) = unless_rewound(&ticket, state, &snapshot, context).await? else {
        return Ok(Action::requeue(LOOK));
    };
    let mut status = shown(&object, &state, &tally, now);
    if let (TicketState::Consumed { claim }, None) = (&state, &status.task) {
        status.task = task::open(&object, claim, context).await;
        again = status.task.is_none().then_some(TASK_LOOK);
    }
    if let Some(steps) = steps_to(&state, &ticket) {
        status.seal(steps, &ticket.uid, &snapshot.cluster);
    }
    if object.status.as_ref() != Some(&status) {
        let is_changed = write(&ticket, (&state, &status), (&object, &tally), context).await?;
        if is_changed {
            // What else there is to do is done once that is seen.
            return Ok(again.map_or_else(Action::await_change, Action::requeue));
        }
    }
    review::tell(&keeper.reviews, (&ticket, &tally), &snapshot, &context.client).await?;
    if !matches!(state, TicketState::Claimed { .. }) {
        keeper.progress.forget(&ticket);
        context.turns.tickets.leave(place, &ticket.resource_version);
    }
    if let Some(finished) = status.finished_at {
        again = again.or(outlive(&ticket, finished.0, (&snapshot, policy), context).await?);
    }
    Ok(again.map_or_else(Action::await_change, Action::requeue))
}

/// When a client last had to do with the ticket: asked for it, reviewed it or used it.
fn last_moved(ticket: &Ticket, snapshot: &Snapshot) -> Timestamp {
    let reviews = snapshot.reviews.get(&ticket.uid).into_iter().flatten();
    let reviewed = reviews.map(|review| review.created);
    let claimed = ticket.last_claim().filter(|_| ticket.steps.is_some());
    let claimed = claimed.map(|claim| claim.claimed_at);
    reviewed.chain(claimed).fold(ticket.created, Timestamp::max)
}

/// The ticket, and the policy that it is judged by.
fn judged<'a>(object: &ApprovalTicket, snapshot: &'a Snapshot) -> Option<(Ticket, &'a Policy)> {
    let policy = snapshot.policy.get()?;
    match stamped_ticket(object, &snapshot.cluster, policy) {
        Ok(ticket) => Some((ticket, policy)),
        Err(why) => {
            tracing::warn!(ticket = object.metadata.name, %why, "a ticket is ignored");
            None
        }
    }
}

/// Records the step that the ticket makes, if it makes one, and writes its status; tells whether that changed anything.
async fn write(
    ticket: &Ticket,
    (state, status): (&TicketState, &ApprovalTicketStatus),
    (object, tally): (&ApprovalTicket, &Tally),
    context: &Context,
) -> Result<bool, ReconcileError> {
    if *state != ticket.state {
        let by = cause(tally, &ticket.state, state);
        let next = Ticket {
            state: state.clone(),
            ..ticket.clone()
        };
        context
            .log
            .append(transition(ticket, &next, by, &context.state.snapshot()))
            .await?;
    }
    let tickets = Tickets::new(context.client.clone());
    let renewed = Renewed {
        before: object.status.clone().unwrap_or_default(),
        status: status.clone(),
    };
    let is_changed = tickets.show(ticket, renewed).await?;
    if approves(&ticket.state, state) {
        nudge(ticket, &context.client);
    }
    Ok(is_changed)
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
    keeper: &Keeper,
) -> Result<(TicketState, Option<Duration>), ReconcileError> {
    let now = Timestamp::now();
    let event = event_of(ticket, tally, snapshot, policy);
    let mut state = ticket.state.clone();
    if let Ok(Step::To(next)) = step(&state, event, now) {
        state = next;
    }
    if let TicketState::Claimed { .. } = state {
        let Ok(_turn) = keeper.resolutions.try_acquire() else {
            return Ok((state, Some(LOOK)));
        };
        let (found, again) = resolve(
            &Ticket {
                state: state.clone(),
                ..ticket.clone()
            },
            snapshot,
            (&keeper.progress, &keeper.context),
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
/// our knowledge of it is old, or when approvals do not count yet.
async fn unless_rewound(
    ticket: &Ticket,
    state: TicketState,
    snapshot: &Snapshot,
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
    if snapshot.mutators.stale {
        return Ok(None);
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
