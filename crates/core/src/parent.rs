//! Live parents: the object that controls another one, named by it and proven to live by a read of the cluster.

use std::{fmt, sync::Arc};

use crate::{
    object::{ObjectError, OwnerReference},
    request::Request,
};

/// The kind that must control an object; any version of it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParentKind {
    /// API group, empty for the core group.
    pub group: Arc<str>,
    /// Kind.
    pub kind: Arc<str>,
}

impl fmt::Display for ParentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { group, kind } = self;
        let dot = if group.is_empty() { "" } else { "." };
        write!(f, "{kind}{dot}{group}")
    }
}

/// An object that another one names as its controller; whether it is there is not said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedParent {
    /// API group, empty for the core group.
    pub group: String,
    /// API version.
    pub version: String,
    /// Kind.
    pub kind: String,
    /// The namespace of the object that names it, where its parent is, unless that is cluster-scoped.
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
    /// Uid.
    pub uid: String,
}

/// What a read of the cluster showed of the parent that the request's object names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LiveParent {
    /// Nobody looked: nothing asked for it yet.
    Unread,
    /// It lives, and has this uid.
    Lives(String),
    /// It was not seen, for this reason.
    Unseen(String),
}

/// Why it is not known that a living object of the right kind controls the object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    /// Evictions, bindings, tokens and connections carry no object.
    #[error("the request does not show the object")]
    Hidden,
    /// The owner references are none.
    #[error(transparent)]
    Unreadable(#[from] ObjectError),
    /// No owner reference, or several, say `controller: true`.
    #[error("nothing controls it")]
    Orphan,
    /// Another kind controls it.
    #[error("a `{}` controls it", .0.escape_debug())]
    Foreign(String),
    /// Nobody looked whether this parent lives.
    #[error("whether {} `{}` lives is not known", .0.kind, .0.name)]
    Unread(Box<NamedParent>),
    /// It was not found alive.
    #[error("{0}")]
    Unseen(String),
}

impl ParentKind {
    /// Whether a living object of this kind controls the request's object: of a new object as it would be, of any
    /// other as it was before the write.
    pub fn controls(&self, request: &Request<'_>) -> Result<(), Unproven> {
        let parent = named_by(request)?;
        if *self.group != *parent.group || *self.kind != *parent.kind {
            let kind = ParentKind {
                group: parent.group.into(),
                kind: parent.kind.into(),
            };
            return Err(Unproven::Foreign(kind.to_string()));
        }
        match &request.live_parent {
            LiveParent::Lives(uid) if *uid == parent.uid => Ok(()),
            LiveParent::Lives(_) => Err(Unproven::Unseen("another object was looked at".to_owned())),
            LiveParent::Unseen(why) => Err(Unproven::Unseen(why.clone())),
            LiveParent::Unread => Err(Unproven::Unread(Box::new(parent))),
        }
    }
}

/// The parent that the request's object names.
fn named_by(request: &Request<'_>) -> Result<NamedParent, Unproven> {
    let object = request.change.before().or_else(|| request.change.after());
    // The body of a call is its sender's, and no object: what it says of owners proves nothing.
    let object = object
        .filter(|_| !request.target.hides_its_object(request.operation))
        .ok_or(Unproven::Hidden)?;
    let mut controllers = object
        .owner_references()?
        .into_iter()
        .filter(|owner| owner.controller == Some(true));
    match (controllers.next(), controllers.next()) {
        (Some(owner), None) => Ok(NamedParent::of(&owner, request.target.namespace)),
        _ => Err(Unproven::Orphan),
    }
}

impl NamedParent {
    fn of(owner: &OwnerReference<'_>, namespace: Option<&str>) -> Self {
        let (group, version) = owner
            .api_version
            .split_once('/')
            .unwrap_or(("", &owner.api_version));
        Self {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: owner.kind.to_string(),
            namespace: namespace.map(str::to_owned),
            name: owner.name.to_string(),
            uid: owner.uid.to_string(),
        }
    }
}
