//! Making tickets and reviews.

use std::sync::Arc;

use crate::{
    decision::Reason,
    environment::Environment,
    fixtures::{Ask, Said, World, approved, ask, creates, digest, id, pending, updates, world, zone},
    hash,
    own::{Own, Present, ReviewDraft, TicketDraft},
    review::{
        Proof,
        ReviewDecision::{self, Approve, Cancel, Deny, Revoke},
    },
    role::Role,
    snapshot::Impersonation,
    ticket::{CallKind, Claim, End, Ticket, TicketState},
};

/// Olga owns billing, where Carl cooperates; Ada is an admin.
pub(super) fn billing() -> World {
    let mut billing = zone("billing", "user:olga", &["billing/**"]);
    billing.cooperators = vec![id("user:carl")];
    world()
        .contributor("olga")
        .contributor("carl")
        .admin("ada")
        .zone(billing)
}

pub(super) fn carls_write() -> Ask {
    updates("carl", "billing/configmaps/app")
}

/// Carl's ticket for his write, as it should be.
pub(super) fn draft() -> TicketDraft {
    let demand = billing().demand(&carls_write());
    let granules = demand.change.granules.iter();
    let change = granules.map(|granule| {
        let digest = granule.new.as_ref().map(hash::Value::digest);
        (granule.pointer.clone(), digest)
    });
    TicketDraft {
        nonce: "nonce".to_owned(),
        binding_hash: demand.binding.hash(Some("nonce")),
        requester: id("user:carl"),
        stamped: true,
        change: change.collect(),
        present: Present::Object {
            uid: "object-uid".to_owned(),
            old_hash: demand.binding.old_hash,
        },
        binding: demand.binding,
    }
}

pub(super) fn requests(who: &str, namespace: &str, draft: TicketDraft) -> Ask {
    creates(who, &format!("{namespace}/approvaltickets.countersign.dev/t")).own(Own::Ticket(draft.into()))
}

fn rebound(change: impl FnOnce(&mut TicketDraft)) -> TicketDraft {
    let mut draft = draft();
    change(&mut draft);
    draft.binding_hash = draft.binding.hash(Some(&draft.nonce));
    draft
}

/// A denied write shows who asks, and its ticket takes one reviewer more; asked for beforehand it would take none.
#[test]
fn who_impersonates_an_agent_asks_by_the_write_alone() {
    let world = billing().agent_but("bot", Role::Contributor, "greta", "ci:bot", |agent| {
        agent.impersonation = Impersonation::Accepted;
    });
    let (account, bot) = ("system:serviceaccount:ci:bot", id("agent:bot"));
    let request = requests(
        account,
        "billing",
        rebound(|draft| (draft.binding.subject, draft.requester) = (bot.clone(), bot.clone())),
    );
    assert_eq!(
        world.says(&request),
        Said::Allow(Reason::Workflow),
        "by its token"
    );
    let impersonated = request.of_uid("");
    assert_eq!(world.says(&impersonated), Said::Deny(Reason::ForeignSubject));
}

