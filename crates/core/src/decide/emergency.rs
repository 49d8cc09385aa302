//! Break-glass: who opens, ends and reviews a window, and which writes one lets pass.

use std::sync::Arc;

use jiff::Timestamp;

use super::{End, operator, stolen, strict, subject::Actor};
use crate::{
    decision::{Cause, Denial, Findings, Grant, Reason},
    emergency::{Emergency, EmergencyReview, NAME_PREFIX, SKEW},
    hash::changed_pointers,
    own::{EmergencyChange, EmergencyDraft, Own},
    policy::{Policy, Scope},
    request::Request,
    role::Role,
    snapshot::{PolicyState, Snapshot},
};

/// What somebody may still set on a window that is there.
const SETTABLE: [&str; 2] = ["/spec/ended", "/spec/review"];

/// Ends the chain for windows of break-glass.
pub(super) fn judge(
    request: &Request<'_>,
    actor: &Actor,
    (snapshot, policy): (&Snapshot, &Policy),
    now: Timestamp,
) -> Result<(), End> {
    match request.own {
        Some(Own::BreakGlass(draft)) => {
            check_person(request, actor)?;
            check_draft(draft, request, actor, snapshot)?;
            check_window(draft, (snapshot, policy), now)?;
        }
        Some(Own::BreakGlassChange(change)) => check_change(change, request, actor, now)?,
        _ => return Ok(()),
    }
    Err(Grant::new(Reason::Workflow, None).into())
}

fn refused(message: impl Into<String>, cause: Cause) -> Denial {
    Denial::new(Reason::BreakGlassRefused, message).because(cause)
}

fn mismatch(message: impl Into<String>) -> Denial {
    Denial::new(Reason::BindingMismatch, message)
}

fn check_person(request: &Request<'_>, actor: &Actor) -> Result<(), Denial> {
    let who = &actor.subject.identity;
    if request.dry_run {
        let message = "a dry run opens no window: it would tell for nothing whether a passcode is right";
        return Err(refused(message, Cause::of_policy("spec.passcodeSecretRef")));
    }
    if !who.is_user() {
        let message = format!("{who} is no person: only people open a break-glass window");
        return Err(refused(message, actor.role_cause()));
    }
    if actor.role.role == Role::Reader {
        let message = format!("{who} is a reader, whom no window lets write: an admin grants a role first");
        return Err(refused(message, actor.role_cause()));
    }
    Ok(())
}

/// Whether what was signed is of this person, this cluster and this object.
fn check_draft(
    draft: &EmergencyDraft,
    request: &Request<'_>,
    actor: &Actor,
    snapshot: &Snapshot,
) -> Result<(), Denial> {
    let (window, who) = (&draft.window, &actor.subject.identity);
    if window.person != *who {
        let message = format!(
            "spec.personID: a window of {} is not yours to open, {who}",
            window.person
        );
        return Err(Denial::new(Reason::ForeignSubject, message));
    }
    if draft.cluster_id != *snapshot.cluster.id {
        return Err(mismatch(format!(
            "spec.clusterID: `{}` is not this cluster",
            draft.cluster_id
        )));
    }
    if request.target.name.strip_prefix(NAME_PREFIX) != Some(draft.nonce.as_str()) {
        let message = format!(
            "metadata.name: `{}` is not {NAME_PREFIX}{}, the name of this nonce",
            request.target.name, draft.nonce
        );
        return Err(mismatch(message));
    }
    if window.ended || window.review.is_some() {
        return Err(mismatch(
            "spec.ended, spec.review: a window is not over before it was opened",
        ));
    }
    Ok(())
}

/// Whether such a window may be opened now.
fn check_window(
    draft: &EmergencyDraft,
    (snapshot, policy): (&Snapshot, &Policy),
    now: Timestamp,
) -> Result<(), Denial> {
    let window = &draft.window;
    if policy.passcode.is_none() {
        let message = "there is no passcode: an admin names a Secret in spec.passcodeSecretRef, and sets one with \
                       kubectl countersign admin passcode set";
        return Err(refused(message, Cause::of_policy("spec.passcodeSecretRef")));
    }
    let (duration, most) = (
        window.ends.duration_since(window.begins),
        policy.break_glass.max_duration,
    );
    if duration > most {
        let message =
            format!("spec.duration: {duration:#} is more than {most:#}, the most that a window lasts");
        return Err(refused(message, Cause::of_policy("spec.breakGlass.maxDuration")));
    }
    check_time("spec.time", window.begins, now)?;
    if let Some(open) = snapshot.open_window(&window.person, now) {
        return Err(second_window(open));
    }
    if !draft.stamped {
        let message =
            "spec.stamp: it is not the operator's over this object: make it anew while the operator runs";
        return Err(Denial::new(Reason::OperatorOnly, message));
    }
    Ok(())
}

/// The denial of a window beside one that is open.
pub fn second_window(open: &Emergency) -> Denial {
    let message = format!(
        "{} has an open window already, `{}`, until {}: use it, or end it first",
        open.person, open.name, open.ends
    );
    refused(message, cause_of(open, "spec.duration"))
}

