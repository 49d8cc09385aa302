//! The engine against a naive oracle, over generated worlds and requests.
//!
//! `oracle/rules.rs` is written from the rules as people read them, over plain lists, with none of the engine's code:
//!
//! * not guarded: Events, virtual creates, a service account's Leases in its own namespace;
//! * the operator's own writes, and what is the operator's alone: status of Countersign's kinds, changes of tickets
//!   and reviews, its keys;
//! * rule 1: tickets (own subject, own cluster and place, hashes that fit, a good stamp) and reviews (an open ticket,
//!   the hash that was seen, an eligible person, once), which nothing relaxes; integrity of the kinds that permit
//!   (overlap, shared accounts, live admins, the policy while strict, who switches strict mode);
//! * rule 2: the control plane's delegations, for a few of its members, and configured ones, never for people, agents
//!   or Countersign's own kinds;
//! * rules 3 and 4: identity, suspension, the effective role with contradicting grants, teams, directory groups;
//! * rule 5: owner, cooperator, agents of the owning team, admins, public places, the unzoned, contested places;
//! * rule 7: no-ops, prod, zones and rules that ask for review, tickets in every state with reviews of every kind;
//! * relaxation: strict mode off, environments that warn, fail-closed reasons, integrity.
//!
//! `make test` runs 20 000 cases; `PROPTEST_CASES` raises or lowers the number.

#[path = "oracle/lower.rs"]
mod lower;
#[path = "oracle/rules.rs"]
mod rules;
#[path = "oracle/world.rs"]
mod world;

use std::{cell::RefCell, collections::BTreeMap};

use countersign_core::{
    decide::decide,
    decision::{Decision, Reason},
    relax::{Mode, relax},
};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use rules::Verdict;

fn said(decision: &Decision) -> Verdict {
    match decision {
        Decision::Allow(grant) => Verdict::Allow(grant.reason()),
        Decision::NeedsTicket(_) => Verdict::NeedsTicket,
        Decision::Deny(denial) => Verdict::Deny(denial.reason),
    }
}

/// How many cases `make test` runs.
const CASES: u32 = 20_000;

/// What must have come up, or the generator proves little.
const EXPECTED: [Verdict; 34] = [
    Verdict::NeedsTicket,
    Verdict::Allow(Reason::NotGuarded),
    Verdict::Allow(Reason::Operator),
    Verdict::Allow(Reason::Workflow),
    Verdict::Allow(Reason::Delegated),
    Verdict::Allow(Reason::NoOp),
    Verdict::Allow(Reason::Permitted),
    Verdict::Allow(Reason::Approved),
    Verdict::Deny(Reason::PolicyUnreadable),
    Verdict::Deny(Reason::PolicyMissing),
    Verdict::Deny(Reason::ZoneContested),
    Verdict::Deny(Reason::UnregisteredAccount),
    Verdict::Deny(Reason::AmbiguousAccount),
    Verdict::Deny(Reason::ForeignAccount),
    Verdict::Deny(Reason::SystemUser),
    Verdict::Deny(Reason::NotCanonical),
    Verdict::Deny(Reason::AgentSuspended),
    Verdict::Deny(Reason::AgentDegraded),
    Verdict::Deny(Reason::ReaderWrites),
    Verdict::Deny(Reason::AdminOnly),
    Verdict::Deny(Reason::NotOfZone),
    Verdict::Deny(Reason::Unzoned),
    Verdict::Deny(Reason::TicketSpent),
    Verdict::Deny(Reason::TicketDenied),
    Verdict::Deny(Reason::GeneratedName),
    Verdict::Deny(Reason::Invalid),
    Verdict::Deny(Reason::ZoneOverlap),
    Verdict::Deny(Reason::TooFewAdmins),
    Verdict::Deny(Reason::OperatorOnly),
    Verdict::Deny(Reason::Immutable),
    Verdict::Deny(Reason::ForeignSubject),
    Verdict::Deny(Reason::BindingMismatch),
    Verdict::Deny(Reason::IneligibleReviewer),
    Verdict::Deny(Reason::StrictMode),
];

#[test]
fn the_engine_decides_as_the_rules_say() {
    let chosen = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|text| text.parse().ok());
    let config = Config {
        cases: chosen.unwrap_or(CASES),
        failure_persistence: None,
        ..Config::default()
    };
    // The standing slice is the same each time; who asks for more wants others.
    let mut runner = match chosen {
        None => TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha)),
        Some(_) => TestRunner::new(config),
    };
    let seen: RefCell<BTreeMap<String, usize>> = RefCell::default();
    let outcome = runner.run(&world::case(), |case| {
        let (expected, expected_effect) = rules::judge(&case);
        let snapshot = lower::snapshot(&case);
        let asked = lower::Asked::of(&case);
        let (decision, findings) = decide(&asked.request(), &snapshot, lower::now());
        if let Decision::Deny(denial) = &decision
            && denial.reason.is_configured()
            && denial.cause.is_none()
        {
            return Err(TestCaseError::fail(format!("{denial:?} cites nothing")));
        }
        let verdict = said(&decision);
        let effect = said(&relax(decision, Mode::of(&snapshot, &findings)).0);
        *seen.borrow_mut().entry(format!("{expected:?}")).or_default() += 1;
        if (verdict, effect) == (expected, expected_effect) {
            Ok(())
        } else {
            let message =
                format!("engine {verdict:?}, then {effect:?}; rules {expected:?}, then {expected_effect:?}");
            Err(TestCaseError::fail(message))
        }
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    let seen = seen.into_inner();
    let missing: Vec<_> = EXPECTED
        .iter()
        .map(|verdict| format!("{verdict:?}"))
        .filter(|verdict| !seen.contains_key(verdict))
        .collect();
    println!("{seen:#?}");
    assert!(
        chosen.is_some() || missing.is_empty(),
        "never came up: {missing:?}\n{seen:#?}"
    );
}
