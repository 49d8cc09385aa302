//! AdmissionReview v1, borrowed from the bytes that came: objects stay raw text until a rule needs them.

mod read;

use std::{borrow::Cow, collections::BTreeMap, str::Utf8Error};

use countersign_core::{
    gitops::{Authorship, unproven_authorship},
    json::Misplaced,
    object::{Change, Object, ObjectError},
    own::Own,
    parent::LiveParent,
    request::{Caller, Hidden, Operation, Request, Target},
};
use serde::Deserialize;

pub use self::read::parse;
use super::generated::is_generated;

/// One call of the webhook.
#[derive(Debug)]
pub struct AdmissionRequest<'a> {
    /// Fresh for each call: not an idempotency key (E1).
    pub uid: Cow<'a, str>,
    kind: Cow<'a, str>,
    resource: GroupVersionResource<'a>,
    subresource: Cow<'a, str>,
    name: Cow<'a, str>,
    namespace: Cow<'a, str>,
    operation: Operation,
    user_info: UserInfo<'a>,
    object: Option<&'a str>,
    old_object: Option<&'a str>,
    options: Option<&'a str>,
    dry_run: bool,
}

#[derive(Debug)]
struct GroupVersionResource<'a> {
    group: Cow<'a, str>,
    version: Cow<'a, str>,
    resource: Cow<'a, str>,
}

#[derive(Debug)]
struct UserInfo<'a> {
    username: Cow<'a, str>,
    uid: Cow<'a, str>,
    groups: Vec<Cow<'a, str>>,
    extra: Option<&'a str>,
}

