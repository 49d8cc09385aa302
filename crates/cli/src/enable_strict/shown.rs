//! What is shown before strict mode is turned on: each permission object, and the labels of each namespace, in one line
//! that leaves nothing out.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use anyhow::{Context, bail};
use countersign_api::{
    AccessPolicy, AccessPolicySpec, Agent, POLICY_NAME, RoleGrant, Team, WriteDelegation, Zone,
    index::{Index, Indexed},
};
use countersign_core::{digest::Digest, plain::plain, snapshot::Snapshot};
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, ResourceExt, api::ListParams};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::lockout;
use crate::{
    connection::{Session, operator_namespace},
    known::{cluster, cluster_id},
    output::write_table,
};

/// Everything that takes effect when strict mode begins.
pub struct Shown {
    /// The policy.
    pub policy: AccessPolicy,
    index: Index,
    /// By kind and name.
    objects: BTreeMap<(String, String), Line>,
}

/// One object.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    says: String,
    /// Why it is not in force, if it is not.
    trouble: Option<String>,
}

impl Shown {
    /// Reads it. What cannot be read cannot be looked at, and is an error.
    pub async fn read(session: &Session) -> anyhow::Result<Self> {
        let Some(policy) = session.policy().await? else {
            bail!(
                "there is no AccessPolicy `{POLICY_NAME}`, or you may not read it: strict mode is a field of it"
            )
        };
        let namespace = operator_namespace(Some(&policy));
        let mut shown = Self {
            policy,
            index: Index::new(cluster(&cluster_id(session).await?, &namespace)),
            objects: BTreeMap::new(),
        };
        shown.add::<AccessPolicy>(session).await?;
        shown.add::<RoleGrant>(session).await?;
        shown.add::<Team>(session).await?;
        shown.add::<Agent>(session).await?;
        shown.add::<Zone>(session).await?;
        shown.add::<WriteDelegation>(session).await?;
        shown.add::<Namespace>(session).await?;
        Ok(shown)
    }

    async fn add<K>(&mut self, session: &Session) -> anyhow::Result<()>
    where
        K: Indexed + Serialize + DeserializeOwned + std::fmt::Debug,
    {
        let objects = Api::<K>::all(session.client.clone());
        let list = objects.list(&ListParams::default()).await;
        let list = list.with_context(|| format!("the {} cannot be read", K::plural(&())))?;
        self.index.replace(list.items.iter().map(Ok));
        for object in &list.items {
            let name = (K::kind(&()).into_owned(), object.name_any());
            self.objects
                .insert(name, Line::of(&serde_json::to_value(object)?)?);
        }
        Ok(())
    }

    /// What the operator would decide by.
    pub fn snapshot(&self) -> &Snapshot {
        self.index.snapshot()
    }

    /// The digest of all of it.
    pub fn digest(&self) -> Digest {
        self.snapshot().permissions.digest()
    }

    /// Writes a line for each object, who could be locked out, and the digest.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let row = |((kind, name), line): (&(String, String), &Line)| {
            vec![kind.clone(), name.clone(), line.says.clone()]
        };
        let header = ["KIND", "NAME", "SAYS"].map(str::to_owned).to_vec();
        let rows: Vec<_> = std::iter::once(header)
            .chain(self.objects.iter().map(row))
            .collect();
        write_table(out, &rows)?;
        writeln!(out)?;
        let troubles = self.objects.iter().filter_map(|((kind, name), line)| {
            Some(format!(
                "{kind} {name} is not in force: {}",
                line.trouble.as_deref()?
            ))
        });
        for warning in lockout::warnings(self.snapshot()).into_iter().chain(troubles) {
            writeln!(out, "warning: {}", plain(&warning))?;
        }
        writeln!(out, "digest: {}", self.digest())
    }

    /// Kinds and names of what is different now.
    pub fn changed(&self, now: &Self) -> Vec<String> {
        let differs = |name: &&(String, String)| {
            let says = |shown: &Self| shown.objects.get(name).map(|line| line.says.clone());
            says(self) != says(now)
        };
        let names = self.objects.keys().chain(now.objects.keys());
        let mut changed: Vec<_> = names
            .filter(differs)
            .map(|(kind, name)| plain(&format!("{kind} {name}")))
            .collect();
        changed.sort_unstable();
        changed.dedup();
        changed
    }
}

impl Line {
    fn of(object: &Value) -> anyhow::Result<Self> {
        if object.get("kind").is_some_and(|kind| kind == "Namespace") {
            return Ok(Self {
                says: labels(object),
                trouble: None,
            });
        }
        let mut spec = object.get("spec").cloned().unwrap_or_default();
        if object.get("kind").is_some_and(|kind| kind == "AccessPolicy") {
            drop_shipped(&mut spec)?;
        }
        let says = match flow(&spec) {
            says if says.is_empty() => "as shipped".to_owned(),
            says => says,
        };
        Ok(Self {
            says,
            trouble: trouble(object),
        })
    }
}

/// The labels of a namespace, but for the one that repeats its name.
fn labels(namespace: &Value) -> String {
    let labels = namespace.pointer("/metadata/labels").and_then(Value::as_object);
    let labels = labels.into_iter().flatten();
    let labels: Vec<_> = labels
        .filter(|(key, _)| *key != "kubernetes.io/metadata.name")
        .map(|(key, value)| format!("{}: {}", scalar(key), nested(value)))
        .collect();
    if labels.is_empty() {
        return "no labels".to_owned();
    }
    labels.join(", ")
}

