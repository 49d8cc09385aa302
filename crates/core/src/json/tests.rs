use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, value::RawValue};

use super::*;

fn members(text: &str) -> Result<Vec<(&str, &str)>, Misplaced> {
    let mut all = Vec::new();
    let mut reader = Reader::new(text);
    reader.members::<Misplaced>(|key, reader| {
        all.push((key, reader.value()?));
        Ok(())
    })?;
    reader.end()?;
    Ok(all)
}

fn items(text: &str) -> Result<Vec<&str>, Misplaced> {
    let mut all = Vec::new();
    let mut reader = Reader::new(text);
    reader.items::<Misplaced>(|reader| {
        all.push(reader.value()?);
        Ok(())
    })?;
    reader.end()?;
    Ok(all)
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[\"\\\\{}\\[\\],: a\u{e9}\u{1f600}\n]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[\"\\\\{}a]{0,4}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn members_are_where_serde_finds_them(
        map in prop::collection::btree_map("[\"\\\\{}a]{0,4}", json(), 0..5),
        pretty in any::<bool>(),
    ) {
        let text = if pretty { serde_json::to_string_pretty(&map) } else { serde_json::to_string(&map) }.unwrap();
        let ours: BTreeMap<String, &str> = members(&text)
            .unwrap()
            .into_iter()
            .map(|(key, value)| (serde_json::from_str(&format!("\"{key}\"")).unwrap(), value))
            .collect();
        let theirs: BTreeMap<String, &RawValue> = serde_json::from_str(&text).unwrap();
        let theirs = theirs.into_iter().map(|(key, value)| (key, value.get())).collect();
        prop_assert_eq!(ours, theirs);
    }

    #[test]
    fn no_text_is_too_strange(text in "[\"\\\\{}\\[\\],:a1 \u{e9}]{0,24}") {
        if serde_json::from_str::<BTreeMap<String, &RawValue>>(&text).is_ok() {
            prop_assert!(members(&text).is_ok());
        }
        let _ = is_too_deep(&text);
    }
}

proptest! {
    #[test]
    fn items_are_where_serde_finds_them(list in prop::collection::vec(json(), 0..5), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_string_pretty(&list) } else { serde_json::to_string(&list) }.unwrap();
        let theirs: Vec<&RawValue> = serde_json::from_str(&text).unwrap();
        let theirs: Vec<&str> = theirs.into_iter().map(RawValue::get).collect();
        prop_assert_eq!(items(&text), Ok(theirs));
    }

    #[test]
    fn a_plain_string_is_one_that_serde_borrows(value in json(), rest in "[,\\]} ]") {
        let value = value.to_string();
        let text = format!(" {value}{rest}");
        let mut reader = Reader::new(&text);
        let plain = serde_json::from_str::<&str>(&value).ok();
        prop_assert_eq!(reader.plain_string(), plain);
        let left = if plain.is_some() { rest } else { format!("{value}{rest}") };
        prop_assert_eq!(reader.rest, left);
    }

    #[test]
    fn what_is_known_is_read_alike(known in json(), next in json(), same in any::<bool>()) {
        let known = known.to_string();
        let next = if same { known.clone() } else { next.to_string() };
        let text = format!("{next},1");
        let (mut plain, mut quick) = (Reader::new(&text), Reader::new(&text));
        prop_assert_eq!(plain.value(), quick.value_like(Some(&known)));
        prop_assert_eq!(plain.rest, quick.rest);
    }
}

#[test]
fn what_is_no_object_is_told() {
    for (text, why) in [
        ("", "has something else where an object should be"),
        ("[]", "has something else where an object should be"),
        ("{", "ends within a value"),
        ("{1:2}", "has a key that is no string"),
        (r#"{"a"}"#, "lacks a colon behind a key"),
        (r#"{"a":}"#, "lacks a value"),
        (r#"{"a":1"#, "lacks a comma behind a member"),
        (r#"{"a":1 "b":2}"#, "lacks a comma behind a member"),
        (r#"{"a":{"b":1}"#, "lacks a comma behind a member"),
        (r#"{"a":"b\"}"#, "ends within a value"),
        ("{} {}", "goes on behind its end"),
    ] {
        assert_eq!(members(text), Err(Misplaced(why)), "{text}");
    }
}

#[test]
fn what_is_no_list_is_told() {
    for (text, why) in [
        ("{}", "has something else where a list should be"),
        ("[1", "lacks a comma behind an item"),
        ("[1 2]", "lacks a comma behind an item"),
        ("[,]", "lacks a value"),
        ("[\"a]", "ends within a value"),
        ("[] []", "goes on behind its end"),
    ] {
        assert_eq!(items(text), Err(Misplaced(why)), "{text}");
    }
}

#[test]
fn null_is_read_where_it_stands() {
    for (text, is_null, rest) in [
        (" null,1", true, ",1"),
        ("nul", false, "nul"),
        ("\"null\"", false, "\"null\""),
    ] {
        let mut reader = Reader::new(text);
        assert_eq!((reader.null(), reader.rest), (is_null, rest));
    }
}
