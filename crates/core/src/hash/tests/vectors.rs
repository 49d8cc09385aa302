//! The golden vectors that other implementations check themselves with.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::*;

fn read<T: for<'de> Deserialize<'de>>(file: &str) -> T {
    let path = format!(
        "{}/../../tests/data/resource-hash/{file}",
        env!("CARGO_MANIFEST_DIR")
    );
    serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Changes {
    redaction_key: String,
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Vector {
    name: String,
    operation: String,
    api_version: String,
    kind: String,
    subresource: String,
    writer: Option<String>,
    ignore: Vec<String>,
    old: Option<Box<RawValue>>,
    new: Option<Box<RawValue>>,
    noop: bool,
    granules: Vec<GranuleText>,
    ignored: Vec<String>,
    resource_hash: Digest,
    old_hash: Option<Digest>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct GranuleText {
    pointer: String,
    old: Option<String>,
    new: Option<String>,
}

impl Vector {
    fn change(&self) -> Change<'_> {
        let [old, new] = [&self.old, &self.new].map(|raw| raw.as_deref().map(|raw| Object::new(raw.get())));
        match self.operation.as_str() {
            "CREATE" => Change::Create(new.unwrap()),
            "UPDATE" => Change::Update {
                old: old.unwrap(),
                new: new.unwrap(),
            },
            "DELETE" => Change::Delete(old),
            "CONNECT" => Change::Connect(new),
            other => panic!("{}: operation {other}", self.name),
        }
    }

    fn writer(&self) -> Option<GitOpsClient> {
        self.writer.as_deref().map(|writer| match writer {
            "FluxKustomize" => GitOpsClient::FluxKustomize,
            "FluxHelm" => GitOpsClient::FluxHelm,
            "ArgoCd" => GitOpsClient::ArgoCd,
            "Helm" => GitOpsClient::Helm,
            other => panic!("{}: writer {other}", self.name),
        })
    }
}

#[test]
fn changes() {
    let Changes {
        redaction_key,
        vectors,
    } = read("changes.json");
    assert_eq!(redaction_key, "07".repeat(32));
    let key = key();
    for vector in vectors {
        let ignore: Vec<Pattern> = vector
            .ignore
            .iter()
            .map(|pattern| pattern.parse().unwrap())
            .collect();
        let context = HashContext {
            api_version: &vector.api_version,
            kind: &vector.kind,
            subresource: &vector.subresource,
            writer: vector.writer(),
            ignore: &ignore,
            redaction: &key,
        };
        let name = &vector.name;
        assert_eq!(is_noop(&vector.change()), Ok(vector.noop), "{name}");
        let change = effective_change(&vector.change(), &context).unwrap();
        let text = |value: Option<Value>| value.map(|value| value.to_string());
        let granules: Vec<_> = change
            .granules
            .into_iter()
            .map(|Granule { pointer, old, new }| GranuleText {
                pointer,
                old: text(old),
                new: text(new),
            })
            .collect();
        assert_eq!(granules, vector.granules, "{name}");
        assert_eq!(change.ignored, vector.ignored, "{name}");
        assert_eq!(change.resource_hash, vector.resource_hash, "{name}");
        assert_eq!(change.old_hash, vector.old_hash, "{name}");
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CanonicalVector {
    text: String,
    canonical: Option<String>,
    error: Option<String>,
}

#[test]
fn canonical_forms() {
    for CanonicalVector {
        text,
        canonical: expected,
        error,
    } in read::<Vec<_>>("canonical.json")
    {
        match canonical(&text) {
            Ok(found) => assert_eq!(Some(found), expected, "{text}"),
            Err(found) => {
                let error = error.unwrap_or_else(|| panic!("{text}: {found}"));
                assert!(found.to_string().starts_with(&error), "{text}: {found}");
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Refused {
    name: String,
    ignore: Vec<String>,
    old: String,
    new: String,
}

#[test]
fn refused() {
    let key = key();
    for vector in read::<Vec<Refused>>("refused.json") {
        let patterns: Result<Vec<Pattern>, _> = vector.ignore.iter().map(|pattern| pattern.parse()).collect();
        let Ok(ignore) = patterns else { continue };
        assert!(
            vector.ignore.is_empty(),
            "{}: `{:?}` are patterns",
            vector.name,
            vector.ignore
        );
        let context = HashContext {
            ignore: &ignore,
            ..of(("example.com/v1", "Widget"), &key)
        };
        let change = update(&vector.old, &vector.new);
        assert!(effective_change(&change, &context).is_err(), "{}", vector.name);
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BindingVector {
    binding: BTreeMap<String, String>,
    binding_hash: Digest,
}

#[test]
fn bindings() {
    for vector in read::<Vec<BindingVector>>("bindings.json") {
        let fields = vector
            .binding
            .iter()
            .map(|(field, value)| (field.as_str(), value.as_str()));
        let text = canonical_strings(&fields.collect());
        let found = Digest::of(&[b"countersign.dev/binding/v1\n", text.as_bytes()]);
        assert_eq!(found, vector.binding_hash, "{text}");
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CommandVector {
    options: Option<Box<RawValue>>,
    command_hash: Digest,
}

#[test]
fn commands() {
    for CommandVector {
        options,
        command_hash: expected,
    } in read::<Vec<_>>("commands.json")
    {
        let options = options.as_deref().map(|options| Object::new(options.get()));
        assert_eq!(command_hash(options.as_ref()), Ok(expected), "{options:?}");
    }
}
