//! Where JSON values begin and end: the texts of an object's members, without a look into them.
//!
//! What is skipped is not checked; whoever reads a member's text finds out whether it is JSON.

mod nested;
mod string;

use self::{
    nested::behind_nested,
    string::{behind_string, first_special},
};
use crate::object::MAX_DEPTH;

/// A text that is not the JSON object that was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the JSON text {0}")]
pub struct Misplaced(&'static str);

/// Reads a text member by member.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    /// At the beginning of a text.
    pub const fn new(text: &'a str) -> Self {
        Self { rest: text }
    }

    /// Reads the object that comes next: `each` gets every member's key, as it is between its quotes, and has to read
    /// its value.
    pub fn members<E: From<Misplaced>>(
        &mut self,
        mut each: impl FnMut(&'a str, &mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        self.expect(b'{', "has something else where an object should be")?;
        if self.take(b'}') {
            return Ok(());
        }
        loop {
            let key = self.key()?;
            self.expect(b':', "lacks a colon behind a key")?;
            each(key, self)?;
            if self.take(b'}') {
                return Ok(());
            }
            self.expect(b',', "lacks a comma behind a member")?;
        }
    }

    /// Reads the list that comes next: `each` has to read every item.
    pub fn items<E: From<Misplaced>>(
        &mut self,
        mut each: impl FnMut(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        self.expect(b'[', "has something else where a list should be")?;
        if self.take(b']') {
            return Ok(());
        }
        loop {
            each(self)?;
            if self.take(b']') {
                return Ok(());
            }
            self.expect(b',', "lacks a comma behind an item")?;
        }
    }

    fn key(&mut self) -> Result<&'a str, Misplaced> {
        if let Some(key) = self.plain_string() {
            return Ok(key);
        }
        let key = self
            .value()?
            .strip_prefix('"')
            .and_then(|key| key.strip_suffix('"'));
        key.ok_or(Misplaced("has a key that is no string"))
    }

    /// Reads the value that comes next.
    pub fn value(&mut self) -> Result<&'a str, Misplaced> {
        self.skip_space();
        let behind = behind_value(self.rest.as_bytes()).ok_or(Misplaced("ends within a value"))?;
        let (value, rest) = self
            .rest
            .split_at_checked(self.rest.len() - behind.len())
            .filter(|(value, _)| !value.is_empty())
            .ok_or(Misplaced("lacks a value"))?;
        self.rest = rest;
        Ok(value)
    }

    /// Reads the string that comes next and returns what is between its quotes, if nothing of it is escaped. Anything
    /// else stays to be read.
    pub fn plain_string(&mut self) -> Option<&'a str> {
        self.skip_space();
        let text = self.rest.strip_prefix('"')?;
        let (plain, rest) = text.split_at_checked(first_special(text.as_bytes())?)?;
        self.rest = rest.strip_prefix('"')?;
        Some(plain)
    }

    /// Reads `null`, if it comes next.
    pub fn null(&mut self) -> bool {
        self.skip_space();
        let behind = self.rest.strip_prefix("null");
        self.rest = behind.unwrap_or(self.rest);
        behind.is_some()
    }

    /// Reads the value that comes next, which may well be the same text as one that was read before.
    pub fn value_like(&mut self, known: Option<&'a str>) -> Result<&'a str, Misplaced> {
        self.skip_space();
        // Of texts that begin alike, only maps and lists are known to end alike.
        if let Some(known) = known.filter(|text| text.starts_with(['{', '[']))
            && let Some(rest) = self.rest.strip_prefix(known)
        {
            self.rest = rest;
            return Ok(known);
        }
        self.value()
    }

    /// Nothing may come any more.
    pub fn end(mut self) -> Result<(), Misplaced> {
        self.skip_space();
        let ended = self.rest.is_empty();
        ended.then_some(()).ok_or(Misplaced("goes on behind its end"))
    }

    fn expect(&mut self, byte: u8, otherwise: &'static str) -> Result<(), Misplaced> {
        self.take(byte).then_some(()).ok_or(Misplaced(otherwise))
    }

    #[inline]
    fn take(&mut self, byte: u8) -> bool {
        self.skip_space();
        let behind = match self.rest.as_bytes().first() {
            Some(first) if *first == byte => self.rest.get(1..),
            _ => None,
        };
        self.rest = behind.unwrap_or(self.rest);
        behind.is_some()
    }

    #[inline]
    fn skip_space(&mut self) {
        // The API server writes none.
        if self.rest.as_bytes().first().is_some_and(|byte| *byte <= b' ') {
            self.skip_some_space();
        }
    }

    #[cold]
    fn skip_some_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\n', '\r', '\t']);
    }
}

/// Whether maps and lists nest deeper than [`MAX_DEPTH`].
pub(crate) fn is_too_deep(json: &str) -> bool {
    let mut depth = 0_usize;
    let mut rest = json.as_bytes();
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        match byte {
            b'"' => rest = behind_string(rest).unwrap_or_default(),
            b'{' | b'[' if depth == MAX_DEPTH => return true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// What comes behind the value that a text begins with.
fn behind_value(text: &[u8]) -> Option<&[u8]> {
    let (first, rest) = text.split_first()?;
    match first {
        b'"' => behind_string(rest),
        b'{' | b'[' => behind_nested(rest),
        _ => {
            let end = text.iter().position(|byte| b",:}] \n\r\t".contains(byte));
            text.get(end.unwrap_or(text.len())..)
        }
    }
}

#[cfg(test)]
mod tests;
