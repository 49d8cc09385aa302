//! Two of each: clients, replicas, tickets.

use std::{
    hash::{BuildHasher, Hash},
    ops::{Index, IndexMut},
};

use foldhash::fast::FixedState;

/// One of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Nth {
    First,
    Second,
}

/// The one and the other.
pub const BOTH: [Nth; 2] = [Nth::First, Nth::Second];

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pair<T> {
    first: T,
    second: T,
}

impl<T> Pair<T> {
    pub const fn new(first: T, second: T) -> Self {
        Self { first, second }
    }

    pub fn iter(&self) -> impl Iterator<Item = &T> {
        [&self.first, &self.second].into_iter()
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        [&mut self.first, &mut self.second].into_iter()
    }
}

impl<T: Hash + PartialEq> Pair<T> {
    /// Puts the two in an order of their own: which of two that are alike does something makes no difference.
    pub fn sort(&mut self) {
        if self.first != self.second && digest(&self.second) < digest(&self.first) {
            std::mem::swap(&mut self.first, &mut self.second);
        }
    }
}

impl<T> Index<Nth> for Pair<T> {
    type Output = T;

    fn index(&self, nth: Nth) -> &T {
        match nth {
            Nth::First => &self.first,
            Nth::Second => &self.second,
        }
    }
}

impl<T> IndexMut<Nth> for Pair<T> {
    fn index_mut(&mut self, nth: Nth) -> &mut T {
        match nth {
            Nth::First => &mut self.first,
            Nth::Second => &mut self.second,
        }
    }
}

fn digest(value: &impl Hash) -> u64 {
    FixedState::default().hash_one(value)
}
