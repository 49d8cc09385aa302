//! The examples say what becomes of them, and the shared parsers refuse what slips past the API server's schema.

#![expect(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use countersign_api::{
    AccessPolicy, Agent, ApprovalReview, ApprovalTicket, BreakGlass, Intent, RoleGrant, Team,
    WriteDelegation, Zone, access_policy, agent, approval_review, break_glass, intent, role_grant, team,
    write_delegation, zone,
};
use countersign_core::{credential::TABLE, zones::ZoneIndex};
use serde::Deserialize;
use serde_json::json;

/// The objects of the folder's files by file name, and the expectation in the first line.
fn examples(folder: &str) -> BTreeMap<String, (String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples")
        .join(folder);
    let read = |path: std::path::PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        let first = text.lines().next().unwrap().to_owned();
        (
            path.file_stem().unwrap().to_str().unwrap().to_owned(),
            (first, text),
        )
    };
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| read(entry.unwrap().path()))
        .collect()
}

#[derive(Deserialize)]
struct Kind {
    kind: String,
}

/// Why the parsers refuse an object, as the webhook and the index would.
fn refusal(text: &str) -> Option<String> {
    fn check<K: for<'de> Deserialize<'de>, T, E: ToString>(
        text: &str,
        parse: impl FnOnce(&K) -> Result<T, E>,
    ) -> Option<String> {
        match serde_yaml::from_str::<K>(text) {
            Ok(object) => parse(&object).err().map(|error| error.to_string()),
            Err(error) => Some(error.to_string()),
        }
    }
    let kind = serde_yaml::from_str::<Kind>(text).unwrap().kind;
    match kind.as_str() {
        "AccessPolicy" => check::<AccessPolicy, _, _>(text, access_policy::parse),
        "RoleGrant" => check::<RoleGrant, _, _>(text, role_grant::parse),
        "Team" => check::<Team, _, _>(text, team::parse),
        "Agent" => check::<Agent, _, _>(text, agent::parse),
        "Intent" => check::<Intent, _, _>(text, intent::parse),
        "BreakGlass" => check::<BreakGlass, _, _>(text, break_glass::parse),
        "Zone" => check::<Zone, _, _>(text, zone::parse),
        "WriteDelegation" => check::<WriteDelegation, _, _>(text, write_delegation::parse),
        "ApprovalTicket" => check::<ApprovalTicket, _, _>(text, |ticket| ticket.spec.bound()),
        "ApprovalReview" => check::<ApprovalReview, _, _>(text, approval_review::parse),
        other => panic!("`{other}` is no kind"),
    }
}

#[test]
fn every_invalid_example_says_what_becomes_of_it() {
    let examples = examples("invalid");
    for (name, (expectation, _)) in &examples {
        let Some(expectation) = expectation.strip_prefix("# expect: ") else {
            panic!("{name}: no expectation")
        };
        let (what, detail) = expectation.split_once(' ').unwrap();
        match what {
            "refused" | "webhook-refused" => {
                let message: String = serde_json::from_str(detail).unwrap();
                assert!(!message.is_empty(), "{name}");
            }
            "degraded" => assert!(detail.chars().all(char::is_alphanumeric), "{name}"),
            other => panic!("{name}: `{other}` is no expectation"),
        }
    }
    assert!(examples.len() >= 20);
}

