//! Zone: who owns a region of the cluster, of its repositories, or single functions.

use countersign_core::{
    glob::{Glob, GlobError},
    identity::Identity,
    role::Role,
    zones,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    condition,
    invalid::{Invalid, Kinds, each, functions, name, object_globs, path_globs},
    schema,
};

/// What belongs to the zone, who owns it, who may write there and who reviews.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "countersign.dev",
    version = "v1alpha1",
    kind = "Zone",
    status = "ZoneStatus",
    derive = "PartialEq",
    derive = "Default",
    doc = "A Zone gives a region of the cluster or of a repository exactly one owner. The owner writes there, \
           cooperators write there with review if the zone asks for it, and everybody else below admin is \
           refused with the owner's name. Zones never overlap: a zone that shares a place with another is \
           refused, and if both exist nevertheless, nobody writes where they overlap.",
    shortname = "csz",
    category = "countersign",
    selectable = ".spec.owner",
    printcolumn(name = "Owner", type_ = "string", json_path = ".spec.owner"),
    printcolumn(name = "Review", type_ = "boolean", json_path = ".spec.requireReview"),
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
    printcolumn(name = "Pending", type_ = "integer", json_path = ".status.pending"),
    printcolumn(name = "Objects", type_ = "string", json_path = ".spec.objects", priority = 1),
    printcolumn(name = "Paths", type_ = "string", json_path = ".spec.paths", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(
    "(has(self.objects) && size(self.objects) > 0) || (has(self.paths) && size(self.paths) > 0) \
     || (has(self.functionIDs) && size(self.functionIDs) > 0)"
).message("a zone needs at least one of objects, paths and functionIDs"))]
pub struct ZoneSpec {
    /// The one identity that owns the zone: `user:<name>`, `user:<realm>:<name>`, `team:<name>` or
    /// `agent:<name>`. The owner, or every user in the owning team, writes in the zone; an agent in the owning
    /// team counts as a cooperator.
    #[schemars(length(max = schema::MAX_IDENTITY), regex(pattern = schema::IDENTITY))]
    pub owner: String,

    /// Who else may write in the zone, with review when `requireReview` asks for it: `user:` or `agent:`
    /// identities. Cooperators who are users may review, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 256),
        inner(length(max = schema::MAX_IDENTITY), regex(pattern = schema::USER_OR_AGENT))
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub cooperators: Vec<String>,

    /// Who may review changes in the zone without writing there: `user:` or `team:` identities.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 256),
        inner(length(max = schema::MAX_IDENTITY), regex(pattern = schema::USER_OR_TEAM))
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub reviewers: Vec<String>,

    /// The objects of the zone, as globs over `<namespace>/<resource>.<group>/<name>`; the core group has no
    /// suffix (`billing/configmaps/app`) and cluster-scoped objects live under `@cluster/`
    /// (`@cluster/namespaces/billing`). `*` stays within a segment, `**` crosses segments, and `?`, `[...]` and
    /// `{a,b}` are understood; a glob matches the whole name and is case-sensitive. `billing/**` is everything
    /// in the namespace billing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = schema::MAX_GLOB), regex(pattern = schema::GLOB)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub objects: Vec<String>,

    /// The repository paths of the zone, as globs relative to the repository's root, in the dialect of
    /// `objects`. `services/billing/**` is everything below that folder.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = schema::MAX_GLOB), regex(pattern = schema::GLOB)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub paths: Vec<String>,

    /// Single functions in source code, each `fn:<name>`, without wildcards. A function zone inside the path of
    /// another zone narrows it and wins for that function.
    #[serde(rename = "functionIDs", default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 256),
        inner(length(max = schema::MAX_FUNCTION), regex(pattern = schema::FUNCTION))
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub function_ids: Vec<String>,

    /// Whether what cooperators write outside prod needs review as well. When absent,
    /// `defaults.requireReview` of the AccessPolicy holds. In prod every change needs review whatever is said
    /// here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require_review: Option<bool>,

    /// How many people must approve a change in the zone, 1 to 20. When absent, `defaults.minReviewers` of the
    /// AccessPolicy holds; the highest number that the zone, the defaults and matching review rules ask wins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 20))]
    pub min_reviewers: Option<u32>,

    /// The roles of which a reviewer must hold one. Admins may review whatever is said here. Default:
    /// `[contributor]`.
    #[serde(default = "contributors")]
    #[schemars(schema_with = "schema::reviewer_roles")]
    pub reviewer_roles: Vec<Role>,
}

/// The reviewers' roles where nothing is said.
pub(crate) fn contributors() -> Vec<Role> {
    vec![Role::Contributor]
}

/// What the operator observed of the zone.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ZoneStatus {
    /// The `metadata.generation` that this status describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// `Ready` tells whether the zone is in force; `Degraded` is there only while it is not, with a reason:
    /// `Overlaps`, `UnknownIdentity`, `NoLiveOwner`, `Invalid` or `Unsealed`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "condition::schema")]
    pub conditions: Vec<Condition>,

    /// How many tickets for places in this zone wait for reviews.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 1_000_000))]
    pub pending: Option<u32>,

    /// The zones that share a place with this one, each with a place that both hold. Nobody writes there until
    /// one of the zones is changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub overlaps: Vec<Overlap>,

    /// The operator's proof that this generation passed admission. Without it the zone grants nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = schema::MAX_MAC))]
    pub seal: Option<String>,
}

/// Another zone that holds a place of this one.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Overlap {
    /// The name of the other zone.
    #[schemars(length(max = schema::MAX_NAME))]
    pub zone: String,
    /// A place, path or function that both zones hold.
    #[schemars(length(max = schema::MAX_POINTER))]
    pub witness: String,
}

/// The zone, compiled.
pub fn parse(object: &Zone) -> Result<zones::Zone, Invalid> {
    let spec = &object.spec;
    Ok(zones::Zone {
        name: name(&object.metadata)?,
        owner: Kinds::ANY
            .parse(&spec.owner)
            .map_err(|problem| problem.at("spec.owner"))?,
        cooperators: each("spec.cooperators", &spec.cooperators, |text| {
            Kinds::USER_OR_AGENT.parse(text)
        })?,
        reviewers: each("spec.reviewers", &spec.reviewers, |text| {
            Kinds::USER_OR_TEAM.parse(text)
        })?,
        objects: object_globs("spec.objects", &spec.objects)?,
        paths: path_globs("spec.paths", &spec.paths)?,
        function_ids: functions("spec.functionIDs", &spec.function_ids)?,
        require_review: spec.require_review,
        min_reviewers: spec.min_reviewers.unwrap_or_default(),
        reviewer_roles: spec.reviewer_roles.clone(),
    })
}

/// What can be read of the places of a zone that cannot be parsed: nobody is to write there until it can.
///
/// Nothing when not even its name can be read.
pub fn readable_places(object: &Zone) -> Option<zones::Zone> {
    let spec = &object.spec;
    let name = name(&object.metadata).ok()?;
    let readable = |items: &[String], read: fn(&str) -> Result<Glob, GlobError>| -> Vec<Glob> {
        items.iter().filter_map(|text| read(text).ok()).collect()
    };
    Some(zones::Zone {
        owner: spec.owner.parse().or_else(|_| Identity::team(&name)).ok()?,
        name,
        cooperators: Vec::new(),
        reviewers: Vec::new(),
        objects: readable(&spec.objects, Glob::object),
        paths: readable(&spec.paths, Glob::path),
        function_ids: spec.function_ids.iter().map(|id| id.as_str().into()).collect(),
        require_review: None,
        min_reviewers: 0,
        reviewer_roles: Vec::new(),
    })
}
