//! The parent that an object names: whether it lives, by a quorum read that is made only where a delegation asks.

use countersign_core::{
    decide,
    decision::{Decision, Findings},
    parent::{LiveParent, NamedParent},
    request::Request,
    snapshot::Snapshot,
};
use jiff::Timestamp;
use kube::{
    Api, Client,
    api::DynamicObject,
    core::GroupVersionKind,
    discovery::{Scope, pinned_kind},
};

/// The decision, made again with the object's parent in view where a delegation depends on it.
pub async fn decide(judged: &Request<'_>, snapshot: &Snapshot, client: &Client) -> (Decision, Findings) {
    let (decision, findings) = decide::decide(judged, snapshot, Timestamp::now());
    let Some(named) = &findings.parent else {
        return (decision, findings);
    };
    let judged = Request {
        live_parent: match Box::pin(look(named, client)).await {
            Ok(()) => LiveParent::Lives(named.uid.clone()),
            Err(unseen) => LiveParent::Unseen(unseen.to_string()),
        },
        ..judged.clone()
    };
    decide::decide(&judged, snapshot, Timestamp::now())
}

/// Why a parent was not seen alive.
#[derive(Debug, thiserror::Error)]
enum Unseen {
    /// A reference that can be no path of the API server, whatever else it may be.
    #[error("its owner reference is no name that an object can have")]
    NoName,
    /// A namespaced parent of an object without a namespace.
    #[error("a {0} lies in a namespace and controls nothing outside")]
    Namespaced(String),
    /// No such object, or another one under its name.
    #[error("the {kind} `{name}` that it names does not live")]
    Dead {
        /// Its kind.
        kind: String,
        /// Its name.
        name: String,
    },
    /// The API server did not tell.
    #[error("the {kind} `{name}` could not be read: {source}")]
    Unreadable {
        /// Its kind.
        kind: String,
        /// Its name.
        name: String,
        /// What it said.
        source: Box<kube::Error>,
    },
}

/// Looks for the parent under its name, and for its uid there.
async fn look(parent: &NamedParent, client: &Client) -> Result<(), Unseen> {
    let NamedParent { version, name, .. } = parent;
    // The API server checks neither: whoever writes the reference writes the path that would be read.
    if !is_segment(version) || !is_segment(name) {
        return Err(Unseen::NoName);
    }
    let kind = || parent.kind.clone();
    let unreadable = |source| Unseen::Unreadable {
        kind: kind(),
        name: name.clone(),
        source: Box::new(source),
    };
    let of_kind = GroupVersionKind::gvk(&parent.group, version, &parent.kind);
    let (resource, capabilities) = pinned_kind(client, &of_kind).await.map_err(unreadable)?;
    let objects: Api<DynamicObject> = match (capabilities.scope, &parent.namespace) {
        (Scope::Cluster, _) => Api::all_with(client.clone(), &resource),
        (Scope::Namespaced, Some(namespace)) => Api::namespaced_with(client.clone(), namespace, &resource),
        (Scope::Namespaced, None) => return Err(Unseen::Namespaced(kind())),
    };
    match objects.get_metadata_opt(name).await.map_err(unreadable)? {
        Some(found) if found.metadata.uid.as_ref() == Some(&parent.uid) => Ok(()),
        _ => Err(Unseen::Dead {
            kind: kind(),
            name: name.clone(),
        }),
    }
}

/// Whether the text is one segment of a path, as the names of objects and versions are.
fn is_segment(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ':' | '@');
    !text.is_empty() && text.chars().all(is_plain) && !text.chars().all(|c| c == '.')
}

#[cfg(test)]
mod tests {
    use http::Response;
    use kube::client::Body;
    use serde_json::{Value, json};
    use tower_test::mock;

    use super::*;

    fn parent(name: &str) -> NamedParent {
        NamedParent {
            group: "example.com".to_owned(),
            version: "v1".to_owned(),
            kind: "Widget".to_owned(),
            namespace: Some("shop".to_owned()),
            name: name.to_owned(),
            uid: "u1".to_owned(),
        }
    }

