//! The latch that remembers, without any policy object, that strict mode is on.
//!
//! It is in the operator's Secret and beside its audit log. Each is enough, so that losing the other ends nothing.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};

use super::{KeysError, SECRET};

const FIELD: &str = "strict-latch";
const ON: &[u8] = b"on";

/// Name of the file in the operator's data directory that is there while strict mode is on.
const FILE: &str = "strict-mode";

/// The latch cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LatchError {
    /// Not in the Secret.
    #[error(transparent)]
    Secret(#[from] KeysError),
    /// Not beside the audit log.
    #[error("strict latch: cannot use `{}`: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the file system says.
        source: io::Error,
    },
}

/// Where the latch is.
#[derive(Clone, Debug)]
pub struct StrictLatch {
    secrets: Api<Secret>,
    directory: PathBuf,
}

impl StrictLatch {
    /// The latch of the operator in this namespace, with its data in `directory`.
    pub fn new(client: &Client, namespace: &str, directory: &Path) -> Self {
        Self {
            secrets: Api::namespaced(client.clone(), namespace),
            directory: directory.to_owned(),
        }
    }

    /// Whether strict mode is on, whatever the policy looks like.
    pub async fn is_set(&self) -> Result<bool, LatchError> {
        let secret = self.secrets.get(SECRET).await.map_err(KeysError::from)?;
        match secret.data.unwrap_or_default().get(FIELD) {
            None => {
                let file = self.directory.join(FILE);
                let there = file.try_exists();
                there.map_err(|source| LatchError::File { path: file, source })
            }
            Some(value) if value.0 == ON => Ok(true),
            Some(_) => Err(LatchError::Secret(KeysError::Field {
                field: FIELD,
                problem: "is not `on`",
            })),
        }
    }

    /// Remembers that strict mode was turned on, or, when the rules allowed it, off. What ends halfway remembers that
    /// it is on.
    pub async fn set(&self, on: bool) -> Result<(), LatchError> {
        if on {
            self.mark(true)?;
        }
        let value = on.then(|| ByteString(ON.to_vec()));
        let patch = Patch::Merge(serde_json::json!({ "data": { FIELD: value } }));
        let patched = self.secrets.patch(SECRET, &PatchParams::default(), &patch).await;
        patched.map_err(KeysError::from)?;
        if !on {
            self.mark(false)?;
        }
        Ok(())
    }

    fn mark(&self, on: bool) -> Result<(), LatchError> {
        let path = self.directory.join(FILE);
        let marked = if on {
            fs::write(&path, ON)
        } else {
            fs::remove_file(&path).or_else(|error| match error.kind() {
                io::ErrorKind::NotFound => Ok(()),
                _ => Err(error),
            })
        };
        // That it is there is what counts, and that is the directory's to keep.
        let kept = marked.and_then(|()| File::open(&self.directory)?.sync_all());
        kept.map_err(|source| LatchError::File { path, source })
    }
}
