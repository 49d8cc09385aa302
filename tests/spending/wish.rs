//! One change that needs a ticket, and what a client does to have it made.

use std::time::Duration;

use countersign_api::{
    ApprovalReview, ApprovalReviewSpec, ApprovalTicket,
    approval_review::{ReviewProof, TicketRef},
};
use countersign_core::review::ReviewDecision;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::harness::ticket::named_in;

/// What is done with a ConfigMap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Write {
    Create,
    Update,
    Delete,
}

/// One change of one ConfigMap: its key `a` gets the value.
#[derive(Clone, Debug)]
pub struct Wish {
    pub namespace: String,
    pub name: String,
    pub write: Write,
    pub value: String,
}

/// What became of one attempt.
#[derive(Debug)]
pub enum Answer {
    /// It was made: the version of the object, or for a delete of what is gone.
    Made(Option<String>),
    /// It needs this ticket.
    Needs(String),
    /// It was made before.
    MadeBefore,
    /// It failed otherwise.
    Failed(String),
}

/// Who asks and who approves.
#[derive(Clone)]
pub struct Clients {
    pub agent: Client,
    pub reviewer: Client,
}

/// A claim of which nobody knows yet whether it was used is released after its window: that and then some.
const PATIENCE: Duration = Duration::from_secs(400);

impl Wish {
    /// Asks for the change once.
    pub async fn attempt(&self, client: &Client) -> Answer {
        let maps: Api<ConfigMap> = Api::namespaced(client.clone(), &self.namespace);
        let made = match self.write {
            Write::Create => maps
                .create(&PostParams::default(), &self.object())
                .await
                .map(|made| made.resource_version()),
            Write::Update => {
                let change = Patch::Merge(json!({ "data": { "a": self.value } }));
                let patched = maps.patch(&self.name, &PatchParams::default(), &change).await;
                patched.map(|made| made.resource_version())
            }
            Write::Delete => {
                let deleted = maps.delete(&self.name, &DeleteParams::default()).await;
                deleted.map(|_| None)
            }
        };
        match made {
            Ok(version) => Answer::Made(version),
            Err(kube::Error::Api(status)) if self.is_done(&status) => Answer::MadeBefore,
            Err(error) => {
                let message = match error {
                    kube::Error::Api(status) => status.message,
                    other => other.to_string(),
                };
                let needs = message.contains("ApprovalRequired").then(|| named_in(&message));
                let ticket = needs.flatten().map(|(_, name)| name.to_owned());
                ticket.map_or(Answer::Failed(message), Answer::Needs)
            }
        }
    }

    fn is_done(&self, status: &kube::core::Status) -> bool {
        match self.write {
            Write::Create => status.is_already_exists(),
            Write::Update => false,
            Write::Delete => status.is_not_found(),
        }
    }

    fn object(&self) -> ConfigMap {
        let object = json!({ "metadata": { "name": self.name }, "data": { "a": self.value } });
        serde_json::from_value(object).unwrap()
    }

    /// Asks, has it approved, and asks again until it is made; what each attempt was answered.
    pub async fn pursue(&self, clients: &Clients) -> Vec<Answer> {
        let end = Instant::now() + PATIENCE;
        let mut answers = Vec::new();
        loop {
            answers.push(self.attempt(&clients.agent).await);
            match answers.last().unwrap() {
                Answer::Made(_) | Answer::MadeBefore => return answers,
                Answer::Needs(ticket) => {
                    // Whether a review of before was lost, or does not count yet, the reviewer does not know either.
                    let _ = approve((&self.namespace, ticket), &clients.reviewer).await;
                    sleep(Duration::from_millis(200)).await;
                }
                Answer::Failed(_) => sleep(Duration::from_millis(700)).await,
            }
            assert!(Instant::now() < end, "{self:?} in vain: {:?}", answers.last());
        }
    }
}

/// Approves a ticket.
pub async fn approve((namespace, name): (&str, &str), reviewer: &Client) -> kube::Result<()> {
    let tickets: Api<ApprovalTicket> = Api::namespaced(reviewer.clone(), namespace);
    let ticket = tickets.get(name).await?;
    let mut review = ApprovalReview::new(
        "",
        ApprovalReviewSpec {
            ticket_ref: TicketRef {
                name: name.to_owned(),
                uid: ticket.metadata.uid.unwrap(),
            },
            binding_hash: ticket.spec.binding_hash.unwrap(),
            decision: ReviewDecision::Approve,
            reason: None,
            reviewer: None,
            proof: ReviewProof::default(),
            stamp: None,
        },
    );
    review.metadata.name = None;
    review.metadata.generate_name = Some(format!("{name}-"));
    let reviews: Api<ApprovalReview> = Api::namespaced(reviewer.clone(), namespace);
    reviews.create(&PostParams::default(), &review).await.map(drop)
}
