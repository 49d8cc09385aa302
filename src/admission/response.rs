//! The answer to a review: nothing is allowed without a receipt of the audit log.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use countersign_core::{
    decision::{Cause, Denial, Grant, Reason},
    plain::plain,
};
use http::{HeaderValue, StatusCode, header::CONTENT_TYPE};
use jiff::SignedDuration;
use serde::Serialize;

use crate::audit::Receipt;

/// The most characters of a message: clients cut longer ones in the wrong place.
const MAX_MESSAGE: usize = 512;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Room for most answers, in bytes.
const ANSWER_BYTES: usize = 256;

/// One answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AdmissionResponse {
    uid: String,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct Status {
    code: u16,
    reason: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Details>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Details {
    causes: Vec<StatusCause>,
    /// The API server makes the header Retry-After of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_seconds: Option<u64>,
}

/// A cause for programs: a stable reason, what it is about, and where it was decided.
#[derive(Debug, Serialize)]
pub struct StatusCause {
    reason: String,
    message: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    field: String,
}

impl IntoResponse for AdmissionResponse {
    /// As an AdmissionReview.
    fn into_response(self) -> Response {
        let mut body = Vec::with_capacity(ANSWER_BYTES);
        body.extend_from_slice(
            br#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":"#,
        );
        if let Err(error) = serde_json::to_writer(&mut body, &self) {
            return (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response();
        }
        body.push(b'}');
        let mut response = Response::new(Body::from(body));
        response.headers_mut().insert(CONTENT_TYPE, JSON);
        response
    }
}

/// Proof that an allowed write is on record: a receipt, or one of the reasons that are only counted.
#[derive(Debug)]
pub enum Recorded {
    /// The record is durable.
    Durably(Receipt),
    /// Such writes are counted, not recorded one by one.
    Counted(Counted),
}

/// A write of the kinds that are counted: by the operator, delegated, not guarded, or without effect.
#[derive(Debug)]
pub struct Counted(());

impl Counted {
    /// The proof for a grant that is only counted; `None` for one that must be recorded.
    pub fn of(grant: &Grant) -> Option<Self> {
        let counted = matches!(
            grant.reason(),
            Reason::NotGuarded | Reason::Operator | Reason::Delegated | Reason::NoOp
        );
        counted.then_some(Self(()))
    }
}

/// The answer that lets a write happen.
pub fn allow(uid: &str, _grant: &Grant, _recorded: &Recorded, warnings: Vec<String>) -> AdmissionResponse {
    AdmissionResponse {
        uid: uid.to_owned(),
        allowed: true,
        status: None,
        warnings,
        patch: None,
        patch_type: None,
    }
}

/// The answer that refuses a write: 403 Forbidden, which no client takes for a conflict or an immutable field; 429 where
/// nothing but time is missing.
pub fn deny(uid: &str, denial: &Denial, more: Vec<StatusCause>) -> AdmissionResponse {
    let field = denial
        .cause
        .as_ref()
        .map_or_else(String::new, |cause| plain(&cause.to_string()));
    let decided = StatusCause {
        reason: denial.reason.to_string(),
        message: plain(&denial.message),
        field,
    };
    let (code, reason) = match denial.wait {
        Some(_) => (429, "TooManyRequests"),
        None => (403, "Forbidden"),
    };
    let status = Status {
        code,
        reason,
        message: said(denial),
        details: Some(Details {
            causes: [decided, StatusCause::next_step(denial.reason)]
                .into_iter()
                .chain(more)
                .collect(),
            retry_after_seconds: denial.wait.map(whole_seconds),
        }),
    };
    AdmissionResponse {
        uid: uid.to_owned(),
        allowed: false,
        status: Some(status),
        warnings: Vec::new(),
        patch: None,
        patch_type: None,
    }
}

/// As many whole seconds as are enough, one at least.
fn whole_seconds(wait: SignedDuration) -> u64 {
    let millis = u64::try_from(wait.as_millis()).unwrap_or_default();
    millis.div_ceil(1000).max(1)
}

/// The answer of the mutating webhook: the object as it is, or with this JSON patch.
pub fn mutate(uid: &str, patch: Option<String>) -> AdmissionResponse {
    let patch_type = patch.is_some().then_some("JSONPatch");
    AdmissionResponse {
        uid: uid.to_owned(),
        allowed: true,
        status: None,
        warnings: Vec::new(),
        patch,
        patch_type,
    }
}

impl StatusCause {
    fn next_step(reason: Reason) -> Self {
        Self {
            reason: "NextStep".to_owned(),
            message: reason.next_step().as_str().to_owned(),
            field: String::new(),
        }
    }

    /// The ticket that would open the way.
    pub fn ticket(namespace: &str, name: &str) -> Self {
        Self {
            reason: "ApprovalTicket".to_owned(),
            message: format!("{namespace}/{name}"),
            field: "next: wait for its approval, then send the same request again".to_owned(),
        }
    }

    /// The namespace whose labels nobody judged.
    pub fn unsealed(namespace: &str, message: &str) -> Self {
        Self {
            reason: Reason::Unsealed.to_string(),
            message: message.to_owned(),
            field: Cause::new("Namespace", namespace, "metadata.labels").to_string(),
        }
    }
}

/// Reason, message and the line that decided; the line alone is left out where there is no room.
fn said(denial: &Denial) -> String {
    let whole = format!("{}: {denial}", denial.reason);
    if whole.chars().count() <= MAX_MESSAGE {
        return shorten(&whole);
    }
    shorten(&format!("{}: {}", denial.reason, denial.message))
}

/// At most [`MAX_MESSAGE`] characters, none of which a terminal would obey or a reader not see.
fn shorten(message: &str) -> String {
    let harmless = plain(message);
    if harmless.chars().count() <= MAX_MESSAGE {
        return harmless;
    }
    harmless
        .chars()
        .take(MAX_MESSAGE - 3)
        .chain("...".chars())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denial_is_forbidden_short_and_harmless() {
        let hostile = "\u{1b}[31m\u{202e}x".repeat(200);
        let cause = Cause::new("Zone", hostile.as_str(), "spec.owner");
        let denial = Denial::new(Reason::NotOfZone, hostile).because(cause);
        let json = serde_json::to_value(deny("u1", &denial, Vec::new())).unwrap();
        let status = &json["status"];
        assert_eq!(json["uid"], "u1");
        assert_eq!(
            (status["code"].as_u64(), status["reason"].as_str()),
            (Some(403), Some("Forbidden"))
        );
        let message = status["message"].as_str().unwrap();
        assert_eq!(message.chars().count(), MAX_MESSAGE);
        assert!(
            message.starts_with("NotOfZone: \\u{1b}[31m\\u{202e}x"),
            "{message}"
        );
        assert_eq!(status["details"]["causes"][0]["reason"], "NotOfZone");
        assert!(!json.to_string().contains(['\u{1b}', '\u{202e}']), "{json}");
    }

    #[test]
    fn a_program_reads_what_to_do_next() {
        for (reason, step) in [
            (Reason::ApprovalRequired, "request"),
            (Reason::IntentRequired, "request"),
            (Reason::Stale, "retry"),
            (Reason::RateLimited, "retry"),
            (Reason::ReaderWrites, "none"),
            (Reason::TicketDenied, "none"),
        ] {
            let answer = deny(
                "u1",
                &Denial::new(reason, "no"),
                vec![StatusCause::ticket("billing", "t")],
            );
            let causes = serde_json::to_value(answer).unwrap()["status"]["details"]["causes"].clone();
            let told = [0, 1, 2].map(|at: usize| causes[at]["reason"].as_str());
            assert_eq!(told, [reason.as_str(), "NextStep", "ApprovalTicket"].map(Some));
            assert_eq!(causes[1]["message"], step, "{reason}");
        }
    }

    #[test]
    fn who_only_has_to_wait_is_told_how_long() {
        let seconds = |millis| {
            let denial = Denial::new(Reason::RateLimited, "later");
            let denial = denial.for_now(SignedDuration::from_millis(millis));
            let status = serde_json::to_value(deny("u1", &denial, Vec::new())).unwrap()["status"].clone();
            assert_eq!(
                (&status["code"], &status["reason"]),
                (&429.into(), &"TooManyRequests".into())
            );
            status["details"]["retryAfterSeconds"].as_u64()
        };
        assert_eq!(
            [0, 1, 1000, 1001, 59_999].map(seconds),
            [1, 1, 1, 2, 60].map(Some)
        );
    }

    #[tokio::test]
    async fn an_answer_is_an_admission_review() {
        let response = mutate("u\"1", None).into_response();
        assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
        let body = axum::body::to_bytes(response.into_body(), 4096).await.unwrap();
        let review: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let response = serde_json::json!({"uid": "u\"1", "allowed": true});
        let expected = serde_json::json!({
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response,
        });
        assert_eq!(review, expected);
    }

    #[test]
    fn a_denial_cites_the_line_that_decided() {
        let denial = |message: &str| {
            let denial = Denial::new(Reason::NotOfZone, message);
            let denial = denial.because(Cause::new("Zone", "billing", "spec.owner"));
            serde_json::to_value(deny("u1", &denial, Vec::new())).unwrap()["status"].clone()
        };
        let (short, long) = (denial("no"), denial(&"x".repeat(500)));
        assert_eq!(short["message"], "NotOfZone: no [Zone/billing spec.owner]");
        assert_eq!(
            long["message"].as_str().unwrap(),
            format!("NotOfZone: {}", "x".repeat(500))
        );
        for status in [short, long] {
            assert_eq!(status["details"]["causes"][0]["field"], "Zone/billing spec.owner");
        }
    }
}
