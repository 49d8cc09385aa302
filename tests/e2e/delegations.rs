//! Delegations: controllers do their derived work and no more, also while the operator is down.

use std::time::Duration;

use countersign_core::credential::TABLE;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    harness::{
        Area, Cluster, Outcome, Person, Ticket,
        wait::{until, within},
    },
    outages::AWAY,
    seals::behind_its_back,
};

/// A delegation to a service account of the namespace `agents`, with these parts of its spec besides.
fn delegation(name: &str, account: &str, rest: &Value) -> Value {
    let mut spec = json!({
        "subject": { "serviceAccount": { "namespace": "agents", "name": account } },
        "reason": "A test.",
    });
    spec.as_object_mut()
        .unwrap()
        .extend(rest.as_object().unwrap().clone());
    json!({
        "apiVersion": "countersign.dev/v1alpha1",
        "kind": "WriteDelegation",
        "metadata": { "name": name },
        "spec": spec,
    })
}

/// A cluster in strict mode with one area, a service account there is a token of, and what the admin made before.
fn strict(account: &str, before: impl Fn(&Area<'_>)) -> (Cluster, Person) {
    let cluster = Cluster::with_company(1);
    let create = format!("create serviceaccount {account} -n agents");
    cluster.admin().kubectl(&create).done();
    let controller = cluster.account(account);
    before(&Area {
        cluster: &cluster,
        namespace: "area-1".to_owned(),
        reviewers: &["rita"],
    });
    cluster.see_admins();
    cluster.enforce();
    (cluster, controller)
}

/// What one admin asks for and another approves.
fn by_two_admins(cluster: &Cluster, write: impl Fn(&Person) -> Outcome) {
    let ada = cluster.person("ada");
    let ticket = Ticket::named_in(&write(ada).denied("ApprovalRequired"), cluster);
    ticket.approve(cluster.person("ben"));
    ticket.becomes("Approved");
    write(ada).done();
}

/// The status of a delegation.
fn status(cluster: &Cluster, name: &str) -> Value {
    cluster.admin().get(&format!("writedelegation {name}"))["status"].clone()
}

/// A ConfigMap that names this Deployment as its controller.
fn child(area: &Area<'_>, name: &str, owner: &Value) -> Value {
    let mut child = area.config_map(name, &json!({ "a": "1" }));
    child["metadata"]["ownerReferences"] = json!([{
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": true,
    }]);
    child
}

#[test]
fn a_controllers_child_passes_and_what_no_living_parent_controls_does_not() {
    let (cluster, keeper) = strict("keeper", |area| {
        let admin = area.cluster.admin();
        admin.create(&area.deployment("web", 0)).done();
        admin
            .create(&area.config_map("orphan", &json!({ "a": "1" })))
            .done();
        let configs = json!({ "resources": [{ "resource": "configmaps" }], "namespaces": { "names": [area.namespace] } });
        let children = |group: &str, kind: &str| {
            let mut spec = configs.clone();
            spec["verbs"] = json!(["Create", "Update", "Delete"]);
            spec["parent"] = json!({ "group": group, "kind": kind });
            spec
        };
        let of_deployments = children("apps", "Deployment");
        admin
            .create(&delegation("keeper-configs", "keeper", &of_deployments))
            .done();
        let of_widgets = children("example.com", "Widget");
        admin
            .create(&delegation("keeper-widgets", "keeper", &of_widgets))
            .done();
    });
    let area = cluster.area();
    let web = area.get("deployment web");
    keeper.create(&child(&area, "web", &web)).done();
    let patch = |name: &str, patch: &Value| {
        let patch = patch.to_string();
        keeper.run(
            &[
                "patch",
                "configmap",
                name,
                "-n",
                &area.namespace,
                "--type=merge",
                "-p",
                &patch,
            ],
            "",
        )
    };
    patch("web", &json!({ "data": { "a": "2" } })).done();
    let delete = |name: &str| keeper.kubectl(&format!("delete configmap {name} -n {}", area.namespace));
    delete("web").done();
    until("the use of the delegation", || {
        status(&cluster, "keeper-configs")["lastUsed"].as_str().map(drop)
    });

    let other = |field: &str, value: &str| {
        let mut other = web.clone();
        *other.pointer_mut(field).unwrap() = json!(value);
        other
    };
    let mut widget = other("/kind", "Widget");
    widget["apiVersion"] = json!("example.com/v1");
    let claims = child(&area, "orphan", &web)["metadata"].clone();
    for (write, why) in [
        (
            keeper.create(&area.config_map("new", &json!({}))),
            "nothing controls it",
        ),
        (
            keeper.create(&child(&area, "new", &other("/metadata/uid", "u"))),
            "does not live",
        ),
        (
            keeper.create(&child(&area, "new", &other("/metadata/name", "gone"))),
            "does not live",
        ),
        (
            keeper.create(&child(&area, "new", &other("/kind", "StatefulSet"))),
            "`StatefulSet.apps` controls it",
        ),
        (
            keeper.create(&child(&area, "new", &widget)),
            "the Widget `web` could not be read",
        ),
        (
            patch("orphan", &json!({ "metadata": claims })),
            "nothing controls it",
        ),
        (delete("orphan"), "nothing controls it"),
    ] {
        let denial = write.denied("ParentUnproven");
        assert!(denial.contains(why), "{why}: {denial}");
    }
}

#[test]
fn fields_and_status_bound_a_delegation_and_its_time_ends_it() {
    let (cluster, mirror) = strict("mirror", |area| {
        let admin = area.cluster.admin();
        admin.create(&area.deployment("web", 0)).done();
        let of_status = json!({
            "resources": [{ "group": "apps", "resource": "deployments", "subresource": "status" }],
            "verbs": ["Update"],
            "namespaces": { "names": [area.namespace] },
        });
        admin
            .create(&delegation("mirror-status", "mirror", &of_status))
            .done();
    });
    let area = cluster.area();
    let config = |name: &str, metadata: &Value| {
        let mut config = area.config_map(name, &json!({ "a": "1" }));
        config["metadata"] = metadata.clone();
        config["metadata"]["name"] = json!(name);
        config["metadata"]["namespace"] = json!("agents");
        config
    };
    mirror.create(&config("settings", &json!({}))).done();
    let labelled = config("labelled", &json!({ "labels": { "a": "b" } }));
    mirror.create(&labelled).denied("UnregisteredAccount");

    let patch = |patch: &Value| {
        let patch = patch.to_string();
        let deployment = ["patch", "deployment", "web", "-n", &area.namespace];
        let of_status = ["--subresource=status", "--type=merge", "-p", &patch];
        mirror.run(&[&deployment[..], &of_status[..]].concat(), "")
    };
    patch(&json!({ "status": { "collisionCount": 7 } })).done();
    patch(&json!({ "metadata": { "annotations": { "a": "b" } } })).denied("UnregisteredAccount");

    let end = Timestamp::now() + SignedDuration::from_secs(15);
    let end = json!({ "spec": { "expiresAt": end.strftime("%FT%TZ").to_string() } }).to_string();
    by_two_admins(&cluster, |admin| {
        admin.run(
            &["patch", "writedelegation", "mirror", "--type=merge", "-p", &end],
            "",
        )
    });
    until("the delegation to end", || {
        let conditions = status(&cluster, "mirror")["conditions"].clone();
        let degraded = conditions
            .as_array()?
            .iter()
            .find(|one| one["type"] == "Degraded")?;
        (degraded["reason"] == "Expired").then_some(())
    });
    mirror
        .create(&config("late", &json!({})))
        .denied("UnregisteredAccount");
}

/// Names of what the API server checks by itself for delegations.
fn compiled(cluster: &Cluster) -> Vec<String> {
    let configuration = cluster.admin().get("validatingwebhookconfiguration countersign");
    let conditions = configuration["webhooks"][0]["matchConditions"]
        .as_array()
        .unwrap();
    let names = conditions.iter().map(|one| one["name"].as_str().unwrap());
    let of_delegations = names.filter_map(|name| name.strip_prefix("delegation.countersign.dev/"));
    of_delegations.map(str::to_owned).collect()
}

/// Waits until exactly these delegations are compiled, for no longer than a few seconds.
fn compiles(cluster: &Cluster, expected: &[&str]) {
    within(
        Duration::from_secs(5),
        &format!("{expected:?} to be compiled"),
        || {
            let names = compiled(cluster);
            let is_expected = |(name, expected): (&String, &&str)| name.starts_with(&format!("{expected}-"));
            (names.len() == expected.len() && names.iter().zip(expected).all(is_expected)).then_some(())
        },
    );
}

#[test]
fn a_startup_delegation_passes_without_the_operator_and_nothing_beside_it() {
    let (cluster, network) = strict("network", |_| ());
    let area = cluster.area();
    let startup = |name: &str, verbs: &Value| {
        let spec = json!({
            "resources": [{ "resource": "configmaps" }, { "group": "apps", "resource": "deployments", "subresource": "status" }],
            "verbs": verbs,
            "namespaces": { "names": [area.namespace] },
            "evaluation": "Startup",
        });
        delegation(name, "network", &spec)
    };
    let mut quoting = startup("quoting", &json!(["Create"]));
    quoting["spec"]["subject"] = json!({ "username": "system:it's\\'||true||'" });
    compiles(&cluster, &[]);
    by_two_admins(&cluster, |admin| {
        admin.apply(&startup("network", &json!(["Create", "Update"])))
    });
    compiles(&cluster, &["network"]);
    by_two_admins(&cluster, |admin| admin.apply(&quoting));
    compiles(&cluster, &["network", "quoting"]);
    let wait = "wait --for=condition=Compiled --timeout=30s writedelegation/network writedelegation/quoting";
    cluster.admin().kubectl(wait).done();

    cluster.operator().kill();
    let object = area.config_map("routes", &json!({ "a": "1" }));
    network.create(&object).done();
    network
        .kubectl(&format!("label configmap routes -n {} a=b", area.namespace))
        .done();
    let mut elsewhere = object.clone();
    elsewhere["metadata"]["namespace"] = json!("agents");
    for beside in [
        network.kubectl(&format!("delete configmap routes -n {}", area.namespace)),
        network.create(&elsewhere),
        network.kubectl(&format!("create serviceaccount other -n {}", area.namespace)),
        network.kubectl("create namespace other"),
        area.person("ada").create(&area.config_map("hers", &json!({}))),
        area.person("deployer")
            .create(&area.config_map("its", &json!({}))),
    ] {
        beside.refused(AWAY);
    }

    cluster.operator().restart();
    by_two_admins(&cluster, |admin| admin.kubectl("delete writedelegation network"));
    compiles(&cluster, &["quoting"]);
    behind_its_back(&cluster, |admin| {
        admin.apply(&startup("forged", &json!(["Create"]))).done();
    });
    compiles(&cluster, &["quoting"]);
    network
        .create(&area.config_map("more", &json!({})))
        .denied("UnregisteredAccount");
}

/// The schema itself says so, also while nobody judges.
#[test]
fn the_api_server_refuses_to_delegate_unseen_whatever_may_yield_a_credential() {
    let cluster = Cluster::observing();
    cluster.operator().kill();
    let admin = cluster.admin();
    for row in TABLE {
        let resource = row.resource.unwrap_or("laters");
        for subresource in ["", "later", "status"] {
            let spec = json!({
                "resources": [{ "group": row.group, "resource": resource, "subresource": subresource }],
                "verbs": ["Update"],
                "namespaces": { "selector": {} },
                "evaluation": "Startup",
            });
            let object = delegation("unseen", "unseen", &spec).to_string();
            let created = admin.kubectl_with("create --dry-run=server -f -", &object);
            if row.harmless.contains(&subresource) {
                created.done();
            } else {
                created.refused("spec.resources: what may yield credentials is never written unseen");
            }
        }
    }
}
