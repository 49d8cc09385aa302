//! One change of a value at a time.

use std::fmt;

use serde_json::{Value, json};

/// A place in a value: keys, and numbers of elements as texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place(Vec<String>);

/// One change.
#[derive(Clone, Debug)]
pub struct Edit {
    /// Where.
    pub place: Place,
    how: How,
}

#[derive(Clone, Copy, Debug)]
enum How {
    /// The value is another one of its type.
    Changed,
    /// It is not there.
    Removed,
    /// The element is there twice.
    Doubled,
}

/// All edits of a value.
pub fn edits(value: &Value) -> Vec<Edit> {
    let mut found = Vec::new();
    collect(value, &mut Vec::new(), &mut found);
    found
}

fn collect(value: &Value, path: &mut Vec<String>, found: &mut Vec<Edit>) {
    for (key, child) in children(value) {
        path.push(key);
        let mut add = |how| {
            found.push(Edit {
                place: Place(path.clone()),
                how,
            });
        };
        add(How::Removed);
        if value.is_array() {
            add(How::Doubled);
        }
        if !child.is_object() && !child.is_array() {
            add(How::Changed);
        }
        collect(child, path, found);
        path.pop();
    }
}

fn children(value: &Value) -> Vec<(String, &Value)> {
    match value {
        Value::Object(map) => map.iter().map(|(key, child)| (key.clone(), child)).collect(),
        Value::Array(list) => {
            let numbered = list.iter().enumerate();
            numbered
                .map(|(index, child)| (index.to_string(), child))
                .collect()
        }
        _ => Vec::new(),
    }
}

impl Edit {
    /// The value without what is beside the place's ancestors. Its lists have one element.
    pub fn around(&self, value: &Value) -> Value {
        narrowed(value, &self.place.0)
    }

    /// The value after this edit.
    pub fn of(&self, value: &Value) -> Value {
        let mut edited = value.clone();
        let (last, above) = self.place.0.split_last().unwrap();
        let parent = above.iter().fold(&mut edited, |value, key| child(value, key));
        match (self.how, parent) {
            (How::Changed, parent) => {
                let value = child(parent, last);
                *value = other(value);
            }
            (How::Removed, Value::Object(map)) => drop(map.remove(last)),
            (How::Removed, parent) => drop(list(parent).remove(last.parse().unwrap())),
            (How::Doubled, parent) => {
                let twice = child(parent, last).clone();
                list(parent).push(twice);
            }
        }
        edited
    }
}

fn narrowed(value: &Value, path: &[String]) -> Value {
    let (Some((key, rest)), false) = (path.split_first(), path.len() == 1) else {
        return value.clone();
    };
    match value {
        Value::Array(elements) => elements.iter().map(|element| narrowed(element, rest)).collect(),
        value => json!({ key: narrowed(&value[key], rest) }),
    }
}

fn child<'v>(value: &'v mut Value, key: &str) -> &'v mut Value {
    match value {
        Value::Array(list) => &mut list[key.parse::<usize>().unwrap()],
        value => &mut value[key],
    }
}

fn list(value: &mut Value) -> &mut Vec<Value> {
    value.as_array_mut().unwrap()
}

/// Another value of the same type.
fn other(value: &Value) -> Value {
    match value {
        Value::Bool(is) => json!(!is),
        Value::Number(number) => json!(number.as_f64().unwrap() + 1.0),
        Value::String(text) => json!(format!("{text}x")),
        value => panic!("{value} is no scalar"),
    }
}

impl fmt::Display for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.how, self.place.0.join("."))
    }
}

impl Place {
    /// Its segments.
    pub fn names(&self) -> Vec<&str> {
        self.0.iter().map(String::as_str).collect()
    }

    /// Whether it is the other place, or below it.
    pub fn is_within(&self, other: &Self) -> bool {
        let mut pairs = self.0.iter().zip(&other.0);
        self.0.len() >= other.0.len() && pairs.all(|(mine, theirs)| theirs == "*" || mine == theirs)
    }
}

/// The place that a pointer names; `*` is any element.
pub fn place_of(pointer: &str) -> Place {
    let segments = pointer.split('/').skip(1);
    Place(
        segments
            .map(|segment| segment.replace("~1", "/").replace("~0", "~"))
            .collect(),
    )
}

/// The values in a place.
pub fn at<'v>(value: &'v Value, place: &Place) -> Vec<&'v Value> {
    place.0.iter().fold(vec![value], |values, segment| {
        let below = values.into_iter().flat_map(children);
        below
            .filter(|(key, _)| segment == "*" || segment == key)
            .map(|(_, child)| child)
            .collect()
    })
}

/// Puts a value into a place, in each element where the place says so. Maps on the way are made, lists are not.
pub fn plant(into: &mut Value, place: &Place, value: &Value) {
    fill(into, &place.0, value);
}

fn fill(into: &mut Value, place: &[String], value: &Value) {
    let Some((segment, rest)) = place.split_first() else {
        *into = value.clone();
        return;
    };
    match into {
        Value::Array(elements) if segment == "*" => {
            for element in elements {
                fill(element, rest, value);
            }
        }
        Value::Object(map) => fill(map.entry(segment).or_insert_with(|| json!({})), rest, value),
        _ => {}
    }
}
