//! THE PATH of a write: review -> own object -> decision -> ticket -> audit -> response.

mod advise;
mod claim;
mod complete;
mod contest;
mod emergency;
mod explained;
mod generated;
mod history;
mod mint;
mod outcome;
mod own;
mod parent;
mod proof;
mod rate;
mod record;
pub mod response;
pub mod review;
mod seal;
pub mod stamp;
mod strict_mode;
mod violation;

use std::{sync::Arc, time::Duration};

use countersign_api::seal::Seals;
use countersign_core::{
    audit::record::ObjectRef,
    decide::{decide, needs_hidden},
    decision::{Decision, Demand, Denial, Reason},
    own::{Own, ReviewDraft},
    place::Place,
    relax::{Mode, preview, relax},
    request::{Hidden, Request},
    snapshot::Snapshot,
};
use jiff::Timestamp;
use tokio::time::timeout;

use self::{
    claim::Claims,
    contest::contest,
    mint::{Minted, Minting},
    outcome::{Answer, Outcome, evidence_of, findings_about, verdict_of, without_rules},
    proof::Proof,
    response::{AdmissionResponse, Counted, Recorded, StatusCause},
    review::AdmissionRequest,
};
pub use self::{
    claim::record_finding,
    complete::{path as object_path, read as read_path},
    history::{Past, Trace},
    record::{REMOVED, of_removal as removal, of_step as transition},
};
use crate::{
    audit::Log, emergencies::Emergencies, metrics::AdmissionMetrics, quota::Quotas, sightings::Sightings,
    state::State, tickets::Tickets, turns::Taken, violations::Violations,
};

/// How long a call may take: well within the webhook's timeout, so that the answer is ours.
const DEADLINE: Duration = Duration::from_millis(3500);

/// Judges the writes of a cluster.
pub struct Admission {
    state: Arc<State>,
    client: kube::Client,
    tickets: Tickets,
    seals: Seals,
    claims: Claims,
    minting: Minting,
    quotas: Quotas,
    turns: Taken,
    log: Log,
    sightings: Sightings,
    violations: Violations,
    emergencies: Emergencies,
    metrics: AdmissionMetrics,
}

impl Admission {
    /// Judges by `state` and `seals`, acts through `client`, counts in `quotas`, records in `log`, and notes what it sees;
    /// the tickets that it moves are for this replica to go on with.
    pub fn new(
        (state, seals): (Arc<State>, Seals),
        (client, quotas, turns): (kube::Client, Quotas, Taken),
        (log, sightings, violations, emergencies): (Log, Sightings, Violations, Emergencies),
        metrics: AdmissionMetrics,
    ) -> Self {
        let claims = Claims::new(
            client.clone(),
            log.clone(),
            (state.clock().clone(), turns.clone()),
        );
        let minting = Minting::new(client.clone(), log.clone(), turns.clone());
        Self {
            state,
            tickets: Tickets::new(client.clone()),
            client,
            seals,
            claims,
            minting,
            quotas,
            turns,
            log,
            sightings,
            violations,
            emergencies,
            metrics,
        }
    }

    /// Answers one review of the validating webhook.
    pub async fn validate(&self, request: &AdmissionRequest<'_>) -> AdmissionResponse {
        let target = request.target();
        let snapshot = match target.namespace.filter(|_| target.resource != "namespaces") {
            Some(namespace) => self.state.snapshot_with(namespace).await,
            None => self.state.snapshot(),
        };
        let judged = timeout(DEADLINE, self.judge(request, &snapshot)).await;
        let mut outcome = judged.unwrap_or_else(|_| without_rules(late(), request, &snapshot));
        if let Answer::Deny { denial, more } = &mut outcome.answer
            && denial.reason != Reason::Unsealed
            && let Some((message, cause)) = seal::hint(&request.target(), &snapshot)
        {
            denial.message = format!("{}. {message}", denial.message);
            more.push(cause);
        }
        if let Some(subject) = outcome
            .findings
            .subject
            .as_ref()
            .filter(|_| !request.is_dry_run())
        {
            self.sightings.saw(subject, &snapshot);
        }
        if let Answer::Allow { grant, .. } = &outcome.answer
            && let Some(cause) = grant.cause().filter(|_| !request.is_dry_run())
        {
            self.sightings.used(cause);
        }
        let recorded = self.record(request, &outcome, &snapshot).await;
        if snapshot.latched {
            self.note_content(request, &outcome.answer, &recorded);
        }
        if recorded.is_ok() {
            match outcome.window() {
                Some(window) => violation::in_window(request, &outcome, window)
                    .into_iter()
                    .for_each(|write| self.emergencies.note(write)),
                None => violation::of(request, &outcome)
                    .into_iter()
                    .for_each(|violation| self.violations.note(violation)),
            }
        }
        if let Some(denied) = violation::of_agent(request, &outcome, &snapshot) {
            self.violations.tell(denied);
        }
        self.metrics.decided(outcome.reason(), outcome.relaxed.is_some());
        respond(request, outcome, recorded)
    }

