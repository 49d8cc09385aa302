//! The life of an agent: registered, given another key, suspended; and what is refused to whoever registers one.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use countersign_core::agent_key::AgentKey;
use serde_json::{Value, json};

use super::{
    guardrails::let_in,
    harness::{
        Area, Outcome, Person, Ticket, shared,
        wait::{LONG, until, within},
    },
    intents::{log, private_key, recorded},
    late_refusals::by_admins,
};

/// Makes a write of an Agent the regular way: one admin asks, another approves, the first does it again.
#[track_caller]
fn settled(area: &Area<'_>, act: impl Fn(&Person, &str) -> Outcome) {
    let asked = act(area.person("ada"), "");
    assert_eq!(asked.code, Some(3), "{} {}", asked.stdout, asked.stderr);
    let ticket = Ticket::named_in(&asked.stderr, area.cluster);
    ticket.approve(area.person("ben"));
    ticket.becomes("Approved");
    let again = asked.stderr.split_once("run the same command again with ");
    act(area.person("ada"), again.map_or("", |(_, flags)| flags.trim())).done();
}

/// An Agent of this name, with what is said of it.
fn agent(name: &str, spec: &Value) -> Value {
    let mut agent = json!({
        "apiVersion": "countersign.dev/v1alpha1",
        "kind": "Agent",
        "metadata": { "name": name },
        "spec": { "owner": "user:olga", "signing": "NotSupported" },
    });
    for (field, value) in spec.as_object().unwrap() {
        agent["spec"][field] = value.clone();
    }
    agent
}

/// How many intents the agent makes in a minute.
const A_MINUTE: usize = 4;

#[test]
fn an_agent_lives_by_what_admins_approve_and_by_its_key() {
    let area = shared().area();
    let [first, second] = [21, 22].map(|seed| private_key(shared(), seed));
    settled(&area, |ada, _| {
        ada.countersign(&format!(
            "agent register novice --owner user:olga --service-account agents/novice --key {} --intents-per-minute \
             {A_MINUTE}",
            first.display()
        ))
    });
    let ready = "wait --for=condition=Ready --timeout=60s agent/novice";
    shared().admin().kubectl(ready).done();
    let_in("novice", &area);
    it_acts_with_approvals_and_explains_what_it_deletes(&area);
    it_is_limited(&area);
    nobody_takes_its_key(&area);
    settled(&area, |ada, more| {
        ada.countersign(&format!(
            "agent rotate novice --key {} --new-key {} {more}",
            first.display(),
            second.display()
        ))
    });
    the_old_key_is_retired_on_record(&area);
    it_is_suspended_whatever_was_approved(&area);
    it_signs_with_an_ssh_agent(&area, &second);
}

fn creates(area: &Area<'_>, name: &str) -> Outcome {
    let object = area.config_map(name, &json!({ "a": "1" }));
    area.person("novice").create(&object)
}

fn it_acts_with_approvals_and_explains_what_it_deletes(area: &Area<'_>) {
    let is_made = area.with_approval(|| creates(area, "app"));
    is_made.becomes("Consumed");
    let deletes = || {
        let delete = format!("delete configmap app -n {}", area.namespace);
        area.person("novice").kubectl(&delete)
    };
    deletes().denied("IntentRequired");
    log(area.person("novice"), area, 21, "").done();
    area.with_approval(deletes).becomes("Consumed");
}

/// The command asks again for what is limited, and every refusal is on record.
fn it_is_limited(area: &Area<'_>) {
    let why = format!("agent:novice makes {A_MINUTE} intents a minute at most");
    until("the limit", || {
        log(area.person("novice"), area, 21, "");
        let recorded = recorded();
        let limited = recorded.lines().find(|line| line.contains(&why))?;
        limited.contains("RateLimited").then_some(())
    });
}

/// Waits until the agent can say something, signed with this key; it may have said all that it may in this minute.
fn says(area: &Area<'_>, seed: u8) {
    within(2 * LONG, "the agent to be known, and not limited", || {
        log(area.person("novice"), area, seed, "")
            .succeeded()
            .then_some(())
    });
}

fn nobody_takes_its_key(area: &Area<'_>) {
    let ada = area.person("ada");
    let patched = |key: &str| {
        let patch = json!({ "spec": { "publicKey": key } }).to_string();
        ada.run(&["patch", "agent", "novice", "--type=merge", "-p", &patch], "")
    };
    let of_scribe = "ed25519:MCowBQYDK2VwAyEA6kpsY+KcUgq+9VB7Ey7F+ZVHdq6+vnuSQh7qaRRG0iw=";
    let denial = patched(of_scribe).denied("Invalid");
    let shared_key = "spec.publicKey: agent:scribe has the same key";
    assert!(denial.contains(shared_key), "{denial}");
    let file = shared().control_plane().dir().join("third.pem");
    let third = ada
        .countersign(&format!("agent keygen {}", file.display()))
        .done();
    let denial = patched(third.trim()).denied("BadRotation");
    let way = "kubectl countersign agent rotate novice";
    assert!(denial.contains(way), "{denial}");
}

fn the_old_key_is_retired_on_record(area: &Area<'_>) {
    until("the old key to be retired", || {
        let old = log(area.person("novice"), area, 21, "");
        let is_retired = old.stderr.contains("which agent:novice no longer has");
        is_retired.then_some(())
    });
    says(area, 22);
    let recorded = recorded();
    let mut lines = recorded.lines();
    let rotation = lines.find(|line| line.contains("\"type\":\"KeyRotation\""));
    let rotation = rotation.unwrap_or_else(|| panic!("no rotation is on record"));
    for part in [
        "\"agentID\":\"agent:novice\"",
        "\"owner\":\"user:olga\"",
        "\"previousKey\":\"ed25519:",
    ] {
        assert!(rotation.contains(part), "{part} is not in {rotation}");
    }
}

