//! A strict cluster in which each kind of write has its namespace, its objects and its client.

use std::{
    fs,
    ops::Range,
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
    echo::{self, TICKET},
    harness::{Cluster, Setup},
    kind::Kind,
    likeness::{self, Likeness},
    process::Process,
    wish::{Answer, Wish, Write, approve},
};

/// Tickets that are approved at a time: fewer than may be pending.
pub const TICKETS: usize = 40;

/// Gated writes, one after the other: so many that the operator does not yet look what became of the first.
pub const AT_A_TIME: usize = 10;

/// The objects of the writes of one turn of this kind: all, where none needs a ticket.
fn objects(kind: Kind, part: usize) -> Range<usize> {
    match kind {
        Kind::Gated => part * AT_A_TIME..(part + 1) * AT_A_TIME,
        _ => 0..TICKETS,
    }
}

/// Longer than what is left to do after so many writes: of a ticket that was used, the operator notes what became of it.
const fn pause(kind: Kind) -> Duration {
    Duration::from_millis(if matches!(kind, Kind::Gated) { 800 } else { 60 })
}

/// The cluster and who writes there.
pub struct Place {
    _echoes: [Process; Kind::ECHOES.len()],
    _cluster: Cluster,
    /// Who is let by, without the webhook.
    passing: Client,
    controller: Client,
    agent: Client,
    reviewer: Client,
    ticket: DynamicObject,
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
        for kind in [Kind::Plain, Kind::Delegated].iter().chain(&Kind::ECHOES) {
            let namespace = kind.namespace();
            admin.kubectl(&format!("create namespace {namespace}")).done();
        }
        for account in ["passing", "controller"] {
            admin
                .kubectl(&format!("create serviceaccount {account} -n agents"))
                .done();
        }
        admin.kubectl_with("apply -f -", &guarded()).done();
        admin.apply(&startup_delegation()).done();
        admin.apply(&delegation()).done();
        // The operator's log is in there, too.
        let beside_etcd = cluster.control_plane().dir().join("run");
        let passing = cluster.account("passing");
        let echoes = Kind::ECHOES.map(|kind| {
            let directory = beside_etcd.join(kind.name());
            fs::create_dir(&directory).unwrap();
            let paths = [&directory, passing.kubeconfig()].map(|path| path.to_str().unwrap());
            let (process, echo) = Process::start(&[kind.name(), paths[0], paths[1]]).unwrap();
            admin.apply(&echo::configuration(kind, &echo)).done();
            process
        });
        admin
            .kubectl_with("apply --server-side -f -", &likeness::kind())
            .done();
        let compiled = "wait --for=condition=Compiled --timeout=60s writedelegation/passing";
        admin.kubectl(compiled).done();
        let everything = admin.client().await;
        for kind in [Kind::Plain, Kind::Delegated, Kind::Guarded, Kind::Gated]
            .into_iter()
            .chain(Kind::ECHOES)
        {
            stream::iter(0..TICKETS)
                .for_each_concurrent(8, |number| create(kind, number, &everything))
                .await;
        }
        let passing = passing.client().await;
        let controller = cluster.account("controller").client().await;
        cluster.see_admins();
        cluster.enforce();
        let agent = cluster.person("deployer").client().await;
        let reviewer = cluster.person("rita").client().await;
        let ticket = have_approved((0, "first"), &agent, &reviewer).await;
        Likeness::of(&ticket, passing.clone()).make().await;
        let file = beside_etcd.join(Kind::Claimed.name()).join(TICKET);
        fs::write(file, serde_json::to_vec(&ticket).unwrap()).unwrap();
        Self {
            _echoes: echoes,
            ticket,
            passing,
            controller,
            agent,
            reviewer,
            _cluster: cluster,
        }
    }

    /// Makes the writes of one turn of this kind, and tells how long each took.
    pub async fn turn(&self, kind: Kind, part: usize, value: &str) -> Vec<Duration> {
        let mut took = Vec::with_capacity(TICKETS);
        let now = match kind {
            Kind::Gated => value.to_owned(),
            _ => format!("{value}, {part}"),
        };
        for number in objects(kind, part) {
            let begun = Instant::now();
            self.write(kind, number, &now).await;
            took.push(begun.elapsed());
        }
        self.keep_busy(pause(kind), &format!("{value}, {part}, after {}", kind.name()))
            .await;
        took
    }

    /// Plain writes, which are not counted: whoever rests is slow at first.
    async fn keep_busy(&self, span: Duration, value: &str) {
        let begun = Instant::now();
        for number in 0.. {
            if begun.elapsed() > span {
                return;
            }
            self.patch(Kind::Plain, number % TICKETS, &format!("{value}, {number}"))
                .await;
        }
    }

    async fn write(&self, kind: Kind, number: usize, value: &str) {
        match kind {
            Kind::TwoPlain => self.patch(kind, number, &format!("{value}, first")).await,
            Kind::PlainAndStatus => {
                let likeness = Likeness::of(&self.ticket, self.passing.clone());
                likeness.patch(number, value).await;
            }
            _ => {}
        }
        self.patch(kind, number, value).await;
    }

    async fn patch(&self, kind: Kind, number: usize, value: &str) {
        let maps: Api<ConfigMap> = Api::namespaced(self.writer(kind).clone(), kind.namespace());
        let change = Patch::Merge(json!({ "data": { "a": value_of(kind, value) } }));
        let made = maps.patch(&name(number), &PatchParams::default(), &change).await;
        assert!(made.is_ok(), "{kind:?}: {made:?}");
    }

    const fn writer(&self, kind: Kind) -> &Client {
        match kind {
            Kind::Delegated => &self.controller,
            Kind::Guarded | Kind::Gated => &self.agent,
            _ => &self.passing,
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

/// What the operator lets by.
fn delegation() -> Value {
    json!({
        "apiVersion": "countersign.dev/v1alpha1", "kind": "WriteDelegation", "metadata": { "name": "controller" },
        "spec": {
            "subject": { "serviceAccount": { "namespace": "agents", "name": "controller" } },
            "resources": [{ "group": "", "resource": "configmaps" }],
            "verbs": ["Update"], "namespaces": { "names": [Kind::Delegated.namespace()] }, "fields": ["/data/a"],
            "reason": "What a controller's write costs.",
        },
    })
}

/// What the API server itself lets by.
fn startup_delegation() -> Value {
    let echoes = Kind::ECHOES.map(Kind::namespace);
    let namespaces = [&[Kind::Plain.namespace()], echoes.as_slice()].concat();
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
