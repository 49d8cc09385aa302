//! What becomes of an approved change is told by a task, which nobody but the operator writes.

use serde_json::{Value, json};

use super::{
    cluster_work,
    harness::{Area, Ticket, shared, wait::until},
};

/// The task of the ticket.
fn task(area: &Area<'_>, ticket: &Ticket<'_>) -> Value {
    let name = until("the ticket to name its task", || {
        ticket.object()["status"]["task"].as_str().map(str::to_owned)
    });
    area.get(&format!("task {name}"))
}

/// Waits until the task of the ticket is over.
fn ended(area: &Area<'_>, ticket: &Ticket<'_>) -> Value {
    until("the task to end", || {
        let task = task(area, ticket);
        let state = task["status"]["state"].as_str()?;
        (state != "Running").then(|| task.clone())
    })
}

#[test]
fn a_workload_is_followed_until_it_is_what_was_asked_for() {
    let area = cluster_work::area();
    let olga = area.person("olga");
    let made = area.with_approval(|| olga.apply(&area.deployment("web", 2)));
    let task = ended(&area, &made);
    assert_eq!(task["status"]["state"], "Succeeded");
    assert_eq!(task["status"]["result"], "2 of 2 replicas are available");
    let owner = &task["metadata"]["ownerReferences"][0];
    assert_eq!(owner["uid"], made.object()["metadata"]["uid"]);
    assert_eq!(task["spec"]["ticketRef"]["uid"], owner["uid"]);
    assert_eq!(
        task["spec"]["target"]["uid"],
        area.get("deployment web")["metadata"]["uid"]
    );

    let scale = format!("scale deployment web --replicas=3 -n {}", area.namespace);
    let scaled = area.with_approval(|| olga.kubectl(&scale));
    let task = ended(&area, &scaled);
    assert_eq!(task["status"]["result"], "3 of 3 replicas are available");
}

#[test]
fn a_workload_that_does_not_come_up_has_failed() {
    let area = shared().area();
    let mut never = area.deployment("never", 1);
    never["spec"]["progressDeadlineSeconds"] = json!(2);
    never["spec"]["template"]["spec"]["nodeName"] = json!("no-such-node");
    never["spec"]["minReadySeconds"] = json!(1);
    let made = area.with_approval(|| area.person("olga").apply(&never));
    let task = ended(&area, &made);
    assert_eq!(task["status"]["state"], "Failed");
    assert_eq!(task["status"]["result"], "it made no progress in its time");
    let stalled = until("the condition Stalled", || {
        let conditions = task["status"]["conditions"].as_array()?;
        conditions.iter().find(|one| one["type"] == "Stalled").cloned()
    });
    assert_eq!(
        (&stalled["status"], &stalled["reason"]),
        (&json!("True"), &json!("ProgressDeadlineExceeded"))
    );
}

#[test]
fn a_change_of_anything_else_was_stored_and_that_is_all() {
    let area = shared().area();
    let agent = area.person("deployer");
    let made = area.with_approval(|| agent.apply(&area.config_map("app", &json!({ "a": "1" }))));
    let task = ended(&area, &made);
    assert_eq!(task["status"]["state"], "Succeeded");
    assert_eq!(task["status"]["result"], "the change was stored");
}

#[test]
fn a_task_is_made_changed_and_removed_by_nobody_else() {
    let area = shared().area();
    let agent = area.person("deployer");
    let made = area.with_approval(|| agent.apply(&area.config_map("app", &json!({ "a": "1" }))));
    let task = ended(&area, &made);
    let mut another = json!({
        "apiVersion": "countersign.dev/v1alpha1",
        "kind": "Task",
        "metadata": { "name": "another", "namespace": area.namespace },
    });
    another["spec"] = task["spec"].clone();
    let name = task["metadata"]["name"].as_str().unwrap();
    for person in ["admin", "ada", "deployer"] {
        let person = area.person(person);
        person.create(&another).denied("OperatorOnly");
        let label = format!("label task {name} -n {} a=b", area.namespace);
        person.kubectl(&label).denied("OperatorOnly");
        let delete = format!("delete task {name} -n {}", area.namespace);
        person.kubectl(&delete).denied("OperatorOnly");
        let status = json!({ "status": { "state": "Failed" } }).to_string();
        let patch = [
            "patch",
            "task",
            name,
            "-n",
            &area.namespace,
            "--subresource=status",
            "--type=merge",
            "-p",
        ];
        person
            .run(&[patch.as_slice(), &[&status]].concat(), "")
            .denied("OperatorOnly");
    }
}
