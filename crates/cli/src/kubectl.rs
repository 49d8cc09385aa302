//! The dry-run of an apply by the real kubectl: the same merge, manager and flags as the apply that will follow.

use std::{ffi::OsString, process::Stdio};

use anyhow::{Context, bail};
use clap::Args;
use countersign_core::advice::{Advice, AdviceError};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::process::Command;

use crate::connection::Connection;
use countersign_core::plain::plain;

/// What would be applied, and how; passed on to kubectl.
#[derive(Args, Clone, Debug, Default)]
pub struct Manifests {
    /// A file, a folder, a URL, or - for the standard input, with what would be applied
    #[arg(short, long = "filename", value_name = "FILE|DIR|-")]
    pub filenames: Vec<String>,
    /// Process folders recursively
    #[arg(short = 'R', long)]
    pub recursive: bool,
    /// Apply on the server instead of the client
    #[arg(long)]
    pub server_side: bool,
    /// The name of the manager that owns the fields
    #[arg(long, value_name = "NAME")]
    pub field_manager: Option<String>,
    /// Take over fields that another manager owns (with --server-side)
    #[arg(long, requires = "server_side")]
    pub force_conflicts: bool,
}

/// What the API server answered to the dry-run.
#[derive(Debug)]
pub struct DryRun {
    /// The objects as they would be, as text, with all their fields.
    pub objects: Vec<Box<RawValue>>,
    /// What Countersign said about them.
    pub advice: Vec<Advice>,
}

#[derive(Deserialize)]
struct List {
    items: Vec<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Head {
    kind: String,
}

impl Manifests {
    /// Whether there are any.
    pub fn is_empty(&self) -> bool {
        self.filenames.is_empty()
    }

    /// Runs `kubectl apply --dry-run=server`. Foreign warnings go to the standard error.
    pub async fn dry_run(&self, connection: &Connection) -> anyhow::Result<DryRun> {
        let program = std::env::var_os("KUBECTL").unwrap_or_else(|| "kubectl".into());
        let run = Command::new(&program)
            .args(self.arguments())
            .args(connection.arguments())
            .stdin(Stdio::inherit())
            .stderr(Stdio::piped())
            .stdout(Stdio::piped())
            .output();
        let output = run.await.with_context(|| {
            format!(
                "cannot run `{}`: install kubectl, or name it in KUBECTL",
                program.to_string_lossy()
            )
        })?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if !output.status.success() {
            bail!("kubectl apply --dry-run=server failed: {}", failure(&said));
        }
        let text = String::from_utf8(output.stdout).context("kubectl's answer is not text")?;
        Ok(DryRun {
            objects: read(&text)?,
            advice: advice(warnings(&said))?,
        })
    }

