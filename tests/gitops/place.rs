//! A test's own place: a namespace with an agent, and what Flux delivers there from its own repository.

use serde_json::{Value, json};

use super::{
    flux::{Flux, LONG, get, wait_for},
    git::Repository,
    harness::{Cluster, Ticket, wait::within},
};

/// How Flux acts as the agent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    /// It impersonates the account.
    Impersonation,
    /// By a token of the account, in a kubeconfig.
    Token,
}

/// What delivers, and what it does when it fails.
#[derive(Clone, Copy)]
pub enum Delivery {
    /// A Kustomization that tries again after this time.
    Kustomization(&'static str),
    /// One that may replace what cannot be changed, too.
    ByForce(&'static str),
    /// A HelmRelease as it is by default: it gives up.
    HelmRelease,
    /// A HelmRelease that tries again.
    Retrying,
    /// A HelmRelease that goes back to the release before.
    RollingBack,
    /// Nothing: the test does.
    Nothing,
}

/// What a place begins with.
pub struct Setting {
    /// Its namespace.
    pub name: &'static str,
    /// How Flux acts there.
    pub credential: Credential,
    /// What delivers.
    pub delivery: Delivery,
    /// What Flux delivers at first: file names, and objects.
    pub files: fn(&str) -> Vec<(&'static str, Value)>,
}

/// The places of the tests.
pub const PLACES: &[Setting] = &[
    setting("retry", Delivery::Kustomization("2s"), one_map),
    setting("waves", Delivery::Kustomization("1h"), two_maps),
    setting("forced", Delivery::ByForce("2s"), a_map_outside),
    setting("scaled", Delivery::Kustomization("2s"), a_deployment),
    setting("rival", Delivery::Kustomization("1h"), one_map),
    setting("rollout", Delivery::Kustomization("2s"), a_deployment),
    setting("stalled", Delivery::HelmRelease, a_chart),
    setting("retrying", Delivery::Retrying, a_chart),
    setting("back", Delivery::RollingBack, a_chart),
    Setting {
        credential: Credential::Token,
        ..setting("signed", Delivery::Kustomization("2s"), one_map)
    },
    Setting {
        credential: Credential::Token,
        ..setting("engine", Delivery::Nothing, one_map)
    },
];

const fn setting(
    name: &'static str,
    delivery: Delivery,
    files: fn(&str) -> Vec<(&'static str, Value)>,
) -> Setting {
    Setting {
        name,
        credential: Credential::Impersonation,
        delivery,
        files,
    }
}

fn one_map(namespace: &str) -> Vec<(&'static str, Value)> {
    vec![("one.yaml", config_map("one", namespace, "first"))]
}

fn two_maps(namespace: &str) -> Vec<(&'static str, Value)> {
    let two = ("two.yaml", config_map("two", namespace, "first"));
    one_map(namespace).into_iter().chain([two]).collect()
}

/// In a namespace where the agent may do nothing.
fn a_map_outside(_: &str) -> Vec<(&'static str, Value)> {
    vec![("one.yaml", config_map("one", "outside", "first"))]
}

fn a_deployment(namespace: &str) -> Vec<(&'static str, Value)> {
    vec![("web.yaml", deployment(namespace, "first"))]
}

/// A chart: one ConfigMap after the other, in the order of their names.
fn a_chart(_: &str) -> Vec<(&'static str, Value)> {
    let chart = json!({ "apiVersion": "v2", "name": "app", "version": "0.1.0" });
    let maps = chart_maps("first");
    [("Chart.yaml", chart)].into_iter().chain(maps).collect()
}

/// What the chart holds, with this value.
pub fn chart_maps(value: &str) -> Vec<(&'static str, Value)> {
    let map = |name: &str| {
        let mut map = config_map(name, "", value);
        map["metadata"] = json!({ "name": name });
        map
    };
    vec![
        ("templates/one.yaml", map("one")),
        ("templates/two.yaml", map("two")),
    ]
}

/// A ConfigMap with this value.
pub fn config_map(name: &str, namespace: &str, value: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": { "name": name, "namespace": namespace },
        "data": { "value": value },
    })
}

/// A Deployment of this version, that says nothing of its replicas.
pub fn deployment(namespace: &str, version: &str) -> Value {
    let container = json!({ "name": "main", "image": format!("registry.invalid/web:{version}") });
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": "web", "namespace": namespace },
        "spec": {
            "selector": { "matchLabels": { "app": "web" } },
            "template": { "metadata": { "labels": { "app": "web" } }, "spec": { "containers": [container] } },
        },
    })
}