#[test]
fn a_ticket_fits_what_it_is_for() {
    let mismatch = Said::Deny(Reason::BindingMismatch);
    let foreign = Said::Deny(Reason::ForeignSubject);
    for (told, draft, expected) in [
        ("as it should be", draft(), Said::Allow(Reason::Workflow)),
        (
            "without the operator's stamp",
            rebound(|d| d.stamped = false),
            Said::Deny(Reason::OperatorOnly),
        ),
        (
            "for somebody else",
            rebound(|d| d.binding.subject = id("user:olga")),
            foreign,
        ),
        (
            "in somebody else's name",
            rebound(|d| d.requester = id("user:olga")),
            Said::Deny(Reason::ForeignSubject),
        ),
        (
            "of another cluster",
            rebound(|d| d.binding.cluster_id = "other".to_owned()),
            Said::Deny(Reason::BindingMismatch),
        ),
        (
            "in another environment",
            rebound(|d| d.binding.environment = crate::environment::Environment::Dev),
            Said::Deny(Reason::BindingMismatch),
        ),
        (
            "of a change that hashes otherwise",
            rebound(|d| d.binding.resource_hash = digest(9)),
            Said::Deny(Reason::BindingMismatch),
        ),
        (
            "that shows a granule less",
            rebound(|d| d.change.clear()),
            Said::Deny(Reason::BindingMismatch),
        ),
        (
            "with another binding hash than its binding has",
            TicketDraft {
                binding_hash: digest(9),
                ..draft()
            },
            mismatch,
        ),
        (
            "of an object that is gone",
            rebound(|d| d.present = Present::Absent),
            Said::Deny(Reason::BindingMismatch),
        ),
        (
            "of an object that was made anew",
            rebound(|d| {
                d.present = Present::Object {
                    uid: "new".to_owned(),
                    old_hash: d.binding.old_hash,
                }
            }),
            Said::Deny(Reason::BindingMismatch),
        ),
        (
            "of an object that changed since",
            rebound(|d| {
                d.present = Present::Object {
                    uid: "object-uid".to_owned(),
                    old_hash: Some(digest(9)),
                }
            }),
            Said::Deny(Reason::BindingMismatch),
        ),
        (
            "of a create of what exists",
            rebound(|d| d.binding.target.uid = None),
            Said::Deny(Reason::BindingMismatch),
        ),
    ] {
        let ask = requests("carl", "billing", draft);
        assert_eq!(billing().says(&ask), expected, "{told}");
        let lenient = billing().observing();
        assert_eq!(lenient.enforces(&ask), expected, "{told}, in every mode");
    }
}

#[test]
fn a_ticket_is_of_the_environment_of_its_target_or_of_prod() {
    let mut lab = zone("lab", "user:olga", &["lab/**"]);
    lab.cooperators = vec![id("user:carl")];
    lab.require_review = Some(true);
    let world = billing().zone(lab);
    let demand = world.demand(&updates("carl", "lab/configmaps/app"));
    let says = |environment| {
        let draft = rebound(|draft| {
            draft.binding = demand.binding.clone();
            draft.binding.environment = environment;
        });
        world.says(&requests("carl", "lab", draft))
    };
    assert_eq!(demand.binding.environment, Environment::Dev);
    assert_eq!(says(Environment::Dev), Said::Allow(Reason::Workflow));
    assert_eq!(
        says(Environment::Prod),
        Said::Allow(Reason::Workflow),
        "as when the write yields an identity"
    );
    assert_eq!(says(Environment::Test), Said::Deny(Reason::BindingMismatch));
}

/// E1: a write is one call, or one in each of several attempts; a client that falls back connects twice.
#[test]
fn how_often_the_api_server_asks_for_a_write() {
    use crate::{
        decide::call_kind,
        request::Operation::{self, Connect, Create, Delete, Update},
    };
    let rows: [(Operation, &str, CallKind); 12] = [
        (Create, "", CallKind::Once),
        (Create, "binding", CallKind::Once),
        (Create, "eviction", CallKind::Evict),
        (Create, "token", CallKind::Unseen),
        (Update, "", CallKind::Update),
        (Update, "token", CallKind::Update),
        (Delete, "", CallKind::Delete),
        (Delete, "eviction", CallKind::Delete),
        (Connect, "exec", CallKind::Connect),
        (Connect, "attach", CallKind::Connect),
        (Connect, "portforward", CallKind::Connect),
        (Connect, "proxy", CallKind::Unseen),
    ];
    for (operation, subresource, expected) in rows {
        let ask = ask("carl", operation, "billing/pods/x").sub(subresource);
        assert_eq!(call_kind(&ask.request()), expected, "{operation} {subresource}");
    }
}

