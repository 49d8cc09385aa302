use std::net::SocketAddr;

use axum::{extract::State, routing::post};
use jiff::Timestamp;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, pem::PemObject};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::{Notify, oneshot},
    task::JoinHandle,
    time::Instant,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::*;
use crate::certs::{Callers, CertificateAuthority};

const MOMENT: Duration = Duration::from_millis(100);
const ASK: &[u8] = b"POST /echo HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\nhi";

struct Running {
    address: SocketAddr,
    metrics: ListenerMetrics,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

async fn start(transport: Transport, router: Router, limits: Limits) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let metrics = ListenerMetrics::default();
    let server = Server {
        transport,
        router,
        limits,
        metrics: metrics.clone(),
    };
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(async move {
        let shutdown = async {
            let _ = stopped.await;
        };
        server.serve(listener, shutdown).await;
    });
    Running {
        address,
        metrics,
        stop,
        task,
    }
}

impl Running {
    fn rejected(&self, reason: &'static str) -> u64 {
        self.metrics
            .rejected
            .get_or_create(&crate::metrics::Rejection { reason })
            .get()
    }
}

fn limits() -> Limits {
    Limits {
        handshake: MOMENT,
        first_request: MOMENT,
        ..Limits::default()
    }
}

fn echo() -> Router {
    Router::new().route("/echo", post(|body: String| async { body }))
}

async fn ask(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> String {
    stream.write_all(ASK).await.unwrap();
    answer(stream).await
}

async fn answer(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = vec![0; 4096];
    let length = stream.read(&mut bytes).await.unwrap();
    String::from_utf8(bytes[..length].to_vec()).unwrap()
}

async fn is_closed(stream: &mut (impl AsyncRead + Unpin)) -> bool {
    matches!(stream.read(&mut [0]).await, Ok(0) | Err(_))
}

fn tls() -> Arc<ServingTls> {
    tls_for(Callers::default())
}

fn tls_for(callers: Callers) -> Arc<ServingTls> {
    let (certificate, key) = CertificateAuthority::generate(Timestamp::now()).unwrap();
    let authority = CertificateAuthority::from_pem(&certificate, &key).unwrap();
    Arc::new(ServingTls::new(authority, vec!["localhost".to_owned()], callers, Timestamp::now()).unwrap())
}

type Identity = (CertificateDer<'static>, PrivateKeyDer<'static>);

/// A client's certificate of an authority, which is given by its certificate and key.
fn issued_by((authority, key): &(String, String)) -> Identity {
    let issuer = Issuer::from_ca_cert_pem(authority, KeyPair::from_pem(key).unwrap()).unwrap();
    let mut params = CertificateParams::default();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    (certificate.der().clone(), key.into())
}

async fn connect(address: SocketAddr, tls: &ServingTls) -> TlsStream<TcpStream> {
    connect_as(None, address, tls).await
}

async fn connect_as(who: Option<Identity>, address: SocketAddr, tls: &ServingTls) -> TlsStream<TcpStream> {
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(tls.ca_bundle().as_bytes()).unwrap())
        .unwrap();
    let config =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
    let config = match who {
        Some((certificate, key)) => config.with_client_auth_cert(vec![certificate], key).unwrap(),
        None => config.with_no_client_auth(),
    };
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .unwrap()
}