/// Why a body is no review that can be judged.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// Not Unicode.
    #[error("the body is no AdmissionReview: {0}")]
    NotUnicode(#[from] Utf8Error),
    /// Not JSON objects within each other.
    #[error("the body is no AdmissionReview: {0}")]
    Malformed(#[from] Misplaced),
    /// A member that is there twice.
    #[error("the body is no AdmissionReview: `{0}` is there twice")]
    Duplicate(String),
    /// A member of another type.
    #[error("the body is no AdmissionReview: {field}: {source}")]
    Field {
        /// The member.
        field: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// Another kind or version.
    #[error("`{api_version}` `{kind}` is not AdmissionReview of admission.k8s.io/v1")]
    WrongVersion {
        /// What the body says.
        api_version: String,
        /// What the body says.
        kind: String,
    },
    /// A verb of a later API server.
    #[error("request.operation: `{0}` is none that is known")]
    UnknownOperation(String),
    /// One of the objects cannot be read.
    #[error("request.{field}: {source}")]
    Object {
        /// The field of the request.
        field: &'static str,
        /// What is wrong with it.
        source: ObjectError,
    },
    /// A member that every review, or this operation's, has to have is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
}

/// The uid of a review of which nothing else may be readable, to echo it.
#[must_use]
pub fn uid_of(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Uid {
        request: Request,
    }
    #[derive(Deserialize)]
    struct Request {
        uid: String,
    }
    serde_json::from_slice::<Uid>(body)
        .ok()
        .map(|review| review.request.uid)
}

/// The evidence of which credential was used: certificate digest or token id.
const CREDENTIAL_ID: &str = "authentication.kubernetes.io/credential-id";

impl<'a> AdmissionRequest<'a> {
    /// Whether nothing will be stored: asked so, or an eviction that says so itself (E11).
    pub fn is_dry_run(&self) -> bool {
        self.dry_run || self.evicts_dry().unwrap_or(false)
    }

    fn evicts_dry(&self) -> Option<bool> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Eviction {
            delete_options: Option<DeleteOptions>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct DeleteOptions {
            #[serde(default)]
            dry_run: Vec<String>,
        }
        if self.subresource != "eviction" {
            return None;
        }
        let eviction: Eviction = serde_json::from_str(self.object?).ok()?;
        Some(!eviction.delete_options?.dry_run.is_empty())
    }

    /// The raw username.
    pub fn username(&self) -> &str {
        &self.user_info.username
    }

    /// The id of the credential that the caller used, where the authenticator gives one.
    pub fn credential_id(&self) -> Option<String> {
        let mut extra: BTreeMap<String, Vec<String>> = serde_json::from_str(self.user_info.extra?).ok()?;
        extra.remove(CREDENTIAL_ID)?.into_iter().next()
    }

    /// The new object's text, as it was sent.
    pub const fn object(&self) -> Option<&'a str> {
        self.object
    }

    /// The old object's text.
    pub const fn old_object(&self) -> Option<&'a str> {
        self.old_object
    }

    /// The request as the rules see it. `own` is the object when it is of Countersign's own kinds.
    pub fn judged(
        &'a self,
        own: Option<&'a Own>,
        hidden: Option<&'a Hidden>,
    ) -> Result<Request<'a>, ReviewError> {
        Ok(Request {
            caller: self.caller(),
            operation: self.operation,
            target: self.target(),
            options: self.options.map(Object::new),
            change: self.change()?,
            hidden,
            live_parent: LiveParent::Unread,
            own,
            generates_name: self.generates_name(),
            dry_run: self.is_dry_run(),
        })
    }

    /// How the author of what the caller sends is known before anything is proven.
    pub fn authorship(&self) -> Authorship {
        let judged = self.judged(None, None);
        judged.map_or(Authorship::Unverified, |judged| unproven_authorship(&judged))
    }

    /// Whether the server chose the name.
    fn generates_name(&self) -> bool {
        let creates = self.operation == Operation::Create && self.target().subresource.is_empty();
        let object = self.object.map(Object::new).filter(|_| creates);
        object.is_some_and(|object| is_generated(&self.name, &object))
    }

    /// Takes the name from the object where the review has none, such as of a collection's items (E10).
    fn complete_name(&mut self) -> Result<(), ReviewError> {
        if !self.name.is_empty() {
            return Ok(());
        }
        let (field, text) = match self.operation {
            Operation::Create => ("object", self.object),
            Operation::Update | Operation::Delete => ("oldObject", self.old_object),
            Operation::Connect => return Ok(()),
        };
        let Some(object) = text.map(Object::new) else {
            return Ok(());
        };
        let name = object
            .name()
            .map_err(|source| ReviewError::Object { field, source })?;
        self.name = name.unwrap_or_default();
        Ok(())
    }

    /// Who asks, as the API server says.
    pub fn caller(&'a self) -> Caller<'a> {
        let user = &self.user_info;
        Caller {
            username: &user.username,
            uid: &user.uid,
            groups: &user.groups,
        }
    }

    /// What is about to be done.
    pub const fn operation(&self) -> Operation {
        self.operation
    }

    fn change(&self) -> Result<Change<'a>, ReviewError> {
        let new = || self.object.map(Object::new).ok_or(ReviewError::Missing("object"));
        let old = || self.old_object.map(Object::new);
        Ok(match self.operation {
            Operation::Create => Change::Create(new()?),
            Operation::Update => Change::Update {
                old: old().ok_or(ReviewError::Missing("oldObject"))?,
                new: new()?,
            },
            Operation::Delete => Change::Delete(old()),
            Operation::Connect => Change::Connect(self.object.map(Object::new)),
        })
    }

    /// The target in its canonical form, without the namespace that a Namespace's review has.
    pub fn target(&'a self) -> Target<'a> {
        let is_namespace = self.resource.group.is_empty() && self.resource.resource == "namespaces";
        Target {
            group: &self.resource.group,
            version: &self.resource.version,
            kind: &self.kind,
            resource: &self.resource.resource,
            subresource: &self.subresource,
            namespace: Some(&*self.namespace).filter(|namespace| !namespace.is_empty() && !is_namespace),
            name: &self.name,
        }
        .canonical()
    }
}

/// The uid in the beginning of a review that was not read whole: the API server writes it first in the request.
#[must_use]
pub fn uid_at_head(head: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(head);
    let (_, request) = text.split_once("\"request\":")?;
    let (_, uid) = request.split_once("\"uid\":\"")?;
    let (uid, _) = uid.split_once('"')?;
    Some(uid.to_owned())
}

#[cfg(test)]
mod tests;
