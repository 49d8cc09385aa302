//! Within the rollback window the exact inverse of an approved change, by the same subject, passes once without another
//! approval, and says so on the ticket.

use std::sync::OnceLock;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    harness::{Area, Cluster, Outcome, Person, Ticket, wait::until},
    outages::audit_log,
    seals::behind_its_back,
};

/// The cluster that most tests of this file share.
fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| cluster_of(16))
}

/// A cluster in strict mode with a rollback window of an hour.
fn cluster_of(areas: usize) -> Cluster {
    let cluster = Cluster::with_company(areas);
    let policy = json!({ "spec": { "approvals": { "rollbackWindow": "1h" } } }).to_string();
    let patch = ["patch", "accesspolicy", "default", "--type=merge", "-p", &policy];
    cluster.person("ada").run(&patch, "").done();
    cluster.see_admins();
    cluster.enforce();
    cluster
}

/// Somebody's wish: the ConfigMap `app` with this value.
fn wants(area: &Area<'_>, who: &str, value: &str) -> Outcome {
    area.person(who)
        .apply(&area.config_map("app", &json!({ "a": value })))
}

/// An area where the agent changed `app` from 1 to 2 with an approval; and the ticket for that.
fn changed(cluster: &Cluster) -> (Area<'_>, Ticket<'_>) {
    let area = cluster.area();
    area.put(&area.config_map("app", &json!({ "a": "1" })));
    let ticket = area.with_approval(|| wants(&area, "deployer", "2"));
    ticket.becomes("Consumed");
    (area, ticket)
}

