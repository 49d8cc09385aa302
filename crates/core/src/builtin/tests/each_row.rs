//! Each row is needed: what it is there for is let through by it, and by no other.

use super::super::{
    BUILTINS, Builtin,
    When::{Always, Changes, Exactly, In, Named, NamespaceTerminates, OwnGonePod, OwnNode, OwnSlice},
    Who, writes,
};
use super::{Ask, World, ask, pod, world};
use crate::{
    decision::{Decision, Reason},
    hash::changed_pointers,
    request::Operation,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

#[test]
fn what_a_row_is_there_for_is_let_through_by_no_other() {
    let world = world().terminating("billing");
    for row in BUILTINS {
        for (group, resource) in row.resources {
            for operation in row.operations {
                let ask = of_row(row, (group, resource), *operation);
                assert_eq!(covering(&ask, &world), [row.name], "{operation} {resource}");
                let Decision::Allow(grant) = world.decides(&ask) else {
                    panic!("{}: {operation} {resource} is not let through", row.name);
                };
                assert_eq!(grant.reason(), Reason::Delegated);
                assert_eq!(&*grant.cause().unwrap().name, row.name);
            }
        }
    }
}

/// What the real components write, or why they need not be seen to: `make test-node` holds each line to its log.
const SEEN: &str = include_str!("../../../../../tests/data/node/writes.txt");

#[test]
fn each_row_lets_through_what_the_real_components_write_and_no_more() {
    let lines = SEEN.lines().filter(|line| !line.starts_with('#'));
    let seen: BTreeSet<_> = lines
        .map(|line| line.split(": ").next().unwrap().to_owned())
        .collect();
    let permitted: BTreeSet<_> = writes().map(|write| write.to_string()).collect();
    let either: Vec<_> = permitted.symmetric_difference(&seen).collect();
    assert!(
        either.is_empty(),
        "in the table or in the list, and not in both: {either:#?}"
    );
}

#[test]
fn names_are_unique_and_say_who_writes() {
    let names: BTreeSet<_> = BUILTINS.iter().map(|row| row.name).collect();
    assert_eq!(names.len(), BUILTINS.len());
    for row in BUILTINS {
        let (who, _) = row.name.split_once('/').unwrap();
        let expected = match row.who {
            Who::Controller(name) => name,
            Who::User(name) => name.strip_prefix("system:").unwrap(),
            Who::ApiServer => "api-server",
            Who::Node => "kubelet",
            Who::Bootstrapper => "bootstrapper",
        };
        assert_eq!(who, expected);
    }
}

fn covering(ask: &Ask, world: &World) -> Vec<&'static str> {
    let request = ask.request();
    let changed = || changed_pointers(&request.change).ok();
    let rows = BUILTINS.iter();
    rows.filter(|row| row.covers(&request, &world.snapshot, &changed))
        .map(|row| row.name)
        .collect()
}

/// A write that the row is there for.
fn of_row(row: &Builtin, (group, resource): (&str, &str), operation: Operation) -> Ask {
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let resource = if resource == "*" { "widgets" } else { resource };
    let group = if group == "*" { "example.com" } else { group };
    let (namespace, name) = match row.when {
        In(namespace) => (namespace, "x"),
        Exactly(namespace, name) => (namespace, name),
        Named(name) => ("billing", name),
        OwnNode if resource == "leases" => ("kube-node-lease", "node-1"),
        OwnNode if resource != "pods" => ("@cluster", "node-1"),
        _ => ("billing", "x"),
    };
    let dot = if group.is_empty() { "" } else { "." };
    let (username, of_group) = writer(row.who);
    let place = format!("{namespace}/{resource}{dot}{group}/{name}");
    let asked = ask(&username, operation, &place)
        .sub(subresource)
        .in_group(of_group);
    match (row.when, operation) {
        (Changes(fields), _) => asked.from("{}", &with(fields[0]).to_string()),
        (OwnNode, Operation::Create) if resource == "pods" => Ask {
            new: Some(pod(
                "node-1",
                r#""annotations":{"kubernetes.io/config.mirror":"x"}"#,
            )),
            ..asked
        },
        (OwnNode, Operation::Update) if resource == "pods" => {
            let old = pod("node-1", "");
            asked.from(&old, &old.replace(r#""a":1"#, r#""a":2"#))
        }
        (OwnGonePod, _) => {
            let dying = pod("node-1", r#""deletionTimestamp":"2026-06-01T00:00:00Z""#);
            asked.from(&dying, "{}")
        }
        (OwnSlice, _) => asked.from(&pod("node-1", ""), "{}"),
        (Always | Named(_) | In(_) | Exactly(..) | NamespaceTerminates | OwnNode, _) => asked,
    }
}

fn writer(who: Who) -> (String, &'static str) {
    match who {
        Who::Controller(_) | Who::User(_) => (who.to_string(), "system:authenticated"),
        Who::ApiServer => (who.to_string(), "system:masters"),
        Who::Node => ("system:node:node-1".to_owned(), "system:nodes"),
        Who::Bootstrapper => ("system:bootstrap:abcdef".to_owned(), "system:bootstrappers"),
    }
}

/// An object with something in this field.
fn with(pointer: &str) -> Value {
    let parts: Vec<_> = pointer.split('/').skip(1).collect();
    let value = match *parts.last().unwrap() {
        "finalizers" => json!(["x"]),
        "ownerReferences" => json!([{ "uid": "o" }]),
        last if last.contains("~1") => json!("x"),
        _ => json!({ "a": "1" }),
    };
    parts.into_iter().rev().fold(value, |inner, part| {
        let mut object = serde_json::Map::new();
        object.insert(part.replace("~1", "/"), inner);
        Value::Object(object)
    })
}
