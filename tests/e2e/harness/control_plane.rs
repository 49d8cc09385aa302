//! A real control plane that ends with this process.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use serde::Deserialize;

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/hack/controlplane/controlplane");
const NODE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/hack/localnode/localnode");

/// etcd, kube-apiserver and kube-controller-manager; on the local node kube-scheduler and a kubelet, too.
pub struct ControlPlane {
    program: &'static str,
    /// Tells which one, where there may be several.
    selection: Vec<String>,
    found: Found,
    /// What ends it; the local node is its caller's.
    supervisor: Option<Child>,
}

/// What the control plane says of itself.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    dir: PathBuf,
    admin_kubeconfig: PathBuf,
    kubectl: PathBuf,
}

impl ControlPlane {
    /// Starts one, and builds it the first time, with these flags of the API server; in the namespaces of the local node
    /// that node's is there already.
    pub fn start(flags: &[String]) -> Self {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        if std::env::var_os("COUNTERSIGN_LOCALNODE").is_some() {
            return Self::of_node();
        }
        let name = format!(
            "e2e-{}-{}",
            std::process::id(),
            STARTED.fetch_add(1, Ordering::Relaxed)
        );
        let mut supervisor = Command::new(PROGRAM)
            .args(["up", "--until-stdin-closes", "--name", &name])
            .args(flags.iter().map(|flag| format!("--apiserver-arg={flag}")))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(supervisor.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let found = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("the control plane did not start: {error}: `{line}`"));
        Self {
            program: PROGRAM,
            selection: vec!["--name".to_owned(), name],
            found,
            supervisor: Some(supervisor),
        }
    }

    fn of_node() -> Self {
        let told = Command::new(NODE).arg("status").output().unwrap();
        Self {
            program: NODE,
            selection: Vec::new(),
            found: serde_json::from_slice(&told.stdout).unwrap(),
            supervisor: None,
        }
    }

    /// A folder that goes with the control plane.
    pub fn dir(&self) -> &Path {
        &self.found.dir
    }

    /// The kubectl of its version.
    pub fn kubectl(&self) -> &Path {
        &self.found.kubectl
    }

    /// The kubeconfig of `admin`, whom Kubernetes lets do anything.
    pub fn admin_kubeconfig(&self) -> &Path {
        &self.found.admin_kubeconfig
    }

    /// A client certificate, as a kubeconfig.
    pub fn issue(&self, user: &str, groups: &[&str]) -> PathBuf {
        let file = self.dir().join(format!("{}.kubeconfig", user.replace(':', "-")));
        let groups = groups.iter().flat_map(|group| ["--group", group]);
        let mut arguments = vec!["kubeconfig", "--user", user, "--out", file.to_str().unwrap()];
        arguments.extend(groups);
        self.run(&arguments);
        file
    }

    /// `start`, `stop` or `restart` of one component.
    pub fn component(&self, verb: &str, component: &str) {
        self.run(&[verb, component]);
    }

    /// A copy of all that etcd holds.
    pub fn backup(&self) -> PathBuf {
        let copy = self.dir().join("backup");
        self.component("stop", "etcd");
        copy_folder(&self.etcd_data(), &copy);
        self.component("start", "etcd");
        copy
    }

    /// Puts a copy in the place of all that etcd holds, while no part of the control plane runs.
    pub fn restore(&self, copy: &Path) {
        self.component("stop", "all");
        fs::remove_dir_all(self.etcd_data()).unwrap();
        copy_folder(copy, &self.etcd_data());
        self.component("start", "all");
    }

    fn etcd_data(&self) -> PathBuf {
        self.dir().join("run").join("etcd")
    }

    fn run(&self, arguments: &[&str]) {
        let output = Command::new(self.program)
            .args(arguments)
            .args(&self.selection)
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {errors}");
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        if let Some(mut supervisor) = self.supervisor.take() {
            drop(supervisor.stdin.take());
            let _ = supervisor.wait();
        }
    }
}

fn copy_folder(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").args([from, to]).status().unwrap();
    assert!(copied.success(), "cannot copy {}", from.display());
}
