//! Who may review, and what reviews add up to.

use super::{Outcome::*, ReviewDecision::*, *};
use crate::{
    authn,
    fixtures::{Ask, World, approved, id, pending, ticket_for, updates, world, zone},
    gitops::Authorship,
    policy::ReviewRule,
    request::Caller,
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
