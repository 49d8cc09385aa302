use super::*;
use crate::{
    decision::{Decision, Reason},
    fixtures::{Ask, Said, World, approved, deletes, id, updates, world, zone},
    glob::Glob,
    own::Own,
    review::ReviewDecision::Approve,
    role::Role,
};

const OLD: &str = r#"{"metadata":{"name":"shop","uid":"zone-uid","generation":3},"spec":{"a":1}}"#;
const NEW: &str = r#"{"metadata":{"name":"shop","uid":"zone-uid","generation":4},"spec":{"a":2}}"#;

/// Olga owns the zone shop; Ada, Abel and Olga are admins.
fn shop() -> World {
    world()
        .admin("ada")
        .admin("abel")
        .admin("olga")
        .agent("bot", Role::Agent, "ada", "ci:bot")
        .team("crew", &["user:carl", "user:cora"], &[])
        .team("bots", &["agent:bot"], &[])
        .contributor("carl")
        .contributor("cora")
        .zone(zone("shop", "user:olga", &["shop/**"]))
}

fn writes(who: &str, change: impl FnOnce(&mut Zone)) -> Ask {
    let mut next = zone("shop", "user:olga", &["shop/**"]);
    change(&mut next);
    updates(who, "@cluster/zones.countersign.dev/shop")
        .from(OLD, NEW)
        .own(Own::Zone(next))
}

fn cooperates(who: &str, cooperator: &str) -> Ask {
    writes(who, |zone| zone.cooperators = vec![id(cooperator)])
}

fn removes(who: &str) -> Ask {
    deletes(who, "@cluster/zones.countersign.dev/shop").own(Own::Removed)
}

fn joins(who: &str, team: &str, members: &[&str]) -> Ask {
    let members = members.iter().map(|member| id(member)).collect();
    let groups = Vec::new();
    updates(who, &format!("@cluster/teams.countersign.dev/{team}")).own(Own::Team(Team { members, groups }))
}

fn claims(world: &World, ask: &Ask) -> Vec<String> {
    let binding = world.demand(ask).binding;
    assert_eq!(binding.action() == ACTION, !binding.zone_claims.is_empty());
    binding.zone_claims.iter().map(ZoneClaim::to_string).collect()
}

#[test]
fn the_owner_is_asked_when_an_agent_comes_or_the_owner_goes() {
    let owned = || vec!["shop/3 user:olga".to_owned()];
    for (told, ask, expected) in [
        ("an agent cooperates", cooperates("ada", "agent:bot"), owned()),
        (
            "a team of agents cooperates",
            cooperates("ada", "team:bots"),
            owned(),
        ),
        (
            "an agent owns",
            writes("ada", |zone| zone.owner = id("agent:bot")),
            owned(),
        ),
        (
            "another owns",
            writes("ada", |zone| zone.owner = id("user:ada")),
            owned(),
        ),
        ("a person cooperates", cooperates("ada", "user:carl"), Vec::new()),
        (
            "a team of people cooperates",
            cooperates("ada", "team:crew"),
            Vec::new(),
        ),
        (
            "the owner lets an agent in",
            cooperates("olga", "agent:bot"),
            Vec::new(),
        ),
        ("the owner goes", removes("olga"), Vec::new()),
        (
            "it loses a place",
            writes("ada", |zone| zone.objects = Vec::new()),
            owned(),
        ),
        (
            "it gets a place",
            writes("ada", |zone| zone.objects.push(Glob::object("shed/**").unwrap())),
            Vec::new(),
        ),
    ] {
        assert_eq!(claims(&shop(), &ask), expected, "{told}");
    }
    assert_eq!(claims(&shop(), &removes("ada")).len(), 1, "nobody owns");
    let mut forged = shop();
    forged
        .snapshot
        .unreadable_zones
        .insert("shop".into(), "it bears no seal".into());
    let removed = forged.demand(&removes("ada")).binding;
    assert_eq!(removed.zone_claims, [], "nobody judged whose it is");
    let bots = shop().zone(zone("shop", "agent:bot", &["shop/**"]));
    assert_eq!(
        claims(&bots, &writes("ada", |_| ())),
        Vec::<String>::new(),
        "an agent's own"
    );
    let already = {
        let mut zone = zone("shop", "user:olga", &["shop/**"]);
        zone.cooperators = vec![id("agent:bot")];
        shop().zone(zone)
    };
    assert_eq!(
        claims(&already, &cooperates("ada", "agent:bot")),
        Vec::<String>::new(),
        "it was in"
    );
}

#[test]
fn an_agent_that_joins_a_team_takes_part_in_its_zones() {
    let mut shared = zone("shop", "user:olga", &["shop/**"]);
    shared.cooperators = vec![id("team:crew")];
    let world = shop().zone(shared).zone(zone("dock", "team:crew", &["dock/**"]));
    let joined = claims(&world, &joins("ada", "crew", &["user:carl", "agent:bot"]));
    assert_eq!(joined, ["dock team:crew", "shop user:olga"]);
    let people = joins("ada", "crew", &["user:carl", "user:dave"]);
    assert_eq!(claims(&world, &people), Vec::<String>::new());
    let left = ["dock team:crew"];
    assert_eq!(
        claims(&world, &joins("ada", "crew", &[])),
        left,
        "nobody owns it then"
    );
    let ends = deletes("ada", "@cluster/teams.countersign.dev/crew").own(Own::Removed);
    assert_eq!(claims(&world, &ends), left);
}

