//! One segment of a pattern: a literal prefix, then whatever follows it.

use std::{borrow::Cow, collections::BTreeSet, ops::Bound, sync::Arc};

use smol_str::SmolStr;

use super::{
    class::Class,
    sequence::{self, Step},
};

/// One part of a pattern between two `/`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Part {
    /// `**`: any number of segments.
    Rest,
    /// One segment.
    One(Segment),
}

/// A pattern for one segment of a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Segment {
    prefix: SmolStr,
    tail: Tail,
}

/// What follows the prefix. The forms that most patterns have lie here as a whole: nothing is to be read elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Tail {
    /// A star, and then these characters, if any.
    Ending(SmolStr),
    /// Anything else. INVARIANT: empty, or begins with no `Char`, and no two `Star` are neighbours.
    Tokens(Box<[Token]>),
}

impl Tail {
    fn tokens(&self) -> Cow<'_, [Token]> {
        match self {
            Self::Ending(text) => [Token::Star]
                .into_iter()
                .chain(text.chars().map(Token::Char))
                .collect(),
            Self::Tokens(tokens) => Cow::Borrowed(tokens),
        }
    }

    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Ending(ending) => text.ends_with(&**ending),
            Self::Tokens(tokens) => sequence::matches(tokens, text.chars()),
        }
    }
}

impl FromIterator<Token> for Tail {
    fn from_iter<T: IntoIterator<Item = Token>>(tokens: T) -> Self {
        let tokens: Box<[Token]> = tokens.into_iter().collect();
        let ending = match tokens.split_first() {
            Some((Token::Star, rest)) => rest.iter().map(Token::literal).collect(),
            _ => None,
        };
        ending.map_or(Self::Tokens(tokens), Self::Ending)
    }
}

/// A pattern for one character of a segment, or `*`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Token {
    Char(char),
    /// `?`
    Any,
    /// `*`
    Star,
    Class(Class),
}

impl Segment {
    pub(super) fn new(mut tokens: Vec<Token>) -> Self {
        tokens.dedup_by(|a, b| a.is_star() && b.is_star());
        let prefix = tokens.iter().map_while(Token::literal).collect();
        let tail = tokens.into_iter().skip_while(|token| token.literal().is_some());
        Self {
            prefix,
            tail: tail.collect(),
        }
    }

    /// The text itself.
    pub(super) fn literal(text: &str) -> Self {
        Self::new(text.chars().map(Token::Char).collect())
    }

    /// `*`
    pub(super) fn star() -> Self {
        Self::new(vec![Token::Star])
    }

    /// The literal characters that it begins with.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The literal characters that it ends with; empty when there is nothing but literal characters.
    pub(crate) fn suffix(&self) -> String {
        let reversed: Vec<char> = self
            .tail
            .tokens()
            .iter()
            .rev()
            .map_while(Token::literal)
            .collect();
        reversed.into_iter().rev().collect()
    }

    /// Whether only the prefix itself matches.
    pub(crate) fn is_literal(&self) -> bool {
        matches!(&self.tail, Tail::Tokens(tokens) if tokens.is_empty())
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        text.strip_prefix(&*self.prefix)
            .is_some_and(|rest| self.tail.matches(rest))
    }

    /// Those that it matches; only those with its prefix are looked at.
    pub(super) fn beginning_alike<'n>(&self, known: &'n BTreeSet<Arc<str>>) -> Vec<&'n Arc<str>> {
        let from = (Bound::Included(self.prefix()), Bound::Unbounded);
        known
            .range::<str, _>(from)
            .take_while(|text| text.starts_with(self.prefix()))
            .filter(|text| self.matches(text))
            .collect()
    }

    /// A text that both match.
    pub(crate) fn common(&self, other: &Self) -> Option<String> {
        let (short, long) = if self.prefix.len() <= other.prefix.len() {
            (self, other)
        } else {
            (other, self)
        };
        if long.is_literal() {
            return short.matches(&long.prefix).then(|| long.prefix.to_string());
        }
        let ahead = long.prefix.strip_prefix(&*short.prefix)?.chars().map(Token::Char);
        let ahead: Vec<Token> = ahead.chain(long.tail.tokens().iter().cloned()).collect();
        let rest = sequence::common(&short.tail.tokens(), &ahead)?;
        Some(short.prefix.chars().chain(rest).collect())
    }
}

impl Token {
    fn literal(&self) -> Option<char> {
        match self {
            Self::Char(c) => Some(*c),
            _ => None,
        }
    }
}

/// What a witness is made of when the patterns leave the choice, the first that fits.
const READABLE: &str = "abcdefghijklmnopqrstuvwxyz0123456789-._ABCDEFGHIJKLMNOPQRSTUVWXYZ";

impl Step for Token {
    type Item<'t> = char;
    type Owned = char;

    fn is_star(&self) -> bool {
        matches!(self, Self::Star)
    }

    fn accepts(&self, item: char) -> bool {
        match self {
            Self::Char(c) => *c == item,
            Self::Class(class) => class.contains(item),
            Self::Any | Self::Star => true,
        }
    }

    fn common(&self, other: &Self) -> Option<char> {
        if let (Self::Char(c), token) | (token, Self::Char(c)) = (self, other) {
            return token.accepts(*c).then_some(*c);
        }
        let readable = READABLE.chars().find(|c| self.accepts(*c) && other.accepts(*c));
        readable.or_else(|| match (self, other) {
            (Self::Class(a), Self::Class(b)) => a.first_common(b),
            (Self::Class(class), _) | (_, Self::Class(class)) => class.first(),
            _ => None,
        })
    }
}

impl Step for Part {
    type Item<'t> = &'t str;
    type Owned = String;

    fn is_star(&self) -> bool {
        matches!(self, Self::Rest)
    }

    fn accepts(&self, item: &str) -> bool {
        match self {
            Self::Rest => true,
            Self::One(segment) => segment.matches(item),
        }
    }

    fn common(&self, other: &Self) -> Option<String> {
        match (self, other) {
            (Self::One(a), Self::One(b)) => a.common(b),
            (Self::One(segment), Self::Rest) | (Self::Rest, Self::One(segment)) => {
                segment.common(&Segment::star())
            }
            (Self::Rest, Self::Rest) => Segment::star().common(&Segment::star()),
        }
    }
}