    /// Remembers what is let through, so that it is sealed when the watch shows it. Before strict mode is latched everything
    /// is sealed that is there; what comes later than its beginning nobody looked at who turned it on.
    fn note_content(
        &self,
        request: &AdmissionRequest<'_>,
        answer: &Answer,
        recorded: &Result<Recorded, Denial>,
    ) {
        let (Answer::Allow { grant, .. }, Ok(_)) = (answer, recorded) else {
            return;
        };
        // What is no change needs no new seal, and whoever forges a review could show any old content as no change.
        if grant.reason() == Reason::NoOp || request.is_dry_run() {
            return;
        }
        let content = seal::content(request).or_else(|| seal::removed(request, &self.seals));
        if let Some(content) = content {
            self.seals.admit(content);
        }
    }

    /// Answers one review of the mutating webhook: stamps what a person may not choose.
    pub async fn mutate(&self, request: &AdmissionRequest<'_>) -> AdmissionResponse {
        let snapshot = self.state.snapshot();
        if !emergency::opens(request) {
            return response::mutate(&request.uid, stamp::patch(request, &snapshot));
        }
        // Without a stamp the validating step refuses it, and says what is not known.
        if self.state.check_fresh().is_err() {
            return response::mutate(&request.uid, None);
        }
        let proven = emergency::prove(request, &snapshot, (&self.emergencies, &self.client));
        let proven = timeout(DEADLINE, Box::pin(proven)).await;
        match proven.unwrap_or_else(|_| Err(Box::new(without_rules(late(), request, &snapshot)))) {
            Ok(patch) => response::mutate(&request.uid, patch),
            Err(outcome) => {
                let recorded = self.record(request, &outcome, &snapshot).await;
                self.metrics.decided(outcome.reason(), false);
                respond(request, *outcome, recorded)
            }
        }
    }

    async fn judge(&self, request: &AdmissionRequest<'_>, snapshot: &Snapshot) -> Outcome {
        let read = async {
            let own = own::read(request, (snapshot, &self.seals), &self.client).await?;
            let hidden = self.hidden(request, snapshot).await?;
            Ok::<_, Denial>((own, hidden))
        };
        let (own, hidden) = match read.await {
            Ok(read) => read,
            Err(denial) => return without_rules(denial, request, snapshot),
        };
        let judged = match request.judged(own.as_ref(), hidden.as_ref()) {
            Ok(judged) => judged,
            Err(error) => {
                let denial = Denial::new(Reason::Malformed, error.to_string());
                return without_rules(denial, request, snapshot);
            }
        };
        self.decide(request, &judged, snapshot).await
    }

