//! `--key`, `--ssh-agent`: who signs for an agent. A private key never leaves the machine.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use base64::{Engine, prelude::BASE64_STANDARD};
use clap::Args;
use countersign_core::{agent_key::AgentKey, dsse::Signable};
use ed25519_dalek::{Signer as _, SigningKey, pkcs8::DecodePrivateKey};

use crate::ssh_agent::SshAgent;

/// By which key an intent is signed.
#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = false)]
pub struct SignedBy {
    /// Sign with this private key: PKCS#8 in PEM, as `agent keygen` and `openssl genpkey` write it
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Sign with the Ed25519 key of the SSH agent that the Agent has as its publicKey
    #[arg(long)]
    pub ssh_agent: bool,
}

/// Signs statements.
pub enum AgentSigner {
    /// With a key that was read from a file.
    File(Box<SigningKey>),
    /// With this key of the SSH agent.
    SshAgent(SshAgent, Box<AgentKey>),
}

impl AgentSigner {
    /// Who signs with the key in this file.
    pub fn of_file(path: &Path) -> anyhow::Result<Self> {
        Ok(Self::File(Box::new(private_key(path)?)))
    }

    /// The signature over the statement, in base64.
    pub async fn sign(&self, statement: &impl Signable) -> anyhow::Result<String> {
        let bytes = statement.signed_bytes()?;
        let signature = match self {
            Self::File(key) => key.sign(&bytes).to_bytes(),
            Self::SshAgent(agent, key) => agent.sign(key, &bytes).await?,
        };
        Ok(BASE64_STANDARD.encode(signature))
    }
}

/// The private key in a file.
pub fn private_key(path: &Path) -> anyhow::Result<SigningKey> {
    let shown = path.display();
    let pem = fs::read_to_string(path).with_context(|| format!("cannot read `{shown}`"))?;
    SigningKey::from_pkcs8_pem(&pem)
        .with_context(|| format!("`{shown}` is no Ed25519 private key (PKCS#8 in PEM, without a passphrase)"))
}

/// The public key that belongs to a private one.
pub fn public_key(key: &SigningKey) -> anyhow::Result<AgentKey> {
    Ok(AgentKey::of_bytes(key.verifying_key().as_bytes())?)
}

/// The public key that belongs to the private one in a file.
pub fn public_key_of(path: &Path) -> anyhow::Result<AgentKey> {
    public_key(&private_key(path)?)
}
