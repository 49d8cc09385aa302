//! Rule 6: what holds for the role `agent` beside all other rules, whatever else it was given.

use std::sync::Arc;

use jiff::Timestamp;

use super::{End, operator};
use crate::{
    binding::resource,
    decision::{Cause, Decision, Denial, Reason},
    ending::{Ending, ending},
    environment::Environment,
    gitops::is_release_record,
    intent::USABLE,
    request::{Caller, Request},
    role::Role,
    snapshot::{Agent, Snapshot},
};

/// A write by an account of an agent of the role `agent`, whether it may act or not.
pub(super) struct ByAgent<'s> {
    agent: &'s Arc<Agent>,
    ending: Option<Ending>,
    /// Whether it is one of Countersign's own kinds.
    is_own: bool,
}

/// The agents of any role that list the account of the caller, whether they may act or not.
pub(super) fn agents_of<'s>(
    caller: &Caller<'_>,
    snapshot: &'s Snapshot,
) -> impl Iterator<Item = &'s Arc<Agent>> {
    let account = caller
        .service_account()
        .map(|(namespace, name)| format!("{namespace}:{name}"));
    let listing = account.and_then(|account| snapshot.service_accounts.get(account.as_str()));
    listing
        .into_iter()
        .flatten()
        .filter_map(|identity| snapshot.agent(identity))
}

/// The agent of the role `agent` that lists the account of the caller, if one does.
fn agent_of<'s>(caller: &Caller<'_>, snapshot: &'s Snapshot) -> Option<&'s Arc<Agent>> {
    agents_of(caller, snapshot).find(|agent| agent.role == Role::Agent)
}

/// Whether an agent of the role `agent` asks: of what it asks nothing is let by that nobody judged.
pub fn is_held(caller: &Caller<'_>, snapshot: &Snapshot) -> bool {
    agent_of(caller, snapshot).is_some()
}

impl<'s> ByAgent<'s> {
    /// The write, if an agent makes it.
    pub(super) fn of(request: &Request<'_>, snapshot: &'s Snapshot) -> Result<Option<Self>, Denial> {
        let Some(agent) = agent_of(&request.caller, snapshot) else {
            return Ok(None);
        };
        let ending = ending(request)?;
        // Helm's own book-keeping: it prunes what it wrote.
        let ending = ending.filter(|_| !is_release_record(request).unwrap_or(false));
        Ok(Some(Self {
            agent,
            ending,
            is_own: request.target.group == operator::GROUP,
        }))
    }

    /// Whether nothing relaxes what is decided of it, as long as nobody knows whether it was explained.
    pub(super) const fn is_held(&self) -> bool {
        self.ending.is_some() || self.is_own
    }

    /// Whether nothing relaxes what is decided of it although it was explained, or needs no explanation.
    pub(super) const fn is_own(&self) -> bool {
        self.is_own
    }

    /// Why the agent may not do this: it ends something, and no intent of the agent explains that.
    pub(super) fn unexplained(
        &self,
        request: &Request<'_>,
        environment: Environment,
        (snapshot, now): (&Snapshot, Timestamp),
    ) -> Option<Denial> {
        let ending = self.ending?;
        let who = &self.agent.identity;
        let resource = resource(&request.target.parent(), environment);
        let mut intents = snapshot.intents.get(who).into_iter().flatten();
        // What a key signed that is retired by now, whoever has it may have signed.
        let is_of_key = |key| self.agent.key == Some(key);
        if intents.any(|intent| is_of_key(intent.key) && intent.explains(&resource, now)) {
            return None;
        }
        let message = format!(
            "{ending}, and an agent says so beforehand and signs it: kubectl countersign intent log --deletes \
             {resource} --reason ...; do it again within {} minutes",
            USABLE.as_mins()
        );
        let denial = Denial::new(Reason::IntentRequired, message);
        Some(denial.because(Cause::new("Agent", who.local(), "spec.role")))
    }
}

/// What the other rules say. What they would let pass passes unexplained only under an approved ticket for this very
/// write.
pub(super) fn unless_unexplained(
    decided: Result<Decision, End>,
    unexplained: Option<Denial>,
) -> Result<Decision, End> {
    let Some(denial) = unexplained else {
        return decided;
    };
    let is_approved = |reason| matches!(reason, Reason::Approved | Reason::NoOp);
    match decided {
        Ok(Decision::Allow(grant)) if is_approved(grant.reason()) => Ok(Decision::Allow(grant)),
        Ok(Decision::Allow(_) | Decision::NeedsTicket(_)) | Err(End::Allow(_)) => Err(denial.into()),
        denied => denied,
    }
}
