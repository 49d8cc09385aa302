//! A proxy between the operator and the API server: it tells which calls are made, and disturbs one or any of them.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use kube::{Client, client::Body};
use serde_json::json;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Builder,
    sync::mpsc,
    time::sleep,
};

use super::person::client;

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// It never arrives, and its connection ends.
    DropRequest,
    /// It is carried out, and its connection ends without an answer.
    DropAnswer,
    /// It is carried out, and its connection is reset.
    Reset,
    /// It is carried out, and nothing is ever heard of it again.
    Silence,
    /// It is carried out, and its answer comes after longer than a call of the webhook may take.
    Delay,
    /// It is not carried out, but answered 409.
    Conflict,
    /// It is not carried out, but answered 429 with Retry-After.
    TooMany,
    /// It is not carried out, but answered 500.
    Failure,
    /// It is carried out, and answered 500.
    FailureAfter,
    /// The operator dies before it arrives.
    KillBefore,
    /// It is carried out, and the operator dies before it has the answer.
    KillAfter,
    /// It is carried out, and the operator dies a moment after it has the answer.
    KillSoon,
}

/// Longer than a call of the webhook may take.
const LATE: Duration = Duration::from_secs(4);

/// How a connection ends by a fault.
enum End {
    Closed,
    Reset,
}

/// The proxy, for as long as this process lives.
pub struct Proxy {
    kubeconfig: PathBuf,
    calls: Arc<Calls>,
}

/// What is known of the calls, and what shall become of them.
#[derive(Default)]
struct Calls {
    places: Mutex<BTreeMap<String, Place>>,
    killer: Mutex<Option<mpsc::UnboundedSender<()>>>,
}

/// One namespace.
#[derive(Default)]
struct Place {
    made: Vec<String>,
    planned: Option<Planned>,
}

/// A fault at one call: the so-manieth of those that are called the same.
struct Planned {
    call: String,
    left: usize,
    fault: Fault,
}

impl Proxy {
    /// Starts one that acts by this credential; its own kubeconfig is kept in `dir`.
    pub fn start(identity: PathBuf, dir: &Path) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let kubeconfig = dir.join("proxy.kubeconfig");
        fs::write(&kubeconfig, pointing_at(listener.local_addr().unwrap())).unwrap();
        let calls = Arc::new(Calls::default());
        let shared = calls.clone();
        thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let client = client(&identity).await;
                let listener = TcpListener::from_std(listener).unwrap();
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    tokio::spawn(carry(stream, client.clone(), shared.clone()));
                }
            });
        });
        Self { kubeconfig, calls }
    }

    /// The kubeconfig by which the operator uses it.
    pub fn kubeconfig(&self) -> PathBuf {
        self.kubeconfig.clone()
    }

    /// Notes from now on which calls are about this namespace.
    pub fn follow(&self, namespace: &str) {
        let mut places = self.calls.places.lock().unwrap();
        places.insert(namespace.to_owned(), Place::default());
    }

    /// The calls about a namespace that is followed, in their order.
    pub fn made_in(&self, namespace: &str) -> Vec<String> {
        self.calls.places.lock().unwrap()[namespace].made.clone()
    }

    /// Disturbs the call of this name about this namespace that comes after so many others of the name.
    pub fn disturb(&self, namespace: &str, (call, after): (&str, usize), fault: Fault) {
        let planned = Planned {
            call: call.to_owned(),
            left: after,
            fault,
        };
        let mut places = self.calls.places.lock().unwrap();
        places.entry(namespace.to_owned()).or_default().planned = Some(planned);
    }

    /// Whether what was planned for this namespace has happened.
    pub fn has_disturbed(&self, namespace: &str) -> bool {
        self.calls.places.lock().unwrap()[namespace].planned.is_none()
    }

    /// Tells of each moment at which the operator has to die.
    pub fn deaths(&self) -> mpsc::UnboundedReceiver<()> {
        let (killer, deaths) = mpsc::unbounded_channel();
        *self.calls.killer.lock().unwrap() = Some(killer);
        deaths
    }

    /// Tells of no more.
    pub fn end_deaths(&self) {
        self.calls.killer.lock().unwrap().take();
    }
}

impl Calls {
    /// Notes a call, and tells what shall become of it.
    fn fault_of(&self, method: &http::Method, uri: &http::Uri) -> Option<Fault> {
        let (namespace, call) = named(method, uri)?;
        let mut places = self.places.lock().unwrap();
        let place = places.get_mut(&namespace)?;
        place.made.push(call.clone());
        let planned = place.planned.as_mut().filter(|planned| planned.call == call)?;
        if planned.left > 0 {
            planned.left -= 1;
            return None;
        }
        place.planned.take().map(|planned| planned.fault)
    }

    fn kill(&self) {
        let killer = self.killer.lock().unwrap();
        // A test that is over kills nobody.
        let _ = killer.as_ref().map(|killer| killer.send(()));
    }
}

