//! One admission request: who asks, for what operation, on which object, with what change.

use std::fmt;

use smol_str::{SmolStr, SmolStrBuilder};

use crate::{
    identity::Identity,
    object::{Change, Object},
    own::Own,
    parent::LiveParent,
};

/// What the API server is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum Operation {
    /// A new object, or a call of a subresource that has a body and no predecessor (eviction, binding, token).
    Create,
    /// A changed object: PUT, any PATCH, apply.
    Update,
    /// A removed object, alone or as part of a collection.
    Delete,
    /// A connection: exec, attach, port-forward, proxy.
    Connect,
}

impl Operation {
    /// The operation as users write it in kinds: `Create`, `Update`, `Delete`, `Connect`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "Create",
            Self::Update => "Update",
            Self::Delete => "Delete",
            Self::Connect => "Connect",
        }
    }

    /// The last word of an action: `create`, `update`, `delete`, `connect`.
    pub const fn verb(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Connect => "connect",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Operation {
    type Err = UnknownOperation;

    fn from_str(text: &str) -> Result<Self, UnknownOperation> {
        [Self::Create, Self::Update, Self::Delete, Self::Connect]
            .into_iter()
            .find(|operation| operation.as_str() == text)
            .ok_or_else(|| UnknownOperation(text.to_owned()))
    }
}

/// A text that names no operation.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not an operation: use Create, Update, Delete or Connect")]
pub struct UnknownOperation(pub String);

/// The caller as the API server authenticated it (`userInfo`); impersonation replaces it (E21).
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// The raw username.
    pub username: &'a str,
    /// The uid, empty when the authenticator gives none; of a service account the account's own.
    pub uid: &'a str,
    /// The groups; absent and empty are the same: none.
    pub groups: &'a [std::borrow::Cow<'a, str>],
}

impl<'a> Caller<'a> {
    /// Namespace and name, when the caller is a service account.
    pub fn service_account(&self) -> Option<(&'a str, &'a str)> {
        service_account(self.username)
    }

    /// Whether this is a service account in name only. Every token tells the account's uid; who impersonates has one
    /// only with the right to impersonate uids, which no role of a namespace gives.
    pub fn is_account_in_name_only(&self) -> bool {
        self.uid.is_empty() && self.service_account().is_some()
    }
}

/// What the username of every service account begins with.
pub const SERVICE_ACCOUNT: &str = "system:serviceaccount:";

/// Namespace and name, when the username is a service account's.
pub fn service_account(username: &str) -> Option<(&str, &str)> {
    username.strip_prefix(SERVICE_ACCOUNT)?.split_once(':')
}

/// The object that a request writes, borrowed from the review.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// API group, empty for the core group.
    pub group: &'a str,
    /// API version of the request; `*/*` rules never convert.
    pub version: &'a str,
    /// Kind of the body: of a subresource the body's kind (`Scale`, `Eviction`).
    pub kind: &'a str,
    /// Plural resource name without the subresource.
    pub resource: &'a str,
    /// Subresource, empty for the object itself.
    pub subresource: &'a str,
    /// Namespace, `None` for cluster-scoped objects, Namespaces among them.
    pub namespace: Option<&'a str>,
    /// Name.
    pub name: &'a str,
}

/// The first segment of a cluster-scoped object's place.
pub const CLUSTER: &str = "@cluster";

impl<'a> Target<'a> {
    /// Whether a call says nothing of the object it acts on but its name: eviction, binding, token, CONNECT.
    pub const fn hides_its_object(&self, operation: Operation) -> bool {
        match operation {
            Operation::Create => !self.subresource.is_empty(),
            Operation::Connect => true,
            Operation::Update | Operation::Delete => false,
        }
    }

    /// The object itself, of which this may be a subresource.
    #[must_use]
    pub fn parent(&self) -> Self {
        Self {
            subresource: "",
            name: self.parent_name(),
            ..*self
        }
    }

    /// The name of the object: a proxy's name may carry a scheme and a port besides, `https:web:8443`.
    fn parent_name(&self) -> &'a str {
        let proxied = self.subresource == "proxy" && self.group.is_empty();
        let mut parts = self.name.split(':');
        match (proxied, parts.next(), parts.next(), parts.next()) {
            (true, Some(_scheme), Some(name), Some(_port)) => name,
            (true, Some(name), ..) => name,
            _ => self.name,
        }
    }

    /// The same write under the name that the rules know: a Binding that is posted to `bindings` is no object of
    /// its own, it binds the pod of its name as `pods/binding` does.
    #[must_use]
    pub fn canonical(self) -> Self {
        match (self.group, self.resource, self.subresource) {
            ("", "bindings", "") => Self {
                resource: "pods",
                subresource: "binding",
                ..self
            },
            _ => self,
        }
    }

    /// `<resource>.<group>`, or `<resource>` in the core group: the second segment of the object space.
    pub fn resource_type(&self) -> SmolStr {
        let mut text = SmolStrBuilder::new();
        text.push_str(self.resource);
        if !self.group.is_empty() {
            text.push_str(".");
            text.push_str(self.group);
        }
        text.finish()
    }

    /// `<group>/<version>`, or the version alone in the core group.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// The namespace, or `@cluster`: the first segment of the object space, and the project of a resource name.
    pub fn project(&self) -> &str {
        self.namespace.unwrap_or(CLUSTER)
    }

    /// The place in the object space: `<namespace>/<resource>.<group>/<name>`.
    pub fn place(&self) -> String {
        format!("{}/{}/{}", self.project(), self.resource_type(), self.name)
    }

    /// Whether this is `resource` of `group`, any subresource.
    pub fn is(&self, group: &str, resource: &str) -> bool {
        self.group == group && self.resource == resource
    }
}

