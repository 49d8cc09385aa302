//! What the audit log says, and the hash chain that proves nobody changed what it said.

pub mod chain;
pub mod record;

pub use chain::{Broken, Entry, Fault, Head, Start, verify};
pub use record::{Event, Record};
