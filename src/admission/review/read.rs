//! Reads a review in one pass: what is of no interest is skipped, and nothing is looked at twice.

use std::borrow::Cow;

use countersign_core::{json::Reader, request::Operation};
use serde::Deserialize;

use super::{AdmissionRequest, GroupVersionResource, ReviewError, UserInfo};

/// Reads a review.
pub fn parse(body: &[u8]) -> Result<AdmissionRequest<'_>, ReviewError> {
    let (mut api_version, mut kind, mut request) = (None, None, None);
    let mut reader = Reader::new(str::from_utf8(body)?);
    reader.members(|name, reader| match name {
        "apiVersion" => once(&mut api_version, name, string(name, reader)?),
        "kind" => once(&mut kind, name, string(name, reader)?),
        "request" => once(&mut request, name, Members::of(reader)?),
        _ => skip(reader),
    })?;
    reader.end()?;
    let (api_version, kind) = (needed(api_version, "apiVersion")?, needed(kind, "kind")?);
    if api_version != "admission.k8s.io/v1" || kind != "AdmissionReview" {
        let (api_version, kind) = (api_version.into_owned(), kind.into_owned());
        return Err(ReviewError::WrongVersion { api_version, kind });
    }
    let mut request = needed(request, "request")?.complete()?;
    request.complete_name()?;
    Ok(request)
}

/// The members of a request that were there so far.
#[derive(Default)]
struct Members<'a> {
    uid: Option<Cow<'a, str>>,
    kind: Option<Cow<'a, str>>,
    resource: Option<GroupVersionResource<'a>>,
    subresource: Option<Cow<'a, str>>,
    name: Option<Cow<'a, str>>,
    namespace: Option<Cow<'a, str>>,
    operation: Option<Operation>,
    user_info: Option<UserInfo<'a>>,
    object: Option<&'a str>,
    old_object: Option<&'a str>,
    options: Option<&'a str>,
    dry_run: Option<bool>,
}

impl<'a> Members<'a> {
    fn of(reader: &mut Reader<'a>) -> Result<Self, ReviewError> {
        let mut members = Self::default();
        reader.members(|name, reader| members.read(name, reader))?;
        Ok(members)
    }

    fn read(&mut self, name: &'a str, reader: &mut Reader<'a>) -> Result<(), ReviewError> {
        match name {
            "uid" => once(&mut self.uid, name, string(name, reader)?),
            "kind" => once(&mut self.kind, name, kind(reader)?),
            "resource" => once(&mut self.resource, name, GroupVersionResource::read(reader)?),
            "subResource" => once(&mut self.subresource, name, string_or_null(name, reader)?),
            "name" => once(&mut self.name, name, string_or_null(name, reader)?),
            "namespace" => once(&mut self.namespace, name, string_or_null(name, reader)?),
            "operation" => once(&mut self.operation, name, operation(name, reader)?),
            "userInfo" => once(&mut self.user_info, name, UserInfo::read(reader)?),
            "object" => once(&mut self.object, name, reader.value()?),
            "oldObject" => once(&mut self.old_object, name, reader.value_like(self.object)?),
            "options" => once(&mut self.options, name, reader.value()?),
            "dryRun" => once(&mut self.dry_run, name, flag(name, reader)?),
            _ => skip(reader),
        }
    }

    fn complete(self) -> Result<AdmissionRequest<'a>, ReviewError> {
        Ok(AdmissionRequest {
            uid: needed(self.uid, "uid")?,
            kind: needed(self.kind, "kind")?,
            resource: needed(self.resource, "resource")?,
            subresource: self.subresource.unwrap_or_default(),
            name: self.name.unwrap_or_default(),
            namespace: self.namespace.unwrap_or_default(),
            operation: needed(self.operation, "operation")?,
            user_info: needed(self.user_info, "userInfo")?,
            object: unless_null(self.object),
            old_object: unless_null(self.old_object),
            options: unless_null(self.options),
            dry_run: self.dry_run.unwrap_or_default(),
        })
    }
}

