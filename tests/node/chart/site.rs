//! A cluster without Countersign: its people, what they type, and what is in it.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use super::super::{
    harness::{Outcome, Person, control_plane::ControlPlane, ticket, wait::until},
    node::LOCALNODE,
};

/// What ada types is in here, word for word.
const DOCUMENT: &str = include_str!("../../../docs/operations.md");

/// A node with a disk, and the people of the quickstart.
pub struct Site {
    /// The node and its control plane.
    pub control_plane: ControlPlane,
    /// Who made the cluster: of group `system:masters`, and without any grant.
    pub admin: Person,
    /// An admin, who installs and upgrades.
    pub ada: Person,
    /// An admin, who approves.
    pub grace: Person,
    /// Whom Kubernetes lets do anything, and Countersign nothing.
    pub mallory: Person,
}

impl Site {
    /// The local node, with the operator's image in it.
    pub fn new() -> Self {
        let control_plane = ControlPlane::start(&[]);
        let image = ["image", "countersign", env!("CARGO_BIN_EXE_countersign")];
        let given = Command::new(LOCALNODE).args(image).output().unwrap();
        assert!(
            given.status.success(),
            "{}",
            String::from_utf8_lossy(&given.stderr)
        );

        let person = |kubeconfig| Person::new(kubeconfig, control_plane.kubectl());
        let issued = |name| person(control_plane.issue(name, &["people"]));
        let site = Self {
            admin: person(control_plane.admin_kubeconfig().to_owned()),
            ada: issued("ada"),
            grace: issued("grace"),
            mallory: issued("mallory"),
            control_plane,
        };
        // The last that a new node makes by itself.
        until("the node's lease", || {
            let lease = site.admin.kubectl("get lease node1 -n kube-node-lease");
            lease.succeeded().then_some(())
        });
        fs::create_dir(site.disk()).unwrap();
        let ground = include_str!("../../data/node/disk.yaml");
        let objects = ground.replace("$DISK", site.disk().to_str().unwrap());
        site.admin.kubectl_with("apply -f -", &objects).done();
        site.wants("1", "");
        site
    }

    /// The folder that becomes the operator's volume.
    pub fn disk(&self) -> PathBuf {
        self.control_plane.dir().join("disk")
    }

    fn values(&self) -> PathBuf {
        self.control_plane.dir().join("values.yaml")
    }

    /// Writes the file of values: this tag of the image, of which the node has `1`, and more.
    pub fn wants(&self, tag: &str, more: &str) {
        let image = format!("image: {{repository: node.local/countersign, tag: {tag:?}}}");
        fs::write(self.values(), format!("{image}\n{more}\n")).unwrap();
    }

    /// Has ada type a line of the document, at the root of the repository.
    #[track_caller]
    pub fn types(&self, line: &str) -> Outcome {
        assert!(
            DOCUMENT.contains(line),
            "docs/operations.md does not say `{line}`"
        );
        let line = line.replace(" values.yaml", &format!(" {}", self.values().display()));
        self.ada.call(Path::new("sh"), &["-c", &line], "")
    }

    /// Has grace approve what was denied for want of an approval, and ada do it again.
    #[track_caller]
    pub fn approved(&self, write: impl Fn() -> Outcome) -> String {
        let denial = write().denied("ApprovalRequired");
        let (namespace, name) = ticket::named_in(&denial).unwrap();
        let ticket = format!("{name} -n {namespace}");
        self.grace.countersign(&format!("approve {ticket} --yes")).done();
        self.grace.countersign(&format!("wait {ticket}")).done();
        write().done()
    }

    /// The operator's pod.
    pub fn pod(&self) -> Value {
        self.admin.get("pod countersign-0 -n countersign-system")
    }

    /// Each object of the cluster, but Events.
    pub fn objects(&self) -> BTreeSet<String> {
        let listed = self.admin.kubectl("api-resources --verbs=list -o name").done();
        let mut kinds: Vec<_> = listed.lines().collect();
        kinds.retain(|kind| !kind.starts_with("events"));
        let columns = "KIND:.kind,API:.apiVersion,IN:.metadata.namespace,NAME:.metadata.name";
        let list = format!(
            "get {} -A --no-headers -o custom-columns={columns}",
            kinds.join(",")
        );
        let listed = self.admin.kubectl(&list).done();
        let words = listed
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>());
        words.map(|words| words.join(" ")).collect()
    }
}
