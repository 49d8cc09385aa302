//! A value as lines of YAML for people: nothing folded, nothing hidden, every line harmless.

use serde_json::Value;

use countersign_core::plain::{plain, plain_lines};

/// The lines of a value that is given as JSON; of a text that is no JSON, the text itself.
pub fn lines(json: &str) -> Vec<String> {
    match serde_json::from_str(json) {
        Ok(value) => match render(&value) {
            Rendered::Inline(text) => vec![text],
            Rendered::Block { head, mut lines } => {
                if !head.is_empty() {
                    lines.insert(0, head.to_owned());
                }
                lines
            }
        },
        Err(_) => plain_lines(json).collect(),
    }
}

enum Rendered {
    /// What fits behind a key.
    Inline(String),
    /// What goes below one; `head` stands behind the key.
    Block { head: &'static str, lines: Vec<String> },
}

fn render(value: &Value) -> Rendered {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => Rendered::Inline(value.to_string()),
        Value::String(text) => string(text),
        Value::Array(items) if items.is_empty() => Rendered::Inline("[]".to_owned()),
        Value::Object(map) if map.is_empty() => Rendered::Inline("{}".to_owned()),
        Value::Array(items) => Rendered::Block {
            head: "",
            lines: items.iter().flat_map(|value| item(render(value))).collect(),
        },
        Value::Object(map) => Rendered::Block {
            head: "",
            lines: map
                .iter()
                .flat_map(|(key, value)| entry(&scalar(key), value))
                .collect(),
        },
    }
}

fn item(value: Rendered) -> Vec<String> {
    match value {
        Rendered::Inline(text) => vec![format!("- {text}")],
        Rendered::Block { head: "", lines } => {
            let mark =
                |(index, line): (usize, String)| format!("{}{line}", if index == 0 { "- " } else { "  " });
            lines.into_iter().enumerate().map(mark).collect()
        }
        Rendered::Block { head, lines } => below(format!("- {head}"), lines),
    }
}

fn entry(key: &str, value: &Value) -> Vec<String> {
    match render(value) {
        Rendered::Inline(text) => vec![format!("{key}: {text}")],
        Rendered::Block { lines, .. } if value.is_array() => {
            std::iter::once(format!("{key}:")).chain(lines).collect()
        }
        Rendered::Block { head: "", lines } => below(format!("{key}:"), lines),
        Rendered::Block { head, lines } => below(format!("{key}: {head}"), lines),
    }
}

fn below(head: String, lines: Vec<String>) -> Vec<String> {
    std::iter::once(head)
        .chain(lines.into_iter().map(|line| format!("  {line}")))
        .collect()
}

fn string(text: &str) -> Rendered {
    if !text.contains('\n') {
        return Rendered::Inline(scalar(text));
    }
    // What YAML says of the line feeds at the end: one, none, or several that are kept.
    let (head, body) = match text.strip_suffix('\n') {
        None => ("|-", text),
        Some(body) if body.ends_with('\n') || body.is_empty() => ("|+", body),
        Some(body) => ("|", body),
    };
    Rendered::Block {
        head,
        lines: plain_lines(body).collect(),
    }
}

/// Words that some reader of YAML takes for something else than a text.
const WORDS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];

/// The text without quotes where YAML would read it as the same text.
fn scalar(text: &str) -> String {
    let is_word = text.starts_with(|char: char| char.is_alphabetic() || "/_$".contains(char))
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !text.contains(" #")
        && !WORDS.contains(&text.to_ascii_lowercase().as_str())
        && text == plain(text);
    if is_word || is_quantity(text) {
        text.to_owned()
    } else {
        plain(&Value::from(text).to_string())
    }
}

/// Whether the text is like `10Gi` or `1.2.3`: begins with a digit and yet is no number.
fn is_quantity(text: &str) -> bool {
    let letters_and_digits = text
        .chars()
        .all(|char| char.is_ascii_alphanumeric() || char == '.' || char == '-');
    text.starts_with(|char: char| char.is_ascii_digit())
        && letters_and_digits
        && text.parse::<f64>().is_err()
        && !text.starts_with("0x")
        && !text.starts_with("0o")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_lists_and_scalars() {
        let json = r#"{"containers":[{"image":"app:2","args":["-v",""],"env":[]},"x"],"count":3,"on":true,"q":"10Gi"}"#;
        assert_eq!(
            lines(json),
            [
                "containers:",
                "- args:",
                "  - \"-v\"",
                "  - \"\"",
                "  env: []",
                "  image: app:2",
                "- x",
                "count: 3",
                "\"on\": true",
                "q: 10Gi",
            ]
        );
    }

    #[test]
    fn texts_that_look_like_something_else_are_quoted() {
        for (json, shown) in [
            (r#""true""#, "\"true\""),
            (r#""012""#, "\"012\""),
            (r#""1e3""#, "\"1e3\""),
            (r#""a: b""#, "\"a: b\""),
            (r#"" a""#, "\" a\""),
            (r#""""#, "\"\""),
            ("18446744073709551615", "18446744073709551615"),
            ("not json", "not json"),
        ] {
            assert_eq!(lines(json), [shown], "{json}");
        }
    }

    #[test]
    fn each_line_of_a_text_is_a_line() {
        assert_eq!(lines(r#"{"run":"a\n\tb\n"}"#), ["run: |", "  a", "  \\tb"]);
        assert_eq!(lines(r#""a\nb""#), ["|-", "a", "b"]);
        assert_eq!(lines(r#""a\n\n""#), ["|+", "a", ""]);
    }

    #[test]
    fn hostile_texts_and_keys_stay_in_their_place() {
        let json = "{\"a\\n- DELETE\":\"x\\u001b[2J\\u202e\",\"b\":\"l\\r\\n\\u001b[1A\"}";
        assert_eq!(
            lines(json),
            [
                "\"a\\n- DELETE\": \"x\\u001b[2J\\u{202e}\"",
                "b: |-",
                "  l\\r",
                "  \\u{1b}[1A"
            ]
        );
    }
}
