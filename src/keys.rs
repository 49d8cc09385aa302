//! The Secret `countersign-keys`: one root key, the certificate authority, the strict latch and the seals of namespaces.
//!
//! It is created once and never overwritten: everything stamped, sealed and redacted depends on it.

mod latch;

use std::collections::BTreeMap;

use countersign_api::seal::NamespaceSeals;
use countersign_core::digest::MacKey;
use hkdf::Hkdf;
use jiff::Timestamp;
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api, Client,
    api::{ObjectMeta, Patch, PatchParams, PostParams},
};
use sha2::Sha256;

pub use self::latch::{LatchError, StrictLatch};
use crate::certs::{CertificateAuthority, CertsError, ROTATE_AFTER};

/// Name of the Secret in the operator's namespace.
pub const SECRET: &str = "countersign-keys";

const ROOT_KEY: &str = "root-key";
const CERTIFICATE: &str = "ca.crt";
const KEY: &str = "ca.key";
const NAMESPACES: &str = "namespace-seals";

/// The keys cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The API server says no.
    #[error("secret `{SECRET}`: {0}")]
    Api(#[from] kube::Error),
    /// A field is missing or unusable. Nothing repairs it: a new key would void what the old one signed.
    #[error("secret `{SECRET}`: data `{field}` {problem}")]
    Field {
        /// The key in `data`.
        field: &'static str,
        /// What is wrong.
        problem: &'static str,
    },
    /// The certificate authority is unusable.
    #[error("secret `{SECRET}`: {0}")]
    Authority(#[from] CertsError),
    /// No randomness for a new root key.
    #[error("no randomness for a root key: {0}")]
    Random(#[from] getrandom::Error),
}

/// The keys, one for each purpose.
#[derive(Debug)]
pub struct Keys {
    stamp: MacKey,
    seal: MacKey,
    redaction: MacKey,
    path: PathKey,
    certificate: String,
    certificate_key: String,
}

impl Keys {
    /// The keys of this installation, `None` when it has none yet.
    pub async fn load(client: &Client, namespace: &str) -> Result<Option<Self>, KeysError> {
        let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
        secrets.get_opt(SECRET).await?.map(Self::try_from).transpose()
    }

    /// The keys of this installation, made now when it has none. Of two replicas that make them, one wins.
    pub async fn load_or_create(client: &Client, namespace: &str, now: Timestamp) -> Result<Self, KeysError> {
        let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
        if let Some(secret) = secrets.get_opt(SECRET).await? {
            return secret.try_into();
        }
        match secrets.create(&PostParams::default(), &new_secret(now)?).await {
            Ok(secret) => secret.try_into(),
            Err(kube::Error::Api(status)) if status.is_already_exists() => {
                secrets.get(SECRET).await?.try_into()
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Signs what a person may not choose in a new object.
    pub const fn stamp(&self) -> &MacKey {
        &self.stamp
    }

    /// Signs what passed admission.
    pub const fn seal(&self) -> &MacKey {
        &self.seal
    }

    /// Replaces secret values before they are hashed.
    pub const fn redaction(&self) -> &MacKey {
        &self.redaction
    }

    /// Makes the secret in the webhook's path.
    pub const fn path(&self) -> &PathKey {
        &self.path
    }

    /// The certificate authority.
    pub fn authority(&self) -> Result<CertificateAuthority, CertsError> {
        CertificateAuthority::from_pem(&self.certificate, &self.certificate_key)
    }
}

impl TryFrom<Secret> for Keys {
    type Error = KeysError;

    fn try_from(secret: Secret) -> Result<Self, KeysError> {
        let data = secret.data.unwrap_or_default();
        let root: [u8; 32] = bytes(&data, ROOT_KEY)?.try_into().map_err(|_| KeysError::Field {
            field: ROOT_KEY,
            problem: "is not 32 bytes long",
        })?;
        let keys = Self {
            stamp: derive(&root, "stamp")?,
            seal: derive(&root, "seal")?,
            redaction: derive(&root, "redaction")?,
            path: PathKey::new(derive(&root, "path")?),
            certificate: text(&data, CERTIFICATE)?,
            certificate_key: text(&data, KEY)?,
        };
        keys.authority()?;
        Ok(keys)
    }
}

fn new_secret(now: Timestamp) -> Result<Secret, KeysError> {
    let mut root = [0; 32];
    getrandom::fill(&mut root)?;
    let (certificate, key) = CertificateAuthority::generate(now)?;
    let data = [
        (ROOT_KEY, root.to_vec()),
        (CERTIFICATE, certificate.into_bytes()),
        (KEY, key.into_bytes()),
    ];
    Ok(Secret {
        metadata: ObjectMeta {
            name: Some(SECRET.to_owned()),
            ..ObjectMeta::default()
        },
        data: Some(
            data.map(|(field, value)| (field.to_owned(), ByteString(value)))
                .into(),
        ),
        type_: Some("Opaque".to_owned()),
        ..Secret::default()
    })
}

fn derive(root: &[u8; 32], purpose: &str) -> Result<MacKey, KeysError> {
    let mut key = [0; 32];
    Hkdf::<Sha256>::new(None, root)
        .expand_multi_info(&[b"countersign.dev/keys/v1/", purpose.as_bytes()], &mut key)
        .map_err(|_| KeysError::Field {
            field: ROOT_KEY,
            problem: "gives no key",
        })?;
    Ok(MacKey::new(key))
}

fn bytes<'a>(data: &'a BTreeMap<String, ByteString>, field: &'static str) -> Result<&'a [u8], KeysError> {
    data.get(field)
        .map(|value| value.0.as_slice())
        .ok_or(KeysError::Field {
            field,
            problem: "is missing",
        })
}

fn text(data: &BTreeMap<String, ByteString>, field: &'static str) -> Result<String, KeysError> {
    String::from_utf8(bytes(data, field)?.to_vec()).map_err(|_| KeysError::Field {
        field,
        problem: "is not UTF-8",
    })
}

/// Makes and knows the secrets in the webhook's path: a new one with every period of [`ROTATE_AFTER`], the same
/// for all replicas.
#[derive(Clone, Debug)]
pub struct PathKey(MacKey);

impl PathKey {
    /// Path secrets under this key.
    pub const fn new(key: MacKey) -> Self {
        Self(key)
    }

    /// The secret of the present period: 64 hex digits.
    pub fn current(&self, now: Timestamp) -> String {
        let mac = self.0.sign(&[&period(now).to_be_bytes()]);
        mac.rsplit(':').next().unwrap_or_default().to_owned()
    }

    /// Whether this is the secret of the present period or of one beside it, since configuration and clocks lag
    /// behind; in constant time.
    pub fn accepts(&self, presented: &str, now: Timestamp) -> bool {
        let mac = format!("hmac-sha256:{presented}");
        let present = period(now);
        [present, present.saturating_sub(1), present.saturating_add(1)]
            .iter()
            .any(|period| self.0.verify(&[&period.to_be_bytes()], &mac))
    }
}

fn period(now: Timestamp) -> i64 {
    let length = i64::try_from(ROTATE_AFTER.as_secs()).unwrap_or(i64::MAX);
    now.as_second().div_euclid(length)
}

/// Where the seals of namespaces are kept: a Secret holds those of some 9,000.
#[derive(Clone, Debug)]
pub struct NamespaceVault(Api<Secret>);

impl NamespaceVault {
    /// The seals of the operator in this namespace.
    pub fn new(client: &Client, namespace: &str) -> Self {
        Self(Api::namespaced(client.clone(), namespace))
    }

    /// All of them; none before the first ones are kept.
    pub async fn seals(&self) -> Result<NamespaceSeals, KeysError> {
        let data = self.0.get(SECRET).await?.data.unwrap_or_default();
        let Some(kept) = data.get(NAMESPACES) else {
            return Ok(NamespaceSeals::new());
        };
        serde_json::from_slice(&kept.0).map_err(|_| KeysError::Field {
            field: NAMESPACES,
            problem: "is no map of seals",
        })
    }

    /// Keeps these and no others.
    pub async fn keep(&self, seals: &NamespaceSeals) -> Result<(), KeysError> {
        let kept = ByteString(serde_json::json!(seals).to_string().into_bytes());
        let patch = serde_json::json!({ "data": { NAMESPACES: kept } });
        self.0
            .patch(SECRET, &PatchParams::default(), &Patch::Merge(patch))
            .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
