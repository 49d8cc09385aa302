//! Objects in files, each with the place that messages name.

use std::fmt;

use anyhow::{Context, bail};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use serde_yaml::Options;

use super::files::File;

/// Where an object stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Source {
    /// The file.
    pub file: String,
    /// Which of its documents, from 1; those without content do not count.
    pub document: usize,
    /// Which item of the document, from 1, when that is a list.
    pub item: Option<usize>,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` document {}", self.file, self.document)?;
        self.item.map_or(Ok(()), |item| write!(f, " item {item}"))
    }
}

/// One object of a file.
#[derive(Clone, Debug)]
pub struct Document {
    /// Where it stands.
    pub source: Source,
    /// Its `apiVersion`.
    pub api_version: String,
    /// Its `kind`.
    pub kind: String,
    /// All of it, a map.
    pub object: Value,
}

/// The objects of the files, lists taken apart.
pub fn read(files: &[File]) -> anyhow::Result<Vec<Document>> {
    let mut documents = Vec::new();
    for file in files {
        let values = serde_yaml::from_multiple_with_options(&file.text, options());
        let values: Vec<Value> = values.with_context(|| format!("`{}`", file.name))?;
        for (number, value) in (1..).zip(values) {
            let source = Source {
                file: file.name.clone(),
                document: number,
                item: None,
            };
            documents.extend(objects(source, value)?);
        }
    }
    Ok(documents)
}

/// YAML as kubectl reads it, of exports that hold a hundred thousand zones. A key that is there twice is refused.
fn options() -> Options {
    serde_yaml::options! {
        budget: serde_yaml::budget! {
            max_depth: 140,
            max_documents: 1_000_000,
            max_events: 500_000_000,
            max_nodes: 200_000_000,
            max_total_scalar_bytes: 4 << 30,
        },
        legacy_octal_numbers: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

fn objects(source: Source, value: Value) -> anyhow::Result<Vec<Document>> {
    let kind = value.get("kind").and_then(Value::as_str).unwrap_or_default();
    let Some(of) = kind.strip_suffix("List") else {
        return Ok(vec![Document::of(source, value)?]);
    };
    let Some(Value::Array(items)) = value.get("items") else {
        return Ok(vec![Document::of(source, value)?]);
    };
    let documents = (1..).zip(items).map(|(number, item)| {
        let source = Source {
            item: Some(number),
            ..source.clone()
        };
        Document::of(source, item_of(of, value.get("apiVersion"), item))
    });
    documents.collect()
}

/// The item with kind and version of the list that it has them of, as in what `kubectl get --raw` prints.
fn item_of(kind: &str, api_version: Option<&Value>, item: &Value) -> Value {
    let mut item = item.clone();
    if let (Some(map), Some(api_version)) = (item.as_object_mut(), api_version)
        && !kind.is_empty()
        && !map.contains_key("kind")
        && !map.contains_key("apiVersion")
    {
        map.insert("kind".to_owned(), kind.into());
        map.insert("apiVersion".to_owned(), api_version.clone());
    }
    item
}

impl Document {
    fn of(source: Source, object: Value) -> anyhow::Result<Self> {
        let read = || -> anyhow::Result<(String, String)> {
            if !object.is_object() {
                bail!("it is no object: expected a map with apiVersion, kind and metadata");
            }
            let api_version = text(&object, &["apiVersion"])?.context("apiVersion: is missing")?;
            let kind = text(&object, &["kind"])?.context("kind: is missing")?;
            Ok((api_version.to_owned(), kind.to_owned()))
        };
        let (api_version, kind) = read().with_context(|| source.to_string())?;
        Ok(Self {
            source,
            api_version,
            kind,
            object,
        })
    }

    /// API group and version, the group empty for the core group.
    pub fn group_version(&self) -> (&str, &str) {
        self.api_version
            .split_once('/')
            .unwrap_or(("", &self.api_version))
    }

    /// A field of its metadata that holds a text; `None` when it is absent or empty.
    pub fn metadata(&self, field: &str) -> anyhow::Result<Option<&str>> {
        text(&self.object, &["metadata", field])
    }

    /// The object as a kind of Rust.
    pub fn typed<K: DeserializeOwned>(&self) -> anyhow::Result<K> {
        serde_path_to_error::deserialize(&self.object).with_context(|| self.source.to_string())
    }
}

/// The text at a path; `None` when it is absent, null or empty.
fn text<'a>(object: &'a Value, path: &[&str]) -> anyhow::Result<Option<&'a str>> {
    let value = path.iter().try_fold(object, |value, key| value.get(key));
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
        Some(other) => bail!("{}: `{other}` is not a text", path.join(".")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(text: &str) -> anyhow::Result<Vec<Document>> {
        read(&[File {
            name: "a.yaml".to_owned(),
            text: text.to_owned(),
        }])
    }

    fn error(text: &str) -> String {
        format!("{:#}", parse(text).unwrap_err())
    }

    #[test]
    fn documents_and_items_of_lists_are_counted_from_one() {
        let text = "# nothing\n---\napiVersion: v1\nkind: Pod\n---\napiVersion: v1\nkind: List\nitems:\n\
                    - {apiVersion: a/v1, kind: A}\n- {apiVersion: v1, kind: B}\n---\n{\"apiVersion\": \"v1\", \"kind\": \
                    \"ConfigMapList\", \"items\": [{\"data\": {\"n\": 18446744073709551615}}]}\n";
        let found = parse(text).unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|document| {
                (
                    document.source.to_string(),
                    document.group_version(),
                    document.kind.as_str(),
                )
            })
            .collect();
        assert_eq!(
            found,
            [
                ("`a.yaml` document 1".to_owned(), ("", "v1"), "Pod"),
                ("`a.yaml` document 2 item 1".to_owned(), ("a", "v1"), "A"),
                ("`a.yaml` document 2 item 2".to_owned(), ("", "v1"), "B"),
                ("`a.yaml` document 3 item 1".to_owned(), ("", "v1"), "ConfigMap"),
            ]
        );
    }

    #[test]
    fn values_are_read_as_kubectl_reads_them() {
        let text = "apiVersion: v1\nkind: X\nbase: &base {a: 1}\nmerged: {<<: *base, b: yes}\nmode: 0644\n\
                    big: 18446744073709551615\nkeys: {1: x, true: z}\nversion: 1.10.0\n";
        let object = parse(text).unwrap().remove(0).object;
        let expected = json!({
            "apiVersion": "v1", "kind": "X", "base": { "a": 1 }, "merged": { "a": 1, "b": true }, "mode": 420,
            "big": 18_446_744_073_709_551_615_u64, "keys": { "1": "x", "true": "z" }, "version": "1.10.0",
        });
        assert_eq!(object, expected);
    }

    #[test]
    fn what_is_no_object_is_named_by_file_document_and_field() {
        for (text, why) in [
            (
                "apiVersion: v1\nkind: Pod\n---\n- a\n",
                "`a.yaml` document 2: it is no object: expected a map",
            ),
            ("kind: Pod\n", "`a.yaml` document 1: apiVersion: is missing"),
            ("apiVersion: v1\n", "`a.yaml` document 1: kind: is missing"),
            (
                "apiVersion: 1\nkind: Pod\n",
                "`a.yaml` document 1: apiVersion: `1` is not a text",
            ),
            (
                "apiVersion: v1\nkind: List\nitems: [{kind: A, apiVersion: v1}, 5]\n",
                "`a.yaml` document 1 item 2: it is no object",
            ),
        ] {
            let said = error(text);
            assert!(said.starts_with(why), "{said}");
        }
    }

    #[test]
    fn what_is_ambiguous_is_refused_with_its_line() {
        for text in ["a: 1\na: 2\n", "a: [\n", "a: !secret b\n", "a: .nan\n"] {
            let said = error(text);
            assert!(said.starts_with("`a.yaml`: ") && said.contains("line "), "{said}");
            assert!(!said.contains('\n'), "{said}");
        }
    }

    #[test]
    fn a_field_of_another_type_is_named_by_its_path() {
        #[derive(serde::Deserialize, Debug)]
        struct Counted {
            #[expect(dead_code, reason = "only its reading is of interest")]
            spec: std::collections::BTreeMap<String, u32>,
        }
        let document = parse("apiVersion: v1\nkind: X\nspec: {a: few}\n")
            .unwrap()
            .remove(0);
        let said = format!("{:#}", document.typed::<Counted>().unwrap_err());
        assert!(
            said.starts_with("`a.yaml` document 1: spec.a: invalid type: string \"few\""),
            "{said}"
        );
    }
}
