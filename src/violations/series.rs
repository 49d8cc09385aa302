//! Which violations have an Event already, and how many there were since.

use std::collections::HashMap;

use countersign_core::decision::Reason;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    api::{
        core::v1::ObjectReference,
        events::v1::{Event, EventSeries},
    },
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use serde_json::{Value, json};

use super::Violation;

/// How many Events are kept in mind: with [`FORGET`], how many are made in ten minutes at most.
const MOST: usize = 1000;

/// How long after the last violation the next one alike is new.
const FORGET: SignedDuration = SignedDuration::from_mins(10);

/// Where Events about objects without namespace are (the API server asks for it).
pub const CLUSTER_EVENTS: &str = "default";

/// Who writes the Events.
pub const CONTROLLER: &str = "countersign.dev/operator";

/// There are too many already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// The Events of the last minutes.
#[derive(Debug, Default)]
pub struct Known(HashMap<Alike, Series>);

/// What violations have in common that share an Event.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Alike {
    username: String,
    place: String,
    reason: Reason,
}

/// One Event, and what it says of how many.
#[derive(Debug)]
struct Series {
    namespace: String,
    name: String,
    count: i32,
    told: i32,
    last: Timestamp,
}

/// What an Event is to be told.
#[derive(Clone, Debug, PartialEq)]
pub struct Renewal {
    /// The namespace of the Event.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its series.
    pub patch: Value,
}

impl Known {
    /// The Event to make, unless there is one.
    pub fn note(&mut self, violation: Violation) -> Result<Option<Event>, Full> {
        self.note_at(violation, Timestamp::now())
    }

    /// What the Events are to be told by now; those that nothing was added to for long are forgotten.
    pub fn renewals(&mut self) -> Vec<Renewal> {
        self.renewals_at(Timestamp::now())
    }

    fn note_at(&mut self, violation: Violation, now: Timestamp) -> Result<Option<Event>, Full> {
        let alike = Alike {
            username: violation.username.clone(),
            place: violation.place.clone(),
            reason: violation.denial.reason,
        };
        if let Some(series) = self.0.get_mut(&alike) {
            series.count = series.count.saturating_add(1);
            series.last = now;
            return Ok(None);
        }
        if self.0.len() >= MOST {
            return Err(Full);
        }
        let event = event(violation, now);
        let series = Series {
            namespace: event.metadata.namespace.clone().unwrap_or_default(),
            name: event.metadata.name.clone().unwrap_or_default(),
            count: 1,
            told: 1,
            last: now,
        };
        self.0.insert(alike, series);
        Ok(Some(event))
    }

    fn renewals_at(&mut self, now: Timestamp) -> Vec<Renewal> {
        self.0
            .retain(|_, series| series.grew() || now.duration_since(series.last) < FORGET);
        let grown = self.0.values_mut().filter(|series| series.grew());
        grown.map(Series::renew).collect()
    }
}

impl Series {
    /// Whether the Event says less than there was.
    const fn grew(&self) -> bool {
        self.count > self.told
    }

    fn renew(&mut self) -> Renewal {
        self.told = self.count;
        let series = EventSeries {
            count: self.count,
            last_observed_time: MicroTime(self.last),
        };
        Renewal {
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            patch: json!({ "series": series }),
        }
    }
}

fn event(violation: Violation, now: Timestamp) -> Event {
    let regarding = violation.regarding;
    let namespace = regarding.namespace.as_deref().unwrap_or(CLUSTER_EVENTS);
    Event {
        metadata: ObjectMeta {
            namespace: Some(namespace.to_owned()),
            name: Some(format!("countersign.{:x}", now.as_nanosecond())),
            ..ObjectMeta::default()
        },
        event_time: Some(MicroTime(now)),
        type_: Some("Warning".to_owned()),
        reason: Some(violation.denial.reason.to_string()),
        action: Some(violation.action.to_owned()),
        note: Some(violation.note),
        related: Some(caller(&violation.username)),
        regarding: Some(regarding),
        reporting_controller: Some(CONTROLLER.to_owned()),
        reporting_instance: Some("countersign".to_owned()),
        ..Event::default()
    }
}

