//! Rules for writes that never reach the webhook, so that they are possible while no replica of the operator runs,
//! and their form in CEL.

use countersign_core::{
    delegation::DelegatedResource,
    request::{Operation, SERVICE_ACCOUNT},
};

/// Writes of certain users that pass unseen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartupRule {
    /// Name of the rule, unique among its like.
    pub name: String,
    /// Who may write.
    pub writers: StartupWriters,
    /// What they may write.
    pub writes: Vec<StartupWrite>,
}

/// Who writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartupWriters {
    /// The users of exactly these names.
    Usernames(Vec<String>),
    /// Every kubelet: `system:node:<node>` in the group `system:nodes`.
    Kubelets,
}

/// A set of writes by operation, resource and place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartupWrite {
    /// The operations.
    pub operations: Vec<Operation>,
    /// The resources.
    pub resources: Vec<DelegatedResource>,
    /// Where.
    pub place: StartupPlace,
    /// The only object.
    pub object: StartupObject,
}

/// Where a write lands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartupPlace {
    /// Anywhere.
    Anywhere,
    /// In no namespace.
    ClusterScoped,
    /// In these namespaces.
    Namespaces(Vec<String>),
    /// In any namespace.
    AnyNamespace,
}

/// Which objects of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartupObject {
    /// All.
    Any,
    /// The one of this name.
    Named(String),
    /// The one that is named like the kubelet's node.
    OwnNode,
}

impl StartupRule {
    /// A CEL expression over `request` that is true for these writes.
    pub fn expression(&self) -> String {
        let writes: Vec<_> = self.writes.iter().map(StartupWrite::expression).collect();
        let writes = if writes.is_empty() {
            "false".to_owned()
        } else {
            writes.join(" || ")
        };
        format!("{} && ({writes})", self.writers.expression())
    }
}

impl StartupWriters {
    fn expression(&self) -> String {
        match self {
            // Who impersonates a service account has no uid, where every token of it tells one.
            Self::Usernames(usernames) if usernames.iter().any(|name| name.starts_with(SERVICE_ACCOUNT)) => {
                format!(
                    "{USERNAME} in [{}] && (!{USERNAME}.startsWith({}) || {UID} != '')",
                    list(usernames),
                    quote(SERVICE_ACCOUNT)
                )
            }
            Self::Usernames(usernames) => format!("{USERNAME} in [{}]", list(usernames)),
            Self::Kubelets => format!("{USERNAME}.startsWith('system:node:') && 'system:nodes' in {GROUPS}"),
        }
    }
}

pub(super) const USERNAME: &str = "request.?userInfo.?username.orValue('')";
pub(super) const UID: &str = "request.?userInfo.?uid.orValue('')";
pub(super) const GROUPS: &str = "request.?userInfo.?groups.orValue([])";
pub(super) const NAMESPACE: &str = "request.?namespace.orValue('')";
const OBJECT: &str = "request.?name.orValue('')";
const RESOURCE: &str =
    "[request.resource.group, request.resource.resource, request.?subResource.orValue('')]";

impl StartupWrite {
    /// These operations on resources of (group, resource, subresource), everywhere.
    pub(super) fn of(operations: &[Operation], resources: &[(&str, &str, &str)]) -> Self {
        let resource = |(group, resource, subresource): &(&str, &str, &str)| DelegatedResource {
            group: (*group).into(),
            resource: (*resource).into(),
            subresource: (*subresource).into(),
        };
        Self {
            operations: operations.to_vec(),
            resources: resources.iter().map(resource).collect(),
            place: StartupPlace::Anywhere,
            object: StartupObject::Any,
        }
    }

    /// A CEL expression over `request` that is true for these writes.
    pub(super) fn expression(&self) -> String {
        let operations: Vec<_> = self
            .operations
            .iter()
            .map(|operation| operation.as_str().to_uppercase())
            .collect();
        let mut terms = vec![
            format!("request.operation in [{}]", list(&operations)),
            format!("{RESOURCE} in [{}]", self.resources()),
        ];
        terms.extend(self.place.expression());
        match &self.object {
            StartupObject::Any => {}
            StartupObject::Named(name) => terms.push(format!("{OBJECT} == {}", quote(name))),
            StartupObject::OwnNode => terms.push(format!("{USERNAME} == 'system:node:' + {OBJECT}")),
        }
        format!("({})", terms.join(" && "))
    }

