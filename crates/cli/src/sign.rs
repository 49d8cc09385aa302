//! `--ssh-key`, `--ssh-agent`: a signature by the real ssh-keygen, which knows files, agents, hardware keys and
//! passphrases.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, bail};
use clap::Args;
use countersign_api::approval_review::ReviewProof;
use countersign_core::{
    identity::Identity,
    plain::plain,
    ssh::{self, NAMESPACE, SshKey, Statement},
};
use jiff::Timestamp;
use tokio::{io::AsyncWriteExt, process::Command};

use crate::{connection::Session, known};

/// By which key a review is signed, if by any.
#[derive(Args, Clone, Debug, Default)]
pub struct Signing {
    /// Sign with this SSH key; the file of a public key names one of the agent
    #[arg(long, value_name = "FILE", conflicts_with = "ssh_agent")]
    pub ssh_key: Option<PathBuf>,
    /// Sign with the key of the SSH agent that the AccessPolicy lists for you
    #[arg(long)]
    pub ssh_agent: bool,
}

/// Signs reviews.
pub struct Signer {
    /// Who signs.
    me: Identity,
    key: Key,
}

enum Key {
    File(PathBuf),
    Agent(PublicFile),
}

/// A public key in a file of its own, which goes with it.
struct PublicFile(PathBuf);

impl Drop for PublicFile {
    fn drop(&mut self) {
        // At worst a public key is left in the folder for temporary files.
        let _ = fs::remove_file(&self.0);
    }
}

impl Signing {
    /// Who signs, by the flags; `None` when nobody is asked to.
    pub async fn signer(&self, session: &Session) -> anyhow::Result<Option<Signer>> {
        let key = match &self.ssh_key {
            None if !self.ssh_agent => return Ok(None),
            Some(path) => Some(Key::File(path.clone())),
            None => None,
        };
        let me = known::myself(session).await?;
        let key = match key {
            Some(key) => key,
            None => Key::Agent(of_agent(&me, session).await?),
        };
        Ok(Some(Signer { me, key }))
    }
}

impl Signer {
    /// The identity that signs.
    pub const fn identity(&self) -> &Identity {
        &self.me
    }

    /// The proof of what this person says.
    pub async fn prove(&self, statement: &Statement<'_>) -> anyhow::Result<ReviewProof> {
        let path: &Path = match &self.key {
            Key::File(path) => path,
            Key::Agent(file) => &file.0,
        };
        let arguments: [OsString; 7] = [
            "-q".into(),
            "-Y".into(),
            "sign".into(),
            "-n".into(),
            NAMESPACE.into(),
            "-f".into(),
            path.into(),
        ];
        let signature = run("ssh-keygen", &arguments, &statement.to_string()).await?;
        let fingerprint = ssh::signer(&signature).context("ssh-keygen's answer")?;
        Ok(ReviewProof::ssh(signature, fingerprint))
    }
}

/// The first key of the agent that the policy lists for this person.
async fn of_agent(me: &Identity, session: &Session) -> anyhow::Result<PublicFile> {
    let policy = known::policy(session).await?;
    let listed = policy.ssh_keys.get(me).cloned().unwrap_or_default();
    let offered = run("ssh-add", &["-L".into()], "").await?;
    let is_listed = |line: &&str| line.parse().is_ok_and(|key: SshKey| listed.contains(&key));
    let Some(line) = offered.lines().find(is_listed) else {
        bail!(
            "the SSH agent holds none of the {} keys that the AccessPolicy lists for {me}",
            listed.len()
        )
    };
    let name = format!(
        "countersign-{}-{}.pub",
        std::process::id(),
        Timestamp::now().as_nanosecond()
    );
    let path = std::env::temp_dir().join(name);
    let mut file = File::create_new(&path).with_context(|| format!("cannot write `{}`", path.display()))?;
    let kept = PublicFile(path);
    writeln!(file, "{line}")?;
    Ok(kept)
}

/// What the program writes to its standard output; its questions and complaints reach the terminal.
async fn run(program: &str, arguments: &[OsString], input: &str) -> anyhow::Result<String> {
    let unavailable = || format!("cannot run `{program}`: install OpenSSH's client");
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(unavailable)?;
    if let Some(mut stdin) = child.stdin.take() {
        // What fails before it reads tells so by its exit code.
        let _ = stdin.write_all(input.as_bytes()).await;
    }
    let output = child.wait_with_output().await.with_context(unavailable)?;
    if !output.status.success() {
        bail!("{program} failed: {}", plain(&output.status.to_string()));
    }
    String::from_utf8(output.stdout).with_context(|| format!("{program}'s answer is not text"))
}