/// The caller, as bindings of RBAC name one.
fn caller(username: &str) -> ObjectReference {
    let account = username
        .strip_prefix("system:serviceaccount:")
        .and_then(|account| account.split_once(':'));
    match account {
        Some((namespace, name)) => ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("ServiceAccount".to_owned()),
            namespace: Some(namespace.to_owned()),
            name: Some(name.to_owned()),
            ..ObjectReference::default()
        },
        None => ObjectReference {
            api_version: Some("rbac.authorization.k8s.io/v1".to_owned()),
            kind: Some("User".to_owned()),
            name: Some(username.to_owned()),
            ..ObjectReference::default()
        },
    }
}

#[cfg(test)]
mod tests {
    use countersign_core::{audit::record::Verdict, decision::Denial};

    use super::*;

    fn violation(username: &str, name: &str, reason: Reason) -> Violation {
        Violation {
            action: "Warned",
            username: username.to_owned(),
            place: format!("billing/configmaps/{name}"),
            denial: Denial::new(reason, "no"),
            verdict: Verdict::Deny,
            environment: None,
            regarding: ObjectReference {
                namespace: Some("billing".to_owned()),
                ..ObjectReference::default()
            },
            note: "no".to_owned(),
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
    }

    /// Whether the violation has an Event of its own.
    fn is_new(known: &mut Known, violation: Violation, seconds: i64) -> bool {
        known.note_at(violation, at(seconds)).unwrap().is_some()
    }

    #[test]
    fn alike_are_those_of_one_caller_at_one_place_for_one_reason() {
        let mut known = Known::default();
        let mallory = || violation("mallory", "a", Reason::NotOfZone);
        assert!(is_new(&mut known, mallory(), 0));
        assert!(!is_new(&mut known, mallory(), 1));
        assert!(is_new(&mut known, violation("ron", "a", Reason::NotOfZone), 2));
        assert!(is_new(
            &mut known,
            violation("mallory", "b", Reason::NotOfZone),
            3
        ));
        assert!(is_new(
            &mut known,
            violation("mallory", "a", Reason::ReaderWrites),
            4
        ));
    }

    #[test]
    fn an_event_is_told_how_many_there_were_and_then_forgotten() {
        let mut known = Known::default();
        let mallory = || violation("mallory", "a", Reason::NotOfZone);
        let name = known.note_at(mallory(), at(0)).unwrap().unwrap().metadata.name;
        assert_eq!(known.renewals_at(at(60)), [], "nothing was added");
        for second in 61..64 {
            assert!(!is_new(&mut known, mallory(), second));
        }
        let renewals = known.renewals_at(at(120));
        let [renewal] = &renewals[..] else {
            panic!("{renewals:?}")
        };
        assert_eq!(
            (Some(&renewal.name), &*renewal.namespace),
            (name.as_ref(), "billing")
        );
        assert_eq!(renewal.patch["series"]["count"], 4);
        assert_eq!(
            renewal.patch["series"]["lastObservedTime"],
            "1970-01-01T00:01:03.000000Z"
        );
        assert_eq!(known.renewals_at(at(180)), []);
        assert_eq!(known.renewals_at(at(63 + 600)), []);
        assert!(is_new(&mut known, mallory(), 664), "it was forgotten");
    }

    #[test]
    fn there_are_no_more_events_than_are_kept_in_mind() {
        let mut known = Known::default();
        let numbered = |number: usize| violation("mallory", &number.to_string(), Reason::NotOfZone);
        for number in 0..MOST {
            assert!(is_new(&mut known, numbered(number), 0));
        }
        assert_eq!(known.note_at(numbered(MOST), at(1)), Err(Full));
        assert_eq!(
            known.note_at(numbered(0), at(2)),
            Ok(None),
            "known ones are counted on"
        );
        known.renewals_at(at(60));
        known.renewals_at(at(601));
        assert!(is_new(&mut known, numbered(MOST), 602));
    }

    #[test]
    fn events_of_objects_without_namespace_are_in_default() {
        let mut of_cluster = violation("system:serviceaccount:ci:bot", "a", Reason::Unzoned);
        of_cluster.regarding.namespace = None;
        let event = event(of_cluster, at(0));
        assert_eq!(event.metadata.namespace.as_deref(), Some("default"));
        let related = event.related.unwrap();
        assert_eq!(
            (
                related.kind.as_deref(),
                related.namespace.as_deref(),
                related.name.as_deref()
            ),
            (Some("ServiceAccount"), Some("ci"), Some("bot"))
        );
    }
}
