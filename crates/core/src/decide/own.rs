//! Integrity of the kinds that permit: what is wrong here is refused in every mode, whoever writes it.

use jiff::Timestamp;

use super::{End, guardrail::agents_of, operator, registration, strict, subject::Actor};
use crate::{
    decision::{Cause, Denial, Reason},
    own::Own,
    policy::Policy,
    request::Request,
    snapshot::Snapshot,
    zones::Zone,
};

/// Refuses what is not valid, before anything is asked about who writes it.
pub(super) fn check(request: &Request<'_>, snapshot: &Snapshot, now: Timestamp) -> Result<(), End> {
    if request.target.group != operator::GROUP {
        return match request.own {
            Some(Own::Unsealed { attestation }) => Err(unsealed(request, attestation).into()),
            _ => Ok(()),
        };
    }
    let Some(own) = request.own else {
        let message = format!(
            "`{}` is of a kind or version this operator does not know",
            request.target.place()
        );
        return Err(Denial::new(Reason::Invalid, message).into());
    };
    match own {
        Own::Invalid(why) => Err(Denial::new(Reason::Invalid, why.clone())),
        Own::Unsealed { attestation } => Err(unsealed(request, attestation)),
        Own::Zone(zone) => check_overlap(zone, snapshot),
        Own::Agent(draft) => registration::check_agent(draft, snapshot, now),
        Own::WriteDelegation(delegation) => registration::check_delegation(delegation, snapshot),
        Own::AccessPolicy(next) => strict::check_policy(next, snapshot),
        Own::RoleGrant { identity, role } => {
            strict::check_live_admins(request.target.name, Some((identity, *role)), snapshot)
        }
        Own::Removed => match request.target.resource {
            "accesspolicies" => strict::check_policy_stays(snapshot),
            "rolegrants" => strict::check_live_admins(request.target.name, None, snapshot),
            _ => Ok(()),
        },
        Own::Team(_)
        | Own::Ticket(_)
        | Own::Review(_)
        | Own::Intent(_)
        | Own::BreakGlass(_)
        | Own::BreakGlassChange(_) => Ok(()),
    }
    .map_err(End::from)
}

/// Refuses a change of strict mode to whom no rule, and no relaxation of one, may permit it. Nobody identified is no
/// human.
pub(super) fn check_switch(
    request: &Request<'_>,
    actor: Option<&Actor>,
    (snapshot, policy): (&Snapshot, &Policy),
    now: Timestamp,
) -> Result<(), End> {
    match request.own {
        Some(Own::AccessPolicy(next)) => {
            let agent = agents_of(&request.caller, snapshot).next();
            strict::check_switch(next, (agent.map(AsRef::as_ref), actor), policy)?;
            strict::check_lock(next, request, (actor, snapshot, policy), now)?;
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Whoever approved the change would read the change alone, and not what nobody judged.
fn unsealed(request: &Request<'_>, attestation: &str) -> Denial {
    let target = &request.target;
    let (instead, field) = match target.group {
        operator::GROUP => ("delete it and make it anew", "status.seal"),
        _ => ("give it back the labels that it had", "metadata.labels"),
    };
    let message = format!(
        "`{}` bears no seal: nobody judged what it says now. Read all of it; then {instead}, or attest \
         it: kubectl countersign admin attest {} {} (or annotate {attestation})",
        target.place(),
        target.resource,
        target.name
    );
    let cause = Cause::new(target.kind.to_owned(), target.name, field);
    Denial::new(Reason::Unsealed, message).because(cause)
}

fn check_overlap(zone: &Zone, snapshot: &Snapshot) -> Result<(), Denial> {
    let Some(overlap) = snapshot.zones.overlap(zone) else {
        return Ok(());
    };
    let message = format!(
        "zone `{}` and zone `{}` would both hold `{}`: zones do not overlap, narrow one of them",
        zone.name, overlap.other, overlap.witness
    );
    let cause = Cause::new("Zone", overlap.other, "spec.objects");
    Err(Denial::new(Reason::ZoneOverlap, message).because(cause))
}
