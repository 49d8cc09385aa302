//! The log's directory: segments of lines, one writer at a time, and what is needed to go on after a crash.
//!
//! Segments are `<index of their first entry>.ndjson`, so that their names sort in the order of the chain.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use countersign_core::{
    audit::{Broken, Head, Start, record::Torn, verify},
    digest::Digest,
};

use super::log::Storage;

/// A segment that has reached this many bytes is followed by a new one.
const SEGMENT_BYTES: u64 = 64 << 20;

/// The log cannot be written to.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file system says no.
    #[error("audit log: cannot use `{}`: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What it says.
        source: io::Error,
    },
    /// Another process writes here.
    #[error("audit log: another writer holds `{}`", .0.display())]
    Locked(PathBuf),
    /// What is there is not what was written.
    #[error("audit log: segment `{}`: {source}", path.display())]
    Broken {
        /// The segment.
        path: PathBuf,
        /// Its first broken entry.
        source: Broken,
    },
    /// A record of a ticket's step cannot be read: whether the ticket was used is not known then.
    #[error("audit log: segment `{}`: a step of a ticket cannot be read: {source}", path.display())]
    Unreadable {
        /// The segment.
        path: PathBuf,
        /// What is wrong with the record.
        source: serde_json::Error,
    },
    /// No random name for a new writer.
    #[error("audit log: no randomness for the name of a new writer: {0}")]
    Random(#[from] getrandom::Error),
    /// The first record could not be made durable.
    #[error("audit log: cannot write its first record: {0}")]
    First(#[source] super::AuditError),
}

/// The open directory.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    segment: File,
    length: u64,
    _lock: File,
}

/// The directory as it was found.
pub(super) struct Found {
    pub directory: Directory,
    pub head: Head,
    pub torn: Option<Torn>,
}

impl Directory {
    /// Takes the directory, creating it if need be, cuts off what a crash left unfinished and verifies the last
    /// segment's chain.
    pub fn open(path: &Path) -> Result<Found, OpenError> {
        fs::create_dir_all(path).map_err(failed(path))?;
        let lock = lock(&path.join("lock"))?;
        let segments = segments(path)?;
        let torn = segments
            .last()
            .map(|last| cut_torn_tail(last))
            .transpose()?
            .flatten();
        let head = match head(&segments)? {
            Some(head) => head,
            None => Head::genesis(&new_writer()?),
        };
        let segment = segments
            .into_iter()
            .next_back()
            .unwrap_or_else(|| segment_path(path, &head));
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&segment)
            .map_err(failed(&segment))?;
        sync_directory(path).map_err(failed(path))?;
        let length = file.metadata().map_err(failed(&segment))?.len();
        let directory = Self {
            path: path.to_owned(),
            segment: file,
            length,
            _lock: lock,
        };
        Ok(Found {
            directory,
            head,
            torn,
        })
    }
}

impl Storage for Directory {
    fn commit(&mut self, before: &Head, batch: &[u8]) -> io::Result<()> {
        if self.length >= SEGMENT_BYTES {
            let next = segment_path(&self.path, before);
            self.segment = OpenOptions::new().create_new(true).append(true).open(next)?;
            sync_directory(&self.path)?;
            self.length = 0;
        }
        self.segment.write_all(batch)?;
        self.segment.sync_data()?;
        if self.segment.metadata()?.nlink() == 0 {
            return Err(io::Error::other("its file was removed"));
        }
        self.length += batch.len() as u64;
        Ok(())
    }
}

pub(super) fn failed(path: &Path) -> impl Fn(io::Error) -> OpenError {
    move |source| OpenError::Io {
        path: path.to_owned(),
        source,
    }
}

fn lock(path: &Path) -> Result<File, OpenError> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(failed(path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(failed(path)(error)),
    }
}

pub(super) fn segments(path: &Path) -> Result<Vec<PathBuf>, OpenError> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(path).map_err(failed(path))? {
        let file = entry.map_err(failed(path))?.path();
        if file.extension().is_some_and(|extension| extension == "ndjson") {
            segments.push(file);
        }
    }
    segments.sort();
    Ok(segments)
}

fn segment_path(path: &Path, head: &Head) -> PathBuf {
    path.join(format!("{:020}.ndjson", head.next()))
}

/// A record without its line feed was never acknowledged.
fn cut_torn_tail(segment: &Path) -> Result<Option<Torn>, OpenError> {
    let bytes = fs::read(segment).map_err(failed(segment))?;
    let whole = bytes
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |last| last + 1);
    let (_, tail) = bytes.split_at(whole);
    if tail.is_empty() {
        return Ok(None);
    }
    let file = OpenOptions::new()
        .write(true)
        .open(segment)
        .map_err(failed(segment))?;
    file.set_len(whole as u64)
        .and_then(|()| file.sync_all())
        .map_err(failed(segment))?;
    Ok(Some(Torn {
        segment: segment
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
        bytes: u32::try_from(tail.len()).unwrap_or(u32::MAX),
        digest: Digest::of(&[tail]),
    }))
}

/// Where the chain ends: the head of the last segment that holds an entry.
fn head(segments: &[PathBuf]) -> Result<Option<Head>, OpenError> {
    for (number, segment) in segments.iter().enumerate().rev() {
        let bytes = fs::read(segment).map_err(failed(segment))?;
        let lines = bytes
            .split_inclusive(|byte| *byte == b'\n')
            .map(<[u8]>::trim_ascii_end);
        let start = if number == 0 {
            Start::Genesis
        } else {
            Start::Anywhere
        };
        let head = verify(start, lines).map_err(|source| OpenError::Broken {
            path: segment.clone(),
            source,
        })?;
        if head.is_some() {
            return Ok(head);
        }
    }
    Ok(None)
}

/// A log that was lost is a new writer, never the old one begun again.
fn new_writer() -> Result<String, OpenError> {
    Ok(format!("{:016x}", getrandom::u64()?))
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
