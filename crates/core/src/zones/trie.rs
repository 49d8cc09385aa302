//! Patterns by their segments: what a lookup or an overlap check meets is near to what it asks for.
//!
//! Patterns are told apart by their next segment, which is kept under the longer of its two literal ends, so that
//! `shop/*/team-7-*` is found among 10 000 of its kind by a walk along the object's name. What is still together there
//! is a plain list when it is short, and told apart by the segment after it when it is not.

use std::sync::Arc;

use super::{
    Holding, Zone,
    radix::{Bucket, End, Radix, Reach},
};
use crate::glob::{Alternative, Part, Segment, matches_parts};

/// The most patterns in a plain list.
const FEW: usize = 16;

/// One way in which a zone claims places.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) parts: Alternative,
    pub(super) zone: Arc<Zone>,
}

/// Patterns that begin with the same segments, `depth` of them.
#[derive(Clone, Default)]
pub(super) struct Trie {
    /// Those that end here.
    ends: Vec<Entry>,
    /// Those that go on with `**`.
    rests: Vec<Entry>,
    /// Those that go on with a segment, by its prefix.
    heads: Radix<Heads>,
    /// Those that go on with a segment whose suffix is longer than its prefix, by the suffix read backwards.
    tails: Radix<Group>,
}

/// Patterns whose next segments have the same prefix.
#[derive(Clone, Default)]
struct Heads {
    /// Those whose segment is nothing else.
    literal: Group,
    /// Those whose segment goes on with something that is not literal.
    open: Group,
}

impl Heads {
    /// Those that may match a text which the prefix ends with, behind or (`End::Before`) within.
    fn meeting(&self, end: End) -> impl Iterator<Item = &Group> {
        let literal = (end == End::NotBefore).then_some(&self.literal);
        literal.into_iter().chain([&self.open])
    }
}

impl Bucket for Heads {
    fn is_empty(&self) -> bool {
        self.literal.is_empty() && self.open.is_empty()
    }
}

/// Patterns whose next segments have the same literal end.
#[derive(Clone)]
enum Group {
    Few(Vec<Entry>),
    Many(Vec<(Segment, Arc<Trie>)>),
}

impl Default for Group {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl Bucket for Group {
    fn is_empty(&self) -> bool {
        match self {
            Self::Few(entries) => entries.is_empty(),
            Self::Many(tries) => tries.is_empty(),
        }
    }
}

impl Trie {
    pub(super) fn is_empty(&self) -> bool {
        self.ends.is_empty() && self.rests.is_empty() && self.heads.is_empty() && self.tails.is_empty()
    }

    pub(super) fn insert(&mut self, entry: Entry, depth: usize) {
        let parts = Arc::clone(&entry.parts);
        match parts.get(depth) {
            None => push(&mut self.ends, entry),
            Some(Part::Rest) => push(&mut self.rests, entry),
            Some(Part::One(segment)) => self.update(segment, |group| group.insert(entry, depth)),
        }
    }

    /// Takes out what `zone` claims by a pattern that goes on with these parts.
    pub(super) fn remove(&mut self, zone: &Arc<Zone>, parts: &[Part]) {
        match parts.split_first() {
            None => drop_zone(&mut self.ends, zone),
            Some((Part::Rest, _)) => drop_zone(&mut self.rests, zone),
            Some((Part::One(segment), parts)) => {
                self.update(segment, |group| group.remove(zone, segment, parts));
            }
        }
    }

    fn update(&mut self, segment: &Segment, change: impl FnOnce(&mut Group)) {
        let prefix = segment.prefix().as_bytes();
        if segment.is_literal() {
            return self.heads.update(prefix, |heads| change(&mut heads.literal));
        }
        let suffix = segment.suffix();
        if suffix.len() > prefix.len() {
            let backwards: Vec<u8> = suffix.bytes().rev().collect();
            self.tails.update(&backwards, change);
        } else {
            self.heads.update(prefix, |heads| change(&mut heads.open));
        }
    }

