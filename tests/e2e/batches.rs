//! A rollout of several objects: one request, one review of all that was shown, and time enough for its waves.

use std::fs;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::harness::{Area, Ticket, shared, wait::until};

/// These objects as a folder: the first in a file of its own, the others together in one.
fn folder(area: &Area<'_>, name: &str, objects: &[Value]) -> String {
    let root = area.cluster.control_plane().dir();
    let folder = root.join(format!("{}-{name}", area.namespace));
    fs::create_dir_all(&folder).unwrap();
    let (first, others) = objects.split_first().unwrap();
    fs::write(folder.join("first.json"), first.to_string()).unwrap();
    if !others.is_empty() {
        let others: Vec<_> = others.iter().map(Value::to_string).collect();
        fs::write(folder.join("others.yaml"), others.join("\n---\n")).unwrap();
    }
    folder.to_str().unwrap().to_owned()
}

fn config_maps<const N: usize>(area: &Area<'_>, names: [&str; N]) -> [Value; N] {
    names.map(|name| area.config_map(name, &json!({ "wave": name })))
}

/// The ticket for the object of this name.
fn ticket_for<'a>(area: &Area<'a>, subject: &str, name: &str) -> Ticket<'a> {
    let tickets = area.tickets_of(subject);
    let is_it = |ticket: &&Value| ticket["spec"]["binding"]["target"]["name"] == name;
    let found = tickets.iter().find(is_it).unwrap();
    Ticket::new(
        &area.namespace,
        found["metadata"]["name"].as_str().unwrap(),
        area.cluster,
    )
}

fn usable_until(ticket: &Ticket<'_>) -> Timestamp {
    let until = ticket.object()["status"]["usableUntil"].clone();
    until.as_str().unwrap().parse().unwrap()
}

/// The command behind `kubectl countersign ` in what was printed.
fn command<'a>(printed: &'a str, after: &str) -> &'a str {
    let (_, rest) = printed
        .split_once(after)
        .unwrap_or_else(|| panic!("{after} is not in {printed}"));
    let rest = rest.split_once("kubectl countersign ").unwrap().1;
    rest.lines().next().unwrap()
}

