//! A cluster with the operator in it, and with the company that works there.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use kube::config::Kubeconfig;
use serde_json::json;

use super::{
    area::Area, control_plane::ControlPlane, operator::Operator, person::Person, proxy::Proxy, room::Room,
    wait::until,
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const CRDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/crds/");

/// What the operator may do in Kubernetes, and no more.
const OPERATOR_ROLES: [&str; 2] = [
    "charts/countersign/files/operator-clusterroles.yaml",
    "hack/demo/operator-rbac.yaml",
];

const COMPANY: &str = include_str!("../../data/e2e/company.yaml");
const AREA: &str = include_str!("../../data/e2e/area.yaml");

/// The people of the company, by certificate; Kubernetes lets them do anything, so that only Countersign refuses.
const PEOPLE: [&str; 7] = ["ada", "ben", "olga", "otto", "rita", "mallory", "ron"];

/// Its agents, by service accounts in the namespace `agents`, and an account that is nobody's yet.
const AGENTS: [&str; 5] = ["deployer", "helper", "scribe", "novice", "orphan"];

/// A control plane, the operator, and who works there.
pub struct Cluster {
    // Dropped in this order: the operator says nothing about an API server that is gone.
    operators: Vec<Operator>,
    proxy: Option<Proxy>,
    people: BTreeMap<&'static str, Person>,
    control_plane: ControlPlane,
    areas: Numbered,
    pairs: Numbered,
    _room: Room,
}

/// How many areas of a kind there are, and how many were taken.
struct Numbered {
    all: usize,
    taken: AtomicUsize,
}

/// What a cluster is made of.
#[derive(Default)]
pub struct Setup<'a> {
    /// Flags of the API server.
    pub flags: &'a [String],
    /// Whether the operator speaks to it through a proxy.
    pub proxied: bool,
    /// How many operators there are beside the first, called by turns.
    pub more_replicas: usize,
    /// Whether the operator keeps its data where etcd does.
    pub beside_etcd: bool,
}

/// The cluster in strict mode that most tests share. Nobody changes its policy.
pub fn shared() -> &'static Cluster {
    static SHARED: OnceLock<Cluster> = OnceLock::new();
    SHARED.get_or_init(|| Cluster::strict(96))
}

impl Cluster {
    /// A cluster with the kinds and the operator, which observes.
    pub fn observing() -> Self {
        Self::observing_with(&[])
    }

    /// The same, with these flags of the API server.
    pub fn observing_with(flags: &[String]) -> Self {
        Self::observing_as(&Setup {
            flags,
            ..Setup::default()
        })
    }

    /// A cluster that is made so; the operator observes.
    pub fn observing_as(setup: &Setup<'_>) -> Self {
        let room = Room::take();
        let control_plane = ControlPlane::start(setup.flags);
        let admin = Person::new(
            control_plane.admin_kubeconfig().to_owned(),
            control_plane.kubectl(),
        );
        admin.kubectl(&format!("apply -f {CRDS}")).done();
        admin
            .kubectl(&format!(
                "wait --for=condition=Established --timeout=60s -f {CRDS}"
            ))
            .done();
        for file in OPERATOR_ROLES {
            admin.kubectl(&format!("apply -f {ROOT}/{file}")).done();
        }
        let identity = control_plane.issue("countersign-operator", &[]);
        let proxy = (setup.proxied).then(|| Proxy::start(identity.clone(), control_plane.dir()));
        let kubeconfig = proxy.as_ref().map_or(identity, Proxy::kubeconfig);
        let dir = if setup.beside_etcd {
            control_plane.dir().join("run")
        } else {
            control_plane.dir().to_owned()
        };
        let operators = match setup.more_replicas {
            0 => vec![Operator::start(kubeconfig, &dir)],
            more => Operator::start_replicas(1 + more, &kubeconfig, &dir),
        };
        let people = PEOPLE.map(|name| {
            let kubeconfig = control_plane.issue(name, &["people"]);
            (name, Person::new(kubeconfig, control_plane.kubectl()))
        });
        let cluster = Self {
            operators,
            proxy,
            people: people.into_iter().chain([("admin", admin)]).collect(),
            control_plane,
            areas: Numbered::of(0),
            pairs: Numbered::of(0),
            _room: room,
        };
        cluster.wait_for_webhooks();
        cluster
    }

    /// A cluster with the company and so many areas, still observing.
    pub fn with_company(areas: usize) -> Self {
        Self::observing().of_company(areas)
    }

    /// The same cluster, with the company and so many areas.
    pub fn of_company(self, areas: usize) -> Self {
        let mut cluster = self;
        cluster.areas = Numbered::of(areas);
        cluster.pairs = Numbered::of(areas.div_ceil(8));
        let mut objects = COMPANY.to_owned();
        for number in 1..=cluster.areas.all {
            objects.push_str(&area(&format!("area-{number}"), 1));
        }
        for number in 1..=cluster.pairs.all {
            objects.push_str(&area(&format!("pair-{number}"), 2));
        }
        cluster
            .admin()
            .kubectl_with("apply --server-side -f -", &objects)
            .done();
        for agent in AGENTS {
            let person = cluster.account(agent);
            cluster.people.insert(agent, person);
        }
        let ready = "agents.countersign.dev,zones.countersign.dev,teams.countersign.dev";
        let wait = format!("wait --for=condition=Ready --timeout=60s --all {ready}");
        cluster.admin().kubectl(&wait).done();
        cluster
    }

