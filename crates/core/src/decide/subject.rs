//! Rules 3 and 4: an identity, fit to act, with a role that may write.

use super::{End, operator};
use crate::{
    agent::Trouble,
    authn::{self, Unidentified},
    decision::{Cause, Denial, Findings, Reason},
    policy::Policy,
    request::{Request, Subject},
    role::Role,
    role_of::{RoleSource, effective_role},
    snapshot::Snapshot,
};

/// A subject and its role.
pub(super) struct Actor {
    pub(super) subject: Subject,
    pub(super) role: RoleSource,
}

impl Actor {
    pub(super) fn is_admin(&self) -> bool {
        self.role.role == Role::Admin
    }

    pub(super) fn role_cause(&self) -> Cause {
        Cause::new(self.role.kind, self.role.name.clone(), self.role.field)
    }
}

/// Rule 3: who asks, and whether they may act at all.
pub(super) fn identify(
    request: &Request<'_>,
    snapshot: &Snapshot,
    policy: &Policy,
    findings: &mut Findings,
) -> Result<Actor, End> {
    let subject = authn::identify(&request.caller, snapshot, policy).map_err(|why| unidentified(&why))?;
    findings.subject = Some(subject.identity.clone());
    if let Some(agent) = snapshot.agent(&subject.identity) {
        findings.answerable = Some(agent.owner.clone());
        let name = subject.identity.local();
        if agent.suspended {
            let message = format!(
                "{} is suspended: ask {}, who answers for it",
                agent.identity, agent.owner
            );
            let denial = Denial::new(Reason::AgentSuspended, message);
            return Err(denial.because(Cause::new("Agent", name, "spec.suspend")).into());
        }
        if let Some(why) = &agent.degraded {
            let message = format!("Agent `{name}` cannot be relied on: {why}");
            let denial = Denial::new(Reason::AgentDegraded, message);
            return Err(denial
                .because(Cause::new("Agent", name, "status.conditions"))
                .into());
        }
        if let Some(trouble) = Trouble::of(agent, snapshot) {
            let message = format!("Agent `{name}` cannot be relied on: {trouble}");
            let denial = Denial::new(Reason::AgentDegraded, message);
            return Err(denial.because(Cause::new("Agent", name, trouble.field())).into());
        }
    }
    let role = effective_role(&subject, snapshot, policy).ok_or_else(|| without_role(&subject))?;
    Ok(Actor { subject, role })
}

fn unidentified(why: &Unidentified) -> Denial {
    let reason = match why {
        Unidentified::UnregisteredAccount(_) => Reason::UnregisteredAccount,
        Unidentified::AmbiguousAccount { .. } => Reason::AmbiguousAccount,
        Unidentified::ForeignAccount { .. } => Reason::ForeignAccount,
        Unidentified::SystemUser(_) => Reason::SystemUser,
        Unidentified::NotCanonical(_) => Reason::NotCanonical,
    };
    Denial::new(reason, why.to_string()).because(why.cause())
}

/// An Agent alone can name a role that gives none.
fn without_role(agent: &Subject) -> Denial {
    let message = format!("{} has no role", agent.identity);
    let cause = Cause::new("Agent", agent.identity.local(), "spec.role");
    Denial::new(Reason::AgentDegraded, message).because(cause)
}

/// Rule 4: a reader writes nothing; only an admin writes the kinds that permit.
pub(super) fn check_role(request: &Request<'_>, actor: &Actor) -> Result<(), End> {
    let who = &actor.subject.identity;
    if actor.role.role == Role::Reader {
        let message =
            format!("{who} is a reader and writes nothing: an admin grants a role with a RoleGrant");
        return Err(Denial::new(Reason::ReaderWrites, message)
            .because(actor.role_cause())
            .into());
    }
    if request.target.group == operator::GROUP && !actor.is_admin() {
        let message = format!(
            "{who} is {}, and only admins write {}: ask one of them",
            actor.role.role,
            request.target.resource_type()
        );
        return Err(Denial::new(Reason::AdminOnly, message)
            .because(actor.role_cause())
            .into());
    }
    Ok(())
}
