//! `agent keygen`: a private key in a file that its owner alone reads, and the public one on the terminal.

use std::{
    fs::OpenOptions,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
};

use anyhow::{Context, anyhow};
use clap::Args;
use ed25519_dalek::{
    SigningKey,
    pkcs8::{EncodePrivateKey, KeypairBytes, spki::der::pem::LineEnding},
};

use crate::{agent_signer::public_key, failure::Outcome};

/// Make a key for an agent
///
/// Writes the private key into FILE, which must not be there yet, and prints what the Agent takes as its publicKey.
#[derive(Args, Clone, Debug)]
pub struct Keygen {
    /// Where the private key goes: PKCS#8 in PEM, readable by you alone
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

impl Keygen {
    /// Makes the key.
    pub fn run(&self, out: &mut impl Write) -> anyhow::Result<Outcome> {
        let mut secret_key = [0; 32];
        getrandom::fill(&mut secret_key).map_err(|error| anyhow!("no random bytes: {error}"))?;
        let key = SigningKey::from_bytes(&secret_key);
        // Without the public key in it, which some programs do not read.
        let pair = KeypairBytes {
            secret_key,
            public_key: None,
        };
        let pem = pair
            .to_pkcs8_pem(LineEnding::LF)
            .map_err(|error| anyhow!("the key cannot be written: {error}"))?;
        let shown = self.file.display();
        let made = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&self.file);
        let mut file = made.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                anyhow!("`{shown}` is there already: choose another file, so that no key is lost")
            }
            _ => anyhow!("cannot write `{shown}`: {error}"),
        })?;
        file.write_all(pem.as_bytes())
            .and_then(|()| file.sync_all())
            .with_context(|| format!("cannot write `{shown}`"))?;
        writeln!(out, "{}", public_key(&key)?)?;
        Ok(Outcome::Yes)
    }
}
