//! The claim: one compare-and-swap on a ticket's state, before the write that it approves is allowed.

mod write;

use std::{sync::Arc, time::Duration};

use countersign_api::index::stamped_review;
use countersign_core::{
    decide::why_spent,
    decision::{Cause, Covered, Denial, Reason},
    request::Request,
    review::{Outcome, tally},
    snapshot::Snapshot,
    ticket::{Event, Step, Ticket, TicketState, step},
};
use jiff::Timestamp;
use kube::Client;
use tokio::time::sleep;

use self::write::Write;
use super::{
    history::{Past, Trace},
    record,
};
use crate::{
    audit::{AuditError, Log, TICKET_LIFE},
    clock::Clock,
    tickets::Tickets,
    turns::Taken,
};

/// How often a claim is tried again after somebody else changed the ticket, or the log.
const ATTEMPTS: usize = 7;

/// How long a step takes between ticket and log at least; each attempt gives it twice the time of the one before, and
/// all together a second and a half.
const MOMENT: Duration = Duration::from_millis(25);

/// Claims tickets.
pub struct Claims {
    client: Client,
    tickets: Tickets,
    log: Log,
    clock: Clock,
    turns: Taken,
}

impl Claims {
    /// Claims through `client`, by `clock`, and records each step in `log`; what it claims is for this replica to go on
    /// with.
    pub fn new(client: Client, log: Log, (clock, turns): (Clock, Taken)) -> Self {
        Self {
            tickets: Tickets::new(client.clone()),
            client,
            log,
            clock,
            turns,
        }
    }

    /// Reserves the ticket for this write, or finds that it is reserved for it already.
    ///
    /// What the API server answers ambiguously is read back: whoever finds its own claim there made it.
    pub async fn claim(
        &self,
        covered: &Covered,
        review_uid: &str,
        request: &Request<'_>,
        snapshot: &Snapshot,
    ) -> Result<(), Denial> {
        if Timestamp::now().duration_since(covered.ticket.created) > TICKET_LIFE {
            return Err(denial(&covered.ticket, "it is older than any may be"));
        }
        self.clock.check()?;
        let write = Write {
            covered,
            review_uid,
            request,
            snapshot,
        };
        let mut ticket = covered.ticket.clone();
        let mut patience = MOMENT;
        for _ in 0..ATTEMPTS {
            match self.attempt(&write, &ticket, patience).await? {
                Attempt::Held => return Ok(()),
                Attempt::Again(read) if read.is_held_by(review_uid) => {
                    if read.contested != Some(false) {
                        self.still_approved(&write, &read).await?;
                    }
                    return self.on_record(&read, snapshot).await;
                }
                Attempt::Again(read) => ticket = read,
            }
            patience *= 2;
        }
        let why = match (self.is_contradicted(&write, &ticket), &covered.undoes) {
            (false, _) => "it changes too fast, try again",
            (true, None) => "the audit log does not say what its status says: it ends by itself, ask anew",
            (true, Some(_)) => {
                "the audit log does not say that it was used so: ask for an approval beforehand"
            }
        };
        Err(denial(&ticket, why))
    }

    /// Adds up the reviews that there are at this moment. What undoes a write rests on the approval of that, which was
    /// counted then.
    async fn still_approved(&self, write: &Write<'_, '_>, ticket: &Ticket) -> Result<(), Denial> {
        if write.covered.undoes.is_some() {
            return Ok(());
        }
        let snapshot = write.snapshot;
        let reviews = self
            .tickets
            .reviews(ticket)
            .await
            .map_err(|error| denial(ticket, &error.to_string()))?;
        let reviews = reviews
            .iter()
            .filter_map(|review| stamped_review(review, &snapshot.cluster).ok());
        let fresh = snapshot.with_reviews(&ticket.uid, reviews.map(Arc::new).collect());
        if tally(ticket, &fresh).outcome == Outcome::Approved {
            return Ok(());
        }
        Err(denial(ticket, "its reviews do not approve it any more"))
    }

    /// Whether the log says something else of the ticket than its status. Of one that covers what undoes its write, it
    /// must say the same.
    fn is_contradicted(&self, write: &Write<'_, '_>, ticket: &Ticket) -> bool {
        match write.covered.undoes {
            None => self.log.contradicts(ticket),
            Some(_) => !self.log.confirms(ticket),
        }
    }

    async fn attempt(
        &self,
        write: &Write<'_, '_>,
        ticket: &Arc<Ticket>,
        patience: Duration,
    ) -> Result<Attempt, Denial> {
        if self.is_contradicted(write, ticket) {
            sleep(patience).await;
            return self.again(write, ticket).await.map(Attempt::Again);
        }
        let version = write.version_before(&self.client).await?;
        let event = Event::Claim {
            bind: write.covered.bind,
            call: write.covered.call,
            resource_version: version,
        };
        let read = write.reads(ticket)?;
        let step = step(&read.state, event, Timestamp::now());
        let step = step.map_err(|why| denial(ticket, &why_spent(write.request, why)))?;
        // No swap of what nobody contests lands on what somebody does: then what is known of its reviews holds.
        let is_certain = matches!(step, Step::To(_)) && ticket.contested == Some(false);
        if !is_certain {
            self.still_approved(write, ticket).await?;
        }
        match step {
            Step::Stay => self
                .on_record(ticket, write.snapshot)
                .await
                .map(|()| Attempt::Held),
            Step::ProveUncommitted => {
                self.prove_uncommitted(write, &read).await?;
                self.on_record(ticket, write.snapshot)
                    .await
                    .map(|()| Attempt::Held)
            }
            Step::To(TicketState::Ended(end)) => Err(denial(ticket, &format!("it is {}", end.adjective()))),
            Step::To(state) => self.swap(write, ticket, state).await,
        }
    }

