//! What was written, by the API server's audit log, and what was refused, by the operator's.

use std::{collections::BTreeSet, fs};

use countersign_core::builtin::{self, Write};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{node::Node, power::AWAY};

/// Each write that a row lets somebody make; and, after a colon, why that is right where nothing here makes it.
const WRITES: &str = include_str!("../data/node/writes.txt");

/// For how long the operator may not know everything after its start.
const EARLY: SignedDuration = SignedDuration::from_secs(30);

/// Nobody of the cluster's own was refused anything, but for the moment in which the operator, started again, did not
/// know everything yet.
pub fn has_no_denial(node: &Node<'_>) {
    let log = node.cluster.operator().audit_log();
    let files = fs::read_dir(log).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "ndjson"))
        .collect();
    files.sort();
    let text: String = files
        .iter()
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let mut started = Timestamp::MIN;
    let mut denied = lines(&text).filter(|record| {
        let time: Timestamp = record["time"].as_str().unwrap().parse().unwrap();
        if record["type"] == "Opened" {
            started = time;
        }
        let is_early = record["reason"] == "Stale" && time.duration_since(started) < EARLY;
        record["type"] == "Decision" && record["verdict"] != "allow" && !is_early && is_clusters_own(record)
    });
    let first = denied.next();
    assert_eq!(first, None, "and {} more", denied.count());
}

/// Whether it was asked by a part of the cluster.
fn is_clusters_own(record: &Value) -> bool {
    let writer = record["caller"]["username"].as_str().unwrap();
    writer.starts_with("system:") && !writer.starts_with("system:serviceaccount:agents:")
}

/// While the operator was away nothing was refused in its own namespace, but what it asked for itself as it was killed.
pub fn lets_the_operator_back(node: &Node<'_>) {
    let text = fs::read_to_string(node.file("logs/writes.log")).unwrap();
    let refused = lines(&text).filter(|event| {
        let told = event["responseStatus"]["message"].as_str();
        event["objectRef"]["namespace"] == "countersign-system"
            && event["user"]["username"] != "countersign-operator"
            && told.is_some_and(|told| told.contains(AWAY))
    });
    let refused: Vec<_> = refused
        .map(|event| {
            format!(
                "{} {} {}",
                event["user"]["username"], event["verb"], event["objectRef"]
            )
        })
        .collect();
    assert!(refused.is_empty(), "{refused:#?}");
}

/// Every write that a built-in delegation lets somebody make was made, or it is listed why not.
pub fn proves_every_row(node: &Node<'_>) {
    let made = made(node);
    let all: Vec<_> = builtin::writes().collect();
    let unmade: BTreeSet<_> = all
        .iter()
        .filter(|write| !made.iter().any(|one| covers(write, one)))
        .map(Write::to_string)
        .collect();
    let excused: BTreeSet<_> = WRITES
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| Some(line.split_once(": ")?.0.to_owned()))
        .collect();
    assert_eq!(unmade, excused, "of {}", all.len());
    eprintln!("{} of {} writes were made", all.len() - unmade.len(), all.len());
}

/// Username, operation, group and resource of a write that was done.
type Made = (String, &'static str, String, String);

fn made(node: &Node<'_>) -> BTreeSet<Made> {
    let text = fs::read_to_string(node.file("logs/writes.log")).unwrap();
    let done = lines(&text).filter(|event| event["responseStatus"]["code"].as_u64() < Some(400));
    done.filter_map(|event| {
        let operation = match event["verb"].as_str()? {
            "create" => "Create",
            "update" | "patch" => "Update",
            "delete" | "deletecollection" => "Delete",
            _ => return None,
        };
        let word = |field: &str| event["objectRef"][field].as_str().unwrap_or_default();
        let resource = [word("resource"), word("subresource")].join("/");
        let resource = resource.trim_end_matches('/').to_owned();
        let writer = event["user"]["username"].as_str()?.to_owned();
        Some((writer, operation, word("apiGroup").to_owned(), resource))
    })
    .collect()
}

fn covers(write: &Write, (writer, operation, group, resource): &Made) -> bool {
    let writes = match write.writer.strip_suffix('*') {
        Some(prefix) => writer.starts_with(prefix),
        None => *writer == write.writer,
    };
    let of_resource = match write.resource.split_once("*/") {
        Some((_, subresource)) => resource.ends_with(&format!("/{subresource}")),
        None => write.resource == "*" || *resource == write.resource,
    };
    writes
        && *operation == write.operation.as_str()
        && (write.group == "*" || *group == write.group)
        && of_resource
}

fn lines(text: &str) -> impl Iterator<Item = Value> {
    text.lines().filter_map(|line| {
        let whole: Value = serde_json::from_str(line).ok()?;
        Some(whole.get("record").cloned().unwrap_or(whole))
    })
}
