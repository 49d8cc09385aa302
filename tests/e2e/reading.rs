//! Reading: the API server lets people and agents see what their roles and zones say, and nobody else by us.

use serde_json::{Value, json};

use super::harness::{Cluster, Outcome, Person, Ticket, wait::until};

const READERS: &str = include_str!("../data/e2e/readers.yaml");

/// What the operator needs besides.
const ROLE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/charts/countersign/files/read-access-clusterrole.yaml"
);

/// A company with readers in it, which observes; the policy says nothing of reading yet.
fn company() -> Cluster {
    let cluster = Cluster::with_company(1);
    cluster
        .admin()
        .kubectl_with("apply --server-side -f -", READERS)
        .done();
    let wait =
        "wait --for=condition=Ready --timeout=60s rolegrant/audrey rolegrant/counters zone/shops agent/scout";
    cluster.admin().kubectl(wait).done();
    cluster
}

/// Lets the operator bind the view.
fn may_bind(cluster: &Cluster) {
    cluster.admin().kubectl(&format!("apply -f {ROLE}")).done();
    let role = "--clusterrole=countersign-operator-read-access --user=countersign-operator";
    let bind = format!("create clusterrolebinding countersign-operator-read-access {role}");
    cluster.admin().kubectl(&bind).done();
}

fn switch(person: &Person, to: &str) -> Outcome {
    let spec = json!({ "spec": { "readAccess": to } }).to_string();
    person.run(
        &["patch", "accesspolicy", "default", "--type=merge", "-p", &spec],
        "",
    )
}

fn are_materialised(cluster: &Cluster) {
    let all = "rolegrant/audrey rolegrant/counters agent/scout";
    let wait = format!("wait --for=condition=Materialised --timeout=60s {all}");
    cluster.admin().kubectl(&wait).done();
}

/// Somebody whom Kubernetes lets do nothing but by our bindings.
fn stranger(cluster: &Cluster, name: &str) -> Person {
    let control_plane = cluster.control_plane();
    Person::new(control_plane.issue(name, &[]), control_plane.kubectl())
}

/// Whether the API server lets somebody do this.
fn may(cluster: &Cluster, who: &str, what: &str) -> bool {
    let ask = format!("auth can-i {what} --as={who}");
    cluster.admin().kubectl(&ask).stdout.trim() == "yes"
}

fn until_may(cluster: &Cluster, who: &str, what: &str, expected: bool) {
    until(&format!("`{who}` may {what}: {expected}"), || {
        (may(cluster, who, what) == expected).then_some(())
    });
}

fn condition(object: &Value, kind: &str) -> Option<String> {
    let conditions = object["status"]["conditions"].as_array()?;
    let found = conditions.iter().find(|condition| condition["type"] == kind)?;
    Some(found["reason"].as_str()?.to_owned())
}

