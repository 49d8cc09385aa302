//! What people read: the message of a denial that an approval would lift, and the warnings of what passes.

use countersign_core::{
    advice::{Advice, Approval, Redaction},
    decision::{Demand, Denial, Grant, Reason},
    emergency::Emergency,
    hash::Value,
    own::Own,
    plain::plain,
    relax::Mode,
};

/// The denial that names the ticket, whom to ask, and the command that approves.
pub fn needs_approval((demand, reviews): (&Demand, u32), namespace: &str, name: &str) -> Denial {
    let reviews = match reviews {
        1 => String::new(),
        count => format!(" ({count} reviews)"),
    };
    let message = format!(
        "{} of `{}` needs approval{reviews}: ticket {name} in {namespace}, {}. Ask {} to run: \
         kubectl countersign approve {name} -n {namespace}",
        demand.binding.operation.verb(),
        demand.binding.target.target().place(),
        demand.change.resource_hash,
        demand.needs.whom(),
    );
    Denial::new(Reason::ApprovalRequired, message).because(demand.cause.clone())
}

/// The denial when no ticket was made.
pub fn without_ticket(demand: &Demand, why: &str) -> Denial {
    let message = format!(
        "{} of `{}` needs approval by {}, {}: {why}",
        demand.binding.operation.verb(),
        demand.binding.target.target().place(),
        demand.needs.whom(),
        demand.change.resource_hash,
    );
    Denial::new(Reason::ApprovalRequired, message).because(demand.cause.clone())
}

/// The warnings of a dry run that would need an approval: verdict, hashes, and the digests of what nobody may read.
pub fn preview(demand: &Demand) -> Vec<String> {
    let place = demand.binding.target.target().place();
    let approval = Advice::NeedsApproval(Box::new(Approval {
        whom: demand.needs.whom(),
        place: place.clone(),
        subject: demand.binding.subject.clone(),
        environment: demand.binding.environment,
        cluster: demand.binding.cluster_id.clone(),
        resource_hash: demand.binding.resource_hash,
        old_hash: demand.binding.old_hash,
        command_hash: demand.binding.command_hash,
        zone_claims: demand.binding.zone_claims.clone(),
    }));
    let redacted = |value: &Option<Value>| match value {
        Some(Value::Redacted(digest)) => Some(digest.to_string()),
        Some(Value::Json(_)) | None => None,
    };
    let redactions = demand.change.granules.iter().filter_map(|granule| {
        let (old, new) = (redacted(&granule.old), redacted(&granule.new));
        let hidden = old.is_some() || new.is_some();
        let redaction = Redaction {
            place: place.clone(),
            pointer: granule.pointer.clone(),
            old,
            new,
        };
        hidden.then(|| Advice::Redacted(redaction).to_string())
    });
    std::iter::once(approval.to_string()).chain(redactions).collect()
}

/// The warnings of what is allowed: which rule it breaks, and why it passes all the same; the window of break-glass that
/// it opens.
pub fn allowed(grant: &Grant, spared: Option<&Denial>, mode: &Mode, own: Option<&Own>) -> Vec<String> {
    let passes = match (grant.reason(), &mode.emergency) {
        (Reason::Emergency, Some(window)) => Some(format!("break-glass: on the record {}", said_of(window))),
        (Reason::Relaxed, _) if !mode.strict => {
            Some("strict mode is off: nothing that breaks a rule is stopped".to_owned())
        }
        _ => None,
    };
    let opens = match own {
        Some(Own::BreakGlass(draft)) => Some(format!(
            "break-glass: everything is on the record {}: {}",
            said_of(&draft.window),
            plain(&draft.reason)
        )),
        _ => None,
    };
    relaxed(spared).into_iter().chain(passes).chain(opens).collect()
}

fn said_of(window: &Emergency) -> String {
    format!(
        "of `{}`, open for {} until {}",
        window.name, window.person, window.ends
    )
}

fn relaxed(spared: Option<&Denial>) -> Vec<String> {
    let advice = spared.map(|denial| {
        Advice::Violation {
            reason: denial.reason,
            message: plain(&denial.to_string()),
        }
        .to_string()
    });
    advice.into_iter().collect()
}
