//! Whatever bytes reach the webhook: they are refused, or denied with their uid, and the operator lives on.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{Request, StatusCode, Uri, uri::Authority};
use http_body_util::BodyExt;
use kube::{Client, Config, client::Body};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::harness::shared;

/// What came back.
struct Answer {
    status: StatusCode,
    body: String,
}

/// The webhook's listener, found the way that the API server finds it.
struct Listener {
    client: Client,
    authority: Authority,
    authorities: Vec<CertificateDer<'static>>,
    /// Path of the validating call, with its secret.
    path: String,
}

impl Listener {
    fn of_the_shared_cluster() -> Self {
        let configuration = shared().admin().get("validatingwebhookconfiguration countersign");
        let client_config = &configuration["webhooks"][0]["clientConfig"];
        let pem = STANDARD
            .decode(client_config["caBundle"].as_str().unwrap())
            .unwrap();
        let url: Uri = client_config["url"].as_str().unwrap().parse().unwrap();
        let authority = url.authority().unwrap().clone();
        let authorities: Vec<_> = CertificateDer::pem_slice_iter(&pem)
            .collect::<Result<_, _>>()
            .unwrap();
        let mut config = Config::new(format!("https://{authority}").parse().unwrap());
        config.root_cert = Some(authorities.iter().map(|one| one.to_vec()).collect());
        Self {
            client: Client::try_from(config).unwrap(),
            authority,
            authorities,
            path: url.path().to_owned(),
        }
    }

    async fn post(&self, body: impl Into<Vec<u8>>) -> Answer {
        self.send(Request::post(&self.path).body(Body::from(body.into())).unwrap())
            .await
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.client.send(request).await.unwrap();
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        Answer {
            status,
            body: String::from_utf8_lossy(&bytes).into_owned(),
        }
    }
}

impl Listener {
    /// Sends a review that does not end, and tells the first line of what comes back.
    async fn begin(&self, header: &str, body: &[u8]) -> String {
        let mut stream = self.connect().await;
        let head = format!(
            "POST {} HTTP/1.1\r\nhost: localhost\r\n{header}\r\n\r\n",
            self.path
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body).await.unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).await.unwrap();
        line.trim_end().to_owned()
    }

    async fn connect(&self) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(self.authorities.clone());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(self.authority.host().to_owned()).unwrap();
        let stream = TcpStream::connect(self.authority.as_str()).await.unwrap();
        TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
            .unwrap()
    }
}

impl Answer {
    /// The body could not even be told to be an admission call.
    #[track_caller]
    fn is_refused(&self, status: StatusCode) {
        assert_eq!(self.status, status, "{}", self.body);
        assert!(!self.body.contains("\"allowed\""), "{}", self.body);
    }

    /// It was denied for this reason, to whoever asked.
    #[track_caller]
    fn is_denied(&self, reason: &str) {
        assert_eq!(self.status, StatusCode::OK, "{}", self.body);
        let answer: Value = serde_json::from_str(&self.body).unwrap();
        let response = &answer["response"];
        assert_eq!(response["uid"], "the-uid", "{}", self.body);
        assert_eq!(response["allowed"], false, "{}", self.body);
        assert_eq!(
            response["status"]["details"]["causes"][0]["reason"], reason,
            "{}",
            self.body
        );
    }
}

/// A review that the operator understands: somebody wants to create a ConfigMap.
fn review_by(username: &str) -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "the-uid",
            "kind": { "group": "", "version": "v1", "kind": "ConfigMap" },
            "resource": { "group": "", "version": "v1", "resource": "configmaps" },
            "name": "app",
            "namespace": "agents",
            "operation": "CREATE",
            "userInfo": { "username": username, "groups": ["system:authenticated"] },
            "object": { "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "app" }, "data": { "a": "1" } },
        },
    })
}

/// An admin's review with another value: what is wrong with it is not hidden by what an admin may not do.
fn review_with(pointer: &str, value: Value) -> String {
    let mut review = review_by("ada");
    *review.pointer_mut(pointer).unwrap() = value;
    review.to_string()
}

