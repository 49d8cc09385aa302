//! Who may review, and what reviews add up to.

use proptest::{bool::weighted, collection::vec, prelude::*, sample::select};
use ssh_key::{HashAlg, LineEnding, PrivateKey, private::Ed25519Keypair};

use super::{Outcome::*, ReviewDecision::*, *};
use crate::{
    authn,
    environment::Environment,
    fixtures::{Ask, World, after, approved, id, pending, ticket_for, updates, world, zone},
    gitops::Authorship,
    policy::ReviewRule,
    request::Caller,
    ssh::{self, Statement},
    ticket::TicketState,
};

/// The kind of an answer, without the names in it.
#[derive(Debug, PartialEq, Eq)]
enum Why {
    Fine,
    NotHuman,
    Subject,
    Requester,
    Author,
    AgentOwner,
    Role,
    NotOfZone,
    NotAdmin,
    NotTheirs,
    Contested,
}

impl From<Result<(), Ineligible>> for Why {
    fn from(answer: Result<(), Ineligible>) -> Self {
        match answer {
            Ok(()) => Self::Fine,
            Err(Ineligible::NotHuman(_)) => Self::NotHuman,
            Err(Ineligible::Subject(_)) => Self::Subject,
            Err(Ineligible::Requester(_)) => Self::Requester,
            Err(Ineligible::Author(_)) => Self::Author,
            Err(Ineligible::AgentOwner(_)) => Self::AgentOwner,
            Err(Ineligible::Role { .. }) => Self::Role,
            Err(Ineligible::NotOfZone { .. }) => Self::NotOfZone,
            Err(Ineligible::NotAdmin(_)) => Self::NotAdmin,
            Err(Ineligible::NotTheirs(_)) => Self::NotTheirs,
            Err(Ineligible::Contested(_)) => Self::Contested,
        }
    }
}

const BOT: &str = "system:serviceaccount:ci:bot";

/// Olga owns billing; Carl and the agent bot (of Greta) cooperate; Rita reviews; Tess is of the team that cooperates.
fn billing() -> World {
    let mut billing = zone("billing", "user:olga", &["billing/**"]);
    billing.cooperators = vec![id("user:carl"), id("team:sre"), id("agent:bot")];
    billing.reviewers = vec![id("user:rita"), id("user:reed")];
    let people = ["olga", "carl", "rita", "tess", "greta", "strange"];
    let world = people.into_iter().fold(world(), World::contributor);
    world
        .admin("ada")
        .agent("bot", Role::Agent, "greta", "ci:bot")
        .team("sre", &["user:tess", "agent:bot"], &["oncall"])
        .zone(billing)
}

fn bots_write() -> Ask {
    updates(BOT, "billing/deployments.apps/web")
}

/// What a review of bot's ticket by `who` is answered.
fn judged(world: World, who: &str, decision: ReviewDecision) -> Why {
    let (world, ticket) = world.ticket(&bots_write(), pending(), &["user:tess"]);
    check_eligible(
        &authn::absent(&id(who), &world.snapshot),
        decision,
        &ticket,
        &world.snapshot,
    )
    .into()
}

#[test]
fn who_may_review_the_ticket_of_an_agent() {
    for (who, expected) in [
        ("user:olga", Why::Fine),
        ("user:carl", Why::Fine),
        ("user:rita", Why::Fine),
        ("user:ada", Why::Fine),
        ("user:tess", Why::Author),
        ("user:greta", Why::AgentOwner),
        ("agent:bot", Why::NotHuman),
        ("agent:other", Why::NotHuman),
        ("team:sre", Why::NotHuman),
        // A reviewer of the zone who is a reader: contributors review.
        ("user:reed", Why::Role),
        ("user:strange", Why::NotOfZone),
        ("user:unheard", Why::Role),
    ] {
        for decision in [Approve, Deny, Revoke] {
            // Who asks names the authors: that silences no denial.
            let stands = expected == Why::Author && decision != Approve;
            let expected = if stands { &Why::Fine } else { &expected };
            assert_eq!(&judged(billing(), who, decision), expected, "{who} {decision:?}");
        }
    }
}