/// What would be dangerous if it slipped past the schema, and why the parsers refuse it.
const DANGEROUS: &[(&str, &str)] = &[
    (
        "accesspolicy-accepting-what-is-no-mutator",
        "spec.acceptedMutators[0]: `ValidatingWebhookConfiguration/engine` is no mutator",
    ),
    (
        "accesspolicy-bad-duration",
        "spec.approvals.pendingTTL: `1d` is not a duration",
    ),
    (
        "accesspolicy-everybody-an-admin",
        "spec.defaults.role: `admin` is not a default role",
    ),
    (
        "accesspolicy-locked-without-passcode",
        "spec.passcodeSecretRef: is missing",
    ),
    (
        "accesspolicy-not-named-default",
        "metadata.name: `second` is not the name of the one policy",
    ),
    (
        "accesspolicy-prod-that-fails-open",
        "spec.environments[0].failurePolicy: `Ignore` is not",
    ),
    (
        "accesspolicy-two-issuers-in-one-realm",
        "spec.usernames[0].realm: `corp` is not a realm of its own",
    ),
    (
        "accesspolicy-system-users-as-people",
        "spec.usernames[1].prefix: `system:node:` is not a prefix of people",
    ),
    ("accesspolicy-unknown-environment", "unknown variant `staging`"),
    (
        "accesspolicy-asking-for-signatures-of-nobody",
        "spec.directory.sshKeys: is missing",
    ),
    (
        "accesspolicy-with-a-key-of-two-people",
        "spec.directory.sshKeys[1].keys[0]: `SHA256:",
    ),
    (
        "accesspolicy-with-a-short-key",
        "spec.directory.sshKeys[0].keys[0]: an rsa key of 2048 bits is too short",
    ),
    (
        "agent-owned-by-a-team",
        "spec.owner: `team:payments` is not a user:",
    ),
    (
        "agent-owned-by-an-agent",
        "spec.owner: `agent:other` is not a user:",
    ),
    (
        "agent-with-a-key-of-another-kind",
        "spec.publicKey: `ed25519:MFkw",
    ),
    (
        "agent-with-role-admin",
        "spec.role: `admin` is not a role of an agent",
    ),
    (
        "agent-with-a-key-of-small-order",
        "spec.publicKey: `ed25519:MCowBQYDK2VwAyEAAQAA",
    ),
    ("agent-without-key", "spec.publicKey: is missing"),
    ("agent-without-owner", "missing field `owner`"),
    ("approvalreview-of-an-unknown-decision", "unknown variant `Maybe`"),
    (
        "approvalreview-of-no-content",
        "spec.bindingHash: `` is not a digest",
    ),
    (
        "approvalreview-signed-without-signature",
        "spec.proof.signature: is missing",
    ),
    (
        "approvalticket-for-a-team",
        "spec.binding.subjectID: `team:payments` is not a user: or an agent:",
    ),
    (
        "approvalticket-showing-another-value",
        "spec.change[0].new: `sha256:",
    ),
    (
        "approvalticket-with-a-bad-hash",
        "spec.binding.resourceHash: `md5:1234` is not a digest",
    ),
    ("approvalticket-without-content", "missing field `resourceHash`"),
    (
        "breakglass-at-a-local-time",
        "spec.time: `2026-01-31T12:00:00+01:00` is not a time in UTC",
    ),
    (
        "breakglass-for-no-time",
        "spec.duration: `0s` is not a duration above zero",
    ),
    (
        "breakglass-of-an-agent",
        "spec.personID: `agent:bot` is not a user:",
    ),
    (
        "breakglass-reviewed-by-an-agent",
        "spec.review.reviewer: `agent:bot` is not a user:",
    ),
    ("breakglass-without-reason", "spec.reason: is missing"),
    (
        "rolegrant-for-a-wildcard",
        "spec.identity: `user:*` is not an identity",
    ),
    (
        "rolegrant-for-an-agent",
        "spec.identity: `agent:deployer` is not a user: or a team:",
    ),
    (
        "rolegrant-for-another-spelling",
        "spec.identity: `user:Alice` is not an identity",
    ),
    ("rolegrant-of-an-unknown-role", "unknown variant `owner`"),
    (
        "rolegrant-user-with-role-agent",
        "spec.role: `agent` is not a role of user:alice",
    ),
    (
        "team-in-a-team",
        "spec.members[0]: `team:payments` is not a user: or an agent:",
    ),
    ("writedelegation-expiring-some-day", "failed to parse"),
    (
        "writedelegation-for-a-user",
        "spec.subject.username: `user:alice` is not a raw username",
    ),
    (
        "writedelegation-for-a-wildcard-subject",
        "spec.subject.username: `system:node:*` is not one exact username",
    ),
    ("writedelegation-for-every-verb", "unknown variant `*`"),
    (
        "writedelegation-of-bindings",
        "spec.resources[0].resource: `bindings` is not covered by its own name",
    ),
    (
        "writedelegation-of-evictions-with-a-parent",
        "spec.resources[0].subresource: `eviction` is not covered with a parent",
    ),
    (
        "intent-of-a-person",
        "spec.agentID: `user:alice` is not an agent:",
    ),
    (
        "intent-at-a-local-time",
        "spec.time: `2026-01-31T12:00:00+01:00` is not a time",
    ),
    (
        "writedelegation-of-the-kinds-that-permit",
        "spec.resources[0].group: `countersign.dev` is not a group whose kinds are delegated",
    ),
    (
        "writedelegation-startup-by-labels",
        "spec.namespaces.selector.matchLabels: `team` is not",
    ),
    (
        "writedelegation-startup-for-certificates",
        "spec.resources[0]: `certificatesigningrequests.certificates.k8s.io/status` is not checked by the API server at startup: it may yield somebody's credential",
    ),
    (
        "writedelegation-startup-for-namespaces",
        "spec.resources[0]: `namespaces/status` is not checked by the API server at startup: it may yield somebody's credential",
    ),
    (
        "writedelegation-startup-for-roles",
        "spec.resources[0]: `clusterroles.rbac.authorization.k8s.io` is not checked by the API server at startup: it may yield somebody's credential",
    ),
    (
        "writedelegation-startup-for-tokens",
        "spec.resources[1]: `serviceaccounts/token` is not checked by the API server at startup: it may yield somebody's credential",
    ),
    (
        "writedelegation-startup-for-workloads",
        "spec.resources[0]: `daemonsets.apps` is not checked by the API server at startup: it may yield somebody's credential",
    ),
    (
        "writedelegation-startup-in-too-many-namespaces",
        "spec.namespaces.names[32]: `ns-32` is not checked by the API server at startup: at most 32",
    ),
    (
        "writedelegation-startup-with-a-parent",
        "spec.parent: `DaemonSet` is not checked by the API server at startup",
    ),
    (
        "writedelegation-startup-with-fields",
        "spec.fields[0]: `/data/tls.crt` is not",
    ),
    (
        "writedelegation-with-a-field-finer-than-a-granule",
        "spec.fields[0]: `/spec/template/metadata` is not a granule",
    ),
    (
        "writedelegation-with-a-field-that-is-no-pointer",
        "spec.fields[0]: `spec.replicas` is not a granule",
    ),
    (
        "writedelegation-with-fields-beside-connect",
        "spec.verbs: `Connect` is not covered beside fields",
    ),
    (
        "writedelegation-with-fields-beside-delete",
        "spec.verbs: `Delete` is not covered beside fields",
    ),
    (
        "writedelegation-with-two-subjects",
        "spec.subject.username: `system:kube-scheduler` is not alone",
    ),
    (
        "zone-function-with-a-wildcard",
        "spec.functionIDs[0]: `fn:billing::*` is not a function",
    ),
    (
        "zone-with-a-broken-glob",
        "spec.objects[0]: pattern `billing/[a/**`",
    ),
    ("zone-without-owner", "missing field `owner`"),
];