    /// Reads a ticket of which the log says something else: what is known of it is older than its last step, or a
    /// moment younger, or its last step was never recorded.
    async fn again(&self, write: &Write<'_, '_>, ticket: &Ticket) -> Result<Arc<Ticket>, Denial> {
        let read = self.read(write, ticket).await?;
        self.on_record(&read, write.snapshot).await?;
        Ok(read)
    }

    /// Sees to it that the log knows of the claim that a write passes under: whoever made it may have died before that
    /// was recorded, or never heard that it was stored.
    async fn on_record(&self, ticket: &Ticket, snapshot: &Snapshot) -> Result<(), Denial> {
        record_finding(&self.log, ticket, snapshot)
            .await
            .map_err(unrecorded)
    }

    async fn swap(
        &self,
        write: &Write<'_, '_>,
        ticket: &Arc<Ticket>,
        state: TicketState,
    ) -> Result<Attempt, Denial> {
        // What cannot be recorded should not have to be resolved.
        if !self.log.is_available() {
            return Err(unrecorded(AuditError::Unavailable));
        }
        let mut state = state;
        if let TicketState::Claimed { claim, .. } | TicketState::Consumed { claim } = &mut state {
            claim.by = write.review_uid.into();
            claim.object_uid = write.created_uid()?;
        }
        let by = write.request.caller.username.to_owned();
        let next = write.leads(ticket, state);
        let record = record::of_step(ticket, &next, by, write.snapshot);
        let (tickets, log, held) = (self.tickets.clone(), self.log.clone(), ticket.clone());
        let cluster = write.snapshot.cluster.clone();
        let place = (&*ticket.namespace, &*ticket.name);
        // The watch may show the claim sooner than the answer comes.
        self.turns
            .take_by(place, &ticket.resource_version, write.review_uid);
        // A call that is given up leaves its claim behind, and then the record of it, too. Whoever is answered is answered
        // after the record of the decision, which comes after this one.
        let swapping = tokio::spawn(async move {
            tickets.lead(&held, &next, &cluster).await?;
            Ok::<_, kube::Error>(log.append_ahead(record))
        });
        if let Ok(Ok(recorded)) = swapping.await {
            return recorded.map(|()| Attempt::Held).map_err(unrecorded);
        }
        let read = self.read(write, ticket).await;
        if !read.as_ref().is_ok_and(|read| read.is_held_by(write.review_uid)) {
            self.turns.give_up_by(place, write.review_uid);
        }
        read.map(Attempt::Again)
    }

    async fn read(&self, write: &Write<'_, '_>, ticket: &Ticket) -> Result<Arc<Ticket>, Denial> {
        let read = self.tickets.again(ticket, write.snapshot).await;
        let read = read.map_err(|error| denial(ticket, &error.to_string()))?;
        read.ok_or_else(|| denial(ticket, "it is gone"))
    }

    async fn prove_uncommitted(&self, write: &Write<'_, '_>, ticket: &Ticket) -> Result<(), Denial> {
        let (TicketState::Claimed { claim, .. }, Some(old)) = (&ticket.state, write.request.change.before())
        else {
            return Err(denial(ticket, "it is not held by a write of an existing object"));
        };
        let Some(claimed_at) = &claim.resource_version else {
            return Err(denial(ticket, "its claim names no version"));
        };
        let target = &write.request.target;
        let ignore = write
            .snapshot
            .policy
            .get()
            .map(|policy| policy.hash_ignore(target.group, target.kind));
        let trace = Trace::new(
            ticket,
            &write.snapshot.cluster.redaction,
            ignore.unwrap_or_default(),
        );
        let until = old.resource_version()?;
        match trace.since(claimed_at, until.as_deref(), &self.client).await {
            Ok(Past::Untouched(_)) => Ok(()),
            Ok(Past::Committed) => Err(denial(ticket, "the change was made already")),
            Ok(Past::Untold) => Err(denial(
                ticket,
                "what happened since it was claimed is not known yet, try again",
            )),
            Ok(Past::Lost) => Err(denial(
                ticket,
                "whether the change was made already cannot be told any more",
            )),
            Err(error) => Err(super::complete::unreadable(target, &error)),
        }
    }
}

/// Records where a ticket stands, if the log does not know of the steps that led there: another replica made them, or
/// an operator that died before it could record them. A record that is on its way is given a moment.
pub async fn record_finding(log: &Log, ticket: &Ticket, snapshot: &Snapshot) -> Result<(), AuditError> {
    if log.lags_behind(ticket) {
        sleep(MOMENT).await;
    }
    if log.lags_behind(ticket) {
        log.append(record::of_finding(ticket, snapshot)).await?;
    }
    Ok(())
}

enum Attempt {
    Held,
    Again(Arc<Ticket>),
}

fn unrecorded(error: AuditError) -> Denial {
    let message = format!("the claim could not be recorded: {error}");
    Denial::new(Reason::AuditUnavailable, message)
}

fn denial(ticket: &Ticket, why: &str) -> Denial {
    let message = format!("ticket `{}`: {why}", ticket.name);
    Denial::new(Reason::TicketSpent, message).because(Cause::of_ticket(ticket, "status.state"))
}
