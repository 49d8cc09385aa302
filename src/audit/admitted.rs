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

/// How many segments are looked through, latest first: seals follow within moments.
const SEGMENTS: usize = 2;

/// The contents that were let through in the last moments of the log in `path`, oldest first; none where there is no log
/// yet.
///
/// Agents are left out: whether the service accounts that are there now are those of then, the log does not say.
pub fn admitted(path: &Path) -> Result<Vec<Content>, OpenError> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let segments = segments(path)?;
    let mut records: Vec<Record> = Vec::new();
    for segment in segments.iter().skip(segments.len().saturating_sub(SEGMENTS)) {
        let bytes = fs::read(segment).map_err(failed(segment))?;
        let lines = bytes.split(|byte| *byte == b'\n');
        records.extend(lines.filter_map(|line| serde_json::from_slice::<Record>(line).ok()));
    }
    let last = records.last().map(|record| record.time);
    let recent = |record: &Record| last.is_some_and(|last| last.duration_since(record.time) < MOMENTS);
    Ok(records.into_iter().filter(recent).filter_map(content).collect())
}

fn content(record: Record) -> Option<Content> {
    match record.event {
        Event::Decision(decision) if decision.allows() && !decision.request.dry_run => {
            (decision.request.content).filter(|content| content.kind != "Agent")
        }
        _ => None,
    }
}