/// A namespace, and its repository.
pub struct Place {
    /// The namespace.
    pub name: &'static str,
    setting: &'static Setting,
    /// The repository.
    pub repository: Repository,
}

impl Place {
    /// The place of this setting.
    pub fn new(setting: &'static Setting, repository: Repository) -> Self {
        Self {
            name: setting.name,
            setting,
            repository,
        }
    }

    /// How Flux acts here.
    pub const fn credential(&self) -> Credential {
        self.setting.credential
    }

    /// Publishes the first content.
    pub fn write_first(&self) {
        self.publish(&(self.setting.files)(self.name));
    }

    /// Publishes these objects.
    pub fn publish(&self, objects: &[(&str, Value)]) {
        let files: Vec<_> = objects
            .iter()
            .map(|(file, object)| (*file, object.to_string()))
            .collect();
        self.repository.push(&files);
    }

    /// What people apply so that Flux delivers.
    pub fn delivery(&self) -> Option<Value> {
        let mut object = match self.setting.delivery {
            Delivery::Kustomization(retry) => self.kustomization(retry, false),
            Delivery::ByForce(retry) => self.kustomization(retry, true),
            Delivery::HelmRelease => self.release(&json!({})),
            Delivery::Retrying => {
                self.release(&json!({ "strategy": { "name": "RetryOnFailure", "retryInterval": "2s" } }))
            }
            Delivery::RollingBack => {
                self.release(&json!({ "remediation": { "retries": 1, "strategy": "rollback" } }))
            }
            Delivery::Nothing => return None,
        };
        match self.setting.credential {
            Credential::Impersonation => object["spec"]["serviceAccountName"] = json!("flux"),
            Credential::Token => {
                object["spec"]["kubeConfig"] = json!({ "secretRef": { "name": "deployer" } });
                object["metadata"]["annotations"] = json!({ "countersign.dev/service-account": "flux" });
            }
        }
        Some(object)
    }

    fn kustomization(&self, retry: &str, force: bool) -> Value {
        json!({
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
            "kind": "Kustomization",
            "metadata": { "name": "app", "namespace": self.name },
            "spec": {
                "interval": "1h",
                "retryInterval": retry,
                "timeout": "20s",
                "path": "./",
                "prune": true,
                "force": force,
                "sourceRef": { "kind": "GitRepository", "name": "app" },
            },
        })
    }

    fn release(&self, upgrade: &Value) -> Value {
        let source = json!({ "kind": "GitRepository", "name": "app" });
        let mut release = json!({
            "apiVersion": "helm.toolkit.fluxcd.io/v2",
            "kind": "HelmRelease",
            "metadata": { "name": "app", "namespace": self.name },
            "spec": {
                "interval": "1h",
                "timeout": "20s",
                "chart": { "spec": {
                    "chart": "./", "sourceRef": source, "reconcileStrategy": "Revision", "interval": "2s",
                } },
                "upgrade": upgrade,
            },
        });
        release["spec"]["upgrade"]["disableWait"] = json!(true);
        release
    }