/// Of the policy what differs from an empty one, and is no switch of strict mode.
fn drop_shipped(spec: &mut Value) -> anyhow::Result<()> {
    let shipped: AccessPolicySpec = serde_json::from_str("{}")?;
    let shipped = serde_json::to_value(shipped)?;
    if let Some(fields) = spec.as_object_mut() {
        fields.retain(|field, value| {
            let is_switch = ["strictMode", "strictModeDigest"].contains(&field.as_str());
            !is_switch && shipped.get(field) != Some(value)
        });
    }
    Ok(())
}

/// Why an object is not Ready; also when the operator has not looked at it as it is.
fn trouble(object: &Value) -> Option<String> {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    let ready = conditions
        .into_iter()
        .flatten()
        .find(|one| one["type"] == "Ready");
    let generation = object.pointer("/metadata/generation");
    let Some(ready) = ready.filter(|ready| ready.get("observedGeneration") == generation) else {
        return Some("the operator has not looked at it".to_owned());
    };
    let text = |field: &str| ready[field].as_str().unwrap_or_default();
    (ready["status"] != "True").then(|| format!("{}: {}", text("reason"), text("message")))
}

/// A value in one line, like YAML's flow style; what is empty is left out. The braces of the whole are, too.
fn flow(value: &Value) -> String {
    let entries = value.as_object().into_iter().flatten();
    let entries = entries.filter(|(_, value)| !is_empty(value));
    let entries: Vec<_> = entries
        .map(|(key, value)| format!("{}: {}", scalar(key), nested(value)))
        .collect();
    entries.join(", ")
}

fn nested(value: &Value) -> String {
    match value {
        Value::Object(_) => format!("{{{}}}", flow(value)),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(nested).collect();
            format!("[{}]", items.join(", "))
        }
        Value::String(text) => scalar(text),
        other => other.to_string(),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// A text that cannot be taken for more than one: with quotes, unless it holds nothing that ends it.
fn scalar(text: &str) -> String {
    let ends = text.contains([',', '[', ']', '{', '}', '"', '\\']) || text.contains(": ");
    if ends || text.trim() != text || text.is_empty() {
        Value::from(text).to_string()
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_line_leaves_nothing_out_and_no_text_breaks_out_of_it() {
        let spec = json!({
            "owner": "team:shop", "objects": ["shop/{a,b}/*", "shop/**"], "paths": [], "requireReview": false,
            "reason": "mirrors, owner: user:mallory", "namespaces": {"selector": {}}, "minReviewers": 2,
        });
        let line = Line::of(&json!({"kind": "Zone", "spec": spec})).unwrap();
        assert_eq!(
            line.says,
            "minReviewers: 2, namespaces: {}, objects: [\"shop/{a,b}/*\", shop/**], owner: team:shop, \
             reason: \"mirrors, owner: user:mallory\", requireReview: false"
        );
        assert_eq!(line.trouble.as_deref(), Some("the operator has not looked at it"));
    }

    #[test]
    fn of_the_policy_what_differs_from_the_shipped_one_is_shown() {
        let mut spec = serde_json::to_value(serde_json::from_str::<AccessPolicySpec>("{}").unwrap()).unwrap();
        let says = |spec: &Value| {
            Line::of(&json!({"kind": "AccessPolicy", "spec": spec}))
                .unwrap()
                .says
        };
        assert_eq!(says(&spec), "as shipped");
        spec["strictMode"] = json!(true);
        spec["strictModeDigest"] = json!("sha256:00");
        assert_eq!(says(&spec), "as shipped");
        spec["maxHumanAdmins"] = json!(5);
        assert_eq!(says(&spec), "maxHumanAdmins: 5");
    }

    #[test]
    fn of_a_namespace_the_labels_are_shown() {
        let line = |labels: Value| {
            let namespace =
                json!({"kind": "Namespace", "metadata": {"labels": labels}, "spec": {"finalizers": ["a"]}});
            Line::of(&namespace).unwrap()
        };
        let shown =
            line(json!({"kubernetes.io/metadata.name": "a", "b": "", "countersign.dev/environment": "dev"}));
        assert_eq!(shown.says, "b: \"\", countersign.dev/environment: dev");
        assert_eq!(shown.trouble, None);
        assert_eq!(
            line(json!({"kubernetes.io/metadata.name": "a"})).says,
            "no labels"
        );
        assert_eq!(line(Value::Null).says, "no labels");
    }

    #[test]
    fn an_object_is_in_force_when_the_operator_says_so_of_what_it_says_now() {
        let object = |ready: Value| json!({"metadata": {"generation": 2}, "status": {"conditions": [ready]}});
        let ready = json!({"type": "Ready", "status": "True", "reason": "InForce", "observedGeneration": 2});
        assert_eq!(trouble(&object(ready.clone())), None);
        let mut before = ready.clone();
        before["observedGeneration"] = json!(1);
        assert_eq!(
            trouble(&object(before)).as_deref(),
            Some("the operator has not looked at it")
        );
        let degraded = json!({
            "type": "Ready", "status": "False", "reason": "Overlaps", "message": "with b", "observedGeneration": 2,
        });
        assert_eq!(trouble(&object(degraded)).as_deref(), Some("Overlaps: with b"));
    }
}
