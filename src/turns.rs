//! Whose turn it is, of many replicas: the one through which a client moved an object goes on with it at once, the others
//! when that takes too long; what was claimed is for the one through which it was. Any of them may do any step, and two at
//! the same step only cost the API server a conflict.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};

/// How long the others leave an object alone. The API server tells the time of a change to the second.
const GRACE: SignedDuration = SignedDuration::from_secs(3);

/// How long a turn lasts beyond what is seen: a review is stored a moment after it was let pass, and what was told of its
/// ticket before may come in between.
const LAST: Duration = Duration::from_millis(500);

/// So many objects are kept in mind; when there are more, all are forgotten, and only wait a little longer.
const MOST: usize = 10_000;

/// What is for this replica to go on with.
#[derive(Clone, Debug, Default)]
pub struct Turns {
    /// Tickets that a client asked for, reviewed or used by it.
    pub tickets: Taken,
    /// Tasks that it opened.
    pub tasks: Taken,
}

/// The objects of a kind that are for this replica to go on with.
#[derive(Clone, Debug, Default)]
pub struct Taken(Arc<Mutex<HashMap<(String, String), Turn>>>);

/// Why an object is for this replica to go on with.
#[derive(Clone, Debug, Default)]
struct Turn {
    /// The version that it was moved from; empty for one that was made.
    from: String,
    /// How many calls move it, or did, by the uid of the review where they claim it, else under no name.
    calls: HashMap<String, usize>,
    /// Since when there is nothing more to do.
    left: Option<Instant>,
}

impl Taken {
    /// A call moves the object of this namespace and name from this version on: this replica goes on with it.
    pub fn take(&self, place: (&str, &str), from: &str) {
        self.take_by(place, from, "");
    }

    /// The same, by a call that claims it.
    pub fn take_by(&self, (namespace, name): (&str, &str), from: &str, call: &str) {
        let mut taken = self.taken();
        if taken.len() >= MOST {
            taken.clear();
        }
        let turn = taken.entry((namespace.to_owned(), name.to_owned())).or_default();
        from.clone_into(&mut turn.from);
        // Who moved it before has nothing more to do, as far as is known.
        if turn.left.take().is_some() {
            turn.calls.clear();
        }
        *turn.calls.entry(call.to_owned()).or_default() += 1;
    }

    /// Whether it is this replica's turn. What a call claimed is for the replica that it came to.
    pub fn is_ours(&self, (namespace, name): (&str, &str), claimed_by: Option<&str>) -> bool {
        let key = (namespace.to_owned(), name.to_owned());
        let taken = self.taken();
        taken.get(&key).is_some_and(|turn| {
            let is_over = turn.left.is_some_and(|left| left.elapsed() >= LAST);
            !is_over && claimed_by.is_none_or(|by| turn.calls.contains_key(by))
        })
    }

    /// There is nothing more to do for the object as it is in this version: that is no end of a turn that began there, and
    /// what the turn is about may only be on its way.
    pub fn leave(&self, place: (&str, &str), version: &str) {
        self.remove_if(place, |turn| {
            if turn.from != version {
                turn.left.get_or_insert_with(Instant::now);
            }
            turn.left.is_some_and(|left| left.elapsed() >= LAST)
        });
    }

    /// A call did not move the object after all.
    pub fn give_up(&self, place: (&str, &str)) {
        self.give_up_by(place, "");
    }

    /// The same, of a call that was to claim it.
    pub fn give_up_by(&self, place: (&str, &str), call: &str) {
        self.remove_if(place, |turn| {
            if let Entry::Occupied(mut calls) = turn.calls.entry(call.to_owned()) {
                *calls.get_mut() -= 1;
                if *calls.get() == 0 {
                    calls.remove();
                }
            }
            turn.calls.is_empty()
        });
    }

    fn remove_if(&self, (namespace, name): (&str, &str), is_over: impl FnOnce(&mut Turn) -> bool) {
        if let Entry::Occupied(mut turn) = self.taken().entry((namespace.to_owned(), name.to_owned()))
            && is_over(turn.get_mut())
        {
            turn.remove();
        }
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<(String, String), Turn>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long an object that a client moved at this time is left to another replica, if so, by one whose turn it is not. By
/// clocks that differ by more nobody waits.
pub fn grace(moved: Timestamp, now: Timestamp) -> Option<Duration> {
    let left = GRACE.checked_sub(now.duration_since(moved))?;
    let left = Duration::try_from(left).ok()?;
    (!left.is_zero() && left <= 2 * GRACE.unsigned_abs()).then_some(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OBJECT: (&str, &str) = ("shop", "one");

    #[test]
    fn others_wait_until_it_takes_too_long() {
        let moved = Timestamp::UNIX_EPOCH;
        let after = |millis| grace(moved, moved + SignedDuration::from_millis(millis));
        assert_eq!(after(1000), Some(Duration::from_secs(2)));
        assert_eq!(after(3000), None);
        assert_eq!(after(-1000), Some(Duration::from_secs(4)));
        assert_eq!(after(-60_000), None, "by a clock that is behind");
    }

    #[test]
    fn a_turn_ends_a_moment_after_a_later_version_is_seen() {
        let taken = Taken::default();
        assert!(!taken.is_ours(OBJECT, None));
        taken.take(OBJECT, "7");
        taken.leave(OBJECT, "7");
        assert!(
            taken.taken()[&("shop".to_owned(), "one".to_owned())]
                .left
                .is_none()
        );
        taken.leave(OBJECT, "8");
        assert!(taken.is_ours(OBJECT, None));
        let seen = Instant::now().checked_sub(LAST).unwrap();
        taken.taken().values_mut().for_each(|turn| turn.left = Some(seen));
        assert!(!taken.is_ours(OBJECT, None));
        taken.take(OBJECT, "8");
        assert!(taken.is_ours(OBJECT, None));
        taken.give_up(OBJECT);
        assert!(
            !taken.is_ours(OBJECT, None),
            "a turn that is over holds no later one"
        );
    }

    #[test]
    fn of_two_calls_the_one_that_moved_it_keeps_the_turn() {
        let taken = Taken::default();
        taken.take(OBJECT, "7");
        taken.take(OBJECT, "7");
        taken.give_up(OBJECT);
        assert!(taken.is_ours(OBJECT, None));
        taken.give_up(OBJECT);
        assert!(!taken.is_ours(OBJECT, None));
    }

    #[test]
    fn what_a_call_claimed_is_for_the_replica_that_it_came_to() {
        let taken = Taken::default();
        taken.take(OBJECT, "");
        taken.take_by(OBJECT, "7", "ours");
        assert!(taken.is_ours(OBJECT, Some("ours")));
        assert!(!taken.is_ours(OBJECT, Some("another")));
        taken.give_up_by(OBJECT, "ours");
        assert!(!taken.is_ours(OBJECT, Some("ours")));
        assert!(taken.is_ours(OBJECT, None));
    }

    #[test]
    fn what_is_kept_in_mind_is_bounded() {
        let taken = Taken::default();
        for number in 0..=MOST {
            taken.take(("shop", &number.to_string()), "");
        }
        assert!(taken.taken().len() <= MOST);
        assert!(taken.is_ours(("shop", &MOST.to_string()), None));
    }
}