#[test]
fn authors_whom_nothing_proves_cost_one_reviewer_more() {
    for (authorship, required) in [
        (Authorship::Claimed, 1),
        (Authorship::Verified, 1),
        (Authorship::Unverified, 2),
    ] {
        let (world, ticket) = billing().ticket(&bots_write(), pending(), &[]);
        let mut ticket = (*ticket).clone();
        ticket.provenance.authorship = authorship;
        let world = world.review(&ticket, "user:olga", Approve);
        let one = tally(&ticket, &world.snapshot);
        assert_eq!(one.required, required, "{authorship:?}");
        assert_eq!(one.outcome == Outcome::Approved, required == 1, "{authorship:?}");
        let world = world.review(&ticket, "user:rita", Approve);
        assert_eq!(tally(&ticket, &world.snapshot).outcome, Outcome::Approved);
    }
}

#[test]
fn subject_and_requester_cancel_and_never_review() {
    let (world, ticket) = billing().ticket(&bots_write(), pending(), &[]);
    let mut ticket = (*ticket).clone();
    ticket.requester = id("user:carl");
    for (who, review, cancel) in [
        ("agent:bot", Why::NotHuman, Why::Fine),
        ("user:carl", Why::Requester, Why::Fine),
        ("user:olga", Why::Fine, Why::NotTheirs),
        ("user:ada", Why::Fine, Why::NotTheirs),
        ("user:greta", Why::AgentOwner, Why::NotTheirs),
    ] {
        let subject = authn::absent(&id(who), &world.snapshot);
        let answer = |decision| Why::from(check_eligible(&subject, decision, &ticket, &world.snapshot));
        assert_eq!(answer(Approve), review, "{who}");
        assert_eq!(answer(Cancel), cancel, "{who}");
    }
    let carls = billing().ticket(&updates("carl", "billing/configmaps/app"), pending(), &[]);
    let carl = authn::absent(&id("user:carl"), &carls.0.snapshot);
    let answer = check_eligible(&carl, Approve, &carls.1, &carls.0.snapshot);
    assert_eq!(Why::from(answer), Why::Subject);
}

#[test]
fn the_policy_may_let_owners_review_their_agents() {
    let allowed = |world: World| world.policy(|policy| policy.approvals.agent_owner_may_review = true);
    assert_eq!(
        judged(allowed(billing()), "user:greta", Approve),
        Why::NotOfZone,
        "still of the zone"
    );
    let admin = allowed(billing()).grant("greta-admin", "user:greta", Role::Admin);
    assert_eq!(
        judged(admin, "user:greta", Approve),
        Why::NotOfZone,
        "grants that contradict give the least"
    );
    let of_zone = allowed(billing()).team("sre", &["user:greta", "agent:bot"], &[]);
    assert_eq!(judged(of_zone, "user:greta", Approve), Why::Fine);
}

#[test]
fn reviewers_by_team_role_rule_and_directory() {
    let tess = |world: World| {
        let (world, ticket) = world.ticket(&bots_write(), pending(), &[]);
        let subject = authn::absent(&id("user:tess"), &world.snapshot);
        Why::from(check_eligible(&subject, Approve, &ticket, &world.snapshot))
    };
    assert_eq!(tess(billing()), Why::Fine, "of a cooperating team");
    let rule = |roles: &[Role]| {
        let rule = ReviewRule {
            name: "deployments".into(),
            objects: vec![crate::glob::Glob::object("*/deployments.apps/*").unwrap()],
            paths: Vec::new(),
            min_reviewers: 1,
            reviewer_roles: roles.to_vec(),
        };
        billing().policy(|policy| policy.review_rules = vec![rule])
    };
    assert_eq!(
        tess(rule(&[Role::Admin])),
        Why::Role,
        "a rule narrows the roles of the zone"
    );
    assert_eq!(tess(rule(&[Role::Contributor, Role::Admin])), Why::Fine);
    let mut readable = zone("billing", "user:olga", &["billing/**"]);
    readable.cooperators = vec![id("agent:bot")];
    readable.reviewers = vec![id("user:reed")];
    readable.reviewer_roles = vec![Role::Reader];
    let world = billing().zone(readable);
    assert_eq!(
        judged(world, "user:reed", Approve),
        Why::Fine,
        "a reader, where the zone says so"
    );
}

