//! A change, granule by granule, as a person reads it.

use std::fmt::Write as _;

use countersign_api::approval_ticket::ChangedPart;
use countersign_core::hash::{Granule, Value};
use similar::{ChangeTag, TextDiff};

use crate::yaml;
use countersign_core::plain::plain;

/// How many unchanged lines are shown around a changed one.
const CONTEXT: usize = 3;

/// One granule, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// JSON pointer; empty for the whole object.
    pub pointer: String,
    /// The value before.
    pub old: Option<Shown>,
    /// The value after.
    pub new: Option<Shown>,
}

/// One value, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Canonical JSON.
    Json(String),
    /// A secret value, by its keyed digest where that is known.
    Secret(Option<String>),
    /// A value that is too large for the ticket, by its digest.
    Large(String),
}

impl Part {
    /// A granule as it was computed here.
    pub fn of(granule: &Granule) -> Self {
        Self {
            pointer: granule.pointer.clone(),
            old: granule.old.as_ref().map(Shown::of),
            new: granule.new.as_ref().map(Shown::of),
        }
    }

    /// A part of a ticket.
    pub fn of_ticket(part: &ChangedPart) -> Self {
        let shown = |value: &Option<String>, digest: &Option<String>| match (value, digest) {
            (Some(text), _) => Some(
                text.parse()
                    .map_or_else(|_| Shown::Json(text.clone()), |value| Shown::of(&value)),
            ),
            (None, digest) => digest.clone().map(Shown::Large),
        };
        Self {
            pointer: part.pointer.clone(),
            old: shown(&part.old, &part.old_digest),
            new: shown(&part.new, &part.new_digest),
        }
    }
}

impl Shown {
    fn of(value: &Value) -> Self {
        match value {
            Value::Json(text) => Self::Json(text.to_string()),
            Value::Redacted(mac) => Self::Secret(Some(mac.to_string())),
        }
    }

    fn lines(&self) -> Vec<String> {
        match self {
            Self::Json(text) => yaml::lines(text),
            Self::Secret(Some(mac)) => vec![format!("(secret value, digest {})", plain(mac))],
            Self::Secret(None) => vec!["(secret value)".to_owned()],
            Self::Large(digest) => vec![format!("(too large to show, digest {})", plain(digest))],
        }
    }
}

/// The parts below each other, each with its pointer and its lines marked `-` and `+`.
pub fn diff(parts: &[Part]) -> String {
    parts.iter().fold(String::new(), |mut text, part| {
        let _ = writeln!(text, "  {}", plain(&part.pointer));
        let lines = |shown: &Option<Shown>| shown.as_ref().map(Shown::lines).unwrap_or_default();
        text.push_str(&diff_lines(&lines(&part.old), &lines(&part.new)));
        text
    })
}

fn diff_lines(old: &[String], new: &[String]) -> String {
    let (old, new): (Vec<_>, Vec<_>) = (
        old.iter().map(String::as_str).collect(),
        new.iter().map(String::as_str).collect(),
    );
    let diff = TextDiff::from_slices(&old, &new);
    let mut text = String::new();
    for (index, group) in diff.grouped_ops(CONTEXT).iter().enumerate() {
        if index > 0 {
            text.push_str("      ...\n");
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let mark = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            };
            let _ = writeln!(text, "{mark}     {}", change.value());
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Shown {
        Shown::Json(text.to_owned())
    }

    #[test]
    fn only_what_differs_is_shown_with_what_is_around_it() {
        let list = |image: &str| {
            let env: Vec<_> = (0..9).map(|n| format!(r#"{{"name":"v{n}"}}"#)).collect();
            json(&format!(
                r#"{{"containers":[{{"env":[{}],"image":"{image}"}}]}}"#,
                env.join(",")
            ))
        };
        let part = Part {
            pointer: "/spec/template".to_owned(),
            old: Some(list("app:1")),
            new: Some(list("app:2")),
        };
        let replicas = Part {
            pointer: "/spec/replicas".to_owned(),
            old: Some(json("2")),
            new: Some(json("3")),
        };
        let text = "  /spec/replicas
-     2
+     3
  /spec/template
        - name: v6
        - name: v7
        - name: v8
-       image: app:1
+       image: app:2
";
        assert_eq!(diff(&[replicas, part]), text);
    }

    #[test]
    fn a_secret_value_is_its_digest() {
        let part = Part {
            pointer: "/data/p".to_owned(),
            old: None,
            new: Some(Shown::Secret(Some("hmac-sha256:00".into()))),
        };
        assert_eq!(
            diff(&[part]),
            "  /data/p\n+     (secret value, digest hmac-sha256:00)\n"
        );
    }

    #[test]
    fn hostile_pointers_and_values_cannot_leave_their_line() {
        let part = Part {
            pointer: "/data/a\n+     forged\u{1b}[8m".to_owned(),
            old: None,
            new: Some(json("\"x\\n-     nothing\\u001b[1A\\u202e\"")),
        };
        let text =
            "  /data/a\\n+     forged\\u{1b}[8m\n+     |-\n+     x\n+     -     nothing\\u{1b}[1A\\u{202e}\n";
        assert_eq!(diff(&[part]), text);
    }
}
