//! What the API server lets anybody replace, and an object with every field of it.

use serde_json::{Map, Value, json};

use super::super::harness::Person;

/// What a PUT takes.
pub struct Body {
    /// API version of the resource.
    pub api_version: String,
    /// The body's own kind.
    pub kind: String,
    /// Subresource, or empty.
    pub subresource: String,
    /// A body with every field that its schema has; maps and lists have one entry.
    pub sample: Value,
}

/// The bodies of all that can be replaced, by the API server's own description. A part of an object that takes the whole
/// object, such as its status, adds no body.
pub fn bodies(reader: &Person) -> Vec<Body> {
    let read = |path: &str| -> Value {
        let text = reader.kubectl(&format!("get --raw {path}")).done();
        serde_json::from_str(&text).unwrap()
    };
    let index = read("/openapi/v3");
    let groups = index["paths"].as_object().unwrap().iter();
    groups
        .filter_map(|(path, group)| Some((api_version(path)?, group["serverRelativeURL"].as_str()?)))
        .flat_map(|(version, document)| bodies_of(&version, &read(document)))
        .collect()
}

/// `v1` of `api/v1`, `apps/v1` of `apis/apps/v1`.
fn api_version(path: &str) -> Option<String> {
    let version = path.strip_prefix("api/").or_else(|| path.strip_prefix("apis/"))?;
    let is_version = path.starts_with("api/") || version.contains('/');
    is_version.then(|| version.to_owned())
}

fn bodies_of(api_version: &str, document: &Value) -> Vec<Body> {
    let paths = document["paths"].as_object().unwrap().iter();
    let body = |(path, operations): (&String, &Value)| {
        let put = operations.get("put")?;
        let content = put["requestBody"]["content"].as_object()?.values().next()?;
        let (whole, behind) = path.split_once("{name}")?;
        let kind = |put: &Value| put["x-kubernetes-group-version-kind"].clone();
        let of_whole = kind(&document["paths"][format!("{whole}{{name}}")]["put"]);
        if !behind.is_empty() && kind(put) == of_whole {
            return None;
        }
        let schemas = Schemas(&document["components"]["schemas"]);
        Some(Body {
            api_version: api_version.to_owned(),
            kind: put["x-kubernetes-group-version-kind"]["kind"]
                .as_str()?
                .to_owned(),
            subresource: behind.trim_start_matches('/').to_owned(),
            sample: schemas.sample(&content["schema"], &mut Vec::new()),
        })
    };
    paths.filter_map(body).collect()
}

/// The schemas of a group.
struct Schemas<'a>(&'a Value);

impl<'a> Schemas<'a> {
    /// A value that has everything. A schema that is within itself is a map without entries there.
    fn sample(&self, schema: &'a Value, within: &mut Vec<&'a str>) -> Value {
        let part = schema["allOf"].get(0).unwrap_or(schema);
        let Some(name) = part["$ref"].as_str() else {
            return self.plain(part, within);
        };
        if within.contains(&name) {
            return json!({});
        }
        within.push(name);
        let known = &self.0[name.rsplit('/').next().unwrap()];
        let sample = self.sample(known, within);
        within.pop();
        sample
    }

    fn plain(&self, schema: &'a Value, within: &mut Vec<&'a str>) -> Value {
        if let Some(fields) = schema["properties"].as_object() {
            let sample = |(field, schema): (&String, &'a Value)| (field.clone(), self.sample(schema, within));
            return fields.iter().map(sample).collect::<Map<_, _>>().into();
        }
        match schema["type"].as_str() {
            Some("array") => json!([self.sample(&schema["items"], within)]),
            Some("object") if schema["additionalProperties"].is_object() => {
                json!({ "key": self.sample(&schema["additionalProperties"], within) })
            }
            Some("boolean") => json!(true),
            Some("integer") => json!(1),
            Some("number") => json!(1.5),
            Some("string") => json!("a"),
            // Anything, a number or a text.
            _ => json!({ "key": "a" }),
        }
    }
}
