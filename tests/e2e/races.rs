//! Two clients race with one approved ticket: the change is made once, and never once a denial is stored.
//!
//! `COUNTERSIGN_E2E_RACE_ROUNDS` sets how often, 20 times by default.

use std::env;

use countersign_api::{
    ApprovalReview, ApprovalReviewSpec, ApprovalTicket,
    approval_review::{ReviewProof, TicketRef},
};
use countersign_core::review::ReviewDecision;
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams, WatchEvent, WatchParams},
    core::Status,
};
use serde_json::json;

use super::harness::{Area, shared};

fn rounds() -> u32 {
    let rounds = env::var("COUNTERSIGN_E2E_RACE_ROUNDS");
    rounds.map_or(20, |rounds| rounds.parse().unwrap())
}

/// The agent twice, and who approves.
struct Racers<'a> {
    area: Area<'a>,
    one: Client,
    other: Client,
    reviewer: Client,
}

impl<'a> Racers<'a> {
    async fn of(area: Area<'a>) -> Self {
        let agent = area.person("deployer");
        Self {
            one: agent.client().await,
            other: agent.client().await,
            reviewer: area.person("rita").client().await,
            area,
        }
    }

    fn api<K>(&self, client: &Client) -> Api<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(client.clone(), &self.area.namespace)
    }

    /// Approves the ticket that this denial names and waits until it is known: its name.
    async fn approve(&self, denied: Result<ConfigMap, kube::Error>) -> String {
        let name = ticket_of(&denial(denied));
        self.review(&name, ReviewDecision::Approve).await;
        let tickets: Api<ApprovalTicket> = self.api(&self.reviewer);
        let approved = WatchParams::default().fields(&format!("metadata.name={name},status.state=Approved"));
        let mut events = tickets.watch(&approved, "0").await.unwrap().boxed();
        while !matches!(events.try_next().await.unwrap(), Some(WatchEvent::Added(_))) {}
        name
    }

    /// Reviews a ticket.
    async fn review(&self, name: &str, decision: ReviewDecision) {
        let tickets: Api<ApprovalTicket> = self.api(&self.reviewer);
        let ticket = tickets.get(name).await.unwrap();
        let mut review = ApprovalReview::new(
            "",
            ApprovalReviewSpec {
                ticket_ref: TicketRef {
                    name: name.to_owned(),
                    uid: ticket.metadata.uid.unwrap(),
                },
                binding_hash: ticket.spec.binding_hash.unwrap(),
                decision,
                reason: None,
                reviewer: None,
                proof: ReviewProof::default(),
                stamp: None,
            },
        );
        review.metadata.name = None;
        review.metadata.generate_name = Some(format!("{name}-"));
        let reviews: Api<ApprovalReview> = self.api(&self.reviewer);
        reviews.create(&PostParams::default(), &review).await.unwrap();
    }
}

fn denial(outcome: Result<ConfigMap, kube::Error>) -> String {
    match outcome {
        Err(kube::Error::Api(status)) if status.message.contains("ApprovalRequired") => status.message,
        other => panic!("not denied for want of an approval: {other:?}"),
    }
}

fn ticket_of(denial: &str) -> String {
    let (_, after) = denial.split_once(": ticket ").unwrap();
    after.split_once(' ').unwrap().0.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_told_that_a_denial_is_stored_can_rely_on_it() {
    let area = shared().area();
    area.put(&area.config_map("counter", &json!({"count": "0"})));
    let racers = Racers::of(area).await;
    let (one, other): (Api<ConfigMap>, Api<ConfigMap>) = (racers.api(&racers.one), racers.api(&racers.other));
    let own = PatchParams::default();
    for round in 1..=rounds() {
        let change = Patch::Merge(json!({ "data": { "count": round.to_string() } }));
        let ticket = racers.approve(one.patch("counter", &own, &change).await).await;
        racers.review(&ticket, ReviewDecision::Deny).await;
        let (first, second) = tokio::join!(
            one.patch("counter", &own, &change),
            other.patch("counter", &own, &change)
        );
        assert!(first.is_err() && second.is_err(), "{round}: {first:?} {second:?}");
        let tickets: Api<ApprovalTicket> = racers.api(&racers.reviewer);
        let status = tickets.get(&ticket).await.unwrap().status;
        assert!(
            status.is_some_and(|status| status.contested == Some(true)),
            "{ticket} bears no mark"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_updates_one_changes_the_object() {
    let area = shared().area();
    area.put(&area.config_map("counter", &json!({"count": "0"})));
    let racers = Racers::of(area).await;
    let (one, other): (Api<ConfigMap>, Api<ConfigMap>) = (racers.api(&racers.one), racers.api(&racers.other));
    let start = one
        .get("counter")
        .await
        .unwrap()
        .metadata
        .resource_version
        .unwrap();
    let own = PatchParams::default();
    let counted = tokio::spawn(counts_since(start, rounds(), one.clone()));

    for round in 1..=rounds() {
        let change = Patch::Merge(json!({ "data": { "count": round.to_string() } }));
        racers.approve(one.patch("counter", &own, &change).await).await;
        let (first, second) = tokio::join!(
            one.patch("counter", &own, &change),
            other.patch("counter", &own, &change)
        );
        assert!(
            first.is_ok() || second.is_ok(),
            "round {round}: {first:?} {second:?}"
        );
    }

    let counts = counted.await.unwrap();
    let expected: Vec<_> = (1..=rounds()).map(|round| round.to_string()).collect();
    assert_eq!(counts, expected, "each round changes the count in one version");
}

/// The counts of all versions after `version` up to this last one, one for each version of the object.
async fn counts_since(mut version: String, last: u32, api: Api<ConfigMap>) -> Vec<String> {
    let only = WatchParams::default().fields("metadata.name=counter");
    let mut counts: Vec<String> = Vec::new();
    while counts.last() != Some(&last.to_string()) {
        let mut events = api.watch(&only, &version).await.unwrap().boxed();
        while let Some(event) = events.try_next().await.unwrap() {
            match event {
                WatchEvent::Modified(object) => {
                    version = object.metadata.resource_version.unwrap();
                    counts.push(object.data.unwrap()["count"].clone());
                }
                WatchEvent::Bookmark(bookmark) => version = bookmark.metadata.resource_version,
                other => panic!("after {counts:?}: {other:?}"),
            }
            if counts.last() == Some(&last.to_string()) {
                break;
            }
        }
    }
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_creations_one_succeeds() {
    let racers = Racers::of(shared().area()).await;
    let (one, other): (Api<ConfigMap>, Api<ConfigMap>) = (racers.api(&racers.one), racers.api(&racers.other));
    let own = PostParams::default();

    for round in 1..=rounds() {
        let name = format!("made-{round}");
        let object: ConfigMap =
            serde_json::from_value(racers.area.config_map(&name, &json!({"a": "1"}))).unwrap();
        racers.approve(one.create(&own, &object).await).await;
        let (first, second) = tokio::join!(one.create(&own, &object), other.create(&own, &object));
        let lost = match (first, second) {
            (Ok(_), Err(lost)) | (Err(lost), Ok(_)) => lost,
            both => panic!("round {round}: {both:?}"),
        };
        assert!(is_lost(&lost), "round {round}: {lost:?}");
    }
}

/// Whether somebody else was faster: the object is there, or the ticket is used.
fn is_lost(error: &kube::Error) -> bool {
    let kube::Error::Api(status) = error else {
        return false;
    };
    let Status { message, .. } = &**status;
    status.is_already_exists() || message.contains("TicketSpent") || message.contains("ApprovalRequired")
}