    fn resources(&self) -> String {
        let resources = self.resources.iter().map(|resource| {
            let DelegatedResource {
                group,
                resource,
                subresource,
            } = resource;
            format!("[{}]", list(&[group, resource, subresource]))
        });
        resources.collect::<Vec<_>>().join(", ")
    }
}

impl StartupPlace {
    fn expression(&self) -> Option<String> {
        match self {
            Self::Anywhere => None,
            Self::ClusterScoped => Some(format!("{NAMESPACE} == ''")),
            Self::Namespaces(names) => Some(format!("{NAMESPACE} in [{}]", list(names))),
            Self::AnyNamespace => Some(format!("{NAMESPACE} != ''")),
        }
    }
}

/// A CEL string literal.
pub(super) fn quote(text: &str) -> String {
    let escaped = text.chars().fold(String::new(), |mut escaped, c| {
        match c {
            '\'' | '\\' => escaped.extend(['\\', c]),
            c if c.is_control() => escaped.extend(format!("\\u{:04x}", u32::from(c)).chars()),
            c => escaped.push(c),
        }
        escaped
    });
    format!("'{escaped}'")
}

fn list(texts: &[impl AsRef<str>]) -> String {
    texts
        .iter()
        .map(|text| quote(text.as_ref()))
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a CEL lexer makes of the literal at the beginning of a text, and the text behind it.
    fn lexed(text: &str) -> Option<(String, &str)> {
        let mut chars = text.strip_prefix('\'')?.chars();
        let mut value = String::new();
        loop {
            match chars.next()? {
                '\'' => return Some((value, chars.as_str())),
                '\n' | '\r' => return None,
                '\\' => match chars.next()? {
                    'u' => {
                        let code: String = chars.by_ref().take(4).collect();
                        value.push(char::from_u32(u32::from_str_radix(&code, 16).ok()?)?);
                    }
                    c @ ('\'' | '\\') => value.push(c),
                    _ => return None,
                },
                c => value.push(c),
            }
        }
    }

    proptest! {
        #[test]
        fn no_name_breaks_out_of_its_literal(
            name in prop_oneof![any::<String>(), "['\"\\\\nu0-9 |&()\\[\\]\n\r\t\u{7f}\u{85}\u{2028}\u{202e}]{0,12}"],
            rest in any::<String>(),
        ) {
            let text = format!("{}{rest}", quote(&name));
            prop_assert_eq!(lexed(&text), Some((name, rest.as_str())));
        }
    }

    #[test]
    fn literals_cannot_be_left() {
        assert_eq!(quote("it's"), r"'it\'s'");
        assert_eq!(quote("\\' || true || '"), r"'\\\' || true || \''");
        assert_eq!(quote("a\nb"), r"'a\u000ab'");
    }

    #[test]
    fn a_rule_without_writes_is_never_true() {
        let rule = StartupRule {
            name: "x".to_owned(),
            writers: StartupWriters::Usernames(vec!["x".to_owned()]),
            writes: Vec::new(),
        };
        assert_eq!(
            rule.expression(),
            "request.?userInfo.?username.orValue('') in ['x'] && (false)"
        );
    }

    #[test]
    fn every_part_of_a_write_narrows_it() {
        let write = StartupWrite {
            operations: vec![Operation::Create, Operation::Update],
            resources: vec![DelegatedResource {
                group: "apps".into(),
                resource: "deployments".into(),
                subresource: "scale".into(),
            }],
            place: StartupPlace::Namespaces(vec!["a".to_owned(), "b".to_owned()]),
            object: StartupObject::Named("web".to_owned()),
        };
        assert_eq!(
            write.expression(),
            "(request.operation in ['CREATE', 'UPDATE'] \
             && [request.resource.group, request.resource.resource, request.?subResource.orValue('')] \
             in [['apps', 'deployments', 'scale']] && request.?namespace.orValue('') in ['a', 'b'] && request.?name.orValue('') == 'web')"
        );
    }
}
