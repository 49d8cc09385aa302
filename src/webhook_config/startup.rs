//! Rules for writes that never reach the webhook, so that they are possible while no replica of the operator runs,
//! and their form in CEL.

use countersign_core::request::Operation;

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
    /// API group, empty for the core group.
    pub group: String,
    /// Plural resource name.
    pub resource: String,
    /// Subresource, empty for the object itself.
    pub subresource: String,
    /// The only namespaces; everywhere when there is none.
    pub namespaces: Vec<String>,
    /// The only object.
    pub object: StartupObject,
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
            Self::Usernames(usernames) => format!("{USERNAME} in [{}]", list(usernames)),
            Self::Kubelets => format!("{USERNAME}.startsWith('system:node:') && 'system:nodes' in {GROUPS}"),
        }
    }
}

pub(super) const USERNAME: &str = "request.?userInfo.?username.orValue('')";
pub(super) const GROUPS: &str = "request.?userInfo.?groups.orValue([])";
pub(super) const NAMESPACE: &str = "request.?namespace.orValue('')";
const OBJECT: &str = "request.?name.orValue('')";

impl StartupWrite {
    /// These operations on the objects of one resource, everywhere.
    pub(super) fn of(operations: &[Operation], (group, resource): (&str, &str)) -> Self {
        Self {
            operations: operations.to_vec(),
            group: group.to_owned(),
            resource: resource.to_owned(),
            subresource: String::new(),
            namespaces: Vec::new(),
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
            format!("request.resource.group == {}", quote(&self.group)),
            format!("request.resource.resource == {}", quote(&self.resource)),
            format!("request.?subResource.orValue('') == {}", quote(&self.subresource)),
        ];
        if !self.namespaces.is_empty() {
            terms.push(format!("{NAMESPACE} in [{}]", list(&self.namespaces)));
        }
        match &self.object {
            StartupObject::Any => {}
            StartupObject::Named(name) => terms.push(format!("{OBJECT} == {}", quote(name))),
            StartupObject::OwnNode => terms.push(format!("{USERNAME} == 'system:node:' + {OBJECT}")),
        }
        format!("({})", terms.join(" && "))
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

fn list(texts: &[String]) -> String {
    texts
        .iter()
        .map(|text| quote(text))
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

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
            group: "apps".to_owned(),
            resource: "deployments".to_owned(),
            subresource: "scale".to_owned(),
            namespaces: vec!["a".to_owned(), "b".to_owned()],
            object: StartupObject::Named("web".to_owned()),
        };
        assert_eq!(
            write.expression(),
            "(request.operation in ['CREATE', 'UPDATE'] && request.resource.group == 'apps' \
             && request.resource.resource == 'deployments' && request.?subResource.orValue('') == 'scale' \
             && request.?namespace.orValue('') in ['a', 'b'] && request.?name.orValue('') == 'web')"
        );
    }
}
