//! What ends an object, or what belongs to it, at once or later: the class of writes that an agent explains beforehand.

use std::{collections::BTreeSet, fmt};

use crate::{
    object::{Change, Object, ObjectError},
    request::{Operation, Request},
};

/// How a write ends something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It deletes the object.
    Deletes,
    /// It evicts the pod.
    Evicts,
    /// It takes a finalizer away, for which a deletion waits.
    Releases,
    /// It changes the owners, with whose end the object ends.
    Owns,
    /// It says when the object, or what it made, is deleted: at this field.
    Expires(&'static str),
    /// It leaves no pod of what it runs: at this field.
    Empties(&'static str),
    /// It has what the object stands for deleted with it: at this field.
    Reclaims(&'static str),
    /// It evicts pods from the node.
    Taints,
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deletes => f.write_str("this deletes the object"),
            Self::Evicts => f.write_str("this evicts the pod"),
            Self::Releases => f.write_str("this takes a finalizer away"),
            Self::Owns => f.write_str("this changes the owners with which the object ends"),
            Self::Expires(field) => write!(f, "{field}: this says when something is deleted"),
            Self::Empties(field) => write!(f, "{field}: this leaves nothing running"),
            Self::Reclaims(field) => write!(f, "{field}: this has the storage deleted as well"),
            Self::Taints => f.write_str("spec.taints: this evicts pods from the node"),
        }
    }
}