#[test]
fn directory_groups_count_while_their_holder_asks() {
    let (world, ticket) = billing()
        .policy(|policy| policy.group_roles = vec![("engineers".into(), Role::Contributor)])
        .ticket(&bots_write(), pending(), &[]);
    let answer = |groups: &[std::borrow::Cow<'_, str>]| {
        let caller = Caller {
            username: "dora",
            uid: "",
            groups,
        };
        let policy = world.snapshot.policy.get().unwrap();
        let subject = authn::identify(&caller, &world.snapshot, policy).unwrap();
        Why::from(check_eligible(&subject, Approve, &ticket, &world.snapshot))
    };
    assert_eq!(answer(&["engineers".into(), "oncall".into()]), Why::Fine);
    assert_eq!(answer(&["engineers".into()]), Why::NotOfZone);
    assert_eq!(answer(&["oncall".into()]), Why::Role);
    assert_eq!(answer(&[]), Why::Role);
    // What a group gave is not known once its holder is gone: such an approval does not count towards the quorum.
    let world = world.review(&ticket, "user:dora", Approve);
    assert_eq!(tally(&ticket, &world.snapshot).outcome, Open);
}

#[test]
fn outside_zones_only_other_admins_review() {
    let ask = updates("ada", "billing/configmaps/app");
    let world = world().admin("ada").admin("abel").contributor("carl");
    let (world, ticket) = world.ticket(&ask, pending(), &[]);
    for (who, expected) in [
        ("user:abel", Why::Fine),
        ("user:ada", Why::Subject),
        ("user:carl", Why::NotAdmin),
    ] {
        let subject = authn::absent(&id(who), &world.snapshot);
        let answer = check_eligible(&subject, Approve, &ticket, &world.snapshot);
        assert_eq!(Why::from(answer), expected, "{who}");
    }
}

#[test]
fn a_contested_place_has_no_reviewers_and_no_quorum() {
    let (world, ticket) = billing().ticket(&bots_write(), pending(), &[]);
    let world = world.zone(zone("rival", "user:strange", &["billing/deployments.apps/*"]));
    let olga = authn::absent(&id("user:olga"), &world.snapshot);
    assert_eq!(
        check_eligible(&olga, Approve, &ticket, &world.snapshot),
        Err(Ineligible::Contested("billing, rival".to_owned()))
    );
    let world = world.review(&ticket, "user:ada", Approve);
    assert_eq!(tally(&ticket, &world.snapshot).outcome, Open);
}

/// What these reviews of bot's ticket add up to, where two are needed.
fn of_two(reviews: &[(&str, ReviewDecision)]) -> Outcome {
    let world = billing().policy(|policy| policy.defaults.min_reviewers = 2);
    let (mut world, ticket) = world.ticket(&bots_write(), pending(), &[]);
    for (who, decision) in reviews {
        world = world.review(&ticket, who, *decision);
    }
    let tally = tally(&ticket, &world.snapshot);
    assert_eq!(tally.required, 2);
    tally.outcome
}

#[test]
fn reviews_add_up() {
    let [olga, carl, rita, greta] = ["user:olga", "user:carl", "user:rita", "user:greta"];
    for (reviews, expected) in [
        (vec![], Open),
        (vec![(olga, Approve)], Open),
        (vec![(olga, Approve), (olga, Approve)], Open),
        (vec![(olga, Approve), (carl, Approve)], Approved),
        (vec![(olga, Approve), (greta, Approve)], Open),
        (vec![(olga, Approve), ("user:strange", Approve)], Open),
        (vec![(olga, Approve), ("agent:bot", Approve)], Open),
        (vec![(olga, Approve), (carl, Approve), (rita, Deny)], Denied),
        (vec![(rita, Deny), (olga, Approve), (carl, Approve)], Denied),
        (vec![(olga, Approve), (rita, Deny), (carl, Approve)], Denied),
        (vec![(olga, Approve), (carl, Approve), (olga, Deny)], Denied),
        (vec![(olga, Approve), (carl, Approve), (olga, Revoke)], Revoked),
        (vec![(olga, Revoke), (carl, Deny)], Denied),
        (
            vec![(olga, Approve), (carl, Approve), ("agent:bot", Cancel)],
            Cancelled,
        ),
    ] {
        assert_eq!(of_two(&reviews), expected, "{reviews:?}");
    }
}

