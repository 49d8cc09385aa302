use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::*;
use crate::webhook_config::{
    Plan,
    desired::{Desired, tests::plan},
};

fn desired() -> DynamicObject {
    Desired::new(&plan(), false).validating
}

fn live(manager: &str) -> DynamicObject {
    let mut live = desired();
    live.metadata.resource_version = Some("7".to_owned());
    live.annotations_mut()
        .insert("theirs".to_owned(), "kept".to_owned());
    live.metadata.managed_fields = serde_json::from_value(json!([
        {"manager": FIELD_MANAGER, "time": "2026-01-01T00:00:00Z"},
        {"manager": manager, "time": "2026-01-01T00:00:05Z"},
    ]))
    .unwrap();
    live
}

fn weakened() -> DynamicObject {
    let mut weakened = live("kubectl-edit");
    weakened.data["webhooks"][0]["failurePolicy"] = "Ignore".into();
    weakened
}

/// An API server that answers every write with what was written, and tells at the end what that was.
fn server() -> (Owned, JoinHandle<Vec<(Method, Value)>>) {
    let (service, mut handle) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
    let client = Client::new(service, "default");
    let writes = tokio::spawn(async move {
        let mut writes = Vec::new();
        while let Some((request, answer)) = handle.next_request().await {
            let (head, body) = request.into_parts();
            let bytes = body.collect().await.unwrap().to_bytes();
            writes.push((head.method, serde_json::from_slice(&bytes).unwrap()));
            answer.send_response(
                Response::builder()
                    .status(StatusCode::OK)
                    .body(Body::from(bytes))
                    .unwrap(),
            );
        }
        writes
    });
    (Owned::new::<ValidatingWebhookConfiguration>(&client), writes)
}

fn foreign(managers: &[&str], field: &str) -> ForeignChange {
    let managers = managers.iter().map(|&manager| manager.to_owned()).collect();
    ForeignChange {
        managers,
        fields: vec![field.to_owned()],
    }
}

#[tokio::test]
async fn what_is_in_place_is_not_written() {
    let (mut owned, writes) = server();
    let outcome = owned.restore(Some(live("kubectl")), &desired()).await.unwrap();
    assert_eq!((outcome.in_sync, outcome.foreign), (true, None));
    drop(owned);
    assert_eq!(writes.await.unwrap(), []);
}

#[tokio::test]
async fn a_foreign_change_is_replaced_at_its_version_and_told() {
    let (mut owned, writes) = server();
    owned
        .restore(Some(live(FIELD_MANAGER)), &desired())
        .await
        .unwrap();
    let outcome = owned.restore(Some(weakened()), &desired()).await.unwrap();
    assert!(outcome.in_sync);
    assert_eq!(
        outcome.foreign,
        Some(foreign(
            &["kubectl-edit", FIELD_MANAGER],
            "webhooks[validate.countersign.dev].failurePolicy"
        ))
    );
    drop(owned);
    let writes = writes.await.unwrap();
    let [(Method::PUT, written)] = &writes[..] else {
        panic!("{writes:?}")
    };
    assert_eq!(written["metadata"]["resourceVersion"], "7");
    assert_eq!(written["metadata"]["annotations"], json!({"theirs": "kept"}));
    assert_eq!(written["webhooks"], desired().data["webhooks"]);
}

#[tokio::test]
async fn a_deleted_configuration_is_made_again() {
    let (mut owned, writes) = server();
    assert_eq!(owned.restore(None, &desired()).await.unwrap().foreign, None);
    assert_eq!(
        owned.restore(None, &desired()).await.unwrap().foreign,
        Some(foreign(&[], "metadata.name"))
    );
    drop(owned);
    let methods: Vec<_> = writes
        .await
        .unwrap()
        .into_iter()
        .map(|(method, _)| method)
        .collect();
    assert_eq!(methods, [Method::POST, Method::POST]);
}

#[tokio::test]
async fn a_new_plan_is_no_foreign_change() {
    let (mut owned, writes) = server();
    owned
        .restore(Some(live(FIELD_MANAGER)), &desired())
        .await
        .unwrap();
    let relaxed = Desired::new(
        &Plan {
            strict: false,
            ..plan()
        },
        false,
    )
    .validating;
    let outcome = owned.restore(Some(live(FIELD_MANAGER)), &relaxed).await.unwrap();
    assert_eq!((outcome.in_sync, outcome.foreign), (true, None));
    drop(owned);
    assert_eq!(writes.await.unwrap().len(), 1);
}

#[tokio::test]
async fn at_start_the_latest_writer_tells_whose_change_it_is() {
    let (mut owned, _writes) = server();
    let outcome = owned.restore(Some(weakened()), &desired()).await.unwrap();
    assert_eq!(
        outcome.foreign,
        Some(foreign(
            &["kubectl-edit", FIELD_MANAGER],
            "webhooks[validate.countersign.dev].failurePolicy"
        ))
    );
    let (mut owned, _writes) = server();
    let mut older_version = weakened();
    older_version
        .metadata
        .managed_fields
        .as_mut()
        .unwrap()
        .truncate(1);
    assert_eq!(
        owned
            .restore(Some(older_version), &desired())
            .await
            .unwrap()
            .foreign,
        None
    );
}
