//! RoleGrant: what one identity may do at most.

use countersign_core::{identity::Identity, role::Role, snapshot::Grant};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use crate::{
    condition,
    invalid::{Invalid, Kinds, Problem, name},
    schema,
};

/// Who gets which role.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "countersign.dev",
    version = "v1alpha1",
    kind = "RoleGrant",
    status = "RoleGrantStatus",
    derive = "PartialEq",
    doc = "A RoleGrant gives a user or a team one role. A user's role is the highest of its own and of its \
           teams' grants; who has none holds `defaults.role` of the AccessPolicy. An agent's role is a field of \
           its Agent, never a grant.",
    shortname = "csg",
    category = "countersign",
    selectable = ".spec.identity",
    selectable = ".spec.role",
    printcolumn(name = "Identity", type_ = "string", json_path = ".spec.identity"),
    printcolumn(name = "Role", type_ = "string", json_path = ".spec.role"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason"
    ),
    printcolumn(name = "Last-Seen", type_ = "date", json_path = ".status.lastSeen"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!(self.identity.startsWith('user:') && self.role == 'agent')").message(
    Message::Expression("self.identity + ' is a human and never holds the role agent: register an Agent'".into())
))]
pub struct RoleGrantSpec {
    /// Who gets the role: `user:<name>`, `user:<realm>:<name>` or `team:<name>`, without wildcards. Immutable:
    /// another identity is another grant.
    #[schemars(length(max = schema::MAX_IDENTITY), regex(pattern = schema::USER_OR_TEAM))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("identity is immutable: make another RoleGrant"))]
    pub identity: String,

    /// The role. `admin` writes everything and is the only one that writes Countersign's permission kinds;
    /// `contributor` writes what its zones give it; `reader` writes nothing; `agent` is what an Agent holds: a
    /// user never does, and a team with it gives its users nothing. No role frees from approval in prod.
    #[schemars(schema_with = "schema::role")]
    pub role: Role,
}

/// What the operator observed of the grant.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RoleGrantStatus {
    /// The `metadata.generation` that this status describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// `Ready` tells whether the grant is in force; `Degraded` is there only while it is not, with a reason:
    /// `UnknownTeam`, `Conflicts` (another grant gives the same identity another role), `Invalid` or
    /// `Unsealed`. `Materialised` is there while `readAccess` of the AccessPolicy is `RBAC` and the grant is in
    /// force: whether RBAC lets them read what the role reads.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "condition::schema")]
    pub conditions: Vec<Condition>,

    /// When the webhook last saw a request of this user, to the minute; absent for a team and for who was never
    /// seen. Strict mode counts only admins that were seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Time>,

    /// The operator's proof that this generation passed admission. Without it the grant gives nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = schema::MAX_MAC))]
    pub seal: Option<String>,
}

/// The identity that the grant names, and the grant, compiled.
pub fn parse(object: &RoleGrant) -> Result<(Identity, Grant), Invalid> {
    let spec = &object.spec;
    let identity = Kinds::USER_OR_TEAM
        .parse(&spec.identity)
        .map_err(|problem| problem.at("spec.identity"))?;
    if identity.is_user() && spec.role == Role::Agent {
        let expected = format!("a role of {identity}: a human never holds it");
        return Err(Problem::unexpected(spec.role.as_str(), expected).at("spec.role"));
    }
    let last_seen = object
        .status
        .as_ref()
        .and_then(|status| status.last_seen.as_ref())
        .map(|time| time.0);
    Ok((
        identity,
        Grant {
            name: name(&object.metadata)?,
            role: spec.role,
            last_seen,
        },
    ))
}