    /// The object behind a request that does not show it, read only when somebody's credential or an approval is at
    /// stake.
    async fn hidden(
        &self,
        request: &AdmissionRequest<'_>,
        snapshot: &Snapshot,
    ) -> Result<Option<Hidden>, Denial> {
        let hides = || request.target().hides_its_object(request.operation());
        let Some(judged) = hides().then(|| request.judged(None, None)).and_then(Result::ok) else {
            return Ok(None);
        };
        let is_asked_for = if needs_hidden(&judged) {
            // Whoever is refused in any case learns nothing of the pod.
            let nobody = Hidden::default();
            if request
                .judged(None, Some(&nobody))
                .is_ok_and(|judged| is_refused(&judged, snapshot))
            {
                return Ok(Some(nobody));
            }
            true
        } else {
            let decision = decide(&judged, snapshot, Timestamp::now()).0;
            // An approval may explain what no intent does.
            matches!(decision, Decision::NeedsTicket(_)) || explained::is_unexplained(&decision)
        };
        if is_asked_for {
            return Box::pin(complete::hidden(&judged.target, &self.client))
                .await
                .map(Some);
        }
        Ok(None)
    }

    async fn decide(
        &self,
        request: &AdmissionRequest<'_>,
        judged: &Request<'_>,
        snapshot: &Snapshot,
    ) -> Outcome {
        let (decision, findings) = explained::decide(judged, snapshot, (&self.state, &self.client)).await;
        let decision = self.state.unless_stale(decision);
        let decision = strict_mode::unless_unset(decision, judged, snapshot, &self.client).await;
        let decision = self.hold(decision, request, judged, snapshot).await;
        let verdict = verdict_of(&decision);
        let (ticket, resource_hash) = evidence_of(&decision);
        let proof = Proof::of(request, judged, (&decision, &findings), snapshot);
        let mode = Mode::of(snapshot, &findings);
        let (decision, relaxed) = relax(decision, &mode);
        let outcome = |answer, ticket| Outcome {
            answer,
            verdict,
            findings,
            relaxed: relaxed.clone(),
            ticket,
            resource_hash,
            proof,
        };
        match decision {
            Decision::Allow(grant) => outcome(
                Answer::Allow {
                    warnings: advise::allowed(&grant, relaxed.as_ref(), &mode, judged.own),
                    grant,
                },
                ticket,
            ),
            Decision::Deny(denial) => outcome(
                Answer::Deny {
                    denial,
                    more: Vec::new(),
                },
                ticket,
            ),
            Decision::NeedsTicket(demand) if judged.dry_run => {
                let warnings = advise::preview(&demand);
                outcome(
                    Answer::Allow {
                        grant: preview(&demand),
                        warnings,
                    },
                    None,
                )
            }
            Decision::NeedsTicket(demand) => {
                let minting = Box::pin(self.mint(&demand, request, judged, snapshot));
                let (answer, ticket) = minting.await;
                outcome(answer, ticket)
            }
        }
    }

    /// Claims the ticket that a grant rests on, marks the one that a review refuses, and counts an intent. A dry run decides
    /// alike and touches nothing.
    async fn hold(
        &self,
        decision: Decision,
        request: &AdmissionRequest<'_>,
        judged: &Request<'_>,
        snapshot: &Snapshot,
    ) -> Decision {
        let Decision::Allow(grant) = &decision else {
            return decision;
        };
        if judged.dry_run {
            return decision;
        }
        let held = match (grant.ticket(), judged.own) {
            (Some(covered), _) => Box::pin(self.claims.claim(covered, &request.uid, judged, snapshot)).await,
            (None, Some(Own::Review(review))) => Box::pin(self.contest(review, snapshot)).await,
            (None, Some(Own::Intent(intent))) => Box::pin(rate::take(intent, &self.quotas, snapshot)).await,
            (None, Some(Own::Ticket(_))) => {
                let namespace = judged.target.namespace.unwrap_or_default();
                self.turns.take((namespace, judged.target.name), "");
                Ok(())
            }
            (None, _) => Ok(()),
        };
        match held {
            Ok(()) => decision,
            Err(denial) => Decision::Deny(denial),
        }
    }

    /// Marks the ticket that a review refuses; whoever lets a review pass goes on with its ticket.
    async fn contest(&self, review: &ReviewDraft, snapshot: &Snapshot) -> Result<(), Denial> {
        let version = contest(review, &self.tickets, snapshot).await?;
        if let Some((ticket, version)) = review.ticket.as_ref().zip(version) {
            self.turns.take((&ticket.namespace, &ticket.name), &version);
        }
        Ok(())
    }