    /// What delivers here, as kubectl names it.
    fn deliverer(&self) -> Option<&'static str> {
        match self.setting.delivery {
            Delivery::Kustomization(_) | Delivery::ByForce(_) => Some("kustomization app"),
            Delivery::HelmRelease | Delivery::Retrying | Delivery::RollingBack => Some("helmrelease app"),
            Delivery::Nothing => None,
        }
    }

    /// Waits until Flux delivered the first content.
    pub fn begins(&self, cluster: &Cluster) {
        let Some(deliverer) = self.deliverer() else { return };
        wait_for(cluster, deliverer, self.name, |deliverer| {
            condition(deliverer, "Ready")["status"] == "True"
        });
    }

    /// What Flux says of what it delivers, once that contains this text.
    #[track_caller]
    pub fn says(&self, flux: &Flux, text: &str) -> String {
        let deliverer = wait_for(&flux.cluster, self.deliverer().unwrap(), self.name, |deliverer| {
            let ready = condition(deliverer, "Ready");
            ready["message"].as_str().is_some_and(|said| said.contains(text))
        });
        let ready = condition(&deliverer, "Ready");
        ready["message"].as_str().unwrap().to_owned()
    }

    /// All tickets here.
    pub fn tickets(&self, flux: &Flux) -> Vec<Value> {
        let tickets = get(&flux.cluster, "approvaltickets", self.name);
        tickets["items"].as_array().unwrap().clone()
    }

    /// The one ticket here that waits; the test fails if several do.
    #[track_caller]
    pub fn waiting(&self, flux: &'static Flux) -> Ticket<'static> {
        let what = format!("a ticket in {}", self.name);
        let name = within(LONG, &what, || {
            let tickets = self.tickets(flux);
            let state = |ticket: &Value| ticket["status"]["state"].as_str().unwrap_or("Pending").to_owned();
            let waiting: Vec<_> = tickets
                .iter()
                .filter(|ticket| state(ticket) == "Pending")
                .collect();
            assert!(waiting.len() <= 1, "{waiting:#?}");
            Some(waiting.first()?["metadata"]["name"].as_str()?.to_owned())
        });
        Ticket::new(self.name, &name, &flux.cluster)
    }

    /// The tickets here that wait, once there are so many, by the names of their objects.
    pub fn open(&self, count: usize, flux: &'static Flux) -> Vec<Ticket<'static>> {
        within(LONG, "tickets", || {
            let mut tickets = self.tickets(flux);
            tickets.retain(|ticket| ticket["status"]["state"].as_str().unwrap_or("Pending") == "Pending");
            tickets.sort_by_key(|ticket| ticket["spec"]["binding"]["target"]["name"].to_string());
            let names = tickets
                .iter()
                .filter_map(|ticket| ticket["metadata"]["name"].as_str());
            let open: Vec<_> = names
                .map(|name| Ticket::new(self.name, name, &flux.cluster))
                .collect();
            (open.len() == count).then_some(open)
        })
    }

    /// Has two people approve, since nobody proves who wrote the change.
    #[track_caller]
    pub fn approve(&self, ticket: &Ticket<'_>, flux: &Flux) {
        assert_eq!(ticket.namespace, self.name);
        for reviewer in ["rita", "otto"] {
            assert_eq!(ticket.state(), "Pending", "two are needed");
            ticket.approve(flux.cluster.person(reviewer));
        }
    }

    /// Waits until the ConfigMap has this value.
    #[track_caller]
    pub fn has(&self, name: &str, value: &str, flux: &Flux) {
        let what = format!("configmap {name}");
        wait_for(&flux.cluster, &what, self.name, |map| {
            map["data"]["value"] == value
        });
    }

    /// Waits until Flux failed here so often.
    #[track_caller]
    pub fn failed(&self, times: usize, flux: &Flux) {
        let of_place = format!(r#""namespace":"{}""#, self.name);
        within(LONG, &format!("{times} failures in {}", self.name), || {
            let log = flux.kustomize.log();
            let failures = log.lines().filter(|line| {
                line.contains(r#""level":"error""#)
                    && line.contains("Reconciliation failed")
                    && line.contains(&of_place)
            });
            (failures.count() >= times).then_some(())
        });
    }
}

/// A condition of an object, or null.
pub fn condition<'a>(object: &'a Value, kind: &str) -> &'a Value {
    let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
    let mut of_kind = conditions.filter(|condition| condition["type"] == kind);
    of_kind.next().unwrap_or(&Value::Null)
}
