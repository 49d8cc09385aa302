//! AccessPolicy: what holds for the whole cluster.

mod approvals;
mod defaults;
mod directory;
mod environments;
mod parse;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    approvals::{Approvals, BreakGlassPolicy, BreakGlassScope, StepUp},
    defaults::{Defaults, HashIgnore, ReadAccess, ResourceType, ReviewRule, Unzoned, UsernameRule},
    directory::{
        Directory, GroupRole, KeyRef, MtlsDirectory, OidcDirectory, Provider, SamlDirectory, SshKeys,
        StaticDirectory, UsernameFrom,
    },
    environments::{Enforcement, EnvironmentRule, FailurePolicy, Selection},
    parse::parse,
};
use crate::{condition, schema};
pub(crate) use parse::unswitched;

/// What holds for the whole cluster. Every field has a default; an empty spec is a complete policy.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "countersign.dev",
    version = "v1alpha1",
    kind = "AccessPolicy",
    plural = "accesspolicies",
    status = "AccessPolicyStatus",
    derive = "PartialEq",
    doc = "The AccessPolicy `default` is the one policy of the cluster: where its environments lie, what holds \
           where no zone and no grant says otherwise, how approvals live, and whether violations are blocked. \
           Without one, Countersign observes and blocks nothing, unless strict mode was on before.",
    shortname = "csp",
    category = "countersign",
    printcolumn(name = "Strict", type_ = "boolean", json_path = ".spec.strictMode"),
    printcolumn(
        name = "Enforcing",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Enforcing\")].status"
    ),
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
    printcolumn(name = "Admins", type_ = "integer", json_path = ".status.counts.humanAdmins"),
    printcolumn(name = "Pending", type_ = "integer", json_path = ".status.counts.pendingTickets"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.metadata.name == 'default'").message(
        Message::Expression("'there is one AccessPolicy, named default: ' + self.metadata.name + ' has no effect'".into())
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!self.strictModeLocked || has(self.passcodeSecretRef)").message(
    "strictModeLocked needs passcodeSecretRef: without a passcode nobody could ever turn strict mode off"
))]
pub struct AccessPolicySpec {
    /// Where the environments lie and how each is enforced. A namespace's label `countersign.dev/environment`
    /// wins; else the first entry that selects the namespace; else `defaults.environment`. An environment that
    /// is not listed is enforced as shipped: `prod` and `preview` block, `dev` and `test` warn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub environments: Vec<EnvironmentRule>,

    /// How usernames become `user:` identities; the longest prefix wins. Default: one entry with an empty
    /// prefix and an empty realm, so that `alice` is `user:alice`.
    #[serde(default = "UsernameRule::shipped")]
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(
        merge_strategy = ListMerge::Map(vec!["prefix".into()]),
        validation = Rule::new("self.all(one, self.exists_one(other, other.realm == one.realm))").message(
            "each entry of usernames needs a realm of its own: two issuers' alice are two people"
        )
    )]
    pub usernames: Vec<UsernameRule>,

    /// What holds where no zone, grant or environment says otherwise.
    #[serde(default)]
    pub defaults: Defaults,

    /// The least role that may write outside every zone. Agents always need a zone or a public place.
    #[serde(default)]
    pub unzoned: Unzoned,

    /// Reviews that places ask for, whoever owns them. They add to what zones ask and never count as an
    /// overlap.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub review_rules: Vec<ReviewRule>,

    /// Short names of resource types, for people: they are understood where a resource is typed and used where
    /// one is shown, and are never bound or hashed. Default: `app` for `deployments.apps`.
    #[serde(default = "ResourceType::shipped")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["alias".into()]))]
    pub resource_types: Vec<ResourceType>,

    /// Values that another mutating webhook randomises on every write, and that would make no ticket ever fit.
    /// They leave the hash of a change, and the ticket shows them; a write that changes nothing else still
    /// counts as a change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["group".into(), "kind".into()]))]
    pub hash_ignore: Vec<HashIgnore>,

    /// How tickets live and who reviews them.
    #[serde(default)]
    pub approvals: Approvals,

    /// Whether violations are blocked. While false (the default) Countersign observes: it allows with a warning
    /// and a record. It cannot be turned on before two human admins were seen, or one while there is a
    /// passcode, nor before the passcode that `passcodeSecretRef` names is set; once on, only a human admin turns
    /// it off, with a ticket or during break-glass. No Agent turns it on or off.
    #[serde(default)]
    pub strict_mode: bool,

    /// The digest of all permission objects that `kubectl countersign admin enable-strict` showed
    /// (`sha256:` and 64 hex digits). When it is there, strict mode is turned on only if they are still the
    /// same: a write that turns it on for others is refused, and strict mode does not begin while they differ. It
    /// binds nothing when absent, and nothing any more once strict mode is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = schema::MAX_DIGEST), regex(pattern = schema::DIGEST))]
    pub strict_mode_digest: Option<String>,

    /// Whether turning strict mode off needs the passcode and a break-glass window. Default: false. Needs
    /// `passcodeSecretRef`.
    #[serde(default)]
    pub strict_mode_locked: bool,

    /// Where the passcode for emergencies is kept: what a key is derived from it by (Argon2id), and the public half of
    /// that key, in a Secret of the operator's namespace, written by `kubectl countersign admin passcode`. Whoever may
    /// open a window reads it. Without it there is no break-glass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passcode_secret_ref: Option<PasscodeRef>,

    /// What a break-glass window opens, and for how long at most.
    #[serde(default)]
    pub break_glass: BreakGlassPolicy,

    /// Where people, their groups and their keys are known from. Default: from the API server's authentication
    /// alone.
    #[serde(default)]
    pub directory: Directory,

    /// The mutating webhooks and policies that may match Countersign's own kinds, as
    /// `MutatingWebhookConfiguration/<name>` or `MutatingAdmissionPolicy/<name>`: such as those of a policy engine
    /// that matches everything. In strict mode nothing is approved, and no ticket is made, while there is another
    /// one. Whoever can write an accepted one, or the webhook behind it, can make a review say what the reviewer did
    /// not: better leave the group `countersign.dev` out of its rules.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(max = 300), regex(pattern = schema::MUTATOR)))]
    pub accepted_mutators: Vec<String>,

    /// Whether Countersign makes RBAC bindings for reading. `Unmanaged` (the default): none; what people and agents
    /// read is a matter of your RBAC alone. `RBAC`: each RoleGrant and Agent that is Ready is bound to the
    /// ClusterRole `view`, which shows no Secrets: the roles `reader` and `admin` in the whole cluster; the roles
    /// `contributor` and `agent` in the namespaces of their zones and, outside prod, of `defaults.publicObjects`.
    /// A glob that leaves the beginning of the namespace open (`*`, `**`) gives no reading. Each binding goes with
    /// its RoleGrant or Agent, and all of them when this is `Unmanaged` again. The operator may bind only where
    /// its chart is installed with `readAccess: true`.
    #[serde(default, skip_serializing_if = "ReadAccess::is_unmanaged")]
    pub read_access: ReadAccess,

    /// How many human admins are sensible, 1 to 100: more lead to the warning `TooManyAdmins` on the policy,
    /// nothing else. Default: 3.
    #[serde(default = "max_human_admins")]
    #[schemars(range(min = 1, max = 100))]
    pub max_human_admins: u32,
}

