//! Flux in a cluster in strict mode: its controllers under their own accounts, and a place for each test.

use std::{path::Path, process::Command, sync::OnceLock, time::Duration};

use serde_json::{Value, json};

use super::{
    client::{Running, folder, free_port},
    engine, examples,
    git::Server,
    harness::{Cluster, Person, wait::within},
    place::{Credential, PLACES, Place, Setting},
};

const AREA: &str = include_str!("../data/gitops/area.yaml");
const SYSTEM: &str = include_str!("../data/gitops/flux-system.yaml");
const DELEGATIONS: &str = include_str!("../../examples/delegations/flux.yaml");

/// How long a client may take beside others on a busy machine.
pub const LONG: Duration = Duration::from_mins(3);

/// A cluster, Flux in it, and the repositories.
pub struct Flux {
    /// The cluster.
    pub cluster: Cluster,
    /// The kustomize-controller.
    pub kustomize: Running,
    /// Who scales: the horizontal pod autoscaler.
    pub scaler: Person,
    /// Whom Argo CD's engine acts as.
    pub engine: Person,
    _helm: Running,
    _source: Running,
    _git: Server,
    places: Vec<Place>,
}

/// The one that all tests share.
pub fn flux() -> &'static Flux {
    static FLUX: OnceLock<Flux> = OnceLock::new();
    FLUX.get_or_init(Flux::start)
}

impl Flux {
    /// All that is there when strict mode begins was there before.
    fn start() -> Self {
        let cluster = Cluster::with_company(4);
        let admin = cluster.admin();
        for client in ["kustomize-controller", "source-controller", "helm-controller"] {
            let crds = folder(client).join("crds");
            let crds = crds.display();
            admin.kubectl(&format!("apply --server-side -f {crds}")).done();
            admin
                .kubectl(&format!("wait --for=condition=Established -f {crds}"))
                .done();
        }
        // Its last object is the Agent that examples/flux has, too.
        let (delegations, _) = DELEGATIONS.rsplit_once("---").unwrap();
        for objects in [SYSTEM, delegations] {
            admin.kubectl_with("apply -f -", objects).done();
        }
        let dir = cluster.control_plane().dir().to_owned();
        let git = Server::start(&dir);
        let places = prepare(&git, &cluster);
        let [source, kustomize, helm] = ["source-controller", "kustomize-controller", "helm-controller"]
            .map(|name| run(name, &cluster, &dir));
        for place in &places {
            place.begins(&cluster);
        }
        engine::prepare(&cluster);
        examples::prepare(&git, &cluster);
        let engine = cluster.account_of("engine", "flux");
        let scaler = cluster.account_of("kube-system", "horizontal-pod-autoscaler");
        cluster.see_admins();
        cluster.enforce();
        Self {
            cluster,
            kustomize,
            scaler,
            engine,
            _helm: helm,
            _source: source,
            _git: git,
            places,
        }
    }

