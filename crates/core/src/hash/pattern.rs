//! Patterns of JSON pointers, and what they leave out at a place.

use std::str::FromStr;

use crate::object::escape;

/// A JSON pointer (RFC 6901) in which a segment `*` is any key of a map or any element of a list.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern(Vec<Segment>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Segment {
    Any,
    Key(String),
}

/// A text that is no pattern.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "`{0}` is not a pointer pattern: use /-separated keys below the root, `*` for any key or element, \
     `~1` for a slash and `~0` for a tilde"
)]
pub struct InvalidPattern(pub String);

impl FromStr for Pattern {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        let invalid = || InvalidPattern(text.to_owned());
        let segments = text.strip_prefix('/').ok_or_else(invalid)?.split('/');
        let read = |segment: &str| match segment {
            "" => None,
            "*" => Some(Segment::Any),
            _ => unescape(segment).map(Segment::Key),
        };
        segments
            .map(read)
            .collect::<Option<_>>()
            .map(Self)
            .ok_or_else(invalid)
    }
}

impl Pattern {
    /// The pattern of exactly this place.
    pub(super) fn exactly(path: &[String]) -> Self {
        Self(path.iter().cloned().map(Segment::Key).collect())
    }

    /// Whether the pattern names exactly this place.
    pub(super) fn names(&self, pointer: &str) -> bool {
        self.below(pointer).is_some_and(<[_]>::is_empty) && self.0.len() == pointer.matches('/').count()
    }

    /// What is left of the pattern below a place: nothing when it names the place or something above it.
    fn below(&self, pointer: &str) -> Option<&[Segment]> {
        let mut rest = self.0.as_slice();
        for key in pointer.split('/').skip(1) {
            let Some((segment, tail)) = rest.split_first() else {
                break;
            };
            if !segment.is(&unescape(key)?) {
                return None;
            }
            rest = tail;
        }
        Some(rest)
    }
}

impl Segment {
    fn is(&self, key: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Key(own) => own == key,
        }
    }
}

/// What the patterns say about one place and what is below it.
#[derive(Default)]
pub(super) struct Mask<'p> {
    pointer: String,
    tails: Vec<&'p [Segment]>,
}

impl<'p> Mask<'p> {
    /// The mask at a granule.
    pub fn at(pointer: &str, patterns: &'p [Pattern]) -> Self {
        let tails = patterns
            .iter()
            .filter_map(|pattern| pattern.below(pointer))
            .collect();
        Self {
            pointer: pointer.to_owned(),
            tails,
        }
    }

    /// Whether nothing here or below is left out.
    pub fn is_open(&self) -> bool {
        self.tails.is_empty()
    }

    /// The pointer of this place, when it is left out.
    pub fn left_out(&self) -> Option<&str> {
        self.tails
            .iter()
            .any(|tail| tail.is_empty())
            .then_some(&self.pointer)
    }

    /// The mask one level down; a place that no pattern reaches is open and keeps no pointer.
    pub fn child(&self, key: &str) -> Self {
        let step = |tail: &&'p [Segment]| {
            tail.split_first()
                .and_then(|(segment, rest)| segment.is(key).then_some(rest))
        };
        let tails: Vec<_> = self.tails.iter().filter_map(step).collect();
        let pointer = if tails.is_empty() {
            String::new()
        } else {
            format!("{}/{}", self.pointer, escape(key))
        };
        Self { pointer, tails }
    }
}

/// The key of a segment of a JSON pointer.
pub(super) fn unescape(segment: &str) -> Option<String> {
    let plain = segment.replace("~1", "").replace("~0", "");
    (!plain.contains('~')).then(|| segment.replace("~1", "/").replace("~0", "~"))
}
