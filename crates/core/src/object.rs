//! One Kubernetes object as raw text, and what a write does with it; read only when a rule first asks.

mod fields;

use std::{borrow::Cow, collections::BTreeMap, sync::OnceLock};

use serde::Deserialize;
use serde_json::value::RawValue;

pub(crate) use fields::{Field, Map, SPLIT, Text, check_depth, escape};

/// The deepest nesting of maps and lists that is read; the root is at depth 1.
pub const MAX_DEPTH: usize = 128;

/// What a write does, as the API server presents it; bodies of subresources likewise.
#[derive(Clone, Debug)]
pub enum Change<'a> {
    /// A new object, or the body of a call without a predecessor (eviction, binding, token).
    Create(Object<'a>),
    /// A changed object.
    Update {
        /// The object as it is.
        old: Object<'a>,
        /// The object as it would be, defaulted and mutated.
        new: Object<'a>,
    },
    /// A removed object; the review of a deletion may lack it.
    Delete(Option<Object<'a>>),
    /// A connection, with its options where it has any (PodExecOptions and the like; E13).
    Connect(Option<Object<'a>>),
}

impl<'a> Change<'a> {
    /// The object as it is before the write, where the review shows it.
    pub const fn before(&self) -> Option<&Object<'a>> {
        match self {
            Self::Update { old, .. } => Some(old),
            Self::Delete(old) => old.as_ref(),
            Self::Create(_) | Self::Connect(_) => None,
        }
    }

    /// Whether an object is written as it is, byte by byte.
    pub fn is_same_text(&self) -> bool {
        matches!(self, Self::Update { old, new } if old.same_bytes(new))
    }

    /// The object as the write leaves it.
    pub const fn after(&self) -> Option<&Object<'a>> {
        match self {
            Self::Create(new) | Self::Update { new, .. } => Some(new),
            Self::Delete(_) | Self::Connect(_) => None,
        }
    }
}

/// Why the text of an object cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    /// A text that is not JSON, or holds a string that is not Unicode.
    #[error("the text cannot be read: {0}")]
    Unreadable(String),
    /// A map that names a key twice: readers would disagree about its meaning.
    #[error("duplicate key `{0}`")]
    DuplicateKey(String),
    /// Maps and lists beyond [`MAX_DEPTH`].
    #[error("nested deeper than {MAX_DEPTH} maps and lists")]
    TooDeep,
    /// A number beyond the range of a double.
    #[error("number `{0}` is out of range")]
    NumberOutOfRange(String),
    /// A field of another type than Kubernetes gives it.
    #[error("`{pointer}` is not {expected}")]
    WrongType {
        /// JSON pointer of the field.
        pointer: String,
        /// What it has to be.
        expected: &'static str,
    },
}

impl ObjectError {
    pub(crate) fn wrong_type(pointer: &str, expected: &'static str) -> Self {
        Self::WrongType {
            pointer: pointer.to_owned(),
            expected,
        }
    }
}

impl From<serde_json::Error> for ObjectError {
    fn from(error: serde_json::Error) -> Self {
        Self::Unreadable(error.to_string())
    }
}

/// One object (or body, or options), borrowed from the review.
///
/// Equal bytes are equal without a look inside. The first accessor reads the text two levels deep; every map that
/// is read refuses duplicate keys, and `null` reads as absent.
#[derive(Clone, Debug)]
pub struct Object<'a> {
    text: &'a str,
    fields: OnceLock<Result<Vec<Field<'a>>, ObjectError>>,
}

/// One entry of `metadata.ownerReferences`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OwnerReference<'a> {
    /// API version of the owner.
    #[serde(borrow)]
    pub api_version: Cow<'a, str>,
    /// Kind of the owner.
    #[serde(borrow)]
    pub kind: Cow<'a, str>,
    /// Name of the owner, in the same namespace or cluster-scoped.
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    /// Uid of the owner.
    #[serde(borrow)]
    pub uid: Cow<'a, str>,
    /// Whether the owner is the managing controller; absent is no.
    pub controller: Option<bool>,
    /// Whether the owner's foreground deletion waits for this object; absent is no.
    pub block_owner_deletion: Option<bool>,
}

impl<'a> Object<'a> {
    /// The object of this text; nothing is read yet, and what is not JSON is found when a rule asks.
    pub const fn new(text: &'a str) -> Self {
        Self {
            text,
            fields: OnceLock::new(),
        }
    }

    /// The object of this text, which must be JSON.
    pub fn parse(text: &'a str) -> Result<Self, ObjectError> {
        let text: &RawValue = serde_json::from_str(text)?;
        Ok(Self::new(text.get()))
    }