/// The namespace that a call is about, and a name for the call, the same for all objects.
fn named(method: &http::Method, uri: &http::Uri) -> Option<(String, String)> {
    let (_, place) = uri.path().split_once("/namespaces/")?;
    let mut segments = place.split('/');
    let (namespace, resource) = (segments.next()?, segments.next()?);
    let query = uri.query().unwrap_or_default();
    let verb = match (method.as_str(), segments.next()) {
        ("GET", _) if query.contains("watch=1") => "watch",
        ("GET", None) if query.contains("limit=1") => "list one of",
        ("GET", None) => "list",
        ("GET", Some(_)) => "get",
        ("POST", _) => "create",
        ("PATCH", _) => "patch",
        (other, _) => other,
    };
    let call = match segments.next() {
        Some(subresource) => format!("{verb} {resource}/{subresource}"),
        None => format!("{verb} {resource}"),
    };
    Some((namespace.to_owned(), call))
}

fn pointing_at(address: SocketAddr) -> String {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "contexts": [{ "name": "here", "context": { "cluster": "here", "user": "nobody" } }],
        "clusters": [{ "name": "here", "cluster": { "server": format!("http://{address}") } }],
        "users": [{ "name": "nobody", "user": {} }],
    })
    .to_string()
}

/// Serves one connection until it ends by itself or by a fault.
async fn carry(stream: TcpStream, client: Client, calls: Arc<Calls>) {
    let (ending, mut ended) = mpsc::unbounded_channel();
    let service = service_fn(|request| {
        let (client, calls, ending) = (client.clone(), calls.clone(), ending.clone());
        async move { Ok::<_, Infallible>(answer(request, &client, &calls, &ending).await) }
    });
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // An operator that was killed answers for nothing.
        _ = &mut connection => {}
        end = ended.recv() => {
            let stream = connection.into_parts().io.into_inner();
            if let Some(End::Reset) = end {
                stream.set_zero_linger().unwrap();
            }
        }
    }
}

type Answer = Response<UnsyncBoxBody<Bytes, kube::Error>>;

/// Carries a call to the API server and its answer back, as far as its fault lets it.
async fn answer(
    request: Request<Incoming>,
    client: &Client,
    calls: &Calls,
    ending: &mpsc::UnboundedSender<End>,
) -> Answer {
    let fault = calls.fault_of(request.method(), request.uri());
    let ends = async |end| {
        ending.send(end).ok();
        std::future::pending::<Answer>().await
    };
    match fault {
        None => return forward(request, client).await,
        Some(Fault::DropRequest) => return ends(End::Closed).await,
        Some(Fault::Conflict) => return refusal(StatusCode::CONFLICT, "Conflict"),
        Some(Fault::TooMany) => return refusal(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests"),
        Some(Fault::Failure) => return refusal(StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
        Some(Fault::KillBefore) => {
            calls.kill();
            return std::future::pending().await;
        }
        // All others are carried out.
        Some(_) => {}
    }
    let answer = forward(request, client).await;
    match fault {
        Some(Fault::DropAnswer) => ends(End::Closed).await,
        Some(Fault::Silence) => std::future::pending().await,
        Some(Fault::Reset) => ends(End::Reset).await,
        Some(Fault::FailureAfter) => refusal(StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
        Some(Fault::KillAfter) => {
            calls.kill();
            std::future::pending().await
        }
        Some(Fault::KillSoon) => {
            calls.kill();
            answer
        }
        _ => {
            sleep(LATE).await;
            answer
        }
    }
}

async fn forward(request: Request<Incoming>, client: &Client) -> Answer {
    let (mut head, body) = request.into_parts();
    strip(&mut head.headers);
    let Ok(body) = body.collect().await else {
        return refusal(StatusCode::BAD_REQUEST, "BadRequest");
    };
    let request = Request::from_parts(head, Body::from(body.to_bytes()));
    match client.send(request).await {
        Ok(answer) => {
            let (mut head, body) = answer.into_parts();
            strip(&mut head.headers);
            Response::from_parts(head, body.boxed_unsync())
        }
        Err(_) => refusal(StatusCode::BAD_GATEWAY, "InternalError"),
    }
}

/// What belongs to a connection, not to a call.
fn strip(headers: &mut HeaderMap) {
    for name in [
        header::HOST,
        header::CONNECTION,
        header::TRANSFER_ENCODING,
        header::CONTENT_LENGTH,
    ] {
        headers.remove(name);
    }
}

/// An answer as the API server gives it.
fn refusal(code: StatusCode, reason: &str) -> Answer {
    let status = json!({
        "apiVersion": "v1", "kind": "Status", "status": "Failure", "code": code.as_u16(), "reason": reason,
        "message": "the proxy says so", "metadata": {},
    });
    let body = Full::new(Bytes::from(status.to_string())).map_err(|never| match never {});
    Response::builder()
        .status(code)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::RETRY_AFTER, "1")
        .body(body.boxed_unsync())
        .unwrap()
}