#[test]
fn an_approval_counts_while_its_reviewer_is_eligible_and_a_no_for_ever() {
    let (world, ticket) = billing().ticket(&bots_write(), pending(), &[]);
    let approved = world.review(&ticket, "user:carl", Approve);
    assert_eq!(tally(&ticket, &approved.snapshot).outcome, Approved);
    let mut without_carl = approved;
    without_carl.snapshot.grants.remove(&id("user:carl"));
    assert_eq!(tally(&ticket, &without_carl.snapshot).outcome, Open);
    for (decision, outcome) in [(Deny, Denied), (Revoke, Revoked)] {
        let (world, ticket) = billing().ticket(&bots_write(), pending(), &[]);
        let mut world = world.review(&ticket, "user:carl", decision);
        world.snapshot.grants.remove(&id("user:carl"));
        assert_eq!(tally(&ticket, &world.snapshot).outcome, outcome);
    }
}

#[test]
fn a_review_of_another_binding_does_not_count() {
    let (world, ticket) = billing().ticket(&bots_write(), pending(), &[]);
    for decision in [Approve, Deny, Revoke] {
        let mut other = (*ticket).clone();
        other.nonce = "another".into();
        let (world, _) = billing().ticket(&bots_write(), pending(), &[]);
        let world = world.review(&other, "user:olga", decision);
        assert_eq!(tally(&ticket, &world.snapshot).outcome, Open, "{decision:?}");
    }
    assert_eq!(tally(&ticket, &world.snapshot).counted, []);
}

#[test]
fn the_most_that_zone_rules_and_defaults_ask_is_needed() {
    let rule = |glob: &str, min_reviewers| ReviewRule {
        name: glob.into(),
        objects: vec![crate::glob::Glob::object(glob).unwrap()],
        paths: Vec::new(),
        min_reviewers,
        reviewer_roles: vec![Role::Contributor],
    };
    for (of_zone, of_default, of_rule, expected) in [
        (0, 0, None, 1),
        (2, 1, None, 2),
        (1, 3, None, 3),
        (1, 1, Some(rule("billing/**", 4)), 4),
        (2, 1, Some(rule("lab/**", 4)), 2),
    ] {
        let mut billing_zone = zone("billing", "user:olga", &["billing/**"]);
        billing_zone.min_reviewers = of_zone;
        billing_zone.cooperators = vec![id("agent:bot")];
        let world = billing().zone(billing_zone).policy(|policy| {
            policy.defaults.min_reviewers = of_default;
            policy.review_rules = of_rule.into_iter().collect();
        });
        assert_eq!(world.demand(&bots_write()).needs.count, expected);
    }
    let asked = billing().demand(&bots_write()).needs.whom();
    assert_eq!(asked, "user:olga (owner of zone `billing`)");
    let unzoned = updates("ada", "attic/configmaps/app");
    assert_eq!(billing().demand(&unzoned).needs.whom(), "an admin");
}

#[test]
fn an_unreadable_policy_has_no_reviewers() {
    let (mut world, ticket) = billing().ticket(&bots_write(), approved(), &[]);
    world = world.review(&ticket, "user:olga", Approve);
    world.snapshot.policy = crate::snapshot::PolicyState::Unreadable("spec".into());
    assert_eq!(tally(&ticket, &world.snapshot).outcome, Open);
    let same = ticket_for(
        ticket.binding.clone(),
        TicketState::Ended(crate::ticket::End::Denied),
        &[],
    );
    assert_eq!(
        same.binding_hash(),
        ticket.binding_hash(),
        "the state is no part of what is signed"
    );
}

