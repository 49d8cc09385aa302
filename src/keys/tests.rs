use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use kube::client::Body;
use serde_json::{Value, json};
use tower_test::mock::{Handle, SendResponse};

use super::*;

type Api = Handle<Request<Body>, Response<Body>>;

const PATH: &str = "/api/v1/namespaces/ops/secrets";

fn client() -> (Client, Api) {
    let (service, handle) = tower_test::mock::pair();
    (Client::new(service, "ops"), handle)
}

async fn asked(api: &mut Api, method: Method, path: &str) -> (Value, SendResponse<Response<Body>>) {
    let (request, answer) = api.next_request().await.unwrap();
    assert_eq!((request.method(), request.uri().path()), (&method, path));
    let body = request.into_body().collect().await.unwrap().to_bytes();
    (serde_json::from_slice(&body).unwrap_or_default(), answer)
}

fn reply(answer: SendResponse<Response<Body>>, body: &Value) {
    answer.send_response(Response::new(Body::from(serde_json::to_vec(body).unwrap())));
}

fn fail(answer: SendResponse<Response<Body>>, code: StatusCode, reason: &str) {
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason,
        "message": reason, "code": code.as_u16()});
    let body = Body::from(serde_json::to_vec(&status).unwrap());
    answer.send_response(Response::builder().status(code).body(body).unwrap());
}

fn secret() -> Secret {
    new_secret(Timestamp::now()).unwrap()
}

fn redacted(keys: &Keys) -> String {
    keys.redaction().sign(&[b"value"])
}

#[tokio::test]
async fn keys_are_created_once_and_the_loser_of_a_race_reads_the_winners() {
    let (client, mut api) = client();
    let winner = secret();
    let expected = redacted(&winner.clone().try_into().unwrap());
    let server = tokio::spawn(async move {
        fail(
            asked(&mut api, Method::GET, &format!("{PATH}/{SECRET}")).await.1,
            StatusCode::NOT_FOUND,
            "NotFound",
        );
        let (created, answer) = asked(&mut api, Method::POST, PATH).await;
        fail(answer, StatusCode::CONFLICT, "AlreadyExists");
        let (_, answer) = asked(&mut api, Method::GET, &format!("{PATH}/{SECRET}")).await;
        reply(answer, &serde_json::to_value(winner).unwrap());
        created
    });
    let keys = Keys::load_or_create(&client, "ops", Timestamp::now())
        .await
        .unwrap();
    assert_eq!(redacted(&keys), expected);
    let mine: Secret = serde_json::from_value(server.await.unwrap()).unwrap();
    assert_ne!(redacted(&mine.try_into().unwrap()), expected);
}

#[tokio::test]
async fn existing_keys_are_read_and_never_written() {
    let (client, mut api) = client();
    tokio::spawn(async move {
        let (_, answer) = asked(&mut api, Method::GET, &format!("{PATH}/{SECRET}")).await;
        reply(answer, &serde_json::to_value(secret()).unwrap());
    });
    let keys = Keys::load_or_create(&client, "ops", Timestamp::now())
        .await
        .unwrap();
    let macs = [keys.stamp(), keys.seal(), keys.redaction()].map(|key| key.sign(&[b"x"]));
    assert!(macs[0] != macs[1] && macs[1] != macs[2] && macs[0] != macs[2]);
}

#[test]
fn a_secret_without_one_of_its_fields_is_an_error_that_names_it() {
    for field in [ROOT_KEY, CERTIFICATE, KEY] {
        let mut partial = secret();
        partial.data.as_mut().unwrap().remove(field);
        let error = Keys::try_from(partial).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("secret `countersign-keys`: data `{field}` is missing")
        );
    }
    let mut short = secret();
    short
        .data
        .as_mut()
        .unwrap()
        .insert(ROOT_KEY.to_owned(), ByteString(vec![0; 31]));
    assert_eq!(
        Keys::try_from(short).unwrap_err().to_string(),
        "secret `countersign-keys`: data `root-key` is not 32 bytes long"
    );
}

