//! The operator's audit log, read as it grows.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    path::Path,
};

use countersign_core::audit::{Event, Record, record::Decision};

/// The log's first segment; a test never fills one.
pub struct Trail {
    segment: BufReader<File>,
    line: String,
}

impl Trail {
    /// Follows the log in this folder from its beginning.
    pub fn of(folder: &Path) -> Self {
        let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
        let mut segments = files.filter(|path| path.extension().is_some_and(|end| end == "ndjson"));
        let segment = File::open(segments.next().unwrap()).unwrap();
        assert!(segments.next().is_none(), "the log has more than one segment");
        Self {
            segment: BufReader::new(segment),
            line: String::new(),
        }
    }

    /// What was decided for this user since it was last asked. A decision is in the log before it is answered.
    pub fn decisions_of(&mut self, username: &str) -> Vec<Decision> {
        let mut decisions = Vec::new();
        while self.segment.read_line(&mut self.line).unwrap() > 0 && self.line.ends_with('\n') {
            let record: Record = serde_json::from_str(&self.line).unwrap();
            self.line.clear();
            if let Event::Decision(decision) = record.event
                && decision.caller.username == username
            {
                decisions.push(*decision);
            }
        }
        decisions
    }
}
