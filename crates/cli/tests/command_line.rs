//! What the command says of a wrong command line, and of a cluster that it cannot ask: exit codes and messages.

#![expect(clippy::unwrap_used, reason = "a test ends at what cannot be")]

mod support;

use std::process::Command;

use support::run;

/// Exit code and standard error.
fn refusal(arguments: &[&str]) -> (i32, String) {
    let output = run(arguments);
    assert!(
        output.stdout.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

/// A kubeconfig of a cluster that nobody serves.
fn nowhere() -> (tempdir::Folder, String) {
    let folder = tempdir::Folder::new();
    let path = folder.0.join("config");
    let text = "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{name: c, context: {cluster: c, user: u}}]\n\
                clusters: [{name: c, cluster: {server: 'http://127.0.0.1:9'}}]\nusers: [{name: u, user: {}}]\n";
    std::fs::write(&path, text).unwrap();
    (folder, path.to_string_lossy().into_owned())
}

mod tempdir {
    //! A folder that is removed at the end.

    use std::{
        path::PathBuf,
        sync::atomic::{AtomicU32, Ordering},
    };

    static NEXT: AtomicU32 = AtomicU32::new(0);

    pub struct Folder(pub PathBuf);

    impl Folder {
        pub fn new() -> Self {
            let next = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = std::env::temp_dir().join(format!("countersign-cli-{}-{next}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

#[test]
fn a_wrong_command_line_ends_with_2_and_says_what_is_wrong() {
    let cases: [(&[&str], &str); 18] = [
        (&["frobnicate"], "unrecognized subcommand 'frobnicate'"),
        (&["describe"], "<TICKET>"),
        (
            &["list", "--state", "Done"],
            "not a state: use one of Pending, Approved,",
        ),
        (
            &["list", "-o", "xml"],
            "[possible values: table, wide, json, yaml, name]",
        ),
        (&["approve", "t", "--hash", "abc"], "`abc` is not a digest"),
        (
            &["approve", "t", "--batch", "b"],
            "cannot be used with '--batch <NAME>'",
        ),
        (
            &["approve", "--batch", "a b"],
            "a batch is named by letters, digits",
        ),
        (&["deny", "t", "-A"], "cannot be used with"),
        (&["wait", "--for", "state=Consumed"], "<TICKET>"),
        (&["list", "--batch", "a,b"], "a batch is named by letters, digits"),
        (
            &["approve", "t", "--ssh-key", "k", "--ssh-agent"],
            "cannot be used with '--ssh-agent'",
        ),
        (&["wait", "t", "--for", "Approved"], "use state=STATE"),
        (
            &["wait", "t", "--timeout", "soon"],
            "`soon` is not a duration above zero",
        ),
        (
            &["can-i", "update", "my-api"],
            "use RESOURCE/NAME, such as deployments.apps/my-api",
        ),
        (
            &["simulate", "-f", "a.yaml", "--as", "user:al"],
            "--config <FILE|DIR>",
        ),
        (
            &["simulate", "-f", "a.yaml", "--config", "b.yaml", "--as", "al"],
            "`al` is not an identity",
        ),
        (
            &["report", "--since", "yesterday"],
            "`yesterday` is neither an age such as 7d,",
        ),
        (
            &["request", "--action", "delete", "--resource", "a:b/prod/c"],
            "`delete` is not an action",
        ),
    ];
    for (arguments, message) in cases {
        let (code, said) = refusal(arguments);
        assert_eq!(code, 2, "{arguments:?}: {said}");
        assert!(
            said.starts_with("error: ") && said.contains(message),
            "{arguments:?}: {said}"
        );
    }
}

#[test]
fn a_log_that_is_not_there_ends_the_report_with_2() {
    let (code, said) = refusal(&["report", "--audit-dir", "/nonexistent"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.starts_with("error: cannot read `/nonexistent`: "), "{said}");
}

#[test]
fn what_binds_nothing_is_a_wrong_command_line_before_any_cluster_is_asked() {
    let (_folder, config) = nowhere();
    let (code, said) = refusal(&[
        "--kubeconfig",
        &config,
        "approval",
        "request",
        "--action",
        "deploy.app.update",
        "--resource",
        "app:billing/prod/my-api",
    ]);
    let message = "error: an approval that binds nothing is not given: deploy.app.update needs -f with the content \
                   of the change\n";
    assert_eq!((code, said.as_str()), (2, message));
}

#[test]
fn a_cluster_that_cannot_be_asked_ends_with_1_and_diff_with_2() {
    let (_folder, config) = nowhere();
    let (code, said) = refusal(&["list", "--kubeconfig", &config]);
    assert_eq!(code, 1, "{said}");
    assert!(said.starts_with("error: ") && said.lines().count() == 1, "{said}");

    let output = Command::new(env!("CARGO_BIN_EXE_kubectl-countersign"))
        .args(["diff", "--kubeconfig", &config, "-f", "a.yaml"])
        .env("KUBECTL", "/nonexistent/kubectl")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let message = "error: cannot run `/nonexistent/kubectl`: install kubectl, or name it in KUBECTL: ";
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.starts_with(message), "{said}");
}

#[test]
fn a_kubeconfig_that_is_not_there_is_named() {
    let (code, said) = refusal(&["list", "--kubeconfig", "/nonexistent/config"]);
    assert_eq!(code, 1);
    assert!(
        said.starts_with("error: cannot read the kubeconfig `/nonexistent/config`: "),
        "{said}"
    );
}

#[test]
fn completion_and_the_client_version_need_no_cluster() {
    for shell in ["bash", "zsh", "fish"] {
        let output = run(&["completion", shell]);
        assert!(output.status.success());
        assert!(
            String::from_utf8(output.stdout)
                .unwrap()
                .contains("kubectl-countersign"),
            "{shell}"
        );
    }
    let output = run(&["version", "--client"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text, format!("Client Version: v{}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn the_command_line_is_consistent() {
    use clap::CommandFactory;
    countersign_cli::Cli::command().debug_assert();
}
