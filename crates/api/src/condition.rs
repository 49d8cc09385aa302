//! Conditions: what the operator observed of an object.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::{Schema, SchemaGenerator, json_schema};

/// What a condition says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// It cannot be told.
    Unknown,
}

impl ConditionStatus {
    /// `True`, `False` or `Unknown`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

impl From<bool> for ConditionStatus {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

/// One observation, before it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation<'a> {
    /// The condition's type, such as `Ready`.
    pub kind: &'a str,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// Why, as one PascalCase word.
    pub reason: &'a str,
    /// Why, as a sentence; at most 32768 characters are kept.
    pub message: String,
}

/// The longest message that a condition may have, in characters.
const MAX_MESSAGE: usize = 32_768;

/// Sets a condition as observed of the given generation.
///
/// `lastTransitionTime` moves only when the status does, so that an unchanged condition is an unchanged object.
pub fn set_condition(
    conditions: &mut Vec<Condition>,
    observed: Observation<'_>,
    generation: Option<i64>,
    now: Timestamp,
) {
    let present = conditions
        .iter()
        .position(|condition| condition.type_ == observed.kind);
    let since = present
        .and_then(|at| conditions.get(at))
        .filter(|condition| condition.status == observed.status.as_str())
        .map_or(Time(now), |condition| condition.last_transition_time.clone());
    let condition = Condition {
        last_transition_time: since,
        message: bounded(observed.message),
        observed_generation: generation,
        reason: observed.reason.to_owned(),
        status: observed.status.as_str().to_owned(),
        type_: observed.kind.to_owned(),
    };
    match present.and_then(|at| conditions.get_mut(at)) {
        Some(slot) => *slot = condition,
        None => conditions.push(condition),
    }
}

fn bounded(mut message: String) -> String {
    if let Some((end, _)) = message.char_indices().nth(MAX_MESSAGE) {
        message.truncate(end);
    }
    message
}

/// Removes a condition that no longer holds, such as `Degraded`.
pub fn remove_condition(conditions: &mut Vec<Condition>, kind: &str) {
    conditions.retain(|condition| condition.type_ != kind);
}

/// The schema of a list of conditions: one of each type, bounded.
pub fn schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 16,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "description": "One observation of the operator about this object.",
            "type": "object",
            "required": ["type", "status", "lastTransitionTime", "reason", "message"],
            "properties": {
                "type": {
                    "description": "What is observed, such as `Ready`.",
                    "type": "string", "maxLength": 63, "pattern": "^[A-Z][A-Za-z]*$",
                },
                "status": {
                    "description": "Whether it holds.",
                    "type": "string", "enum": ["True", "False", "Unknown"],
                },
                "observedGeneration": {
                    "description": "The `metadata.generation` that was looked at.",
                    "type": "integer", "format": "int64", "minimum": 0,
                },
                "lastTransitionTime": {
                    "description": "When `status` changed last.",
                    "type": "string", "format": "date-time",
                },
                "reason": {
                    "description": "Why, as one word for programs.",
                    "type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[A-Za-z]([A-Za-z0-9]*)$",
                },
                "message": {
                    "description": "Why, as a sentence for people.",
                    "type": "string", "maxLength": 32_768,
                },
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(status: ConditionStatus, reason: &'static str) -> Observation<'static> {
        Observation {
            kind: "Ready",
            status,
            reason,
            message: String::new(),
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_transition_time_moves_with_the_status_only() {
        let mut conditions = Vec::new();
        set_condition(
            &mut conditions,
            ready(ConditionStatus::Unknown, "Seen"),
            Some(1),
            at(1),
        );
        set_condition(
            &mut conditions,
            ready(ConditionStatus::False, "Overlaps"),
            Some(1),
            at(2),
        );
        set_condition(
            &mut conditions,
            ready(ConditionStatus::False, "BadGlob"),
            Some(2),
            at(3),
        );
        let [condition] = conditions.as_slice() else {
            panic!("one condition, not {conditions:?}")
        };
        assert_eq!(condition.last_transition_time, Time(at(2)));
        assert_eq!(
            (condition.reason.as_str(), condition.observed_generation),
            ("BadGlob", Some(2))
        );
    }

    #[test]
    fn removal_takes_the_one_type() {
        let mut conditions = Vec::new();
        set_condition(&mut conditions, ready(true.into(), "Sealed"), None, at(1));
        let degraded = Observation {
            kind: "Degraded",
            ..ready(true.into(), "Unsealed")
        };
        set_condition(&mut conditions, degraded, None, at(1));
        remove_condition(&mut conditions, "Degraded");
        assert_eq!(
            conditions.iter().map(|c| c.type_.as_str()).collect::<Vec<_>>(),
            ["Ready"]
        );
    }
}
