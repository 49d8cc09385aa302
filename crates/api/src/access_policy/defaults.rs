//! What holds where nothing else is said, and the tables that name things.

use countersign_core::{environment::Environment, role::Role};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{schema, zone::contributors};

/// One issuer of usernames.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct UsernameRule {
    /// What the issuer's usernames begin with (`oidc:`); it is cut off. Empty (the default): every username
    /// that has no longer match.
    #[serde(default)]
    #[schemars(length(max = 256), regex(pattern = r"^[^\s*?]*$"))]
    pub prefix: String,
    /// The realm of its people: `corp` makes `user:corp:alice`. Empty (the default): no realm, `user:alice`.
    #[serde(default)]
    #[schemars(length(max = schema::MAX_NAME), regex(pattern = schema::REALM))]
    pub realm: String,
}

impl UsernameRule {
    pub(super) fn shipped() -> Vec<Self> {
        vec![Self::default()]
    }
}

/// What holds where nothing else is said.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase", default = "Defaults::shipped")]
pub struct Defaults {
    /// The role of who has no grant: `reader` (the default) or `contributor`.
    #[schemars(schema_with = "schema::default_role")]
    pub role: Role,

    /// The environment of a namespace that nothing else places: `dev`, `test`, `preview` or `prod` (the
    /// default).
    #[schemars(schema_with = "schema::environment")]
    pub environment: Environment,

    /// Whether a zone that does not say asks for review of what its cooperators write. Default: false. In prod
    /// every change needs review.
    pub require_review: bool,

    /// How many people must approve a change at least, 1 to 20. Default: 1.
    #[schemars(range(min = 1, max = 20))]
    pub min_reviewers: u32,

    /// Repository paths that contributors and agents may write outside prod without a zone, as globs. Default:
    /// `docs/**` and `examples/**`.
    #[schemars(length(max = 64), inner(length(min = 1, max = schema::MAX_GLOB), regex(pattern = schema::GLOB)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub public_zones: Vec<String>,

    /// Objects that contributors and agents may write outside prod without a zone, as globs over
    /// `<namespace>/<resource>.<group>/<name>`. Default: none.
    #[schemars(length(max = 64), inner(length(min = 1, max = schema::MAX_GLOB), regex(pattern = schema::GLOB)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub public_objects: Vec<String>,
}

impl Defaults {
    fn shipped() -> Self {
        Self {
            role: Role::Reader,
            environment: Environment::Prod,
            require_review: false,
            min_reviewers: 1,
            public_zones: vec!["docs/**".to_owned(), "examples/**".to_owned()],
            public_objects: Vec::new(),
        }
    }
}

impl Default for Defaults {
    fn default() -> Self {
        Self::shipped()
    }
}

/// Who says in RBAC what people and agents read.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReadAccess {
    /// Whoever administers RBAC.
    #[default]
    Unmanaged,
    /// Countersign, beside them.
    RBAC,
}

impl ReadAccess {
    /// Whether nothing is said: then the policy's digest is the one that it had before there was this field.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
    pub(super) const fn is_unmanaged(&self) -> bool {
        matches!(self, Self::Unmanaged)
    }
}

/// The least role that may write outside every zone.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(default)]
pub struct Unzoned {
    /// In prod: `admin` (the default) or `contributor`.
    #[schemars(schema_with = "schema::writing_role")]
    pub prod: Role,
    /// In every other environment: `contributor` (the default) or `admin`.
    #[schemars(schema_with = "schema::writing_role")]
    pub other: Role,
}

impl Default for Unzoned {
    fn default() -> Self {
        Self {
            prod: Role::Admin,
            other: Role::Contributor,
        }
    }
}

/// A review that places ask for, whoever owns them.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(
    "(has(self.objects) && size(self.objects) > 0) || (has(self.paths) && size(self.paths) > 0) \
     || (has(self.functionIDs) && size(self.functionIDs) > 0)"
).message("a review rule needs at least one of objects, paths and functionIDs"))]
pub struct ReviewRule {
    /// The rule's name, shown where it asks for a review.
    #[schemars(length(min = 1, max = schema::MAX_LABEL), regex(pattern = schema::PLURAL))]
    pub name: String,

    /// The objects it covers, as globs over `<namespace>/<resource>.<group>/<name>`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = schema::MAX_GLOB), regex(pattern = schema::GLOB)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub objects: Vec<String>,

    /// The repository paths it covers, as globs (`services/*/security/**`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = schema::MAX_GLOB), regex(pattern = schema::GLOB)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub paths: Vec<String>,

    /// The functions it covers, each `fn:<name>`.
    #[serde(rename = "functionIDs", default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 256),
        inner(length(max = schema::MAX_FUNCTION), regex(pattern = schema::FUNCTION))
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub function_ids: Vec<String>,

    /// How many people must approve, 1 to 20. Default: 1.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 20))]
    pub min_reviewers: u32,

    /// The roles of which a reviewer must hold one. Admins may review whatever is said here. Default:
    /// `[contributor]`.
    #[serde(default = "contributors")]
    #[schemars(schema_with = "schema::reviewer_roles")]
    pub reviewer_roles: Vec<Role>,
}

const fn one() -> u32 {
    1
}

/// A short name of a resource type.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct ResourceType {
    /// The short name, without dots.
    #[schemars(length(min = 1, max = schema::MAX_LABEL), regex(pattern = "^[a-z]([a-z0-9-]*[a-z0-9])?$"))]
    pub alias: String,
    /// What it stands for: `<plural>.<group>`, or `<plural>` in the core group.
    #[schemars(length(min = 1, max = 317), regex(pattern = schema::DNS_NAME))]
    pub resource: String,
}

impl ResourceType {
    pub(super) fn shipped() -> Vec<Self> {
        vec![Self {
            alias: "app".to_owned(),
            resource: "deployments.apps".to_owned(),
        }]
    }
}

/// Values of one kind that leave the hash.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct HashIgnore {
    /// The API group, empty (the default) for the core group.
    #[serde(default)]
    #[schemars(length(max = schema::MAX_NAME), regex(pattern = schema::API_GROUP))]
    pub group: String,
    /// The kind.
    #[schemars(length(max = schema::MAX_LABEL), regex(pattern = schema::KIND))]
    pub kind: String,
    /// The parts, as JSON pointers (`/metadata/annotations/example.com~1nonce`); `*` between two slashes is any
    /// key or element (`/spec/containers/*/env`).
    #[schemars(
        length(min = 1, max = 64),
        inner(length(min = 2, max = schema::MAX_POINTER), regex(pattern = schema::POINTER))
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub pointers: Vec<String>,
}
