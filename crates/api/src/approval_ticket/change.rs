//! The change that a ticket shows: granules with their values, or with digests where there is too much to show.

use std::collections::{BTreeMap, HashSet};

use countersign_core::{
    digest::Digest,
    hash::{EffectiveChange, Granule, Value},
};
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::{
    invalid::{Invalid, Problem},
    schema,
};

/// How many bytes of values a ticket shows at most.
const MAX_SHOWN: usize = 128 * 1024;

/// One part of an object that changes, with its old and its new value.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(
    "!(has(self.old) && has(self.oldDigest)) && !(has(self.new) && has(self.newDigest))"
).message("a part has each value or its digest, not both"))]
pub struct ChangedPart {
    /// Which part, as a JSON pointer: `/spec/replicas`, `/metadata/labels/app`, `/data/app.conf`. The empty
    /// pointer is the whole object, of a delete.
    #[schemars(length(max = schema::MAX_POINTER), regex(pattern = schema::POINTER))]
    pub pointer: String,

    /// The value before, as canonical JSON text, or `hmac-sha256:` and 64 hex digits for a value that is secret.
    /// Absent when there was none, and when `oldDigest` stands for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = MAX_SHOWN))]
    pub old: Option<String>,

    /// The value after, like `old`. Absent when the part is removed, and when `newDigest` stands for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = MAX_SHOWN))]
    pub new: Option<String>,

    /// The digest of the value before (`sha256:` and 64 hex digits), when there is too much to show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = schema::MAX_DIGEST), regex(pattern = schema::DIGEST))]
    pub old_digest: Option<String>,

    /// The digest of the value after, when there is too much to show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = schema::MAX_DIGEST), regex(pattern = schema::DIGEST))]
    pub new_digest: Option<String>,
}

/// Which values of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Those before.
    Old,
    /// Those after.
    New,
}

impl ChangedPart {
    /// The parts of a change as a ticket shows them: values while there is room, small ones first, so that one
    /// large value does not hide all others; of the rest their digests.
    pub fn list(change: &EffectiveChange) -> Vec<Self> {
        let mut order: Vec<_> = change.granules.iter().collect();
        order.sort_by_key(|granule| size(granule));
        let mut room = MAX_SHOWN;
        let fits = |granule: &&Granule| match room.checked_sub(size(granule)) {
            Some(rest) => {
                room = rest;
                true
            }
            None => false,
        };
        let shown: HashSet<_> = order
            .into_iter()
            .take_while(fits)
            .map(|granule| &granule.pointer)
            .collect();
        let part = |granule: &Granule| {
            if shown.contains(&granule.pointer) {
                full(granule)
            } else {
                digested(granule)
            }
        };
        change.granules.iter().map(part).collect()
    }

    /// Whether a value is too large to be shown.
    pub const fn is_digested(&self) -> bool {
        self.old_digest.is_some() || self.new_digest.is_some()
    }
}

/// What there is of a change in a sentence, when some of its values are too large to be shown.
pub fn summary(change: &EffectiveChange, parts: &[ChangedPart]) -> Option<String> {
    let hidden = parts.iter().filter(|part| part.is_digested()).count();
    let (all, bytes) = (parts.len(), change.granules.iter().map(size).sum::<usize>());
    (hidden > 0).then(|| {
        format!("{bytes} bytes of values in {all} parts; {hidden} of them are too large to be shown here")
    })
}

fn size(granule: &Granule) -> usize {
    [&granule.old, &granule.new]
        .into_iter()
        .flatten()
        .map(|value| value.as_str().len())
        .sum()
}

fn full(granule: &Granule) -> ChangedPart {
    let text = |value: &Option<Value>| value.as_ref().map(|value| value.as_str().to_owned());
    ChangedPart {
        pointer: granule.pointer.clone(),
        old: text(&granule.old),
        new: text(&granule.new),
        ..ChangedPart::default()
    }
}

fn digested(granule: &Granule) -> ChangedPart {
    let digest = |value: &Option<Value>| value.as_ref().map(|value| value.digest().to_string());
    ChangedPart {
        pointer: granule.pointer.clone(),
        old_digest: digest(&granule.old),
        new_digest: digest(&granule.new),
        ..ChangedPart::default()
    }
}

