//! Harmless text: what came from a cluster or its clients and is printed on somebody's terminal.

/// How many characters an excerpt has at most.
const EXCERPT: usize = 100;

/// The text on one line, with everything escaped that a terminal would act on or that a reader would not see:
/// control characters, line breaks, direction marks, characters without width, other spaces than the usual one.
pub fn plain(text: &str) -> String {
    text.chars()
        .fold(String::with_capacity(text.len()), |mut harmless, char| {
            match char {
                '\n' => harmless.push_str("\\n"),
                '\r' => harmless.push_str("\\r"),
                '\t' => harmless.push_str("\\t"),
                _ if is_deceptive(char) => harmless.extend(char.escape_unicode()),
                _ => harmless.push(char),
            }
            harmless
        })
}

/// The lines of a text, each harmless.
pub fn plain_lines(text: &str) -> impl Iterator<Item = String> {
    text.split('\n').map(plain)
}

/// A harmless text that leaves room for others in a message: its first 100 characters, with `...` for the rest.
pub fn excerpt(text: &str) -> String {
    let mut chars = text.chars();
    let mut excerpt = plain(&chars.by_ref().take(EXCERPT).collect::<String>());
    if chars.next().is_some() {
        excerpt.push_str("...");
    }
    excerpt
}

fn is_deceptive(char: char) -> bool {
    // Another space than the usual one, and what Unicode says may be ignored where it is shown.
    char.is_control()
        || (char.is_whitespace() && char != ' ')
        || matches!(char,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{3164}'
            | '\u{2800}' | '\u{feff}' | '\u{ffa0}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_acts_on_is_shown_and_not_done() {
        let cases = [
            ("\u{1b}[2J\u{1b}]0;title\u{7}", "\\u{1b}[2J\\u{1b}]0;title\\u{7}"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("a\r\nb\tc\u{8}", "a\\r\\nb\\tc\\u{8}"),
            ("user:al\u{202e}eci", "user:al\\u{202e}eci"),
            ("a\u{200b}b\u{feff}\u{2028}c", "a\\u{200b}b\\u{feff}\\u{2028}c"),
            ("tag\u{e0041}", "tag\\u{e0041}"),
            ("user:grace\u{a0}", "user:grace\\u{a0}"),
            ("a\u{2003}b\u{3000}c\u{2800}", "a\\u{2003}b\\u{3000}c\\u{2800}"),
            ("a\u{1d173}b\u{1bca0}", "a\\u{1d173}b\\u{1bca0}"),
        ];
        for (hostile, shown) in cases {
            assert_eq!(plain(hostile), shown);
        }
    }

    #[test]
    fn ordinary_text_stays_as_it_is() {
        for text in [
            "",
            "billing/my-api",
            "Größe = 5 €",
            "日本語",
            "a  b",
            "{\"x\": \"\\\\n\"}",
        ] {
            assert_eq!(plain(text), text);
        }
    }

    #[test]
    fn an_excerpt_is_short_and_harmless() {
        assert_eq!(excerpt("al\u{202e}ice"), "al\\u{202e}ice");
        assert_eq!(excerpt(&"\u{e9}".repeat(100)), "\u{e9}".repeat(100));
        assert_eq!(excerpt(&"\u{e9}".repeat(101)), "\u{e9}".repeat(100) + "...");
    }

    #[test]
    fn lines_are_broken_at_line_feeds_only() {
        assert_eq!(
            plain_lines("a\nb\rc\u{2028}d").collect::<Vec<_>>(),
            ["a", "b\\rc\\u{2028}d"]
        );
    }
}
