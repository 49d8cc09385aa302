//! Seals: what nobody judged has no effect, until an admin attests it and another approves.

use serde_json::{Value, json};

use super::harness::{Area, Cluster, Person, Ticket, intent::signed, wait::until};

/// Both webhook configurations, by what kubectl calls them.
const CONFIGURATIONS: &str = "validatingwebhookconfiguration,mutatingwebhookconfiguration";

/// Writes while no webhook is there to judge.
pub fn behind_its_back(cluster: &Cluster, write: impl Fn(&Person)) {
    cluster.operator().kill();
    let remove = format!("delete {CONFIGURATIONS} countersign");
    cluster.admin().kubectl(&remove).done();
    write(cluster.admin());
    cluster.operator().restart();
    until("the failure policy to be Fail", || {
        let configuration = cluster
            .admin()
            .kubectl("get validatingwebhookconfiguration countersign");
        (configuration.succeeded() && cluster.failure_policy() == "Fail").then_some(())
    });
}

fn grant(name: &str, who: &str) -> Value {
    json!({
        "apiVersion": "countersign.dev/v1alpha1",
        "kind": "RoleGrant",
        "metadata": { "name": name },
        "spec": { "identity": who, "role": "admin" },
    })
}

/// Waits until the object is degraded for this reason.
pub fn is_degraded(cluster: &Cluster, what: &str, reason: &str) {
    until(&format!("{what} to be {reason}"), || {
        let object = cluster.admin().get(what);
        let conditions = object["status"]["conditions"].as_array()?.clone();
        let degraded = conditions.iter().find(|one| one["type"] == "Degraded")?;
        (degraded["reason"] == reason).then_some(())
    });
}

/// Waits until the object is in force.
pub fn is_ready(cluster: &Cluster, what: &str) {
    let wait = format!("wait --for=condition=Ready --timeout=30s {what}");
    cluster.admin().kubectl(&wait).done();
}

/// A window of break-glass whose signature is somebody else's.
fn window_of_ben(of: &Value) -> Value {
    let nonce = of["nonce"].as_str().unwrap();
    json!({
        "apiVersion": "countersign.dev/v1alpha1",
        "kind": "BreakGlass",
        "metadata": { "name": format!("break-glass-{nonce}") },
        "spec": {
            "personID": "user:ben", "clusterID": of["clusterID"], "reason": "none", "duration": "30m",
            "nonce": nonce, "time": of["time"], "signature": of["signature"],
        },
    })
}

#[test]
fn what_was_written_while_the_webhook_was_away_has_no_effect() {
    let cluster = Cluster::strict(1);
    let area = cluster.area();
    let policy = cluster.admin().get("accesspolicy default");
    let cluster_id = policy["status"]["clusterID"].as_str().unwrap();
    let intent = signed(&area.namespace, cluster_id, 1);
    let window = window_of_ben(&intent["spec"]);
    let name = |object: &Value| object["metadata"]["name"].as_str().unwrap().to_owned();
    behind_its_back(&cluster, |admin| {
        let role = json!({ "spec": { "role": "admin" } }).to_string();
        let patch = ["patch", "rolegrant", "mallory", "--type=merge", "-p", &role];
        admin.run(&patch, "").done();
        admin.apply(&intent).done();
        admin.apply(&window).done();
    });
    for (what, why) in [
        ("rolegrant mallory".to_owned(), "Unsealed"),
        (
            format!("intent {} -n {}", name(&intent), area.namespace),
            "BadStamp",
        ),
        (format!("breakglass {}", name(&window)), "BadStamp"),
    ] {
        is_degraded(&cluster, &what, why);
    }
    let open = area.config_map("of-a-window", &json!({}));
    area.person("ben").create(&open).denied("ApprovalRequired");
    let object = area.config_map("hers", &json!({}));
    let is_nobody = || area.person("mallory").create(&object).denied("ReaderWrites");
    is_nobody();

    let ada = area.person("ada");
    let changed = ada.kubectl("label rolegrant mallory team=shop");
    assert!(
        changed
            .denied("Unsealed")
            .contains("admin attest rolegrants mallory")
    );
    let attest = "admin attest rolegrants mallory --yes";
    let ticket = Ticket::named_in(&ada.countersign(attest).stderr, &cluster);
    is_nobody();
    ticket.approve(area.person("ben"));
    ticket.becomes("Approved");
    ada.countersign(attest).done();
    is_ready(&cluster, "rolegrant/mallory");
    let ticket = Ticket::named_in(
        &area.person("mallory").create(&object).denied("ApprovalRequired"),
        &cluster,
    );
    ticket.becomes("Pending");
}

