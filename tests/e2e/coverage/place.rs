//! Where a write of the walk must be seen: its place, its environment, and the zone that holds this place alone.

use countersign_core::environment::Environment;
use serde_json::{Value, json};

use super::discovery::{NAMESPACE, Resource};

/// The API group of Countersign's own kinds.
pub const OWN_GROUP: &str = "countersign.dev";

impl Resource {
    /// Name and subresource under which the rules know it: a Binding is no object, but a part of the pod of its name.
    pub fn known_as(&self) -> (String, &str) {
        match (&*self.name(), &*self.subresource) {
            ("bindings", "") => ("pods".to_owned(), "binding"),
            (name, subresource) => (name.to_owned(), subresource),
        }
    }

    /// The place of its object.
    pub fn place(&self, name: &str) -> String {
        let scope = if self.namespaced { NAMESPACE } else { "@cluster" };
        format!("{scope}/{}/{name}", self.known_as().0)
    }

    /// The zone that holds its object.
    pub fn zone_name(&self) -> String {
        format!("{NAMESPACE}.{}", self.known_as().0)
    }

    /// That zone; mallory has no part in it.
    pub fn zone(&self, name: &str) -> Value {
        json!({
            "apiVersion": "countersign.dev/v1alpha1",
            "kind": "Zone",
            "metadata": { "name": self.zone_name() },
            "spec": { "owner": "team:shop", "objects": [self.place(name)] },
        })
    }

    /// That of the namespace, and of the namespace's own object; prod outside, and of what permits.
    pub fn environment(&self) -> Environment {
        if self.namespaced || self.name() == "namespaces" {
            Environment::Preview
        } else {
            Environment::Prod
        }
    }
}
