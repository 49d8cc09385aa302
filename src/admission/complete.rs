//! Quorum reads of the object behind a request: what the review does not show.

use std::fmt::Write as _;

use countersign_core::{
    decision::{Denial, Reason},
    request::{Hidden, Target},
};
use http::Request;
use kube::Client;
use serde::Deserialize;
use serde_json::Value;

/// The path of an object (or, with a subresource, of that) below the API server's root.
pub fn path(target: &Target<'_>) -> String {
    let mut path = collection_path(target);
    path.push('/');
    path.push_str(&encoded(target.name));
    if !target.subresource.is_empty() {
        path.push('/');
        path.push_str(target.subresource);
    }
    path
}

/// A name as part of a path or a query: those of RBAC hold whatever they like but `/` and `%`.
pub fn encoded(name: &str) -> String {
    name.bytes()
        .fold(String::with_capacity(name.len()), |mut text, byte| {
            if byte.is_ascii_alphanumeric() || b"-._~:@".contains(&byte) {
                text.push(char::from(byte));
            } else {
                let _ = write!(text, "%{byte:02X}");
            }
            text
        })
}

/// The path of the collection that an object is in.
pub fn collection_path(target: &Target<'_>) -> String {
    let root = if target.group.is_empty() {
        "/api/".to_owned()
    } else {
        format!("/apis/{}/", target.group)
    };
    let namespace = target
        .namespace
        .map(|name| format!("/namespaces/{name}"))
        .unwrap_or_default();
    format!("{root}{}{namespace}/{}", target.version, target.resource)
}

/// The text of what is at `path`; `None` when there is nothing.
pub async fn read(path: &str, client: &Client) -> Result<Option<String>, kube::Error> {
    let request = Request::get(path)
        .body(Vec::new())
        .map_err(kube::Error::HttpError)?;
    match client.request_text(request).await {
        Ok(text) => Ok(Some(text)),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// The object that an eviction, a binding, a token request or a connection is about.
///
/// The group and version of such a request may be its body's (`policy/v1` of an eviction): the object is read
/// through the same resource path that the request named.
pub async fn hidden(target: &Target<'_>, client: &Client) -> Result<Hidden, Denial> {
    let text = read(&path(&target.parent()), client)
        .await
        .map_err(|error| unreadable(target, &error))?;
    let Some(text) = text else {
        return Err(Denial::new(
            Reason::Unreadable,
            format!("`{}` does not exist", target.place()),
        ));
    };
    hidden_in(&text).map_err(|error| unreadable(target, &error))
}

fn hidden_in(text: &str) -> Result<Hidden, serde_json::Error> {
    #[derive(Deserialize)]
    struct Found {
        metadata: Metadata,
        #[serde(default)]
        spec: Value,
    }
    #[derive(Deserialize)]
    struct Metadata {
        uid: String,
    }
    let found: Found = serde_json::from_str(text)?;
    let account = found.spec.get("serviceAccountName").and_then(Value::as_str);
    Ok(Hidden {
        uid: found.metadata.uid,
        service_account: account.filter(|name| !name.is_empty()).map(str::to_owned),
    })
}

/// The denial for an object that could not be read.
pub fn unreadable(target: &Target<'_>, error: &dyn std::error::Error) -> Denial {
    Denial::new(
        Reason::Unreadable,
        format!("`{}` could not be read: {error}", target.place()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_runs_under_its_account_and_other_objects_under_none() {
        let read = |text: &str| {
            let hidden = hidden_in(text).unwrap();
            (hidden.uid, hidden.service_account)
        };
        let uid = "u".to_owned();
        for (text, account) in [
            (
                r#"{"metadata":{"uid":"u"},"spec":{"serviceAccountName":"bot"}}"#,
                Some("bot"),
            ),
            (
                r#"{"metadata":{"uid":"u"},"spec":{"serviceAccountName":""}}"#,
                None,
            ),
            (r#"{"metadata":{"uid":"u"},"spec":{}}"#, None),
            (r#"{"metadata":{"uid":"u"},"secrets":[]}"#, None),
        ] {
            assert_eq!(read(text), (uid.clone(), account.map(str::to_owned)), "{text}");
        }
        assert!(hidden_in(r#"{"metadata":{}}"#).is_err());
    }

    #[test]
    fn paths_follow_group_scope_and_subresource() {
        let pod = Target {
            group: "",
            version: "v1",
            kind: "Pod",
            resource: "pods",
            subresource: "exec",
            namespace: Some("shop"),
            name: "web",
        };
        assert_eq!(path(&pod), "/api/v1/namespaces/shop/pods/web/exec");
        let role = Target {
            group: "rbac.authorization.k8s.io",
            resource: "clusterroles",
            namespace: None,
            subresource: "",
            ..pod
        };
        assert_eq!(path(&role), "/apis/rbac.authorization.k8s.io/v1/clusterroles/web");
        let odd = Target {
            name: "a&b?c#d e=\u{e9}:@",
            ..role
        };
        let expected = "/apis/rbac.authorization.k8s.io/v1/clusterroles/a%26b%3Fc%23d%20e%3D%C3%A9:@";
        assert_eq!(path(&odd), expected);
    }
}
