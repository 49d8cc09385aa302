//! The canonical text of a JSON value: equal values have equal texts, and unequal ones unequal texts.

use std::{borrow::Cow, collections::BTreeMap, fmt::Write};

use serde_json::value::RawValue;

use super::pattern::Mask;
use crate::object::{ObjectError, Text, check_depth};

/// The canonical form of a JSON text: JCS (RFC 8785), but an integer that fits `i64` or `u64` is its exact decimal.
///
/// # Errors
/// Text that is not JSON, lone surrogates, duplicate keys, numbers beyond a double, too deep nesting.
pub fn canonical(text: &str) -> Result<String, ObjectError> {
    canonical_value(serde_json::from_str(text)?)
}

/// The JCS form of a map of strings.
pub fn canonical_strings(map: &BTreeMap<&str, &str>) -> String {
    let quote = |text: &str| {
        let mut quoted = String::with_capacity(text.len() + 2);
        push_string(&mut quoted, text);
        quoted
    };
    canonical_map(
        map.iter()
            .map(|(key, value)| (Cow::Borrowed(*key), Some(quote(value))))
            .collect(),
    )
}

pub(super) fn canonical_value(value: &RawValue) -> Result<String, ObjectError> {
    canonical_without(value, &Mask::default(), &mut Vec::new())
}

/// The canonical form without what the mask leaves out below the value; `left_out` receives the pointers of that.
pub(super) fn canonical_without(
    value: &RawValue,
    mask: &Mask<'_>,
    left_out: &mut Vec<String>,
) -> Result<String, ObjectError> {
    check_depth(value.get())?;
    let mut out = String::with_capacity(value.get().len());
    Cursor {
        rest: value.get(),
        left_out,
    }
    .value(mask, &mut out)?;
    Ok(out)
}

/// One entry of a map: its key and its canonical value, `None` when that is left out.
type Entry<'a> = (Cow<'a, str>, Option<String>);

/// The canonical form of a map with distinct keys.
pub(super) fn canonical_map(mut entries: Vec<Entry<'_>>) -> String {
    sort(&mut entries);
    let mut out = String::new();
    push_map(&mut out, &entries);
    out
}

