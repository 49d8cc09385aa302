//! The engine against a naive oracle, over generated worlds and requests.
//!
//! `oracle/rules.rs` is written from the rules as people read them, over plain lists, with none of the engine's code:
//!
//! * not guarded: Events, virtual creates, a service account's Leases in its own namespace;
//! * the operator's own writes, and what is the operator's alone: status of Countersign's kinds, changes and removals of
//!   tickets and reviews, tasks, its keys;
//! * rule 1: tickets (own subject, own cluster and place, hashes that fit, a good stamp, not too many) and reviews (an
//!   open ticket, the hash that was seen, an eligible person, once), which nothing relaxes; integrity of the kinds that
//!   permit (seals, overlap, shared accounts, live admins, the policy while strict, who switches strict mode);
//! * rule 2: the control plane's delegations, for a few of its members, and configured ones with fields, namespaces and
//!   an end, never for people, agents or Countersign's own kinds;
//! * stolen identities: pods, Deployments, tokens, accounts and connections of agents and delegated subjects;
//! * rules 3 and 4: identity, suspension, the effective role with contradicting grants, teams, directory groups;
//! * rule 5: owner, cooperator, agents of the owning team, admins, public places, the unzoned, contested places, what is in
//!   a namespace that ends;
//! * rule 6: what agents end, explained by an intent or an approval, or not;
//! * rule 7: no-ops, prod, zones and rules that ask for review and how many, names that the server makes, objects that
//!   cannot be read, tickets in every state with reviews of every kind, what undoes an approved change;
//! * environments by name, label and changed label; subresources, known and unknown;
//! * relaxation: strict mode off, the off switch, environments that warn, fail-closed reasons, integrity, dry runs;
//! * break-glass: who opens, ends and reviews a window, what one lets pass, and the lock of strict mode.
//!
//! `make test` runs 20 000 cases; `PROPTEST_CASES` says another number, and `PROPTEST_RNG_SEED` repeats what was
//! printed. `oracle/seeded-bugs` lists faults of the engine that this test must find.

#[path = "oracle/lower.rs"]
mod lower;
#[path = "oracle/rules.rs"]
mod rules;
#[path = "oracle/world.rs"]
mod world;

use std::{
    cell::RefCell,
    collections::BTreeMap,
    hash::{BuildHasher, RandomState},
};

use countersign_core::{
    decide::decide,
    decision::{Decision, Reason},
    relax::{Mode, preview, relax},
};
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};

use rules::Verdict;

/// How many cases `make test` runs.
const CASES: u32 = 20_000;

/// The rule that gives a reason; `None` of what is found before or after the rules.
const fn rule_of(reason: Reason) -> Option<&'static str> {
    use Reason as R;
    Some(match reason {
        R::NotGuarded => "not_guarded",
        R::Operator | R::OperatorOnly => "operator",
        R::Workflow
        | R::Immutable
        | R::ForeignSubject
        | R::BindingMismatch
        | R::IneligibleReviewer
        | R::BadProof
        | R::TooManyPending => "rule_1_workflow",
        R::ForeignMutator => "foreign_mutators",
        R::Invalid
        | R::ZoneOverlap
        | R::TooFewAdmins
        | R::StrictMode
        | R::PermissionsChanged
        | R::Unsealed => "rule_1_integrity",
        R::Delegated => "rule_2_delegation",
        R::StolenIdentity => "stolen_identities",
        R::UnregisteredAccount
        | R::AmbiguousAccount
        | R::ForeignAccount
        | R::SystemUser
        | R::NotCanonical
        | R::AgentSuspended
        | R::AgentDegraded => "rule_3_identity",
        R::ReaderWrites | R::AdminOnly => "rule_4_role",
        R::IntentRequired => "rule_6_guardrails",
        R::NotOfZone | R::Unzoned | R::ZoneContested => "rule_5_zone",
        R::NoOp
        | R::Permitted
        | R::ApprovalRequired
        | R::Approved
        | R::Rollback
        | R::TicketSpent
        | R::TicketDenied
        | R::GeneratedName
        | R::Malformed
        | R::Unreadable => "rule_7_approval",
        R::PolicyUnreadable | R::PolicyMissing => "policy",
        R::Relaxed | R::Emergency | R::Preview => "relaxation",
        R::BreakGlassRefused => "rule_1_emergency",
        // Whether a parent lives is asked of the API server; its tests are beside it.
        R::ParentUnproven
        | R::BadIntent
        | R::BadRotation
        | R::RateLimited
        | R::Stale
        | R::WrongClock
        | R::AuditUnavailable
        | R::DeadlineExceeded
        | R::Overloaded
        // What the passcode signed is proven before the rules: its tests are beside it.
        | R::BadPasscode
        | R::TooManyAttempts => return None,
    })
}

