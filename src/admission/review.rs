//! AdmissionReview v1, borrowed from the bytes that came: objects stay raw text until a rule needs them.

use std::{borrow::Cow, collections::BTreeMap};

use countersign_core::{
    object::{Change, Object, ObjectError},
    own::Own,
    parent::LiveParent,
    request::{Caller, Operation, Request, Target},
};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::generated::is_generated;

/// The outer object.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AdmissionReview<'a> {
    #[serde(borrow)]
    api_version: Cow<'a, str>,
    #[serde(borrow)]
    kind: Cow<'a, str>,
    /// What is asked.
    #[serde(borrow)]
    pub request: AdmissionRequest<'a>,
}

/// One call of the webhook.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AdmissionRequest<'a> {
    /// Fresh for each call: not an idempotency key (E1).
    #[serde(borrow)]
    pub uid: Cow<'a, str>,
    #[serde(borrow)]
    kind: BodyKind<'a>,
    #[serde(borrow)]
    resource: GroupVersionResource<'a>,
    #[serde(borrow, default)]
    sub_resource: Cow<'a, str>,
    #[serde(borrow, default)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    namespace: Cow<'a, str>,
    operation: WireOperation,
    #[serde(borrow)]
    user_info: UserInfo<'a>,
    #[serde(borrow, default)]
    object: Option<&'a RawValue>,
    #[serde(borrow, default)]
    old_object: Option<&'a RawValue>,
    #[serde(borrow, default)]
    options: Option<&'a RawValue>,
    #[serde(default)]
    dry_run: Option<bool>,
}

#[derive(Debug, Deserialize)]
struct BodyKind<'a> {
    #[serde(borrow)]
    kind: Cow<'a, str>,
}

#[derive(Debug, Deserialize)]
struct GroupVersionResource<'a> {
    #[serde(borrow)]
    group: Cow<'a, str>,
    #[serde(borrow)]
    version: Cow<'a, str>,
    #[serde(borrow)]
    resource: Cow<'a, str>,
}

#[derive(Debug, Deserialize)]
struct UserInfo<'a> {
    #[serde(borrow, default)]
    username: Cow<'a, str>,
    #[serde(borrow, default)]
    uid: Cow<'a, str>,
    #[serde(borrow, default)]
    groups: Vec<Cow<'a, str>>,
    #[serde(borrow, default)]
    extra: Option<&'a RawValue>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum WireOperation {
    Create,
    Update,
    Delete,
    Connect,
}

/// Why a body is no review that can be judged.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// Not JSON, or not of the shape of an AdmissionReview.
    #[error("the body is no AdmissionReview: {0}")]
    Malformed(#[from] serde_json::Error),
    /// Another kind or version.
    #[error("`{api_version}` `{kind}` is not AdmissionReview of admission.k8s.io/v1")]
    WrongVersion {
        /// What the body says.
        api_version: String,
        /// What the body says.
        kind: String,
    },
    /// One of the objects cannot be read.
    #[error("request.{field}: {source}")]
    Object {
        /// The field of the request.
        field: &'static str,
        /// What is wrong with it.
        source: ObjectError,
    },
    /// An object that the operation needs is missing.
    #[error("request.{0} is missing")]
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

/// Reads a review.
pub fn parse(body: &[u8]) -> Result<AdmissionReview<'_>, ReviewError> {
    let mut review: AdmissionReview<'_> = serde_json::from_slice(body)?;
    if review.api_version != "admission.k8s.io/v1" || review.kind != "AdmissionReview" {
        let (api_version, kind) = (review.api_version.into_owned(), review.kind.into_owned());
        return Err(ReviewError::WrongVersion { api_version, kind });
    }
    review.request.complete_name()?;
    Ok(review)
}

/// The evidence of which credential was used: certificate digest or token id.
const CREDENTIAL_ID: &str = "authentication.kubernetes.io/credential-id";

impl<'a> AdmissionRequest<'a> {
    /// Whether nothing will be stored: asked so, or an eviction that says so itself (E11).
    pub fn is_dry_run(&self) -> bool {
        self.dry_run.unwrap_or(false) || self.evicts_dry().unwrap_or(false)
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
        if self.sub_resource != "eviction" {
            return None;
        }
        let eviction: Eviction = serde_json::from_str(self.object?.get()).ok()?;
        Some(!eviction.delete_options?.dry_run.is_empty())
    }

