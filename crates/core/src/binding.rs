//! What a ticket is bound to: who, where, which object, which operation, which content.

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;

use crate::{
    digest::Digest,
    environment::Environment,
    hash::canonical_strings,
    identity::Identity,
    request::{Operation, Target},
    zone_claim::{self, ZoneClaim},
};

/// The object of a binding, owned.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct BoundTarget {
    /// API group, empty for the core group.
    pub group: String,
    /// API version of the request.
    pub version: String,
    /// Kind of the body.
    pub kind: String,
    /// Plural resource name.
    pub resource: String,
    /// Subresource, or empty.
    pub subresource: String,
    /// Namespace; `None` for cluster-scoped objects.
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
    /// The existing object's uid; `None` when the write creates it.
    pub uid: Option<String>,
}

impl BoundTarget {
    /// The target without its uid, borrowed.
    pub fn target(&self) -> Target<'_> {
        Target {
            group: &self.group,
            version: &self.version,
            kind: &self.kind,
            resource: &self.resource,
            subresource: &self.subresource,
            namespace: self.namespace.as_deref(),
            name: &self.name,
        }
    }

    /// An owned copy of a request's target.
    pub fn of(target: &Target<'_>, uid: Option<&str>) -> Self {
        Self {
            group: target.group.to_owned(),
            version: target.version.to_owned(),
            kind: target.kind.to_owned(),
            resource: target.resource.to_owned(),
            subresource: target.subresource.to_owned(),
            namespace: target.namespace.map(str::to_owned),
            name: target.name.to_owned(),
            uid: uid.map(str::to_owned),
        }
    }
}

/// The binding of one change, without the nonce that makes each ticket its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The uid of the namespace kube-system of this cluster.
    pub cluster_id: String,
    /// Who may use the ticket.
    pub subject: Identity,
    /// The environment in which it may be used.
    pub environment: Environment,
    /// The object.
    pub target: BoundTarget,
    /// The operation.
    pub operation: Operation,
    /// Digest of what the write changes.
    pub resource_hash: Digest,
    /// Digest of the values that it replaces; `None` for a create, a delete and a connection.
    pub old_hash: Option<Digest>,
    /// Digest of the options: of a connection all, of a delete the normalised DeleteOptions.
    pub command_hash: Option<Digest>,
    /// The zones that the write claims, sorted: their present owners acknowledge it.
    pub zone_claims: Vec<ZoneClaim>,
}

impl Binding {
    /// `object.<resource>[.<group>][.<subresource>].<verb>`: the action in its unaliased form; `zone.claim` of a write
    /// that claims zones.
    pub fn action(&self) -> String {
        if !self.zone_claims.is_empty() {
            return zone_claim::ACTION.to_owned();
        }
        action(&self.target.target(), self.operation)
    }

    /// `<resource>.<group>:<project>/<env>/<name>`: the resource in its unaliased form.
    pub fn resource(&self) -> String {
        resource(&self.target.target(), self.environment)
    }

    /// The digest that all tickets for this binding share.
    pub fn digest(&self) -> Digest {
        self.hash(None)
    }

    /// The binding hash: `sha256("countersign.dev/binding/v1\n" + JCS)` over string values, absent fields left out.
    pub fn hash(&self, nonce: Option<&str>) -> Digest {
        let (resource_hash, old_hash) = (self.resource_hash.to_string(), text(self.old_hash.as_ref()));
        let (command_hash, action, resource) =
            (text(self.command_hash.as_ref()), self.action(), self.resource());
        let target = &self.target;
        let claims: Vec<_> = self.zone_claims.iter().map(ZoneClaim::to_string).collect();
        let claims = Some(claims.join(",")).filter(|claims| !claims.is_empty());
        let fields = [
            ("clusterID", Some(self.cluster_id.as_str())),
            ("subjectID", Some(self.subject.as_str())),
            ("env", Some(self.environment.as_str())),
            ("action", Some(&action)),
            ("resource", Some(&resource)),
            ("target.group", Some(&target.group)),
            ("target.version", Some(&target.version)),
            ("target.kind", Some(&target.kind)),
            ("target.resource", Some(&target.resource)),
            (
                "target.subresource",
                Some(target.subresource.as_str()).filter(|text| !text.is_empty()),
            ),
            ("target.namespace", target.namespace.as_deref()),
            ("target.name", Some(&target.name)),
            ("target.uid", target.uid.as_deref()),
            ("operation", Some(self.operation.as_str())),
            ("resourceHash", Some(&resource_hash)),
            ("oldHash", old_hash.as_deref()),
            ("commandHash", command_hash.as_deref()),
            ("zoneClaims", claims.as_deref()),
            ("nonce", nonce),
        ];
        let present: BTreeMap<_, _> = fields
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?)))
            .collect();
        Digest::of(&[
            b"countersign.dev/binding/v1\n",
            canonical_strings(&present).as_bytes(),
        ])
    }

    /// What one claim of a ticket holds on to: the ticket, and this very effective change.
    pub fn bind(&self, ticket_uid: &str) -> Digest {
        Digest::of(&[
            b"countersign.dev/bind/v1\n",
            ticket_uid.as_bytes(),
            b"\n",
            self.digest().as_bytes(),
        ])
    }
}

/// The action of an operation on a target.
pub fn action(target: &Target<'_>, operation: Operation) -> String {
    let dotted = |part: &str| {
        if part.is_empty() {
            String::new()
        } else {
            format!(".{part}")
        }
    };
    let (group, subresource) = (dotted(target.group), dotted(target.subresource));
    format!(
        "object.{}{group}{subresource}.{}",
        target.resource,
        operation.verb()
    )
}

/// The resource name of a target in an environment.
pub fn resource(target: &Target<'_>, environment: Environment) -> String {
    format!(
        "{}:{}/{environment}/{}",
        target.resource_type(),
        target.project(),
        target.name
    )
}

fn text(digest: Option<&Digest>) -> Option<String> {
    digest.map(Digest::to_string)
}

/// A short name for a reader: verb, kind and place.
impl fmt::Display for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of {} by {}",
            self.operation.verb(),
            self.target.target().place(),
            self.subject
        )
    }
}

/// When the operator pins a time into a ticket, it is this far in whole seconds: what JSON shows is what counts.
pub fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

#[cfg(test)]
mod tests;