/// The names of the bindings that are ours, everywhere.
fn ours(cluster: &Cluster) -> Vec<Value> {
    let all = cluster.admin().get("clusterrolebindings,rolebindings -A");
    let names = all["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["metadata"]["name"].clone());
    names
        .filter(|name| name.as_str().unwrap().starts_with("countersign:read:"))
        .collect()
}

/// Makes a write the regular way: denied, approved by the other admin, made again.
fn permitted(cluster: &Cluster, write: impl Fn(&Person) -> Outcome) {
    let ada = cluster.person("ada");
    let ticket = Ticket::named_in(&write(ada).denied("ApprovalRequired"), cluster);
    ticket.approve(cluster.person("ben"));
    ticket.becomes("Approved");
    write(ada).done();
}

#[test]
fn everybody_reads_what_their_role_and_zones_say_and_nothing_more() {
    let cluster = company();
    may_bind(&cluster);
    switch(cluster.person("ada"), "RBAC").done();
    are_materialised(&cluster);
    cluster.see_admins();
    cluster.enforce();

    let (audrey, carla) = (stranger(&cluster, "audrey"), stranger(&cluster, "carla"));
    audrey.kubectl("get pods,configmaps -A").done();
    audrey
        .kubectl("get secrets -n shop-one")
        .refused("cannot list resource \"secrets\"");
    carla.kubectl("get pods,configmaps -n shop-one").done();
    carla
        .kubectl("get secret password -n shop-one")
        .refused("cannot get resource \"secrets\"");
    carla
        .kubectl("get configmaps -n attic")
        .refused("cannot list resource \"configmaps\"");
    let scout = "system:serviceaccount:bots:scout";
    assert!(may(&cluster, scout, "list pods -n shop-one"));
    for what in [
        "list pods -n attic",
        "get secrets -n shop-one",
        "create pods -n shop-one",
    ] {
        assert!(!may(&cluster, scout, what), "{what}");
    }
    assert!(!may(
        &cluster,
        "system:serviceaccount:bots:default",
        "list pods -n shop-one"
    ));

    // What the zone names is read as soon as it is there.
    permitted(&cluster, |ada| ada.kubectl("create namespace shop-two"));
    for who in ["carla", scout] {
        until_may(&cluster, who, "list pods -n shop-two", true);
    }

    // In strict mode, too: a role goes with its grant, and an agent's reading with its permission to act.
    permitted(&cluster, |ada| ada.kubectl("delete rolegrant audrey"));
    until_may(&cluster, "audrey", "list pods -n shop-one", false);
    let suspend = r#"{"spec":{"suspend":true}}"#;
    permitted(&cluster, |ada| {
        ada.run(&["patch", "agent", "scout", "--type=merge", "-p", suspend], "")
    });
    until_may(&cluster, scout, "list pods -n shop-one", false);
    until_may(&cluster, "carla", "list pods -n shop-one", true);
    the_operator_binds_nothing_else(&cluster);
}

/// Neither the API server nor Countersign lets the operator itself make more of its right.
fn the_operator_binds_nothing_else(cluster: &Cluster) {
    let operator = stranger(cluster, "countersign-operator");
    let bind = |name: &str, role: &str| {
        operator.kubectl(&format!(
            "create clusterrolebinding {name} --clusterrole={role} --user=mallory"
        ))
    };
    for role in ["cluster-admin", "edit", "admin"] {
        bind("countersign:read:rolegrants:mallory", role).refused("is attempting to grant RBAC permissions");
    }
    // What it holds itself it could hand on, as far as RBAC goes.
    bind(
        "countersign:read:rolegrants:mallory",
        "countersign-operator-read-access",
    )
    .denied("OperatorOnly");
    bind("more", "view").denied("OperatorOnly");
    let inside = "create rolebinding more -n shop-one --clusterrole=admin --user=mallory";
    operator
        .kubectl(inside)
        .refused("is attempting to grant RBAC permissions");
    let remove = "delete clusterrolebinding people-may-do-anything";
    operator.kubectl(remove).denied("OperatorOnly");
}

#[test]
fn what_somebody_changes_is_put_back_and_switched_off_all_is_gone() {
    let cluster = company();
    assert!(ours(&cluster).is_empty());
    assert!(!may(&cluster, "audrey", "list pods -n attic"));

    // The right to bind is an opt-in of its own.
    switch(cluster.person("ada"), "RBAC").done();
    until("the grant to tell that the API server refuses", || {
        (condition(&cluster.admin().get("rolegrant audrey"), "Materialised")? == "Refused").then_some(())
    });
    may_bind(&cluster);
    are_materialised(&cluster);
    until_may(&cluster, "audrey", "list pods -n attic", true);

    changes_are_undone(&cluster);

    // The API server's own garbage collector removes what belongs to a grant that is gone.
    cluster.operator().kill();
    cluster.admin().kubectl("delete rolegrant counters").done();
    let binding = "get rolebinding countersign:read:rolegrants:counters -n shop-one";
    until("the binding to go with its grant", || {
        (!cluster.admin().kubectl(binding).succeeded()).then_some(())
    });
    assert!(!may(&cluster, "carla", "list pods -n shop-one"));
    cluster.operator().restart();

    switch(cluster.person("ada"), "Unmanaged").done();
    until("all bindings to be gone", || {
        ours(&cluster).is_empty().then_some(())
    });
    until("no grant to tell of reading", || {
        condition(&cluster.admin().get("rolegrant audrey"), "Materialised")
            .is_none()
            .then_some(())
    });
    assert!(!may(&cluster, "audrey", "list pods -n attic"));
    let foreign = "get rolebinding foreign -n attic";
    cluster.admin().kubectl(foreign).done();
}

fn changes_are_undone(cluster: &Cluster) {
    let admin = cluster.admin();
    let name = "countersign:read:rolegrants:audrey";
    let binding = || admin.get(&format!("clusterrolebinding {name}"));
    let is_as_before = |before: &Value| {
        until("the binding to be as it was", || {
            let outcome = admin.kubectl(&format!("get clusterrolebinding {name} -o json"));
            let now: Value = serde_json::from_str(&outcome.stdout).ok()?;
            let same = |part: &str| now[part] == before[part];
            let owned = now["metadata"]["ownerReferences"] == before["metadata"]["ownerReferences"];
            let labelled = now["metadata"]["labels"] == before["metadata"]["labels"];
            (same("subjects") && same("roleRef") && owned && labelled).then_some(())
        });
    };
    let before = binding();
    let patch = |change: Value| {
        let change = change.to_string();
        admin
            .run(
                &["patch", "clusterrolebinding", name, "--type=merge", "-p", &change],
                "",
            )
            .done();
    };
    let mallory = json!([{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "mallory" }]);
    patch(json!({ "subjects": mallory }));
    is_as_before(&before);
    patch(json!({ "metadata": { "ownerReferences": null } }));
    is_as_before(&before);
    admin.kubectl(&format!("delete clusterrolebinding {name}")).done();
    is_as_before(&before);
    let relabel = format!("label clusterrolebinding {name} countersign.dev/read-access-");
    admin.kubectl(&relabel).done();
    is_as_before(&before);
    admin.kubectl(&format!("delete clusterrolebinding {name}")).done();
    let labelled = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": { "name": name, "labels": before["metadata"]["labels"] },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin" },
        "subjects": mallory,
    });
    // It may be back already.
    drop(admin.kubectl_with("replace --force -f -", &labelled.to_string()));
    is_as_before(&before);

    let forged = |name: &str| {
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": { "name": name, "namespace": "attic", "labels": before["metadata"]["labels"] },
            "roleRef": before["roleRef"],
            "subjects": mallory,
        })
    };
    admin.create(&forged("foreign")).done();
    admin
        .create(&forged("countersign:read:rolegrants:mallory"))
        .done();
    until("what only pretends to be ours to be gone", || {
        let get = "get rolebinding countersign:read:rolegrants:mallory -n attic";
        (!admin.kubectl(get).succeeded()).then_some(())
    });
    assert!(
        cluster
            .operator()
            .log()
            .contains("somebody changed a binding for reading")
    );
}
