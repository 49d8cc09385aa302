//! The audit log as files: its records from a moment on, each proven to follow the one before.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use countersign_core::audit::{Head, Record, Start, verify};
use jiff::Timestamp;

/// Gives each record from `since` on to `each`, oldest first, and tells when the log begins.
///
/// Whether it is whole is proven from the segment on that holds the moment; where the log begins later, from its start.
pub fn read(directory: &Path, since: Timestamp, mut each: impl FnMut(Record)) -> anyhow::Result<Timestamp> {
    let segments = segments(directory)?;
    let Some(oldest) = segments.first() else {
        bail!("`{}` holds no audit log", directory.display())
    };
    let begins = oldest.begins;
    let held = segments.iter().rposition(|segment| segment.begins <= since);
    let mut head = held
        .filter(|held| *held > 0)
        .map_or(Start::Genesis, |_| Start::Anywhere);
    let last = segments.len() - 1;
    for (number, segment) in segments.iter().enumerate().skip(held.unwrap_or(0)) {
        let records = || format!("`{}`", segment.path.display());
        let (records_of, end) = segment.read(head, number == last).with_context(records)?;
        records_of
            .into_iter()
            .filter(|record| record.time >= since)
            .for_each(&mut each);
        head = Start::After(end);
    }
    Ok(begins)
}

struct Segment {
    path: PathBuf,
    begins: Timestamp,
}

/// The segments that hold a record, oldest first: their names sort in that order.
fn segments(directory: &Path) -> anyhow::Result<Vec<Segment>> {
    let unread = || format!("cannot read `{}`", directory.display());
    let entries = fs::read_dir(directory).with_context(unread)?;
    let paths = entries.map(|entry| Ok(entry?.path()));
    let mut paths = paths.collect::<std::io::Result<Vec<_>>>().with_context(unread)?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "ndjson"));
    paths.sort();
    let mut segments = Vec::new();
    for path in paths {
        let context = || format!("`{}`", path.display());
        if let Some(begins) = first_time(&path).with_context(context)? {
            segments.push(Segment { path, begins });
        }
    }
    Ok(segments)
}

fn first_time(path: &Path) -> anyhow::Result<Option<Timestamp>> {
    let mut line = Vec::new();
    BufReader::new(File::open(path)?).read_until(b'\n', &mut line)?;
    // A first record without its end is being written.
    if !line.ends_with(b"\n") {
        return Ok(None);
    }
    Ok(Some(record(&line)?.time))
}

fn record(line: &[u8]) -> anyhow::Result<Record> {
    serde_json::from_slice(line).context("a record is not known to this version")
}

impl Segment {
    /// The records and where the chain ends. The end of the last segment may be under way.
    fn read(&self, start: Start, may_grow: bool) -> anyhow::Result<(Vec<Record>, Head)> {
        let bytes = fs::read(&self.path)?;
        let whole = bytes
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |last| last + 1);
        let (lines, torn) = bytes.split_at(whole);
        if !torn.is_empty() && !may_grow {
            bail!("its last record is cut off, and others follow");
        }
        let lines = || {
            lines
                .split_inclusive(|byte| *byte == b'\n')
                .map(<[u8]>::trim_ascii_end)
        };
        let end = verify(start, lines())?.context("it holds no record")?;
        Ok((lines().map(record).collect::<Result<_, _>>()?, end))
    }
}
