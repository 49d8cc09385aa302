//! Sets of characters.

/// A set of characters, as sorted ranges that do not touch; never empty, never with `/`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Class(Box<[(char, char)]>);

impl Class {
    /// The characters in (or, negated, outside) these inclusive ranges, `/` apart; `None` when there are none.
    pub(super) fn new(ranges: Vec<(char, char)>, negated: bool) -> Option<Self> {
        let mut outside = if negated { ranges } else { complement(ranges) };
        outside.push(('/', '/'));
        let inside = complement(outside);
        (!inside.is_empty()).then(|| Self(inside.into()))
    }

    pub(super) fn contains(&self, c: char) -> bool {
        let at = self.0.partition_point(|(_, high)| *high < c);
        self.0.get(at).is_some_and(|(low, _)| *low <= c)
    }

    /// The only character of the set, when it is alone.
    pub(super) fn single(&self) -> Option<char> {
        match *self.0 {
            [(low, high)] if low == high => Some(low),
            _ => None,
        }
    }

    pub(super) fn first(&self) -> Option<char> {
        self.0.first().map(|(low, _)| *low)
    }

    /// The first character that is in both sets.
    pub(super) fn first_common(&self, other: &Self) -> Option<char> {
        let mut lows = self.0.iter().chain(&other.0).map(|(low, _)| *low);
        lows.find(|low| self.contains(*low) && other.contains(*low))
    }
}

/// Everything outside these ranges, sorted.
fn complement(mut ranges: Vec<(char, char)>) -> Vec<(char, char)> {
    ranges.sort_unstable();
    let mut outside = Vec::with_capacity(ranges.len() + 1);
    let mut next = Some('\0');
    for (low, high) in ranges {
        let Some(start) = next else { break };
        if high < start {
            continue;
        }
        outside.extend(before(low).filter(|end| start <= *end).map(|end| (start, end)));
        next = after(high);
    }
    outside.extend(next.map(|start| (start, char::MAX)));
    outside
}

fn before(c: char) -> Option<char> {
    ('\0'..c).next_back()
}

fn after(c: char) -> Option<char> {
    (c..=char::MAX).nth(1)
}
