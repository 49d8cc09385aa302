//! From text to parsed patterns: braces are written out first, then each alternative is cut into segments.

use std::{iter::Peekable, str::Chars};

use super::{
    Alternative,
    class::Class,
    segment::{Part, Segment, Token},
};

/// The longest pattern, in bytes.
pub const MAX_PATTERN: usize = 512;
/// The most patterns that the braces of one may stand for.
pub const MAX_ALTERNATIVES: usize = 64;
/// The most characters that these may have together.
pub const MAX_EXPANDED: usize = 2048;

/// A text that is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("pattern `{pattern}`: {problem}")]
pub struct GlobError {
    /// The text, at most its first 128 characters.
    pub pattern: String,
    /// What is wrong with it.
    pub problem: GlobProblem,
}

impl GlobError {
    pub(super) fn new(text: &str, problem: GlobProblem) -> Self {
        let pattern = text.chars().take(128).flat_map(char::escape_debug).collect();
        Self { pattern, problem }
    }
}

/// What is wrong with a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GlobProblem {
    /// Longer than `MAX_PATTERN`.
    #[error("{0} bytes are more than {MAX_PATTERN}")]
    TooLong(usize),
    /// More than `MAX_ALTERNATIVES`.
    #[error("its braces stand for more than {MAX_ALTERNATIVES} patterns; write fewer, or several patterns")]
    TooManyAlternatives,
    /// More than `MAX_EXPANDED`.
    #[error("written out, its braces stand for more than {MAX_EXPANDED} characters; write several patterns")]
    TooWide,
    /// A control character.
    #[error("it contains the control character {0:?}")]
    Control(char),
    /// Nothing between two `/`, or before the first, or after the last.
    #[error("it has an empty segment; it begins and ends without `/` and has no `//`")]
    EmptySegment,
    /// `.` or `..`
    #[error("`.` and `..` are no segments")]
    DotSegment,
    /// `**` beside something else.
    #[error("`**` stands alone between two `/`; use `*` within a segment")]
    PartialRest,
    /// Not three segments in the object space.
    #[error("an object is `<namespace>/<resource>.<group>/<name>`: three segments, `**` for those left out")]
    NotAnObject,
    /// `[` or `{` without its end.
    #[error("`{0}` is not closed; write `\\{0}` for the character itself")]
    Unclosed(char),
    /// `]` or `}` without its beginning.
    #[error("`{0}` closes nothing; write `\\{0}` for the character itself")]
    Unopened(char),
    /// `{}`, `{a,}`
    #[error("a part of `{{...}}` is empty; write both patterns instead")]
    EmptyAlternative,
    /// `[]`, or everything excluded.
    #[error("`[...]` matches no character")]
    EmptyClass,
    /// `[z-a]`
    #[error("the range `{0}-{1}` runs backwards")]
    BackwardRange(char, char),
    /// `/` or `[` within `[...]`.
    #[error(
        "`{0}` within `[...]` is not possible; close the set first, or write `\\[` for the bracket itself"
    )]
    NotInClass(char),
    /// A backslash before something that needs none.
    #[error("`\\{0}` means nothing; a backslash goes before one of * ? [ ] {{ }} , - ! ^ \\")]
    NeedlessEscape(char),
    /// A backslash at the end.
    #[error("it ends in a lone backslash")]
    LoneEscape,
}

/// The alternatives of a pattern over repository paths.
pub(super) fn path(text: &str) -> Result<Vec<Alternative>, GlobProblem> {
    Ok(parts(text)?.into_iter().map(Alternative::from).collect())
}

/// The alternatives of a pattern over objects: three segments each, without `**`.
pub(super) fn object(text: &str) -> Result<Vec<Alternative>, GlobProblem> {
    let mut alternatives = Vec::new();
    for parts in parts(text)? {
        let filled = fill(&parts, 3);
        if filled.is_empty() {
            return Err(GlobProblem::NotAnObject);
        }
        alternatives.extend(filled.into_iter().map(Alternative::from));
    }
    Ok(alternatives)
}

/// Every way in which the parts can be exactly `room` segments.
fn fill(parts: &[Part], room: usize) -> Vec<Vec<Part>> {
    let with = |first: Vec<Part>, rest: Vec<Vec<Part>>| -> Vec<Vec<Part>> {
        let join = |rest| [first.clone(), rest].concat();
        rest.into_iter().map(join).collect()
    };
    match parts.split_first() {
        None if room == 0 => vec![Vec::new()],
        None => Vec::new(),
        Some((Part::Rest, rest)) => (0..=room)
            .flat_map(|n| with(vec![Part::One(Segment::star()); n], fill(rest, room - n)))
            .collect(),
        Some((_, _)) if room == 0 => Vec::new(),
        Some((one, rest)) => with(vec![one.clone()], fill(rest, room - 1)),
    }
}

fn parts(text: &str) -> Result<Vec<Vec<Part>>, GlobProblem> {
    if text.len() > MAX_PATTERN {
        return Err(GlobProblem::TooLong(text.len()));
    }
    if let Some(control) = text.chars().find(|c| c.is_control()) {
        return Err(GlobProblem::Control(control));
    }
    let mut reader = Reader(text.chars().peekable());
    let alternatives = reader.alternatives(false)?;
    if alternatives.iter().map(Vec::len).sum::<usize>() > MAX_EXPANDED {
        return Err(GlobProblem::TooWide);
    }
    alternatives.iter().map(|atoms| cut(atoms)).collect()
}

