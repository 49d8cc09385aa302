//! What is bound beside the content of a change: the command of an exec, what becomes of what a deleted object owns.

use std::fmt::Write as _;

use countersign_api::ApprovalTicket;
use countersign_core::{plain::plain, request::Operation};
use serde::Deserialize;

use crate::yaml;

/// The options that a person should not have to find among the others.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Options {
    command: Vec<String>,
    container: Option<String>,
    stdin: bool,
    tty: bool,
    propagation_policy: Option<String>,
    orphan_dependents: Option<bool>,
}

/// The options of the ticket, and what goes with what it deletes.
pub fn told(ticket: &ApprovalTicket, cascade: &[String]) -> String {
    let (spec, target) = (&ticket.spec, &ticket.spec.binding.target);
    let options: Options = spec
        .command
        .as_deref()
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    let mut text = match (spec.binding.operation, target.subresource.as_deref()) {
        (Operation::Connect, Some("exec" | "attach")) => runs(&options),
        (Operation::Delete, None) => takes_along(&options, target.resource == "namespaces", cascade),
        _ => String::new(),
    };
    match (&spec.command, &spec.binding.command_hash) {
        (None, None) => {}
        (None, Some(hash)) => {
            let _ = writeln!(
                text,
                "  WITH OPTIONS THAT THE TICKET DOES NOT SHOW, digest {}",
                plain(hash)
            );
        }
        (Some(command), _) => {
            text.push_str("  with these options:\n");
            for line in yaml::lines(command) {
                let _ = writeln!(text, "      {line}");
            }
        }
    }
    text
}

fn runs(options: &Options) -> String {
    let mut text = String::new();
    if !options.command.is_empty() {
        let words: Vec<_> = options.command.iter().map(|word| quoted(word)).collect();
        let container = options
            .container
            .as_deref()
            .map(|name| format!(" in container {}", plain(name)));
        let _ = writeln!(
            text,
            "  runs{}: {}",
            container.unwrap_or_default(),
            words.join(" ")
        );
    }
    if options.stdin {
        text.push_str("  AND READS WHAT THE CALLER SENDS (stdin), which nobody reviews\n");
    }
    if options.tty {
        text.push_str("  at a terminal\n");
    }
    text
}

/// The word as a shell takes it, on one line and harmless.
fn quoted(word: &str) -> String {
    let is_plain = |char: char| char.is_ascii_alphanumeric() || "_@%+=:,./-".contains(char);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    plain(&format!("'{}'", word.replace('\'', r"'\''")))
}

fn takes_along(options: &Options, is_namespace: bool, cascade: &[String]) -> String {
    let orphans = options.orphan_dependents == Some(true);
    let becomes = match options.propagation_policy.as_deref() {
        _ if is_namespace => "  AND ALL THAT IS IN THE NAMESPACE",
        Some("Orphan") => "  what it owns stays, and has no owner any more",
        None if orphans => "  what it owns stays, and has no owner any more",
        Some("Foreground") => "  AND WHAT IT OWNS, before it",
        Some("Background") => "  AND WHAT IT OWNS, after it",
        Some(_) | None => "  AND WHAT IT OWNS, as is usual for its kind",
    };
    let mut text = becomes.to_owned();
    text.push_str(if cascade.is_empty() { "\n" } else { ":\n" });
    for line in cascade {
        let _ = writeln!(text, "      {line}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(text: &str) -> Options {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_command_is_shown_as_a_shell_takes_it() {
        let text = runs(&options(
            r#"{"command":["sh","-c","rm -rf '/data'\n\u001b[2J"],"container":"app","stdin":true,"tty":true}"#,
        ));
        let expected = "  runs in container app: sh -c 'rm -rf '\\''/data'\\''\\n\\u{1b}[2J'
  AND READS WHAT THE CALLER SENDS (stdin), which nobody reviews
  at a terminal
";
        assert_eq!(text, expected);
        assert_eq!(runs(&options(r#"{"command":["ls",""]}"#)), "  runs: ls ''\n");
    }

    #[test]
    fn what_becomes_of_what_is_owned_is_told() {
        let cascade = ["replicasets.apps/web-1".to_owned()];
        for (sent, told) in [
            ("{}", "  AND WHAT IT OWNS, as is usual for its kind:\n"),
            (
                r#"{"propagationPolicy":"Background"}"#,
                "  AND WHAT IT OWNS, after it:\n",
            ),
            (
                r#"{"propagationPolicy":"Foreground"}"#,
                "  AND WHAT IT OWNS, before it:\n",
            ),
            (
                r#"{"propagationPolicy":"Orphan"}"#,
                "  what it owns stays, and has no owner any more:\n",
            ),
            (
                r#"{"orphanDependents":true}"#,
                "  what it owns stays, and has no owner any more:\n",
            ),
        ] {
            let text = takes_along(&options(sent), false, &cascade);
            assert_eq!(text, format!("{told}      replicasets.apps/web-1\n"));
        }
        let namespace = takes_along(&options("{}"), true, &[]);
        assert_eq!(namespace, "  AND ALL THAT IS IN THE NAMESPACE\n");
    }
}
