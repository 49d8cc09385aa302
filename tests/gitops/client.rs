//! The programs of the clients: where they are, and how they run until the tests end.

use std::{
    fs::File,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU16, Ordering},
};

const CLIENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/hack/clients/clients");

/// Runs what follows until its own input closes, which happens at the latest when the process of the tests ends.
const KEEPER: &str = r#""$@" & read -r _; kill -9 $! 2>/dev/null; wait"#;

/// The folder of a client: its program, and `crds` where it has kinds.
pub fn folder(client: &str) -> PathBuf {
    let told = Command::new(CLIENTS).args(["dir", client]).output().unwrap();
    let folder = PathBuf::from(String::from_utf8(told.stdout).unwrap().trim());
    let program = folder.join(client);
    assert!(
        program.exists(),
        "{} is missing: hack/clients/clients build",
        program.display()
    );
    folder
}

/// A program that runs in the background, and what it writes.
pub struct Running {
    keeper: Child,
    log: PathBuf,
}

impl Running {
    /// Runs the command of these words, with these variables; its output is kept in the folder.
    pub fn start(name: &str, words: &[&str], variables: &[(&str, &str)], folder: &Path) -> Self {
        let log = folder.join(format!("{name}.log"));
        let file = File::create(&log).unwrap();
        let keeper = Command::new("sh")
            .args(["-c", KEEPER, "sh"])
            .args(words)
            .envs(variables.iter().copied())
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        Self { keeper, log }
    }

    /// What it wrote so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// A port that is free, of those that the kernel does not hand out by itself.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let seed = u16::try_from(std::process::id() % 8_000).unwrap();
    let candidate = || 11_000 + (seed + NEXT.fetch_add(1, Ordering::Relaxed)) % 9_000;
    std::iter::repeat_with(candidate)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .unwrap()
}