/// Cuts one alternative into parts, and drops a `**` behind another.
fn cut(atoms: &[Atom]) -> Result<Vec<Part>, GlobProblem> {
    let segments = atoms.split(|atom| matches!(atom, Atom::Slash));
    let mut parts = segments.map(part).collect::<Result<Vec<_>, _>>()?;
    parts.dedup_by(|a, b| matches!((a, b), (Part::Rest, Part::Rest)));
    Ok(parts)
}

fn part(atoms: &[Atom]) -> Result<Part, GlobProblem> {
    let tokens = match atoms {
        [] => return Err(GlobProblem::EmptySegment),
        [Atom::Rest] => return Ok(Part::Rest),
        atoms => atoms.iter().map(|atom| match atom {
            Atom::Token(token) => Ok(token.clone()),
            Atom::Rest | Atom::Slash => Err(GlobProblem::PartialRest),
        }),
    };
    let segment = Segment::new(tokens.collect::<Result<_, _>>()?);
    if segment.is_literal() && matches!(segment.prefix(), "." | "..") {
        return Err(GlobProblem::DotSegment);
    }
    Ok(Part::One(segment))
}

#[derive(Clone)]
enum Atom {
    Slash,
    Rest,
    Token(Token),
}

struct Reader<'t>(Peekable<Chars<'t>>);

impl Reader<'_> {
    /// Reads to the end of the text, or, within braces, to the end of the part.
    fn alternatives(&mut self, within: bool) -> Result<Vec<Vec<Atom>>, GlobProblem> {
        let mut read = vec![Vec::new()];
        while let Some(c) = self.0.next_if(|c| !(within && matches!(c, ',' | '}'))) {
            let atom = match c {
                '{' => {
                    read = append(&read, &self.braces()?)?;
                    continue;
                }
                '}' | ']' => return Err(GlobProblem::Unopened(c)),
                '/' => Atom::Slash,
                '*' if self.0.next_if_eq(&'*').is_some() => Atom::Rest,
                '*' => Atom::Token(Token::Star),
                '?' => Atom::Token(Token::Any),
                '[' => Atom::Token(self.class()?),
                '\\' => Atom::Token(Token::Char(self.escaped()?)),
                c => Atom::Token(Token::Char(c)),
            };
            for alternative in &mut read {
                alternative.push(atom.clone());
            }
        }
        Ok(read)
    }

    fn braces(&mut self) -> Result<Vec<Vec<Atom>>, GlobProblem> {
        let mut read = Vec::new();
        loop {
            read.extend(self.alternatives(true)?);
            if read.iter().any(Vec::is_empty) {
                return Err(GlobProblem::EmptyAlternative);
            }
            match self.0.next() {
                Some(',') => {}
                Some(_) => return Ok(read),
                None => return Err(GlobProblem::Unclosed('{')),
            }
        }
    }

    fn class(&mut self) -> Result<Token, GlobProblem> {
        let negated = self.0.next_if(|c| matches!(c, '!' | '^')).is_some();
        let mut ranges = Vec::new();
        while self.0.next_if_eq(&']').is_none() {
            let low = self.member()?;
            let mut high = low;
            if self.0.next_if_eq(&'-').is_some() {
                if self.0.peek() == Some(&']') {
                    ranges.push(('-', '-'));
                } else {
                    high = self.member()?;
                }
            }
            if high < low {
                return Err(GlobProblem::BackwardRange(low, high));
            }
            ranges.push((low, high));
        }
        let class = Some(ranges)
            .filter(|ranges| !ranges.is_empty())
            .and_then(|ranges| Class::new(ranges, negated))
            .ok_or(GlobProblem::EmptyClass)?;
        Ok(class.single().map_or(Token::Class(class), Token::Char))
    }

    fn member(&mut self) -> Result<char, GlobProblem> {
        match self.0.next() {
            None => Err(GlobProblem::Unclosed('[')),
            Some(c @ ('/' | '[')) => Err(GlobProblem::NotInClass(c)),
            Some('\\') => self.escaped(),
            Some(c) => Ok(c),
        }
    }

    fn escaped(&mut self) -> Result<char, GlobProblem> {
        match self.0.next() {
            None => Err(GlobProblem::LoneEscape),
            Some(c) if r"*?[]{},-!^\".contains(c) => Ok(c),
            Some(c) => Err(GlobProblem::NeedlessEscape(c)),
        }
    }
}

/// Each of the first followed by each of the second.
fn append(first: &[Vec<Atom>], second: &[Vec<Atom>]) -> Result<Vec<Vec<Atom>>, GlobProblem> {
    if first.len() * second.len() > MAX_ALTERNATIVES {
        return Err(GlobProblem::TooManyAlternatives);
    }
    let pairs = first
        .iter()
        .flat_map(|head| second.iter().map(move |tail| (head, tail)));
    Ok(pairs
        .map(|(head, tail)| [head.as_slice(), tail].concat())
        .collect())
}
