//! Finds the values in a write that the API server chose by itself.

use serde_json::{Value, json};

use super::{
    canonical,
    omit::{Proof, choices},
    pattern::{Pattern, unescape},
};
use crate::object::{Change, Object, ObjectError};

/// The places in the new object that hold a value of the API server's choice.
pub(super) fn server_chosen(change: &Change<'_>, kind: (&str, &str)) -> Result<Vec<Pattern>, ObjectError> {
    let (old, new) = match change {
        Change::Create(new) => (None, new),
        Change::Update { old, new } => (Some(old), new),
        Change::Delete(_) | Change::Connect(_) => return Ok(Vec::new()),
    };
    let mut rows = choices(kind).peekable();
    if rows.peek().is_none() {
        return Ok(Vec::new());
    }
    let sight = Sight::of(old, new)?;
    let mut places = Vec::new();
    for (pointer, proof) in rows {
        sight.find(pointer, proof, &mut places)?;
    }
    Ok(places)
}

/// What the proofs look at.
struct Sight {
    old: Option<Value>,
    new: Value,
    uid: Option<Value>,
    /// `fieldsV1` of every entry of the new object's `managedFields`.
    owners: Vec<Value>,
}

impl Sight {
    fn of(old: Option<&Object<'_>>, new: &Object<'_>) -> Result<Self, ObjectError> {
        let entries = match read(new, &["metadata", "managedFields"])? {
            Some(Value::Array(entries)) => entries,
            _ => Vec::new(),
        };
        let owners = entries
            .into_iter()
            .filter_map(|mut entry| entry.get_mut("fieldsV1").map(Value::take));
        Ok(Self {
            old: old.map(root_of).transpose()?,
            new: root_of(new)?,
            uid: read(new, &["metadata", "uid"])?,
            owners: owners.collect(),
        })
    }

    fn find(&self, pointer: &str, proof: Proof, places: &mut Vec<Pattern>) -> Result<(), ObjectError> {
        let path: Vec<&str> = pointer.split('/').skip(1).collect();
        let create = self.old.is_none();
        let found = expand(&self.new, &path);
        let mut keep = |test: &dyn Fn(&Value) -> bool| {
            places.extend(
                found
                    .iter()
                    .filter(|(_, value)| test(value))
                    .map(|(at, _)| Pattern::exactly(at)),
            );
        };
        match proof {
            Proof::OwnUid if create => keep(&|value| Some(value) == self.uid.as_ref()),
            Proof::Overwritten if create => keep(&|_| true),
            Proof::Moment => keep(&|_| true),
            Proof::AccessVolume if create => {
                let name = self.access_volume();
                keep(&|value| name.is_some() && value.as_str() == name);
            }
            Proof::OwnUid | Proof::Overwritten | Proof::AccessVolume => {}
            Proof::Unowned(list_keys) => {
                let start = Place {
                    new: &self.new,
                    old: self.old.as_ref(),
                    owners: self.owners.iter().collect(),
                    at: Vec::new(),
                };
                start.find_unowned(&path, list_keys, places)?;
            }
        }
        Ok(())
    }

    /// The generated name of the token volume: only when it is the only one that no client sent.
    fn access_volume(&self) -> Option<&str> {
        if !self.owners.iter().any(|fields| fields.get("f:spec").is_some()) {
            return None;
        }
        let sent = |name: &str| {
            let element = format!("k:{{\"name\":\"{name}\"}}");
            let path = ["f:spec", "f:volumes", &element];
            self.owners.iter().any(|fields| owns(fields, &path))
        };
        let names = expand(&self.new, &["spec", "volumes", "*", "name"]);
        let mut generated = names
            .iter()
            .filter_map(|(_, name)| name.as_str())
            .filter(|name| has_generated_shape(name) && !sent(name));
        generated.next().filter(|_| generated.next().is_none())
    }
}

fn has_generated_shape(name: &str) -> bool {
    name.strip_prefix("kube-api-access-").is_some_and(|suffix| {
        suffix.len() == 5
            && suffix
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    })
}

/// Whether an entry of `managedFields` owns the value at a path below these fields.
fn owns(fields: &Value, path: &[&str]) -> bool {
    let Some((key, rest)) = path.split_first() else {
        return true;
    };
    is_whole(fields) || fields.get(key).is_some_and(|below| owns(below, rest))
}

/// Whether these fields own their whole value: they name nothing below it.
fn is_whole(fields: &Value) -> bool {
    fields.as_object().is_none_or(serde_json::Map::is_empty)
}