fn check_time(field: &str, time: Timestamp, now: Timestamp) -> Result<(), Denial> {
    let away = time.duration_since(now);
    if away.abs() <= SKEW {
        return Ok(());
    }
    let side = if away.is_positive() { "ahead of" } else { "behind" };
    Err(mismatch(format!(
        "{field}: `{time}` is {} s {side} the operator's clock, and {} s are the most: set the clock of the machine that \
         writes it, and try again",
        away.as_secs().abs(),
        SKEW.as_secs()
    )))
}

fn cause_of(window: &Emergency, field: &'static str) -> Cause {
    Cause::new("BreakGlass", window.name.clone(), field)
}

/// A window is ended once, and reviewed once; nothing else of it ever changes.
fn check_change(
    change: &EmergencyChange,
    request: &Request<'_>,
    actor: &Actor,
    now: Timestamp,
) -> Result<(), Denial> {
    let (before, after, who) = (&change.before, &change.after, &actor.subject.identity);
    let changed = changed_pointers(&request.change)?;
    let frozen = changed
        .iter()
        .find(|pointer| !SETTABLE.contains(&pointer.as_str()))
        .map(String::as_str)
        .or_else(|| (before.ended && !after.ended).then_some("/spec/ended"))
        .or_else(|| {
            let again = before.review.is_some() && changed.iter().any(|pointer| pointer == "/spec/review");
            again.then_some("/spec/review")
        });
    if let Some(pointer) = frozen {
        let message = format!("`{pointer}` of a window never changes: it is ended once, and reviewed once");
        return Err(Denial::new(Reason::Immutable, message));
    }
    let ends = !before.ended && after.ended;
    let may_end = who.is_user() && (*who == before.person || actor.is_admin());
    if ends && !may_end {
        let message = format!(
            "spec.ended: {who} is neither {}, whose window it is, nor an admin",
            before.person
        );
        return Err(refused(message, actor.role_cause()));
    }
    match &after.review {
        Some(review) if before.review.is_none() => {
            if change.writers.iter().any(|by| by == request.caller.username) {
                let message =
                    format!("spec.review.reviewer: {who} wrote in this window: another admin reviews it");
                return Err(Denial::new(Reason::IneligibleReviewer, message).because(actor.role_cause()));
            }
            check_review(review, before, actor, now)
        }
        _ => Ok(()),
    }
}

fn check_review(
    review: &EmergencyReview,
    window: &Emergency,
    actor: &Actor,
    now: Timestamp,
) -> Result<(), Denial> {
    let who = &actor.subject.identity;
    if review.reviewer != *who {
        let reviewer = &review.reviewer;
        let message = format!("spec.review.reviewer: a review by {reviewer} is not yours to make, {who}");
        return Err(Denial::new(Reason::ForeignSubject, message));
    }
    if !who.is_user() || !actor.is_admin() || *who == window.person {
        let message = format!(
            "spec.review.reviewer: {who} is not an admin other than {}, whose window it was",
            window.person
        );
        return Err(Denial::new(Reason::IneligibleReviewer, message).because(actor.role_cause()));
    }
    if window.is_open(now) {
        let message = format!(
            "spec.review: the window is open until {}: end it first, or wait",
            window.ends
        );
        return Err(mismatch(message).because(cause_of(window, "spec.duration")));
    }
    check_time("spec.review.time", review.time, now)
}

/// The open window that holds the rules off for this write, if one does: its opener's, or by the policy's scope
/// everybody's. Never an agent's, nor anybody's whom nobody knows.
pub(super) fn window<'s>(
    request: &Request<'_>,
    findings: &Findings,
    snapshot: &'s Snapshot,
    now: Timestamp,
) -> Option<&'s Arc<Emergency>> {
    let who = findings.subject.as_ref().filter(|who| who.is_user())?;
    let PolicyState::Loaded(policy) = &snapshot.policy else {
        return None;
    };
    if findings.integral || findings.lasting || is_out_of_reach(request, snapshot) {
        return None;
    }
    let own = snapshot.open_window(who, now);
    if request.target.group == operator::GROUP {
        return own.filter(|_| strict::is_switch_off(request));
    }
    match policy.break_glass.scope {
        Scope::Opener => own,
        Scope::Everyone => own.or_else(|| snapshot.any_open_window(now)),
    }
}

/// What a window would be opened with, recorded in and ended by, and what would outlast it.
fn is_out_of_reach(request: &Request<'_>, snapshot: &Snapshot) -> bool {
    let target = &request.target;
    let of_group = || {
        let group = target.name.split_once('.').map(|(_, group)| group);
        group == Some(operator::GROUP)
    };
    let kinds = target.is("apiextensions.k8s.io", "customresourcedefinitions") && of_group();
    let namespace = &*snapshot.cluster.namespace;
    let home = target.is("", "namespaces") && target.name == namespace;
    let at_home = target.namespace == Some(namespace);
    // A certificate in another's name would outlast the window.
    let certificates = target.is("certificates.k8s.io", "certificatesigningrequests");
    kinds || home || at_home || certificates || stolen::is_passcode(target, snapshot)
}