/// What the schema refuses for its own sake: without it, the object would have no effect, or less than it says.
const HARMLESS: &[&str] = &[
    "accesspolicy-directory-without-settings",
    "accesspolicy-review-rule-without-any-place",
    "accesspolicy-ticket-usable-for-days",
    "agent-with-an-account-twice",
    "breakglass-for-a-year",
    "intent-named-otherwise",
    "intent-with-a-short-nonce",
    "intent-without-reason",
    "team-without-anybody",
    "writedelegation-for-every-resource",
    "zone-overlapping",
    "zone-with-no-reviewer",
    "zone-with-too-many-objects",
    "zone-without-any-space",
];

#[test]
fn the_parsers_refuse_what_would_be_dangerous_without_the_schema() {
    let examples = examples("invalid");
    for (name, reason) in DANGEROUS {
        let refusal = refusal(&examples[*name].1).unwrap_or_default();
        assert!(refusal.contains(reason), "{name}: {refusal}");
    }
    for (name, (expectation, _)) in &examples {
        let listed = DANGEROUS.iter().any(|(other, _)| other == name) || HARMLESS.contains(&name.as_str());
        assert!(
            listed || expectation.starts_with("# expect: degraded "),
            "{name} is not considered here"
        );
    }
}

#[test]
fn an_overlap_is_seen_with_its_witness() {
    let (_, text) = &examples("invalid")["zone-overlapping"];
    let mut index = ZoneIndex::default();
    let mut zones = text
        .split("---\n")
        .map(|document| zone::parse(&serde_yaml::from_str(document).unwrap()).unwrap());
    index.insert(zones.next().unwrap().into());
    let overlap = index.overlap(&zones.next().unwrap()).unwrap();
    assert_eq!(&*overlap.other, "overlapped");
    assert!(
        overlap.witness.starts_with("zone-overlapping/") && overlap.witness.ends_with("/app"),
        "{overlap:?}"
    );
}