/// A value of the review as raw text, for what no JSON value can say.
fn review_with_text(pointer: &str, text: &str) -> String {
    review_with(pointer, json!("@here")).replace("\"@here\"", text)
}

#[tokio::test]
async fn what_is_no_review_is_refused() {
    let listener = Listener::of_the_shared_cluster();
    let whole = review_by("stranger").to_string();
    let (truncated, _) = whole.split_at(whole.len() / 2);
    let without_request =
        json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview" }).to_string();
    let doubled = whole.replace("\"uid\"", "\"uid\":\"another\",\"uid\"");
    for body in [
        "",
        "{",
        "null",
        "[]",
        "\"text\"",
        "not json",
        truncated,
        &without_request,
        &doubled,
    ] {
        listener.post(body).await.is_refused(StatusCode::BAD_REQUEST);
    }
    listener
        .post([0xff, 0xfe, 0x00])
        .await
        .is_refused(StatusCode::BAD_REQUEST);
    let deep = "[".repeat(100_000);
    listener.post(deep).await.is_refused(StatusCode::BAD_REQUEST);
    alive(&listener).await;
}

#[tokio::test]
async fn what_is_too_large_is_denied_once_it_has_all_come() {
    let listener = Listener::of_the_shared_cluster();
    let limit = 20 << 20;
    let mut large = br#"{"request":{"uid":"the-uid"}}"#.to_vec();
    large.resize(limit + 1, b' ');
    let chunks = [
        format!("{:x}\r\n", large.len()).as_bytes(),
        &large,
        b"\r\n0\r\n\r\n",
    ]
    .concat();
    listener.post(large).await.is_denied("Unreadable");
    let mut by_and_by = String::new();
    // A busy machine may not send it all in the time that a body is waited for.
    for _ in 0..3 {
        by_and_by = listener.begin("transfer-encoding: chunked", &chunks).await;
        if by_and_by != "HTTP/1.1 408 Request Timeout" {
            break;
        }
    }
    assert_eq!(by_and_by, "HTTP/1.1 200 OK");
    let of_nobody = listener.post(vec![b' '; limit + 1]).await;
    of_nobody.is_refused(StatusCode::PAYLOAD_TOO_LARGE);
    alive(&listener).await;
}

#[tokio::test]
async fn what_cannot_be_judged_is_denied_to_whoever_asked() {
    let listener = Listener::of_the_shared_cluster();
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    for body in [
        review_with("/apiVersion", json!("admission.k8s.io/v1beta1")),
        review_with("/kind", json!("ConversionReview")),
        review_with("/request/operation", json!("PROXY")),
        review_with("/request/object", json!(null)),
        review_with("/request/object", json!("text")),
        review_with("/request/name", json!(7)),
        review_with_text("/request/object/data/a", &deep),
        review_with_text("/request/object/data", r#"{"a":"1","a":"2"}"#),
        review_with_text(
            "/request/object",
            r#"{"metadata":{"name":"app"},"metadata":{"name":"other"}}"#,
        ),
    ] {
        listener.post(body).await.is_denied("Malformed");
    }
    alive(&listener).await;
}

#[tokio::test]
async fn who_does_not_know_the_path_learns_nothing() {
    let listener = Listener::of_the_shared_cluster();
    let with_other_secret = format!("/{}/validate", "0".repeat(64));
    for path in [
        "/",
        "/validate",
        "/mutate",
        &with_other_secret,
        "/metrics",
        "/healthz",
    ] {
        let body = Body::from(review_by("stranger").to_string().into_bytes());
        let request = Request::post(path).body(body).unwrap();
        listener.send(request).await.is_refused(StatusCode::NOT_FOUND);
    }
    let get = Request::get(&listener.path).body(Body::empty()).unwrap();
    listener
        .send(get)
        .await
        .is_refused(StatusCode::METHOD_NOT_ALLOWED);
    alive(&listener).await;
}

/// The operator still judges.
async fn alive(listener: &Listener) {
    listener
        .post(review_by("stranger").to_string())
        .await
        .is_denied("ReaderWrites");
    assert!(shared().operator().is_ready());
}
