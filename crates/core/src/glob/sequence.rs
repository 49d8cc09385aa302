//! Sequences with stars: one algorithm for the characters of a segment and for the segments of a path.

/// One step of a sequence: a star takes any number of items, everything else exactly one.
pub(super) trait Step {
    /// What is matched, as it is read.
    type Item<'t>;
    /// What is matched, as a witness holds it.
    type Owned;

    /// Whether the step takes any number of items, none included.
    fn is_star(&self) -> bool;

    /// Whether the step takes this item.
    fn accepts(&self, item: Self::Item<'_>) -> bool;

    /// An item that this step and the other both take.
    fn common(&self, other: &Self) -> Option<Self::Owned>;
}

/// Whether the steps take all the items.
///
/// Only the last star is ever asked to take more, since an earlier one could not help: no more than steps x items.
pub(super) fn matches<'t, S: Step>(steps: &[S], items: impl Iterator<Item = S::Item<'t>> + Clone) -> bool {
    let (mut steps, mut items) = (steps, items);
    let mut retry = None;
    loop {
        match steps.split_first() {
            Some((step, [])) if step.is_star() => return true,
            Some((step, rest)) if step.is_star() => {
                retry = Some((rest, items.clone()));
                steps = rest;
                continue;
            }
            Some((step, rest)) => {
                let mut ahead = items.clone();
                if ahead.next().is_some_and(|item| step.accepts(item)) {
                    (steps, items) = (rest, ahead);
                    continue;
                }
            }
            None if items.next().is_none() => return true,
            None => {}
        }
        let Some((after_star, from)) = &mut retry else {
            return false;
        };
        if from.next().is_none() {
            return false;
        }
        (steps, items) = (after_star, from.clone());
    }
}

/// Items that both sequences take, when there are any: at most (steps of the one) x (steps of the other) rounds.
///
/// The witness is short, but two stars at its beginning or end show one item: `*` and `*.md` have `a.md` in common.
pub(super) fn common<S: Step>(left: &[S], right: &[S]) -> Option<Vec<S::Owned>> {
    let meeting = Meeting::new(left, right);
    let (mut i, mut j) = (0, 0);
    let mut witness = Vec::new();
    while meeting.at(i, j) {
        let (x, y) = match (left.get(i), right.get(j)) {
            (None, None) => return Some(witness),
            (Some(_), None) => {
                i += 1;
                continue;
            }
            (None, Some(_)) => {
                j += 1;
                continue;
            }
            (Some(x), Some(y)) => (x, y),
        };
        let (star_a, star_b) = (x.is_star(), y.is_star());
        let passed_a = star_a && meeting.at(i + 1, j);
        let passed_b = star_b && !passed_a && meeting.at(i, j + 1);
        let passed = passed_a || passed_b;
        let last = i + 1 == left.len() && j + 1 == right.len();
        if !passed || (star_a && star_b && (last || witness.is_empty())) {
            witness.push(x.common(y)?);
        }
        i += usize::from(if passed { passed_a } else { !star_a });
        j += usize::from(if passed { passed_b } else { !star_b });
    }
    None
}

/// For every pair of positions, whether what follows them has items in common.
struct Meeting {
    width: usize,
    cells: Vec<bool>,
}

impl Meeting {
    fn new<S: Step>(left: &[S], right: &[S]) -> Self {
        let width = right.len() + 1;
        let cells = vec![false; (left.len() + 1) * width];
        let mut meeting = Self { width, cells };
        for i in (0..=left.len()).rev() {
            for j in (0..=right.len()).rev() {
                let meets = match (left.get(i), right.get(j)) {
                    (None, None) => true,
                    (Some(x), None) => x.is_star() && meeting.at(i + 1, j),
                    (None, Some(y)) => y.is_star() && meeting.at(i, j + 1),
                    (Some(x), Some(y)) if x.is_star() || y.is_star() => {
                        meeting.at(i + 1, j) || meeting.at(i, j + 1)
                    }
                    (Some(x), Some(y)) => meeting.at(i + 1, j + 1) && x.common(y).is_some(),
                };
                if let Some(cell) = meeting.cells.get_mut(i * width + j) {
                    *cell = meets;
                }
            }
        }
        meeting
    }

    fn at(&self, i: usize, j: usize) -> bool {
        self.cells.get(i * self.width + j).is_some_and(|meets| *meets)
    }
}
