//! What the log says was let through, of the kinds that permit: a crash may have come before its seal.

use std::{fs, path::Path};

use countersign_core::{
    audit::{Event, Record},
    seal::Content,
};

use super::directory::{OpenError, failed, segments};

/// How many segments are looked through, latest first: seals follow within moments.
const SEGMENTS: usize = 2;

/// The contents in the latest segments of the log in `path`, oldest first; none where there is no log yet.
///
/// Agents are left out: whether the service accounts that are there now are those of then, the log does not say.
pub fn admitted(path: &Path) -> Result<Vec<Content>, OpenError> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let segments = segments(path)?;
    let mut contents = Vec::new();
    for segment in segments.iter().skip(segments.len().saturating_sub(SEGMENTS)) {
        let bytes = fs::read(segment).map_err(failed(segment))?;
        contents.extend(bytes.split(|byte| *byte == b'\n').filter_map(content));
    }
    Ok(contents)
}

fn content(line: &[u8]) -> Option<Content> {
    match serde_json::from_slice::<Record>(line).ok()?.event {
        Event::Decision(decision) if decision.allows() && !decision.request.dry_run => {
            (decision.request.content).filter(|content| content.kind != "Agent")
        }
        _ => None,
    }
}
