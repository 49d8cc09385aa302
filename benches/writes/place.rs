//! A strict cluster in which each kind of write has its namespace, its objects and its client.

use std::{
    fs::File,
    time::{Duration, Instant},
};

use countersign_api::ApprovalTicket;
use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    echo,
    harness::{Cluster, Setup},
    kind::Kind,
    likeness::{self, Likeness},
    wish::{Answer, Wish, Write, approve},
};

/// Tickets that are approved at a time: fewer than may be pending.
pub const TICKETS: usize = 40;

/// Writes before each that is counted.
const WARMING: usize = 3;

/// Longer than what is left to do after a write: of a ticket that was used, the operator notes what became of it.
const fn pause(kind: Kind) -> Duration {
    Duration::from_millis(if matches!(kind, Kind::Gated) { 150 } else { 2 })
}

/// The cluster and who writes there.
pub struct Place {
    _cluster: Cluster,
    /// Who is let by.
    passing: Client,
    agent: Client,
    reviewer: Client,
    likeness: Likeness,
}

impl Place {
    /// Starts everything.
    pub async fn furnish() -> Self {
        let cluster = Cluster::observing_as(&Setup {
            beside_etcd: true,
            ..Setup::default()
        })
        .of_company(1);
        let admin = cluster.admin();
        for namespace in [Kind::Plain, Kind::Echoed, Kind::Recorded].map(Kind::namespace) {
            admin.kubectl(&format!("create namespace {namespace}")).done();
        }
        admin.kubectl("create serviceaccount passing -n agents").done();
        admin.kubectl_with("apply -f -", &guarded()).done();
        admin.apply(&delegation()).done();
        // The operator's log is in there, too.
        let beside_etcd = cluster.control_plane().dir().join("run");
        for kind in [Kind::Echoed, Kind::Recorded] {
            let log = File::create(beside_etcd.join(kind.namespace())).unwrap();
            let echo = echo::serve(kind, log).await;
            admin.apply(&echo::configuration(kind, &echo)).done();
        }
        admin
            .kubectl_with("apply --server-side -f -", &likeness::kind())
            .done();
        let compiled = "wait --for=condition=Compiled --timeout=60s writedelegation/passing";
        admin.kubectl(compiled).done();
        let everything = admin.client().await;
        for kind in [
            Kind::Plain,
            Kind::Echoed,
            Kind::Recorded,
            Kind::Guarded,
            Kind::Gated,
        ] {
            stream::iter(0..TICKETS)
                .for_each_concurrent(8, |number| create(kind, number, &everything))
                .await;
        }
        let passing = cluster.account("passing").client().await;
        cluster.see_admins();
        cluster.enforce();
        let agent = cluster.person("deployer").client().await;
        let reviewer = cluster.person("rita").client().await;
        let ticket = have_approved((0, "first"), &agent, &reviewer).await;
        let namespace = Kind::PlainAndStatus.namespace();
        Self {
            likeness: Likeness::make(TICKETS, ticket, namespace, passing.clone()).await,
            passing,
            agent,
            reviewer,
            _cluster: cluster,
        }
    }

    /// Makes one write of this kind, and tells how long it took.
    pub async fn write(&self, kind: Kind, number: usize, value: &str) -> Duration {
        for before in 0..WARMING {
            let beforehand = format!("{value}, {before} before {}", kind.name());
            self.patch(Kind::Plain, number, &beforehand).await;
            sleep(pause(Kind::Plain)).await;
        }
        let begun = Instant::now();
        match kind {
            Kind::TwoPlain => self.patch(kind, number, &format!("{value}, first")).await,
            Kind::PlainAndStatus => self.likeness.patch(number, value).await,
            Kind::Plain | Kind::Echoed | Kind::Recorded | Kind::Guarded | Kind::Gated => {}
        }
        self.patch(kind, number, value).await;
        let took = begun.elapsed();
        sleep(pause(kind)).await;
        took
    }

