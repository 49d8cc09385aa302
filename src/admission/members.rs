//! The members of one JSON object of a review: each a text until it is asked for as what it has to be.

use std::borrow::Cow;

use countersign_core::json::Reader;
use serde::Deserialize;

use super::review::ReviewError;

/// More than an AdmissionRequest has.
const ROOM: usize = 16;

/// More than one of a later API server will have; each is compared with those before it.
const MOST: usize = 64;

/// A string, borrowed unless it was escaped.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// The texts of an object's members, in the order in which they came.
pub struct Members<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Members<'a> {
    /// None yet.
    pub fn new() -> Self {
        Self(Vec::with_capacity(ROOM))
    }

    /// Adds one, which must not be there yet.
    pub fn add(&mut self, key: &'a str, text: &'a str) -> Result<(), ReviewError> {
        if self.text(key).is_some() {
            return Err(ReviewError::Duplicate(key.to_owned()));
        }
        if self.0.len() == MOST {
            return Err(ReviewError::TooManyMembers);
        }
        self.0.push((key, text));
        Ok(())
    }

    /// The text of one.
    pub fn text(&self, key: &str) -> Option<&'a str> {
        self.0
            .iter()
            .find(|member| member.0 == key)
            .map(|member| member.1)
    }

    /// A string; most need no unescaping.
    pub fn string(&self, field: &'static str) -> Result<Cow<'a, str>, ReviewError> {
        let text = self.text(field).ok_or(ReviewError::Missing(field))?;
        let plain = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        match plain.filter(|plain| plain.bytes().all(|byte| byte >= b' ' && byte != b'\\')) {
            Some(plain) => Ok(Cow::Borrowed(plain)),
            None => self.needed::<Text<'_>>(field).map(|Text(text)| text),
        }
    }

    /// A string that may be missing, and is empty then.
    pub fn string_or_none(&self, field: &'static str) -> Result<Cow<'a, str>, ReviewError> {
        self.object(field)
            .map_or_else(|| Ok(Cow::default()), |_| self.string(field))
    }

    /// The members of an object below.
    pub fn below(&self, field: &'static str) -> Result<Self, ReviewError> {
        let text = self.text(field).ok_or(ReviewError::Missing(field))?;
        Self::read(&mut Reader::new(text))
    }

    fn read(reader: &mut Reader<'a>) -> Result<Self, ReviewError> {
        let mut members = Self::new();
        reader.members(|key, reader| members.add(key, reader.value()?))?;
        Ok(members)
    }

    fn needed<T: Deserialize<'a>>(&self, field: &'static str) -> Result<T, ReviewError> {
        let text = self.text(field).ok_or(ReviewError::Missing(field))?;
        serde_json::from_str(text).map_err(|source| ReviewError::Field { field, source })
    }

    /// Whether it is `true`; missing and `null` are not.
    pub fn flag(&self, field: &'static str) -> Result<bool, ReviewError> {
        self.object(field).map_or(Ok(false), |_| self.needed(field))
    }

    /// A list of strings; missing and `null` are empty.
    pub fn strings(&self, field: &'static str) -> Result<Vec<Cow<'a, str>>, ReviewError> {
        if self.object(field).is_none() {
            return Ok(Vec::new());
        }
        let texts: Vec<Text<'a>> = self.needed(field)?;
        Ok(texts.into_iter().map(|Text(text)| text).collect())
    }

    /// An object's text; `null` is none.
    pub fn object(&self, field: &str) -> Option<&'a str> {
        self.text(field).filter(|text| *text != "null")
    }
}
