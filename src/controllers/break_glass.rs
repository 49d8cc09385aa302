//! BreakGlass: whether the window is open, and who read afterwards what was done in it. That it ends is no deed of this
//! controller: decisions go by the time.

use std::sync::Arc;

use countersign_api::{
    BreakGlass, BreakGlassStatus, GROUP, Invalid, VERSION,
    break_glass::WindowState,
    condition::{ConditionStatus, Observation, set_condition},
    index::stamped_emergency,
};
use countersign_core::{
    audit::{
        Event, Record,
        record::{self, Word},
    },
    emergency::Emergency,
};
use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::{api::core::v1::ObjectReference, apimachinery::pkg::apis::meta::v1::Time};
use kube::{
    ResourceExt,
    runtime::{
        controller::{Action, Config, Controller},
        events::{self, EventType},
    },
};

use super::{
    Context, ReconcileError, retry,
    status::{Problem, apply_to, set_standing},
};
use crate::{
    feeds::Feed,
    violations::{publish, recorder},
};

/// Keeps the status of windows, and tells of their beginning and end.
pub async fn keep_emergencies(feed: Feed<BreakGlass>, context: Arc<Context>) {
    let store = feed.store.clone();
    Controller::for_stream(feed.touched(), store)
        .with_config(Config::default().concurrency(1))
        .run(reconcile, |_, error, _| retry(error), context)
        .for_each(|_| async {})
        .await;
}

async fn reconcile(object: Arc<BreakGlass>, context: Arc<Context>) -> Result<Action, ReconcileError> {
    let now = Timestamp::now();
    let window = stamped_emergency(&object, &context.state.snapshot().cluster);
    let shown = shown(&object);
    let next = assess(&object, window.as_ref(), now);
    if let Ok(window) = &window {
        for what in steps(&shown, &next) {
            context.log.append(record(&object, window, what)).await?;
            let event = event(&object, window, what);
            publish(&recorder(context.client.clone()), &event, &reference(&object)).await;
        }
    }
    if shown != next {
        apply_to(&*object, &next, &context.client).await?;
    }
    let left = window.ok().filter(|window| window.is_open(now));
    let left = left.and_then(|window| window.ends.duration_since(now).try_into().ok());
    Ok(left.map_or_else(Action::await_change, Action::requeue))
}

/// The status without what is told of relaxed writes.
fn shown(object: &BreakGlass) -> BreakGlassStatus {
    BreakGlassStatus {
        relaxed_writes: None,
        writes: Vec::new(),
        ..object.status.clone().unwrap_or_default()
    }
}

fn assess(object: &BreakGlass, window: Result<&Emergency, &Invalid>, now: Timestamp) -> BreakGlassStatus {
    let (mut status, generation) = (shown(object), object.metadata.generation);
    status.observed_generation = generation;
    let problem = window.err().map(|why| Problem::new("BadStamp", why.to_string()));
    set_standing(&mut status.conditions, problem, generation, now);
    let Ok(window) = window else {
        return status;
    };
    status.state = Some(if window.is_open(now) {
        WindowState::Open
    } else {
        WindowState::Ended
    });
    status.expires_at = Some(Time(window.ends));
    let (reason, message) = match &window.review {
        Some(review) => ("Reviewed", format!("by {}", review.reviewer)),
        None if window.is_open(now) => ("Open", "the window is open".to_owned()),
        None => (
            "AwaitsReview",
            "another admin reads what was done and says so: kubectl countersign admin break-glass review"
                .to_owned(),
        ),
    };
    let reviewed = Observation {
        kind: "Reviewed",
        status: ConditionStatus::from(window.review.is_some()),
        reason,
        message,
    };
    set_condition(&mut status.conditions, reviewed, generation, now);
    status
}

/// What happened between two states, in its order.
fn steps(before: &BreakGlassStatus, after: &BreakGlassStatus) -> Vec<&'static str> {
    let is_reviewed = |status: &BreakGlassStatus| {
        let mut conditions = status.conditions.iter();
        conditions.any(|one| one.type_ == "Reviewed" && one.status == "True")
    };
    let steps = [
        ("Opened", before.state.is_none()),
        (
            "Ended",
            before.state != after.state && after.state == Some(WindowState::Ended),
        ),
        ("Reviewed", !is_reviewed(before) && is_reviewed(after)),
    ];
    steps
        .into_iter()
        .filter(|(_, happened)| *happened)
        .map(|(what, _)| what)
        .collect()
}

fn record(object: &BreakGlass, window: &Emergency, what: &'static str) -> Record {
    let review = object.spec.review.as_ref().filter(|_| what == "Reviewed");
    Record {
        time: Timestamp::now(),
        event: Event::BreakGlass(record::BreakGlass {
            window: window.name.to_string(),
            person: window.person.clone(),
            what: Word::Borrowed(what),
            reason: review
                .map_or(&object.spec.reason, |review| &review.reason)
                .clone(),
            expires_at: window.ends,
            reviewer: review
                .and(window.review.as_ref())
                .map(|review| review.reviewer.clone()),
        }),
    }
}

fn event(object: &BreakGlass, window: &Emergency, what: &str) -> events::Event {
    events::Event {
        type_: EventType::Warning,
        reason: format!("BreakGlass{what}"),
        note: Some(format!(
            "window of {} until {}: {}",
            window.person,
            window.ends,
            object.spec.reason.chars().take(256).collect::<String>()
        )),
        action: what.to_owned(),
        secondary: None,
    }
}

fn reference(object: &BreakGlass) -> ObjectReference {
    ObjectReference {
        api_version: Some(format!("{GROUP}/{VERSION}")),
        kind: Some("BreakGlass".to_owned()),
        name: Some(object.name_any()),
        uid: object.uid(),
        ..ObjectReference::default()
    }
}
