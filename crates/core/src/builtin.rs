//! The control plane's own delegations: exact identity, resource and operation, built in.
//!
//! Found by running the components and looking (`--use-service-account-credentials`). What a cluster needs to
//! start with the operator down is compiled into `matchConditions` besides and never arrives here.

mod rows;

use std::fmt;

use self::rows::BUILTINS;
use crate::{
    object::{Change, Object},
    request::{Operation, Request, SERVICE_ACCOUNT, service_account},
    snapshot::Snapshot,
};

/// One row: who may write what by itself, and under which condition.
#[derive(Debug)]
pub struct Builtin {
    /// The writer, and what it writes; stable, since records and metrics cite it.
    name: &'static str,
    who: Who,
    resources: &'static [(&'static str, &'static str)],
    operations: &'static [Operation],
    when: When,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    /// A service account in kube-system.
    Controller(&'static str),
    /// A username as it is.
    User(&'static str),
    /// The API server's client of itself: it has a uid, new at each start, and the group `system:masters`.
    ApiServer,
    /// A kubelet: a `system:node:` username in the group `system:nodes`.
    Node,
    /// A machine that is about to become a node, by its bootstrap token.
    Bootstrapper,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Always,
    /// Only these granules change, and what lies below them.
    Changes(&'static [&'static str]),
    /// The namespace of the object is being deleted.
    NamespaceTerminates,
    /// The object is of this name.
    Named(&'static str),
    /// The object lies in this namespace.
    In(&'static str),
    /// The object of this namespace and name.
    Exactly(&'static str, &'static str),
    /// The object is named as this kubelet's node, or a pod bound to it; of a pod, only `status` changes.
    OwnNode,
    /// The pod is bound to this kubelet's node, and is being deleted already or only mirrors a static one.
    OwnGonePod,
    /// The slice lists devices of this kubelet's node alone.
    OwnSlice,
}

/// What changes in a request, asked for only when a row depends on it.
pub type Changed<'a> = dyn Fn() -> Option<Vec<String>> + 'a;

/// The name of the built-in delegation that covers the request. `changed` lists the granules that change; `None` when
/// they cannot be told, which covers nothing.
pub fn covering(request: &Request<'_>, snapshot: &Snapshot, changed: &Changed<'_>) -> Option<&'static str> {
    let row = BUILTINS
        .iter()
        .find(|row| row.covers(request, snapshot, changed))?;
    Some(row.name)
}

/// Everything that the built-in delegations let anybody write, under whatever condition.
pub fn writes() -> impl Iterator<Item = Write> {
    BUILTINS.iter().flat_map(|row| {
        row.resources.iter().flat_map(|(group, resource)| {
            row.operations.iter().map(|operation| Write {
                row: row.name,
                writer: row.who.to_string(),
                operation: *operation,
                group,
                resource,
            })
        })
    })
}

/// One operation on one resource by one writer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// Name of the row.
    pub row: &'static str,
    /// The username; `*` stands for the part of it that differs.
    pub writer: String,
    /// The operation.
    pub operation: Operation,
    /// The API group; `*` is any.
    pub group: &'static str,
    /// `<resource>` or `<resource>/<subresource>`; `*` is any resource.
    pub resource: &'static str,
}

/// Whether the control plane writes under this name by itself: whoever has its credential may do so, too.
pub fn acts_as(username: &str) -> bool {
    BUILTINS.iter().any(|row| row.who.has(username))
}

impl Builtin {
    fn covers(&self, request: &Request<'_>, snapshot: &Snapshot, changed: &Changed<'_>) -> bool {
        self.who.is(request)
            && self.operations.contains(&request.operation)
            && self.resources.iter().any(|resource| matches(*resource, request))
            && self.when.holds(request, snapshot, changed)
    }
}

impl fmt::Display for Write {
    /// `<row> <operation> <resource>`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.row, self.operation, self.resource)
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Controller(name) => write!(f, "{SERVICE_ACCOUNT}kube-system:{name}"),
            Self::User(name) => f.write_str(name),
            Self::ApiServer => f.write_str(API_SERVER),
            Self::Bootstrapper => write!(f, "{BOOTSTRAP_PREFIX}*"),
            Self::Node => write!(f, "{NODE_PREFIX}*"),
        }
    }
}