    fn arguments(&self) -> Vec<OsString> {
        let fixed = [
            "apply",
            "--dry-run=server",
            "--output=json",
            "--show-managed-fields",
        ];
        let mut arguments: Vec<OsString> = fixed.map(Into::into).to_vec();
        for filename in &self.filenames {
            arguments.extend(["--filename".into(), filename.into()]);
        }
        let flags = [
            (self.recursive, "--recursive"),
            (self.server_side, "--server-side"),
            (self.force_conflicts, "--force-conflicts"),
        ];
        arguments.extend(
            flags
                .into_iter()
                .filter(|(set, _)| *set)
                .map(|(_, flag)| flag.into()),
        );
        if let Some(manager) = &self.field_manager {
            arguments.extend(["--field-manager".into(), manager.into()]);
        }
        arguments
    }
}

/// The objects of kubectl's answer: one, or a list of them.
fn read(text: &str) -> anyhow::Result<Vec<Box<RawValue>>> {
    let unread = || "kubectl's answer is not an object in JSON";
    let head: Head = serde_json::from_str(text).with_context(unread)?;
    if head.kind == "List" {
        let list: List = serde_json::from_str(text).with_context(unread)?;
        return Ok(list.items);
    }
    Ok(vec![serde_json::from_str(text).with_context(unread)?])
}

/// The warnings in what kubectl wrote to its standard error; whatever else it wrote is passed on.
fn warnings(said: &str) -> Vec<&str> {
    let (warnings, other): (Vec<_>, Vec<_>) = said
        .lines()
        .filter(|line| !line.is_empty())
        .partition(|line| line.starts_with("Warning: "));
    for line in other {
        eprintln!("{}", plain(line));
    }
    warnings
        .into_iter()
        .filter_map(|line| line.strip_prefix("Warning: "))
        .collect()
}

/// What Countersign says in these warnings; others' are passed on.
pub fn advice<'a>(warnings: impl IntoIterator<Item = &'a str>) -> anyhow::Result<Vec<Advice>> {
    let mut advice = Vec::new();
    for warning in warnings {
        match warning.parse() {
            Ok(ours) => advice.push(ours),
            Err(AdviceError::Foreign(text)) => eprintln!("Warning: {}", plain(&text)),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(advice)
}

/// What kubectl says of its failure, on one line; of denials, what Countersign says and nothing around it.
fn failure(said: &str) -> String {
    let lines: Vec<_> = said
        .lines()
        .filter(|line| !line.starts_with("Warning: "))
        .collect();
    let mut denials: Vec<_> = lines
        .iter()
        .filter_map(|line| Some(line.split_once(" denied the request: ")?.1))
        .collect();
    denials.dedup();
    let words = if denials.is_empty() { lines } else { denials };
    words.into_iter().map(plain).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_object_or_a_list_and_the_text_stays_as_it_is() {
        let one = read(r#"{"kind":"Pod","n":18446744073709551616}"#).unwrap();
        assert_eq!(
            one.iter().map(|raw| raw.get()).collect::<Vec<_>>(),
            [r#"{"kind":"Pod","n":18446744073709551616}"#]
        );
        let list = read(r#"{"kind":"List","apiVersion":"v1","items":[{"a":1.0},{"b":2}]}"#).unwrap();
        assert_eq!(
            list.iter().map(|raw| raw.get()).collect::<Vec<_>>(),
            [r#"{"a":1.0}"#, r#"{"b":2}"#]
        );
        assert_eq!(
            read("no").unwrap_err().to_string(),
            "kubectl's answer is not an object in JSON"
        );
    }

    #[test]
    fn our_warnings_are_read_and_a_cut_one_is_an_error() {
        let said = "Warning: resource lacks an annotation\nWarning: countersign: Unzoned: no zone\n";
        let read = advice(warnings(said)).unwrap();
        assert_eq!(
            read.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["countersign: Unzoned: no zone"]
        );
        let cut = "Warning: countersign: needs approval of user:bob: place=a/b/c";
        let error = advice(warnings(cut)).unwrap_err().to_string();
        assert_eq!(
            error,
            "the warning lacks `subject`: the API server may have cut it"
        );
    }

    #[test]
    fn a_denial_is_told_plainly() {
        let said = "Error from server (Forbidden): error when applying patch: admission webhook \"w\" denied the \
                    request: user:al is a reader\n";
        assert_eq!(failure(said), "user:al is a reader");
        assert_eq!(
            failure("error: a\nerror: b\u{1b}[2J\n"),
            "error: a; error: b\\u{1b}[2J"
        );
    }

    #[test]
    fn every_flag_reaches_kubectl() {
        let manifests = Manifests {
            filenames: vec!["a.yaml".into(), "-".into()],
            recursive: true,
            server_side: true,
            field_manager: Some("ci".into()),
            force_conflicts: true,
        };
        let arguments = manifests.arguments();
        let tail: Vec<_> = arguments
            .iter()
            .skip(4)
            .map(|argument| argument.to_string_lossy())
            .collect();
        let expected = [
            "--filename",
            "a.yaml",
            "--filename",
            "-",
            "--recursive",
            "--server-side",
            "--force-conflicts",
            "--field-manager",
            "ci",
        ];
        assert_eq!(tail, expected);
    }
}
