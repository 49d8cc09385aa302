//! Names that the API server makes up. A review shows the name and not who chose it, so one that looks made up is.

use countersign_core::object::Object;

/// How much of `generateName` is kept at most, in bytes.
const MAX_BASE: usize = 58;

/// How many characters follow it.
const SUFFIX: usize = 5;

/// What they are drawn from: nothing that spells a word, or is read as something else.
const ALPHABET: &str = "bcdfghjklmnpqrstvwxz2456789";

/// Whether `name` is one that the API server makes of the object's `generateName`.
pub fn is_generated(name: &str, object: &Object<'_>) -> bool {
    // Few objects have the field, and finding it reads the whole object.
    object.text().contains("\"generateName\"") && base(object).is_some_and(|base| is_made_of(name, &base))
}

fn base(object: &Object<'_>) -> Option<String> {
    let text = object.field(&["metadata", "generateName"]).ok()??;
    serde_json::from_str(text).ok()
}

fn is_made_of(name: &str, base: &str) -> bool {
    let kept = base.get(..MAX_BASE).unwrap_or(base);
    let suffix = name.strip_prefix(kept).filter(|_| !base.is_empty());
    suffix.is_some_and(|suffix| suffix.len() == SUFFIX && suffix.chars().all(|c| ALPHABET.contains(c)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_up_name_is_its_base_and_five_characters() {
        let long = "x".repeat(70);
        for (name, base, made_up) in [
            ("app-tspmc", "app-", true),
            ("app-tspm", "app-", false),
            ("app-tspmcz", "app-", false),
            ("app-aaaaa", "app-", false),
            ("web-tspmc", "app-", false),
            ("tspmc", "", false),
            (&format!("{}tspmc", "x".repeat(58)), &long, true),
            (&format!("{long}tspmc"), &long, false),
        ] {
            assert_eq!(is_made_of(name, base), made_up, "{name} of {base}");
        }
    }
}