/// What one admission call asks.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// Who asks.
    pub caller: Caller<'a>,
    /// What is about to be done.
    pub operation: Operation,
    /// To which object.
    pub target: Target<'a>,
    /// With which content.
    pub change: Change<'a>,
    /// The call's own options (DeleteOptions and the like).
    pub options: Option<Object<'a>>,
    /// The existing object, where the change does not hold it: eviction, binding, token, CONNECT. None when nobody
    /// looked.
    pub hidden: Option<&'a Hidden>,
    /// What is known of the parent that the object names, where a delegation asks for it.
    pub live_parent: LiveParent,
    /// The object that would be, when it is one of Countersign's own kinds.
    pub own: Option<&'a Own>,
    /// Whether the server chooses the name, up to eight times over (E7).
    pub generates_name: bool,
    /// Whether nothing will be stored.
    pub dry_run: bool,
}

/// What a quorum read shows of the object that a request hides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hidden {
    /// Its uid.
    pub uid: String,
    /// Of a pod the name of its service account, if it has one.
    pub service_account: Option<String>,
}

/// Who asks, after authentication: an identity and the teams it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The identity.
    pub identity: Identity,
    /// The teams that hold it, as members or through directory groups.
    pub teams: Vec<Identity>,
    /// The highest role that its directory groups give.
    pub group_role: Option<crate::role::Role>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target<'a>(group: &'a str, namespace: Option<&'a str>) -> Target<'a> {
        Target {
            group,
            version: "v1",
            kind: "Thing",
            resource: "things",
            subresource: "",
            namespace,
            name: "one",
        }
    }

    #[test]
    fn a_place_has_three_segments() {
        for (group, namespace, place, api_version) in [
            ("", Some("shop"), "shop/things/one", "v1"),
            ("apps", Some("shop"), "shop/things.apps/one", "apps/v1"),
            ("apps", None, "@cluster/things.apps/one", "apps/v1"),
        ] {
            let target = target(group, namespace);
            assert_eq!(
                (target.place().as_str(), target.api_version().as_str()),
                (place, api_version)
            );
        }
    }

    #[test]
    fn only_a_proxied_name_of_the_core_group_holds_more_than_a_name() {
        let named = |group, subresource, name| Target {
            subresource,
            name,
            ..target(group, Some("shop"))
        };
        for (group, subresource, name, of_object) in [
            ("", "proxy", "one", "one"),
            ("", "proxy", "one:80", "one"),
            ("", "proxy", "https:one:80", "one"),
            ("", "proxy", "https:one:", "one"),
            ("", "exec", "one:80", "one:80"),
            ("x.example.com", "proxy", "one:80", "one:80"),
        ] {
            let parent = named(group, subresource, name).parent();
            assert_eq!((parent.name, parent.subresource), (of_object, ""), "{name}");
        }
    }

    #[test]
    fn operations_are_read_as_they_are_written() {
        for (operation, text, verb) in [
            (Operation::Create, "Create", "create"),
            (Operation::Update, "Update", "update"),
            (Operation::Delete, "Delete", "delete"),
            (Operation::Connect, "Connect", "connect"),
        ] {
            assert_eq!(text.parse(), Ok(operation));
            assert_eq!((operation.to_string().as_str(), operation.verb()), (text, verb));
        }
        let unknown = "Patch".parse::<Operation>();
        assert_eq!(unknown, Err(UnknownOperation("Patch".to_owned())));
    }

    #[test]
    fn an_account_has_a_namespace_and_a_name() {
        let account = |username| {
            let (uid, groups) = ("", &[][..]);
            Caller {
                username,
                uid,
                groups,
            }
            .service_account()
        };
        assert_eq!(account("system:serviceaccount:ci:bot"), Some(("ci", "bot")));
        for nobody in [
            "system:serviceaccount:ci",
            "serviceaccount:ci:bot",
            "ci:bot",
            "alice",
        ] {
            assert_eq!(account(nobody), None, "{nobody}");
        }
    }

    const POD: Target<'_> = Target {
        group: "",
        version: "v1",
        kind: "Binding",
        resource: "pods",
        subresource: "binding",
        namespace: Some("billing"),
        name: "web",
    };

    #[test]
    fn a_binding_is_a_write_of_its_pod_wherever_it_is_posted() {
        let posted = Target {
            resource: "bindings",
            subresource: "",
            ..POD
        };
        assert_eq!(posted.canonical(), POD);
        assert_eq!(POD.canonical(), POD);
        for other in [
            Target {
                group: "example.com",
                ..posted
            },
            Target {
                subresource: "status",
                ..posted
            },
        ] {
            assert_eq!(other.canonical(), other, "another resource, another part");
        }
    }
}