#[test]
fn a_path_secret_lives_for_its_period_and_those_beside_it() {
    let keys: Keys = secret().try_into().unwrap();
    let length = i64::try_from(ROTATE_AFTER.as_secs()).unwrap();
    let at = |period: i64| Timestamp::from_second(1_800_000_000 + period * length).unwrap();
    let secret = keys.path().current(at(0));
    assert_eq!(secret.len(), 64);
    for (period, accepted) in [(-2, false), (-1, true), (0, true), (1, true), (2, false)] {
        assert_eq!(keys.path().accepts(&secret, at(period)), accepted, "{period}");
    }
    let turned: String = secret.chars().rev().collect();
    assert!(!keys.path().accepts("", at(0)) && !keys.path().accepts(&turned, at(0)));
    assert_ne!(keys.path().current(at(1)), secret);
}

/// A data directory of one test.
struct Scratch(std::path::PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("countersign-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Answers so many calls as the API server does, with a Secret that has this in its latch at first.
async fn keep_latch(mut api: Api, mut latch: Value, calls: usize) -> Value {
    for _ in 0..calls {
        let (request, answer) = api.next_request().await.unwrap();
        assert_eq!(request.uri().path(), format!("{PATH}/{SECRET}"));
        let patches = request.method() == Method::PATCH;
        let body = request.into_body().collect().await.unwrap().to_bytes();
        if patches {
            let patch: Value = serde_json::from_slice(&body).unwrap();
            latch = patch["data"]["strict-latch"].clone();
            assert_eq!(
                patch,
                json!({"data": {"strict-latch": latch}}),
                "no other field is written"
            );
        }
        let kept = (!latch.is_null()).then(|| json!({"strict-latch": latch}));
        reply(answer, &json!({ "data": kept }));
    }
    latch
}

#[tokio::test]
async fn strict_mode_is_remembered_until_both_places_say_otherwise() {
    let scratch = Scratch::new("latch");
    let (client, api) = client();
    let latch = StrictLatch::new(&client, "ops", &scratch.0);
    let server = tokio::spawn(keep_latch(api, Value::Null, 3));
    assert!(!latch.is_set().await.unwrap());
    latch.set(true).await.unwrap();
    assert!(latch.is_set().await.unwrap());
    assert_eq!(server.await.unwrap(), "b24=");

    let lost_secret = |calls| {
        let (client, api) = super::tests::client();
        let server = tokio::spawn(keep_latch(api, Value::Null, calls));
        (StrictLatch::new(&client, "ops", &scratch.0), server)
    };
    let (latch, _server) = lost_secret(3);
    assert!(latch.is_set().await.unwrap(), "the file alone is enough");
    latch.set(false).await.unwrap();
    assert!(!latch.is_set().await.unwrap());
    let (latch, _server) = lost_secret(1);
    latch.set(false).await.unwrap();
}

#[tokio::test]
async fn the_secret_alone_latches_and_another_word_in_it_is_an_error() {
    let scratch = Scratch::new("latched");
    for (word, says) in [
        ("b24=", Ok(true)),
        (
            "b2Zm",
            Err("secret `countersign-keys`: data `strict-latch` is not `on`"),
        ),
    ] {
        let (client, api) = client();
        let _server = tokio::spawn(keep_latch(api, json!(word), 1));
        let latch = StrictLatch::new(&client, "ops", &scratch.0);
        let set = latch.is_set().await.map_err(|error| error.to_string());
        assert_eq!(set, says.map_err(str::to_owned));
    }
}

#[tokio::test]
async fn what_cannot_be_remembered_beside_the_log_is_not_turned_on() {
    let scratch = Scratch::new("gone");
    let (client, _api) = client();
    let latch = StrictLatch::new(&client, "ops", &scratch.0.join("gone"));
    let error = latch.set(true).await.unwrap_err().to_string();
    assert!(error.starts_with("strict latch: cannot use `"), "{error}");
}
