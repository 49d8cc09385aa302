//! Custom resources like tickets, of a kind of their own: what the step of a ticket costs the API server.

use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams},
};
use serde_json::json;

const CRD: &str = include_str!("../../crds/approvaltickets.yaml");

const GROUP: &str = "example.com";

/// Copies of one ticket.
pub struct Likeness {
    api: Api<DynamicObject>,
    ticket: DynamicObject,
}

/// The kind of them: that of tickets, in a group of its own.
pub fn kind() -> String {
    CRD.replace("countersign.dev", GROUP)
}

impl Likeness {
    /// So many copies of a ticket.
    pub async fn make(count: usize, ticket: DynamicObject, namespace: &str, client: Client) -> Self {
        let resource = ApiResource {
            group: GROUP.to_owned(),
            version: "v1alpha1".to_owned(),
            api_version: format!("{GROUP}/v1alpha1"),
            kind: "ApprovalTicket".to_owned(),
            plural: "approvaltickets".to_owned(),
        };
        let api: Api<DynamicObject> = Api::namespaced_with(client, namespace, &resource);
        for number in 0..count {
            let copy = DynamicObject::new(&name(number), &resource).data(ticket.data.clone());
            api.create(&PostParams::default(), &copy).await.unwrap();
        }
        Self { api, ticket }
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

fn name(number: usize) -> String {
    format!("copy-{number}")
}