#[test]
fn of_somebody_who_is_gone_others_take_over_and_no_agent_does() {
    let orphaned = shop().zone(zone("shop", "user:gone", &["shop/**"]));
    let of_bots = shop().zone(zone("shop", "team:bots", &["shop/**"]));
    for world in [orphaned, of_bots] {
        let hands_over = writes("ada", |zone| zone.owner = id("user:ada"));
        assert_eq!(claims(&world, &hands_over), Vec::<String>::new());
        let mut lets_in = cooperates("ada", "agent:stranger");
        if let Some(Own::Zone(next)) = &mut lets_in.own {
            next.owner = world.snapshot.zones.get("shop").unwrap().owner.clone();
        }
        assert_eq!(world.says(&lets_in), Said::Deny(Reason::Invalid));
    }
}

#[test]
fn a_claim_is_approved_by_the_owner_whoever_else_approves_it() {
    let asks = cooperates("ada", "agent:bot");
    let (world, ticket) = shop().ticket(&asks, approved(), &[]);
    let world = world.review(&ticket, "user:abel", Approve);
    assert_eq!(
        world.says(&asks),
        Said::Deny(Reason::TicketSpent),
        "another admin"
    );
    let world = world.review(&ticket, "user:olga", Approve);
    assert_eq!(world.says(&asks), Said::Allow(Reason::Approved));
    let (world, ticket) = shop().ticket(&asks, approved(), &[]);
    let world = world.review(&ticket, "user:olga", Approve);
    assert_eq!(
        world.says(&asks),
        Said::Allow(Reason::Approved),
        "the owner alone"
    );
}

#[test]
fn one_person_of_a_team_that_owns_acknowledges_it_and_who_may_review_it_approves_it() {
    let world = shop().zone(zone("shop", "team:crew", &["shop/**"]));
    let mut asks = cooperates("ada", "agent:bot");
    if let Some(Own::Zone(next)) = &mut asks.own {
        next.owner = id("team:crew");
    }
    let (world, ticket) = world.ticket(&asks, approved(), &[]);
    let acknowledged = world.review(&ticket, "user:carl", Approve);
    assert_eq!(
        acknowledged.says(&asks),
        Said::Deny(Reason::TicketSpent),
        "no admin reviewed it"
    );
    let world = acknowledged.review(&ticket, "user:abel", Approve);
    assert_eq!(world.says(&asks), Said::Allow(Reason::Approved));
}

#[test]
fn a_claim_is_for_one_generation_and_one_owner() {
    let asks = cooperates("ada", "agent:bot");
    let (world, ticket) = shop().ticket(&asks, approved(), &[]);
    let world = world.review(&ticket, "user:olga", Approve);
    let later = asks
        .clone()
        .from(&OLD.replace(":3}", ":4}"), &NEW.replace(":4}", ":5}"));
    assert_eq!(world.says(&later), Said::Needs);
    let world = world.zone(zone("shop", "user:abel", &["shop/**"]));
    assert_eq!(world.says(&asks), Said::Needs, "another owns it by now");
}

#[test]
fn nothing_lets_an_agent_in_unasked() {
    let asks = cooperates("ada", "agent:bot");
    assert_eq!(shop().observing().enforces(&asks), Said::Needs);
    let passes = Said::Allow(Reason::Relaxed);
    assert_eq!(
        shop().observing().enforces(&cooperates("ada", "user:carl")),
        passes
    );
    let hands_over = writes("ada", |zone| zone.owner = id("user:ada"));
    assert_eq!(shop().observing().enforces(&hands_over), passes, "among people");
    let alone = cooperates("olga", "agent:bot");
    assert_eq!(
        shop().observing().enforces(&alone),
        passes,
        "she lets it in herself"
    );
    let Decision::NeedsTicket(demand) = shop().decides(&asks) else {
        panic!("{asks:?} needs no ticket", asks = asks.name);
    };
    assert_eq!(demand.needs.whom(), "user:olga (owner of zone `shop`)");
}

#[test]
fn a_claim_is_read_as_it_is_written() {
    for text in ["shop/3 user:olga", "shop team:crew"] {
        assert_eq!(
            text.parse::<ZoneClaim>().map(|claim| claim.to_string()),
            Ok(text.to_owned())
        );
    }
    for text in [
        "",
        "shop",
        "shop/ user:olga",
        "shop/03 user:olga",
        "shop/3 olga",
        "shop/3  user:olga",
    ] {
        assert_eq!(
            text.parse::<ZoneClaim>(),
            Err(InvalidClaim(text.to_owned())),
            "{text}"
        );
    }
}
