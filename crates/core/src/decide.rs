//! The rules, in order. Each step returns the evidence that the next one needs, or ends the chain.

mod approval;
mod delegated;
mod emergency;
mod environment;
mod guarded;
mod guardrail;
mod intents;
mod operator;
mod own;
mod registration;
mod stolen;
mod strict;
mod subject;
#[cfg(test)]
mod tests;
mod workflow;
mod zone;

use jiff::Timestamp;

pub use approval::{call_kind, why_spent};
pub use emergency::second_window;
pub use environment::environment_of;
pub use guarded::{CONTROL_NAMESPACES, EVENTS, LEASES, VIRTUAL};
pub use guardrail::is_held;
pub use operator::{GROUP, KEYS_SECRET, QUOTA_PREFIX, is_workflow};
pub use stolen::needs_hidden;
pub use workflow::{check_pending, ticket_namespace};

use self::{guardrail::ByAgent, stolen::Yielded};
use crate::{
    decision::{Cause, Decision, Denial, Findings, Grant, Reason},
    environment::Environment,
    policy::Policy,
    request::Request,
    snapshot::{PolicyState, Snapshot},
    zone_claim::lets_agent_in,
};

/// What ends the chain before its last step.
enum End {
    Allow(Grant),
    Deny(Denial),
}

impl From<Denial> for End {
    fn from(denial: Denial) -> Self {
        Self::Deny(denial)
    }
}

/// Judges one request by one snapshot at one moment.
///
/// The findings say who asked and where the write lands, as far as the chain got.
pub fn decide(request: &Request<'_>, snapshot: &Snapshot, now: Timestamp) -> (Decision, Findings) {
    let mut findings = Findings {
        integral: operator::is_workflow(&request.target),
        ..Findings::default()
    };
    let decision = match chain(request, snapshot, now, &mut findings) {
        Ok(decision) => decision,
        Err(End::Allow(grant)) => Decision::Allow(grant),
        Err(End::Deny(denial)) => Decision::Deny(denial),
    };
    // Also of what a ticket lets pass: its claim may fail.
    if !matches!(&decision, Decision::Allow(grant) if grant.ticket().is_none()) {
        findings.emergency = emergency::window(request, &findings, snapshot, now).cloned();
    }
    (decision, findings)
}

fn chain(
    request: &Request<'_>,
    snapshot: &Snapshot,
    now: Timestamp,
    findings: &mut Findings,
) -> Result<Decision, End> {
    guarded::or_leave(request, snapshot)?;
    operator::or_others(request, snapshot)?;
    delegated::builtin(request, snapshot)?;
    own::check(request, snapshot, now)?;
    let by_agent = ByAgent::of(request, snapshot)?;
    let integral = findings.integral;
    findings.integral |= by_agent.as_ref().is_some_and(ByAgent::is_held);
    let policy = policy_in_force(snapshot)?;
    let yielded = stolen::yielded(request, snapshot)?;
    let environment = match &yielded {
        Some(_) => Environment::Prod,
        None => environment_of(request, snapshot, policy),
    };
    findings.environment = Some(environment);
    findings.lasting = yielded.as_ref().is_some_and(Yielded::is_lasting);
    let known = (snapshot, now);
    let unexplained = by_agent
        .as_ref()
        .and_then(|by_agent| by_agent.unexplained(request, environment, known));
    findings.integral = integral
        || yielded.as_ref().is_some_and(Yielded::is_integral)
        || by_agent.as_ref().is_some_and(ByAgent::is_own)
        || unexplained.is_some();
    stolen::unless_yielded(
        delegated::standing(request, snapshot, now, findings),
        yielded.as_ref(),
    )?;
    let actor = subject::identify(request, snapshot, policy, findings);
    own::check_switch(request, actor.as_ref().ok(), (snapshot, policy), now)?;
    findings.integral |= lets_agent_in(request, actor.as_ref().ok().map(|actor| &actor.subject), snapshot)?;
    let among_people = || {
        let actor = actor?;
        workflow::judge(request, &actor, (snapshot, policy), now)?;
        emergency::judge(request, &actor, (snapshot, policy), now)?;
        subject::check_role(request, &actor)?;
        stolen::check_role(yielded.as_ref(), &actor)?;
        let standing = zone::standing(request, &actor, environment, (snapshot, policy))?;
        approval::judge(&approval::Case {
            request,
            actor: &actor,
            standing,
            environment,
            yielded: yielded.map(Yielded::into_cause),
            is_unexplained: unexplained.is_some(),
            snapshot,
            policy,
            now,
        })
    };
    guardrail::unless_unexplained(among_people(), unexplained)
}

fn policy_in_force(snapshot: &Snapshot) -> Result<&Policy, Denial> {
    let cause = || Cause::of_policy("spec");
    match &snapshot.policy {
        PolicyState::Loaded(policy) => Ok(policy),
        PolicyState::Absent(policy) if !snapshot.latched => Ok(policy),
        PolicyState::Absent(_) => Err(Denial::new(
            Reason::PolicyMissing,
            "strict mode is on, but AccessPolicy `default` is missing: restore it",
        )
        .because(cause())),
        PolicyState::Unreadable(why) => {
            let message = format!("AccessPolicy `default` cannot be read: {why}");
            Err(Denial::new(Reason::PolicyUnreadable, message).because(cause()))
        }
    }
}
