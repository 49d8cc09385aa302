//! The chain: each entry names the hash of the one before it, so that none can be changed, dropped or moved unseen.
//!
//! An entry is one line: the RFC 8785 form of a record with its writer, its index and the link. Its hash is the
//! leaf hash of RFC 6962, sha256(0x00 || line), so that the same entries are the leaves of a Merkle tree.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::record::Record;
use crate::digest::Digest;

/// Where a writer's chain ends: what the next entry has to name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    writer: Arc<str>,
    next: u64,
    hash: Digest,
}

impl Head {
    /// The beginning of a writer's chain. It depends on the writer, so that no chain continues as another's.
    pub fn genesis(writer: &str) -> Self {
        Self {
            writer: writer.into(),
            next: 0,
            hash: Digest::of(&[b"countersign.dev/audit/v1\n", writer.as_bytes()]),
        }
    }

    /// Who writes this chain.
    pub fn writer(&self) -> &str {
        &self.writer
    }

    /// The index of the next entry: the number of entries so far.
    pub const fn next(&self) -> u64 {
        self.next
    }

    /// The hash of the last entry.
    pub const fn hash(&self) -> Digest {
        self.hash
    }

    /// The entry that says `record` after everything that was said before.
    ///
    /// The error is the serialiser's; no record has a value that it refuses.
    pub fn link(&self, record: &Record) -> Result<Entry, serde_json::Error> {
        // A value sorts its keys by their bytes. All keys are ASCII and all numbers whole: so this is the canonical form.
        let value = serde_json::to_value(Stored {
            link: Link {
                writer: self.writer.clone(),
                index: self.next,
                prev: self.hash,
            },
            record,
        })?;
        let mut bytes = serde_json::to_vec(&value)?;
        let head = self.after(&bytes);
        bytes.push(b'\n');
        Ok(Entry { bytes, head })
    }

    fn after(&self, line: &[u8]) -> Self {
        Self {
            writer: self.writer.clone(),
            next: self.next + 1,
            hash: leaf_hash(line),
        }
    }
}

/// The RFC 6962 leaf hash of a line without its line feed.
pub fn leaf_hash(line: &[u8]) -> Digest {
    Digest::of(&[&[0], line])
}

/// A record in its place in the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The line, line feed included.
    pub bytes: Vec<u8>,
    /// Where the chain ends with it.
    pub head: Head,
}

#[derive(Serialize)]
struct Stored<'a> {
    #[serde(flatten)]
    link: Link,
    #[serde(flatten)]
    record: &'a Record,
}

#[derive(Serialize, Deserialize)]
struct Link {
    writer: Arc<str>,
    index: u64,
    prev: Digest,
}

/// What the verifier knows of the chain before the first line that it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// The first line is the first of its writer.
    Genesis,
    /// The first line follows this.
    After(Head),
    /// Nothing: the first line's own link is believed. What precedes it is somebody else's to verify.
    Anywhere,
}

/// The first line that does not continue the chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("audit entry on line {line} is broken: {fault}")]
pub struct Broken {
    /// Number of the line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What can be wrong with an entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is no JSON object with a link.
    #[error("it is not an entry: {0}")]
    Unreadable(String),
    /// It is not in the one form in which it could have been written.
    #[error("it is not in canonical form")]
    NotCanonical,
    /// It is another writer's.
    #[error("it was written by `{found}`, the chain is that of `{expected}`")]
    Writer {
        /// The chain's writer.
        expected: Arc<str>,
        /// The entry's writer.
        found: Arc<str>,
    },
    /// Entries are missing, doubled or in another order.
    #[error("it has index {found}, expected {expected}")]
    Index {
        /// The index that had to come.
        expected: u64,
        /// The index that came.
        found: u64,
    },
    /// The entry before it is not the one that it was written after.
    #[error("it follows {found}, the entry before it is {expected}")]
    Link {
        /// The hash of the entry before it.
        expected: Digest,
        /// The hash that it names.
        found: Digest,
    },
}

/// Follows the lines (without their line feeds) and gives the head of the chain, `None` when there is no line.
pub fn verify<L: AsRef<[u8]>>(
    start: Start,
    lines: impl IntoIterator<Item = L>,
) -> Result<Option<Head>, Broken> {
    let mut expected = start;
    for (index, line) in lines.into_iter().enumerate() {
        let head = follow(&expected, line.as_ref()).map_err(|fault| Broken {
            line: index + 1,
            fault,
        })?;
        expected = Start::After(head);
    }
    Ok(match expected {
        Start::After(head) => Some(head),
        Start::Genesis | Start::Anywhere => None,
    })
}

fn follow(start: &Start, line: &[u8]) -> Result<Head, Fault> {
    let unreadable = |error: serde_json::Error| Fault::Unreadable(error.to_string());
    let value: serde_json::Value = serde_json::from_slice(line).map_err(unreadable)?;
    if serde_json_canonicalizer::to_vec(&value).map_err(unreadable)? != line {
        return Err(Fault::NotCanonical);
    }
    let link = Link::deserialize(&value).map_err(unreadable)?;
    let before = match start {
        Start::Genesis => Head::genesis(&link.writer),
        Start::After(head) => head.clone(),
        Start::Anywhere => {
            return Ok(Head {
                writer: link.writer,
                next: link.index,
                hash: link.prev,
            }
            .after(line));
        }
    };
    check(&before, link)?;
    Ok(before.after(line))
}

fn check(before: &Head, link: Link) -> Result<(), Fault> {
    if link.writer != before.writer {
        return Err(Fault::Writer {
            expected: before.writer.clone(),
            found: link.writer,
        });
    }
    if link.index != before.next {
        return Err(Fault::Index {
            expected: before.next,
            found: link.index,
        });
    }
    if link.prev != before.hash {
        return Err(Fault::Link {
            expected: before.hash,
            found: link.prev,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
