//! The walk's calls of the API server, without a client library in between.

use http::{Request, header};
use kube::{Client, Error, core::Status};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use super::{
    super::harness::Person,
    discovery::{Patch, Verb, Write},
};

/// What the API server says to a call.
pub type Answer = Result<String, Box<Status>>;

/// Somebody who calls.
pub struct Caller {
    runtime: Runtime,
    client: Client,
}

impl Caller {
    /// Calls with this person's credential.
    pub fn new(person: &Person) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let client = runtime.block_on(person.client());
        Self { runtime, client }
    }

    /// What `ask` finds out with this client.
    pub fn run<T>(&self, ask: impl AsyncFnOnce(&Client) -> T) -> T {
        self.runtime.block_on(ask(&self.client))
    }

    /// One call.
    pub fn send(&self, request: Request<Vec<u8>>) -> Answer {
        match self.run(async |client| client.request_text(request).await) {
            Ok(text) => Ok(text),
            Err(Error::Api(status)) => Err(status),
            Err(error) => panic!("no answer: {error}"),
        }
    }

    /// The object at a path.
    pub fn get(&self, path: &str) -> Result<Value, Box<Status>> {
        let found = self.send(Request::get(path).body(vec![]).unwrap())?;
        Ok(serde_json::from_str(&found).unwrap())
    }
}

/// Any parameter that a connection needs; each takes those that it knows.
const CONNECTION: &str = "stdout=true&command=id&ports=80";

impl Write {
    /// Where it goes, for the object of this name.
    pub fn path(&self, name: &str) -> String {
        let resource = &self.resource;
        let path = resource.collection();
        match self.verb {
            Verb::Create if resource.subresource.is_empty() => path,
            Verb::DeleteCollection => path,
            _ if resource.subresource.is_empty() => format!("{path}/{name}"),
            _ => format!("{path}/{name}/{}", resource.subresource),
        }
    }

    /// The call; `options` are further parameters.
    pub fn request(&self, name: &str, options: &str, body: Option<&Value>) -> Request<Vec<u8>> {
        let query = match self.verb {
            Verb::Patch(Patch::Apply) => "fieldManager=walk&force=true".to_owned(),
            Verb::DeleteCollection => format!("fieldSelector=metadata.name%3D{name}"),
            Verb::Connect(_) => CONNECTION.to_owned(),
            _ => String::new(),
        };
        let body = body.map(Value::to_string).unwrap_or_default();
        Request::builder()
            .method(self.verb.method())
            .uri(format!("{}?{query}&{options}", self.path(name)))
            .header(header::CONTENT_TYPE, self.verb.content_type())
            .body(body.into_bytes())
            .unwrap()
    }
}

impl Verb {
    const fn method(self) -> &'static str {
        match self {
            Self::Create => "POST",
            Self::Update => "PUT",
            Self::Patch(_) => "PATCH",
            Self::Delete | Self::DeleteCollection => "DELETE",
            Self::Connect(method) => method,
        }
    }

    const fn content_type(self) -> &'static str {
        match self {
            Self::Patch(Patch::Json) => "application/json-patch+json",
            Self::Patch(Patch::Merge) => "application/merge-patch+json",
            Self::Patch(Patch::Strategic) => "application/strategic-merge-patch+json",
            Self::Patch(Patch::Apply) => "application/apply-patch+yaml",
            _ => "application/json",
        }
    }
}

impl Patch {
    /// A change that every object can take.
    pub fn body(self, write: &Write, name: &str) -> Value {
        let annotations = json!({ "walk": format!("{self:?}") });
        match self {
            Self::Json => json!([{ "op": "add", "path": "/metadata/annotations", "value": annotations }]),
            Self::Merge | Self::Strategic => json!({ "metadata": { "annotations": annotations } }),
            Self::Apply => json!({
                "apiVersion": write.resource.body.api_version,
                "kind": write.resource.body.kind,
                "metadata": { "name": name, "annotations": annotations },
            }),
        }
    }
}
