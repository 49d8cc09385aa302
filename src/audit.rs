//! Audit storage: the log on disk, and the receipt without which nothing is allowed.

mod admitted;
mod directory;
mod log;
mod standing;

pub use admitted::admitted;
pub use directory::OpenError;
pub use log::{AuditError, Log, Receipt};
pub use standing::TICKET_LIFE;
