//! One valid object of every kind, so that a write comes as far as the admission webhooks.

use serde_json::{Value, json};

use super::discovery::{Kind, NAMESPACE, Resource};

const OBJECTS: &str = include_str!("objects.yaml");
const KINDS: &str = include_str!("kinds.yaml");

/// The objects of the walk.
pub struct Stubs(Vec<Value>);

impl Stubs {
    /// Those in the files.
    pub fn read() -> Self {
        let parse = |text| serde_yaml::from_multiple::<Value>(text).unwrap();
        Self([OBJECTS, KINDS].into_iter().flat_map(parse).collect())
    }

    /// One that was found in the cluster.
    pub fn add(&mut self, found: &Value) {
        self.0.push(json!({
            "apiVersion": found["apiVersion"],
            "kind": found["kind"],
            "metadata": { "name": found["metadata"]["name"] },
            "spec": found["spec"],
        }));
    }

    /// What creates `resource`, where the walk has it.
    pub fn body(&self, resource: &Resource) -> Result<Value, String> {
        let mut body = self.of_kind(&resource.body)?;
        if resource.namespaced {
            body["metadata"]["namespace"] = NAMESPACE.into();
        }
        Ok(body)
    }

    /// The name of the object that `resource` is, or belongs to; empty when it is never stored.
    pub fn name(&self, resource: &Resource) -> Result<String, String> {
        let object = self.of_kind(&resource.object)?;
        Ok(object["metadata"]["name"].as_str().unwrap_or_default().to_owned())
    }

    /// The object of this very version, or else of another.
    fn of_kind(&self, kind: &Kind) -> Result<Value, String> {
        let Kind { api_version, kind } = kind;
        let of_kind = |stub: &&Value| {
            stub["kind"] == **kind && group(stub["apiVersion"].as_str().unwrap()) == group(api_version)
        };
        let all = || self.0.iter().filter(of_kind);
        let exact = all().find(|stub| stub["apiVersion"] == **api_version);
        let mut found = exact.or_else(|| all().next()).cloned().ok_or_else(|| {
            format!("there is no object of {api_version} {kind}: add one to tests/e2e/coverage/objects.yaml")
        })?;
        found["apiVersion"] = api_version.as_str().into();
        Ok(found)
    }
}

fn group(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}