#[test]
fn a_zone_that_was_changed_behind_its_back_is_nobodys_until_it_is_deleted() {
    let cluster = Cluster::strict(1);
    let area = cluster.area();
    behind_its_back(&cluster, |admin| {
        let mine = json!({ "spec": { "owner": "user:mallory" } }).to_string();
        let patch = ["patch", "zone", &area.namespace, "--type=merge", "-p", &mine];
        admin.run(&patch, "").done();
    });
    is_degraded(&cluster, &format!("zone {}", area.namespace), "Unsealed");
    let object = area.config_map("app", &json!({}));
    for person in ["mallory", "olga"] {
        area.person(person).create(&object).denied("ZoneContested");
    }
    let ada = area.person("ada");
    let delete = || ada.kubectl(&format!("delete zone {}", area.namespace));
    let ticket = Ticket::named_in(&delete().denied("ApprovalRequired"), &cluster);
    ticket.approve(area.person("ben"));
    ticket.becomes("Approved");
    delete().done();
}

#[test]
fn a_seal_is_of_one_content_of_one_object() {
    let cluster = Cluster::strict(1);
    let seal = |grant: &str| cluster.admin().get(&format!("rolegrant {grant}"))["status"]["seal"].clone();
    behind_its_back(&cluster, |admin| {
        admin.create(&grant("mallory-too", "user:mallory")).done();
        let status = json!({ "status": { "seal": seal("ada") } }).to_string();
        let forge = [
            "patch",
            "rolegrant",
            "mallory-too",
            "--subresource=status",
            "--type=merge",
            "-p",
            &status,
        ];
        admin.run(&forge, "").done();
    });
    is_degraded(&cluster, "rolegrant mallory-too", "Unsealed");
    let area = cluster.area();
    let object = area.config_map("hers", &json!({}));
    area.person("mallory").create(&object).denied("NotOfZone");
}

