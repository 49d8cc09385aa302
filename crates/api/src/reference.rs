//! The reference pages, generated from the definitions' own descriptions.

use std::fmt::Write;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool, ValidationRule,
};

const GENERATED: &str = "<!-- Generated from the Rust types; do not edit. -->";

/// The table of all kinds.
pub fn index(crds: &[CustomResourceDefinition]) -> String {
    let mut page = format!(
        "{GENERATED}\n\n# Kinds\n\nAll kinds are in the API group `countersign.dev`, version `v1alpha1`, and in the category \
         `countersign`: `kubectl get countersign -A` lists every object. `kubectl explain <kind>.spec` shows what \
         these pages show.\n\n| kind | short | scope | what it is |\n|---|---|---|---|\n"
    );
    for crd in crds {
        let names = &crd.spec.names;
        let first = description(crd)
            .split_once(": ")
            .map_or(description(crd), |(first, _)| first);
        let first = first.split_once(". ").map_or(first, |(first, _)| first);
        let _ = writeln!(
            page,
            "| [{}]({}.md) | `{}` | {} | {} |",
            names.kind,
            names.kind.to_lowercase(),
            short(crd),
            scope(crd),
            first.trim_end_matches('.')
        );
    }
    page
}

/// The page of one kind: what it is, then each field with its type, bounds, default, meaning and rules.
pub fn page(crd: &CustomResourceDefinition) -> String {
    let names = &crd.spec.names;
    let mut page = format!(
        "{GENERATED}\n\n# {}\n\n{}\n\n* API version: `{}/{}`\n* Scope: {}\n* Names: `{}`, `{}`, short `{}`\n",
        names.kind,
        description(crd),
        crd.spec.group,
        crd.spec
            .versions
            .first()
            .map_or("", |version| version.name.as_str()),
        scope(crd),
        names.plural,
        names.singular.as_deref().unwrap_or(&names.plural),
        short(crd),
    );
    let selectable = crd
        .spec
        .versions
        .iter()
        .flat_map(|version| version.selectable_fields.iter().flatten());
    let selectable: Vec<_> = selectable
        .map(|field| format!("`{}`", field.json_path.trim_start_matches('.')))
        .collect();
    if !selectable.is_empty() {
        let _ = writeln!(page, "* Field selectors: {}", selectable.join(", "));
    }
    if let Some(root) = root(crd) {
        page.push('\n');
        rules(&mut page, root);
        for part in ["spec", "status"] {
            if let Some(schema) = root
                .properties
                .as_ref()
                .and_then(|properties| properties.get(part))
            {
                let _ = write!(
                    page,
                    "## {part}\n\n{}\n\n",
                    schema.description.as_deref().unwrap_or_default()
                );
                rules(&mut page, schema);
                fields(&mut page, part, schema);
            }
        }
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

fn fields(page: &mut String, path: &str, schema: &JSONSchemaProps) {
    let required = schema.required.clone().unwrap_or_default();
    for (name, field) in schema.properties.iter().flatten() {
        let path = format!("{path}.{name}");
        let need = if required.contains(name) { ", required" } else { "" };
        let _ = write!(page, "### {path}\n\n*{}{need}*{}\n\n", kind(field), bounds(field));
        if let Some(text) = &field.description {
            let _ = write!(page, "{text}\n\n");
        }
        rules(page, field);
        if is_conditions(field) {
            continue;
        }
        fields(page, &path, field);
        if let Some(item) = item(field) {
            rules(page, item);
            fields(page, &format!("{path}[]"), item);
        }
    }
}

/// Conditions have the same fields everywhere in Kubernetes.
fn is_conditions(field: &JSONSchemaProps) -> bool {
    field
        .x_kubernetes_list_map_keys
        .as_ref()
        .is_some_and(|keys| keys == &["type"])
}

fn item(field: &JSONSchemaProps) -> Option<&JSONSchemaProps> {
    match &field.items {
        Some(JSONSchemaPropsOrArray::Schema(item)) => Some(item),
        _ => None,
    }
}

fn kind(field: &JSONSchemaProps) -> String {
    let name = match (field.type_.as_deref(), field.format.as_deref()) {
        (Some("string"), Some("date-time")) => "time",
        (Some(name), _) => name,
        (None, _) => "any",
    };
    match (item(field), &field.additional_properties) {
        (Some(item), _) => format!("list of {}", kind(item)),
        (None, Some(JSONSchemaPropsOrBool::Schema(value))) => format!("map of {}", kind(value)),
        _ => name.to_owned(),
    }
}

fn bounds(field: &JSONSchemaProps) -> String {
    let mut parts = Vec::new();
    if let Some(words) = item(field).unwrap_or(field).enum_.as_ref() {
        let words: Vec<_> = words.iter().map(|word| format!("`{}`", plain(&word.0))).collect();
        parts.push(words.join(", "));
    }
    let numbers = |value: Option<f64>| value.map(|number| format!("{number:.0}"));
    parts.extend(range(numbers(field.minimum), numbers(field.maximum), ""));
    let lengths = |value: Option<i64>| value.map(|number| number.to_string());
    parts.extend(range(
        lengths(field.min_items),
        lengths(field.max_items),
        " items",
    ));
    let text = item(field).unwrap_or(field);
    let each = if item(field).is_some() { "each " } else { "" };
    let length = range(lengths(text.min_length), lengths(text.max_length), " characters");
    parts.extend(length.map(|length| format!("{each}{length}")));
    parts.extend(
        text.pattern
            .as_ref()
            .map(|pattern| format!("matches `{pattern}`")),
    );
    parts.extend(
        field
            .default
            .as_ref()
            .map(|default| format!("default `{}`", plain(&default.0))),
    );
    parts.iter().fold(String::new(), |text, part| text + " · " + part)
}

fn range(least: Option<String>, most: Option<String>, unit: &str) -> Option<String> {
    match (least.filter(|least| least != "0"), most) {
        (Some(least), Some(most)) if least == most => Some(format!("{most}{unit}")),
        (Some(least), Some(most)) => Some(format!("{least} to {most}{unit}")),
        (Some(least), None) => Some(format!("at least {least}{unit}")),
        (None, Some(most)) => Some(format!("at most {most}{unit}")),
        (None, None) => None,
    }
}

fn rules(page: &mut String, schema: &JSONSchemaProps) {
    let rules = schema.x_kubernetes_validations.iter().flatten();
    let texts: Vec<_> = rules.map(|rule| format!("* Rule: {}\n", message(rule))).collect();
    if !texts.is_empty() {
        let _ = writeln!(page, "{}", texts.concat());
    }
}

fn message(rule: &ValidationRule) -> String {
    match (&rule.message, &rule.message_expression) {
        (Some(message), _) => message.clone(),
        (None, _) => format!("`{}`", rule.rule),
    }
}

/// A text without quotes, anything else as JSON.
fn plain(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn description(crd: &CustomResourceDefinition) -> &str {
    root(crd)
        .and_then(|root| root.description.as_deref())
        .unwrap_or_default()
}

fn root(crd: &CustomResourceDefinition) -> Option<&JSONSchemaProps> {
    crd.spec
        .versions
        .first()?
        .schema
        .as_ref()?
        .open_api_v3_schema
        .as_ref()
}

fn short(crd: &CustomResourceDefinition) -> &str {
    crd.spec
        .names
        .short_names
        .iter()
        .flatten()
        .next()
        .map_or("", String::as_str)
}

fn scope(crd: &CustomResourceDefinition) -> &'static str {
    if crd.spec.scope == "Namespaced" {
        "namespaced"
    } else {
        "cluster"
    }
}
