//! Team: a named set of users and agents.

use countersign_core::{identity::Identity, snapshot};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use crate::{
    condition,
    invalid::{Invalid, Kinds, Problem, each, name},
    schema,
};

/// Who belongs to the team.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "countersign.dev",
    version = "v1alpha1",
    kind = "Team",
    status = "TeamStatus",
    derive = "PartialEq",
    derive = "Default",
    doc = "A Team is the identity `team:<metadata.name>`: a named set of users and agents that can own zones, \
           review and hold a role. Teams do not nest. A team's role reaches its users only; an agent's role is \
           always its own.",
    shortname = "cstm",
    category = "countersign",
    printcolumn(name = "Members", type_ = "integer", json_path = ".status.memberCount"),
    printcolumn(name = "Groups", type_ = "string", json_path = ".spec.groups"),
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
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(
    "(has(self.members) && size(self.members) > 0) || (has(self.groups) && size(self.groups) > 0)"
).message("a team needs at least one of members and groups"))]
pub struct TeamSpec {
    /// The members by name: `user:` and `agent:` identities. A team is no member of a team.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 1024),
        inner(length(max = schema::MAX_IDENTITY), regex(pattern = schema::USER_OR_AGENT))
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub members: Vec<String>,

    /// Directory groups that are this team, exactly as the API server reports them for a user, prefix included
    /// (`oidc:payments`). Whoever is in one of them is in the team; groups of service accounts do not count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 256)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub groups: Vec<String>,
}

/// What the operator observed of the team.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct TeamStatus {
    /// The `metadata.generation` that this status describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// `Ready` tells whether the team is in force; `Degraded` is there only while it is not, with a reason:
    /// `UnknownIdentity` (a member that is no registered agent), `Invalid` or `Unsealed`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "condition::schema")]
    pub conditions: Vec<Condition>,

    /// How many members are named; who belongs to it through a group is not counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 1024))]
    pub member_count: Option<u32>,

    /// The operator's proof that this generation passed admission. Without it the team has no members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = schema::MAX_MAC))]
    pub seal: Option<String>,
}

/// The team's identity, and the team, compiled.
pub fn parse(object: &Team) -> Result<(Identity, snapshot::Team), Invalid> {
    let name = name(&object.metadata)?;
    let identity = Identity::team(&name).map_err(|error| Problem::from(error).at("metadata.name"))?;
    let members = each("spec.members", &object.spec.members, |text| {
        Kinds::USER_OR_AGENT.parse(text)
    })?;
    let groups = object
        .spec
        .groups
        .iter()
        .map(|group| group.as_str().into())
        .collect();
    Ok((identity, snapshot::Team { members, groups }))
}
