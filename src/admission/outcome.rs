//! What became of a request, between the decision and the answer.

use countersign_core::{
    audit::record::{ObjectRef, Verdict},
    authn,
    decide::{is_held, is_workflow},
    decision::{Cause, Decision, Denial, Findings, Grant, Reason},
    digest::Digest,
    emergency::Emergency,
    relax::{Mode, relax},
    request::{Caller, Subject},
    snapshot::Snapshot,
};

use super::{
    advise, proof::Proof, record::Told, record::reference, response::StatusCause, review::AdmissionRequest,
};

/// What became of a request, before it is on record.
pub struct Outcome {
    /// What the API server is told, if it can be put on record.
    pub answer: Answer,
    /// What the rules said, whatever became of it.
    pub verdict: Verdict,
    /// Who asked, and where the write lands.
    pub findings: Findings,
    /// The denial that the caller was spared, if so.
    pub relaxed: Option<Denial>,
    /// The ticket that it rests on, or that was made for it.
    pub ticket: Option<ObjectRef>,
    /// Digest of the change, where it was hashed.
    pub resource_hash: Option<Digest>,
    /// What else is kept of it when it is let through.
    pub proof: Proof,
}

/// What the API server is told.
pub enum Answer {
    /// The write may happen.
    Allow { grant: Grant, warnings: Vec<String> },
    /// It may not.
    Deny { denial: Denial, more: Vec<StatusCause> },
}

/// The outcome of a request that the rules could not judge. A ticket or a review is not let by for that, nor what an agent
/// asks, which may end something.
pub fn without_rules(denial: Denial, request: &AdmissionRequest<'_>, snapshot: &Snapshot) -> Outcome {
    let findings = Findings {
        integral: is_workflow(&request.target()) || is_held(&request.caller(), snapshot),
        ..Findings::default()
    };
    let mode = Mode::of(snapshot, &findings);
    let (decision, relaxed) = relax(Decision::Deny(denial), &mode);
    let answer = match decision {
        Decision::Allow(grant) => Answer::Allow {
            warnings: advise::allowed(&grant, relaxed.as_ref(), &mode, None),
            grant,
        },
        Decision::Deny(denial) => Answer::Deny {
            denial,
            more: Vec::new(),
        },
        Decision::NeedsTicket(demand) => Answer::Deny {
            denial: advise::without_ticket(&demand, "try again"),
            more: Vec::new(),
        },
    };
    Outcome {
        answer,
        verdict: Verdict::Deny,
        findings,
        relaxed,
        ticket: None,
        resource_hash: None,
        proof: Proof::unjudged(request, snapshot),
    }
}

/// Who asked, and where the write lands, also where the rules ended before they asked who: the owner of an agent answers
/// for what is refused to it.
pub fn findings_about(findings: &Findings, caller: &Caller<'_>, snapshot: &Snapshot) -> Findings {
    let mut findings = findings.clone();
    if findings.subject.is_none()
        && let Some(policy) = snapshot.policy.get()
        && let Ok(Subject { identity, .. }) = authn::identify(caller, snapshot, policy)
    {
        findings.answerable = snapshot.agent(&identity).map(|agent| agent.owner.clone());
        findings.subject = Some(identity);
    }
    findings
}

/// What the rules said.
pub const fn verdict_of(decision: &Decision) -> Verdict {
    match decision {
        Decision::Allow(_) => Verdict::Allow,
        Decision::NeedsTicket(_) => Verdict::RequireApproval,
        Decision::Deny(_) => Verdict::Deny,
    }
}

/// The ticket and the hash that a decision rests on.
pub fn evidence_of(decision: &Decision) -> (Option<ObjectRef>, Option<Digest>) {
    match decision {
        Decision::Allow(grant) => {
            let ticket = grant.ticket().map(|covered| &covered.ticket);
            (
                ticket.map(|ticket| reference(ticket)),
                ticket.map(|ticket| ticket.binding.resource_hash),
            )
        }
        Decision::NeedsTicket(demand) => (None, Some(demand.change.resource_hash)),
        Decision::Deny(_) => (None, None),
    }
}

impl Outcome {
    /// Why it was decided so.
    pub const fn reason(&self) -> Reason {
        match &self.answer {
            Answer::Allow { grant, .. } => grant.reason(),
            Answer::Deny { denial, .. } => denial.reason,
        }
    }

    /// The window of break-glass that let the write pass, if one did.
    pub fn window(&self) -> Option<&Emergency> {
        let window = self.findings.emergency.as_deref();
        window.filter(|_| self.reason() == Reason::Emergency)
    }

    /// What the audit log is told of it; `zone` holds the place.
    pub fn told(&self, zone: Option<String>) -> Told<'_> {
        let (message, cause): (&str, Option<&Cause>) = match &self.answer {
            Answer::Allow { grant, warnings } => (warnings.first().map_or("", String::as_str), grant.cause()),
            Answer::Deny { denial, .. } => (&denial.message, denial.cause.as_ref()),
        };
        let spared = self.relaxed.as_ref();
        Told {
            verdict: self.verdict,
            reason: spared.map_or(self.reason(), |denial| denial.reason),
            message,
            cause: spared.map_or(cause, |denial| denial.cause.as_ref()),
            relaxation: spared.map(|_| match self.window() {
                Some(_) => "BreakGlass",
                None => "StrictModeOffOrWarn",
            }),
            window: self.window().map(|window| window.name.to_string()),
            zone,
            ticket: self.ticket.clone(),
            resource_hash: self.resource_hash,
            intent: self.proven().and_then(|proof| proof.intent.clone()),
        }
    }

    /// What else is kept of it, when it is let through.
    pub fn proven(&self) -> Option<&Proof> {
        let is_allowed = matches!(self.answer, Answer::Allow { .. });
        is_allowed.then_some(&self.proof)
    }
}