    /// The place of this name.
    pub fn place(&'static self, name: &str) -> &'static Place {
        self.places.iter().find(|place| place.name == name).unwrap()
    }
}

/// Of each place the namespace, its zone and agent, its repository with the first content, and what delivers it.
fn prepare(git: &Server, cluster: &Cluster) -> Vec<Place> {
    let admin = cluster.admin();
    let areas: String = PLACES.iter().map(|setting| area(setting, git)).collect();
    admin.kubectl_with("apply -f -", &areas).done();
    let place = |setting: &'static Setting| Place::new(setting, git.repository(setting.name));
    let places: Vec<_> = PLACES.iter().map(place).collect();
    for place in &places {
        if place.credential() == Credential::Token {
            sign(place, cluster);
        }
        place.write_first();
    }
    let deliveries = places.iter().filter_map(Place::delivery);
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": deliveries.collect::<Vec<_>>() });
    admin.apply(&list).done();
    let ready = "wait --for=condition=Ready --timeout=60s --all agents.countersign.dev,zones.countersign.dev";
    admin.kubectl(ready).done();
    places
}

fn area(setting: &Setting, git: &Server) -> String {
    let impersonation = match setting.credential {
        Credential::Impersonation => "Accepted",
        Credential::Token => "Refused",
    };
    AREA.replace("$NAME", setting.name)
        .replace("$IMPERSONATION", impersonation)
        .replace("$URL", &git.url(setting.name))
}

/// Otto signs every commit, and the key that Flux verifies it by says that it is his; Flux has a token of the account.
fn sign(place: &Place, cluster: &Cluster) {
    let key = cluster.control_plane().dir().join(format!("{}-otto", place.name));
    let words = [
        "-q",
        "-t",
        "ed25519",
        "-N",
        "",
        "-C",
        "user:otto",
        "-f",
        key.to_str().unwrap(),
    ];
    assert!(Command::new("ssh-keygen").args(words).status().unwrap().success());
    place.repository.sign_with(&key);
    let admin = cluster.admin();
    let file = format!("--from-file=otto.sshpub={}.pub", key.display());
    admin
        .kubectl(&format!("create secret generic signers -n {} {file}", place.name))
        .done();
    let account = cluster.account_of(place.name, "flux");
    let file = format!("--from-file=value={}", account.kubeconfig().display());
    admin
        .kubectl(&format!(
            "create secret generic deployer -n {} {file}",
            place.name
        ))
        .done();
    let verify = r#"{"spec":{"verify":{"mode":"HEAD","secretRef":{"name":"signers"}}}}"#;
    let patch = [
        "patch",
        "gitrepository",
        "app",
        "-n",
        place.name,
        "--type=merge",
        "-p",
        verify,
    ];
    admin.run(&patch, "").done();
}

/// A controller under its own account, as `flux install` runs it but for its addresses and its patience.
fn run(name: &str, cluster: &Cluster, dir: &Path) -> Running {
    let account = cluster.account_of("flux-system", name);
    let home = dir.join(name);
    std::fs::create_dir_all(home.join("data")).unwrap();
    let (metrics, health) = (local(), local());
    let program = folder(name).join(name);
    let mut words = vec![
        program.display().to_string(),
        format!("--metrics-addr={metrics}"),
        format!("--health-addr={health}"),
        "--watch-all-namespaces=true".to_owned(),
        "--log-level=info".to_owned(),
        "--log-encoding=json".to_owned(),
        "--min-retry-delay=500ms".to_owned(),
        "--max-retry-delay=5s".to_owned(),
        "--interval-jitter-percentage=0".to_owned(),
        "--requeue-dependency=1s".to_owned(),
    ];
    if name == "source-controller" {
        let storage = local();
        words.push(format!("--storage-path={}", home.join("data").display()));
        words.push(format!("--storage-addr={storage}"));
        words.push(format!("--storage-adv-addr={storage}"));
    }
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let home = home.to_str().unwrap();
    let variables = [
        ("KUBECONFIG", account.kubeconfig().to_str().unwrap()),
        ("RUNTIME_NAMESPACE", "flux-system"),
        ("TMPDIR", home),
        ("HOME", home),
        ("TUF_ROOT", home),
    ];
    Running::start(name, &words, &variables, Path::new(home))
}

fn local() -> String {
    format!("127.0.0.1:{}", free_port())
}

/// Reads what Kubernetes has.
pub fn get(cluster: &Cluster, what: &str, namespace: &str) -> Value {
    cluster.admin().get(&format!("{what} -n {namespace}"))
}

/// Waits until an object of a namespace is so.
#[track_caller]
pub fn wait_for(cluster: &Cluster, what: &str, namespace: &str, is: impl Fn(&Value) -> bool) -> Value {
    let call = format!("get {what} -n {namespace} -o json --ignore-not-found");
    within(LONG, &format!("{what} in {namespace}"), || {
        let told = cluster.admin().kubectl(&call).done();
        let object = serde_json::from_str(&told).unwrap_or(json!(null));
        is(&object).then_some(object)
    })
}