#[test]
fn a_rollout_is_requested_approved_and_made_as_one() {
    let area = shared().area();
    let (agent, rita) = (area.person("deployer"), area.person("rita"));
    let objects = config_maps(&area, ["one", "two", "three"]);
    let request = format!("request -f {} --reason wave", folder(&area, "rollout", &objects));
    let asked = agent.countersign(&request).done();
    let again = agent.countersign(&request).done();
    assert_eq!(again.matches(" unchanged\n").count(), 3, "{again}");
    let approve = command(&asked, "to approve all of them: ");
    assert_eq!(
        command(&again, "to approve all of them: "),
        approve,
        "the same changes are the same batch"
    );
    let batch = approve.split_whitespace().nth(2).unwrap();

    let place = format!("--batch {batch} -n {}", area.namespace);
    let listed = rita.countersign(&format!("list {place} -o name")).done();
    assert_eq!(listed.lines().count(), 3, "{listed}");
    let shown = rita.countersign(&format!("describe {place}")).done();
    for part in [
        "+     one",
        "+     two",
        "+     three",
        "Batch of 3 tickets:\n  3 of agent:deployer\n",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let other = rita.countersign(&format!("approve {place} --yes --hash sha256:{}", "0".repeat(64)));
    assert!(
        other.stderr.contains("the batch's hash is sha256:"),
        "{}",
        other.stderr
    );
    let approved = rita.countersign(&format!("{approve} --yes")).done();
    assert_eq!(approved.matches(" created\n").count(), 3, "{approved}");
    agent.countersign(&format!("wait {place} --timeout=60s")).done();

    let last = ticket_for(&area, "agent:deployer", "three");
    let before = usable_until(&last);
    until("a later second than that of the approval", || {
        (Timestamp::now().as_second() > before.as_second() - 900 + 1).then_some(())
    });
    agent.apply(&objects[0]).done();
    until("the next wave to have its time", || {
        (usable_until(&last) > before).then_some(())
    });
    assert_eq!(last.state(), "Approved");
    let recorded = fs::read_dir(area.cluster.operator().audit_log())
        .unwrap()
        .any(|segment| {
            let text = fs::read_to_string(segment.unwrap().path()).unwrap_or_default();
            let of_ticket = |line: &str| line.contains(&last.name) && line.contains(r#""by":"batch""#);
            text.lines().any(of_ticket)
        });
    assert!(recorded, "it is in the audit log");
    for object in &objects[1..] {
        agent.apply(object).done();
    }
    agent
        .countersign(&format!("wait {place} --for=state=Consumed --timeout=60s"))
        .done();
    let over = rita.countersign(&format!("approve {place} --yes"));
    assert_eq!(
        (over.code, over.stdout.as_str()),
        (Some(1), ""),
        "{}",
        over.stderr
    );
}

#[test]
fn a_stranger_in_a_batch_is_seen_and_left_out() {
    let area = shared().area();
    let rita = area.person("rita");
    let batch = format!("rollout-of-{}", area.namespace);
    let ask = |person: &str, name: &str, objects: &[Value]| {
        let request = format!("request -f {} --batch {batch}", folder(&area, name, objects));
        area.person(person).countersign(&request).done();
    };
    ask("deployer", "agent", &config_maps(&area, ["one", "two"]));
    ask("olga", "olga", &config_maps(&area, ["smuggled"]));
    let [one, two] = ["one", "two"].map(|name| ticket_for(&area, "agent:deployer", name));
    let smuggled = ticket_for(&area, "user:olga", "smuggled");

    let place = format!("--batch {batch} -n {}", area.namespace);
    let refused = rita.countersign(&format!("approve {place} --yes"));
    let who = "the batch is shared by tickets of agent:deployer (2) and user:olga (1)";
    assert!(refused.stderr.contains(who), "{}", refused.stderr);
    assert_eq!(refused.code, Some(1));
    let shown = rita.countersign(&format!("describe {place}")).done();
    assert!(shown.contains("SEVERAL ASK UNDER THIS NAME"), "{shown}");
    rita.countersign(&format!("approve {place} --subject agent:deployer --yes"))
        .done();
    one.becomes("Approved");
    two.becomes("Approved");
    assert_eq!(smuggled.state(), "Pending");
    let denied = format!("deny {place} --subject user:olga --yes");
    rita.countersign(&denied).done();
    smuggled.becomes("Denied");
}

#[test]
fn what_cannot_be_reviewed_of_a_batch_is_told_and_the_rest_is_done() {
    let area = shared().area();
    let mut outside = area.config_map(&format!("beside-{}", area.namespace), &json!({ "a": "1" }));
    outside["metadata"]["namespace"] = json!("default");
    let [inside] = config_maps(&area, ["inside"]);
    let request = format!("request -f {}", folder(&area, "two", &[inside, outside]));
    let asked = area.person("ada").countersign(&request).done();
    let approve = format!("{} --yes", command(&asked, "to approve all of them: "));
    assert!(approve.contains(" -A "), "{approve}");

    let partly = area.person("rita").countersign(&approve);
    assert_eq!(partly.code, Some(1), "{}", partly.stderr);
    assert_eq!(
        partly.stdout.matches(" created\n").count(),
        1,
        "{}",
        partly.stdout
    );
    for told in [
        "IneligibleReviewer: user:rita is not an admin",
        "1 of 2 tickets were not reviewed",
    ] {
        assert!(partly.stderr.contains(told), "{told}: {}", partly.stderr);
    }
    ticket_for(&area, "user:ada", "inside").becomes("Approved");
    let (approve, _) = approve.split_once(" --hash").unwrap();
    let rest = area.person("ben").countersign(&format!("{approve} --yes")).done();
    assert_eq!(rest.matches(" created\n").count(), 1, "{rest}");
}

#[test]
fn who_deletes_is_shown_what_goes_with_it() {
    let area = shared().area();
    area.put(&area.deployment("web", 1));
    let owned = until("the replica set", || {
        let sets = area.get("replicasets")["items"].clone();
        sets[0]["metadata"]["name"].as_str().map(str::to_owned)
    });
    let request = format!(
        "request --action object.deployments.apps.delete --resource deployments.apps:{}/prod/web -o name",
        area.namespace
    );
    let name = area.person("deployer").countersign(&request).done();
    let describe = format!("describe {} -n {}", name.trim(), area.namespace);
    let shown = area.person("rita").countersign(&describe).done();
    for part in [
        "AND WHAT IT OWNS, after it:\n",
        &format!("      replicasets.apps/{owned}\n"),
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}
