//! Intent: what an agent is about to do, and why, signed by its key.

use countersign_core::{
    agent_key::AgentKey,
    intent::{Signed, Statement},
    snapshot::Cluster,
    stamp::IntentStamp,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use crate::{
    agent::PUBLIC_KEY,
    condition,
    invalid::{Invalid, Kinds, Problem, name, required, signed_time},
    schema,
};

/// A nonce: 128 bits in hex.
const NONCE: &str = "^[0-9a-f]{32}$";

/// What the agent says, and the signature.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "countersign.dev",
    version = "v1alpha1",
    kind = "Intent",
    namespaced,
    status = "IntentStatus",
    derive = "PartialEq",
    doc = "An Intent is what an agent says, and signs, that it is about to do and why. It allows nothing by itself: it \
           explains. What an agent of the role `agent` deletes it has named in an Intent before. It lives in the \
           namespace of what it names (cluster-scoped objects: the operator's), is called `<agent>-<nonce>`, is made \
           once and never changed, and leaves the cluster after an hour; the audit log keeps it. \
           `kubectl countersign intent log` signs and makes one.",
    shortname = "csi",
    category = "countersign",
    selectable = ".spec.agentID",
    selectable = ".spec.action",
    printcolumn(name = "Agent", type_ = "string", json_path = ".spec.agentID"),
    printcolumn(name = "Action", type_ = "string", json_path = ".spec.action"),
    printcolumn(name = "Deletes", type_ = "string", json_path = ".spec.deletes[*]"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".spec.reason"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new(
        "self.metadata.name == self.spec.agentID.substring(6) + '-' + self.spec.nonce"
    ).message("metadata.name is <agent>-<nonce>, so that nobody makes the same intent twice")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self == oldSelf").message("an intent is immutable: make another intent"))]
pub struct IntentSpec {
    /// Who says so: the `agent:` identity whose service account makes the Intent.
    #[serde(rename = "agentID")]
    #[schemars(length(max = schema::MAX_IDENTITY), regex(pattern = schema::AGENT))]
    pub agent_id: String,

    /// The cluster that it is said to: the uid of the namespace kube-system (`status.clusterID` of the AccessPolicy).
    #[serde(rename = "clusterID")]
    #[schemars(length(min = 1, max = schema::MAX_UID))]
    pub cluster_id: String,

    /// What the agent is about to do: an action such as `object.deployments.apps.delete`, or words of its own.
    #[schemars(length(min = 1, max = 256))]
    pub action: String,

    /// To what, if that is one object: `<resource>[.<group>]:<namespace or @cluster>/<env>/<name>`, without aliases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = schema::MAX_RESOURCE_NAME))]
    pub resource: Option<String>,

    /// Each object that it is about to delete, evict, scale to zero or let go in another way, written like `resource`,
    /// such as `deployments.apps:billing/prod/my-api`. No wildcards: what is not named is not explained.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = schema::MAX_RESOURCE_NAME)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub deletes: Vec<String>,

    /// Why, in one line, for whoever asks later.
    #[schemars(length(min = 1, max = schema::MAX_REASON))]
    pub reason: String,

    /// 128 random bits that the agent chose for this intent, as 32 lower-case hex digits.
    #[schemars(length(min = 32, max = 32), regex(pattern = NONCE))]
    pub nonce: String,

    /// When it was signed, in whole seconds and UTC (`2026-01-31T12:00:00Z`). It is taken for 5 minutes, and explains
    /// a delete for 15.
    #[schemars(length(min = 20, max = 20), regex(pattern = schema::SIGNED_TIME))]
    pub time: String,

    /// Base64 of the raw Ed25519 signature, with the agent's `publicKey`, over the DSSE pre-authentication encoding of
    /// `application/vnd.countersign.intent+json` and the canonical JSON (RFC 8785) of all fields above it, `agentID` to
    /// `time`, and of `namespace`, the namespace of the Intent; fields that are absent or empty are left out.
    #[schemars(length(min = 88, max = 88), regex(pattern = schema::SIGNATURE))]
    pub signature: String,

    /// The key of the agent that the operator verified the signature by. Leave it out; when the agent has another key, an
    /// Intent explains nothing any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 68), regex(pattern = PUBLIC_KEY))]
    pub public_key: Option<String>,

    /// The operator's proof that it verified the signature when the Intent was made. Leave it out; without a valid stamp
    /// an Intent explains nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = schema::MAX_MAC))]
    pub stamp: Option<String>,
}

/// What the operator observed of the intent.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct IntentStatus {
    /// The `metadata.generation` that this status describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// Nothing is said of an intent that is as it should be. `Ready` is False, and `Degraded` is there, with the reason
    /// `BadStamp`, when nobody verified it as it was made: it explains nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "condition::schema")]
    pub conditions: Vec<Condition>,
}

/// What is said and signed; neither the signature nor the stamp is verified.
pub fn parse(object: &Intent) -> Result<Signed, Invalid> {
    let (meta, spec) = (&object.metadata, &object.spec);
    let agent = Kinds::AGENT.parse(&spec.agent_id);
    Ok(Signed {
        statement: Statement {
            agent: agent.map_err(|problem| problem.at("spec.agentID"))?,
            cluster_id: spec.cluster_id.clone(),
            namespace: required("metadata.namespace", meta.namespace.as_ref())?.to_owned(),
            action: spec.action.clone(),
            resource: spec.resource.clone(),
            deletes: spec.deletes.clone(),
            reason: spec.reason.clone(),
            nonce: spec.nonce.clone(),
            time: signed_time("spec.time", &spec.time)?,
        },
        signature: spec.signature.clone(),
    })
}

/// The key that the operator verified exactly this by when it was made, if it did.
pub fn verified_by(object: &Intent, signed: &Signed, cluster: &Cluster) -> Option<AgentKey> {
    let shown = object.spec.stamp.as_deref().unwrap_or_default();
    let key = object.spec.public_key.as_deref()?.parse().ok()?;
    let stamp = IntentStamp { signed, key: &key };
    stamp.verify(&cluster.stamp, shown).then_some(key)
}

/// The intent, if it bears the operator's stamp and its own name.
pub fn stamped(object: &Intent, cluster: &Cluster) -> Result<countersign_core::intent::Intent, Invalid> {
    let signed = parse(object)?;
    let called = name(&object.metadata)?;
    let is_whole = signed.statement.check(&called, &cluster.id).is_ok();
    let Some(key) = verified_by(object, &signed, cluster).filter(|_| is_whole) else {
        let shown = object.spec.stamp.as_deref().unwrap_or_default();
        return Err(Problem::unexpected(shown, "the operator's stamp over this object").at("spec.stamp"));
    };
    let statement = signed.statement;
    Ok(countersign_core::intent::Intent {
        namespace: statement.namespace.into(),
        name: called,
        uid: required("metadata.uid", object.metadata.uid.as_ref())?.into(),
        agent: statement.agent,
        deletes: statement.deletes.into_iter().map(Into::into).collect(),
        time: statement.time,
        key,
    })
}

#[cfg(test)]
mod tests {
    use countersign_core::digest::MacKey;
    use serde_json::json;

    use super::*;

    fn cluster() -> Cluster {
        Cluster {
            id: "cluster-1".into(),
            operator: "operator".into(),
            operator_uid: "".into(),
            namespace: "countersign-system".into(),
            redaction: MacKey::new([1; 32]),
            stamp: MacKey::new([2; 32]),
        }
    }

    const KEY: &str = "ed25519:MCowBQYDK2VwAyEA6kpsY+KcUgq+9VB7Ey7F+ZVHdq6+vnuSQh7qaRRG0iw=";

    /// The key of 32 bytes of 8.
    const OTHER_KEY: &str = "ed25519:MCowBQYDK2VwAyEAE5j2LG0aRXxRumpLXz29L2n8qTIWIY3ImX5Ba9F9k8o=";

    fn object(change: impl FnOnce(&mut Intent)) -> Intent {
        let nonce = "00112233445566778899aabbccddeeff";
        let mut object: Intent = serde_json::from_value(json!({
            "apiVersion": "countersign.dev/v1alpha1", "kind": "Intent",
            "metadata": {"name": format!("bot-{nonce}"), "namespace": "billing", "uid": "u1"},
            "spec": {
                "agentID": "agent:bot", "clusterID": "cluster-1", "action": "tidy", "reason": "unused",
                "deletes": ["configmaps:billing/prod/app"], "nonce": nonce, "time": "2026-06-01T12:00:00Z",
                "signature": "c2ln",
            },
        }))
        .unwrap();
        let signed = parse(&object).unwrap();
        let key = KEY.parse().unwrap();
        let stamp = IntentStamp {
            signed: &signed,
            key: &key,
        };
        object.spec.public_key = Some(KEY.to_owned());
        object.spec.stamp = stamp.sign(&cluster().stamp);
        change(&mut object);
        object
    }

    #[test]
    fn only_what_the_operator_stamped_explains_anything() {
        let intent = stamped(&object(|_| ()), &cluster()).unwrap();
        assert_eq!(
            (&*intent.namespace, intent.agent.as_str()),
            ("billing", "agent:bot")
        );
        let changes: [fn(&mut Intent); 10] = [
            |intent| intent.spec.stamp = None,
            |intent| intent.spec.public_key = None,
            |intent| intent.spec.public_key = Some(OTHER_KEY.to_owned()),
            |intent| intent.spec.reason.push('x'),
            |intent| {
                intent
                    .spec
                    .deletes
                    .push("configmaps:billing/prod/other".to_owned());
            },
            |intent| intent.spec.time = "2026-06-01T12:00:01Z".to_owned(),
            |intent| intent.spec.signature.push('x'),
            |intent| intent.spec.agent_id = "agent:other".to_owned(),
            |intent| intent.metadata.namespace = Some("lab".to_owned()),
            |intent| intent.metadata.name = Some("again".to_owned()),
        ];
        for change in changes {
            let error = stamped(&object(change), &cluster()).unwrap_err();
            assert_eq!(error.field, "spec.stamp");
        }
    }

    #[test]
    fn what_cannot_be_read_is_named_by_field_and_value() {
        for (change, why) in [
            (
                (|intent| intent.spec.time = "2026-06-01T14:00:00+02:00".to_owned()) as fn(&mut Intent),
                "spec.time: `2026-06-01T14:00:00+02:00` is not a time of whole seconds in UTC",
            ),
            (
                |intent| intent.spec.time = "2026-06-01T12:00:00.5Z".to_owned(),
                "spec.time: ",
            ),
            (
                |intent| intent.spec.agent_id = "user:al".to_owned(),
                "spec.agentID: `user:al` is not an agent:",
            ),
            (
                |intent| intent.spec.agent_id = "agent:B".to_owned(),
                "spec.agentID: `agent:B` ",
            ),
        ] {
            let error = parse(&object(change)).unwrap_err().to_string();
            assert!(error.starts_with(why), "{error}");
        }
    }
}
