//! Every denial that configuration causes cites the line that does.

use std::collections::BTreeSet;

use super::{
    delegations::{MANAGER, of_certificates, with},
    emergency,
    intents::{keyed, takes_the_key},
    workflow::{billing, carls_write, draft, requests, reviews, submits},
};
use crate::{
    decide::why_spent,
    decision::{Cause, Decision, Denial, Reason},
    digest::Digest,
    fixtures::{Ask, World, approved, creates, deletes, id, pending, updates, world, zone},
    glob::Glob,
    own::Own,
    policy::{Policy, ReviewRule, Shown},
    review::ReviewDecision::{Approve, Cancel, Deny},
    role::Role,
    snapshot::PolicyState,
    ticket::{End, Refusal, TicketState},
};

/// Why the request is not simply allowed, and what decides that.
fn explained(world: &World, ask: &Ask) -> (Reason, String) {
    let (reason, cause) = match world.decides(ask) {
        Decision::NeedsTicket(demand) => (Reason::ApprovalRequired, Some(demand.cause)),
        Decision::Deny(denial) => (denial.reason, denial.cause),
        Decision::Allow(grant) => panic!("{grant:?}"),
    };
    (reason, cause.map(|cause| cause.to_string()).unwrap_or_default())
}

const APP: &str = "billing/configmaps/app";
const BOT: &str = "system:serviceaccount:ci:bot";

fn strict() -> World {
    world().admin("ada").admin("abel")
}

fn removes(who: &str, object: &str) -> Ask {
    deletes(who, &format!("@cluster/{object}")).own(Own::Removed)
}

fn without_policy(state: PolicyState) -> World {
    let mut world = billing();
    world.snapshot.policy = state;
    world
}

fn named_by_the_server() -> Ask {
    let mut ask = creates("olga", APP);
    ask.generates_name = true;
    ask
}

fn ticketed(state: TicketState) -> World {
    billing().ticket(&carls_write(), state, &[]).0
}

fn own_review() -> (World, Ask) {
    let (world, ticket) = billing().ticket(&carls_write(), pending(), &[]);
    (world, submits("carl", reviews("carl", &ticket, Approve)))
}

fn overlapping() -> Ask {
    let rival = zone("rival", "user:ada", &["*/configmaps/app"]);
    updates("ada", "@cluster/zones.countersign.dev/rival").own(Own::Zone(rival))
}

fn bound_to_another() -> Ask {
    let policy = Policy {
        strict_mode: true,
        shown: Some(Shown {
            digest: Digest::of(&[b"another"]),
            has_begun: false,
        }),
        ..Policy::default()
    };
    updates("ada", "@cluster/accesspolicies.countersign.dev/default").own(Own::AccessPolicy(policy.into()))
}

fn unsealed() -> Ask {
    let attestation = "a=1:sha256:00".to_owned();
    updates("ada", "@cluster/rolegrants.countersign.dev/r").own(Own::Unsealed { attestation })
}

fn relabels() -> Ask {
    let attestation = "a=0:sha256:00".to_owned();
    updates("ada", "@cluster/namespaces/billing").own(Own::Unsealed { attestation })
}

/// What is about who asks.
fn of_callers() -> Vec<(Reason, &'static str, World, Ask)> {
    let bot = || billing().agent("bot", Role::Agent, "greta", "ci:bot");
    let shared = bot().agent("rival", Role::Agent, "greta", "ci:bot");
    let suspended = billing().agent_but("bot", Role::Agent, "greta", "ci:bot", |a| a.suspended = true);
    let admin = billing().agent("bot", Role::Admin, "greta", "ci:bot");
    vec![
        (
            Reason::UnregisteredAccount,
            "Agent/* spec.serviceAccounts",
            billing(),
            updates(BOT, APP),
        ),
        (
            Reason::ParentUnproven,
            "WriteDelegation/d spec.parent",
            with(billing(), of_certificates()),
            deletes(MANAGER, "billing/secrets/x"),
        ),
        (
            Reason::AmbiguousAccount,
            "Agent/bot, rival spec.serviceAccounts",
            shared,
            updates(BOT, APP),
        ),
        (
            Reason::ForeignAccount,
            "Agent/bot status.serviceAccounts",
            bot(),
            updates(BOT, APP).of_uid("other"),
        ),
        (
            Reason::SystemUser,
            "WriteDelegation/* spec.subject",
            billing(),
            updates("system:admin", APP),
        ),
        (
            Reason::NotCanonical,
            "AccessPolicy/default spec.usernames",
            billing(),
            updates("Alice", APP),
        ),
        (
            Reason::AgentSuspended,
            "Agent/bot spec.suspend",
            suspended,
            updates(BOT, APP),
        ),
        (
            Reason::AgentDegraded,
            "Agent/bot spec.role",
            admin,
            updates(BOT, APP),
        ),
        (
            Reason::StolenIdentity,
            "Agent/bot spec.serviceAccounts",
            billing().agent("bot", Role::Contributor, "greta", "ci:bot"),
            creates("olga", "ci/serviceaccounts/bot").sub("token"),
        ),
        (
            Reason::ReaderWrites,
            "AccessPolicy/default spec.defaults.role",
            billing(),
            updates("ron", APP),
        ),
        (
            Reason::ReaderWrites,
            "AccessPolicy/default spec.defaults.role",
            billing(),
            requests("ron", "billing", draft()),
        ),
        (
            Reason::IntentRequired,
            "Agent/bot spec.role",
            bot().zone(zone("lab", "agent:bot", &["lab/**"])),
            deletes(BOT, "lab/configmaps/app"),
        ),
        (
            Reason::AdminOnly,
            "RoleGrant/carl spec.role",
            billing(),
            removes("carl", "teams.countersign.dev/t"),
        ),
    ]
}