    /// Adds every zone that has a pattern for a place which goes on, after `depth` segments, with these.
    pub(super) fn find<'a, 's>(
        &'a self,
        segments: &(impl Iterator<Item = &'s str> + Clone),
        depth: usize,
        found: &mut Holding<'a>,
    ) {
        add_matching(&self.rests, segments, depth, found);
        let mut after = segments.clone();
        let Some(segment) = after.next() else {
            return self.ends.iter().for_each(|entry| found.add(&entry.zone));
        };
        // The walk along the segment is all that a literal one asks for.
        let mut descend = |group: &'a Group, is_literal: bool| match group {
            Group::Few(entries) if is_literal => add_matching(entries, &after, depth + 1, found),
            Group::Few(entries) => add_matching(entries, segments, depth, found),
            Group::Many(tries) => {
                for (_, trie) in tries.iter().filter(|(pattern, _)| pattern.matches(segment)) {
                    trie.find(&after, depth + 1, found);
                }
            }
        };
        let mut visit = |heads: &'a Heads, end| {
            if end == End::NotBefore {
                descend(&heads.literal, true);
            }
            descend(&heads.open, false);
            None::<()>
        };
        self.heads.search(segment.bytes(), Reach::Prefixes, &mut visit);
        let mut visit = |group: &'a Group, _| {
            descend(group, false);
            None::<()>
        };
        self.tails
            .search(segment.bytes().rev(), Reach::Prefixes, &mut visit);
    }

    /// Visits at least every pattern that has a path in common with one which goes on with these parts, until a visit
    /// finds something.
    pub(super) fn candidates<T>(
        &self,
        parts: &[Part],
        visit: &mut dyn FnMut(&Entry) -> Option<T>,
    ) -> Option<T> {
        let Some((part, parts)) = parts.split_first() else {
            return self.ends.iter().chain(&self.rests).find_map(visit);
        };
        let Part::One(segment) = part else {
            return self.each(visit);
        };
        if let Some(found) = self.rests.iter().find_map(&mut *visit) {
            return Some(found);
        }
        let (reach, suffix) = if segment.is_literal() {
            (Reach::Prefixes, segment.prefix().to_owned())
        } else {
            (Reach::Related, segment.suffix())
        };
        let mut descend = |group: &Group| match group {
            Group::Few(entries) => entries.iter().find_map(&mut *visit),
            Group::Many(tries) => {
                let mut meeting = tries.iter().filter(|(other, _)| other.common(segment).is_some());
                meeting.find_map(|(_, trie)| trie.candidates(parts, visit))
            }
        };
        let mut meeting = |heads: &Heads, end| heads.meeting(end).find_map(&mut descend);
        let found = self.heads.search(segment.prefix().bytes(), reach, &mut meeting);
        let mut tail = |group: &Group, _| descend(group);
        found.or_else(|| self.tails.search(suffix.bytes().rev(), reach, &mut tail))
    }

    fn each<T>(&self, visit: &mut dyn FnMut(&Entry) -> Option<T>) -> Option<T> {
        if let Some(found) = self.ends.iter().chain(&self.rests).find_map(&mut *visit) {
            return Some(found);
        }
        let mut descend = |group: &Group| match group {
            Group::Few(entries) => entries.iter().find_map(&mut *visit),
            Group::Many(tries) => tries.iter().find_map(|(_, trie)| trie.each(visit)),
        };
        let mut all = |heads: &Heads, end| heads.meeting(end).find_map(&mut descend);
        let found = self.heads.each(&mut all);
        found.or_else(|| self.tails.each(&mut |group, _| descend(group)))
    }
}

impl Group {
    fn insert(&mut self, entry: Entry, depth: usize) {
        match self {
            Self::Few(entries) if entries.len() < FEW => push(entries, entry),
            Self::Few(entries) => {
                let entries = std::mem::take(entries);
                *self = Self::Many(Vec::new());
                for entry in entries.into_iter().chain([entry]) {
                    self.insert(entry, depth);
                }
            }
            Self::Many(tries) => {
                let parts = Arc::clone(&entry.parts);
                let Some(Part::One(segment)) = parts.get(depth) else {
                    return;
                };
                if let Some((_, trie)) = tries.iter_mut().find(|(other, _)| other == segment) {
                    Arc::make_mut(trie).insert(entry, depth + 1);
                } else {
                    let mut trie = Trie::default();
                    trie.insert(entry, depth + 1);
                    push(tries, (segment.clone(), Arc::new(trie)));
                }
            }
        }
    }

    fn remove(&mut self, zone: &Arc<Zone>, segment: &Segment, parts: &[Part]) {
        match self {
            Self::Few(entries) => drop_zone(entries, zone),
            Self::Many(tries) => {
                if let Some((_, trie)) = tries.iter_mut().find(|(other, _)| other == segment) {
                    Arc::make_mut(trie).remove(zone, parts);
                }
                tries.retain(|(_, trie)| !trie.is_empty());
            }
        }
    }
}

/// Without room to spare: most lists hold one.
fn push<T>(list: &mut Vec<T>, item: T) {
    list.reserve_exact(1);
    list.push(item);
}

fn drop_zone(entries: &mut Vec<Entry>, zone: &Arc<Zone>) {
    entries.retain(|entry| !Arc::ptr_eq(&entry.zone, zone));
}

fn add_matching<'a, 's>(
    entries: &'a [Entry],
    segments: &(impl Iterator<Item = &'s str> + Clone),
    depth: usize,
    found: &mut Holding<'a>,
) {
    for entry in entries {
        let parts = entry.parts.get(depth..).unwrap_or_default();
        if matches_parts(parts, segments.clone()) {
            found.add(&entry.zone);
        }
    }
}
