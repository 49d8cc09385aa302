//! A document and the place in the object space that it is for.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use countersign_core::request::Target;
use serde_json::Value;

use super::{document::Document, kinds::KnownKinds};
use crate::cluster::Kind;

/// A document and the place in the object space that it is for.
#[derive(Debug)]
pub struct Located<'d> {
    /// The document.
    pub document: &'d Document,
    /// Its kind.
    pub kind: Kind,
    namespace: String,
    name: String,
}

impl<'d> Located<'d> {
    /// The place of a document; of one that names no namespace and needs one, in `namespace`.
    pub fn find(document: &'d Document, kinds: &KnownKinds, namespace: Option<&str>) -> anyhow::Result<Self> {
        let locate = || -> anyhow::Result<Self> {
            let kind = kinds.find(document)?;
            let own = document.metadata("namespace")?;
            let namespace = match own.or(namespace) {
                _ if !kind.namespaced => "",
                Some(namespace) => namespace,
                None => bail!("metadata.namespace: is missing, and there is no -n for objects without one"),
            };
            let name = document.metadata("name")?;
            let name = name.context("metadata.name: is missing, and an apply needs it")?;
            for (field, text) in [("namespace", namespace), ("name", name)] {
                if text.contains(['/', '%']) || text == "." || text == ".." {
                    bail!("metadata.{field}: `{text}` cannot be part of a path");
                }
            }
            Ok(Self {
                document,
                kind,
                namespace: namespace.to_owned(),
                name: name.to_owned(),
            })
        };
        locate().with_context(|| document.source.to_string())
    }

    /// The object, as a request names it.
    pub fn target(&self) -> Target<'_> {
        self.kind.target(&self.namespace, &self.name)
    }

    /// The place, `<namespace>/<resource>.<group>/<name>`.
    pub fn place(&self) -> String {
        self.target().place()
    }

    /// The object as it would be sent: in its namespace.
    pub fn sent(&self) -> Value {
        let mut object = self.document.object.clone();
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            if self.kind.namespaced {
                metadata.insert("namespace".to_owned(), self.namespace.as_str().into());
            } else {
                metadata.remove("namespace");
            }
        }
        object
    }
}

/// The documents by their places, of which each is there once.
pub fn by_place(documents: Vec<Located<'_>>) -> anyhow::Result<BTreeMap<String, Located<'_>>> {
    let mut places = BTreeMap::<_, Located<'_>>::new();
    for located in documents {
        let (place, source) = (located.place(), &located.document.source);
        if let Some(other) = places.get(&place) {
            bail!("{source}: `{place}` is also in {}", other.document.source);
        }
        places.insert(place, located);
    }
    Ok(places)
}
