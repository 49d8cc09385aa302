//! What reaches Countersign's own kinds, and since when.

use std::str::FromStr;

use countersign_core::mutator::Mutator;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::*;

fn object(name: &str, data: Value) -> DynamicObject {
    let created = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(1000);
    let mut object = data;
    object["metadata"] = json!({ "name": name, "creationTimestamp": created });
    serde_json::from_value(object).unwrap()
}

fn rule(groups: &[&str], resources: &[&str], operations: &[&str]) -> Value {
    json!({ "apiGroups": groups, "apiVersions": ["*"], "resources": resources, "operations": operations })
}

fn webhooks(rules: &Value) -> DynamicObject {
    object(
        "gatekeeper",
        json!({ "webhooks": [{ "name": "w", "rules": rules }] }),
    )
}

fn policy(rules: &Value, excluded: &Value) -> DynamicObject {
    let matching = json!({ "resourceRules": rules, "excludeResourceRules": excluded });
    object("p", json!({ "spec": { "matchConstraints": matching } }))
}

fn binding(policy: &str, matching: Option<Value>) -> DynamicObject {
    let mut spec = json!({ "policyName": policy });
    if let Some(matching) = matching {
        spec["matchResources"] = matching;
    }
    object("b", json!({ "spec": spec }))
}

fn everything() -> Value {
    json!([rule(&["*"], &["*/*"], &["*"])])
}

const OURS: &[&str] = &["countersign.dev"];

#[test]
fn all_kinds_are_looked_at() {
    let mut plurals: Vec<_> = crate::crd::all()
        .into_iter()
        .map(|crd| crd.spec.names.plural)
        .collect();
    plurals.sort();
    assert_eq!(plurals, RESOURCES);
}

#[test]
fn a_rule_reaches_what_it_may_match() {
    for (told, rule, reaches) in [
        ("everything", rule(&["*"], &["*/*"], &["*"]), true),
        ("no subresource", rule(&["*"], &["*"], &["CREATE"]), true),
        (
            "the group",
            rule(&["apps", "countersign.dev"], &["*"], &["UPDATE"]),
            true,
        ),
        (
            "one resource",
            rule(OURS, &["approvalreviews"], &["CREATE"]),
            true,
        ),
        (
            "and what is below",
            rule(OURS, &["approvalreviews/*"], &["CREATE"]),
            true,
        ),
        ("every status", rule(OURS, &["*/status"], &["UPDATE"]), true),
        (
            "a name that others have",
            rule(&["*"], &["pods", "zones"], &["*"]),
            true,
        ),
        ("other groups", rule(&["", "apps"], &["*/*"], &["*"]), false),
        (
            "other resources",
            rule(&["*"], &["pods", "deployments"], &["*"]),
            false,
        ),
        ("another subresource", rule(&["*"], &["*/scale"], &["*"]), false),
        (
            "what changes nothing",
            rule(&["*"], &["*/*"], &["DELETE", "CONNECT"]),
            false,
        ),
    ] {
        assert_eq!(
            !of_webhooks(&webhooks(&json!([rule]))).is_empty(),
            reaches,
            "{told}"
        );
        assert_eq!(
            !of_policy(&policy(&json!([rule]), &json!([]))).is_empty(),
            reaches,
            "{told}"
        );
        let bound = of_binding(&binding("p", Some(json!({ "resourceRules": [rule] })))).unwrap();
        assert_eq!(!bound.1.is_empty(), reaches, "{told}");
    }
}

#[test]
fn selectors_and_conditions_restrict_nothing() {
    let narrow = json!({
        "name": "w",
        "rules": everything(),
        "objectSelector": { "matchLabels": { "a": "b" } },
        "matchConditions": [{ "name": "never", "expression": "false" }],
    });
    assert!(!of_webhooks(&object("m", json!({ "webhooks": [narrow] }))).is_empty());
}

#[test]
fn what_is_excluded_whole_is_not_reached() {
    let with = |field: &str, value: Value| {
        let mut rule = rule(OURS, &["*/*"], &["*"]);
        rule[field] = value;
        rule
    };
    for (told, excluded, reaches) in [
        ("the group", rule(OURS, &["*/*"], &["*"]), false),
        (
            "what changes",
            rule(&["*"], &["*/*"], &["CREATE", "UPDATE"]),
            false,
        ),
        ("not the subresources", rule(OURS, &["*"], &["*"]), true),
        ("not the updates", rule(OURS, &["*/*"], &["CREATE"]), true),
        ("another group", rule(&["apps"], &["*/*"], &["*"]), true),
        ("another version", with("apiVersions", json!(["v1"])), true),
        ("some names", with("resourceNames", json!(["a"])), true),
        ("some scope", with("scope", json!("Cluster")), true),
    ] {
        let reach = of_policy(&policy(&everything(), &json!([excluded])));
        assert_eq!(!reach.is_empty(), reaches, "{told}");
    }
}

