//! WriteDelegation: a narrow, standing permission for one controller's derived writes.

mod parse;
mod unseen;

use std::{collections::BTreeMap, fmt};

use countersign_core::request::Operation;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::parse::parse;
use crate::{agent::ServiceAccountRef, condition, schema};

/// The CEL form of the core's `is_part`.
macro_rules! is_part {
    () => {
        "field.matches('^(/([^/~]|~[01])+|/(metadata|spec|status|data|binaryData)/([^/~]|~[01])+\
         |/metadata/(labels|annotations)/([^/~]|~[01])+)$')"
    };
}

/// Who may write what, where, and how far.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "countersign.dev",
    version = "v1alpha1",
    kind = "WriteDelegation",
    status = "WriteDelegationStatus",
    derive = "PartialEq",
    doc = "A WriteDelegation lets one controller do its derived work without a ticket for each write: the Secrets \
           of a certificate controller, the replicas of an autoscaler, the StatefulSets of a database operator. \
           It is exact: one subject, listed resources and verbs, no wildcards. It is no way to permit people or \
           agents; those have roles and zones. Making or changing one needs approval like any other permission.",
    shortname = "csd",
    category = "countersign",
    selectable = ".spec.evaluation",
    printcolumn(name = "User", type_ = "string", json_path = ".spec.subject.username"),
    printcolumn(
        name = "Account",
        type_ = "string",
        json_path = ".spec.subject.serviceAccount.name"
    ),
    printcolumn(name = "Verbs", type_ = "string", json_path = ".spec.verbs"),
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
    printcolumn(name = "Last-Used", type_ = "date", json_path = ".status.lastUsed"),
    printcolumn(
        name = "Expires",
        type_ = "string",
        json_path = ".spec.expiresAt",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new(
        "self.evaluation != 'Startup' || (!has(self.parent) && (!has(self.fields) || size(self.fields) == 0))"
    ).message("a delegation with evaluation Startup has neither fields nor parent: the API server cannot check them"),
    validation = Rule::new(
        "self.evaluation != 'Startup' || !has(self.namespaces) || !has(self.namespaces.selector) \
         || !has(self.namespaces.selector.matchLabels) || size(self.namespaces.selector.matchLabels) == 0"
    ).message("a delegation with evaluation Startup names its namespaces or selects all: labels cannot be checked"),
    validation = Rule::new(
        "self.evaluation != 'Startup' || !has(self.namespaces) || !has(self.namespaces.names) \
         || size(self.namespaces.names) <= 32"
    ).message("a delegation with evaluation Startup names at most 32 namespaces: make another one, or select all"),
    validation = Rule::new(unseen::rule()).message(
        "spec.resources: what may yield credentials is never written unseen (pods, workloads, accounts and tokens, Secrets, \
         certificates, namespaces, what permits, defines or admits): use evaluation Webhook"
    ),
    validation = Rule::new(
        "!self.resources.exists(one, (!has(one.group) || one.group == '') && one.resource == 'bindings')"
    ).message("spec.resources: `bindings` is never covered: name the resource pods with the subresource binding"),
    validation = Rule::new(
        "!has(self.fields) || size(self.fields) == 0 || self.verbs.all(verb, verb in ['Create', 'Update'])"
    ).message(Message::Expression(
        "'spec.verbs: `' + self.verbs.filter(verb, !(verb in ['Create', 'Update']))[0] + '` beside fields covers \
         nothing: a deletion and a connection have no fields; make a delegation of its own'".into()
    )),
    validation = Rule::new(
        concat!("!has(self.fields) || self.fields.all(field, ", is_part!(), ")")
    ).message(Message::Expression(concat!(
        "'spec.fields: `' + self.fields.filter(field, !", is_part!(), ")[0] + '` is finer than a granule, such as \
         /spec/KEY or /metadata/labels/KEY: it never changes by itself; a / inside a key is written ~1'"
    ).into())),
    validation = Rule::new(
        "self.resources.all(resource, !has(resource.group) || resource.group != 'countersign.dev')"
    ).message("Countersign's own kinds are never delegated"),
    validation = Rule::new(
        "!has(self.parent) || (!self.verbs.exists(verb, verb == 'Connect') && self.resources.all(resource, \
         !has(resource.subresource) || resource.subresource == '' || (resource.subresource != 'scale' \
         && self.verbs.exists(verb, verb != 'Create'))))"
    ).message("with a parent, what does not show its object is never covered: Connect, scale, and what Create means \
               of a subresource"),
)]
pub struct WriteDelegationSpec {
    /// The one account that may write. Immutable: another subject is another delegation.
    #[x_kube(validation = Rule::new("self == oldSelf").message("subject is immutable: make another WriteDelegation"))]
    pub subject: DelegationSubject,

