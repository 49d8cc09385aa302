//! kubectl countersign.
fn main() {}