impl Who {
    fn has(self, username: &str) -> bool {
        match self {
            Self::Controller(name) => service_account(username) == Some(("kube-system", name)),
            Self::User(name) => username == name,
            Self::ApiServer => username == API_SERVER,
            Self::Bootstrapper => username.starts_with(BOOTSTRAP_PREFIX),
            Self::Node => username.starts_with(NODE_PREFIX),
        }
    }

    fn is(self, request: &Request<'_>) -> bool {
        let caller = &request.caller;
        match self {
            Self::Controller(name) => caller.service_account() == Some(("kube-system", name)),
            Self::User(name) => caller.username == name,
            Self::ApiServer => {
                caller.username == API_SERVER
                    && !caller.uid.is_empty()
                    && caller.groups.iter().any(|g| g == MASTERS)
            }
            Self::Bootstrapper => {
                caller.username.starts_with(BOOTSTRAP_PREFIX)
                    && caller.groups.iter().any(|g| g == "system:bootstrappers")
            }
            Self::Node => {
                caller.username.starts_with(NODE_PREFIX) && caller.groups.iter().any(|g| g == "system:nodes")
            }
        }
    }
}

const NODE_PREFIX: &str = "system:node:";
const BOOTSTRAP_PREFIX: &str = "system:bootstrap:";

/// The username of the API server's client of itself.
pub const API_SERVER: &str = "system:apiserver";

/// The group that Kubernetes lets do anything.
pub const MASTERS: &str = "system:masters";

fn matches((group, resource): (&str, &str), request: &Request<'_>) -> bool {
    let target = &request.target;
    let (name, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let any = name == "*" && subresource.is_empty();
    (group == "*" || group == target.group)
        && (name == "*" || name == target.resource)
        && (any || subresource == target.subresource)
}

impl When {
    fn holds(self, request: &Request<'_>, snapshot: &Snapshot, changed: &Changed<'_>) -> bool {
        let target = &request.target;
        match self {
            Self::Always => true,
            Self::Named(name) => target.name == name,
            Self::In(namespace) => target.namespace == Some(namespace),
            Self::Exactly(namespace, name) => target.namespace == Some(namespace) && target.name == name,
            Self::Changes(allowed) => {
                changed().is_some_and(|changed| crate::delegation::within(&changed, allowed))
            }
            Self::NamespaceTerminates => target
                .namespace
                .and_then(|name| snapshot.namespaces.get(name))
                .is_some_and(|namespace| namespace.terminating),
            Self::OwnNode => own_node(request, changed).unwrap_or(false),
            Self::OwnGonePod => own_gone_pod(request).unwrap_or(false),
            Self::OwnSlice => own_slice(request).unwrap_or(false),
        }
    }
}

fn own_node(request: &Request<'_>, changed: &Changed<'_>) -> Option<bool> {
    let node = own(request)?;
    if request.target.resource != "pods" {
        let at_home = matches!(request.target.namespace, None | Some("kube-node-lease"));
        return Some(at_home && request.target.name == node);
    }
    match &request.change {
        Change::Create(pod) => Some(is_of(pod, node)? && is_mirror(pod)?),
        Change::Update { old, .. } => {
            Some(is_of(old, node)? && crate::delegation::within(&changed()?, &["/status"]))
        }
        Change::Delete(_) | Change::Connect(_) => None,
    }
}

fn own_gone_pod(request: &Request<'_>) -> Option<bool> {
    let Change::Delete(Some(pod)) = &request.change else {
        return None;
    };
    let is_gone = pod.deletion_timestamp().ok()?.is_some() || is_mirror(pod)?;
    Some(is_gone && is_of(pod, own(request)?)?)
}

fn own_slice(request: &Request<'_>) -> Option<bool> {
    let Change::Delete(Some(slice)) = &request.change else {
        return None;
    };
    is_of(slice, own(request)?)
}

/// The node of the kubelet that asks.
fn own<'a>(request: &Request<'a>) -> Option<&'a str> {
    request.caller.username.strip_prefix(NODE_PREFIX)
}

/// Whether a pod is bound to a node, or a slice is the node's.
fn is_of(object: &Object<'_>, node: &str) -> Option<bool> {
    Some(object.field(&["spec", "nodeName"]).ok()?? == format!("\"{node}\""))
}

/// Whether a pod is the kubelet's picture of a static one.
fn is_mirror(pod: &Object<'_>) -> Option<bool> {
    Some(pod.annotation("kubernetes.io/config.mirror").ok()?.is_some())
}

#[cfg(test)]
mod tests;
