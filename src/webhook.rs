//! The two routes of the webhook: bytes in, an answer out, whatever the bytes are.

use std::sync::Arc;

use axum::{
    Router,
    extract::{FromRef, State},
    response::{IntoResponse, Response},
    routing::post,
};
use countersign_core::decision::{Denial, Reason};
use http::StatusCode;

use crate::{
    admission::{Admission, response, review},
    server::{BodyBudget, BodyRejection, BoundedBody},
};

/// What the routes share.
struct Shared {
    admission: Arc<Admission>,
    bodies: BodyBudget,
}

impl FromRef<Arc<Shared>> for BodyBudget {
    fn from_ref(shared: &Arc<Shared>) -> Self {
        shared.bodies.clone()
    }
}

/// `/validate` and `/mutate`.
pub fn router(admission: Arc<Admission>, bodies: BodyBudget) -> Router {
    Router::new()
        .route("/validate", post(validate))
        .route("/mutate", post(mutate))
        .with_state(Arc::new(Shared { admission, bodies }))
}

async fn validate(State(shared): State<Arc<Shared>>, body: Result<BoundedBody, BodyRejection>) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(rejection) => return refuse(rejection),
    };
    let request = match review::parse(&body.bytes) {
        Ok(request) => request,
        Err(error) => return malformed(&body.bytes, &error),
    };
    shared.admission.validate(&request).await.into_response()
}

async fn mutate(State(shared): State<Arc<Shared>>, body: Result<BoundedBody, BodyRejection>) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(rejection) => return refuse(rejection),
    };
    match review::parse(&body.bytes) {
        Ok(request) => shared.admission.mutate(&request).await.into_response(),
        Err(error) => malformed(&body.bytes, &error),
    }
}

/// A denial with the uid echoed where there is one; without, it is no admission call at all.
fn malformed(body: &[u8], error: &review::ReviewError) -> Response {
    match review::uid_of(body) {
        Some(uid) => deny(&uid, Reason::Malformed, &error.to_string()),
        None => (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
    }
}

/// What was not read is denied in so many words: in a namespace whose failure policy is Ignore an error would allow, and
/// an error shows the secret path.
fn refuse(rejection: BodyRejection) -> Response {
    let (head, reason, message) = match &rejection {
        BodyRejection::Overloaded { head } => (
            head,
            Reason::Overloaded,
            "too many requests at once: try again in a moment".to_owned(),
        ),
        BodyRejection::TooLarge { limit, head } => (
            head,
            Reason::Unreadable,
            format!("the review of this change has more than {limit} bytes: make it in several steps"),
        ),
        _ => return rejection.into_response(),
    };
    match review::uid_at_head(head) {
        Some(uid) => deny(&uid, reason, &message),
        None => rejection.into_response(),
    }
}

fn deny(uid: &str, reason: Reason, message: &str) -> Response {
    response::deny(uid, &Denial::new(reason, message), Vec::new()).into_response()
}
