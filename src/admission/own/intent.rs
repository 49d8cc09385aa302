//! An intent as it was sent and stamped.

use countersign_api::{
    Intent,
    intent::{parse, verified_by},
};
use countersign_core::{
    own::{IntentDraft, Own},
    snapshot::Snapshot,
};

use super::unheld;

/// The intent of this text.
pub fn read(text: &str, snapshot: &Snapshot) -> Own {
    draft(text, snapshot).map_or_else(Own::Invalid, |draft| Own::Intent(Box::new(draft)))
}

fn draft(text: &str, snapshot: &Snapshot) -> Result<IntentDraft, String> {
    let object: Intent = serde_json::from_str(text).map_err(|error| error.to_string())?;
    unheld(&object.metadata)?;
    let signed = parse(&object).map_err(|invalid| invalid.to_string())?;
    let stamped = verified_by(&object, &signed, &snapshot.cluster).is_some();
    Ok(IntentDraft { signed, stamped })
}
