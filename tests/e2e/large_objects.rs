//! Objects as large as the store takes (larger ones: late_refusals); changes of as many parts as a ticket holds, and more.

use serde_json::{Map, Value, json};

use super::harness::{Area, Outcome, shared};

const MIB: usize = 1 << 20;

/// As much as annotations may hold, but for a key.
const NOTE: usize = 250_000;

/// A ConfigMap with a value of 1 MiB, which is the most, an annotation of the most, and so many keys of the longest names,
/// which count in no limit but the store's own.
pub fn large(area: &Area<'_>, keys: usize, letter: char) -> Value {
    let long = |length: usize| letter.to_string().repeat(length);
    let mut object = named_keys(area, keys);
    object["data"]["value"] = json!(long(MIB));
    object["metadata"]["annotations"] = json!({ "note": long(NOTE) });
    object
}

/// A ConfigMap with so many keys of the longest names.
fn named_keys(area: &Area<'_>, keys: usize) -> Value {
    let keys = (0..keys).map(|number| (format!("{number:0>253}"), json!("")));
    area.config_map("large", &Value::Object(keys.collect::<Map<_, _>>()))
}

pub fn creates(area: &Area<'_>, object: &Value) -> Outcome {
    area.person("deployer").create(object)
}

/// Somebody else asks, reviews and writes as ever.
#[track_caller]
pub fn costs_nobody_anything(area: &Area<'_>) {
    let small = area.config_map("small", &json!({}));
    let ticket = area.with_approval(|| area.person("olga").create(&small));
    ticket.becomes("Consumed");
}

#[test]
fn an_object_as_large_as_may_be_is_approved_by_its_digests() {
    let area = shared().area();
    let object = large(&area, 300, 'a');
    assert!(object.to_string().len() > 5 * MIB / 4);
    let made = area.with_approval(|| creates(&area, &object));
    made.becomes("Consumed");
    let summary = made.object()["spec"]["changeSummary"].clone();
    let says = "too large to be shown here";
    assert!(summary.as_str().unwrap().ends_with(says), "{summary}");
    assert_eq!(made.change("/data/value"), (Value::Null, Value::Null));

    let object = large(&area, 300, 'b');
    let replace = || {
        area.person("deployer")
            .kubectl_with("replace -f -", &object.to_string())
    };
    area.with_approval(replace).becomes("Consumed");
    assert_eq!(area.get("configmap large")["data"], object["data"]);
    costs_nobody_anything(&area);
}

#[test]
fn a_change_of_more_parts_than_a_ticket_holds_is_made_in_several_steps() {
    let area = shared().area();
    let many = named_keys(&area, 4097);
    let denial = creates(&area, &many).denied("Unreadable");
    let why = "the change has 4097 parts, and a ticket holds 4096: make it in several steps";
    assert!(denial.contains(why), "{denial}");
    assert_eq!(area.tickets_of("agent:deployer"), Vec::<Value>::new());
    area.with_approval(|| creates(&area, &named_keys(&area, 500)))
        .becomes("Consumed");
    costs_nobody_anything(&area);
}
