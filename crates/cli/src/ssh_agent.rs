//! The SSH agent: it signs the bytes that it is given with a raw Ed25519 signature.
//!
//! <https://datatracker.ietf.org/doc/html/draft-miller-ssh-agent>: each message is a length, a type, and its fields.

use std::{env, path::PathBuf};

use anyhow::{Context, bail, ensure};
use countersign_core::agent_key::AgentKey;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;

/// The name of the only algorithm that is asked for.
const ED25519: &[u8] = b"ssh-ed25519";

/// The longest answer: a signature takes less than 100 bytes.
const MAX_ANSWER: usize = 4096;

/// Where the agent listens.
pub struct SshAgent(PathBuf);

impl SshAgent {
    /// The agent that the environment names.
    pub fn find() -> anyhow::Result<Self> {
        let socket = env::var_os("SSH_AUTH_SOCK").context("no SSH agent runs: SSH_AUTH_SOCK is not set")?;
        Ok(Self(socket.into()))
    }

    /// The signature by this key.
    pub async fn sign(&self, key: &AgentKey, bytes: &[u8]) -> anyhow::Result<[u8; 64]> {
        let place = self.0.display();
        let mut stream = UnixStream::connect(&self.0)
            .await
            .with_context(|| format!("the SSH agent at `{place}` does not answer"))?;
        let mut request = vec![SIGN_REQUEST];
        push(&mut request, &blob(key))?;
        push(&mut request, bytes)?;
        request.extend_from_slice(&0_u32.to_be_bytes());
        let mut framed = Vec::new();
        push(&mut framed, &request)?;
        stream.write_all(&framed).await?;
        let length = usize::try_from(stream.read_u32().await?)?;
        ensure!(length <= MAX_ANSWER, "the SSH agent's answer is too long");
        let mut answer = vec![0; length];
        stream.read_exact(&mut answer).await?;
        let Some((&SIGN_RESPONSE, mut fields)) = answer.split_first() else {
            bail!(
                "the SSH agent does not sign with {}: is the key in it (ssh-add -l)?",
                key.fingerprint()
            )
        };
        signature(&mut fields).context("the SSH agent's answer is no Ed25519 signature")
    }
}

/// A public key as SSH writes it.
fn blob(key: &AgentKey) -> Vec<u8> {
    let length = |bytes: &[u8]| [0, 0, 0, u8::try_from(bytes.len()).unwrap_or(u8::MAX)];
    let key = key.as_bytes().as_slice();
    [&length(ED25519)[..], ED25519, &length(key), key].concat()
}

fn push(message: &mut Vec<u8>, field: &[u8]) -> anyhow::Result<()> {
    message.extend_from_slice(&u32::try_from(field.len())?.to_be_bytes());
    message.extend_from_slice(field);
    Ok(())
}

/// One field within which are the algorithm and the signature.
fn signature(fields: &mut &[u8]) -> Option<[u8; 64]> {
    let mut whole = take(fields)?;
    (take(&mut whole)? == ED25519).then_some(())?;
    take(&mut whole)?.try_into().ok()
}

fn take<'a>(fields: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = fields.split_first_chunk::<4>()?;
    let (field, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    *fields = rest;
    Some(field)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(fields: &[&[u8]]) -> Vec<u8> {
        let mut message = Vec::new();
        for field in fields {
            push(&mut message, field).unwrap();
        }
        message
    }

    #[test]
    fn only_a_whole_ed25519_signature_is_taken() {
        let raw = [7; 64];
        let read = |fields: &[&[u8]]| signature(&mut framed(&[&framed(fields)]).as_slice());
        assert_eq!(read(&[ED25519, &raw]), Some(raw));
        assert_eq!(read(&[b"ssh-rsa", &raw]), None);
        assert_eq!(read(&[ED25519, &raw[..63]]), None);
        assert_eq!(read(&[ED25519]), None);
        let mut cut = framed(&[&framed(&[ED25519, &raw])]);
        cut.pop();
        assert_eq!(signature(&mut cut.as_slice()), None);
    }

    #[test]
    fn a_key_is_named_as_ssh_names_it() {
        let key = "ed25519:MCowBQYDK2VwAyEA6kpsY+KcUgq+9VB7Ey7F+ZVHdq6+vnuSQh7qaRRG0iw=";
        let key: AgentKey = key.parse().unwrap();
        assert_eq!(blob(&key), framed(&[ED25519, key.as_bytes()]));
    }
}
