//! What keeps strict mode from being lost: its policy, its switch, and enough people who can turn it.

use jiff::Timestamp;

use super::subject::Actor;
use crate::{
    decision::{Cause, Denial, Reason},
    hash::changed_pointers,
    identity::Identity,
    own::Own,
    policy::{LIVE_ADMINS, Policy, Shown},
    request::{Operation, Request},
    role::Role,
    snapshot::{Agent, Grant, Snapshot, is_live_admin},
};

/// What is written with the switch of strict mode.
const SWITCH: [&str; 2] = ["/spec/strictMode", "/spec/strictModeDigest"];

fn denial(reason: Reason, message: impl Into<String>) -> Denial {
    Denial::new(reason, message).because(Cause::of_policy("spec.strictMode"))
}

fn is_strict(snapshot: &Snapshot) -> bool {
    snapshot.latched || snapshot.policy.get().is_some_and(|policy| policy.strict_mode)
}

/// The policy is not deleted while strict mode is on.
pub(super) fn check_policy_stays(snapshot: &Snapshot) -> Result<(), Denial> {
    if is_strict(snapshot) {
        let message = "the AccessPolicy is not deleted while strict mode is on: turn strict mode off first";
        return Err(denial(Reason::StrictMode, message));
    }
    Ok(())
}

/// Strict mode is not turned on before there are enough live admins, nor made to need more than there are, nor for
/// something else than was shown.
pub(super) fn check_policy(next: &Policy, snapshot: &Snapshot) -> Result<(), Denial> {
    let present = snapshot.policy.get().filter(|policy| policy.strict_mode);
    let needed_now = present.map_or(0, |policy| policy.admins_needed());
    let (needed, live) = (next.admins_needed(), snapshot.live_admins().len());
    if next.strict_mode && needed > needed_now && live < needed {
        let message = format!(
            "spec.strictMode: {live} live human admins, and {needed} are needed: grant the role admin to people \
             with RoleGrants, and let each make any change, so that it is seen that they can"
        );
        return Err(denial(Reason::TooFewAdmins, message));
    }
    check_shown(next, snapshot)
}

/// While strict mode is on and locked, nothing but a window of break-glass turns it off, and it stays locked.
pub(super) fn check_lock(
    next: &Policy,
    request: &Request<'_>,
    (actor, snapshot, policy): (Option<&Actor>, &Snapshot, &Policy),
    now: Timestamp,
) -> Result<(), Denial> {
    if !policy.strict_mode || !policy.strict_mode_locked {
        return Ok(());
    }
    let in_window =
        || actor.is_some_and(|actor| snapshot.open_window(&actor.subject.identity, now).is_some());
    let opens = next.strict_mode || (is_switch_off(request) && in_window());
    let message = if !opens {
        "spec.strictMode: it is locked, and only a write that does nothing else opens it, by a person with an open \
         break-glass window: kubectl countersign admin break-glass --reason \"...\""
    } else if next.strict_mode && !next.strict_mode_locked {
        "spec.strictModeLocked: it is not unlocked while strict mode is on: turn strict mode off first, in a \
         break-glass window"
    } else {
        return Ok(());
    };
    let cause = Cause::of_policy("spec.strictModeLocked");
    Err(Denial::new(Reason::StrictMode, message).because(cause))
}

/// Whether the write turns strict mode off and does nothing else: the one write of a kind that permits which a window
/// of break-glass lets pass.
pub(super) fn is_switch_off(request: &Request<'_>) -> bool {
    let Some(Own::AccessPolicy(next)) = request.own else {
        return false;
    };
    let switches = |pointer: &String| SWITCH.contains(&pointer.as_str());
    let changed = changed_pointers(&request.change).is_ok_and(|changed| changed.iter().all(switches));
    request.operation == Operation::Update && !next.strict_mode && changed
}

/// Whoever turns strict mode on by a digest turns it on for what they looked at.
fn check_shown(next: &Policy, snapshot: &Snapshot) -> Result<(), Denial> {
    let turns_on = next.strict_mode && !snapshot.is_strict();
    let Some(Shown { digest: shown, .. }) = next.shown.filter(|_| turns_on) else {
        return Ok(());
    };
    let mut permissions = snapshot.permissions.clone();
    permissions.note("AccessPolicy".into(), "default".into(), Some(next.unswitched));
    let present = permissions.digest();
    if shown == present {
        return Ok(());
    }
    let message = format!(
        "spec.strictModeDigest: the permission objects have the digest {present} now, and not {shown}: look at them \
         again with kubectl countersign admin enable-strict, or leave the digest out"
    );
    let cause = Cause::of_policy("spec.strictModeDigest");
    Err(Denial::new(Reason::PermissionsChanged, message).because(cause))
}

/// Only a human admin turns strict mode off; an agent, whether it may act or not, never touches it, nor its lock.
pub(super) fn check_switch(
    next: &Policy,
    (agent, actor): (Option<&Agent>, Option<&Actor>),
    policy: &Policy,
) -> Result<(), Denial> {
    let turns = next.strict_mode != policy.strict_mode;
    if !turns && next.strict_mode_locked == policy.strict_mode_locked {
        return Ok(());
    }
    if let Some(Agent { identity, .. }) = agent {
        let field = if turns {
            "spec.strictMode"
        } else {
            "spec.strictModeLocked"
        };
        let message =
            format!("{field}: {identity} is an agent: only people turn strict mode on and off, and lock it");
        return Err(denial(Reason::StrictMode, message));
    }
    let is_human_admin = |actor: &Actor| actor.subject.identity.is_user() && actor.is_admin();
    if turns && !next.strict_mode && !actor.is_some_and(is_human_admin) {
        let who = actor.map_or("whoever asks", |actor| actor.subject.identity.as_str());
        let message = format!("spec.strictMode: {who} is no human admin: only they turn strict mode off");
        return Err(denial(Reason::StrictMode, message));
    }
    Ok(())
}

/// Refuses a write of the grant `name` that would leave too few live admins: one that takes it away, or makes it
/// contradict another. `after` is what the grant would say.
pub(super) fn check_live_admins(
    name: &str,
    after: Option<(&Identity, Role)>,
    snapshot: &Snapshot,
) -> Result<(), Denial> {
    if !is_strict(snapshot) {
        return Ok(());
    }
    let live = snapshot.live_admins();
    let remaining = live
        .iter()
        .filter(|who| {
            let of_grant = after
                .filter(|(identity, _)| identity == *who)
                .map(|(_, role)| role);
            stays_live(who, name, of_grant, snapshot)
        })
        .count();
    let needed = snapshot
        .policy
        .get()
        .map_or(LIVE_ADMINS, |policy| policy.admins_needed());
    if remaining < live.len() && remaining < needed {
        let message = format!("{remaining} live human admins would remain, and strict mode needs {needed}");
        return Err(denial(Reason::TooFewAdmins, message));
    }
    Ok(())
}

/// Whether a live admin is one still, once the grant `name` gives them `role`, or nothing.
fn stays_live(who: &Identity, name: &str, role: Option<Role>, snapshot: &Snapshot) -> bool {
    let present = snapshot.grants.get(who).into_iter().flatten();
    let (mut changed, mut others): (Vec<_>, Vec<_>) =
        present.cloned().partition(|grant| *grant.name == *name);
    if let Some(role) = role {
        let last_seen = changed.pop().and_then(|grant| grant.last_seen);
        others.push(Grant {
            name: name.into(),
            role,
            last_seen,
        });
    }
    is_live_admin(&others)
}
