//! `directory`: where people, their groups and their keys are known from.

use countersign_core::role::Role;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema;

/// Where people, their groups and their keys are known from.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(
    "has(self.oidc) == (has(self.provider) && self.provider == 'OIDC') \
     && has(self.saml) == (has(self.provider) && self.provider == 'SAML') \
     && has(self.static) == (has(self.provider) && self.provider == 'Static') \
     && has(self.mtls) == (has(self.provider) && self.provider == 'MTLS')"
).message("provider and its settings go together: OIDC with oidc, SAML with saml, Static with static, MTLS with mtls"))]
pub struct Directory {
    /// How people log in to Countersign itself: `OIDC`, `SAML`, `Static` (a list in a ConfigMap, for clusters
    /// without a network) or `MTLS` (client certificates). Absent (the default): they do not; they are known
    /// from what the API server says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<Provider>,

    /// Settings of the provider `OIDC`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oidc: Option<OidcDirectory>,

    /// Settings of the provider `SAML`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saml: Option<SamlDirectory>,

    /// Settings of the provider `Static`.
    #[serde(rename = "static", default, skip_serializing_if = "Option::is_none")]
    pub static_: Option<StaticDirectory>,

    /// Settings of the provider `MTLS`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtls: Option<MtlsDirectory>,

    /// The SSH keys that people sign their reviews with (`kubectl countersign approve --ssh-key`), whatever the
    /// provider. A review that is signed counts while its key is listed here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["identity".into()]))]
    pub ssh_keys: Vec<SshKeys>,

    /// The roles that groups give to the users in them, beside the users' own and their teams' grants. Groups
    /// of service accounts do not count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["group".into()]))]
    pub group_mapping: Vec<GroupRole>,
}

/// How people log in.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// OpenID Connect.
    OIDC,
    /// SAML 2.0.
    SAML,
    /// A list.
    Static,
    /// Client certificates.
    MTLS,
}

/// An OpenID Connect issuer.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct OidcDirectory {
    /// The issuer's URL, with OpenID Connect Discovery below it.
    #[schemars(length(min = 9, max = 1024), regex(pattern = r"^https://[^\s]+$"))]
    pub issuer: String,
    /// The client id of Countersign at the issuer.
    #[serde(rename = "clientID")]
    #[schemars(length(min = 1, max = 256))]
    pub client_id: String,
    /// The client secret, in a Secret of the operator's namespace; absent for a public client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret_ref: Option<KeyRef>,
    /// The certificates that the issuer is trusted by, as PEM. The system's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 65536))]
    pub ca_bundle: Option<String>,
    /// The claim that is the username, the same that the API server uses. Default: `sub`.
    #[serde(default = "subject")]
    #[schemars(length(min = 1, max = 128))]
    pub username_claim: String,
    /// The claim that lists the groups. Default: `groups`.
    #[serde(default = "groups")]
    #[schemars(length(min = 1, max = 128))]
    pub groups_claim: String,
}

fn subject() -> String {
    "sub".to_owned()
}

fn groups() -> String {
    "groups".to_owned()
}

/// A SAML 2.0 identity provider.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SamlDirectory {
    /// Where the identity provider's metadata is.
    #[serde(rename = "metadataURL")]
    #[schemars(length(min = 9, max = 1024), regex(pattern = r"^https://[^\s]+$"))]
    pub metadata_url: String,
    /// The entity id of Countersign at the identity provider.
    #[serde(rename = "entityID")]
    #[schemars(length(min = 1, max = 1024))]
    pub entity_id: String,
}

/// A list of identities and their public keys.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct StaticDirectory {
    /// The ConfigMap in the operator's namespace that holds the list, as YAML under the key.
    pub config_map_ref: KeyRef,
}

/// Client certificates.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct MtlsDirectory {
    /// The certificates that issue people's certificates, as PEM.
    #[schemars(length(min = 1, max = 65536))]
    pub ca_bundle: String,
    /// Which part of the certificate is the username: `CommonName` (the default) or `EmailAddress`.
    #[serde(default)]
    pub username_from: UsernameFrom,
}

/// Which part of a certificate is the username.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UsernameFrom {
    /// The subject's common name.
    #[default]
    CommonName,
    /// The e-mail address among the alternative names.
    EmailAddress,
}

/// A key of a Secret or ConfigMap in the operator's namespace.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct KeyRef {
    /// The name of the object.
    #[schemars(length(max = schema::MAX_NAME), regex(pattern = schema::DNS_NAME))]
    pub name: String,
    /// The key in it.
    #[schemars(length(min = 1, max = schema::MAX_NAME), regex(pattern = "^[A-Za-z0-9._-]+$"))]
    pub key: String,
}

/// The SSH keys of one person.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct SshKeys {
    /// Whose they are: a `user:` identity.
    #[schemars(length(max = schema::MAX_IDENTITY), regex(pattern = schema::USER))]
    pub identity: String,
    /// Public keys, each as the one line of an `id_*.pub` file: `ssh-ed25519`, `ecdsa-sha2-nistp256`, their `sk-`
    /// forms of hardware keys, which count when they were touched, or `ssh-rsa` of 3072 bits or more, which signs
    /// with SHA-2. A key is listed once, for one person.
    #[schemars(
        length(min = 1, max = 8),
        inner(length(min = 1, max = 4096), regex(pattern = r"^(ssh|ecdsa|sk)-[^\n]+$"))
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub keys: Vec<String>,
}

/// The role that a group gives.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct GroupRole {
    /// The group, exactly as the API server reports it.
    #[schemars(length(min = 1, max = 256))]
    pub group: String,
    /// The role: `admin`, `contributor` or `reader`.
    #[schemars(schema_with = "schema::human_role")]
    pub role: Role,
}
