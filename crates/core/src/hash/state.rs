//! The hash over what an object holds at the pointers of a change: whether the change is there, or what it replaces.

use std::collections::BTreeMap;

use super::{HashContext, Value, diff::remains, resource_hash, value_of};
use crate::object::{Object, ObjectError};

/// The digest over the values that `object` holds at `pointers`, as [`resource_hash`] forms it.
///
/// Of the object after a change it equals the change's `resourceHash`, of the object before it its `oldHash`.
pub fn state_hash(
    object: &Object<'_>,
    pointers: &[impl AsRef<str>],
    context: &HashContext<'_>,
) -> Result<crate::digest::Digest, ObjectError> {
    let fields: BTreeMap<String, _> = object
        .fields()?
        .iter()
        .map(|field| (field.pointer(), field.value))
        .collect();
    let mut digests = BTreeMap::new();
    for pointer in pointers.iter().map(AsRef::as_ref) {
        let text = remains(
            fields.get(pointer).copied(),
            pointer,
            context.ignore,
            &mut Vec::new(),
        )?;
        let value = text
            .map(|text| value_of(text, pointer, object, context))
            .transpose()?;
        digests.insert(pointer, value.as_ref().map(Value::digest));
    }
    Ok(resource_hash(
        context.api_version,
        context.kind,
        context.subresource,
        &digests,
    ))
}