fn it_is_suspended_whatever_was_approved(area: &Area<'_>) {
    let approved = area.approved(|| creates(area, "later"));
    settled(area, |ada, _| ada.countersign("agent suspend novice"));
    let novice = area.person("novice");
    until("the agent to be suspended", || {
        let write = format!("create configmap x -n {} --dry-run=server", area.namespace);
        novice
            .kubectl(&write)
            .stderr
            .contains("AgentSuspended")
            .then_some(())
    });
    let said = log(novice, area, 22, "");
    assert!(said.stderr.contains("AgentSuspended"), "{}", said.stderr);
    creates(area, "later").denied("AgentSuspended");
    settled(area, |ada, _| ada.countersign("agent resume novice"));
    says(area, 22);
    assert_eq!(approved.state(), "Approved");
    creates(area, "later").done();
    approved.becomes("Consumed");
}

fn it_signs_with_an_ssh_agent(area: &Area<'_>, second: &Path) {
    let (file, public) = ssh_key();
    settled(area, |ada, more| {
        ada.countersign(&format!(
            "agent rotate novice --key {} --new-public-key {public} {more}",
            second.display()
        ))
    });
    let script = format!(
        "ssh-add -q {} && exec {} intent log -n {} --action look --reason unused --ssh-agent",
        file.display(),
        env!("CARGO_BIN_EXE_countersign"),
        area.namespace
    );
    until("the key in the SSH agent to be known", || {
        let said = area
            .person("novice")
            .call(Path::new("ssh-agent"), &["sh", "-c", &script], "");
        said.succeeded().then_some(())
    });
}

/// A new SSH key in the agent's place: its file, and what the Agent takes.
fn ssh_key() -> (PathBuf, AgentKey) {
    let file = shared().control_plane().dir().join("ssh-novice");
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "novice", "-f"])
        .arg(&file)
        .status();
    assert!(made.unwrap().success());
    let line = std::fs::read_to_string(file.with_extension("pub")).unwrap();
    let blob = STANDARD.decode(line.split(' ').nth(1).unwrap()).unwrap();
    (file, AgentKey::of_bytes(blob.last_chunk().unwrap()).unwrap())
}

#[test]
fn an_agent_that_shares_an_account_or_a_key_is_not_registered() {
    let ada = shared().person("ada");
    for (spec, why) in [
        (
            json!({ "serviceAccounts": [{ "namespace": "agents", "name": "helper" }] }),
            "spec.serviceAccounts: `agents:helper` acts as agent:helper already",
        ),
        (
            json!({ "serviceAccounts": [{ "namespace": "agents", "name": "mirror" }] }),
            "spec.serviceAccounts: `agents:mirror` is the subject of WriteDelegation `mirror`, too",
        ),
        (
            json!({ "publicKey": "ed25519:MCowBQYDK2VwAyEA6kpsY+KcUgq+9VB7Ey7F+ZVHdq6+vnuSQh7qaRRG0iw=" }),
            "spec.publicKey: agent:scribe has the same key",
        ),
        (
            json!({ "publicKey": "ed25519:MCowBQYDK2VwAyEAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=" }),
            "it is of small order: anybody could sign with it",
        ),
    ] {
        let denial = ada.create(&agent("rival", &spec)).denied("Invalid");
        assert!(denial.contains(why), "{denial}");
    }
    let delegation = json!({
        "apiVersion": "countersign.dev/v1alpha1",
        "kind": "WriteDelegation",
        "metadata": { "name": "of-an-agent" },
        "spec": {
            "subject": { "serviceAccount": { "namespace": "agents", "name": "helper" } },
            "resources": [{ "group": "", "resource": "configmaps" }],
            "verbs": ["Create"],
            "namespaces": { "names": ["agents"] },
            "reason": "none",
        },
    });
    let denial = ada.create(&delegation).denied("Invalid");
    assert!(
        denial.contains("spec.subject: `agents:helper` acts as agent:helper"),
        "{denial}"
    );
}

#[test]
fn an_agent_whose_owner_is_gone_does_nothing() {
    let area = shared().area();
    let writes = || {
        let object = area.config_map("app", &json!({}));
        area.person("orphan").create(&object)
    };
    writes().denied("NotOfZone");
    by_admins(&area, || area.person("ada").kubectl("delete rolegrant leo"));
    let why = "spec.owner: user:leo is not known";
    until("the agent to be degraded", || {
        let agent = shared().admin().get("agent.countersign.dev orphan");
        let conditions = agent["status"]["conditions"].as_array()?;
        let degraded = conditions.iter().find(|one| one["type"] == "Degraded")?;
        let is_so = degraded["reason"] == "UnknownOwner" && degraded["message"].as_str()?.contains(why);
        is_so.then_some(())
    });
    let denial = writes().denied("AgentDegraded");
    assert!(denial.contains(why), "{denial}");
}

#[test]
fn a_private_key_is_written_once_and_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;

    let file = shared().control_plane().dir().join("once.pem");
    let keygen = || {
        shared()
            .person("ada")
            .countersign(&format!("agent keygen {}", file.display()))
    };
    let public = keygen().done();
    assert!(public.starts_with("ed25519:MCowBQYDK2VwAyEA"), "{public}");
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let again = keygen();
    assert!(again.stderr.contains("is there already"), "{}", again.stderr);
}