#[test]
fn the_options_of_what_has_no_content_are_bound() {
    use crate::request::Operation::{Connect, Create, Delete, Update};
    let options = |options: &str| {
        let options = options.to_owned();
        move |operation, subresource: &str| {
            let mut ask = ask("olga", operation, "billing/pods/x").sub(subresource);
            ask.options = Some(options.clone());
            if operation == Connect {
                ask.new = Some(options.clone());
            }
            if subresource == "eviction" {
                ask.new = Some(format!(r#"{{"deleteOptions":{options}}}"#));
            }
            billing().demand(&ask).binding.command_hash
        }
    };
    let (some, others) = (options(r#"{"a":1}"#), options(r#"{"a":2}"#));
    for (operation, subresource) in [(Connect, "exec"), (Delete, ""), (Create, "eviction")] {
        let bound = some(operation, subresource);
        assert!(bound.is_some(), "{operation}");
        assert_ne!(bound, others(operation, subresource), "{operation}");
    }
    for (operation, subresource) in [(Create, ""), (Create, "binding"), (Update, "")] {
        assert_eq!(some(operation, subresource), None, "{operation} {subresource}");
    }
}

#[test]
fn a_subject_waits_for_so_many_tickets_in_a_namespace() {
    let (mut world, ticket) = billing()
        .policy(|policy| policy.approvals.max_pending = 1)
        .ticket(&carls_write(), pending(), &[]);
    let asks = requests("carl", "billing", draft());
    let mut waits = |who: &str, namespace: &str| {
        let waiting = world
            .snapshot
            .pending
            .entry((id(who), namespace.into()))
            .or_default();
        waiting.push_back(ticket.clone());
        world.says(&asks)
    };
    assert_eq!(waits("user:olga", "billing"), Said::Allow(Reason::Workflow));
    assert_eq!(waits("user:carl", "lab"), Said::Allow(Reason::Workflow));
    assert_eq!(waits("user:carl", "billing"), Said::Deny(Reason::TooManyPending));
}

#[test]
fn a_ticket_lives_beside_its_target_while_that_stays() {
    let at = |world: World, namespace: &str| world.says(&requests("carl", namespace, draft()));
    let mismatch = Said::Deny(Reason::BindingMismatch);
    assert_eq!(at(billing(), "lab"), mismatch);
    assert_eq!(at(billing(), "countersign-system"), mismatch);
    let terminating = || billing().terminating("billing");
    assert_eq!(at(terminating(), "billing"), mismatch);
    assert_eq!(
        at(terminating(), "countersign-system"),
        Said::Allow(Reason::Workflow)
    );
}

#[test]
fn readers_and_nobodies_request_nothing_in_any_mode() {
    let world = || billing().grant("carl-too", "user:carl", Role::Reader).observing();
    let ask = requests("carl", "billing", draft());
    assert_eq!(world().enforces(&ask), Said::Deny(Reason::ReaderWrites));
    for (who, reason) in [
        ("Alice", Reason::NotCanonical),
        ("system:admin", Reason::SystemUser),
        ("system:serviceaccount:ci:stray", Reason::UnregisteredAccount),
    ] {
        let ask = requests(who, "billing", draft());
        assert_eq!(world().enforces(&ask), Said::Deny(reason), "{who}");
    }
    let suspended = world().agent_but("bot", Role::Agent, "ada", "ci:bot", |agent| {
        agent.suspended = true;
    });
    let ask = requests("system:serviceaccount:ci:bot", "billing", draft());
    assert_eq!(suspended.enforces(&ask), Said::Deny(Reason::AgentSuspended));
}

pub(super) fn reviews(who: &str, ticket: &Arc<Ticket>, decision: ReviewDecision) -> ReviewDraft {
    ReviewDraft {
        ticket: Some(ticket.clone()),
        ticket_uid: ticket.uid.to_string(),
        binding_hash: ticket.binding_hash(),
        decision,
        reviewer: id(&format!("user:{who}")),
        proof: Proof::Kubernetes,
        stamped: true,
    }
}

pub(super) fn submits(who: &str, draft: ReviewDraft) -> Ask {
    creates(who, "billing/approvalreviews.countersign.dev/r").own(Own::Review(draft.into()))
}

#[test]
fn a_review_fits_its_ticket() {
    let (world, ticket) = billing().ticket(&carls_write(), pending(), &[]);
    let flawed = |change: fn(&mut ReviewDraft)| {
        let mut draft = reviews("olga", &ticket, Approve);
        change(&mut draft);
        let mut lenient = World {
            snapshot: world.snapshot.clone(),
        };
        let strict = lenient.says(&submits("olga", draft.clone()));
        lenient = lenient.observing();
        assert_eq!(lenient.enforces(&submits("olga", draft)), strict, "in every mode");
        strict
    };
    assert_eq!(flawed(|_| ()), Said::Allow(Reason::Workflow));
    let mismatch = Said::Deny(Reason::BindingMismatch);
    assert_eq!(flawed(|d| d.ticket = None), mismatch);
    assert_eq!(flawed(|d| d.ticket_uid = "old".to_owned()), mismatch);
    assert_eq!(flawed(|d| d.binding_hash = digest(9)), mismatch);
    let alone = Said::Deny(Reason::OperatorOnly);
    assert_eq!(flawed(|d| d.stamped = false), alone);
    assert_eq!(
        flawed(|d| d.reviewer = id("user:ada")),
        alone,
        "a stamp of somebody else's review"
    );
}

#[test]
fn ineligible_reviews_are_refused_in_every_mode() {
    let (world, ticket) = billing().ticket(&carls_write(), pending(), &[]);
    let world = world.contributor("strange").observing();
    for (who, decision) in [
        ("carl", Approve),
        ("carl", Deny),
        ("strange", Approve),
        ("strange", Deny),
        ("unheard", Deny),
        ("olga", Cancel),
    ] {
        let ask = submits(who, reviews(who, &ticket, decision));
        assert_eq!(
            world.enforces(&ask),
            Said::Deny(Reason::IneligibleReviewer),
            "{who} {decision:?}"
        );
    }
    let cancels = submits("carl", reviews("carl", &ticket, Cancel));
    assert_eq!(world.enforces(&cancels), Said::Allow(Reason::Workflow));
    let mut nobody = submits("olga", reviews("olga", &ticket, Deny));
    nobody.username = "Olga".to_owned();
    assert_eq!(world.enforces(&nobody), Said::Deny(Reason::NotCanonical));
}

#[test]
fn what_is_open_to_which_decision() {
    let claim = Claim {
        bind: digest(1),
        by: "".into(),
        object_uid: None,
        claimed_at: crate::fixtures::now(),
        resource_version: None,
        resent: false,
    };
    let claimed = TicketState::Claimed {
        usable_until: crate::fixtures::after(900),
        claim: claim.clone(),
        stop: None,
    };
    for (state, open) in [
        (pending(), vec![Approve, Deny]),
        (approved(), vec![Approve, Deny, Revoke]),
        (claimed, vec![Deny, Revoke]),
        (TicketState::Consumed { claim }, vec![]),
        (TicketState::Ended(End::Denied), vec![]),
        (TicketState::Ended(End::Expired), vec![]),
    ] {
        let (world, ticket) = billing().ticket(&carls_write(), state, &[]);
        for decision in [Approve, Deny, Revoke] {
            let expected = if open.contains(&decision) {
                Said::Allow(Reason::Workflow)
            } else {
                Said::Deny(Reason::BindingMismatch)
            };
            let ask = submits("olga", reviews("olga", &ticket, decision));
            assert_eq!(
                world.says(&ask),
                expected,
                "{decision:?} of {}",
                ticket.state.as_str()
            );
        }
    }
}

#[test]
fn an_approval_that_is_proven_no_more_is_given_anew() {
    let (world, ticket) = billing().ticket(&carls_write(), pending(), &[]);
    let world = world.review(&ticket, "user:olga", Approve);
    let says = |world: &World| world.says(&submits("olga", reviews("olga", &ticket, Approve)));
    assert_eq!(says(&world), Said::Deny(Reason::BindingMismatch), "it counts");
    let signed = world.policy(|policy| policy.approvals.signed_in_prod = true);
    assert_eq!(
        says(&signed),
        Said::Deny(Reason::BadProof),
        "it does not count, and a better one may"
    );
}

#[test]
fn one_person_says_a_thing_once_and_may_still_change_their_mind() {
    let (world, ticket) = billing().ticket(&carls_write(), pending(), &[]);
    let world = world.review(&ticket, "user:olga", Approve);
    let says = |decision| world.says(&submits("olga", reviews("olga", &ticket, decision)));
    assert_eq!(says(Approve), Said::Deny(Reason::BindingMismatch));
    assert_eq!(says(Deny), Said::Allow(Reason::Workflow));
}

const MUTATORS: [&str; 2] = ["MutatingWebhookConfiguration/m", "MutatingAdmissionPolicy/m"];

#[test]
fn what_a_foreign_mutator_could_change_is_not_made() {
    let (world, ticket) = billing().ticket(&carls_write(), pending(), &[]);
    let world = || World {
        snapshot: world.snapshot.clone(),
    };
    let foreign = Said::Deny(Reason::ForeignMutator);
    let allowed = Said::Allow(Reason::Workflow);
    let accepting =
        |mutator: &str| world().policy(|policy| policy.accepted_mutators = vec![mutator.parse().unwrap()]);
    for mutator in MUTATORS {
        for (told, world, expected) in [
            ("there", world().mutated(mutator, None), foreign),
            ("gone a moment ago", world().mutated(mutator, Some(11)), foreign),
            ("gone", world().mutated(mutator, Some(12)), allowed),
            ("accepted", accepting(mutator).mutated(mutator, None), allowed),
            (
                "of another kind than accepted",
                accepting(MUTATORS[0]).mutated(MUTATORS[1], None),
                foreign,
            ),
            (
                "of another name than accepted",
                accepting("MutatingAdmissionPolicy/n").mutated(mutator, None),
                foreign,
            ),
            (
                "while nothing is enforced",
                world().mutated(mutator, None).observing(),
                allowed,
            ),
        ] {
            let approves = submits("olga", reviews("olga", &ticket, Approve));
            assert_eq!(world.enforces(&approves), expected, "{mutator}, {told}");
            let requests = requests("carl", "billing", draft());
            assert_eq!(world.enforces(&requests), expected, "{mutator}, {told}");
            for (who, decision) in [("olga", Deny), ("carl", Cancel)] {
                let refuses = submits(who, reviews(who, &ticket, decision));
                assert_eq!(world.enforces(&refuses), allowed, "{mutator}, {told}");
            }
        }
    }
}

#[test]
fn nothing_is_approved_while_mutators_are_not_known() {
    let (mut world, ticket) = billing().ticket(&carls_write(), pending(), &[]);
    world.snapshot.mutators.stale = true;
    let says = |decision| world.says(&submits("olga", reviews("olga", &ticket, decision)));
    assert_eq!(says(Approve), Said::Deny(Reason::Stale));
    assert_eq!(says(Deny), Said::Allow(Reason::Workflow));
    let requested = world.says(&requests("carl", "billing", draft()));
    assert_eq!(requested, Said::Deny(Reason::Stale));
}

#[test]
fn an_approval_of_the_time_of_a_foreign_mutator_counts_no_more_and_is_made_again() {
    let mutated = |gone| {
        let (world, ticket) = billing().ticket(&carls_write(), approved(), &[]);
        let world = world.review(&ticket, "user:olga", Approve);
        (world.mutated(MUTATORS[0], gone), ticket)
    };
    // The review is of this moment.
    let (world, _) = mutated(Some(11));
    assert_eq!(world.says(&carls_write()), Said::Allow(Reason::Approved));
    let (world, _) = mutated(Some(10));
    assert_eq!(world.says(&carls_write()), Said::Deny(Reason::TicketSpent));
    let (mut world, ticket) = mutated(Some(0));
    let again = submits("olga", reviews("olga", &ticket, Approve));
    assert_eq!(world.says(&again), Said::Deny(Reason::ForeignMutator));
    world = world.policy(|policy| policy.accepted_mutators = vec![MUTATORS[0].parse().unwrap()]);
    assert_eq!(world.says(&carls_write()), Said::Allow(Reason::Approved));
}