    /// The text as it came.
    pub const fn text(&self) -> &'a str {
        self.text
    }

    /// Whether both are the same text, byte by byte.
    pub fn same_bytes(&self, other: &Object<'_>) -> bool {
        std::ptr::eq(self.text, other.text) || self.text == other.text
    }

    /// `apiVersion`.
    pub fn api_version(&self) -> Result<Option<Cow<'a, str>>, ObjectError> {
        self.string("", "apiVersion")
    }

    /// `kind`.
    pub fn kind(&self) -> Result<Option<Cow<'a, str>>, ObjectError> {
        self.string("", "kind")
    }

    /// `metadata.name`.
    pub fn name(&self) -> Result<Option<Cow<'a, str>>, ObjectError> {
        self.string("metadata", "name")
    }

    /// `metadata.namespace`.
    pub fn namespace(&self) -> Result<Option<Cow<'a, str>>, ObjectError> {
        self.string("metadata", "namespace")
    }

    /// `metadata.uid`; already set when a validating webhook sees a CREATE (E7).
    pub fn uid(&self) -> Result<Option<Cow<'a, str>>, ObjectError> {
        self.string("metadata", "uid")
    }

    /// `metadata.resourceVersion`, opaque.
    pub fn resource_version(&self) -> Result<Option<Cow<'a, str>>, ObjectError> {
        self.string("metadata", "resourceVersion")
    }

    /// `metadata.generation`.
    pub fn generation(&self) -> Result<Option<i64>, ObjectError> {
        self.typed("metadata", "generation", "an integer")
    }

    /// `metadata.deletionTimestamp`, as written.
    pub fn deletion_timestamp(&self) -> Result<Option<Cow<'a, str>>, ObjectError> {
        self.string("metadata", "deletionTimestamp")
    }

    /// The value of one label.
    pub fn label(&self, key: &str) -> Result<Option<Cow<'a, str>>, ObjectError> {
        self.string("metadata/labels", key)
    }

    /// All labels.
    pub fn labels(&self) -> Result<BTreeMap<Cow<'a, str>, Cow<'a, str>>, ObjectError> {
        let fields = self.fields()?;
        let labels = fields.iter().filter(|field| field.within == "metadata/labels");
        labels
            .map(|field| Ok((field.key.clone(), field.string()?)))
            .collect()
    }

    /// The value of one annotation.
    pub fn annotation(&self, key: &str) -> Result<Option<Cow<'a, str>>, ObjectError> {
        self.string("metadata/annotations", key)
    }

    /// `metadata.finalizers`, empty when absent.
    pub fn finalizers(&self) -> Result<Vec<Cow<'a, str>>, ObjectError> {
        let texts: Vec<Text<'a>> = self
            .typed("metadata", "finalizers", "a list of strings")?
            .unwrap_or_default();
        Ok(texts.into_iter().map(|Text(text)| text).collect())
    }

    /// `metadata.ownerReferences`, empty when absent.
    pub fn owner_references(&self) -> Result<Vec<OwnerReference<'a>>, ObjectError> {
        Ok(self
            .typed("metadata", "ownerReferences", "a list of owner references")?
            .unwrap_or_default())
    }

    /// The value below these keys, one for each level of maps; `None` when a key is absent or a level is no map.
    pub fn field(&self, path: &[&str]) -> Result<Option<&'a str>, ObjectError> {
        let (start, rest) = match path {
            [section, key, rest @ ..] if let Some(field) = self.find(section, key)? => {
                (field.value.get(), rest)
            }
            [key, rest @ ..] if let Some(field) = self.find("", key)? => (field.value.get(), rest),
            _ => (self.text, path),
        };
        rest.iter().try_fold(Some(start), |value, key| {
            match value.map(Map::read).transpose()? {
                Some(Some(map)) => Ok(map.get(key).map(RawValue::get)),
                _ => Ok(None),
            }
        })
    }

    /// The string below these keys; `None` when it is absent or null.
    pub(crate) fn text_at(&self, path: &[&str]) -> Result<Option<Cow<'a, str>>, ObjectError> {
        let Some(value) = self.field(path)?.filter(|value| *value != "null") else {
            return Ok(None);
        };
        let Text(text) = serde_json::from_str(value)?;
        Ok(Some(text))
    }

    /// The root's own entries, for a body that is no object of its own (options).
    pub(crate) fn map(&self) -> Result<Map<'a>, ObjectError> {
        Map::read(self.text)?.ok_or_else(|| ObjectError::wrong_type("", "a map"))
    }

    /// Everything there is, sorted by section and key.
    pub(crate) fn fields(&self) -> Result<&[Field<'a>], ObjectError> {
        match self.fields.get_or_init(|| fields::read(self.text)) {
            Ok(fields) => Ok(fields),
            Err(error) => Err(error.clone()),
        }
    }

    fn find(&self, within: &str, key: &str) -> Result<Option<&Field<'a>>, ObjectError> {
        let fields = self.fields()?;
        let found = fields.binary_search_by(|field| field.position().cmp(&(within, key)));
        Ok(found.ok().and_then(|index| fields.get(index)))
    }

    fn string(&self, within: &str, key: &str) -> Result<Option<Cow<'a, str>>, ObjectError> {
        self.find(within, key)?
            .filter(|field| !field.is_null())
            .map(Field::string)
            .transpose()
    }

    fn typed<T: Deserialize<'a>>(
        &self,
        within: &str,
        key: &str,
        expected: &'static str,
    ) -> Result<Option<T>, ObjectError> {
        let Some(field) = self.find(within, key)? else {
            return Ok(None);
        };
        serde_json::from_str(field.value.get()).map_err(|_| ObjectError::WrongType {
            pointer: field.pointer(),
            expected,
        })
    }
}

#[cfg(test)]
mod tests;
