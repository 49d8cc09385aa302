//! Git repositories, served by HTTP.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::client::{Running, free_port};

const SERVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/gitops/git-http.py");

/// What serves repositories.
pub struct Server {
    folder: PathBuf,
    port: u16,
    _running: Running,
}

/// A repository, and who works on it.
pub struct Repository {
    work: PathBuf,
}

impl Server {
    /// Serves from a folder below this one.
    pub fn start(dir: &Path) -> Self {
        let folder = dir.join("git");
        fs::create_dir_all(&folder).unwrap();
        let port = free_port();
        let words = ["python3", SERVER, &port.to_string(), folder.to_str().unwrap()];
        Self {
            _running: Running::start("git", &words, &[], dir),
            port,
            folder,
        }
    }

    /// Where the repository of this name is fetched from.
    pub fn url(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/{name}.git", self.port)
    }

    /// A new repository.
    pub fn repository(&self, name: &str) -> Repository {
        let bare = self.folder.join(format!("{name}.git"));
        let work = self.folder.join(format!("{name}-work"));
        let of = |folder: &Path| folder.to_str().unwrap().to_owned();
        git(&self.folder, &["init", "-q", "--bare", "-b", "main", &of(&bare)]);
        git(&self.folder, &["init", "-q", "-b", "main", &of(&work)]);
        git(&work, &["remote", "add", "origin", &of(&bare)]);
        for (key, value) in [("user.email", "someone@example.com"), ("user.name", "Someone")] {
            git(&work, &["config", key, value]);
        }
        Repository { work }
    }
}

impl Repository {
    /// Where its files are.
    pub fn folder(&self) -> &Path {
        &self.work
    }

    /// Signs every commit with this key of SSH.
    pub fn sign_with(&self, key: &Path) {
        let key = key.to_str().unwrap();
        for (key, value) in [
            ("gpg.format", "ssh"),
            ("user.signingkey", key),
            ("commit.gpgsign", "true"),
        ] {
            git(&self.work, &["config", key, value]);
        }
    }

    /// Commits and publishes this content of these files, and what else changed.
    pub fn push(&self, files: &[(&str, String)]) {
        for (name, content) in files {
            let file = self.work.join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, content).unwrap();
        }
        git(&self.work, &["add", "-A"]);
        git(&self.work, &["commit", "-q", "--allow-empty", "-m", "change"]);
        git(&self.work, &["push", "-q", "origin", "main"]);
    }
}

fn git(folder: &Path, words: &[&str]) {
    let done = Command::new("git")
        .current_dir(folder)
        .args(words)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "git {words:?}: {errors}");
}
