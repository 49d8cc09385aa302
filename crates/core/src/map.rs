//! The persistent maps and lists that a snapshot is made of.

use foldhash::quality::RandomState;
pub use imbl::Vector;
use imbl::{GenericHashMap, shared_ptr::DefaultSharedPtr};

/// A map whose copies share what they have in common. Nobody sees a hash, and its seed is the process's own: whoever
/// chooses names cannot make them collide.
pub type HashMap<K, V> = GenericHashMap<K, V, RandomState, DefaultSharedPtr>;