    async fn patch(&self, kind: Kind, number: usize, value: &str) {
        let maps: Api<ConfigMap> = Api::namespaced(self.writer(kind).clone(), kind.namespace());
        let change = Patch::Merge(json!({ "data": { "a": value_of(kind, value) } }));
        let made = maps.patch(&name(number), &PatchParams::default(), &change).await;
        assert!(made.is_ok(), "{kind:?}: {made:?}");
    }

    const fn writer(&self, kind: Kind) -> &Client {
        match kind {
            Kind::Plain | Kind::TwoPlain | Kind::PlainAndStatus | Kind::Echoed | Kind::Recorded => {
                &self.passing
            }
            Kind::Guarded | Kind::Gated => &self.agent,
        }
    }

    /// Has a ticket approved for the next gated write of each object.
    pub async fn have_approved(&self, value: &str) {
        stream::iter(0..TICKETS)
            .for_each_concurrent(4, async |number| {
                have_approved((number, value), &self.agent, &self.reviewer).await;
            })
            .await;
        // All caches know it by then.
        sleep(Duration::from_secs(1)).await;
    }
}

/// Has a ticket approved for a gated write: the ticket.
async fn have_approved((number, value): (usize, &str), agent: &Client, reviewer: &Client) -> DynamicObject {
    let namespace = Kind::Gated.namespace();
    let wish = Wish {
        namespace: namespace.to_owned(),
        name: name(number),
        write: Write::Update,
        value: value_of(Kind::Gated, value),
    };
    let asked = wish.attempt(agent).await;
    let Answer::Needs(ticket) = asked else {
        panic!("{wish:?}: {asked:?}");
    };
    approve((namespace, &ticket), reviewer).await.unwrap();
    let kind = ApiResource::erase::<ApprovalTicket>(&());
    let tickets: Api<DynamicObject> = Api::namespaced_with(reviewer.clone(), namespace, &kind);
    loop {
        let ticket = tickets.get(&ticket).await.unwrap();
        if ticket.data["status"]["state"] == "Approved" {
            return ticket;
        }
        sleep(Duration::from_millis(20)).await;
    }
}

/// No two kinds write the same, where they write the same object.
fn value_of(kind: Kind, value: &str) -> String {
    format!("{value}, {}", kind.name())
}

/// A zone in dev.
fn guarded() -> String {
    let name = Kind::Guarded.namespace();
    let namespace = json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": { "name": name, "labels": { "countersign.dev/environment": "dev" } },
    });
    let zone = json!({
        "apiVersion": "countersign.dev/v1alpha1", "kind": "Zone", "metadata": { "name": name },
        "spec": {
            "owner": "team:shop", "cooperators": ["agent:deployer"], "objects": [format!("{name}/**")],
            "requireReview": false,
        },
    });
    format!("{namespace}\n---\n{zone}")
}

/// What the API server itself lets by.
fn delegation() -> Value {
    let namespaces = [Kind::Plain, Kind::Echoed, Kind::Recorded].map(Kind::namespace);
    json!({
        "apiVersion": "countersign.dev/v1alpha1", "kind": "WriteDelegation", "metadata": { "name": "passing" },
        "spec": {
            "subject": { "serviceAccount": { "namespace": "agents", "name": "passing" } },
            "resources": [
                { "group": "", "resource": "configmaps" },
                { "group": "example.com", "resource": "approvaltickets" },
                { "group": "example.com", "resource": "approvaltickets", "subresource": "status" },
            ],
            "verbs": ["Create", "Update"], "namespaces": { "names": namespaces }, "evaluation": "Startup",
            "reason": "What a write costs without a webhook.",
        },
    })
}

fn name(number: usize) -> String {
    format!("app-{number}")
}

async fn create(kind: Kind, number: usize, client: &Client) {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), kind.namespace());
    let map = json!({ "metadata": { "name": name(number) }, "data": { "a": "0" } });
    let map = serde_json::from_value(map).unwrap();
    maps.create(&PostParams::default(), &map).await.unwrap();
}
