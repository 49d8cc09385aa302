//! The one glob dialect: which places of the object space, and which repository paths, a pattern names.
//!
//! A pattern is anchored, case-sensitive and read segment by segment, over Unicode scalar values:
//!
//! | written | matches |
//! |---|---|
//! | `*` | any characters of one segment, none included |
//! | `?` | one character |
//! | `[a-z_]`, `[!a-z]` | one character in, or (`!` or `^` first) not in the set; `-` first or last is itself |
//! | `{a,b*}` | whatever the pattern matches with `a`, or with `b*`, in this place; nests, may hold `/`, no part is empty |
//! | `**` | as a whole segment: any number of segments, none included |
//! | `\*` | the character itself, for one of ``* ? [ ] { } , - ! ^ \`` |
//!
//! No wildcard and no set matches `/`. `docs/**` matches `docs` too: replacing the directory by a link of its name
//! is a write into it.

mod class;
mod parse;
mod segment;
mod sequence;
#[cfg(test)]
pub(crate) mod tests;

use std::{collections::BTreeSet, fmt, sync::Arc};

pub use parse::{GlobError, GlobProblem, MAX_ALTERNATIVES, MAX_EXPANDED, MAX_PATTERN};
pub(crate) use segment::{Part, Segment};

/// A parsed pattern: cheap to clone, matched in at most (its length, braces written out) x (length of the path) steps.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Glob(Arc<Parsed>);

#[derive(PartialEq, Eq, Hash)]
struct Parsed {
    text: Box<str>,
    alternatives: Box<[Alternative]>,
}

/// One way to write out the braces of a pattern. INVARIANT: no two `**` are neighbours.
pub(crate) type Alternative = Arc<[Part]>;

impl Glob {
    /// A pattern over the object space, `<namespace>/<resource>.<group>/<name>`.
    ///
    /// Every place there has exactly three segments, so `**` stands for as many as are missing: `shop/**` is
    /// `shop/*/*`. Cluster-scoped objects have the namespace `@cluster`, which `*` matches like any other.
    pub fn object(text: &str) -> Result<Self, GlobError> {
        Self::new(text, parse::object(text))
    }

    /// A pattern over the paths of a repository: relative, without empty, `.` or `..` segments.
    pub fn path(text: &str) -> Result<Self, GlobError> {
        Self::new(text, parse::path(text))
    }

    fn new(text: &str, parsed: Result<Vec<Alternative>, GlobProblem>) -> Result<Self, GlobError> {
        let alternatives = parsed.map_err(|problem| GlobError::new(text, problem))?.into();
        let text = text.into();
        Ok(Self(Arc::new(Parsed { text, alternatives })))
    }

    /// Whether the pattern names this path, whose segments are separated by `/`.
    pub fn matches(&self, path: &str) -> bool {
        self.matches_segments(&path.split('/'))
    }

    /// Whether the pattern names this object; the same as `matches` on the three joined by `/`.
    pub fn matches_object(&self, namespace: &str, resource: &str, name: &str) -> bool {
        self.matches_segments(&[namespace, resource, name].iter().copied())
    }

    fn matches_segments<'t>(&self, segments: &(impl Iterator<Item = &'t str> + Clone)) -> bool {
        self.alternatives()
            .iter()
            .any(|alternative| sequence::matches(alternative, segments.clone()))
    }

    /// The namespaces among these that a pattern over objects is about: the one that it names, or those that begin as
    /// it does. One that leaves the beginning open (`*`, `**`, `*-dev`) is about none in particular.
    pub fn namespaces<'n>(&self, known: &'n BTreeSet<Arc<str>>) -> Vec<&'n Arc<str>> {
        let of = |alternative: &Alternative| {
            namespace_of(alternative).map_or_else(Vec::new, |segment| segment.beginning_alike(known))
        };
        self.alternatives().iter().flat_map(of).collect()
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    pub(crate) fn alternatives(&self) -> &[Alternative] {
        &self.0.alternatives
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

/// What a pattern over objects says of the namespace, unless it leaves the beginning open.
fn namespace_of(parts: &[Part]) -> Option<&Segment> {
    match parts.first()? {
        Part::One(segment) => Some(segment).filter(|segment| !segment.prefix().is_empty()),
        Part::Rest => None,
    }
}

/// Whether a pattern over objects is about a namespace; see [`Glob::namespaces`].
pub(crate) fn is_about(parts: &[Part], namespace: &str) -> bool {
    namespace_of(parts).is_some_and(|segment| segment.matches(namespace))
}

/// Every object in a namespace.
pub(crate) fn all_of(namespace: &str) -> [Part; 3] {
    [Segment::literal(namespace), Segment::star(), Segment::star()].map(Part::One)
}

/// A path that both patterns match, or `None` when there is none at all: exact, not a heuristic.
///
/// Two patterns of the same space are compared, in a number of steps that grows with the product of their lengths,
/// braces written out. The witness is short, and made of letters where the patterns leave the choice.
pub fn intersection(a: &Glob, b: &Glob) -> Option<String> {
    let mut pairs = a
        .alternatives()
        .iter()
        .flat_map(|a| b.alternatives().iter().map(move |b| (a, b)));
    pairs.find_map(|(a, b)| common_path(a, b))
}

/// A path that both alternatives match; see [`intersection`].
pub(crate) fn common_path(a: &[Part], b: &[Part]) -> Option<String> {
    Some(sequence::common(a, b)?.join("/"))
}

/// Whether the parts match all of these segments, one by one.
pub(crate) fn matches_parts<'t>(parts: &[Part], segments: impl Iterator<Item = &'t str> + Clone) -> bool {
    sequence::matches(parts, segments)
}
