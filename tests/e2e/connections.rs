//! Connections to pods: an approval of an exec is bound to its command, and used up by the first.

use serde_json::Value;

use super::harness::{Area, Outcome, pods, shared};

fn exec(area: &Area<'_>, command: &str) -> Outcome {
    let exec = format!("exec web -n {} -- {command}", area.namespace);
    area.person("deployer").kubectl(&exec)
}

#[test]
fn an_exec_is_approved_by_its_command_and_once() {
    let area = shared().area();
    let mut pod = pods("web");
    pod["apiVersion"] = "v1".into();
    pod["kind"] = "Pod".into();
    pod["metadata"]["name"] = "web".into();
    pod["metadata"]["namespace"] = area.namespace.clone().into();
    area.put(&pod);

    let ticket = area.approved(|| exec(&area, "ls /data"));
    let spec = ticket.object()["spec"].clone();
    assert_eq!(spec["binding"]["operation"], "Connect");
    let command: Value = serde_json::from_str(spec["command"].as_str().unwrap()).unwrap();
    assert_eq!(command["command"], serde_json::json!(["ls", "/data"]));

    let other = area.ticket(exec(&area, "rm /data"));
    assert_ne!(other.name, ticket.name);
    // No kubelet listens: that the API server looks for it shows that it was let through.
    let passed = exec(&area, "ls /data");
    assert!(!passed.stderr.contains("denied the request"), "{}", passed.stderr);
    ticket.becomes("Consumed");
}