/// What is about the place, and the approval that it asks for.
fn of_places() -> Vec<(Reason, &'static str, World, Ask)> {
    let contested = billing().zone(zone("rival", "user:ada", &["billing/**"]));
    let full = billing().policy(|policy| policy.approvals.max_pending = 0);
    let (reviewed, own_review) = own_review();
    let ticket = "ApprovalTicket/ticket status.state";
    let environments = "AccessPolicy/default spec.environments";
    let mut lab = zone("lab", "user:olga", &["lab/**"]);
    lab.require_review = Some(true);
    lab.cooperators = vec![id("user:carl")];
    let rule = ReviewRule {
        name: "lab".into(),
        objects: vec![Glob::object("lab/**").unwrap()],
        paths: Vec::new(),
        min_reviewers: 1,
        reviewer_roles: vec![Role::Contributor],
    };
    vec![
        (
            Reason::ApprovalRequired,
            "Zone/lab spec.requireReview",
            billing().zone(lab),
            updates("carl", "lab/configmaps/app"),
        ),
        (
            Reason::ApprovalRequired,
            "AccessPolicy/default spec.reviewRules",
            billing().policy(|policy| policy.review_rules = vec![rule]),
            updates("carl", "lab/configmaps/app"),
        ),
        (
            Reason::ZoneContested,
            "Zone/billing, rival spec.objects",
            contested,
            updates("olga", APP),
        ),
        (
            Reason::NotOfZone,
            "Zone/billing spec.owner",
            billing().contributor("strange"),
            updates("strange", APP),
        ),
        (
            Reason::Unzoned,
            "AccessPolicy/default spec.unzoned",
            world().contributor("carl"),
            updates("carl", APP),
        ),
        (
            Reason::ApprovalRequired,
            environments,
            billing(),
            updates("olga", APP),
        ),
        (
            Reason::GeneratedName,
            environments,
            billing(),
            named_by_the_server(),
        ),
        (Reason::TicketSpent, ticket, ticketed(approved()), carls_write()),
        (
            Reason::TicketDenied,
            ticket,
            ticketed(TicketState::Ended(End::Denied)),
            carls_write(),
        ),
        (
            Reason::TooManyPending,
            "AccessPolicy/default spec.approvals.maxPending",
            full,
            requests("carl", "billing", draft()),
        ),
        (
            Reason::IneligibleReviewer,
            "ApprovalTicket/ticket spec.subjectID",
            reviewed,
            own_review,
        ),
    ]
}

