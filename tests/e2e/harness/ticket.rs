//! A ticket as people see it.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    cluster::Cluster,
    person::{Outcome, Person},
    wait::until,
};

/// One ApprovalTicket of a cluster.
pub struct Ticket<'a> {
    cluster: &'a Cluster,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl<'a> Ticket<'a> {
    /// The ticket of this name.
    pub fn new(namespace: &str, name: &str, cluster: &'a Cluster) -> Self {
        Self {
            cluster,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    /// The ticket that a denial names.
    #[track_caller]
    pub fn named_in(denial: &str, cluster: &'a Cluster) -> Self {
        let (namespace, name) = named_in(denial).unwrap_or_else(|| panic!("no ticket is named: {denial}"));
        Self::new(namespace, name, cluster)
    }

    /// The ticket of this name beside this one.
    pub fn beside(&self, name: &str) -> Self {
        Self::new(&self.namespace, name, self.cluster)
    }

    /// The object.
    pub fn object(&self) -> Value {
        let what = format!("approvalticket {} -n {}", self.name, self.namespace);
        self.cluster.admin().get(&what)
    }

    /// Its state.
    pub fn state(&self) -> String {
        self.object()["status"]["state"]
            .as_str()
            .unwrap_or("Pending")
            .to_owned()
    }

    /// Waits for a state.
    #[track_caller]
    pub fn becomes(&self, state: &str) {
        let what = format!("ticket {} to be {state}", self.name);
        until(&what, || (self.state() == state).then_some(()));
    }

    /// Waits until so many approvals count.
    #[track_caller]
    pub fn counts(&self, approvals: u64) {
        let what = format!("ticket {} to count {approvals} approvals", self.name);
        until(&what, || {
            (self.object()["status"]["approvals"] == approvals).then_some(())
        });
    }

    /// Waits until what is made now has a later date: the API server dates objects to the second.
    pub fn is_of_another_second(&self) {
        let object = self.object();
        let made: Timestamp = object["metadata"]["creationTimestamp"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        until("the next second", || {
            (Timestamp::now().as_second() > made.as_second()).then_some(())
        });
    }

    /// The status of one of its conditions.
    pub fn condition(&self, kind: &str) -> String {
        let ticket = self.object();
        let conditions = ticket["status"]["conditions"].as_array().unwrap();
        let found = conditions.iter().find(|condition| condition["type"] == kind);
        found.unwrap()["status"].as_str().unwrap().to_owned()
    }

    /// Someone's review of it.
    pub fn review(&self, by: &Person, decision: &str) -> Outcome {
        by.create(&self.reviewed(decision))
    }

    /// Someone's approval, which must be taken.
    #[track_caller]
    pub fn approve(&self, by: &Person) {
        self.review(by, "Approve").done();
    }

    /// A review as a client writes it.
    pub fn reviewed(&self, decision: &str) -> Value {
        let ticket = self.object();
        json!({
            "apiVersion": "countersign.dev/v1alpha1",
            "kind": "ApprovalReview",
            "metadata": { "generateName": format!("{}-", self.name), "namespace": self.namespace },
            "spec": {
                "ticketRef": { "name": self.name, "uid": ticket["metadata"]["uid"] },
                "bindingHash": ticket["spec"]["bindingHash"],
                "decision": decision,
            },
        })
    }

    /// What it shows of one part of the change: the old and the new value.
    #[track_caller]
    pub fn change(&self, pointer: &str) -> (Value, Value) {
        let ticket = self.object();
        let parts = ticket["spec"]["change"].as_array().unwrap();
        let part = parts
            .iter()
            .find(|part| part["pointer"] == pointer)
            .unwrap_or_else(|| panic!("no part `{pointer}` in {parts:?}"));
        (part["old"].clone(), part["new"].clone())
    }
}

/// Namespace and name of the ticket that a denial names.
pub fn named_in(denial: &str) -> Option<(&str, &str)> {
    let (_, after) = denial.split_once(": ticket ")?;
    let (name, after) = after.split_once(" in ")?;
    let (namespace, _) = after.split_once(',')?;
    Some((namespace, name))
}