#[test]
fn every_example_of_the_quickstart_is_understood() {
    for (name, (_, text)) in examples("quickstart") {
        for document in text
            .split("---\n")
            .filter(|text| text.contains("apiVersion: countersign.dev/"))
        {
            assert_eq!(refusal(document), None, "{name}");
        }
    }
}

/// What the comment at the head of each file of the catalogue tells.
const HEADINGS: [&str; 5] = [
    "Version read",
    "Installed as",
    "Passes",
    "Still denied",
    "Left out",
];

/// The objects of a kind in the catalogue, with the file that each is in.
fn catalogue<K: for<'de> Deserialize<'de>>(kind: &str) -> Vec<(String, K)> {
    let mut objects = Vec::new();
    for (file, (_, text)) in examples("delegations") {
        for document in text.split("---\n") {
            if serde_yaml::from_str::<Kind>(document).unwrap().kind == kind {
                objects.push((file.clone(), serde_yaml::from_str(document).unwrap()));
            }
        }
    }
    objects
}

#[test]
fn every_object_of_the_catalogue_is_understood_and_told_apart() {
    let (files, mut names) = (examples("delegations"), BTreeSet::new());
    for (file, (_, text)) in &files {
        for heading in HEADINGS {
            assert!(
                text.contains(&format!("\n# {heading:<14}")),
                "{file}: no `{heading}`"
            );
        }
        for document in text.split("---\n") {
            assert_eq!(refusal(document), None, "{file}");
        }
    }
    for (file, object) in catalogue::<WriteDelegation>("WriteDelegation") {
        let name = object.metadata.name.unwrap();
        assert!(names.insert(name.clone()), "{file}: {name} is there twice");
    }
    assert!(files.len() >= 10 && names.len() >= 60);
}

#[test]
fn no_delegation_of_the_catalogue_is_to_an_account_of_an_agent() {
    let account = |account: &agent::ServiceAccountRef| format!("{}/{}", account.namespace, account.name);
    let agents: BTreeSet<_> = catalogue::<Agent>("Agent")
        .iter()
        .flat_map(|(_, agent)| agent.spec.service_accounts.iter().map(account))
        .collect();
    assert!(!agents.is_empty());
    for (file, object) in catalogue::<WriteDelegation>("WriteDelegation") {
        let subject = account(&object.spec.subject.service_account.unwrap());
        assert!(!agents.contains(&subject), "{file}: {subject} is an agent's");
    }
}

/// Subresources that Kubernetes has somewhere, and one that it does not have yet.
const SUBRESOURCES: [&str; 16] = [
    "",
    "approval",
    "attach",
    "binding",
    "ephemeralcontainers",
    "eviction",
    "exec",
    "finalize",
    "later",
    "log",
    "portforward",
    "proxy",
    "resize",
    "scale",
    "status",
    "token",
];

#[test]
fn whatever_may_yield_a_credential_is_never_delegated_unseen() {
    for row in TABLE {
        let resource = row.resource.unwrap_or("laters");
        for subresource in SUBRESOURCES {
            let delegation = |evaluation: &str| -> WriteDelegation {
                serde_json::from_value(json!({
                    "apiVersion": "countersign.dev/v1alpha1", "kind": "WriteDelegation", "metadata": {"name": "a"},
                    "spec": {
                        "subject": {"username": "system:a"}, "verbs": ["Update"], "reason": "a",
                        "resources": [
                            {"resource": "configmaps"},
                            {"group": row.group, "resource": resource, "subresource": subresource},
                        ],
                        "namespaces": {"selector": {}}, "evaluation": evaluation,
                    },
                }))
                .unwrap()
            };
            let refused = |evaluation: &str| write_delegation::parse(&delegation(evaluation)).err();
            let startup = refused("Startup").map(|invalid| invalid.to_string());
            let own = row.group == "countersign.dev";
            if row.harmless.contains(&subresource) {
                assert_eq!(startup, None);
            } else if !own {
                let startup = startup.unwrap_or_default();
                assert!(
                    startup.starts_with("spec.resources[1]: `") && startup.contains("credential"),
                    "{startup}"
                );
                assert_eq!(refused("Webhook"), None, "{resource}/{subresource}");
            }
        }
    }
}