const fn max_human_admins() -> u32 {
    3
}

/// A key of a Secret in the operator's namespace.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct PasscodeRef {
    /// The name of the Secret.
    #[schemars(length(max = schema::MAX_NAME), regex(pattern = schema::DNS_NAME))]
    pub name: String,
    /// The key in it. Default: `passcode`.
    #[serde(default = "passcode")]
    #[schemars(length(min = 1, max = schema::MAX_NAME), regex(pattern = "^[A-Za-z0-9._-]+$"))]
    pub key: String,
}

fn passcode() -> String {
    "passcode".to_owned()
}

/// What the operator observed of the policy and of the cluster.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct AccessPolicyStatus {
    /// The `metadata.generation` that this status describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// `Ready` tells whether the policy is in force; `Enforcing` is True once strict mode is on and the API
    /// server was told to refuse writes when the operator is away; `TooManyAdmins` warns of more human admins
    /// than `maxHumanAdmins`; `ForeignMutators` names mutating webhooks and policies that can change tickets and
    /// reviews before they are stored, and that `acceptedMutators` does not list, and is Unknown while they are not
    /// known; `UnsealedNamespaces` is there while the labels of a namespace bear no seal, so that it is prod;
    /// `Degraded` is there only while the policy is not in force, with a reason: `Invalid`, `Unsealed`,
    /// `NotEnoughAdmins` or `PermissionsChanged`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "condition::schema")]
    pub conditions: Vec<Condition>,

    /// The cluster's id, as tickets bind it: the uid of the namespace kube-system.
    #[serde(rename = "clusterID", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = schema::MAX_UID))]
    pub cluster_id: Option<String>,

    /// The namespace that the operator lives in: there are its keys, and the tickets for cluster-scoped objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = schema::MAX_LABEL))]
    pub operator_namespace: Option<String>,

    /// Since when strict mode is in force; absent while it is off, and before it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict_since: Option<Time>,

    /// How much there is of what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<Counts>,

    /// The operator's proof that this generation passed admission. Without it the policy relaxes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = schema::MAX_MAC))]
    pub seal: Option<String>,
}

/// How much there is of what in the cluster.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct Counts {
    /// Zones.
    pub zones: u32,
    /// Role grants.
    pub role_grants: u32,
    /// Teams.
    pub teams: u32,
    /// Agents.
    pub agents: u32,
    /// Delegations, without the built-in ones.
    pub write_delegations: u32,
    /// Humans of role admin.
    pub human_admins: u32,
    /// Humans of role admin that the webhook has seen.
    pub live_admins: u32,
    /// Tickets that wait for reviews.
    pub pending_tickets: u32,
}
