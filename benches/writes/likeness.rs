//! Custom resources like tickets, of a kind of their own: what the step of a ticket costs the API server.

use futures::StreamExt;
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams},
    runtime::{
        WatchStreamExt,
        reflector::{
            ObjectRef, reflector,
            store::{Store, Writer},
        },
        watcher,
    },
};
use serde_json::json;

const CRD: &str = include_str!("../../crds/approvaltickets.yaml");

const GROUP: &str = "example.com";

/// Where they are.
const NAMESPACE: &str = "plain";

/// How many there are.
const COPIES: usize = 40;

/// Copies of one ticket.
pub struct Likeness<'a> {
    api: Api<DynamicObject>,
    ticket: &'a DynamicObject,
}

/// The kind of them: that of tickets, in a group of its own.
pub fn kind() -> String {
    CRD.replace("countersign.dev", GROUP)
}

fn resource() -> ApiResource {
    ApiResource {
        group: GROUP.to_owned(),
        version: "v1alpha1".to_owned(),
        api_version: format!("{GROUP}/v1alpha1"),
        kind: "ApprovalTicket".to_owned(),
        plural: "approvaltickets".to_owned(),
    }
}

impl<'a> Likeness<'a> {
    /// Of this ticket, for this client.
    pub fn of(ticket: &'a DynamicObject, client: Client) -> Self {
        Self {
            api: Api::namespaced_with(client, NAMESPACE, &resource()),
            ticket,
        }
    }

    /// Makes all of them.
    pub async fn make(&self) {
        for number in 0..COPIES {
            let copy = DynamicObject::new(&name(number), &resource()).data(self.ticket.data.clone());
            self.api.create(&PostParams::default(), &copy).await.unwrap();
        }
    }

    /// One step of a copy: the whole status, as the operator writes it.
    pub async fn patch(&self, number: usize, value: &str) {
        let mut status = self.ticket.data["status"].clone();
        status["resolution"] = json!(value);
        let change = Patch::Merge(json!({ "status": status }));
        let parameters = PatchParams::default();
        let made = self.api.patch_status(&name(number), &parameters, &change).await;
        assert!(made.is_ok(), "{made:?}");
    }
}

/// All of them at any time, as a webhook has to know its tickets.
pub struct Known(Store<DynamicObject>);

impl Known {
    /// Watches them.
    pub fn follow(client: Client) -> Self {
        let copies: Api<DynamicObject> = Api::namespaced_with(client, NAMESPACE, &resource());
        let writer = Writer::new(resource());
        let store = writer.as_reader();
        // Whoever asks for one that is not known sees that the watch failed.
        let watch = reflector(writer, watcher(copies, watcher::Config::default())).default_backoff();
        tokio::spawn(watch.for_each(|_| async {}));
        Self(store)
    }

    /// Whether the copy of this number is among them.
    pub fn has(&self, number: usize) -> bool {
        let copy = ObjectRef::new_with(&name(number), resource()).within(NAMESPACE);
        self.0.get(&copy).is_some()
    }
}

fn name(number: usize) -> String {
    format!("copy-{}", number % COPIES)
}