#[test]
fn a_decision_is_called_what_objects_write() {
    let words = [Approve, Deny, Revoke, Cancel].map(ReviewDecision::as_str);
    assert_eq!(words, ["Approve", "Deny", "Revoke", "Cancel"]);
}

/// A key of somebody, and what is signed with it here.
fn key_of(who: &str) -> PrivateKey {
    let mut seed = [0; 32];
    seed[..who.len()].copy_from_slice(who.as_bytes());
    Ed25519Keypair::from_seed(&seed).into()
}

fn signed(by: &str, ticket: &Ticket, (reviewer, decision): (&str, ReviewDecision)) -> Proof {
    let statement = Statement {
        cluster_id: &ticket.binding.cluster_id,
        ticket_uid: &ticket.uid,
        binding_hash: ticket.binding_hash(),
        decision,
        reviewer: &id(reviewer),
    };
    let key = key_of(by);
    let signature = key.sign(ssh::NAMESPACE, HashAlg::Sha512, statement.to_string().as_bytes());
    Proof::Ssh {
        signature: signature.unwrap().to_pem(LineEnding::LF).unwrap().into(),
        fingerprint: key.fingerprint(HashAlg::Sha256).to_string().into(),
    }
}

/// Approvals in prod are signed; Olga and Carl have keys.
fn signing() -> World {
    billing().policy(|policy| {
        policy.approvals.signed_in_prod = true;
        for who in ["user:olga", "user:carl"] {
            let line = key_of(who).public_key().to_openssh().unwrap();
            policy.ssh_keys.insert(id(who), vec![line.parse().unwrap()]);
        }
    })
}

/// Bot's ticket with one review, proven so.
fn proven(world: World, who: &str, decision: ReviewDecision, proof: impl Fn(&Ticket) -> Proof) -> Outcome {
    let (world, ticket) = world.ticket(&bots_write(), pending(), &[]);
    let mut world = world.review(&ticket, who, decision);
    let of_ticket = world.snapshot.reviews.get_mut(&ticket.uid).unwrap();
    let mut review = (*of_ticket[0]).clone();
    review.proof = proof(&ticket);
    of_ticket.set(0, Arc::new(review));
    tally(&ticket, &world.snapshot).outcome
}

#[test]
fn in_prod_the_policy_may_ask_for_signed_approvals() {
    let by =
        |key: &'static str, who: &'static str| move |ticket: &Ticket| signed(key, ticket, (who, Approve));
    let unsigned = |_: &Ticket| Proof::Kubernetes;
    let olga = "user:olga";
    assert_eq!(proven(signing(), olga, Approve, by(olga, olga)), Approved);
    assert_eq!(proven(signing(), olga, Approve, unsigned), Open);
    assert_eq!(
        proven(signing(), olga, Approve, by("user:carl", olga)),
        Open,
        "another's key"
    );
    assert_eq!(
        proven(signing(), olga, Approve, by(olga, "user:carl")),
        Open,
        "for another"
    );
    let of_denial = |ticket: &Ticket| signed(olga, ticket, (olga, Deny));
    assert_eq!(
        proven(signing(), olga, Approve, of_denial),
        Open,
        "another decision"
    );
    assert_eq!(
        proven(billing(), olga, Approve, unsigned),
        Approved,
        "where nobody asks for it"
    );
    for (decision, outcome) in [(Deny, Denied), (Revoke, Revoked)] {
        assert_eq!(
            proven(signing(), olga, decision, unsigned),
            outcome,
            "who says no need not sign"
        );
    }
}

#[test]
fn a_key_that_was_removed_takes_its_approvals_along() {
    let olga = "user:olga";
    let removed = |world: World| world.policy(|policy| drop(policy.ssh_keys.remove(&id(olga))));
    let by_olga = |ticket: &Ticket| signed(olga, ticket, (olga, Approve));
    assert_eq!(proven(removed(signing()), olga, Approve, by_olga), Open);
    let unasked = removed(signing()).policy(|policy| policy.approvals.signed_in_prod = false);
    assert_eq!(
        proven(unasked, olga, Approve, by_olga),
        Open,
        "what is signed is known by its key alone"
    );
}

