//! The one who asks: connections that are kept alive, each with one request at a time, at a steady rate.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{
    net::TcpStream,
    sync::Mutex,
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};
use tokio_rustls::TlsConnector;

use crate::listener::Announcement;

/// Connections to one server.
const CONNECTIONS: u32 = 16;

/// Requests in a second: what a large cluster writes in its busy minutes.
const RATE: u32 = 1_000;

/// The most time that one call of [`Client::ask`] may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// The connections to one server.
pub struct Client {
    connections: Vec<Arc<Mutex<SendRequest<Full<Bytes>>>>>,
    path: Arc<str>,
}

impl Client {
    /// Connects to a server by HTTP/1.1, as the API server does.
    pub async fn connect(server: &Announcement) -> anyhow::Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(server.ca_bundle.as_bytes())?)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = TlsConnector::from(Arc::new(config));
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            let stream = TcpStream::connect(("127.0.0.1", server.port)).await?;
            stream.set_nodelay(true)?;
            let stream = connector
                .connect(ServerName::try_from("localhost")?, stream)
                .await?;
            let (sender, connection) = handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            connections.push(Arc::new(Mutex::new(sender)));
        }
        let path = server.path.as_str().into();
        Ok(Self { connections, path })
    }

    /// Sends so many of the bodies by turns, evenly over the time that the rate gives, and tells how long each answer
    /// took; every answer must be an echo or allow.
    pub async fn ask(&self, bodies: &[Bytes], requests: u32) -> anyhow::Result<Vec<Duration>> {
        let pause = Duration::from_secs(CONNECTIONS.into()) / RATE;
        let start = Instant::now();
        let mut asking = JoinSet::new();
        for (number, connection) in (0..).zip(&self.connections) {
            let (connection, path, bodies) = (connection.clone(), self.path.clone(), bodies.to_vec());
            let first = start + pause * number / CONNECTIONS;
            asking.spawn(async move {
                let mut sender = connection.lock().await;
                let mut latencies = Vec::new();
                for (turn, body) in (0..requests / CONNECTIONS).zip(bodies.into_iter().cycle()) {
                    sleep_until(first + pause * turn).await;
                    latencies.push(ask(&mut sender, &path, body).await?);
                }
                anyhow::Ok(latencies)
            });
        }
        let all = timeout(PATIENCE, asking.join_all())
            .await
            .context("the server is too slow")?;
        let latencies: Vec<Vec<Duration>> = all.into_iter().collect::<Result<_, _>>()?;
        Ok(latencies.concat())
    }
}

async fn ask(sender: &mut SendRequest<Full<Bytes>>, path: &str, body: Bytes) -> anyhow::Result<Duration> {
    let request = Request::post(path)
        .header(header::HOST, HeaderValue::from_static("localhost"))
        .header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))
        .body(Full::new(body.clone()))?;
    let begun = Instant::now();
    let response = sender.send_request(request).await?;
    let status = response.status();
    let answer = response.into_body().collect().await?.to_bytes();
    let latency = begun.elapsed();
    let answer = String::from_utf8_lossy(&answer);
    let answered = answer == String::from_utf8_lossy(&body) || answer.contains("\"allowed\":true");
    ensure!(status == StatusCode::OK && answered, "{status} {answer}");
    Ok(latency)
}
