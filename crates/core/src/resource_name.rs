//! Names of resources: `<type>:<project>/<env>/<name>`, `app:billing/prod/my-api`.

use std::{fmt, str::FromStr};

use crate::{
    environment::Environment,
    plain::{excerpt, plain},
    request::CLUSTER,
};

/// One object in one environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceName {
    /// `<resource>.<group>`, or an alias of it.
    pub resource_type: String,
    /// The namespace; `None` for `@cluster`.
    pub namespace: Option<String>,
    /// Where it is.
    pub environment: Environment,
    /// Its name.
    pub name: String,
}

/// A text that names no resource.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{}` is not a resource: use <type>:<project>/<env>/<name>, such as app:billing/prod/my-api; the project is a \
     namespace or {CLUSTER}{}", excerpt(.text), .problem
)]
pub struct InvalidResourceName {
    text: String,
    problem: String,
}

impl FromStr for ResourceName {
    type Err = InvalidResourceName;

    fn from_str(text: &str) -> Result<Self, InvalidResourceName> {
        let bad = |problem: String| InvalidResourceName {
            text: text.to_owned(),
            problem,
        };
        let (resource_type, place) = text.split_once(':').ok_or_else(|| bad(String::new()))?;
        let parts: Vec<_> = place.split('/').collect();
        let [project, environment, name] = parts.as_slice() else {
            return Err(bad(String::new()));
        };
        let is_name = |part: &str| !part.is_empty() && plain(part) == part && !part.contains([' ', '*', '`']);
        if ![resource_type, project, name].into_iter().all(is_name) {
            return Err(bad(String::new()));
        }
        let environment = environment.parse().map_err(|error| bad(format!(": {error}")))?;
        Ok(Self {
            resource_type: resource_type.to_owned(),
            namespace: Some((*project).to_owned()).filter(|project| project != CLUSTER),
            environment,
            name: (*name).to_owned(),
        })
    }
}

impl fmt::Display for ResourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let project = self.namespace.as_deref().unwrap_or(CLUSTER);
        write!(
            f,
            "{}:{project}/{}/{}",
            self.resource_type, self.environment, self.name
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_name_type_project_environment_and_name() {
        for (text, namespace, name) in [
            ("app:billing/prod/my-api", Some("billing"), "my-api"),
            (
                "clusterroles.rbac.authorization.k8s.io:@cluster/dev/system:x",
                None,
                "system:x",
            ),
        ] {
            let resource: ResourceName = text.parse().unwrap();
            assert_eq!(
                (resource.namespace.as_deref(), resource.name.as_str()),
                (namespace, name)
            );
            assert_eq!(resource.to_string(), text);
        }
        for text in [
            "",
            "app",
            "app:billing/my-api",
            "app:billing/prod/",
            ":a/prod/b",
            "app:a/prod/b/c",
            "app:a/prod/*",
            "app:a/prod/b c",
            "app:a/prod/b\n",
            "app:a/prod/b\u{202e}",
        ] {
            let error = text.parse::<ResourceName>().unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("`{}` is not a resource: use ", plain(text))),
                "{error}"
            );
        }
        let error = "app:a/live/b".parse::<ResourceName>().unwrap_err().to_string();
        assert!(
            error.ends_with("`live` is not an environment: use dev, test, preview or prod"),
            "{error}"
        );
    }
}