    fn kinds(namespaced: bool) -> Value {
        json!({
            "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "example.com/v1",
            "resources": [
                { "name": "widgets/status", "kind": "Widget", "namespaced": namespaced, "singularName": "", "verbs": ["get"] },
                { "name": "widgets", "kind": "Widget", "namespaced": namespaced, "singularName": "widget", "verbs": ["get"] },
            ],
        })
    }

    fn widget(uid: &str) -> Value {
        json!({
            "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
            "metadata": { "name": "w", "namespace": "shop", "uid": uid },
        })
    }

    fn failure(code: u16, reason: &str) -> Value {
        json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": "no" })
    }

    /// What comes of the look, with these answers, and the paths that were asked for.
    async fn looked(parent: NamedParent, answers: Vec<(u16, Value)>) -> (Result<(), String>, Vec<String>) {
        let (service, mut server) = mock::pair::<http::Request<Body>, Response<Body>>();
        let client = Client::new(service, "default");
        let looking = tokio::spawn(async move { look(&parent, &client).await });
        let mut paths = Vec::new();
        for (code, answer) in answers {
            let (request, send) = server.next_request().await.unwrap();
            paths.push(request.uri().path().to_owned());
            let body = Body::from(answer.to_string().into_bytes());
            send.send_response(Response::builder().status(code).body(body).unwrap());
        }
        let outcome = looking.await.unwrap().map_err(|unseen| unseen.to_string());
        (outcome, paths)
    }

    #[tokio::test]
    async fn a_parent_is_read_where_its_kind_lies() {
        let (outcome, paths) = looked(parent("w"), vec![(200, kinds(true)), (200, widget("u1"))]).await;
        assert_eq!(outcome, Ok(()));
        assert_eq!(
            paths,
            [
                "/apis/example.com/v1",
                "/apis/example.com/v1/namespaces/shop/widgets/w"
            ]
        );
        let (outcome, paths) = looked(parent("w"), vec![(200, kinds(false)), (200, widget("u1"))]).await;
        assert_eq!(outcome, Ok(()));
        assert_eq!(paths[1], "/apis/example.com/v1/widgets/w");
    }

    #[tokio::test]
    async fn what_is_not_there_or_not_told_does_not_live() {
        let homeless = NamedParent {
            namespace: None,
            ..parent("w")
        };
        for (parent, answers, told) in [
            (
                parent("w"),
                vec![(200, kinds(true)), (200, widget("u2"))],
                "does not live",
            ),
            (
                parent("w"),
                vec![(200, kinds(true)), (404, failure(404, "NotFound"))],
                "does not live",
            ),
            (
                parent("w"),
                vec![(200, kinds(true)), (403, failure(403, "Forbidden"))],
                "could not be read",
            ),
            (
                parent("w"),
                vec![(404, failure(404, "NotFound"))],
                "could not be read",
            ),
            (homeless, vec![(200, kinds(true))], "lies in a namespace"),
        ] {
            let (outcome, _) = looked(parent, answers).await;
            let why = outcome.unwrap_err();
            assert!(why.contains(told), "{told}: {why}");
        }
    }

    #[tokio::test]
    async fn a_reference_is_never_another_path() {
        for name in [
            "",
            ".",
            "..",
            "../secrets/x",
            "w/status",
            "w?a=b",
            "w#",
            "w%2fstatus",
            "w\u{202e}",
        ] {
            let (outcome, _) = looked(parent(name), Vec::new()).await;
            let why = "its owner reference is no name that an object can have";
            assert_eq!(outcome, Err(why.to_owned()), "{name}");
        }
        let elsewhere = NamedParent {
            version: "v1/namespaces/other/widgets/w?".to_owned(),
            ..parent("w")
        };
        assert!(
            looked(elsewhere, Vec::new())
                .await
                .0
                .unwrap_err()
                .contains("no name")
        );
    }
}
