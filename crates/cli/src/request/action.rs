//! `--action` and `--resource`: what is asked for, in words.

use std::{fmt, str::FromStr};

use countersign_core::{policy::Policy, resource_name::ResourceName};

use crate::failure::Usage;

/// What is done to a kind of object: `object.deployments.apps.delete`, `deploy.app.update`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// `<resource>.<group>`, or an alias of it.
    pub resource_type: String,
    /// What is done.
    pub verb: Verb,
    text: String,
}

/// What is done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// It is removed.
    Delete,
    /// A pod is evicted: `object.pods.eviction.create`, `object.pods.evict`.
    Evict,
    /// A command runs in a pod: `object.pods.exec.connect`, `object.pods.exec`.
    Exec,
    /// Anything else: it needs the content of the change.
    Write,
}

impl FromStr for Action {
    type Err = Usage;

    fn from_str(text: &str) -> Result<Self, Usage> {
        let bad = || {
            Usage(format!(
                "`{text}` is not an action: use <domain>.<type>.<operation>, such as object.deployments.apps.delete"
            ))
        };
        let (_, rest) = text
            .split_once('.')
            .filter(|(domain, _)| !domain.is_empty())
            .ok_or_else(bad)?;
        let (rest, operation) = rest.rsplit_once('.').ok_or_else(bad)?;
        let (resource_type, verb) = match operation {
            "delete" => (rest, Verb::Delete),
            "evict" => (rest, Verb::Evict),
            "exec" => (rest, Verb::Exec),
            "create" => rest
                .strip_suffix(".eviction")
                .map_or((rest, Verb::Write), |pods| (pods, Verb::Evict)),
            "connect" => rest
                .strip_suffix(".exec")
                .map_or((rest, Verb::Write), |pods| (pods, Verb::Exec)),
            "" => return Err(bad()),
            _ => (rest, Verb::Write),
        };
        if resource_type.split('.').any(str::is_empty) {
            return Err(bad());
        }
        Ok(Self {
            resource_type: resource_type.to_owned(),
            verb,
            text: text.to_owned(),
        })
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The resource type that a name or an alias of the policy means.
pub fn unaliased(name: &str, policy: &Policy) -> String {
    let alias = policy.aliases.iter().find(|alias| *alias.alias == *name);
    alias.map_or_else(|| name.to_owned(), |alias| alias.resource.to_string())
}

/// The resource type that both flags name.
pub fn agreed(action: &Action, resource: &ResourceName, policy: &Policy) -> Result<String, Usage> {
    let (of_action, of_resource) = (
        unaliased(&action.resource_type, policy),
        unaliased(&resource.resource_type, policy),
    );
    if of_action == of_resource {
        return Ok(of_action);
    }
    Err(Usage(format!(
        "--action is about `{of_action}` and --resource about `{of_resource}`"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_name_a_type_and_what_is_done() {
        for (text, resource_type, verb) in [
            ("object.deployments.apps.delete", "deployments.apps", Verb::Delete),
            ("deploy.app.delete", "app", Verb::Delete),
            ("deploy.app.update", "app", Verb::Write),
            ("object.configmaps.create", "configmaps", Verb::Write),
            ("object.pods.eviction.create", "pods", Verb::Evict),
            ("object.pods.evict", "pods", Verb::Evict),
            ("object.pods.exec.connect", "pods", Verb::Exec),
            ("object.pods.exec", "pods", Verb::Exec),
            ("object.pods.portforward.connect", "pods.portforward", Verb::Write),
        ] {
            let action: Action = text.parse().unwrap();
            assert_eq!(
                (action.resource_type.as_str(), action.verb),
                (resource_type, verb),
                "{text}"
            );
            assert_eq!(action.to_string(), text);
        }
        for text in [
            "",
            "delete",
            "object.delete",
            "object..delete",
            ".pods.delete",
            "object.pods.",
            "object.a..b.delete",
        ] {
            let error = text.parse::<Action>().unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("`{text}` is not an action: use ")),
                "{error}"
            );
        }
    }
}
