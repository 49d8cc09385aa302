//! Objects of any kind, as the API server's own text.

use std::collections::HashMap;

use anyhow::{Context, bail};
use countersign_core::request::Target;
use http::{Request, Response};
use kube::{
    Client,
    api::DynamicObject,
    client::Body,
    core::{ApiResource, GroupVersionKind, Request as Requests},
    discovery::{self, Scope},
};

/// A kind as the API server serves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Group, version, kind and plural.
    pub resource: ApiResource,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
}

impl Kind {
    /// The path of its objects in a namespace.
    pub fn path(&self, namespace: Option<&str>) -> String {
        use kube::Resource;
        DynamicObject::url_path(&self.resource, namespace.filter(|_| self.namespaced))
    }

    /// The object of this name, as a request names it.
    pub fn target<'a>(&'a self, namespace: &'a str, name: &'a str) -> Target<'a> {
        Target {
            group: &self.resource.group,
            version: &self.resource.version,
            kind: &self.resource.kind,
            resource: &self.resource.plural,
            subresource: "",
            namespace: self.namespaced.then_some(namespace),
            name,
        }
    }
}

/// What kinds there are, asked for once each.
pub struct Kinds {
    client: Client,
    known: HashMap<GroupVersionKind, Kind>,
}

impl Kinds {
    /// Nothing is known yet.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            known: HashMap::new(),
        }
    }

    /// The kind that objects of this `apiVersion` and `kind` have.
    pub async fn find(&mut self, api_version: &str, kind: &str) -> anyhow::Result<Kind> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let key = GroupVersionKind::gvk(group, version, kind);
        if let Some(known) = self.known.get(&key) {
            return Ok(known.clone());
        }
        let found = discovery::oneshot::pinned_kind(&self.client, &key).await;
        let (resource, capabilities) = found.with_context(|| format!("no kind {kind} in {api_version}"))?;
        let found = Kind {
            resource,
            namespaced: capabilities.scope == Scope::Namespaced,
        };
        self.known.insert(key, found.clone());
        Ok(found)
    }

    /// The kind of a resource by its plural, `deployments.apps`, in the version that the API server prefers.
    pub async fn named(&self, resource_type: &str) -> anyhow::Result<Kind> {
        let (plural, group) = resource_type.split_once('.').unwrap_or((resource_type, ""));
        let found = discovery::oneshot::group(&self.client, group).await;
        let found = found.with_context(|| format!("no API group of `{resource_type}`"))?;
        let named = found
            .recommended_resources()
            .into_iter()
            .find(|(resource, _)| resource.plural == plural);
        let Some((resource, capabilities)) = named else {
            bail!("the cluster has no resource `{resource_type}`")
        };
        Ok(Kind {
            resource,
            namespaced: capabilities.scope == Scope::Namespaced,
        })
    }
}

/// The text of one object; `None` when it does not exist.
pub async fn read(client: &Client, path: &str, name: &str) -> anyhow::Result<Option<String>> {
    let request = Requests::new(path).get(name, &kube::api::GetParams::default())?;
    match client.request_text(request).await {
        Ok(text) => Ok(Some(text)),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Sends a request and gives the warnings of a good answer.
pub async fn warnings_of(client: &Client, request: Request<Vec<u8>>) -> anyhow::Result<Vec<String>> {
    let response = client.send(request.map(Body::from)).await?;
    let warnings = warnings(&response);
    if response.status().is_success() {
        return Ok(warnings);
    }
    let code = response.status();
    let body = response.into_body().collect_bytes().await?;
    let status: kube::core::Status =
        serde_json::from_slice(&body).with_context(|| format!("the API server answered {code}"))?;
    Err(kube::Error::Api(status.boxed()).into())
}

fn warnings<B>(response: &Response<B>) -> Vec<String> {
    let values = response.headers().get_all("warning").iter();
    values.filter_map(|value| warning(value.to_str().ok()?)).collect()
}

/// The text of one `Warning` header: `299 - "text"`, with `"` and `\` escaped by a backslash.
fn warning(header: &str) -> Option<String> {
    let quoted = header
        .strip_prefix("299 ")?
        .split_once(" \"")?
        .1
        .strip_suffix('"')?;
    let mut text = String::with_capacity(quoted.len());
    let mut chars = quoted.chars();
    while let Some(char) = chars.next() {
        text.push(if char == '\\' { chars.next()? } else { char });
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_unquoted() {
        assert_eq!(
            warning(r#"299 - "say \"no\" \\ yes""#).as_deref(),
            Some(r#"say "no" \ yes"#)
        );
        assert_eq!(warning(r#"299 host "a""#).as_deref(), Some("a"));
        assert_eq!(warning(r#"199 - "a""#), None);
        assert_eq!(warning(r#"299 - "a"#), None);
    }

    #[test]
    fn paths_follow_the_scope() {
        let gvk = GroupVersionKind::gvk("apps", "v1", "Deployment");
        let kind = Kind {
            resource: ApiResource::from_gvk(&gvk),
            namespaced: true,
        };
        assert_eq!(
            kind.path(Some("billing")),
            "/apis/apps/v1/namespaces/billing/deployments"
        );
        let kind = Kind {
            namespaced: false,
            ..kind
        };
        assert_eq!(kind.path(Some("billing")), "/apis/apps/v1/deployments");
    }
}