/// JCS sorts keys by UTF-16 code units.
fn sort(entries: &mut [Entry<'_>]) {
    entries.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
}

fn refuse_duplicates(sorted: &[Entry<'_>]) -> Result<(), ObjectError> {
    match sorted.iter().zip(sorted.iter().skip(1)).find(|(a, b)| a.0 == b.0) {
        Some(((key, _), _)) => Err(ObjectError::DuplicateKey(key.clone().into_owned())),
        None => Ok(()),
    }
}

fn push_map(out: &mut String, sorted: &[Entry<'_>]) {
    out.push('{');
    let kept = sorted
        .iter()
        .filter_map(|(key, value)| value.as_ref().map(|value| (key, value)));
    for (index, (key, value)) in kept.enumerate() {
        if index > 0 {
            out.push(',');
        }
        push_string(out, key);
        out.push(':');
        out.push_str(value);
    }
    out.push('}');
}

pub(super) fn push_string(out: &mut String, text: &str) {
    out.push('"');
    if text
        .bytes()
        .all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\')
    {
        out.push_str(text);
    } else {
        text.chars().for_each(|character| push_escaped(out, character));
    }
    out.push('"');
}

fn push_escaped(out: &mut String, character: char) {
    match character {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\u{8}' => out.push_str("\\b"),
        '\t' => out.push_str("\\t"),
        '\n' => out.push_str("\\n"),
        '\u{c}' => out.push_str("\\f"),
        '\r' => out.push_str("\\r"),
        control if control < ' ' => {
            let _ = write!(out, "\\u{:04x}", u32::from(control));
        }
        other => out.push(other),
    }
}

/// A number's value decides, not its spelling: `1.0` and `1e0` are `1`, `-0` is `0`.
fn push_number(out: &mut String, token: &str) -> Result<(), ObjectError> {
    if let Ok(integer) = token.parse::<i64>() {
        let _ = write!(out, "{integer}");
    } else if let Ok(integer) = token.parse::<u64>() {
        let _ = write!(out, "{integer}");
    } else {
        match token.parse::<f64>() {
            Ok(double) if double.is_finite() => push_double(out, double),
            _ => return Err(ObjectError::NumberOutOfRange(token.to_owned())),
        }
    }
    Ok(())
}

fn push_double(out: &mut String, double: f64) {
    // The shortest form of a double pads with zeros beyond 2^53, where it would equal another integer's decimal.
    const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;
    if double.fract() == 0.0 && (-TWO_TO_63..2.0 * TWO_TO_63).contains(&double) {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "an integer between -2^63 and 2^64"
        )]
        let integer = double as i128;
        let _ = write!(out, "{integer}");
    } else {
        out.push_str(ryu_js::Buffer::new().format_finite(double));
    }
}

/// The unread rest of a text that is known to be JSON of bounded depth.
struct Cursor<'a, 'o> {
    rest: &'a str,
    left_out: &'o mut Vec<String>,
}

impl<'a> Cursor<'a, '_> {
    fn value(&mut self, mask: &Mask<'_>, out: &mut String) -> Result<(), ObjectError> {
        match self.peek()? {
            b'{' => self.map(mask, out),
            b'[' => self.list(mask, out),
            b'"' => {
                push_string(out, &self.string()?);
                Ok(())
            }
            _ => self.word(out),
        }
    }

    fn map(&mut self, mask: &Mask<'_>, out: &mut String) -> Result<(), ObjectError> {
        self.skip();
        let mut entries = Vec::new();
        loop {
            match self.peek()? {
                b'}' => break,
                b',' => self.skip(),
                _ => {
                    let key = self.string()?;
                    self.peek()?;
                    self.skip();
                    let value = self.child(&mask.child(&key))?;
                    entries.push((key, value));
                }
            }
        }
        self.skip();
        sort(&mut entries);
        refuse_duplicates(&entries)?;
        push_map(out, &entries);
        Ok(())
    }

    fn list(&mut self, mask: &Mask<'_>, out: &mut String) -> Result<(), ObjectError> {
        self.skip();
        out.push('[');
        let (mut index, mut first) = (0_usize, true);
        loop {
            match self.peek()? {
                b']' => break,
                b',' => self.skip(),
                _ => {
                    let inner = if mask.is_open() {
                        Mask::default()
                    } else {
                        mask.child(&index.to_string())
                    };
                    if let Some(value) = self.child(&inner)? {
                        if !first {
                            out.push(',');
                        }
                        out.push_str(&value);
                        first = false;
                    }
                    index += 1;
                }
            }
        }
        self.skip();
        out.push(']');
        Ok(())
    }

    /// The next value; `None` when it is left out.
    fn child(&mut self, mask: &Mask<'_>) -> Result<Option<String>, ObjectError> {
        let mut value = String::new();
        self.value(mask, &mut value)?;
        Ok(match mask.left_out() {
            Some(pointer) => {
                self.left_out.push(pointer.to_owned());
                None
            }
            None => Some(value),
        })
    }

    fn string(&mut self) -> Result<Cow<'a, str>, ObjectError> {
        let mut escaped = false;
        let inside = self.rest.bytes().skip(1).take_while(|byte| {
            let open = escaped || *byte != b'"';
            escaped = !escaped && *byte == b'\\';
            open
        });
        let length = inside.count() + 2;
        let Text(text) = serde_json::from_str(self.take(length))?;
        Ok(text)
    }

    fn word(&mut self, out: &mut String) -> Result<(), ObjectError> {
        let ends = |byte: u8| matches!(byte, b',' | b']' | b'}') || byte.is_ascii_whitespace();
        let length = self.rest.bytes().position(ends).unwrap_or(self.rest.len());
        match self.take(length) {
            word @ ("true" | "false" | "null") => {
                out.push_str(word);
                Ok(())
            }
            number => push_number(out, number),
        }
    }

    /// The first byte after white space.
    fn peek(&mut self) -> Result<u8, ObjectError> {
        self.rest = self.rest.trim_ascii_start();
        let end = || ObjectError::Unreadable("it ends early".to_owned());
        self.rest.bytes().next().ok_or_else(end)
    }

    fn skip(&mut self) {
        self.take(1);
    }

    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }
}
