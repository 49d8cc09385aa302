//! The differences of two objects, field by field, and the granules that they are.

use std::cmp::Ordering;

use serde_json::value::RawValue;

use super::{
    Granule, HashContext,
    canonical::{canonical_value, canonical_without},
    chosen::server_chosen,
    omit::{is_omitted, is_server_owned},
    pattern::{Mask, Pattern},
    value_of,
};
use crate::object::{Change, Field, Object, ObjectError};

/// Whether the write changes nothing but what the API server owns; only an UPDATE can.
pub fn is_noop(change: &Change<'_>) -> Result<bool, ObjectError> {
    let Change::Update { old, new } = change else {
        return Ok(false);
    };
    if old.same_bytes(new) {
        return Ok(true);
    }
    for difference in differences(Some(old), Some(new))? {
        if difference.counts()? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The pointers of all that the write changes but for what the API server owns, as [`is_noop`] sees it.
///
/// A deletion changes the whole object, pointer ``; a connection nothing.
pub fn changed_pointers(change: &Change<'_>) -> Result<Vec<String>, ObjectError> {
    match change {
        Change::Connect(_) => return Ok(Vec::new()),
        Change::Delete(_) => return Ok(vec![String::new()]),
        Change::Create(_) | Change::Update { .. } => {}
    }
    let mut pointers = Vec::new();
    for difference in differences(change.before(), change.after())? {
        if difference.counts()? {
            pointers.push(difference.pointer);
        }
    }
    Ok(pointers)
}

/// The granules of a CREATE or UPDATE, and the pointers of what the policy ignored.
pub(super) fn granules(
    change: &Change<'_>,
    context: &HashContext<'_>,
) -> Result<(Vec<Granule>, Vec<String>), ObjectError> {
    let chosen = server_chosen(change, context.object_kind())?;
    let new_mask = [&chosen, context.ignore].concat();
    let (mut ignored, mut left_out) = (Vec::new(), Vec::new());
    let mut granules = Vec::new();
    for Difference { pointer, old, new } in differences(change.before(), change.after())? {
        if is_omitted(&pointer, context.object_kind(), context.writer) {
            continue;
        }
        if Mask::at(&pointer, context.ignore).left_out().is_some() {
            ignored.push(pointer);
            continue;
        }
        let old = remains(old, &pointer, context.ignore, &mut left_out)?;
        let new = remains(new, &pointer, &new_mask, &mut left_out)?;
        if old != new {
            let show = |text: Option<String>, object: Option<&Object<'_>>| {
                text.zip(object)
                    .map(|(text, object)| value_of(text, &pointer, object, context))
                    .transpose()
            };
            let (old, new) = (show(old, change.before())?, show(new, change.after())?);
            granules.push(Granule { pointer, old, new });
        }
    }
    granules.sort_by(|a, b| a.pointer.cmp(&b.pointer));
    let is_named = |pointer: &String| context.ignore.iter().any(|pattern| pattern.names(pointer));
    ignored.extend(left_out.into_iter().filter(is_named));
    ignored.sort();
    ignored.dedup();
    Ok((granules, ignored))
}

/// The canonical text of a value without what the patterns leave out.
pub(super) fn remains(
    value: Option<&RawValue>,
    pointer: &str,
    patterns: &[Pattern],
    left_out: &mut Vec<String>,
) -> Result<Option<String>, ObjectError> {
    let Some(value) = value else { return Ok(None) };
    let mask = Mask::at(pointer, patterns);
    let text = canonical_without(value, &mask, left_out)?;
    match mask.left_out() {
        Some(pointer) => {
            left_out.push(pointer.to_owned());
            Ok(None)
        }
        None => Ok(Some(text)),
    }
}

/// A field whose text is not the same in both objects.
struct Difference<'a> {
    pointer: String,
    old: Option<&'a RawValue>,
    new: Option<&'a RawValue>,
}

impl Difference<'_> {
    /// Whether this is a change, and not only another spelling or the API server's own book-keeping.
    fn counts(&self) -> Result<bool, ObjectError> {
        if is_server_owned(&self.pointer) {
            return Ok(false);
        }
        match (self.old, self.new) {
            (Some(old), Some(new)) => Ok(canonical_value(old)? != canonical_value(new)?),
            _ => Ok(true),
        }
    }
}

fn differences<'a>(
    old: Option<&Object<'a>>,
    new: Option<&Object<'a>>,
) -> Result<Vec<Difference<'a>>, ObjectError> {
    let mut old = old
        .map(Object::fields)
        .transpose()?
        .unwrap_or_default()
        .iter()
        .peekable();
    let mut new = new
        .map(Object::fields)
        .transpose()?
        .unwrap_or_default()
        .iter()
        .peekable();
    let mut differences = Vec::new();
    loop {
        let order = match (old.peek(), new.peek()) {
            (Some(old), Some(new)) => old.position().cmp(&new.position()),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return Ok(differences),
        };
        let before = if order.is_le() { old.next() } else { None };
        let after = if order.is_ge() { new.next() } else { None };
        let text = |field: Option<&Field<'a>>| field.map(|field| field.value.get());
        if text(before) != text(after)
            && let Some(field) = before.or(after)
        {
            let value = |field: Option<&Field<'a>>| field.map(|field| field.value);
            differences.push(Difference {
                pointer: field.pointer(),
                old: value(before),
                new: value(after),
            });
        }
    }
}