#[test]
fn elsewhere_than_in_prod_nobody_has_to_sign() {
    let (world, ticket) = signing().ticket(&bots_write(), pending(), &[]);
    let policy = world.snapshot.policy.get().unwrap();
    let mut elsewhere = (*ticket).clone();
    elsewhere.binding.environment = Environment::Preview;
    let olga = id("user:olga");
    assert_eq!(
        Proof::Kubernetes.check((&olga, Approve), &elsewhere, policy),
        Ok(())
    );
    let said = (&olga, Approve);
    assert_eq!(
        Proof::Kubernetes.check(said, &ticket, policy),
        Err(Unproven::Unsigned)
    );
    let forged = signed("user:carl", &ticket, ("user:olga", Approve)).check(said, &ticket, policy);
    let told = forged.unwrap_err().to_string();
    assert!(
        told.starts_with("the signature of user:olga proves nothing: its key SHA256:"),
        "{told}"
    );
}

#[test]
fn the_last_approval_that_was_needed_dates_the_ticket() {
    let world = billing().policy(|policy| policy.defaults.min_reviewers = 2);
    let (world, ticket) = world.ticket(&bots_write(), pending(), &[]);
    let mut world = ["user:olga", "user:carl", "user:rita"]
        .into_iter()
        .fold(world, |world, who| world.review(&ticket, who, Approve));
    let of_ticket = world.snapshot.reviews.get_mut(&ticket.uid).unwrap();
    for (number, seconds) in [(0, 20), (1, 10), (2, 30)] {
        let mut review = (*of_ticket[number]).clone();
        review.created = after(seconds);
        of_ticket.set(number, Arc::new(review));
    }
    assert_eq!(tally(&ticket, &world.snapshot).approved_at, Some(after(20)));
    let (open, waits) = billing().ticket(&bots_write(), pending(), &[]);
    assert_eq!(tally(&waits, &open.snapshot).approved_at, None);
}

const PEOPLE: [&str; 8] = [
    "user:olga",
    "user:carl",
    "user:rita",
    "user:ada",
    // The author, the agent's owner, a stranger, the agent itself.
    "user:tess",
    "user:greta",
    "user:strange",
    "agent:bot",
];

/// The first four may approve. A no is heard from whoever is on record with one, since it was taken.
fn naively(said: &[(usize, ReviewDecision, bool, i64)], needed: usize) -> Outcome {
    let rightly: Vec<_> = said.iter().filter(|(_, _, right, _)| *right).collect();
    let anybody = |wanted| rightly.iter().any(|(_, decision, ..)| *decision == wanted);
    let approves = |who: &usize| {
        rightly
            .iter()
            .any(|(other, decision, ..)| other == who && *decision == Approve)
    };
    match () {
        () if anybody(Deny) => Denied,
        () if anybody(Revoke) => Revoked,
        () if anybody(Cancel) => Cancelled,
        () if (0..4).filter(approves).count() >= needed => Approved,
        () => Open,
    }
}

proptest! {
    /// Whoever says whatever, how often and in whatever order.
    #[test]
    fn any_reviews_add_up_like_the_naive_count(
        said in vec((0..8_usize, select(vec![Approve, Approve, Approve, Approve, Deny, Revoke, Cancel]), weighted(0.9), 0..4_i64), 0..9),
        needed in 1..5_u32,
    ) {
        let world = billing().policy(|policy| policy.defaults.min_reviewers = needed);
        let (mut world, ticket) = world.ticket(&bots_write(), pending(), &["user:tess"]);
        for (who, decision, ..) in &said {
            world = world.review(&ticket, PEOPLE[*who], *decision);
        }
        for (number, (_, _, right, seconds)) in said.iter().enumerate() {
            let of_ticket = world.snapshot.reviews.get_mut(&ticket.uid).unwrap();
            let mut review = (*of_ticket[number]).clone();
            review.created = after(*seconds);
            if !right {
                review.binding_hash = Digest::of(&[b"other content"]);
            }
            of_ticket.set(number, Arc::new(review));
        }
        let needed = usize::try_from(needed).unwrap();
        prop_assert_eq!(tally(&ticket, &world.snapshot).outcome, naively(&said, needed));
    }
}