#[test]
fn a_ticket_that_was_used_is_not_used_again_whatever_its_status_says() {
    let cluster = Cluster::strict(1);
    let area = cluster.area();
    let object = area.config_map("app", &json!({}));
    let create = || area.person("deployer").create(&object);
    let ticket = area.with_approval(create);
    ticket.becomes("Consumed");
    behind_its_back(&cluster, |admin| {
        let remove = format!("delete configmap app -n {}", area.namespace);
        admin.kubectl(&remove).done();
        // By the schema's own rules what is finished stays so: whoever gets here can take these away, too.
        let rules = "/spec/versions/0/schema/openAPIV3Schema/x-kubernetes-validations";
        let rules = json!([{ "op": "remove", "path": rules }]).to_string();
        let lift = [
            "patch",
            "crd",
            "approvaltickets.countersign.dev",
            "--type=json",
            "-p",
            &rules,
        ];
        admin.run(&lift, "").done();
        let (name, namespace) = (&ticket.name, &ticket.namespace);
        let patch =
            format!("patch approvalticket {name} -n {namespace} --subresource=status --type=merge -p");
        let mut patch: Vec<_> = patch.split_whitespace().collect();
        patch.push(r#"{"status":null}"#);
        admin.run(&patch, "").done();
    });
    assert!(!create().succeeded());
    ticket.becomes("Indeterminate");
    create().denied("ApprovalRequired");
}

#[test]
fn what_was_admitted_is_sealed_even_if_the_operator_dies_at_once() {
    let cluster = Cluster::strict(1);
    let object = grant("carl", "user:carl");
    let ada = cluster.person("ada");
    let ticket = Ticket::named_in(&ada.create(&object).denied("ApprovalRequired"), &cluster);
    ticket.approve(cluster.person("ben"));
    ticket.becomes("Approved");
    ada.create(&object).done();
    cluster.operator().kill();
    cluster.operator().restart();
    is_ready(&cluster, "rolegrant/carl");
}

fn label(namespace: &str, environment: &str) -> String {
    format!("label --overwrite namespace {namespace} countersign.dev/environment={environment}")
}

/// Waits until what is foreign to the place is let through with a warning, as in dev.
fn is_dev(area: &Area<'_>) {
    let mut names = 0..;
    until("the namespace to be known as dev", || {
        let object = area.config_map(&format!("in-dev-{}", names.next()?), &json!({}));
        let created = area.person("mallory").create(&object);
        (created.succeeded() && created.stderr.contains("Warning: countersign: NotOfZone")).then_some(())
    });
}

/// A write that dev would let through is denied, and told why this is prod.
fn is_prod_for_want_of_a_seal(area: &Area<'_>) {
    let object = area.config_map("not-dev", &json!({}));
    let denial = area.person("mallory").create(&object).denied("NotOfZone");
    let why = format!("Nobody judged the labels of namespace `{}`", area.namespace);
    assert!(denial.contains(&why), "{denial}");
}

/// Waits for the condition of the policy that tells of unsealed namespaces, or for its end.
fn tells_of_unsealed(cluster: &Cluster, namespace: Option<&str>) {
    until("the policy to tell of unsealed namespaces", || {
        let policy = cluster.admin().get("accesspolicy default");
        let conditions = policy["status"]["conditions"].as_array()?.clone();
        let told = conditions.iter().find(|one| one["type"] == "UnsealedNamespaces");
        let message = told.map(|one| one["message"].as_str().unwrap().to_owned());
        let fits = match (namespace, &message) {
            (Some(namespace), Some(message)) => message.contains(&format!("namespace {namespace}:")),
            (None, message) => message.is_none(),
            (Some(_), None) => false,
        };
        fits.then_some(())
    });
}

#[test]
fn a_namespace_that_was_relabelled_behind_its_back_stays_prod() {
    let cluster = Cluster::strict(2);
    let (area, other) = (cluster.area(), cluster.area());
    let name = &area.namespace;
    area.with_approval(|| area.person("olga").kubectl(&label(name, "dev")));
    is_dev(&area);
    behind_its_back(&cluster, |admin| {
        admin.kubectl(&label(&other.namespace, "dev")).done();
    });
    is_dev(&area);
    tells_of_unsealed(&cluster, Some(&other.namespace));
    is_prod_for_want_of_a_seal(&other);
    let events = cluster.admin().get("events -n default");
    let tells =
        |event: &Value| event["reason"] == "Unsealed" && event["involvedObject"]["name"] == *other.namespace;
    assert!(events["items"].as_array().unwrap().iter().any(tells), "{events}");
    // Neither another change of it nor a restart makes it any better.
    other.with_approval(|| {
        other
            .person("olga")
            .kubectl(&format!("annotate namespace {} a=b", other.namespace))
    });
    let relabels = other.person("olga").kubectl(&label(&other.namespace, "test"));
    relabels.denied("Unsealed");
    cluster.operator().kill();
    cluster.operator().restart();
    until("the operator to be ready", || {
        cluster.operator().is_ready().then_some(())
    });
    is_prod_for_want_of_a_seal(&other);
    is_dev(&area);

    let give_back = format!("label namespace {} countersign.dev/environment-", other.namespace);
    other.with_approval(|| other.person("olga").kubectl(&give_back));
    tells_of_unsealed(&cluster, None);
    other.with_approval(|| other.person("olga").kubectl(&label(&other.namespace, "dev")));
    is_dev(&other);
}

#[test]
fn labels_that_nobody_judged_are_attested_by_two_admins() {
    let cluster = Cluster::strict(1);
    let area = cluster.area();
    behind_its_back(&cluster, |admin| {
        admin.kubectl(&label(&area.namespace, "dev")).done();
    });
    tells_of_unsealed(&cluster, Some(&area.namespace));
    let (ada, attest) = (
        area.person("ada"),
        format!("admin attest namespaces {} --yes", area.namespace),
    );
    let ticket = Ticket::named_in(&ada.countersign(&attest).stderr, &cluster);
    ticket.approve(area.person("rita"));
    ticket.becomes("Approved");
    is_prod_for_want_of_a_seal(&area);
    ada.countersign(&attest).done();
    is_dev(&area);
}

/// A namespace and what goes into it are applied in one go, by somebody who has no part in it.
#[test]
fn a_namespace_that_was_admitted_is_what_it_says_at_once() {
    let cluster = Cluster::strict(1);
    let (ada, mallory) = (cluster.person("ada"), cluster.person("mallory"));
    let zone = json!({
        "apiVersion": "countersign.dev/v1alpha1",
        "kind": "Zone",
        "metadata": { "name": "labs" },
        "spec": { "owner": "user:mallory", "objects": ["lab-*/**", "@cluster/namespaces/lab-*"] },
    });
    let ticket = Ticket::named_in(&ada.create(&zone).denied("ApprovalRequired"), &cluster);
    ticket.approve(cluster.person("ben"));
    ticket.becomes("Approved");
    ada.create(&zone).done();
    is_ready(&cluster, "zone/labs");
    for number in 0..5 {
        let name = format!("lab-{number}");
        let labels = json!({ "countersign.dev/environment": "dev" });
        let objects = json!({ "apiVersion": "v1", "kind": "List", "items": [
            { "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name, "labels": labels } },
            { "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "app", "namespace": name } },
        ]});
        mallory.apply(&objects).done();
    }
    cluster.operator().kill();
    cluster.operator().restart();
    until("the operator to be ready", || {
        cluster.operator().is_ready().then_some(())
    });
    let again = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "later", "namespace": "lab-4" },
    });
    mallory.create(&again).done();
}
