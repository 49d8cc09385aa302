//! Helm's record of a release: a Secret that Helm writes at each step, with the time in it, and that nothing else reads.

use crate::{
    hash::{changed_pointers, is_identity},
    object::{Change, Object, ObjectError},
    request::{Operation, Request},
};

/// The type of the Secret, which never changes.
const TYPE: &str = "helm.sh/release.v1";

/// What its name begins with; the release and `v<number>` follow.
const PREFIX: &str = "sh.helm.release.v1.";

/// All that Helm writes of it.
const PARTS: [&str; 8] = [
    "/type",
    "/data/release",
    "/metadata/labels/createdAt",
    "/metadata/labels/modifiedAt",
    "/metadata/labels/name",
    "/metadata/labels/owner",
    "/metadata/labels/status",
    "/metadata/labels/version",
];

/// Whether the write is Helm's own book-keeping: by its name and its type, and of nothing but what Helm writes there.
/// Who made it is no matter: it holds what was deployed, and deploys nothing.
pub(crate) fn is_release_record(request: &Request<'_>) -> Result<bool, ObjectError> {
    let target = &request.target;
    if !target.is("", "secrets") || !target.subresource.is_empty() || !is_named_so(target.name) {
        return Ok(false);
    }
    for object in [request.change.before(), request.change.after()]
        .into_iter()
        .flatten()
    {
        if !is_of_type(object)? {
            return Ok(false);
        }
    }
    let is_part = |pointer: &String| PARTS.contains(&&**pointer) || is_identity(pointer);
    Ok(match (request.operation, &request.change) {
        (Operation::Delete, Change::Delete(before)) => before.is_some(),
        (Operation::Create | Operation::Update, change) => changed_pointers(change)?.iter().all(is_part),
        _ => false,
    })
}

fn is_named_so(name: &str) -> bool {
    let rest = name.strip_prefix(PREFIX).unwrap_or_default();
    rest.rsplit_once(".v").is_some_and(|(release, number)| {
        !release.is_empty() && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

fn is_of_type(object: &Object<'_>) -> Result<bool, ObjectError> {
    Ok(object.text_at(&["type"])?.as_deref() == Some(TYPE))
}
