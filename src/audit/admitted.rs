//! What the log says was let through, of the kinds that permit: a crash may have come before its seal.

use std::{fs, path::Path};

use countersign_core::{
    audit::{Event, Record},
    seal::Content,
};
use jiff::SignedDuration;

use super::directory::{OpenError, failed, segments};

/// How long before the last record counts as its last moments: for as long a running operator remembers.
const MOMENTS: SignedDuration = SignedDuration::from_mins(2);

/// The contents that were let through in the last moments of the log in `path`, latest first; none where there is no
/// log yet.
///
/// Agents are left out: whether the service accounts that are there now are those of then, the log does not say.
pub fn admitted(path: &Path) -> Result<Vec<Content>, OpenError> {
    let (mut contents, mut last) = (Vec::new(), None);
    if !path.exists() {
        return Ok(contents);
    }
    for segment in segments(path)?.iter().rev() {
        let bytes = fs::read(segment).map_err(failed(segment))?;
        for line in bytes.rsplit(|byte| *byte == b'\n') {
            // What is no record lets nothing through.
            let Ok(record) = serde_json::from_slice::<Record>(line) else {
                continue;
            };
            if last.get_or_insert(record.time).duration_since(record.time) > MOMENTS {
                return Ok(contents);
            }
            contents.extend(content(record));
        }
    }
    Ok(contents)
}

fn content(record: Record) -> Option<Content> {
    match record.event {
        Event::Decision(decision) if decision.allows() && !decision.request.dry_run => {
            (decision.request.content).filter(|content| content.kind != "Agent")
        }
        _ => None,
    }
}
