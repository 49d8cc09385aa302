//! What the node and Prometheus ask: alive, ready and if not why, and the numbers.

use std::{fmt::Write, sync::Arc};

use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use http::{StatusCode, header::CONTENT_TYPE};
use prometheus_client::registry::Registry;

use crate::readiness::Readiness;

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// `/healthz`, `/readyz` and `/metrics`.
pub fn router(readiness: Readiness, registry: Arc<Registry>) -> Router {
    Router::new()
        .route("/healthz", get("ok\n"))
        .route("/readyz", get(readyz).with_state(readiness))
        .route("/metrics", get(metrics).with_state(registry))
}

async fn readyz(State(readiness): State<Readiness>) -> Response {
    let unready = readiness.unready();
    if unready.is_empty() {
        return "ok\n".into_response();
    }
    let list = unready.iter().fold(String::new(), |mut list, (part, why)| {
        let _ = writeln!(list, "{part}: {why}");
        list
    });
    (StatusCode::SERVICE_UNAVAILABLE, list).into_response()
}

async fn metrics(State(registry): State<Arc<Registry>>) -> Response {
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &registry) {
        Ok(()) => ([(CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;
    use crate::metrics::{self, ListenerMetrics};

    async fn ask(router: &Router, path: &str) -> (StatusCode, String) {
        let request = http::Request::builder().uri(path).body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn probes_say_what_is_not_ready_and_what_was_counted() {
        let readiness = Readiness::default();
        let zones = readiness.register("zones");
        let mut registry = metrics::registry();
        ListenerMetrics::register(&mut registry).reject("handshake");
        let router = router(readiness, Arc::new(registry));
        assert_eq!(
            ask(&router, "/healthz").await,
            (StatusCode::OK, "ok\n".to_owned())
        );
        let unready = (StatusCode::SERVICE_UNAVAILABLE, "zones: starting\n".to_owned());
        assert_eq!(ask(&router, "/readyz").await, unready);
        zones.ready();
        assert_eq!(ask(&router, "/readyz").await, (StatusCode::OK, "ok\n".to_owned()));
        let (_, numbers) = ask(&router, "/metrics").await;
        assert!(
            numbers.contains("countersign_listener_rejected_total{reason=\"handshake\"} 1"),
            "{numbers}"
        );
    }
}