/// A field, as messages write it, and the keys that lead there.
type Path = (&'static str, &'static [&'static str]);

/// Times and numbers beyond which something is deleted. None is no limit.
const LIMITS: [Path; 7] = [
    (
        "spec.ttlSecondsAfterFinished",
        &["spec", "ttlSecondsAfterFinished"],
    ),
    ("spec.activeDeadlineSeconds", &["spec", "activeDeadlineSeconds"]),
    (
        "spec.jobTemplate.spec.ttlSecondsAfterFinished",
        &["spec", "jobTemplate", "spec", "ttlSecondsAfterFinished"],
    ),
    (
        "spec.jobTemplate.spec.activeDeadlineSeconds",
        &["spec", "jobTemplate", "spec", "activeDeadlineSeconds"],
    ),
    (
        "spec.successfulJobsHistoryLimit",
        &["spec", "successfulJobsHistoryLimit"],
    ),
    ("spec.failedJobsHistoryLimit", &["spec", "failedJobsHistoryLimit"]),
    ("spec.revisionHistoryLimit", &["spec", "revisionHistoryLimit"]),
];

/// How many pods there are. None is one; in the body of `scale`, which leaves zero out, none.
const COUNTS: [Path; 2] = [
    ("spec.replicas", &["spec", "replicas"]),
    ("spec.parallelism", &["spec", "parallelism"]),
];

/// Kinds whose controllers take over pods that are there, and end those that are too many.
const ADOPTING: [(&str, &str); 4] = [
    ("", "replicationcontrollers"),
    ("apps", "replicasets"),
    ("apps", "statefulsets"),
    ("batch", "jobs"),
];

/// What becomes of what the object stands for when it ends. None is that it stays.
const RECLAIMING: [Path; 4] = [
    ("spec.deletionPolicy", &["spec", "deletionPolicy"]),
    (
        "spec.persistentVolumeReclaimPolicy",
        &["spec", "persistentVolumeReclaimPolicy"],
    ),
    (
        "spec.persistentVolumeClaimRetentionPolicy.whenDeleted",
        &["spec", "persistentVolumeClaimRetentionPolicy", "whenDeleted"],
    ),
    (
        "spec.persistentVolumeClaimRetentionPolicy.whenScaled",
        &["spec", "persistentVolumeClaimRetentionPolicy", "whenScaled"],
    ),
];

/// How the request ends something, if it does.
pub fn ending(request: &Request<'_>) -> Result<Option<Ending>, ObjectError> {
    match (&request.change, request.operation) {
        (_, Operation::Delete) => Ok(Some(Ending::Deletes)),
        (_, Operation::Create) if request.target.subresource == "eviction" => Ok(Some(Ending::Evicts)),
        (Change::Create(new), _) if adopts(request) => empties(request, None, new),
        (Change::Update { old, new }, _) if !old.same_bytes(new) => of_update(request, old, new),
        _ => Ok(None),
    }
}

fn of_update(
    request: &Request<'_>,
    old: &Object<'_>,
    new: &Object<'_>,
) -> Result<Option<Ending>, ObjectError> {
    if loses_finalizer(old, new)? {
        return Ok(Some(Ending::Releases));
    }
    if owners(old)? != owners(new)? {
        return Ok(Some(Ending::Owns));
    }
    if request.target.is("", "nodes") && !evicting_taints(new)?.is_subset(&evicting_taints(old)?) {
        return Ok(Some(Ending::Taints));
    }
    if request.target.is("batch", "jobs") && suspends(new)? && !suspends(old)? {
        return Ok(Some(Ending::Empties("spec.suspend")));
    }
    for (field, path) in LIMITS {
        let (before, after) = (number(old, path)?, number(new, path)?);
        if after.is_some_and(|after| before.is_none_or(|before| after < before)) {
            return Ok(Some(Ending::Expires(field)));
        }
    }
    if let Some(empties) = empties(request, Some(old), new)? {
        return Ok(Some(empties));
    }
    if request.target.is("", "persistentvolumes") && leaves_its_claim(old, new)? {
        return Ok(Some(Ending::Reclaims("spec.claimRef")));
    }
    for (field, path) in RECLAIMING {
        let deletes = |object: &Object<'_>| {
            let said = object.field(path)?;
            Ok::<_, ObjectError>(said.is_some_and(|said| said == "\"Delete\"" || said == "\"Recycle\""))
        };
        if deletes(new)? && !deletes(old)? {
            return Ok(Some(Ending::Reclaims(field)));
        }
    }
    Ok(None)
}

fn adopts(request: &Request<'_>) -> bool {
    let target = &request.target;
    let is_adopting = |(group, resource): &(&str, &str)| target.is(group, resource);
    target.subresource.is_empty() && ADOPTING.iter().any(is_adopting)
}

/// Whether nothing is left of what runs, or would be taken over.
fn empties(
    request: &Request<'_>,
    old: Option<&Object<'_>>,
    new: &Object<'_>,
) -> Result<Option<Ending>, ObjectError> {
    let unsaid = i64::from(request.target.subresource != "scale");
    for (field, path) in COUNTS {
        let count = |object: &Object<'_>| Ok::<_, ObjectError>(number(object, path)?.unwrap_or(unsaid));
        let is_empty = old.map(count).transpose()? == Some(0);
        // The body of `scale` has no other count.
        let is_of_scale = unsaid == 1 || field == "spec.replicas";
        if is_of_scale && !is_empty && count(new)? == 0 {
            return Ok(Some(Ending::Empties(field)));
        }
    }
    Ok(None)
}

/// A volume whose claim is none that there is goes the way of its policy.
fn leaves_its_claim(old: &Object<'_>, new: &Object<'_>) -> Result<bool, ObjectError> {
    let claim = |object: &Object<'_>| {
        object
            .field(&["spec", "claimRef"])
            .map(|claim| claim.map(str::to_owned))
    };
    let before = claim(old)?.filter(|claim| claim != "null");
    Ok(before.is_some() && before != claim(new)?)
}

/// Also of those of a namespace, which `finalize` takes away.
fn loses_finalizer(old: &Object<'_>, new: &Object<'_>) -> Result<bool, ObjectError> {
    let (before, after) = (old.finalizers()?, new.finalizers()?);
    let of_content = |object: &Object<'_>| {
        let list = object.field(&["spec", "finalizers"])?;
        let names: Option<Vec<String>> = list.and_then(|text| serde_json::from_str(text).ok());
        Ok::<_, ObjectError>(names.unwrap_or_default())
    };
    let (content_before, content_after) = (of_content(old)?, of_content(new)?);
    Ok(before.iter().any(|name| !after.contains(name))
        || content_before.iter().any(|name| !content_after.contains(name)))
}

/// The owners. One that there is not, under this name and of this kind, has the garbage collector delete what it owns.
fn owners(object: &Object<'_>) -> Result<BTreeSet<[String; 4]>, ObjectError> {
    let owners = object.owner_references()?;
    let named = owners.into_iter().map(|owner| {
        [owner.api_version, owner.kind, owner.name, owner.uid].map(std::borrow::Cow::into_owned)
    });
    Ok(named.collect())
}

