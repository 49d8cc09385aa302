//! Finished tickets leave when their time is over, by the operator's hand alone.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    harness::{Area, Cluster, Person, Ticket, wait::until},
    outages::{audit_log, wants},
    seals::behind_its_back,
};

/// A ticket that a newer one superseded before anybody looked at it.
fn superseded<'a>(area: &Area<'a>) -> Ticket<'a> {
    let older = area.ticket(wants(area, "1"));
    older.is_of_another_second();
    area.ticket(wants(area, "2"));
    older.becomes("Superseded");
    older
}

/// A ticket that was used, with its review and its task.
fn used<'a>(area: &Area<'a>) -> Ticket<'a> {
    let ticket = area.with_approval(|| wants(area, "1"));
    ticket.becomes("Consumed");
    until("its task", || {
        ticket.object()["status"]["task"].as_str().map(drop)
    });
    ticket
}

/// Says that the ticket came to its end so long ago.
fn finished_before(admin: &Person, ticket: &Ticket<'_>, ago: SignedDuration) {
    let status = json!({ "status": { "finishedAt": (Timestamp::now() - ago).to_string() } }).to_string();
    let what = ["patch", "approvalticket", &ticket.name, "-n", &ticket.namespace];
    let how = ["--subresource=status", "--type=merge", "-p", &status];
    admin.run(&[what.as_slice(), &how].concat(), "").done();
}

fn count(area: &Area<'_>, kind: &str) -> usize {
    area.get(kind)["items"].as_array().unwrap().len()
}

/// What the audit log says of the last step of a ticket.
fn last_step(cluster: &Cluster, uid: &Value) -> Option<Value> {
    let log = audit_log(cluster);
    let mut records = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    records.rfind(|record| record["type"] == "TicketTransition" && record["ticket"]["uid"] == *uid)
}

#[test]
fn finished_tickets_leave_when_their_time_is_over_with_their_reviews_and_tasks() {
    let cluster = Cluster::strict(6);
    let [unseen, unseen_lately, old, lately, orphaned] = [(); 5].map(|()| cluster.area());
    let (soon, not_yet) = (superseded(&unseen), superseded(&unseen_lately));
    let (over, kept) = (used(&old), used(&lately));
    let gone = orphaned.ticket(wants(&orphaned, "1"));
    gone.approve(orphaned.person("rita"));
    assert_eq!((count(&old, "approvalreviews"), count(&old, "tasks")), (1, 1));
    let uids = [&soon, &over].map(|ticket| ticket.object()["metadata"]["uid"].clone());

    let (minutes, days) = (SignedDuration::from_mins(10), SignedDuration::from_hours(7 * 24));
    let second = SignedDuration::from_secs(1);
    let minute = SignedDuration::from_mins(1);
    behind_its_back(&cluster, |admin| {
        finished_before(admin, &soon, minutes + second);
        finished_before(admin, &not_yet, minutes - SignedDuration::from_mins(5));
        finished_before(admin, &over, days + second);
        finished_before(admin, &kept, days - minute);
        admin
            .kubectl(&format!(
                "delete approvalticket {} -n {}",
                gone.name, gone.namespace
            ))
            .done();
    });

    until("both tickets to leave", || {
        (count(&unseen, "approvaltickets") == 1 && count(&old, "approvaltickets") == 0).then_some(())
    });
    until("what belonged to them to leave", || {
        let left = [&old, &orphaned].map(|area| count(area, "approvalreviews") + count(area, "tasks"));
        (left == [0, 0]).then_some(())
    });
    for uid in &uids {
        let step = last_step(&cluster, uid).unwrap();
        assert_eq!(
            (&step["to"], &step["by"]),
            (&json!("Removed"), &json!("retention"))
        );
    }
    assert_eq!(
        (not_yet.state(), kept.state()),
        ("Superseded".to_owned(), "Consumed".to_owned())
    );
    assert_eq!(
        (count(&lately, "approvalreviews"), count(&lately, "tasks")),
        (1, 1)
    );
}

#[test]
fn a_namespace_takes_its_tickets_with_it_and_the_audit_log_keeps_them() {
    let cluster = Cluster::strict(1);
    let area = cluster.area();
    let ticket = used(&area);
    let uid = ticket.object()["metadata"]["uid"].clone();
    let delete = format!("delete namespace {} --wait=false", area.namespace);
    area.with_approval(|| area.person("olga").kubectl(&delete));
    until("the namespace to be gone", || {
        let get = format!("get namespace {}", area.namespace);
        (!cluster.admin().kubectl(&get).succeeded()).then_some(())
    });

    let step = last_step(&cluster, &uid).unwrap();
    assert_eq!(step["to"], "Consumed");
    let place = format!(
        "{}/approvaltickets.countersign.dev/{}",
        area.namespace, ticket.name
    );
    let log = audit_log(&cluster);
    let records = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let removals: Vec<_> = records
        .filter(|record| record["request"]["object"] == *place && record["request"]["operation"] == "Delete")
        .collect();
    assert!(!removals.is_empty(), "no record of {place}");
    for removal in removals {
        assert_eq!(removal["verdict"], "allow");
        let by = removal["caller"]["username"].as_str().unwrap();
        assert_eq!(by, "system:serviceaccount:kube-system:namespace-controller");
    }
}
