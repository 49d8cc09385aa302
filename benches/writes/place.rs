//! A strict cluster in which each kind of write has its namespace, its objects and its client.

use std::time::{Duration, Instant};

use countersign_api::{ApprovalTicket, approval_ticket::TicketState};
use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    echo,
    harness::{Cluster, Setup},
    kind::Kind,
    wish::{Answer, Wish, Write, approve},
};

/// Tickets that are approved at a time: fewer than may be pending.
pub const TICKETS: usize = 40;

/// Longer than what is left to do after a write.
const PAUSE: Duration = Duration::from_millis(15);

/// The cluster and who writes there.
pub struct Place {
    _cluster: Cluster,
    /// Of each kind, where that stands.
    writers: Vec<Client>,
    reviewer: Client,
}

impl Place {
    /// Starts everything.
    pub async fn furnish() -> Self {
        let echo = echo::serve().await;
        let cluster = Cluster::observing_as(&Setup {
            beside_etcd: true,
            ..Setup::default()
        })
        .of_company(1);
        let admin = cluster.admin();
        for namespace in [Kind::Plain, Kind::Echoed].map(Kind::namespace) {
            admin.kubectl(&format!("create namespace {namespace}")).done();
        }
        admin
            .kubectl("create serviceaccount passing -n agents")
            .done();
        admin.apply(&delegation()).done();
        admin.apply(&echo::configuration(&echo)).done();
        let compiled = "wait --for=condition=Compiled --timeout=60s writedelegation/passing";
        admin.kubectl(compiled).done();
        let everything = admin.client().await;
        for kind in [Kind::Plain, Kind::Echoed, Kind::Guarded, Kind::Gated] {
            stream::iter(0..TICKETS)
                .for_each_concurrent(8, |number| create(kind, number, &everything))
                .await;
        }
        let passing = cluster.account("passing").client().await;
        cluster.see_admins();
        cluster.enforce();
        let writers = vec![
            passing.clone(),
            passing.clone(),
            passing,
            cluster.person("mallory").client().await,
            cluster.person("deployer").client().await,
        ];
        Self {
            writers,
            reviewer: cluster.person("rita").client().await,
            _cluster: cluster,
        }
    }

    /// Makes one write of this kind, and tells how long it took.
    pub async fn write(&self, kind: Kind, number: usize, value: &str) -> Duration {
        let maps: Api<ConfigMap> = Api::namespaced(self.writers[kind as usize].clone(), kind.namespace());
        let begun = Instant::now();
        for patch in 1..=kind.patches() {
            let value = if kind == Kind::TwoPlain {
                format!("{value}.{patch}")
            } else {
                value.to_owned()
            };
            let change = Patch::Merge(json!({ "data": { "a": value } }));
            let made = maps.patch(&name(number), &PatchParams::default(), &change).await;
            assert!(made.is_ok(), "{kind:?}: {made:?}");
        }
        let took = begun.elapsed();
        sleep(PAUSE).await;
        took
    }

    /// Has a ticket approved for the next gated write of each object.
    pub async fn have_approved(&self, value: &str) {
        stream::iter(0..TICKETS)
            .for_each_concurrent(4, |number| self.have_one_approved(number, value))
            .await;
        // All caches know it by then.
        sleep(Duration::from_secs(1)).await;
    }

    async fn have_one_approved(&self, number: usize, value: &str) {
        let namespace = Kind::Gated.namespace();
        let wish = Wish {
            namespace: namespace.to_owned(),
            name: name(number),
            write: Write::Update,
            value: value.to_owned(),
        };
        let asked = wish.attempt(&self.writers[Kind::Gated as usize]).await;
        let Answer::Needs(ticket) = asked else {
            panic!("{wish:?}: {asked:?}");
        };
        approve((namespace, &ticket), &self.reviewer).await.unwrap();
        let tickets: Api<ApprovalTicket> = Api::namespaced(self.reviewer.clone(), namespace);
        loop {
            let status = tickets.get(&ticket).await.unwrap().status;
            if status.is_some_and(|status| status.state == TicketState::Approved) {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
}

/// What the API server itself lets by.
fn delegation() -> Value {
    let namespaces = [Kind::Plain, Kind::Echoed].map(Kind::namespace);
    json!({
        "apiVersion": "countersign.dev/v1alpha1", "kind": "WriteDelegation", "metadata": { "name": "passing" },
        "spec": {
            "subject": { "serviceAccount": { "namespace": "agents", "name": "passing" } },
            "resources": [{ "group": "", "resource": "configmaps" }],
            "verbs": ["Update"], "namespaces": { "names": namespaces }, "evaluation": "Startup",
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
