//! Somebody who acts by kubectl: a person with a client certificate, or an agent with a token.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::Value;

/// Types at a terminal.
const TERMINAL: &str = include_str!("terminal.py");

/// A user of the API server.
pub struct Person {
    kubeconfig: PathBuf,
    kubectl: PathBuf,
}

/// What a call led to.
#[derive(Debug)]
pub struct Outcome {
    call: String,
    succeeded: bool,
    /// The exit code, unless it was killed.
    pub code: Option<i32>,
    /// What it wrote.
    pub stdout: String,
    /// Its warnings and errors.
    pub stderr: String,
}

impl Person {
    /// Who has this kubeconfig.
    pub fn new(kubeconfig: PathBuf, kubectl: &Path) -> Self {
        Self {
            kubeconfig,
            kubectl: kubectl.to_owned(),
        }
    }

    /// Who this is to the API server.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Runs kubectl with these arguments, separated by spaces.
    pub fn kubectl(&self, arguments: &str) -> Outcome {
        self.kubectl_with(arguments, "")
    }

    /// The same, with this on its standard input.
    pub fn kubectl_with(&self, arguments: &str, input: &str) -> Outcome {
        self.run(&arguments.split_whitespace().collect::<Vec<_>>(), input)
    }

    /// Runs kubectl with these arguments and this on its standard input.
    pub fn run(&self, arguments: &[&str], input: &str) -> Outcome {
        self.call(&self.kubectl, arguments, input)
    }

    /// Runs `countersign` (`kubectl countersign`) with these arguments, separated by spaces.
    pub fn countersign(&self, arguments: &str) -> Outcome {
        let arguments: Vec<_> = arguments.split_whitespace().collect();
        self.call(Path::new(env!("CARGO_BIN_EXE_countersign")), &arguments, "")
    }

    /// Runs `countersign` at a terminal, where each prompt is answered by what is typed then; all that it says is its
    /// standard output.
    pub fn at_terminal(&self, arguments: &[&str], typed: &[(&str, &str)]) -> Outcome {
        let typed = serde_json::to_string(typed).unwrap();
        let program = env!("CARGO_BIN_EXE_countersign");
        let all = [&["-c", TERMINAL, program], arguments].concat();
        let outcome = self.call(Path::new("python3"), &all, &typed);
        Outcome {
            call: arguments.join(" "),
            ..outcome
        }
    }

    /// Runs a program with these arguments and this on its standard input.
    pub fn call(&self, program: &Path, arguments: &[&str], input: &str) -> Outcome {
        let mut child = Command::new(program)
            .args(arguments)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("KUBECTL", &self.kubectl)
            .env("KUBECACHEDIR", self.kubeconfig.with_extension("cache"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Who reads nothing may close its input early.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        Outcome {
            call: format!(
                "{} {}",
                program.file_name().unwrap().display(),
                arguments.join(" ")
            ),
            succeeded: output.status.success(),
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// `kubectl apply` of one object.
    pub fn apply(&self, object: &Value) -> Outcome {
        self.kubectl_with("apply -f -", &object.to_string())
    }

    /// `kubectl create` of one object.
    pub fn create(&self, object: &Value) -> Outcome {
        self.kubectl_with("create -f -", &object.to_string())
    }

    /// `kubectl get` of what is there.
    pub fn get(&self, what: &str) -> Value {
        serde_json::from_str(&self.kubectl(&format!("get {what} -o json")).done()).unwrap()
    }

    /// A client for what kubectl cannot do. It belongs to the runtime that asks for it.
    pub async fn client(&self) -> Client {
        client(self.kubeconfig()).await
    }
}

/// A client with this credential. It does not try again by itself.
pub async fn client(kubeconfig: &Path) -> Client {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .unwrap();
    config.default_retry = false;
    Client::try_from(config).unwrap()
}

impl Outcome {
    /// What it wrote; the test fails if the call did.
    #[track_caller]
    pub fn done(self) -> String {
        assert!(self.succeeded, "{}: {}", self.call, self.stderr);
        self.stdout
    }

    /// The message of Countersign's denial; the test fails if it was not denied for this reason.
    #[track_caller]
    pub fn denied(self, reason: &str) -> String {
        let call = &self.call;
        assert!(!self.succeeded, "{call} was not denied: {}", self.stdout);
        let said = format!("denied the request: {reason}: ");
        assert!(
            self.stderr.contains(&said),
            "{call} was not denied for `{reason}`: {}",
            self.stderr
        );
        self.stderr
    }

    /// What the API server itself says; the test fails unless the call failed so.
    #[track_caller]
    pub fn refused(self, message: &str) {
        let call = &self.call;
        assert!(!self.succeeded, "{call} was not refused: {}", self.stdout);
        assert!(
            self.stderr.contains(message),
            "{call} was not refused with `{message}`: {}",
            self.stderr
        );
    }

    /// Both outcomes as one, which succeeded if both did.
    #[must_use]
    pub fn and(self, other: &Self) -> Self {
        Self {
            succeeded: self.succeeded && other.succeeded,
            code: self.code.max(other.code),
            stdout: self.stdout + &other.stdout,
            stderr: self.stderr + &other.stderr,
            call: self.call,
        }
    }

    /// Whether the call did what it was asked.
    pub const fn succeeded(&self) -> bool {
        self.succeeded
    }
}
