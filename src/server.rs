//! The listeners: bounded in connections, headers, bodies and time, drained before they end.

mod body;
mod path;
pub mod probes;

use std::{
    future::Future,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::Router;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

pub use body::{BodyBudget, BodyRejection, BoundedBody};
pub use path::behind_secret;

use crate::{certs::ServingTls, metrics::ListenerMetrics};

/// Bytes of a request's head, at most.
const HEAD_BYTES: usize = 64 << 10;

/// How long the listener rests when the system has no descriptor for a connection.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Bounds of a listener.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once; further ones wait in the system's backlog.
    pub connections: usize,
    /// Time for the TLS handshake.
    pub handshake: Duration,
    /// Time from the handshake to the first request's head.
    pub first_request: Duration,
    /// Time that a connection which has served a request may wait for the next one's head.
    pub idle: Duration,
    /// Time that requests under way have after shutdown began.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            handshake: Duration::from_secs(5),
            first_request: Duration::from_secs(10),
            // The API server keeps idle connections for 90 s; the one who closes first must not be us.
            idle: Duration::from_secs(100),
            drain: Duration::from_secs(10),
        }
    }
}

/// How bytes arrive.
#[derive(Clone, Debug)]
pub enum Transport {
    /// As they are.
    Plain,
    /// Through TLS, with the certificate of the moment.
    Tls(Arc<ServingTls>),
}

/// What a listener serves, how, and within which bounds. HTTP/1.1 only: it is what the API server speaks to a
/// Service or a host name.
#[derive(Clone, Debug)]
pub struct Server {
    /// How bytes arrive.
    pub transport: Transport,
    /// What answers.
    pub router: Router,
    /// The bounds.
    pub limits: Limits,
    /// What is counted.
    pub metrics: ListenerMetrics,
}

impl Server {
    /// Serves until `shutdown` completes, then stops accepting and lets requests under way finish.
    pub async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()> + Send) {
        let free = Arc::new(Semaphore::new(self.limits.connections));
        let graceful = GracefulShutdown::new();
        let drain = self.limits.drain;
        let server = Arc::new(self);
        let accepting = async {
            loop {
                // The semaphore is never closed.
                let Ok(permit) = free.clone().acquire_owned().await else {
                    return;
                };
                let stream = accept(&listener).await;
                tokio::spawn(server.clone().connect(stream, graceful.watcher(), permit));
            }
        };
        tokio::select! {
            () = accepting => {}
            () = shutdown => {}
        }
        drop(listener);
        if timeout(drain, graceful.shutdown()).await.is_err() {
            tracing::warn!("requests were still under way at the end of the drain time");
        }
    }

    async fn connect(self: Arc<Self>, stream: TcpStream, watcher: Watcher, permit: OwnedSemaphorePermit) {
        self.metrics.connections.inc();
        let _ = stream.set_nodelay(true);
        match &self.transport {
            Transport::Plain => self.converse(stream, watcher).await,
            Transport::Tls(tls) => {
                let handshake = TlsAcceptor::from(tls.current()).accept(stream);
                match timeout(self.limits.handshake, handshake).await {
                    Ok(Ok(stream)) => self.converse(stream, watcher).await,
                    Ok(Err(error)) => self.reject("handshake", &error),
                    Err(_) => self.reject("handshake_timeout", &"too slow"),
                }
            }
        }
        self.metrics.connections.dec();
        drop(permit);
    }

    async fn converse(&self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, watcher: Watcher) {
        let used = Arc::new(AtomicBool::new(false));
        let service = service_fn(|request: hyper::Request<Incoming>| {
            used.store(true, Ordering::Relaxed);
            self.router.clone().oneshot(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.idle)
            .max_buf_size(HEAD_BYTES)
            .serve_connection(TokioIo::new(stream), service);
        let unused = async {
            sleep(self.limits.first_request).await;
            if used.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            ended = watcher.watch(connection) => {
                if let Err(error) = ended {
                    self.reject("protocol", &error);
                }
            }
            () = unused => self.reject("no_request", &"no request came"),
        }
    }

    fn reject(&self, reason: &'static str, error: &dyn std::fmt::Display) {
        self.metrics.reject(reason);
        tracing::debug!(reason, %error, "connection ended");
    }
}

async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) if is_about_one_connection(&error) => {}
            Err(error) => {
                tracing::error!(%error, "cannot accept connections");
                sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

fn is_about_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

#[cfg(test)]
mod tests;
