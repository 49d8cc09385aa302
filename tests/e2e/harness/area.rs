//! A test's own place in a cluster: a namespace of prod, and the zone that holds it.

use serde_json::{Value, json};

use super::{
    cluster::Cluster,
    person::{Outcome, Person},
    ticket::Ticket,
};

/// A namespace and the zone of the same name: owned by `team:shop` (olga and otto), written by the agents too,
/// reviewed by rita as well.
pub struct Area<'a> {
    /// Where it is.
    pub cluster: &'a Cluster,
    /// The namespace.
    pub namespace: String,
    /// Whose approvals are enough.
    pub reviewers: &'static [&'static str],
}

impl<'a> Area<'a> {
    /// The ticket of a write that was denied for want of an approval.
    #[track_caller]
    pub fn ticket(&self, denied: Outcome) -> Ticket<'a> {
        Ticket::named_in(&denied.denied("ApprovalRequired"), self.cluster)
    }

    /// Makes a write the regular way: denied, approved, made again.
    #[track_caller]
    pub fn with_approval(&self, write: impl Fn() -> Outcome) -> Ticket<'a> {
        let ticket = self.approved(&write);
        write().done();
        ticket
    }

    /// Has a write denied and its ticket approved.
    #[track_caller]
    pub fn approved(&self, write: impl Fn() -> Outcome) -> Ticket<'a> {
        let ticket = self.ticket(write());
        for reviewer in self.reviewers {
            ticket.approve(self.person(reviewer));
        }
        ticket.becomes("Approved");
        ticket
    }

    /// Puts an object here: olga applies it, others approve.
    #[track_caller]
    pub fn put(&self, object: &Value) {
        self.with_approval(|| self.person("olga").apply(object));
    }

    /// Somebody.
    pub fn person(&self, name: &str) -> &'a Person {
        self.cluster.person(name)
    }

    /// A Deployment here.
    pub fn deployment(&self, name: &str, replicas: u32) -> Value {
        json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": { "name": name, "namespace": self.namespace },
            "spec": {
                "replicas": replicas,
                "selector": { "matchLabels": { "app": name } },
                "template": pods(name),
            },
        })
    }

    /// A ConfigMap here.
    pub fn config_map(&self, name: &str, data: &Value) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": { "name": name, "namespace": self.namespace },
            "data": data,
        })
    }

    /// The tickets here of one subject.
    pub fn tickets_of(&self, subject: &str) -> Vec<Value> {
        let what = format!("approvaltickets --field-selector=spec.binding.subjectID={subject}");
        self.get(&what)["items"].as_array().unwrap().clone()
    }

    /// An object here, as Kubernetes has it.
    pub fn get(&self, what: &str) -> Value {
        self.cluster.admin().get(&format!("{what} -n {}", self.namespace))
    }
}

/// Pods of one container, on the one node that the tests play.
pub fn pods(name: &str) -> Value {
    json!({
        "metadata": { "labels": { "app": name } },
        "spec": {
            "nodeName": "node1",
            "containers": [{ "name": "main", "image": "registry.example/main:1" }],
        },
    })
}
