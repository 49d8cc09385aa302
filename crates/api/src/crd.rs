//! The CustomResourceDefinitions of all kinds, as one applies them.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;

use crate::{
    AccessPolicy, Agent, ApprovalReview, ApprovalTicket, BreakGlass, Intent, RoleGrant, Task, Team,
    WriteDelegation, Zone, reference,
};

/// All CustomResourceDefinitions: the policy first, then who may act, then what is asked, and what became of it.
pub fn all() -> Vec<CustomResourceDefinition> {
    [
        AccessPolicy::crd(),
        RoleGrant::crd(),
        Team::crd(),
        Agent::crd(),
        Zone::crd(),
        WriteDelegation::crd(),
        ApprovalTicket::crd(),
        ApprovalReview::crd(),
        Intent::crd(),
        Task::crd(),
        BreakGlass::crd(),
    ]
    .map(finish)
    .into()
}

/// One definition as a YAML document.
pub fn yaml(crd: &CustomResourceDefinition) -> io::Result<String> {
    let body = serde_yaml::to_string(crd).map_err(io::Error::other)?;
    Ok(format!("# Generated from the Rust types; do not edit.\n{body}"))
}

/// Every generated file with its content: `crds/<plural>.yaml` and `docs/reference/<kind>.md`, relative to the
/// repository's root.
pub fn files() -> io::Result<Vec<(PathBuf, String)>> {
    let all = all();
    let mut files = vec![(PathBuf::from("docs/reference/README.md"), reference::index(&all))];
    for crd in &all {
        let names = &crd.spec.names;
        files.push((format!("crds/{}.yaml", names.plural).into(), yaml(crd)?));
        let page = format!("docs/reference/{}.md", names.kind.to_lowercase());
        files.push((page.into(), reference::page(crd)));
    }
    Ok(files)
}

/// Writes every generated file below the repository's root.
pub fn write(root: &Path) -> io::Result<()> {
    for (path, content) in files()? {
        let path = root.join(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, content)?;
    }
    Ok(())
}

fn finish(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    for version in &mut crd.spec.versions {
        if let Some(schema) = version
            .schema
            .as_mut()
            .and_then(|s| s.open_api_v3_schema.as_mut())
        {
            normalise(schema);
        }
    }
    crd
}

/// Makes a derived schema what Kubernetes means: an absent field is absent, never `null`; only formats that the
/// API server knows; a description as running text.
fn normalise(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    schema.title = None;
    if schema
        .format
        .as_deref()
        .is_some_and(|format| format.starts_with("uint"))
    {
        schema.format = Some("int64".to_owned());
    }
    if let Some(description) = &mut schema.description {
        *description = flow(description);
    }
    schema
        .properties
        .iter_mut()
        .flatten()
        .for_each(|(_, property)| normalise(property));
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        normalise(items);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        normalise(values);
    }
}

/// Lines of a paragraph joined; paragraphs stay apart.
fn flow(text: &str) -> String {
    let paragraphs = text
        .split("\n\n")
        .map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "));
    paragraphs.collect::<Vec<_>>().join("\n\n")
}