#[test]
fn what_was_replaced_is_put_back_once_and_the_ticket_says_so() {
    let (area, ticket) = changed(cluster());
    area.person("deployer")
        .kubectl_with(
            "apply --dry-run=server -f -",
            &area.config_map("app", &json!({ "a": "1" })).to_string(),
        )
        .done();
    assert_eq!(
        ticket.object()["status"]["rollback"],
        Value::Null,
        "a dry run uses nothing up"
    );

    wants(&area, "deployer", "1").done();
    assert_eq!(area.get("configmap app")["data"]["a"], "1");
    let bind = &ticket.object()["status"]["rollback"]["bind"].clone();
    assert!(bind.is_string(), "{bind}");
    until("the ticket to say so", || {
        let status = ticket.object()["status"].clone();
        let says = "the change was made, and its subject was let undo it without another approval";
        (status["resolution"] == says).then_some(())
    });
    assert_eq!(
        (ticket.state(), ticket.condition("RolledBack")),
        ("Consumed".to_owned(), "True".to_owned())
    );
    let log = audit_log(cluster());
    let step = format!(r#""bind":{bind},"by":"system:serviceaccount:agents:deployer","from":"Consumed""#);
    let record = log.lines().find(|line| line.contains(&step)).unwrap();
    assert!(record.contains(r#""to":"RolledBack""#), "{record}");
    let decided = log.lines().filter(|line| line.contains(r#""reason":"Rollback""#));
    let uid = ticket.object()["metadata"]["uid"].clone();
    assert!(
        decided
            .into_iter()
            .any(|line| line.contains(uid.as_str().unwrap()))
    );

    // Somebody else makes the same change anew: this ticket undid it already.
    area.with_approval(|| wants(&area, "olga", "2"))
        .becomes("Consumed");
    let again = wants(&area, "deployer", "1").denied("TicketSpent");
    assert!(again.contains("the change was made already"), "{again}");
}

#[test]
fn nobody_else_and_nothing_else() {
    let (area, ticket) = changed(cluster());
    for who in ["helper", "olga", "ada"] {
        wants(&area, who, "1").denied("ApprovalRequired");
    }
    wants(&area, "deployer", "3").denied("ApprovalRequired");
    let more = area.config_map("app", &json!({ "a": "1", "b": "1" }));
    area.person("deployer").apply(&more).denied("ApprovalRequired");
    let delete = format!("delete configmap app -n {}", area.namespace);
    area.person("deployer")
        .kubectl(&delete)
        .denied("ApprovalRequired");
    assert_eq!(ticket.object()["status"]["rollback"], Value::Null);
    wants(&area, "deployer", "1").done();
}

#[test]
fn what_was_made_is_deleted_plainly() {
    let area = cluster().area();
    let ticket = area.with_approval(|| wants(&area, "deployer", "1"));
    ticket.becomes("Consumed");
    let delete = |who: &str, how: &str| {
        let delete = format!("delete configmap app -n {} --wait=false {how}", area.namespace);
        area.person(who).kubectl(&delete)
    };
    delete("deployer", "--cascade=orphan").denied("ApprovalRequired");
    delete("deployer", "--grace-period=0 --force").denied("ApprovalRequired");
    delete("olga", "").denied("ApprovalRequired");
    delete("deployer", "").done();
    assert!(ticket.object()["status"]["rollback"]["bind"].is_string());
    wants(&area, "deployer", "1").denied("ApprovalRequired");
}

#[test]
fn what_was_made_is_not_deleted_with_what_others_put_there() {
    let area = cluster().area();
    let delete = |what: &str| {
        let delete = format!("delete {what} -n {} --wait=false", area.namespace);
        area.person("deployer").kubectl(&delete)
    };
    area.with_approval(|| wants(&area, "deployer", "1"))
        .becomes("Consumed");
    area.with_approval(|| wants(&area, "olga", "2"))
        .becomes("Consumed");
    delete("configmap app").denied("ApprovalRequired");

    let web = area.deployment("web", 1);
    area.with_approval(|| area.person("deployer").apply(&web))
        .becomes("Consumed");
    until("its controller to write down what it knows", || {
        let web = area.get("deployment web");
        let revision = &web["metadata"]["annotations"]["deployment.kubernetes.io/revision"];
        (revision == "1" && web["status"]["replicas"] == 1).then_some(())
    });
    delete("deployment web").done();
}

#[test]
fn a_status_that_was_set_back_or_forged_covers_nothing() {
    let cluster = cluster_of(2);
    let (used, undone) = (changed(&cluster), changed(&cluster));
    let before = undone.1.object()["status"].clone();
    wants(&undone.0, "deployer", "1").done();
    let set = |admin: &Person, (area, ticket): &(Area<'_>, Ticket<'_>), status: &Value| {
        admin.apply(&area.config_map("app", &json!({ "a": "2" }))).done();
        let status = json!({ "status": status }).to_string();
        let what = ["patch", "approvalticket", &ticket.name, "-n", &ticket.namespace];
        let how = ["--subresource=status", "--type=merge", "-p", &status];
        admin.run(&[what.as_slice(), &how].concat(), "").done();
    };
    behind_its_back(&cluster, |admin| {
        let mut earlier = before.clone();
        earlier["rollback"] = Value::Null;
        set(admin, &undone, &earlier);
        let bind = before["claim"]["bind"].clone();
        let now = Timestamp::now().to_string();
        let forged = json!({ "bind": bind, "claimedAt": now, "deadline": now, "resent": false });
        set(admin, &used, &json!({ "rollback": forged }));
    });
    let said = wants(&undone.0, "deployer", "1").denied("TicketSpent");
    assert!(
        said.contains("the audit log does not say that it was used so"),
        "{said}"
    );
    wants(&used.0, "deployer", "1").denied("ApprovalRequired");
    let asked = undone.0.with_approval(|| wants(&undone.0, "olga", "1"));
    asked.becomes("Consumed");
}

#[test]
fn a_deployment_is_scaled_and_rolled_back() {
    let area = cluster().area();
    area.put(&area.deployment("web", 1));
    let olga = area.person("olga");
    let scale = |replicas: u32| {
        let scale = format!("scale deployment web --replicas={replicas} -n {}", area.namespace);
        olga.kubectl(&scale)
    };
    area.with_approval(|| scale(2)).becomes("Consumed");
    scale(1).done();
    let image = |tag: u32| {
        let set = format!(
            "set image deployment/web main=registry.example/main:{tag} -n {}",
            area.namespace
        );
        olga.kubectl(&set)
    };
    area.with_approval(|| image(2)).becomes("Consumed");
    image(1).done();
    image(2).denied("ApprovalRequired");
}
