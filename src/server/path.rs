//! The secret in the webhook's path: by default nothing else authenticates the API server (E26).

use axum::{
    Router,
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header::CONNECTION};
use jiff::Timestamp;

use crate::keys::PathKey;

/// Serves `routes` under `/<secret>`; everything else is not found, whatever it is.
pub fn behind_secret(routes: Router, key: PathKey) -> Router {
    Router::new()
        .nest("/{secret}", routes)
        .layer(from_fn_with_state(key, require_secret))
}

async fn require_secret(State(key): State<PathKey>, request: Request, next: Next) -> Response {
    let presented = request.uri().path().split('/').nth(1).unwrap_or_default();
    if key.accepts(presented, Timestamp::now()) {
        return next.run(request).await;
    }
    let mut response = StatusCode::NOT_FOUND.into_response();
    // A stranger does not get to keep one of the bounded connections.
    response
        .headers_mut()
        .insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, routing::post};
    use countersign_core::digest::MacKey;
    use http::Method;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn only_the_secret_opens_the_routes() {
        let key = PathKey::new(MacKey::new([1; 32]));
        let secret = key.current(Timestamp::now());
        let stranger = PathKey::new(MacKey::new([2; 32])).current(Timestamp::now());
        let router = behind_secret(Router::new().route("/validate", post(|| async { "ok" })), key);
        let ask = async |method: Method, path: String| {
            let request = http::Request::builder()
                .method(method)
                .uri(path)
                .body(Body::empty())
                .unwrap();
            router.clone().oneshot(request).await.unwrap().status()
        };
        assert_eq!(
            ask(Method::POST, format!("/{secret}/validate")).await,
            StatusCode::OK
        );
        assert_eq!(
            ask(Method::GET, format!("/{secret}/validate")).await,
            StatusCode::METHOD_NOT_ALLOWED
        );
        for path in [
            format!("/{stranger}/validate"),
            "/validate".to_owned(),
            "//validate".to_owned(),
            "/".to_owned(),
            format!("/x/{secret}/validate"),
            format!("/{}/validate", secret.to_uppercase()),
            format!("/{secret}/other"),
        ] {
            for method in [Method::POST, Method::GET] {
                assert_eq!(ask(method, path.clone()).await, StatusCode::NOT_FOUND, "{path}");
            }
        }
    }
}