fn said(decision: &Decision) -> Verdict {
    match decision {
        Decision::Allow(grant) => Verdict::Allow(grant.reason()),
        Decision::NeedsTicket(demand) => Verdict::NeedsTicket(demand.needs.count),
        Decision::Deny(denial) => Verdict::Deny(denial.reason),
    }
}

/// What the API server is told: a dry run stores nothing, so it needs no ticket.
fn enforced(decision: Decision, dry_run: bool) -> Verdict {
    match decision {
        Decision::NeedsTicket(demand) if dry_run => Verdict::Allow(preview(&demand).reason()),
        decision => said(&decision),
    }
}

const fn reason(verdict: Verdict) -> Reason {
    match verdict {
        Verdict::Allow(reason) | Verdict::Deny(reason) => reason,
        Verdict::NeedsTicket(_) => Reason::ApprovalRequired,
    }
}

/// How often each reason came up, of the rules and of what is enforced.
#[derive(Default)]
struct Seen(BTreeMap<Reason, usize>);

impl Seen {
    fn note(&mut self, verdict: Verdict, effect: Verdict) {
        *self.0.entry(reason(verdict)).or_default() += 1;
        if effect != verdict {
            *self.0.entry(reason(effect)).or_default() += 1;
        }
    }

    fn print(&self) {
        let mut rules: BTreeMap<&str, usize> = BTreeMap::new();
        for (reason, count) in &self.0 {
            *rules.entry(rule_of(*reason).unwrap_or("elsewhere")).or_default() += count;
        }
        for (rule, count) in rules {
            println!("oracle_{rule} {count} decisions");
        }
        for (reason, count) in &self.0 {
            println!("oracle_reason_{reason} {count} decisions");
        }
    }

    /// What never came up although the rules give it.
    fn missing(&self) -> Vec<Reason> {
        let given = |reason: &Reason| rule_of(*reason).is_some();
        let unseen = |reason: &Reason| !self.0.contains_key(reason);
        let all = Reason::ALL.iter().copied();
        all.filter(|reason| given(reason) && unseen(reason)).collect()
    }
}

/// The standing slice is the same each time; who asks for more wants others.
fn config() -> Config {
    let named = Config::default();
    let chosen = std::env::var_os("PROPTEST_CASES").is_some();
    let seed = match named.rng_seed {
        RngSeed::Fixed(seed) => seed,
        RngSeed::Random if chosen => RandomState::new().hash_one("seed"),
        RngSeed::Random => 0,
    };
    Config {
        cases: if chosen { named.cases } else { CASES },
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        ..named
    }
}

#[test]
fn the_engine_decides_as_the_rules_say() {
    let config = config();
    println!("oracle_seed {} of {} cases", config.rng_seed, config.cases);
    let seen: RefCell<Seen> = RefCell::default();
    let mut runner = TestRunner::new(config.clone());
    let outcome = runner.run(&world::case(), |case| {
        let expected = rules::judge(&case);
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
        let effect = enforced(relax(decision, &Mode::of(&snapshot, &findings)).0, case.dry_run);
        seen.borrow_mut().note(verdict, effect);
        if (verdict, effect) == expected {
            Ok(())
        } else {
            let message = format!(
                "engine {verdict:?}, then {effect:?}; rules {:?}, then {:?}",
                expected.0, expected.1
            );
            Err(TestCaseError::fail(message))
        }
    });
    if let Err(error) = outcome {
        panic!("{error}\n{runner}");
    }
    let seen = seen.into_inner();
    seen.print();
    println!("oracle_agreed {} decisions", config.cases);
    let missing = seen.missing();
    assert!(
        config.cases < CASES || missing.is_empty(),
        "never came up: {missing:?}"
    );
}