/// What is about Countersign's own configuration.
fn of_configuration() -> Vec<(Reason, &'static str, World, Ask)> {
    let strict_mode = "AccessPolicy/default spec.strictMode";
    let signed = billing().policy(|policy| policy.approvals.signed_in_prod = true);
    let (signed, waiting) = signed.ticket(&carls_write(), pending(), &[]);
    vec![
        (
            Reason::PolicyUnreadable,
            "AccessPolicy/default spec",
            without_policy(PolicyState::Unreadable("spec".into())),
            updates("olga", APP),
        ),
        (
            Reason::PolicyMissing,
            "AccessPolicy/default spec",
            without_policy(PolicyState::Absent(Policy::default().into())),
            updates("olga", APP),
        ),
        (
            Reason::ZoneOverlap,
            "Zone/billing spec.objects",
            billing(),
            overlapping(),
        ),
        (
            Reason::BadProof,
            "AccessPolicy/default spec.approvals.requiredProof",
            signed,
            submits("olga", reviews("olga", &waiting, Approve)),
        ),
        (
            Reason::BadRotation,
            "Agent/bot spec.publicKey",
            keyed(|_| ()),
            takes_the_key(),
        ),
        (
            Reason::BreakGlassRefused,
            "AccessPolicy/default spec.passcodeSecretRef",
            strict(),
            emergency::opens("ada"),
        ),
        (Reason::Unsealed, "Thing/r status.seal", billing(), unsealed()),
        (
            Reason::ForeignMutator,
            "MutatingAdmissionPolicy/m spec.matchConstraints",
            billing().mutated("MutatingAdmissionPolicy/m", None),
            requests("carl", "billing", draft()),
        ),
        (
            Reason::Unsealed,
            "Thing/billing metadata.labels",
            billing(),
            relabels(),
        ),
        (
            Reason::TooFewAdmins,
            strict_mode,
            strict(),
            removes("ada", "rolegrants.countersign.dev/abel"),
        ),
        (
            Reason::StrictMode,
            strict_mode,
            strict(),
            removes("ada", "accesspolicies.countersign.dev/default"),
        ),
        (
            Reason::PermissionsChanged,
            "AccessPolicy/default spec.strictModeDigest",
            strict().observing(),
            bound_to_another(),
        ),
    ]
}

#[test]
fn each_reason_that_configuration_causes_cites_the_line() {
    let mut cited = BTreeSet::new();
    let rows = [of_callers(), of_places(), of_configuration()];
    for (reason, cause, world, ask) in rows.into_iter().flatten() {
        assert_eq!(explained(&world, &ask), (reason, cause.to_owned()));
        cited.insert(reason);
    }
    let configured = Reason::ALL.iter().filter(|reason| reason.is_configured());
    assert_eq!(cited, configured.copied().collect());
}

#[test]
fn who_may_not_review_is_told_by_which_line() {
    let (world, ticket) = billing().ticket(&carls_write(), pending(), &[]);
    let world = world
        .contributor("strange")
        .agent("bot", Role::Contributor, "greta", "ci:bot");
    let mut of_bot = reviews("bot", &ticket, Approve);
    of_bot.reviewer = id("agent:bot");
    for (ask, cause) in [
        (
            submits("strange", reviews("strange", &ticket, Deny)),
            "Zone/billing spec.reviewers",
        ),
        (
            submits("unheard", reviews("unheard", &ticket, Deny)),
            "AccessPolicy/default spec.defaults.role",
        ),
        (
            submits("olga", reviews("olga", &ticket, Cancel)),
            "ApprovalTicket/ticket spec.subjectID",
        ),
        (submits(BOT, of_bot), "Agent/bot spec.serviceAccounts"),
    ] {
        let expected = (Reason::IneligibleReviewer, cause.to_owned());
        assert_eq!(explained(&world, &ask), expected);
    }
}

#[test]
fn a_denial_reads_with_the_line_that_decides() {
    let denial = Denial::new(Reason::Unzoned, "ask olga");
    assert_eq!(denial.to_string(), "ask olga");
    let because = denial.because(Cause::of_policy("spec.unzoned"));
    assert_eq!(
        because.to_string(),
        "ask olga [AccessPolicy/default spec.unzoned]"
    );
}

/// The API server asks once more, without the managed fields, for a create that its store does not take (E6).
#[test]
fn a_create_that_the_store_does_not_take_is_told_so() {
    let create = creates("carl", "billing/configmaps/x");
    let managed = Ask {
        new: Some(r#"{"metadata":{"name":"x","managedFields":[]}}"#.to_owned()),
        ..create.clone()
    };
    let is_told = |ask: &Ask, why: Refusal| {
        let told = why_spent(&ask.request(), why);
        if told == why.to_string() {
            return false;
        }
        assert!(told.starts_with("the object is too large"), "{told}");
        true
    };
    assert!(is_told(&create, Refusal::ClaimedElsewhere));
    assert!(!is_told(&create, Refusal::AlreadyConsumed));
    for other in [
        managed,
        create.clone().sub("token"),
        updates("carl", "billing/configmaps/x"),
    ] {
        assert!(!is_told(&other, Refusal::ClaimedElsewhere));
    }
}
