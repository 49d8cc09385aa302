//! One change has one hash and one ticket, however it is made: shown by diff, tried in a dry run, created, updated, tried
//! again, applied by the client or by the server, replaced, patched. Proven for an object of every kind at once.
//!
//! `COUNTERSIGN_E2E_WAYS` sets by how many ways updates are asked for, each of them made by the next: 1 by default, of 4.

mod objects;
mod way;

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
};

use serde_json::{Value, json};

use self::{
    objects::{Objects, list},
    way::Way,
};
use super::harness::{
    Cluster, Outcome,
    ticket::named_in,
    wait::{LONG, within},
};

/// The hashes of a change to each object, by its place.
type Hashes = BTreeMap<String, String>;

/// Namespace and name of a ticket.
type Name = (String, String);

#[test]
fn one_change_has_one_hash_and_one_ticket_however_it_is_made() {
    let cluster = Cluster::with_company(1);
    let objects = Objects::prepare(&cluster);
    let kinds = is_created(&cluster, &objects);
    println!("hash_equal_for_creates {kinds} kinds");
    let ways = env::var("COUNTERSIGN_E2E_WAYS").map_or(1, |ways| ways.parse().unwrap());
    for (round, way) in Way::ALL.into_iter().enumerate().take(ways) {
        is_updated(&cluster, &objects, (way, Way::ALL[(round + 1) % 4]), 4 - round);
    }
    println!("hash_equal_for_updates {kinds} kinds");
}

/// Tries to create all objects in every way, and creates them with approval. Tells how many there are.
fn is_created(cluster: &Cluster, objects: &Objects) -> usize {
    let agent = cluster.person("deployer");
    let all = list(&objects.first);
    let shown = hashes_shown(&agent.kubectl_with("diff -f -", &all));
    assert!(shown.len() > 50, "only {} hashes are shown", shown.len());
    let ways = ["create", "apply", "apply --server-side --force-conflicts"];
    for way in ways {
        let dry = agent.kubectl_with(&format!("{way} --dry-run=server -f -"), &all);
        is_same(&hashes_shown(&dry), &shown, &format!("{way} in a dry run"), &dry);
    }
    let mut tickets = BTreeSet::new();
    for way in ways {
        let denied = agent.kubectl_with(&format!("{way} -f -"), &all);
        tickets.extend(names(&denied));
        is_same(&hashes_bound(cluster, &denied), &shown, way, &denied);
        assert_eq!(tickets.len(), shown.len(), "{way} asks for others: {tickets:?}");
    }
    approve(cluster, &tickets);
    agent.kubectl_with("apply -f -", &all).done();
    are_consumed(cluster, &tickets);
    shown.len()
}

/// Tries to change all objects in every way, and changes them with approval: asked for in one way, done in the other.
fn is_updated(cluster: &Cluster, objects: &Objects, (asks, does): (Way, Way), number: usize) {
    let agent = cluster.person("deployer");
    let edited = objects.edited(number);
    let diff = agent.kubectl_with("diff -f -", &list(&edited.whole));
    let shown = hashes_shown(&diff);
    assert_eq!(shown.len(), objects.first.len(), "{number}: {}", diff.stderr);
    let others = [
        "diff --server-side --force-conflicts",
        "apply --server-side --force-conflicts --field-manager=kustomize-controller --dry-run=server",
    ];
    for other in others {
        let dry = agent.kubectl_with(&format!("{other} -f -"), &list(&edited.whole));
        is_same(&hashes_shown(&dry), &shown, other, &dry);
    }
    let denied = asks.make(agent, &edited, "");
    is_same(&hashes_bound(cluster, &denied), &shown, "asked for", &denied);
    let tickets = names(&denied);
    for way in Way::ALL {
        let dry = way.make(agent, &edited, "--dry-run=server");
        is_same(
            &hashes_shown(&dry),
            &shown,
            &format!("{way:?} in a dry run"),
            &dry,
        );
        let again = way.make(agent, &edited, "");
        is_same(
            &hashes_bound(cluster, &again),
            &shown,
            &format!("{way:?}"),
            &again,
        );
        assert_eq!(names(&again), tickets, "{way:?} of what {asks:?} asked for");
    }
    approve(cluster, &tickets);
    does.make(agent, &edited, "").done();
    are_consumed(cluster, &tickets);
    for way in Way::ALL {
        way.make(agent, &edited, "").done();
    }
}