impl<'a> GroupVersionResource<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, ReviewError> {
        let (mut group, mut version, mut resource) = (None, None, None);
        reader.members(|name, reader| match name {
            "group" => once(&mut group, name, string(name, reader)?),
            "version" => once(&mut version, name, string(name, reader)?),
            "resource" => once(&mut resource, name, string(name, reader)?),
            _ => skip(reader),
        })?;
        Ok(Self {
            group: needed(group, "group")?,
            version: needed(version, "version")?,
            resource: needed(resource, "resource")?,
        })
    }
}

impl<'a> UserInfo<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, ReviewError> {
        let (mut username, mut uid, mut groups, mut extra) = (None, None, None, None);
        reader.members(|name, reader| match name {
            "username" => once(&mut username, name, string_or_null(name, reader)?),
            "uid" => once(&mut uid, name, string_or_null(name, reader)?),
            "groups" => once(&mut groups, name, strings_or_null(name, reader)?),
            "extra" => once(&mut extra, name, reader.value()?),
            _ => skip(reader),
        })?;
        Ok(Self {
            username: username.unwrap_or_default(),
            uid: uid.unwrap_or_default(),
            groups: groups.unwrap_or_default(),
            extra: unless_null(extra),
        })
    }
}

fn kind<'a>(reader: &mut Reader<'a>) -> Result<Cow<'a, str>, ReviewError> {
    let mut kind = None;
    reader.members(|name, reader| match name {
        "kind" => once(&mut kind, name, string(name, reader)?),
        _ => skip(reader),
    })?;
    needed(kind, "kind")
}

fn operation(name: &str, reader: &mut Reader<'_>) -> Result<Operation, ReviewError> {
    let operation = string(name, reader)?;
    match &*operation {
        "CREATE" => Ok(Operation::Create),
        "UPDATE" => Ok(Operation::Update),
        "DELETE" => Ok(Operation::Delete),
        "CONNECT" => Ok(Operation::Connect),
        _ => Err(ReviewError::UnknownOperation(operation.into_owned())),
    }
}

fn once<T>(member: &mut Option<T>, name: &str, value: T) -> Result<(), ReviewError> {
    match member.replace(value) {
        None => Ok(()),
        Some(_) => Err(ReviewError::Duplicate(name.to_owned())),
    }
}

fn skip(reader: &mut Reader<'_>) -> Result<(), ReviewError> {
    reader.value()?;
    Ok(())
}

fn needed<T>(member: Option<T>, name: &'static str) -> Result<T, ReviewError> {
    member.ok_or(ReviewError::Missing(name))
}

fn unless_null(member: Option<&str>) -> Option<&str> {
    member.filter(|text| *text != "null")
}

/// A string, borrowed unless something of it was escaped.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

fn string<'a>(name: &str, reader: &mut Reader<'a>) -> Result<Cow<'a, str>, ReviewError> {
    match reader.plain_string() {
        Some(plain) => Ok(Cow::Borrowed(plain)),
        None => typed::<Text<'_>>(name, reader).map(|Text(text)| text),
    }
}

fn string_or_null<'a>(name: &str, reader: &mut Reader<'a>) -> Result<Cow<'a, str>, ReviewError> {
    if reader.null() {
        return Ok(Cow::default());
    }
    string(name, reader)
}

fn strings_or_null<'a>(name: &str, reader: &mut Reader<'a>) -> Result<Vec<Cow<'a, str>>, ReviewError> {
    let mut strings = Vec::new();
    if !reader.null() {
        reader.items::<ReviewError>(|reader| {
            strings.push(string(name, reader)?);
            Ok(())
        })?;
    }
    Ok(strings)
}

fn flag(name: &str, reader: &mut Reader<'_>) -> Result<bool, ReviewError> {
    typed::<Option<bool>>(name, reader).map(Option::unwrap_or_default)
}

fn typed<'a, T: Deserialize<'a>>(name: &str, reader: &mut Reader<'a>) -> Result<T, ReviewError> {
    serde_json::from_str(reader.value()?).map_err(|source| ReviewError::Field {
        field: name.to_owned(),
        source,
    })
}