    /// Makes the ticket that would open the way. One that was approved a moment ago, before this replica knew,
    /// opens it at once, and one that was denied closes it.
    async fn mint(
        &self,
        demand: &Demand,
        request: &AdmissionRequest<'_>,
        judged: &Request<'_>,
        snapshot: &Snapshot,
    ) -> (Answer, Option<ObjectRef>) {
        let deny = |denial, more| (Answer::Deny { denial, more }, None);
        match self.minting.mint(demand, judged, snapshot).await {
            Ok(Minted::Pending {
                namespace,
                name,
                more_reviews,
            }) => {
                let reviews = demand.needs.count.saturating_add(more_reviews);
                let denial = advise::needs_approval((demand, reviews), &namespace, &name);
                let more = vec![StatusCause::ticket(&namespace, &name)];
                (
                    Answer::Deny { denial, more },
                    Some(ObjectRef {
                        namespace,
                        name,
                        uid: None,
                    }),
                )
            }
            Ok(Minted::Moved(ticket)) => {
                let fresh = snapshot.with_ticket(ticket);
                let (again, _) = decide(judged, &fresh, Timestamp::now());
                let (ticket, _) = evidence_of(&again);
                match self.hold(again, request, judged, &fresh).await {
                    Decision::Allow(grant) => (
                        Answer::Allow {
                            grant,
                            warnings: Vec::new(),
                        },
                        ticket,
                    ),
                    Decision::Deny(denial) => deny(denial, Vec::new()),
                    Decision::NeedsTicket(demand) => {
                        deny(advise::without_ticket(&demand, "try again"), Vec::new())
                    }
                }
            }
            Ok(Minted::None(why)) => deny(advise::without_ticket(demand, why), Vec::new()),
            Err(denial) => deny(denial, Vec::new()),
        }
    }

    /// Puts the outcome on record, or finds that it is only counted.
    async fn record(
        &self,
        request: &AdmissionRequest<'_>,
        outcome: &Outcome,
        snapshot: &Snapshot,
    ) -> Result<Recorded, Denial> {
        if let Answer::Allow { grant, .. } = &outcome.answer
            && let Some(counted) = Counted::of(grant)
            && !record::is_removal(request, grant)
        {
            return Ok(Recorded::Counted(counted));
        }
        let zone = Place::of(&request.target()).zones(snapshot);
        let findings = findings_about(&outcome.findings, &request.caller(), snapshot);
        let record = record::decision(request, &findings, outcome.told(zone));
        let unrecorded = |error| {
            let message = format!("the decision could not be recorded: {error}");
            Denial::new(Reason::AuditUnavailable, message)
        };
        for proof in outcome.proven().into_iter().flat_map(Proof::records) {
            self.log.append_ahead(proof).map_err(unrecorded)?;
        }
        let receipt = self.log.append(record).await;
        receipt.map(Recorded::Durably).map_err(unrecorded)
    }
}

/// Whether the request is refused, and nothing relaxes that.
fn is_refused(judged: &Request<'_>, snapshot: &Snapshot) -> bool {
    let (decision, findings) = decide(judged, snapshot, Timestamp::now());
    matches!(
        relax(decision, &Mode::of(snapshot, &findings)).0,
        Decision::Deny(_)
    )
}

/// No receipt, no allow.
fn respond(
    request: &AdmissionRequest<'_>,
    outcome: Outcome,
    recorded: Result<Recorded, Denial>,
) -> AdmissionResponse {
    match (outcome.answer, recorded) {
        (Answer::Allow { grant, warnings }, Ok(recorded)) => {
            response::allow(&request.uid, &grant, &recorded, warnings)
        }
        (Answer::Allow { .. }, Err(denial)) => response::deny(&request.uid, &denial, Vec::new()),
        (Answer::Deny { denial, more }, _) => response::deny(&request.uid, &denial, more),
    }
}

fn late() -> Denial {
    Denial::new(Reason::DeadlineExceeded, "the decision took too long: try again")
}
