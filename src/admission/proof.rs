//! What the audit log keeps of a write beside its decision: what an agent signed, and how what permits was changed.

use countersign_core::{
    audit::{
        Event, Record,
        record::{KeyRotation, PermissionChange, SignedIntent},
    },
    decision::{Covered, Decision, Findings},
    hash::changed_pointers,
    own::{AgentDraft, Own},
    request::Request,
    snapshot::Snapshot,
};
use jiff::Timestamp;

use super::{outcome::findings_about, review::AdmissionRequest, seal};

/// How many fields of a change are named.
const MOST_FIELDS: usize = 64;

/// What is kept of a request that is let through.
#[derive(Debug, Default)]
pub struct Proof {
    /// The intent that it makes: part of the record of the decision.
    pub intent: Option<SignedIntent>,
    /// What has a record of its own, which comes before that.
    events: Vec<Event>,
}

impl Proof {
    /// What is kept of the request, if it is let through by `decision`.
    pub fn of(
        request: &AdmissionRequest<'_>,
        judged: &Request<'_>,
        (decision, findings): (&Decision, &Findings),
        snapshot: &Snapshot,
    ) -> Self {
        if judged.dry_run {
            return Self::default();
        }
        let rotation = match judged.own {
            Some(Own::Agent(draft)) => rotation(draft, judged, snapshot),
            _ => None,
        };
        let covered = match decision {
            Decision::Allow(grant) => grant.ticket(),
            Decision::Deny(_) | Decision::NeedsTicket(_) => None,
        };
        let change = permission_change(request, judged, (covered, findings), snapshot);
        Self {
            intent: intent(judged, snapshot),
            events: change.into_iter().chain(rotation).collect(),
        }
    }

    /// What is kept of a request that the rules could not judge, if it is let through all the same.
    pub fn unjudged(request: &AdmissionRequest<'_>, snapshot: &Snapshot) -> Self {
        let judged = request.judged(None, None).ok().filter(|judged| !judged.dry_run);
        let change = judged.and_then(|judged| {
            let findings = findings_about(&Findings::default(), &judged.caller, snapshot);
            permission_change(request, &judged, (None, &findings), snapshot)
        });
        Self {
            intent: None,
            events: change.into_iter().collect(),
        }
    }

    /// The records of their own.
    pub fn records(&self) -> impl Iterator<Item = Record> {
        self.events.iter().map(|event| Record {
            time: Timestamp::now(),
            event: event.clone(),
        })
    }
}

fn intent(judged: &Request<'_>, snapshot: &Snapshot) -> Option<SignedIntent> {
    let Some(Own::Intent(draft)) = judged.own else {
        return None;
    };
    let signed = draft.signed.clone();
    let key = snapshot.agent(&signed.statement.agent)?.key?;
    Some(SignedIntent {
        public_key: key.to_string(),
        signed,
    })
}

/// An agent has another key from now on.
fn rotation(draft: &AgentDraft, judged: &Request<'_>, snapshot: &Snapshot) -> Option<Event> {
    let (agent, former) = (&draft.agent, draft.former?);
    let (key, rotation) = (agent.key?, agent.rotation.as_ref()?);
    (key != former.key).then(|| {
        Event::KeyRotation(Box::new(KeyRotation {
            by: judged.caller.username.to_owned(),
            owner: agent.owner.clone(),
            statement: rotation.statement(&agent.identity, &snapshot.cluster.id, &key),
            signature: rotation.signature.to_string(),
        }))
    })
}

/// A kind that permits says something else from now on; what changes around its spec is no change of that.
fn permission_change(
    request: &AdmissionRequest<'_>,
    judged: &Request<'_>,
    (covered, findings): (Option<&Covered>, &Findings),
    snapshot: &Snapshot,
) -> Option<Event> {
    let (before, after) = seal::contents(request)?;
    let kind = after.as_ref().or(before.as_ref())?.kind.clone();
    let (before, after) = (before.map(|said| said.spec), after.map(|says| says.spec));
    if before == after {
        return None;
    }
    let is_update = before.is_some() && after.is_some();
    let mut fields = is_update
        .then(|| changed_pointers(&judged.change).ok())
        .flatten()
        .unwrap_or_default();
    fields.truncate(MOST_FIELDS);
    let asked = snapshot.policy.get().is_some_and(|policy| policy.strict_mode);
    let strict_mode = match judged.own {
        Some(Own::AccessPolicy(next)) => Some(next.strict_mode).filter(|next| *next != asked),
        _ => None,
    };
    let claims = covered.map(|covered| &covered.ticket.binding.zone_claims);
    Some(Event::PermissionChange(Box::new(PermissionChange {
        request: request.uid.to_string(),
        by: judged.caller.username.to_owned(),
        owner: findings.answerable.clone(),
        kind: kind.into(),
        name: judged.target.name.to_owned(),
        before,
        after,
        fields,
        strict_mode,
        zone_claims: claims.into_iter().flatten().map(ToString::to_string).collect(),
    })))
}