    /// The raw username.
    pub fn username(&self) -> &str {
        &self.user_info.username
    }

    /// The id of the credential that the caller used, where the authenticator gives one.
    pub fn credential_id(&self) -> Option<String> {
        let mut extra: BTreeMap<String, Vec<String>> =
            serde_json::from_str(self.user_info.extra?.get()).ok()?;
        extra.remove(CREDENTIAL_ID)?.into_iter().next()
    }

    /// The new object's text, as it was sent.
    pub fn object(&self) -> Option<&'a RawValue> {
        self.object
    }

    /// The old object's text.
    pub const fn old_object(&self) -> Option<&'a RawValue> {
        self.old_object
    }

    /// The request as the rules see it. `own` is the object when it is of Countersign's own kinds.
    pub fn judged(
        &'a self,
        own: Option<&'a Own>,
        parent_uid: Option<&'a str>,
    ) -> Result<Request<'a>, ReviewError> {
        Ok(Request {
            caller: self.caller(),
            operation: self.operation(),
            target: self.target(),
            options: Self::read(self.options),
            change: self.change()?,
            parent_uid,
            live_parent: LiveParent::Unread,
            own,
            generates_name: self.generates_name(),
            dry_run: self.is_dry_run(),
        })
    }

    /// Whether the server chose the name.
    fn generates_name(&self) -> bool {
        let creates = matches!(self.operation, WireOperation::Create) && self.sub_resource.is_empty();
        let object = Self::read(self.object).filter(|_| creates);
        object.is_some_and(|object| is_generated(&self.name, &object))
    }

    /// Takes the name from the object where the review has none, such as of a collection's items (E10).
    fn complete_name(&mut self) -> Result<(), ReviewError> {
        if !self.name.is_empty() {
            return Ok(());
        }
        let (field, raw) = match self.operation {
            WireOperation::Create => ("object", self.object),
            WireOperation::Update | WireOperation::Delete => ("oldObject", self.old_object),
            WireOperation::Connect => return Ok(()),
        };
        let Some(object) = Self::read(raw) else {
            return Ok(());
        };
        let name = object
            .name()
            .map_err(|source| ReviewError::Object { field, source })?;
        self.name = name.unwrap_or_default();
        Ok(())
    }

    fn caller(&'a self) -> Caller<'a> {
        let user = &self.user_info;
        Caller {
            username: &user.username,
            uid: &user.uid,
            groups: &user.groups,
        }
    }

    /// What is about to be done.
    pub const fn operation(&self) -> Operation {
        match self.operation {
            WireOperation::Create => Operation::Create,
            WireOperation::Update => Operation::Update,
            WireOperation::Delete => Operation::Delete,
            WireOperation::Connect => Operation::Connect,
        }
    }

    fn change(&self) -> Result<Change<'a>, ReviewError> {
        let new = || Self::read(self.object).ok_or(ReviewError::Missing("object"));
        let old = || Self::read(self.old_object);
        Ok(match self.operation {
            WireOperation::Create => Change::Create(new()?),
            WireOperation::Update => Change::Update {
                old: old().ok_or(ReviewError::Missing("oldObject"))?,
                new: new()?,
            },
            WireOperation::Delete => Change::Delete(old()),
            WireOperation::Connect => Change::Connect(Self::read(self.object)),
        })
    }

    fn read(raw: Option<&'a RawValue>) -> Option<Object<'a>> {
        raw.filter(|raw| raw.get() != "null").map(Object::new)
    }

    /// The target, without the namespace that a Namespace's review has.
    pub fn target(&'a self) -> Target<'a> {
        let is_namespace = self.resource.group.is_empty() && self.resource.resource == "namespaces";
        Target {
            group: &self.resource.group,
            version: &self.resource.version,
            kind: &self.kind.kind,
            resource: &self.resource.resource,
            subresource: &self.sub_resource,
            namespace: Some(&*self.namespace).filter(|namespace| !namespace.is_empty() && !is_namespace),
            name: &self.name,
        }
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
