//! Room for clusters: each takes 400 MB and much of two cores to start.

use std::sync::{Condvar, Mutex};

/// How many clusters run at once.
const MOST: usize = 5;

static TAKEN: Mutex<usize> = Mutex::new(0);
static FREED: Condvar = Condvar::new();

/// The room of one cluster, free again when it is dropped.
pub struct Room(());

impl Room {
    /// Waits for room.
    pub fn take() -> Self {
        let taken = TAKEN.lock().unwrap();
        *FREED.wait_while(taken, |taken| *taken == MOST).unwrap() += 1;
        Self(())
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        *TAKEN.lock().unwrap() -= 1;
        FREED.notify_one();
    }
}