/// The digests of one side of a change, by pointer: what the resource hash and the old hash are computed from.
///
/// Every value has to be in the only form that hashes like the write itself: canonical, or redacted.
pub fn digests(change: &[ChangedPart], side: Side) -> Result<BTreeMap<&str, Option<Digest>>, Invalid> {
    let digest = |(at, part): (usize, &'_ ChangedPart)| {
        let (name, value, digest) = match side {
            Side::Old => ("old", &part.old, &part.old_digest),
            Side::New => ("new", &part.new, &part.new_digest),
        };
        let read = match (value, digest) {
            (Some(value), None) => value
                .parse::<Value>()
                .map(|value| Some(value.digest()))
                .map_err(Problem::from),
            (None, Some(digest)) => digest.parse().map(Some).map_err(Problem::from),
            (None, None) => Ok(None),
            (Some(_), Some(digest)) => Err(Problem::unexpected(
                digest,
                "alone: a part has a value or its digest",
            )),
        };
        read.map_err(|problem| problem.at(format!("spec.change[{at}].{name}")))
    };
    let parts = change.iter().enumerate();
    parts
        .map(|(at, part)| Ok((part.pointer.as_str(), digest((at, part))?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granule(pointer: &str, old: Option<&str>, new: Option<&str>) -> Granule {
        let value = |text: Option<&str>| text.map(|text| text.parse().unwrap());
        Granule {
            pointer: pointer.to_owned(),
            old: value(old),
            new: value(new),
        }
    }

    fn change(granules: Vec<Granule>) -> EffectiveChange {
        let resource_hash = Digest::of(&[]);
        EffectiveChange {
            granules,
            ignored: Vec::new(),
            resource_hash,
            old_hash: None,
        }
    }

    #[test]
    fn what_is_shown_has_the_digests_of_what_changes() {
        let large = format!("\"{}\"", "x".repeat(MAX_SHOWN));
        let secret = format!("hmac-sha256:{}", "0".repeat(64));
        let change = change(vec![
            granule("/data/large", Some("1"), Some(&large)),
            granule("/data/secret", None, Some(&secret)),
            granule("/spec/paused", Some("true"), None),
            granule("/spec/replicas", Some("3"), Some("5")),
        ]);
        let parts = ChangedPart::list(&change);
        let shown: Vec<_> = parts
            .iter()
            .map(|part| (part.old.as_deref(), part.new.as_deref()))
            .collect();
        assert_eq!(
            shown,
            [
                (None, None),
                (None, Some(&*secret)),
                (Some("true"), None),
                (Some("3"), Some("5"))
            ]
        );
        let digest = |value: &Option<Value>| value.as_ref().map(Value::digest);
        let old = change
            .granules
            .iter()
            .map(|g| (g.pointer.as_str(), digest(&g.old)))
            .collect();
        let new = change
            .granules
            .iter()
            .map(|g| (g.pointer.as_str(), digest(&g.new)))
            .collect();
        assert_eq!(digests(&parts, Side::Old), Ok(old));
        assert_eq!(digests(&parts, Side::New), Ok(new));
    }

    #[test]
    fn everything_is_shown_while_there_is_room() {
        let half = format!("\"{}\"", "x".repeat(MAX_SHOWN / 2 - 2));
        let parts = |pointers: &[&str]| {
            let change = change(
                pointers
                    .iter()
                    .map(|pointer| granule(pointer, None, Some(&half)))
                    .collect(),
            );
            let parts = ChangedPart::list(&change);
            let digested: Vec<_> = parts.iter().map(ChangedPart::is_digested).collect();
            (digested, summary(&change, &parts))
        };
        assert_eq!(parts(&["/a", "/b"]), (vec![false, false], None));
        let summary = "196608 bytes of values in 3 parts; 1 of them are too large to be shown here";
        assert_eq!(
            parts(&["/a", "/b", "/c"]),
            (vec![false, false, true], Some(summary.to_owned()))
        );
    }

    #[test]
    fn a_value_in_another_spelling_is_refused() {
        let part = ChangedPart {
            pointer: "/spec".to_owned(),
            new: Some("{ }".to_owned()),
            ..ChangedPart::default()
        };
        let error = digests(&[part], Side::New).unwrap_err();
        assert_eq!(error.field, "spec.change[0].new");
        assert!(matches!(error.problem, Problem::Value(_)), "{error}");
    }
}
