//! A persistent map from bytes: cheap to clone, one change copies the way to it, and prefixes are found in one walk.

use std::sync::Arc;

/// Values that are dropped from the map when nothing is left in them.
pub(super) trait Bucket: Clone + Default {
    fn is_empty(&self) -> bool;
}

/// The map below one place. INVARIANT: no limb is empty, and none is a mere link between two others.
#[derive(Clone)]
pub(super) struct Radix<V> {
    value: V,
    /// By the byte that leads there, sorted.
    limbs: Vec<(u8, Arc<Limb<V>>)>,
}

#[derive(Clone)]
struct Limb<V> {
    /// The bytes that follow the one that leads here.
    label: Box<[u8]>,
    below: Radix<V>,
}

/// Which keys are visited beside the prefixes of the one that is sought, itself included.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// None.
    Prefixes,
    /// Those that it is a prefix of.
    Related,
}

/// Where a key ends that is visited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Before the one that is sought: it is a proper prefix.
    Before,
    /// With the one that is sought, or behind it.
    NotBefore,
}

impl<V: Bucket> Default for Radix<V> {
    fn default() -> Self {
        Self {
            value: V::default(),
            limbs: Vec::new(),
        }
    }
}

impl<V: Bucket> Radix<V> {
    pub(super) fn is_empty(&self) -> bool {
        self.value.is_empty() && self.limbs.is_empty()
    }

    /// Changes the value of a key, which is the empty one when the key is not there.
    pub(super) fn update(&mut self, key: &[u8], change: impl FnOnce(&mut V)) {
        let Some((first, key)) = key.split_first() else {
            return change(&mut self.value);
        };
        match self.limbs.binary_search_by_key(first, |(byte, _)| *byte) {
            Ok(at) => {
                let Some((_, limb)) = self.limbs.get_mut(at) else {
                    return;
                };
                let limb = Arc::make_mut(limb);
                limb.update(key, change);
                limb.unlink();
                if limb.below.is_empty() {
                    self.limbs.remove(at);
                }
            }
            Err(at) => {
                let mut below = Self::default();
                change(&mut below.value);
                if !below.is_empty() {
                    let label = key.into();
                    self.limbs.reserve_exact(1);
                    self.limbs.insert(at, (*first, Arc::new(Limb { label, below })));
                }
            }
        }
    }

    /// Visits the values of the keys within reach of this one, until one visit finds something. A visit is told how the
    /// value's key ends.
    pub(super) fn search<'v, T>(
        &'v self,
        mut key: impl Iterator<Item = u8>,
        reach: Reach,
        visit: &mut impl FnMut(&'v V, End) -> Option<T>,
    ) -> Option<T> {
        let mut place = self;
        loop {
            let Some(byte) = key.next() else {
                return match reach {
                    Reach::Prefixes => visit(&place.value, End::NotBefore),
                    Reach::Related => place.each(visit),
                };
            };
            if let Some(found) = visit(&place.value, End::Before) {
                return Some(found);
            }
            let at = place.limbs.binary_search_by_key(&byte, |(byte, _)| *byte).ok()?;
            let (_, limb) = place.limbs.get(at)?;
            for expected in &limb.label {
                match key.next() {
                    Some(byte) if byte == *expected => {}
                    None if reach == Reach::Related => return limb.below.each(visit),
                    _ => return None,
                }
            }
            place = &limb.below;
        }
    }

    /// Visits every value, until one visit finds something.
    pub(super) fn each<'v, T>(&'v self, visit: &mut impl FnMut(&'v V, End) -> Option<T>) -> Option<T> {
        let below = |visit: &mut _| self.limbs.iter().find_map(|(_, limb)| limb.below.each(visit));
        visit(&self.value, End::NotBefore).or_else(|| below(visit))
    }
}

impl<V: Bucket> Limb<V> {
    /// Changes the value of a key below the byte that leads here.
    fn update(&mut self, key: &[u8], change: impl FnOnce(&mut V)) {
        let shared = self.label.iter().zip(key).take_while(|(a, b)| a == b).count();
        let (common, old) = self.label.split_at(shared);
        if let Some((first, label)) = old.split_first() {
            let lower = Self {
                label: label.into(),
                below: std::mem::take(&mut self.below),
            };
            self.below.limbs = vec![(*first, Arc::new(lower))];
            self.label = common.into();
        }
        self.below.update(key.get(shared..).unwrap_or_default(), change);
    }

    /// Joins the limb with the only one below it, when there is nothing between the two.
    fn unlink(&mut self) {
        if let ([(first, only)], true) = (self.below.limbs.as_slice(), self.below.value.is_empty()) {
            self.label = [&self.label, &[*first][..], &only.label].concat().into();
            self.below = only.below.clone();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    impl Bucket for Vec<u8> {
        fn is_empty(&self) -> bool {
            self.is_empty()
        }
    }

    impl<V> Radix<V> {
        fn size(&self) -> usize {
            self.limbs.len()
                + self
                    .limbs
                    .iter()
                    .map(|(_, limb)| limb.below.size())
                    .sum::<usize>()
        }
    }

    fn found_at(radix: &Radix<Vec<u8>>, key: &str, reach: Reach, ends: &[End]) -> Vec<u8> {
        let mut found = Vec::new();
        let none: Option<()> = radix.search(key.bytes(), reach, &mut |value, end| {
            found.extend(value.iter().filter(|_| ends.contains(&end)));
            None
        });
        assert_eq!(none, None);
        found.sort_unstable();
        found
    }

    fn found(radix: &Radix<Vec<u8>>, key: &str, reach: Reach) -> Vec<u8> {
        found_at(radix, key, reach, &[End::Before, End::NotBefore])
    }

    proptest! {
        #[test]
        fn it_is_a_map_that_knows_prefixes(
            history in prop::collection::vec(("[ab]{0,5}", any::<bool>(), any::<u8>()), 0..40), sought in "[ab]{0,5}"
        ) {
            let (mut radix, mut map) = (Radix::<Vec<u8>>::default(), BTreeMap::new());
            for (key, insert, value) in history {
                let before = radix.clone();
                let expected = found(&before, "", Reach::Related);
                radix.update(key.as_bytes(), |bucket| {
                    bucket.clear();
                    bucket.extend(insert.then_some(value));
                });
                prop_assert_eq!(found(&before, "", Reach::Related), expected);
                if insert { map.insert(key, value); } else { map.remove(&key); }
            }
            let expect = |keep: &dyn Fn(&str) -> bool| {
                let mut values: Vec<u8> = map.iter().filter(|(key, _)| keep(key)).map(|(_, value)| *value).collect();
                values.sort_unstable();
                values
            };
            prop_assert_eq!(found(&radix, &sought, Reach::Prefixes), expect(&|key| sought.starts_with(key)));
            prop_assert_eq!(
                found_at(&radix, &sought, Reach::Prefixes, &[End::NotBefore]),
                expect(&|key| sought == key)
            );
            prop_assert_eq!(
                found_at(&radix, &sought, Reach::Related, &[End::NotBefore]),
                expect(&|key| key.starts_with(&sought))
            );
            prop_assert_eq!(
                found(&radix, &sought, Reach::Related),
                expect(&|key| sought.starts_with(key) || key.starts_with(&sought))
            );
            prop_assert!(radix.size() <= 2 * map.len(), "{} {}", radix.size(), map.len());
        }
    }
}
