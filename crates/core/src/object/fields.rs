//! The two-level reading of an object: its fields, borrowed, with unescaped keys.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::ObjectError;
use crate::json::is_too_deep;

/// The root fields that are read key by key where they are maps.
pub(crate) const SPLIT: [&str; 4] = ["spec", "status", "data", "binaryData"];

/// One field: a granule, or one of the root's or the metadata's that is none.
#[derive(Clone, Debug)]
pub(crate) struct Field<'a> {
    /// Where the key is, without a leading slash: ``, `metadata`, `metadata/labels`, `spec`, ...
    pub within: &'static str,
    /// The unescaped key.
    pub key: Cow<'a, str>,
    /// The value as it came.
    pub value: &'a RawValue,
}

impl<'a> Field<'a> {
    /// What fields are sorted by.
    pub fn position(&self) -> (&str, &str) {
        (self.within, &self.key)
    }

    /// The JSON pointer (RFC 6901).
    pub fn pointer(&self) -> String {
        let slash = if self.within.is_empty() { "" } else { "/" };
        format!("{slash}{}/{}", self.within, escape(&self.key))
    }

    pub fn is_null(&self) -> bool {
        self.value.get() == "null"
    }

    /// The value, which has to be a string.
    pub fn string(&self) -> Result<Cow<'a, str>, ObjectError> {
        if !self.value.get().starts_with('"') {
            return Err(ObjectError::WrongType {
                pointer: self.pointer(),
                expected: "a string",
            });
        }
        let Text(text) = serde_json::from_str(self.value.get())?;
        Ok(text)
    }
}

/// All fields of an object in the order of [`Field::position`].
pub(super) fn read(text: &str) -> Result<Vec<Field<'_>>, ObjectError> {
    check_depth(text)?;
    let root = Map::read(text)?.ok_or_else(|| ObjectError::wrong_type("", "a map"))?;
    let mut fields = Vec::new();
    for (key, value) in root.0 {
        let split = SPLIT.into_iter().find(|section| *section == key);
        if key == "metadata" {
            read_metadata(value, &mut fields)?;
        } else if let Some(section) = split
            && let Some(map) = Map::read(value.get())?
            && !map.0.is_empty()
        {
            extend(&mut fields, section, map);
        } else {
            fields.push(Field {
                within: "",
                key,
                value,
            });
        }
    }
    fields.sort_by(|a, b| a.position().cmp(&b.position()));
    Ok(fields)
}

fn read_metadata<'a>(value: &'a RawValue, fields: &mut Vec<Field<'a>>) -> Result<(), ObjectError> {
    for (key, value) in known_map("/metadata", value)?.0 {
        match key.as_ref() {
            "labels" => extend(fields, "metadata/labels", known_map("/metadata/labels", value)?),
            "annotations" => extend(
                fields,
                "metadata/annotations",
                known_map("/metadata/annotations", value)?,
            ),
            _ => fields.push(Field {
                within: "metadata",
                key,
                value,
            }),
        }
    }
    Ok(())
}

/// A map of the object's metadata, for which Kubernetes reads `null` as empty.
fn known_map<'a>(pointer: &str, value: &'a RawValue) -> Result<Map<'a>, ObjectError> {
    if value.get() == "null" {
        return Ok(Map(Vec::new()));
    }
    Map::read(value.get())?.ok_or_else(|| ObjectError::wrong_type(pointer, "a map"))
}

fn extend<'a>(fields: &mut Vec<Field<'a>>, within: &'static str, map: Map<'a>) {
    fields.extend(map.0.into_iter().map(|(key, value)| Field { within, key, value }));
}

/// The entries of one map, sorted by unescaped key, values raw.
pub(crate) struct Map<'a>(pub Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Map<'a> {
    /// The map that a value is; `None` when it is something else.
    pub fn read(text: &'a str) -> Result<Option<Self>, ObjectError> {
        if !text.starts_with('{') {
            return Ok(None);
        }
        let Entries(mut entries) = serde_json::from_str(text)?;
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        match entries
            .iter()
            .zip(entries.iter().skip(1))
            .find(|(a, b)| a.0 == b.0)
        {
            Some(((key, _), _)) => Err(ObjectError::DuplicateKey(key.clone().into_owned())),
            None => Ok(Some(Self(entries))),
        }
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&'a RawValue> {
        let index = self.0.binary_search_by(|entry| entry.0.as_ref().cmp(key)).ok()?;
        self.0.get(index).map(|(_, value)| *value)
    }
}

/// A string that is borrowed unless it was escaped.
#[derive(Deserialize)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub Cow<'a, str>);

struct Entries<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor)
    }
}

struct EntriesVisitor;

impl<'de> Visitor<'de> for EntriesVisitor {
    type Value = Entries<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<'de>, A::Error> {
        let mut entries = Vec::new();
        while let Some((Text(key), value)) = map.next_entry()? {
            entries.push((key, value));
        }
        Ok(Entries(entries))
    }
}

/// A key as a segment of a JSON pointer.
pub(crate) fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// Refuses JSON that nests deeper than [`MAX_DEPTH`](super::MAX_DEPTH), without recursion.
pub(crate) fn check_depth(json: &str) -> Result<(), ObjectError> {
    if is_too_deep(json) {
        return Err(ObjectError::TooDeep);
    }
    Ok(())
}