    /// What may be written. A resource without `subresource` does not include its subresources.
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["group".into(), "resource".into(), "subresource".into()]))]
    pub resources: Vec<DelegatedResource>,

    /// What may be done: `Create` (also eviction, binding and tokens, which create a subresource), `Update`
    /// (PUT, every kind of PATCH, and apply), `Delete` (one object or a collection of them) and `Connect` (exec,
    /// attach, port-forward, proxy).
    #[schemars(schema_with = "schema::operations")]
    pub verbs: Vec<Operation>,

    /// In which namespaces. When absent, the delegation covers cluster-scoped objects only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<DelegatedNamespaces>,

    /// The only parts of the object that may change, as JSON pointers: one label or annotation
    /// (`/metadata/labels/app`), one key of `spec`, `status`, `data` or `binaryData` (`/data/tls.crt`,
    /// `/spec/replicas`), or a whole field of the object (`/rules`); nothing finer is told apart. A `/` inside a key
    /// is written `~1`. A new object may hold these parts and what tells which one it is, such as its name. All parts
    /// when empty; `Delete` and `Connect` have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = schema::MAX_POINTER), regex(pattern = schema::POINTER)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub fields: Vec<String>,

    /// The kind that must control the object: its one owner reference with `controller: true` names an object of
    /// this kind, and the operator reads that object, in the same namespace or cluster-scoped, and finds it with the
    /// uid that the reference says. The old object's reference counts; of a new one its own. What the operator cannot
    /// read is not covered: give it `get` of the kind. What does not show the object (`Connect`, `scale`, evictions,
    /// bindings and tokens) is never covered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<ParentKind>,

    /// Where the delegation is checked. `Webhook` (the default): by the operator, on each write. `Startup`: by
    /// the API server itself, from the webhook's `matchConditions`, so that it works while the operator is down;
    /// for what a cluster needs to come up, such as network and storage drivers. `Startup` excludes `fields`,
    /// `parent` and labels of namespaces, and a `status` subresource passes as a whole. What may yield somebody's
    /// credential never passes unseen, and is refused: pods, workloads, service accounts and their tokens, Secrets,
    /// certificates, what permits and what admits, namespaces, and the like. The first 24 by name are compiled
    /// (condition `Compiled`), the others are checked by the operator.
    #[serde(default)]
    pub evaluation: Evaluation,

    /// Why the delegation exists, for whoever reviews it and for whoever finds it later.
    #[schemars(length(min = 1, max = schema::MAX_REASON))]
    pub reason: String,

    /// When the delegation ends, as an RFC 3339 time (`2027-01-31T00:00:00Z`). It never ends when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
}

/// Exactly one account, named exactly.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.username) != has(self.serviceAccount)").message(
    "a subject has exactly one of username and serviceAccount"
))]
pub struct DelegationSubject {
    /// A username exactly as the API server reports it (`system:node:worker-1`), without wildcards; for a
    /// service account use `serviceAccount`. Not a person and not an agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), regex(pattern = r"^[^\s*?]+$"))]
    #[x_kube(validation = Rule::new(
        "!self.startsWith('system:serviceaccount:') && !self.startsWith('user:') && !self.startsWith('agent:') \
         && !self.startsWith('team:')"
    ).message("a delegation is for a raw username, never for user:, agent: or team:; name a service account in serviceAccount"))]
    pub username: Option<String>,

    /// A service account. One that an Agent lists is an agent and has no delegations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account: Option<ServiceAccountRef>,
}

/// One resource or subresource, named exactly.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct DelegatedResource {
    /// The API group, empty (the default) for the core group.
    #[serde(default)]
    #[schemars(length(max = schema::MAX_NAME), regex(pattern = schema::API_GROUP))]
    pub group: String,
    /// The plural name of the resource (`secrets`), without wildcards.
    #[schemars(length(max = schema::MAX_LABEL), regex(pattern = schema::PLURAL))]
    pub resource: String,
    /// The subresource (`scale`, `status`), empty (the default) for the object itself. `status` covers what is
    /// below `/status` only, and what `fields` names.
    #[serde(default)]
    #[schemars(length(max = schema::MAX_LABEL), regex(pattern = "^([a-z0-9]([a-z0-9/-]*[a-z0-9])?)?$"))]
    pub subresource: String,
}

impl fmt::Display for DelegatedResource {
    /// `<resource>[.<group>][/<subresource>]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.resource)?;
        for (mark, part) in [('.', &self.group), ('/', &self.subresource)] {
            if !part.is_empty() {
                write!(f, "{mark}{part}")?;
            }
        }
        Ok(())
    }
}

/// Namespaces by name or by label.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(validation = Rule::new(
    "(has(self.names) && size(self.names) > 0) != has(self.selector)"
).message("namespaces has exactly one of names and selector"))]
pub struct DelegatedNamespaces {
    /// Namespaces by exact name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 256),
        inner(length(min = 1, max = schema::MAX_LABEL), regex(pattern = schema::PLURAL))
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub names: Vec<String>,

    /// Namespaces by their labels; the empty selector `{}` is every namespace, whatever its environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<NamespaceSelector>,
}

/// Namespaces by their labels.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct NamespaceSelector {
    /// Labels that must all be there with exactly these values. Every namespace when empty.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::match_labels")]
    pub match_labels: BTreeMap<String, String>,
}

/// The kind of the owner that must control an object.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct ParentKind {
    /// The API group of the owner, empty (the default) for the core group; any version of it counts.
    #[serde(default)]
    #[schemars(length(max = schema::MAX_NAME), regex(pattern = schema::API_GROUP))]
    pub group: String,
    /// The kind of the owner, such as `Certificate`.
    #[schemars(length(max = schema::MAX_LABEL), regex(pattern = schema::KIND))]
    pub kind: String,
}

/// Where a delegation is checked.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Evaluation {
    /// By the operator.
    #[default]
    Webhook,
    /// By the API server, before it calls the operator.
    Startup,
}

/// What the operator observed of the delegation.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct WriteDelegationStatus {
    /// The `metadata.generation` that this status describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// `Ready` tells whether the delegation is in force; `Degraded` is there only while it is not, with a
    /// reason: `SubjectIsAgent`, `SubjectIsUser`, `Expired`, `Invalid` or `Unsealed`. With `evaluation: Startup`
    /// `Compiled` tells whether the API server is to check it while the operator is down.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "condition::schema")]
    pub conditions: Vec<Condition>,

    /// When a write was last allowed by this delegation, to the minute. Not known with `evaluation: Startup`,
    /// which the operator does not see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used: Option<Time>,

    /// The operator's proof that this generation passed admission. Without it the delegation allows nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = schema::MAX_MAC))]
    pub seal: Option<String>,
}
