//! The local node, as the steps of the test see it.

use std::{
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use super::harness::{Area, Cluster, Outcome, Ticket, wait::within};

/// How long controllers may take: some look every minute only.
pub const LONG: Duration = Duration::from_mins(3);

/// The command that steers the node.
pub const LOCALNODE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/hack/localnode/localnode");

/// Runs one step on something, and tells how long it took.
pub fn step<T>(on: &T, what: &str, run: impl Fn(&T)) {
    let begin = Instant::now();
    eprintln!("== {what}");
    run(on);
    eprintln!("   {:.0} s", begin.elapsed().as_secs_f64());
}

/// The node and its cluster, and a namespace of prod with a zone.
pub struct Node<'a> {
    /// Who works here.
    pub cluster: &'a Cluster,
    /// Where the work is.
    pub area: Area<'a>,
}

impl<'a> Node<'a> {
    /// The node of this cluster.
    pub fn new(cluster: &'a Cluster) -> Self {
        let area = cluster.area();
        Self { cluster, area }
    }

    /// A file of the node's folder.
    pub fn file(&self, path: &str) -> PathBuf {
        self.cluster.control_plane().dir().join(path)
    }

    /// What an administrator sees here.
    pub fn sees(&self, arguments: &str) -> String {
        let here = format!("{arguments} -n {}", self.area.namespace);
        self.cluster.admin().kubectl(&here).done().trim().to_owned()
    }

    /// Waits until kubectl prints this.
    #[track_caller]
    pub fn shows(&self, arguments: &str, expected: &str) {
        let here = format!("{arguments} --ignore-not-found -n {}", self.area.namespace);
        let mut last = String::new();
        within(LONG, &format!("`{expected}` of {arguments}"), || {
            let seen = self.cluster.admin().kubectl(&here);
            seen.stdout.trim().clone_into(&mut last);
            (seen.succeeded() && last == expected).then_some(())
        });
    }

    /// Waits until kubectl says that this is so.
    #[track_caller]
    pub fn waits(&self, arguments: &str) {
        self.sees(&format!("{arguments} --timeout=90s"));
    }

    /// Puts these objects, before strict mode is on.
    pub fn apply_as_admin(&self, objects: &str) {
        self.cluster.admin().kubectl_with("apply -f -", objects).done();
    }

    /// Has ada put each of these objects, with ben's approval.
    pub fn apply(&self, objects: &str) {
        for object in objects.replace("$NS", &self.area.namespace).split("\n---\n") {
            self.approved(|| self.cluster.person("ada").kubectl_with("apply -f -", object));
        }
    }

    /// Has ada run kubectl here, with ben's approval.
    #[track_caller]
    pub fn asks(&self, arguments: &[&str]) {
        self.asks_in(&self.area.namespace, arguments);
    }

    /// The same, in another namespace.
    #[track_caller]
    pub fn asks_in(&self, namespace: &str, arguments: &[&str]) {
        let there = [arguments, &["-n", namespace]].concat();
        self.approved(|| self.cluster.person("ada").run(&there, ""));
    }

    /// The same, of arguments that are separated by spaces.
    #[track_caller]
    pub fn asks_to(&self, arguments: &str) {
        self.asks(&arguments.split_whitespace().collect::<Vec<_>>());
    }

    #[track_caller]
    fn approved(&self, write: impl Fn() -> Outcome) {
        let denied = write();
        if denied.succeeded() {
            return;
        }
        let ticket = Ticket::named_in(&denied.denied("ApprovalRequired"), self.cluster);
        ticket.approve(self.cluster.person("ben"));
        ticket.becomes("Approved");
        write().done();
    }

    /// `start`, `stop` or `restart` of a component of the node.
    pub fn component(&self, verb: &str, component: &str) {
        self.cluster.control_plane().component(verb, component);
    }

    /// Asks a program in a pod for a path, from the node.
    pub fn call(&self, pod: &str, path: &str) {
        let address = self.sees(&format!("get pod {pod} -o jsonpath={{.status.podIP}}"));
        let url = format!("http://{address}:8080{path}");
        // A program that crashes does not answer.
        let _ = Command::new(LOCALNODE)
            .args(["enter", "work", "get", &url])
            .output()
            .unwrap();
    }
}
