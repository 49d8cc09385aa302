//! Writes `crds/` and `docs/reference/` anew: `cargo run -p countersign-api --example crdgen`.

use std::{io, path::Path};

fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    countersign_api::crd::write(&root)
}