fn certificate(stream: &TlsStream<TcpStream>) -> Vec<u8> {
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

#[tokio::test]
async fn a_rotated_certificate_serves_new_connections_and_old_ones_go_on() {
    let tls = tls();
    let running = start(Transport::Tls(tls.clone()), echo(), limits()).await;
    let mut old = connect(running.address, &tls).await;
    assert!(ask(&mut old).await.ends_with("hi"));
    tls.rotate(Timestamp::now()).unwrap();
    let mut new = connect(running.address, &tls).await;
    assert!(ask(&mut new).await.ends_with("hi"));
    assert!(ask(&mut old).await.ends_with("hi"));
    assert_ne!(certificate(&old), certificate(&new));
}

#[tokio::test]
async fn only_who_has_a_certificate_of_the_authority_is_served() {
    let [ours, another] = [(); 2].map(|()| CertificateAuthority::generate(Timestamp::now()).unwrap());
    let file = std::env::temp_dir().join(format!("countersign-callers-{}.pem", std::process::id()));
    std::fs::write(&file, &ours.0).unwrap();
    let tls = tls_for(Callers::certified_by(&file).unwrap());
    std::fs::write(&file, "no certificate").unwrap();
    let error = Callers::certified_by(&file).unwrap_err().to_string();
    std::fs::remove_file(&file).unwrap();
    assert!(
        error.starts_with(&format!("--webhook-client-ca {}: ", file.display())),
        "{error}"
    );

    let running = start(Transport::Tls(tls.clone()), echo(), limits()).await;
    for _ in ["before", "after the certificate is renewed"] {
        let mut stream = connect_as(Some(issued_by(&ours)), running.address, &tls).await;
        assert!(ask(&mut stream).await.ends_with("hi"));
        for stranger in [None, Some(issued_by(&another))] {
            // By TLS 1.3 a client is done before the server has looked at its certificate.
            let mut stream = connect_as(stranger, running.address, &tls).await;
            let _ = stream.write_all(ASK).await;
            assert!(is_closed(&mut stream).await);
        }
        tls.rotate(Timestamp::now()).unwrap();
    }
    assert_eq!(running.rejected("handshake"), 4);
}

#[tokio::test]
async fn a_silent_client_is_cut_off_and_a_served_one_may_rest() {
    let running = start(Transport::Plain, echo(), limits()).await;
    let mut silent = TcpStream::connect(running.address).await.unwrap();
    let mut served = TcpStream::connect(running.address).await.unwrap();
    ask(&mut served).await;
    assert!(is_closed(&mut silent).await);
    assert_eq!(running.rejected("no_request"), 1);
    sleep(MOMENT).await;
    assert!(ask(&mut served).await.ends_with("hi"));
}

#[tokio::test]
async fn a_handshake_has_its_time() {
    let running = start(Transport::Tls(tls()), echo(), limits()).await;
    let mut silent = TcpStream::connect(running.address).await.unwrap();
    assert!(is_closed(&mut silent).await);
    assert_eq!(running.rejected("handshake_timeout"), 1);
    let mut plain = TcpStream::connect(running.address).await.unwrap();
    plain.write_all(ASK).await.unwrap();
    while !is_closed(&mut plain).await {}
    assert_eq!(running.rejected("handshake"), 1);
}

#[tokio::test]
async fn a_connection_beyond_the_cap_waits_for_another_to_end() {
    let running = start(
        Transport::Plain,
        echo(),
        Limits {
            connections: 1,
            ..limits()
        },
    )
    .await;
    let mut first = TcpStream::connect(running.address).await.unwrap();
    ask(&mut first).await;
    let mut second = TcpStream::connect(running.address).await.unwrap();
    second.write_all(ASK).await.unwrap();
    assert!(timeout(MOMENT, second.readable()).await.is_err());
    drop(first);
    assert!(answer(&mut second).await.ends_with("hi"));
}

#[tokio::test]
async fn a_head_that_is_too_long_is_refused() {
    let running = start(Transport::Plain, echo(), limits()).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let head = format!("POST /echo HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(2 * HEAD_BYTES));
    let _ = stream.write_all(head.as_bytes()).await;
    assert!(answer(&mut stream).await.starts_with("HTTP/1.1 431"));
}

#[tokio::test]
async fn shutdown_finishes_what_is_under_way_and_closes_the_rest() {
    let gate = Arc::new(Notify::new());
    let slow = async |State(gate): State<Arc<Notify>>| {
        gate.notified().await;
        "done"
    };
    let router = echo().merge(Router::new().route("/slow", post(slow)).with_state(gate.clone()));
    let running = start(Transport::Plain, router, limits()).await;
    let mut idle = TcpStream::connect(running.address).await.unwrap();
    ask(&mut idle).await;
    let mut busy = TcpStream::connect(running.address).await.unwrap();
    busy.write_all(b"POST /slow HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .unwrap();
    sleep(MOMENT / 2).await;
    running.stop.send(()).unwrap();
    assert!(is_closed(&mut idle).await);
    assert!(TcpStream::connect(running.address).await.is_err());
    gate.notify_one();
    let answer = answer(&mut busy).await;
    assert!(
        answer.contains("connection: close") && answer.ends_with("done"),
        "{answer}"
    );
    running.task.await.unwrap();
}

#[tokio::test]
async fn shutdown_does_not_wait_beyond_the_drain_time() {
    let router = Router::new().route("/echo", post(std::future::pending::<()>));
    let running = start(
        Transport::Plain,
        router,
        Limits {
            drain: MOMENT,
            ..limits()
        },
    )
    .await;
    let mut busy = TcpStream::connect(running.address).await.unwrap();
    busy.write_all(ASK).await.unwrap();
    sleep(MOMENT / 2).await;
    let begun = Instant::now();
    running.stop.send(()).unwrap();
    running.task.await.unwrap();
    assert!((MOMENT..MOMENT * 10).contains(&begun.elapsed()));
}