fn suspends(object: &Object<'_>) -> Result<bool, ObjectError> {
    Ok(object.field(&["spec", "suspend"])? == Some("true"))
}

/// The keys and values of the taints that evict pods.
fn evicting_taints(object: &Object<'_>) -> Result<BTreeSet<(String, String)>, ObjectError> {
    #[derive(serde::Deserialize)]
    struct Taint {
        #[serde(default)]
        key: String,
        #[serde(default)]
        value: String,
        #[serde(default)]
        effect: String,
    }
    let Some(text) = object.field(&["spec", "taints"])? else {
        return Ok(BTreeSet::new());
    };
    let taints: Option<Vec<Taint>> = serde_json::from_str(text)
        .map_err(|_| ObjectError::wrong_type("/spec/taints", "a list of taints"))?;
    let evicting = taints
        .into_iter()
        .flatten()
        .filter(|taint| taint.effect == "NoExecute");
    Ok(evicting.map(|taint| (taint.key, taint.value)).collect())
}

/// A number, where one is said; what is no number of this kind's is none.
fn number(object: &Object<'_>, path: &[&str]) -> Result<Option<i64>, ObjectError> {
    Ok(object.field(path)?.and_then(|text| text.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{ask, creates, deletes, updates};

    fn spec(spec: &str) -> String {
        format!(r#"{{"metadata":{{"name":"x","uid":"u"}},"spec":{spec}}}"#)
    }

    fn meta(metadata: &str) -> String {
        format!(r#"{{"metadata":{{"name":"x",{metadata}}}}}"#)
    }

    fn changed(place: &str, old: &str, new: &str) -> Option<Ending> {
        ending(&updates("bot", place).from(old, new).request()).unwrap()
    }

    #[test]
    fn deletions_and_evictions_end_an_object_and_other_calls_do_not() {
        assert_eq!(
            ending(&deletes("bot", "lab/pods/web").request()),
            Ok(Some(Ending::Deletes))
        );
        let evicts = creates("bot", "lab/pods/web").sub("eviction");
        assert_eq!(ending(&evicts.request()), Ok(Some(Ending::Evicts)));
        for other in [
            creates("bot", "lab/pods/web"),
            creates("bot", "lab/pods/web").sub("binding"),
            updates("bot", "lab/pods/web"),
            ask("bot", Operation::Connect, "lab/pods/web").sub("exec"),
        ] {
            assert_eq!(
                ending(&other.request()),
                Ok(None),
                "{} {}",
                other.operation,
                other.subresource
            );
        }
    }

    #[test]
    fn what_waits_for_nothing_any_more_or_goes_with_another_ends() {
        let place = "lab/configmaps/x";
        let held = meta(r#""finalizers":["a","b"]"#);
        let less = meta(r#""finalizers":["b"]"#);
        assert_eq!(changed(place, &held, &less), Some(Ending::Releases));
        assert_eq!(changed(place, &less, &held), None, "one more finalizer");
        let owner = |uid: &str| {
            meta(&format!(
                r#""ownerReferences":[{{"apiVersion":"v1","kind":"ConfigMap","name":"o","uid":"{uid}"}}]"#
            ))
        };
        assert_eq!(changed(place, &owner("1"), &owner("2")), Some(Ending::Owns));
        assert_eq!(
            changed(place, &meta(r#""labels":{}"#), &owner("1")),
            Some(Ending::Owns)
        );
        let (full, none) = (
            spec(r#"{"finalizers":["kubernetes"]}"#),
            spec(r#"{"finalizers":[]}"#),
        );
        assert_eq!(
            changed("@cluster/namespaces/x", &full, &none),
            Some(Ending::Releases)
        );
    }

    #[test]
    fn fields_that_delete_are_known_by_their_direction() {
        let case = |place: &str, old: &str, new: &str| changed(place, &spec(old), &spec(new));
        for (field, path) in LIMITS {
            let nested = |value: &str| {
                let inner = path.iter().skip(1).rev();
                inner.fold(value.to_owned(), |inner, key| format!(r#"{{"{key}":{inner}}}"#))
            };
            let (none, few, many) = ("{}".to_owned(), nested("3"), nested("9"));
            for (old, new) in [(&none, &few), (&many, &few)] {
                assert_eq!(
                    case("lab/jobs.batch/x", old, new),
                    Some(Ending::Expires(field)),
                    "{field}"
                );
            }
            for (old, new) in [(&few, &many), (&few, &none)] {
                assert_eq!(case("lab/jobs.batch/x", old, new), None, "{field}");
            }
        }
        for (field, key) in COUNTS.map(|(field, path)| (field, path[1])) {
            let (none, zero, two) = (
                "{}".to_owned(),
                format!(r#"{{"{key}":0}}"#),
                format!(r#"{{"{key}":2}}"#),
            );
            for old in [&none, &two] {
                let place = "lab/deployments.apps/x";
                assert_eq!(case(place, old, &zero), Some(Ending::Empties(field)), "{field}");
                assert_eq!(case(place, &zero, old), None, "{field}");
            }
        }
        let (two, none, said) = (r#"{"replicas":2}"#, "{}", r#"{"replicas":0}"#);
        let scaled = |old: &str, new: &str| {
            let scale = updates("bot", "lab/deployments.apps/x").sub("scale");
            ending(&scale.from(&spec(old), &spec(new)).request()).unwrap()
        };
        // As the API server writes the body of a Scale: it leaves zero out.
        for new in [none, said] {
            assert_eq!(scaled(two, new), Some(Ending::Empties("spec.replicas")));
            assert_eq!(scaled(new, two), None);
        }
        assert_eq!(scaled(none, said), None);
        let made = |place: &str, new: &str| {
            let mut creates = creates("bot", place);
            creates.new = Some(spec(new));
            ending(&creates.request()).unwrap()
        };
        assert_eq!(
            made("lab/replicasets.apps/x", said),
            Some(Ending::Empties("spec.replicas"))
        );
        assert_eq!(made("lab/replicasets.apps/x", none), None);
        assert_eq!(
            made("lab/deployments.apps/x", said),
            None,
            "it takes nothing over itself"
        );
        let (goes, stops) = (r#"{"suspend":false}"#, r#"{"suspend":true}"#);
        assert_eq!(
            case("lab/jobs.batch/x", goes, stops),
            Some(Ending::Empties("spec.suspend"))
        );
        assert_eq!(case("lab/cronjobs.batch/x", goes, stops), None, "its jobs go on");
    }

    #[test]
    fn storage_and_nodes_lose_what_they_hold() {
        let case = |place: &str, old: &str, new: &str| changed(place, &spec(old), &spec(new));
        let (keeps, deletes) = (
            r#"{"persistentVolumeReclaimPolicy":"Retain"}"#,
            r#"{"persistentVolumeReclaimPolicy":"Delete"}"#,
        );
        let volume = "@cluster/persistentvolumes/x";
        let reclaims = Some(Ending::Reclaims("spec.persistentVolumeReclaimPolicy"));
        assert_eq!(case(volume, keeps, deletes), reclaims);
        assert_eq!(case(volume, deletes, keeps), None);
        let (claimed, other) = (r#"{"claimRef":{"uid":"1"}}"#, r#"{"claimRef":{"uid":"2"}}"#);
        for new in [other, "{}"] {
            assert_eq!(
                case(volume, claimed, new),
                Some(Ending::Reclaims("spec.claimRef"))
            );
            assert_eq!(case(volume, "{}", new), None);
        }
        let claims = r#"{"persistentVolumeClaimRetentionPolicy":{"whenScaled":"Delete"}}"#;
        let reclaims = Some(Ending::Reclaims(
            "spec.persistentVolumeClaimRetentionPolicy.whenScaled",
        ));
        assert_eq!(case("lab/statefulsets.apps/x", "{}", claims), reclaims);
        let taint = |effect: &str| format!(r#"{{"taints":[{{"key":"a","effect":"{effect}"}}]}}"#);
        let node = "@cluster/nodes/x";
        assert_eq!(case(node, "{}", &taint("NoExecute")), Some(Ending::Taints));
        assert_eq!(case(node, &taint("NoExecute"), "{}"), None);
        assert_eq!(case(node, "{}", &taint("NoSchedule")), None);
    }
}
