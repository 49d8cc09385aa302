//! What a mutating webhook or policy can change, read as widely as its rules may be meant: selectors and conditions are
//! not looked at, whoever may write them may change them.

mod seen;

use std::collections::BTreeSet;

use kube::{ResourceExt, api::DynamicObject};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

pub use self::seen::{Part, Seen};
use crate::{GROUP, VERSION};

/// The plural names of Countersign's kinds.
const RESOURCES: [&str; 11] = [
    "accesspolicies",
    "agents",
    "approvalreviews",
    "approvaltickets",
    "breakglasses",
    "intents",
    "rolegrants",
    "tasks",
    "teams",
    "writedelegations",
    "zones",
];

/// The name of the operator's own configurations.
pub const CONFIGURATION: &str = "countersign";

/// The one webhook that belongs into the mutating one.
pub const STAMP: &str = "stamp.countersign.dev";

/// A write of an object of Countersign's own kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Write {
    resource: &'static str,
    subresource: &'static str,
    operation: &'static str,
}

/// The writes of Countersign's own kinds that somebody can change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach(BTreeSet<Write>);

/// Rules of admission, of which one must match.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Matching {
    resource_rules: Vec<Rule>,
    exclude_resource_rules: Vec<Rule>,
}

/// One rule. What is not there restricts nothing.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    #[serde(default)]
    api_groups: Vec<String>,
    #[serde(default)]
    api_versions: Vec<String>,
    #[serde(default)]
    operations: Vec<String>,
    #[serde(default)]
    resources: Vec<String>,
    #[serde(default)]
    resource_names: Vec<String>,
    scope: Option<String>,
}

fn names(list: &[String], name: &str) -> bool {
    list.iter().any(|one| one == "*" || one == name)
}

impl Rule {
    fn may_match(&self, write: &Write) -> bool {
        names(&self.api_groups, GROUP) && names(&self.operations, write.operation) && self.holds(write)
    }

    /// Whether it matches the write whatever the object.
    fn always_matches(&self, write: &Write) -> bool {
        self.may_match(write)
            && names(&self.api_versions, VERSION)
            && self.resource_names.is_empty()
            && self.scope.as_deref().is_none_or(|scope| scope == "*")
    }

    fn holds(&self, write: &Write) -> bool {
        self.resources.iter().any(|name| {
            let (resource, subresource) = name.split_once('/').unwrap_or((name, ""));
            (resource == "*" || resource == write.resource)
                && (subresource == "*" || subresource == write.subresource)
        })
    }
}

impl Reach {
    /// Everything: of what cannot be read.
    fn all() -> Self {
        Self::of(|_| true)
    }

    fn of(matches: impl Fn(&Write) -> bool) -> Self {
        let writes = RESOURCES.into_iter().flat_map(|resource| {
            ["", "status"].into_iter().flat_map(move |subresource| {
                ["CREATE", "UPDATE"].map(|operation| Write {
                    resource,
                    subresource,
                    operation,
                })
            })
        });
        Self(writes.filter(matches).collect())
    }

    fn of_matching(matching: &Matching) -> Self {
        let Matching {
            resource_rules: rules,
            exclude_resource_rules: excluded,
        } = matching;
        Self::of(|write| {
            (rules.is_empty() || rules.iter().any(|rule| rule.may_match(write)))
                && !excluded.iter().any(|rule| rule.always_matches(write))
        })
    }

    /// Whether it is nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn meets(&self, other: &Self) -> bool {
        !self.0.is_disjoint(&other.0)
    }
}

/// What a MutatingWebhookConfiguration can change; of the operator's own, what webhooks that are not its own can.
pub fn of_webhooks(object: &DynamicObject) -> Reach {
    #[derive(Deserialize)]
    struct Webhooks {
        #[serde(default)]
        webhooks: Vec<Webhook>,
    }
    #[derive(Deserialize)]
    struct Webhook {
        name: String,
        #[serde(default)]
        rules: Vec<Rule>,
    }
    let Some(Webhooks { webhooks }) = read(object) else {
        return Reach::all();
    };
    let is_own = |webhook: &Webhook| (&*object.name_any(), &*webhook.name) == (CONFIGURATION, STAMP);
    let rules: Vec<_> = webhooks
        .into_iter()
        .filter(|webhook| !is_own(webhook))
        .flat_map(|webhook| webhook.rules)
        .collect();
    Reach::of(|write| rules.iter().any(|rule| rule.may_match(write)))
}

/// What a MutatingAdmissionPolicy can change where it is bound.
pub fn of_policy(object: &DynamicObject) -> Reach {
    #[derive(Deserialize)]
    struct Policy {
        spec: Spec,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Spec {
        #[serde(default)]
        match_constraints: Matching,
    }
    let policy: Option<Policy> = read(object);
    policy.map_or_else(Reach::all, |policy| {
        Reach::of_matching(&policy.spec.match_constraints)
    })
}

/// The policy that a MutatingAdmissionPolicyBinding binds, and where: everywhere, if that cannot be read. One without the
/// name of a policy is not stored.
pub fn of_binding(object: &DynamicObject) -> Option<(String, Reach)> {
    #[derive(Deserialize)]
    struct Binding {
        spec: Spec,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Spec {
        policy_name: String,
        match_resources: Option<Value>,
    }
    let Binding { spec } = read(object)?;
    let matching = spec
        .match_resources
        .map_or_else(|| Ok(Matching::default()), serde_json::from_value);
    let reach = matching.map_or_else(|_| Reach::all(), |matching| Reach::of_matching(&matching));
    Some((spec.policy_name, reach))
}

fn read<T: DeserializeOwned>(object: &DynamicObject) -> Option<T> {
    serde_json::from_value(object.data.clone()).ok()
}

#[cfg(test)]
mod tests;
