//! What the audit log must say of a write of the walk: the right object, the right place, and the rule that stopped it.

use countersign_core::audit::record::{Decision, Verdict};

use super::{
    call::Answer,
    discovery::{Verb, Write},
    place::OWN_GROUP,
};

/// Why Countersign's own kinds are denied to a contributor; some before the environment is asked for.
const OWN_REASONS: [&str; 7] = [
    "AdminOnly",
    "OperatorOnly",
    "Immutable",
    "ForeignSubject",
    "IneligibleReviewer",
    "StrictMode",
    "BadIntent",
];

/// Whether a write was judged, each time for what it is, and refused for that.
pub fn check(write: &Write, name: &str, decisions: &[Decision], answer: &Answer) -> Result<(), String> {
    if decisions.is_empty() {
        return Err(format!("did not reach the webhook: {answer:?}"));
    }
    decisions
        .iter()
        .try_for_each(|decision| check_one(write, name, decision))?;
    let reason = &decisions[0].reason;
    let said = format!("denied the request: {reason}: ");
    match answer {
        Err(status) if status.code == 403 && status.message.contains(&said) => Ok(()),
        other => Err(format!(
            "was denied for {reason}, but the API server says {other:?}"
        )),
    }
}

fn check_one(write: &Write, name: &str, decision: &Decision) -> Result<(), String> {
    let resource = &write.resource;
    let asked = &decision.request;
    let (place, (_, part)) = (resource.place(name), resource.known_as());
    let seen = (
        &*asked.operation,
        &*asked.object,
        asked.subresource.as_deref().unwrap_or_default(),
    );
    let meant = (write.verb.operation(), &*place, part);
    if seen != meant {
        return Err(format!("was judged as {seen:?} instead of {meant:?}"));
    }
    if decision.verdict != Verdict::Deny || decision.relaxation.is_some() {
        return Err(format!("was not denied: {decision:?}"));
    }
    let environment = resource.environment();
    let by_rule = if resource.group == OWN_GROUP {
        asked.env.is_none_or(|env| env == environment) && OWN_REASONS.contains(&&*decision.reason)
    } else {
        asked.env == Some(environment) && is_by_zone(decision, &resource.zone_name())
    };
    by_rule
        .then_some(())
        .ok_or_else(|| format!("was judged by another rule or in another place: {decision:?}"))
}

/// Whether the zone of this name decided.
fn is_by_zone(decision: &Decision, name: &str) -> bool {
    let zone = decision.decided_by.as_ref();
    decision.reason == "NotOfZone" && zone.is_some_and(|by| by.kind == "Zone" && by.name == name)
}

impl Verb {
    const fn operation(self) -> &'static str {
        match self {
            Self::Create => "Create",
            Self::Update | Self::Patch(_) => "Update",
            Self::Delete | Self::DeleteCollection => "Delete",
            Self::Connect(_) => "Connect",
        }
    }
}