#[test]
fn what_cannot_be_read_reaches_everything() {
    assert_eq!(of_webhooks(&object("m", json!({ "webhooks": 1 }))), Reach::all());
    assert_eq!(
        of_policy(&object("m", json!({ "spec": { "matchConstraints": 1 } }))),
        Reach::all()
    );
    let (policy, reach) = of_binding(&binding("p", Some(json!(1)))).unwrap();
    assert_eq!((&*policy, reach), ("p", Reach::all()));
}

#[test]
fn of_the_operators_own_configuration_its_own_webhook_is_no_mutator() {
    let own = json!({ "name": STAMP, "rules": everything() });
    let foreign = json!({ "name": "a", "rules": everything() });
    assert!(of_webhooks(&object(CONFIGURATION, json!({ "webhooks": [own] }))).is_empty());
    assert!(!of_webhooks(&object(CONFIGURATION, json!({ "webhooks": [own, foreign] }))).is_empty());
    assert!(!of_webhooks(&object("other", json!({ "webhooks": [own] }))).is_empty());
}

/// The mutators that were seen: from when, until when.
fn presences(seen: &Seen) -> Vec<(String, i64, Option<i64>)> {
    let presences = seen.presences();
    let told = presences.iter().map(|one| {
        (
            one.mutator.to_string(),
            one.since.as_second(),
            one.gone.map(Timestamp::as_second),
        )
    });
    told.collect()
}

fn at(second: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second)
}

#[test]
fn a_policy_acts_where_it_is_bound() {
    let mutator = || "MutatingAdmissionPolicy/p".to_owned();
    let mut seen = Seen::default();
    seen.apply(Part::Policies, &policy(&everything(), &json!([])), at(1010));
    assert_eq!(presences(&seen), []);
    seen.apply(Part::Bindings, &binding("other", None), at(1020));
    assert_eq!(presences(&seen), []);
    let elsewhere = json!({ "resourceRules": [rule(&[""], &["pods"], &["*"])] });
    seen.apply(Part::Bindings, &binding("p", Some(elsewhere)), at(1030));
    assert_eq!(presences(&seen), []);
    // It may have been changed a minute ago, and not have been seen.
    seen.apply(Part::Bindings, &binding("p", None), at(2000));
    assert_eq!(presences(&seen), [(mutator(), 1940, None)]);
    seen.remove(Part::Bindings, "b", at(2010));
    assert_eq!(presences(&seen), [(mutator(), 1940, Some(2010))]);
    seen.apply(Part::Bindings, &binding("p", None), at(3000));
    seen.remove(Part::Policies, "p", at(3010));
    assert_eq!(
        presences(&seen),
        [(mutator(), 1940, Some(2010)), (mutator(), 2940, Some(3010))]
    );
}

#[test]
fn what_a_list_shows_may_be_as_old_as_it_says() {
    let mutator = || "MutatingWebhookConfiguration/gatekeeper".to_owned();
    let mut seen = Seen::default();
    let all = [webhooks(&everything())];
    seen.replace(Part::Webhooks, &all, at(2000));
    assert_eq!(presences(&seen), [(mutator(), 1000, None)]);
    seen.replace(Part::Policies, &[], at(2010));
    seen.replace(Part::Webhooks, &all, at(2020));
    assert_eq!(presences(&seen), [(mutator(), 1000, None)]);
    seen.apply(Part::Webhooks, &webhooks(&json!([])), at(2030));
    assert_eq!(presences(&seen), [(mutator(), 1000, Some(2030))]);
}

#[test]
fn what_comes_and_goes_often_takes_little_room_and_hides_nothing() {
    let mut seen = Seen::default();
    for second in 0..1000 {
        seen.apply(Part::Webhooks, &webhooks(&everything()), at(2000 + second));
        seen.remove(Part::Webhooks, "gatekeeper", at(2000 + second));
    }
    let presences = presences(&seen);
    assert_eq!(presences.len(), 256);
    assert_eq!((presences[0].1, presences[255].2), (1940, Some(2999)));
    assert!(Mutator::from_str(&presences[0].0).is_ok());
}