/// That a way of making the change has the hashes that were shown; tells those that differ.
#[track_caller]
fn is_same(found: &Hashes, shown: &Hashes, way: &str, outcome: &Outcome) {
    let places: BTreeSet<_> = found.keys().chain(shown.keys()).collect();
    let differ: Vec<_> = places
        .into_iter()
        .filter(|place| found.get(*place) != shown.get(*place))
        .collect();
    assert!(
        differ.is_empty(),
        "{way} differs from diff for {differ:?}: {}",
        outcome.stderr
    );
}

/// The hashes in the warnings of a dry run, by place.
fn hashes_shown(outcome: &Outcome) -> Hashes {
    let field = |line: &str, name: &str| {
        let mut fields = line.split(' ').filter_map(|word| word.split_once('='));
        fields
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.to_owned())
    };
    let lines = outcome
        .stderr
        .lines()
        .filter(|line| line.contains("needs approval of"));
    lines
        .map(|line| {
            (
                field(line, "place").unwrap(),
                field(line, "resourceHash").unwrap(),
            )
        })
        .collect()
}

/// The hashes in the tickets that a denial names, by place.
fn hashes_bound(cluster: &Cluster, denied: &Outcome) -> Hashes {
    let all = tickets(cluster);
    let bound = names(denied).into_iter().map(|ticket| {
        let binding = &all[&ticket]["spec"]["binding"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let target = &binding["target"];
        let (group, resource) = (text(&target["group"]), text(&target["resource"]));
        let suffix = if group.is_empty() {
            group
        } else {
            format!(".{group}")
        };
        let scope = target["namespace"].as_str().unwrap_or("@cluster");
        let place = format!("{scope}/{resource}{suffix}/{}", text(&target["name"]));
        (place, text(&binding["resourceHash"]))
    });
    bound.collect()
}

/// The tickets that denials name.
fn names(denied: &Outcome) -> BTreeSet<Name> {
    let lines = denied.stderr.lines().filter_map(named_in);
    lines
        .map(|(namespace, name)| (namespace.to_owned(), name.to_owned()))
        .collect()
}

fn tickets(cluster: &Cluster) -> BTreeMap<Name, Value> {
    let all = cluster.admin().get("approvaltickets -A");
    let name = |ticket: &Value, field: &str| ticket["metadata"][field].as_str().unwrap().to_owned();
    let items = all["items"].as_array().unwrap().iter();
    items
        .map(|ticket| ((name(ticket, "namespace"), name(ticket, "name")), ticket.clone()))
        .collect()
}

/// Has these tickets approved.
fn approve(cluster: &Cluster, named: &BTreeSet<Name>) {
    let all = tickets(cluster);
    let reviews: Vec<_> = named.iter().map(|name| review(&all[name])).collect();
    let rita = cluster.person("rita");
    rita.kubectl_with("create -f -", &list(&reviews)).done();
    become_all(cluster, named, "Approved");
}

/// Waits until the operator found out that all these changes were made.
fn are_consumed(cluster: &Cluster, named: &BTreeSet<Name>) {
    become_all(cluster, named, "Consumed");
}

/// Waits until all these tickets have a state; tells those that do not come to it.
#[track_caller]
fn become_all(cluster: &Cluster, named: &BTreeSet<Name>, state: &str) {
    let mut left: Vec<_> = named.iter().collect();
    while !left.is_empty() {
        // Each is waited for by name, so that a failure tells which one it is.
        let what = format!("{left:?} to be {state}");
        let before = left.len();
        left = within(LONG, &what, || {
            let all = tickets(cluster);
            left.retain(|name| all[*name]["status"]["state"] != state);
            (left.len() < before).then(|| left.clone())
        });
    }
}

fn review(ticket: &Value) -> Value {
    let metadata = &ticket["metadata"];
    json!({
        "apiVersion": "countersign.dev/v1alpha1",
        "kind": "ApprovalReview",
        "metadata": { "generateName": "each-", "namespace": metadata["namespace"] },
        "spec": {
            "ticketRef": { "name": metadata["name"], "uid": metadata["uid"] },
            "bindingHash": ticket["spec"]["bindingHash"],
            "decision": "Approve",
        },
    })
}