/// One place while a path is followed in new object, old object and owners at once.
struct Place<'v> {
    new: &'v Value,
    old: Option<&'v Value>,
    owners: Vec<&'v Value>,
    at: Vec<String>,
}

impl<'v> Place<'v> {
    fn find_unowned(
        &self,
        path: &[&str],
        list_keys: &[&str],
        places: &mut Vec<Pattern>,
    ) -> Result<(), ObjectError> {
        let Some((key, rest)) = path.split_first() else {
            // `None` makes a Service headless: a wish, never an address that was found for it.
            if self.old.is_none() && self.owners.is_empty() && self.new != "None" {
                places.push(Pattern::exactly(&self.at));
            }
            return Ok(());
        };
        if self.owners.iter().any(|fields| is_whole(fields)) {
            return Ok(());
        }
        for child in if *key == "*" {
            self.elements(list_keys)?
        } else {
            self.entry(key)
        } {
            child.find_unowned(rest, list_keys, places)?;
        }
        Ok(())
    }

    fn entry(&self, key: &str) -> Vec<Self> {
        let Some(new) = self.new.get(key) else {
            return Vec::new();
        };
        let owners = self.owned(&format!("f:{key}"));
        // No managedFields: nobody can tell, so the value counts.
        if self.at.is_empty() && owners.is_empty() {
            return Vec::new();
        }
        vec![self.child(key.to_owned(), new, self.old.and_then(|old| old.get(key)), owners)]
    }

    fn elements(&self, list_keys: &[&str]) -> Result<Vec<Self>, ObjectError> {
        let list = self.new.as_array().map_or(&[][..], Vec::as_slice);
        let old_list = self.old.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let mut children = Vec::new();
        for (index, new) in list.iter().enumerate() {
            if list_keys.is_empty() {
                children.push(self.child(index.to_string(), new, old_list.get(index), self.owners.clone()));
                continue;
            }
            let same = |old: &&Value| list_keys.iter().all(|key| old.get(key) == new.get(key));
            let key: serde_json::Map<_, _> = list_keys
                .iter()
                .filter_map(|key| Some(((*key).to_owned(), new.get(key)?.clone())))
                .collect();
            let owners = self.owned(&format!("k:{}", canonical(&Value::Object(key).to_string())?));
            if !owners.is_empty() {
                children.push(self.child(index.to_string(), new, old_list.iter().find(same), owners));
            }
        }
        Ok(children)
    }

    fn owned(&self, field: &str) -> Vec<&'v Value> {
        self.owners
            .iter()
            .filter_map(|fields| fields.get(field))
            .collect()
    }

    fn child(&self, key: String, new: &'v Value, old: Option<&'v Value>, owners: Vec<&'v Value>) -> Self {
        let at = self.at.iter().cloned().chain([key]).collect();
        Self { new, old, owners, at }
    }
}

/// The values that a path leads to, with their places; `*` is any element of a list.
fn expand<'v>(value: &'v Value, path: &[&str]) -> Vec<(Vec<String>, &'v Value)> {
    let Some((segment, rest)) = path.split_first() else {
        return vec![(Vec::new(), value)];
    };
    let key = unescape(segment);
    let children: Vec<(String, &Value)> = match (value, key) {
        (Value::Array(list), _) if *segment == "*" => list
            .iter()
            .enumerate()
            .map(|(index, value)| (index.to_string(), value))
            .collect(),
        (Value::Object(map), Some(key)) => map.get(&key).map(|value| (key, value)).into_iter().collect(),
        _ => Vec::new(),
    };
    let below = children.into_iter().flat_map(|(key, child)| {
        expand(child, rest).into_iter().map(move |(mut at, value)| {
            at.insert(0, key.clone());
            (at, value)
        })
    });
    below.collect()
}

/// The parts of an object that hold choices.
fn root_of(object: &Object<'_>) -> Result<Value, ObjectError> {
    let spec = read(object, &["spec"])?.unwrap_or_default();
    let labels = read(object, &["metadata", "labels"])?.unwrap_or_default();
    let status = read(object, &["status"])?.unwrap_or_default();
    Ok(json!({ "metadata": { "labels": labels }, "spec": spec, "status": status }))
}

fn read(object: &Object<'_>, path: &[&str]) -> Result<Option<Value>, ObjectError> {
    let Some(text) = object.field(path)? else {
        return Ok(None);
    };
    Ok(Some(serde_json::from_str(text)?))
}