    /// A cluster with the company and so many areas, in strict mode.
    pub fn strict(areas: usize) -> Self {
        let cluster = Self::with_company(areas);
        cluster.see_admins();
        cluster.enforce();
        cluster
    }

    /// Lets both admins be seen.
    pub fn see_admins(&self) {
        for admin in ["ada", "ben"] {
            let seen = format!("create configmap seen-{admin} -n agents");
            self.person(admin).kubectl(&seen).done();
        }
        until("two live admins", || {
            (self.admin().get("accesspolicy default")["status"]["counts"]["liveAdmins"] == 2).then_some(())
        });
    }

    /// Turns strict mode on and waits until the API server has it.
    pub fn enforce(&self) {
        let on = json!({ "spec": { "strictMode": true } }).to_string();
        let patch = ["patch", "accesspolicy", "default", "--type=merge", "-p", &on];
        self.person("ada").run(&patch, "").done();
        let enforcing = "wait --for=condition=Enforcing --timeout=60s accesspolicy/default";
        self.admin().kubectl(enforcing).done();
    }

    /// The next area that no test has had.
    pub fn area(&self) -> Area<'_> {
        self.take("area", &self.areas, &["rita"])
    }

    /// The next area that no test has had, of those where two people must approve.
    pub fn area_of_two_reviews(&self) -> Area<'_> {
        self.take("pair", &self.pairs, &["rita", "otto"])
    }

    fn take(&self, kind: &str, areas: &Numbered, reviewers: &'static [&'static str]) -> Area<'_> {
        let number = areas.taken.fetch_add(1, Ordering::Relaxed) + 1;
        assert!(number <= areas.all, "{} areas are too few", areas.all);
        Area {
            cluster: self,
            namespace: format!("{kind}-{number}"),
            reviewers,
        }
    }

    /// Somebody of the company.
    pub fn person(&self, name: &str) -> &Person {
        &self.people[name]
    }

    /// Who set the cluster up: of group `system:masters`, and without any grant.
    pub fn admin(&self) -> &Person {
        self.person("admin")
    }

    /// The control plane.
    pub const fn control_plane(&self) -> &ControlPlane {
        &self.control_plane
    }

    /// The operator, the first one where there are several.
    pub fn operator(&self) -> &Operator {
        &self.operators[0]
    }

    /// All operators.
    pub fn operators(&self) -> &[Operator] {
        &self.operators
    }

    /// What is between the operator and the API server.
    pub const fn proxy(&self) -> &Proxy {
        self.proxy.as_ref().unwrap()
    }

    /// What the API server does with writes while the operator is away.
    pub fn failure_policy(&self) -> String {
        let configuration = self.admin().get("validatingwebhookconfiguration countersign");
        let policy = &configuration["webhooks"][0]["failurePolicy"];
        policy.as_str().unwrap().to_owned()
    }

    /// The API server's authority, PEM in base64.
    pub fn authority(&self) -> String {
        let known = Kubeconfig::read_from(self.control_plane.admin_kubeconfig()).unwrap();
        let cluster = known.clusters[0].cluster.as_ref().unwrap();
        cluster.certificate_authority_data.clone().unwrap()
    }

    /// Waits until the API server has both webhook configurations.
    fn wait_for_webhooks(&self) {
        for kind in ["validatingwebhookconfiguration", "mutatingwebhookconfiguration"] {
            let get = format!("get {kind} countersign");
            until(kind, || self.admin().kubectl(&get).succeeded().then_some(()));
        }
    }

    /// Who has a token of a service account of the namespace `agents`.
    pub fn account(&self, name: &str) -> Person {
        self.account_of("agents", name)
    }

    /// Who has a token of a service account.
    pub fn account_of(&self, namespace: &str, name: &str) -> Person {
        let request = format!("create token {name} -n {namespace} --duration=10h");
        let token = self.admin().kubectl(&request).done();
        let file = format!("{namespace}-{name}.kubeconfig");
        let file = self.control_plane.dir().join(file);
        fs::write(
            &file,
            with_token(self.control_plane.admin_kubeconfig(), token.trim()),
        )
        .unwrap();
        Person::new(file, self.control_plane.kubectl())
    }
}

impl Numbered {
    const fn of(all: usize) -> Self {
        Self {
            all,
            taken: AtomicUsize::new(0),
        }
    }
}

fn area(name: &str, reviews: u8) -> String {
    AREA.replace("$NAME", name)
        .replace("$REVIEWS", &reviews.to_string())
}

/// The kubeconfig for the same API server with another credential.
fn with_token(kubeconfig: &Path, token: &str) -> String {
    let known = Kubeconfig::read_from(kubeconfig).unwrap();
    let cluster = known.clusters[0].cluster.as_ref().unwrap();
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "contexts": [{ "name": "here", "context": { "cluster": "here", "user": "agent" } }],
        "clusters": [{ "name": "here", "cluster": cluster }],
        "users": [{ "name": "agent", "user": { "token": token } }],
    })
    .to_string()
}
