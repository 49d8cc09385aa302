//! Reviews signed by the real ssh-keygen, where the policy asks for them.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use super::harness::{Area, Cluster, Outcome, Person, Ticket, wait::until};

/// Somebody's new key.
fn key(cluster: &Cluster, name: &str) -> PathBuf {
    let file = cluster.control_plane().dir().join(format!("ssh-{name}"));
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"])
        .arg(&file)
        .status();
    let made = made.unwrap_or_else(|error| panic!("ssh-keygen, of Debian's openssh-client: {error}"));
    assert!(made.success());
    file
}

fn public(key: &Path) -> String {
    let text = std::fs::read_to_string(key.with_extension("pub")).unwrap();
    text.trim().to_owned()
}

fn listed(keys: &[(&str, &Path)]) -> String {
    let keys = keys
        .iter()
        .map(|(who, key)| json!({ "identity": format!("user:{who}"), "keys": [public(key)] }));
    let directory = json!({ "sshKeys": keys.collect::<Vec<_>>() });
    json!({ "spec": { "directory": directory, "approvals": { "requiredProof": "SSH" } } }).to_string()
}

fn patch_policy(by: &Person, patch: &str) -> Outcome {
    by.run(
        &["patch", "accesspolicy", "default", "--type=merge", "-p", patch],
        "",
    )
}

fn approve(ticket: &Ticket<'_>, by: &Person, signing: &str) -> Outcome {
    let command = format!("approve {} -n {} --yes {signing}", ticket.name, ticket.namespace);
    by.countersign(&command)
}

fn wanted<'a>(area: &Area<'a>, name: &str) -> Ticket<'a> {
    area.ticket(want(area, name))
}

fn want(area: &Area<'_>, name: &str) -> Outcome {
    area.person("deployer")
        .apply(&area.config_map(name, &json!({ "a": "1" })))
}

#[test]
fn in_prod_reviewers_sign_by_their_ssh_keys() {
    let cluster = Cluster::with_company(1);
    let [rita, ben, strange] = ["rita", "ben", "strange"].map(|name| key(&cluster, name));
    patch_policy(cluster.person("ada"), &listed(&[("rita", &rita), ("ben", &ben)])).done();
    cluster.see_admins();
    cluster.enforce();
    let area = cluster.area();
    only_a_listed_key_opens_a_ticket(&area, &rita, &strange);
    a_signature_fits_one_ticket_and_one_decision(&area);
    the_agent_signs_as_well(&area, &rita);
    who_loses_a_key_loses_its_approvals(&area, &rita, &ben);
}

fn only_a_listed_key_opens_a_ticket(area: &Area<'_>, mine: &Path, strange: &Path) {
    let (ticket, rita) = (wanted(area, "first"), area.person("rita"));
    for (signing, why) in [
        (
            String::new(),
            "BadProof: in prod the AccessPolicy asks for a signed approval",
        ),
        (
            format!("--ssh-key {}", strange.display()),
            "is not one that the directory lists for the reviewer",
        ),
    ] {
        let refused = approve(&ticket, rita, &signing);
        assert!(refused.stderr.contains(why), "{why}: {}", refused.stderr);
        assert_eq!(refused.code, Some(1));
    }
    approve(&ticket, rita, &format!("--ssh-key {}", mine.display())).done();
    ticket.becomes("Approved");
    assert_eq!(ticket.object()["status"]["reviews"][0]["proof"], "SSH");
    want(area, "first").done();
}

/// The signature of the first ticket, on a second.
fn a_signature_fits_one_ticket_and_one_decision(area: &Area<'_>) {
    let (second, rita) = (wanted(area, "second"), area.person("rita"));
    let reviews = area.get("approvalreviews")["items"].clone();
    let proof = reviews[0]["spec"]["proof"].clone();
    assert_eq!(proof["type"], "SSH");
    for decision in ["Approve", "Deny"] {
        let mut replayed = second.reviewed(decision);
        replayed["spec"]["proof"] = proof.clone();
        let denial = rita.create(&replayed).denied("BadProof");
        let why = "it is not over this decision of this reviewer on this ticket in this cluster";
        assert!(denial.contains(why), "{decision}: {denial}");
    }
    second.review(rita, "Deny").done();
    second.becomes("Denied");
}

fn the_agent_signs_as_well(area: &Area<'_>, key: &Path) {
    let (ticket, rita) = (wanted(area, "by-agent"), area.person("rita"));
    let script = format!(
        "eval $(ssh-agent -s) >/dev/null && trap 'ssh-agent -k >/dev/null' EXIT && ssh-add -q {} && \
         {} approve {} -n {} --yes --ssh-agent",
        key.display(),
        env!("CARGO_BIN_EXE_countersign"),
        ticket.name,
        ticket.namespace,
    );
    rita.call(Path::new("/bin/sh"), &["-c", &script], "").done();
    ticket.becomes("Approved");
    want(area, "by-agent").done();
}

fn who_loses_a_key_loses_its_approvals(area: &Area<'_>, mine: &Path, of_ben: &Path) {
    let (ticket, rita) = (wanted(area, "late"), area.person("rita"));
    approve(&ticket, rita, &format!("--ssh-key {}", mine.display())).done();
    ticket.becomes("Approved");

    let ada = area.person("ada");
    let without_rita = listed(&[("ben", of_ben)]);
    let change = area.ticket(patch_policy(ada, &without_rita));
    approve(
        &change,
        area.person("ben"),
        &format!("--ssh-key {}", of_ben.display()),
    )
    .done();
    change.becomes("Approved");
    patch_policy(ada, &without_rita).done();

    until("the approval not to count", || {
        let denied = want(area, "late");
        denied.stderr.contains("reviews that still count").then_some(())
    });
    until("the review to say why", || {
        let reviews = area.get("approvalreviews")["items"].clone();
        let is_of_it = |review: &&Value| review["spec"]["ticketRef"]["name"] == ticket.name.as_str();
        let review = reviews.as_array().unwrap().iter().find(is_of_it).cloned()?;
        let conditions = review["status"]["conditions"].as_array()?.clone();
        let counted = conditions.iter().find(|one| one["type"] == "Counted")?.clone();
        (counted["reason"] == "BadProof").then_some(())
    });
    let shown = ticket.object()["status"].clone();
    assert_eq!(
        (&shown["approvals"], &shown["reviews"]),
        (&json!(0), &Value::Null)
    );
}
