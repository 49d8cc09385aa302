//! Zones, names and delegations: the places where a rule could be stepped around.

use jiff::{SignedDuration, Timestamp};

use crate::{
    decision::{Covered, Decision, Reason},
    fixtures::{
        Ask, Said, World, after, approved, ask, creates, deletes, digest, id, now, pending, updates, world,
        zone,
    },
    glob::Glob,
    place::Place,
    request::Operation,
    review::ReviewDecision,
    role::Role,
    ticket::{CallKind, Claim, End, TicketState},
};

/// Olga owns the Service web in lab and everything in billing; Carl contributes elsewhere.
fn zoned() -> World {
    world().contributor("olga").contributor("carl").zone(zone(
        "web",
        "user:olga",
        &["lab/services/web", "billing/**"],
    ))
}

#[test]
fn helms_record_needs_no_approval_where_its_writer_may_write() {
    let record = r#"{"metadata":{"name":"x","labels":{"owner":"helm"}},"type":"helm.sh/release.v1","data":{"release":"eA=="}}"#;
    let writes = |who, name: &str| {
        let mut ask = creates(who, &format!("billing/secrets/{name}"));
        ask.new = Some(record.to_owned());
        ask
    };
    let name = "sh.helm.release.v1.web.v1";
    assert_eq!(
        zoned().says(&writes("olga", name)),
        Said::Allow(Reason::Permitted)
    );
    assert_eq!(zoned().says(&writes("olga", "web")), Said::Needs);
    assert_eq!(zoned().says(&writes("carl", name)), Said::Deny(Reason::NotOfZone));
}

#[test]
fn a_proxied_name_is_its_object() {
    for name in ["web", "web:8080", "https:web:8443", "https:web:", "web:"] {
        let connects = |who| ask(who, Operation::Connect, &format!("lab/services/{name}")).sub("proxy");
        assert_eq!(
            zoned().says(&connects("carl")),
            Said::Deny(Reason::NotOfZone),
            "{name}"
        );
        assert_eq!(
            zoned().says(&connects("olga")),
            Said::Allow(Reason::Permitted),
            "{name}"
        );
    }
    // Elsewhere a colon is part of the name.
    let role = updates("carl", "lab/roles.rbac.authorization.k8s.io/a:b");
    let mut roles = zone("roles", "user:olga", &["lab/roles.rbac.authorization.k8s.io/a:b"]);
    roles.cooperators = vec![];
    assert_eq!(zoned().zone(roles).says(&role), Said::Deny(Reason::NotOfZone));
}

#[test]
fn whoever_ends_a_namespace_ends_what_is_in_it() {
    let about = |globs: &[&str]| {
        let mut zone = zone("inside", "user:olga", globs);
        zone.cooperators = vec![id("user:cora")];
        zone.require_review = Some(true);
        let people = ["olga", "carl", "cora"];
        people
            .into_iter()
            .fold(world().admin("ada"), World::contributor)
            .zone(zone)
    };
    let dev = r#"{"metadata":{"labels":{"countersign.dev/environment":"dev"}}}"#;
    let place = "@cluster/namespaces/lab";
    let ends = |who| deletes(who, place).from(dev, "{}");
    let permitted = Said::Allow(Reason::Permitted);
    for globs in [
        &["lab/**"][..],
        &["attic/**", "l*/configmaps/app"],
        &["{attic,lab}/*/a"],
    ] {
        let world = about(globs);
        assert_eq!(
            world.says(&ends("carl")),
            Said::Deny(Reason::NotOfZone),
            "{globs:?}"
        );
        assert_eq!(world.says(&ends("olga")), permitted, "{globs:?}");
        assert_eq!(world.says(&ends("cora")), Said::Needs, "{globs:?}");
        assert_eq!(world.says(&ends("ada")), permitted, "{globs:?}");
        let annotated = dev.replace(r#""labels""#, r#""annotations":{"a":"b"},"labels""#);
        let annotates = updates("carl", place).from(dev, &annotated);
        assert_eq!(world.says(&annotates), permitted, "{globs:?}");
    }
    // These are about no namespace in particular, or about another.
    for globs in [&["*/configmaps/app"][..], &["*b/**"], &["labs/**", "la/**"]] {
        assert_eq!(about(globs).says(&ends("carl")), permitted, "{globs:?}");
    }
    let mut world = about(&["lab/**"]);
    world
        .snapshot
        .unreadable_zones
        .insert("inside".into(), "why".into());
    assert_eq!(world.says(&ends("olga")), Said::Deny(Reason::ZoneContested));
}

#[test]
fn subresources_are_writes_of_their_object() {
    for subresource in ["status", "scale", "resize", "ephemeralcontainers", "anything"] {
        let ask = updates("carl", "billing/deployments.apps/web").sub(subresource);
        assert_eq!(zoned().says(&ask), Said::Deny(Reason::NotOfZone), "{subresource}");
        let ask = updates("olga", "billing/deployments.apps/web").sub(subresource);
        assert_eq!(zoned().says(&ask), Said::Needs, "{subresource}");
    }
    for (operation, subresource) in [
        (Operation::Create, "eviction"),
        (Operation::Create, "binding"),
        (Operation::Connect, "exec"),
        (Operation::Connect, "attach"),
        (Operation::Connect, "portforward"),
    ] {
        let ask = ask("carl", operation, "billing/pods/web").sub(subresource);
        assert_eq!(zoned().says(&ask), Said::Deny(Reason::NotOfZone), "{subresource}");
    }
}

#[test]
fn what_needs_approval_has_a_name_and_an_object() {
    let mut makes = creates("olga", "billing/configmaps/x");
    makes.generates_name = true;
    assert_eq!(zoned().says(&makes), Said::Deny(Reason::GeneratedName));
    let nameless = creates("olga", "billing/configmaps/");
    assert!(matches!(
        zoned().says(&nameless),
        Said::Deny(Reason::GeneratedName | Reason::Unzoned)
    ));
    let unseen = Ask {
        old: None,
        ..deletes("olga", "billing/configmaps/x")
    };
    assert_eq!(zoned().says(&unseen), Said::Deny(Reason::Unreadable));
    let mut free = creates("carl", "lab/configmaps/x");
    free.generates_name = true;
    assert_eq!(zoned().says(&free), Said::Allow(Reason::Permitted));
}

#[test]
fn agents_of_the_owning_team_are_reviewed_and_its_people_are_not() {
    let bot = "system:serviceaccount:ci:bot";
    let mut shared = zone("shared", "team:sre", &["lab/configmaps/**"]);
    shared.require_review = Some(true);
    let world = world()
        .contributor("tess")
        .agent("bot", Role::Contributor, "tess", "ci:bot")
        .team("sre", &["user:tess", "agent:bot"], &[])
        .zone(shared);
    let place = "lab/configmaps/x";
    assert_eq!(
        world.says(&updates("tess", place)),
        Said::Allow(Reason::Permitted)
    );
    assert_eq!(world.says(&updates(bot, place)), Said::Needs);
    let elsewhere = updates(bot, "lab/secrets/x");
    assert_eq!(world.says(&elsewhere), Said::Deny(Reason::Unzoned));
    let public = world.policy(|policy| {
        policy.defaults.public_objects = vec![Glob::object("*/secrets/*").unwrap()];
    });
    assert_eq!(public.says(&elsewhere), Said::Allow(Reason::Permitted));
    let prod = updates(bot, "billing/secrets/x");
    assert_eq!(
        public.says(&prod),
        Said::Deny(Reason::Unzoned),
        "public outside prod"
    );
}

#[test]
fn no_team_raises_an_agent_and_no_grant_makes_a_human_one() {
    let bot = updates("system:serviceaccount:ci:bot", "@cluster/zones.countersign.dev/z")
        .own(crate::own::Own::Zone(zone("z", "user:olga", &["attic/**"])));
    let world = world()
        .team("root", &["agent:bot", "user:ann"], &[])
        .grant("root", "team:root", Role::Admin)
        .grant("ann", "user:ann", Role::Agent);
    let with_role = |role| world_of(&world).agent("bot", role, "olga", "ci:bot");
    assert_eq!(with_role(Role::Agent).says(&bot), Said::Deny(Reason::AdminOnly));
    assert_eq!(
        with_role(Role::Admin).says(&bot),
        Said::Deny(Reason::AgentDegraded),
        "an agent is no admin"
    );
    let only_agent = crate::fixtures::world().grant("ann", "user:ann", Role::Agent);
    let ann = updates("ann", "lab/configmaps/x");
    assert_eq!(only_agent.says(&ann), Said::Deny(Reason::ReaderWrites));
}

fn world_of(world: &World) -> World {
    World {
        snapshot: world.snapshot.clone(),
    }
}

#[test]
fn an_approved_ticket_opens_exactly_this_and_a_denied_one_before_it_does_not_close_it() {
    let ask = updates("olga", "billing/configmaps/x");
    let base = || zoned().admin("ada");
    let (world, ticket) = base().ticket(&ask, approved(), &[]);
    let world = world.review(&ticket, "user:ada", ReviewDecision::Approve);
    assert_eq!(world.says(&ask), Said::Allow(Reason::Approved));
    let Decision::Allow(grant) = world.decides(&ask) else {
        panic!("the ticket is not used")
    };
    let claimed = Covered {
        bind: ticket.binding.bind(&ticket.uid),
        call: CallKind::Update,
        ticket: ticket.clone(),
    };
    assert_eq!(grant.ticket(), Some(&claimed), "the ticket that is to be claimed");
    let another = ask.clone().from(
        r#"{"metadata":{"name":"x","uid":"object-uid"},"spec":{"a":1}}"#,
        r#"{"metadata":{"name":"x","uid":"object-uid"},"spec":{"a":3}}"#,
    );
    assert_eq!(world.says(&another), Said::Needs);
    let recreated = ask.clone().from(
        r#"{"metadata":{"name":"x","uid":"new"},"spec":{"a":1}}"#,
        r#"{"metadata":{"name":"x","uid":"new"},"spec":{"a":2}}"#,
    );
    assert_eq!(world.says(&recreated), Said::Needs);
    let relabelled = world_of(&world).namespace("billing", &[("countersign.dev/environment", "test")]);
    assert_eq!(relabelled.says(&ask), Said::Allow(Reason::Permitted));
    let mut denied = (*ticket).clone();
    denied.state = TicketState::Ended(End::Denied);
    denied.uid = "denied".into();
    for denied_first in [true, false] {
        let mut world = world_of(&world);
        let known = world.snapshot.tickets.get_mut(&ticket.binding.digest()).unwrap();
        if denied_first {
            known.push_front(denied.clone().into());
        } else {
            known.push_back(denied.clone().into());
        }
        assert_eq!(world.says(&ask), Said::Allow(Reason::Approved));
        let known = world.snapshot.tickets.get_mut(&ticket.binding.digest()).unwrap();
        known.retain(|ticket| *ticket.uid == *"denied");
        assert_eq!(world.says(&ask), Said::Deny(Reason::TicketDenied));
    }
    let mut raised = world_of(&world);
    raised = raised.policy(|policy| policy.defaults.min_reviewers = 2);
    assert_eq!(
        raised.says(&ask),
        Said::Deny(Reason::TicketSpent),
        "rules of today"
    );
}

/// For as long as a ticket waits, counted from the last denial; a ticket without one, from when it was made.
#[test]
fn a_denied_change_is_not_asked_for_again_for_a_while() {
    let ask = updates("olga", "billing/configmaps/x");
    let a_day = SignedDuration::from_hours(24);
    let ago = |seconds| now() - a_day - SignedDuration::from_secs(seconds);
    let denied = |made, reviews: &[(ReviewDecision, Timestamp)]| {
        let (mut world, ticket) = zoned().ticket(&ask, TicketState::Ended(End::Denied), &[]);
        world = world.policy(|policy| policy.approvals.pending_ttl = a_day);
        let mut ticket = (*ticket).clone();
        ticket.created = made;
        world.snapshot = world.snapshot.with_ticket(ticket.clone().into());
        for (decision, made) in reviews {
            world = world.review(&ticket, "user:ada", *decision);
            let reviews = world.snapshot.reviews.get_mut(&ticket.uid).unwrap();
            let mut review = (**reviews.last().unwrap()).clone();
            review.created = *made;
            *reviews.back_mut().unwrap() = review.into();
        }
        world.says(&ask)
    };
    let closed = Said::Deny(Reason::TicketDenied);
    assert_eq!(denied(ago(-1), &[]), closed);
    assert_eq!(denied(ago(0), &[]), Said::Needs);
    let (approve, deny) = (ReviewDecision::Approve, ReviewDecision::Deny);
    assert_eq!(denied(ago(9), &[(deny, ago(-1))]), closed);
    assert_eq!(denied(ago(9), &[(deny, ago(-1)), (deny, ago(5))]), closed);
    assert_eq!(denied(ago(9), &[(deny, ago(0)), (approve, ago(-1))]), Said::Needs);
}

#[test]
fn a_place_names_the_zones_that_claim_it() {
    let world = world()
        .zone(zone("attic", "user:olga", &["attic/**"]))
        .zone(zone("both", "user:carl", &["lab/**"]))
        .zone(zone("rival", "user:olga", &["*/configmaps/x"]));
    let zones = |place| {
        let ask = updates("ada", place);
        Place::of(&ask.request().target).zones(&world.snapshot)
    };
    assert_eq!(zones("nowhere/pods/x"), None);
    assert_eq!(zones("attic/pods/x").as_deref(), Some("attic"));
    assert_eq!(zones("lab/configmaps/x").as_deref(), Some("both, rival"));
}

#[test]
fn what_a_zone_held_when_it_could_be_read_is_contested() {
    let mut world = zoned();
    let ask = updates("olga", "lab/services/web");
    assert_eq!(world.says(&ask), Said::Allow(Reason::Permitted));
    let unreadable = &mut world.snapshot.unreadable_zones;
    unreadable.insert("web".into(), "spec.owner".into());
    assert_eq!(world.says(&ask), Said::Deny(Reason::ZoneContested));
    let elsewhere = updates("carl", "lab/configmaps/x");
    assert_eq!(world.says(&elsewhere), Said::Allow(Reason::Permitted));
}

#[test]
fn what_is_over_closes_nothing_and_what_is_claimed_does() {
    let ask = updates("olga", "billing/configmaps/x");
    let claim = Claim {
        bind: digest(1),
        by: "".into(),
        object_uid: None,
        claimed_at: now(),
        resource_version: None,
        resent: false,
    };
    let says = |state| zoned().ticket(&ask, state, &[]).0.says(&ask);
    let (waits, ticket) = zoned().ticket(&ask, pending(), &[]);
    assert_eq!(waits.demand(&ask).pending, Some(ticket), "no other is made");
    for end in [
        End::Expired,
        End::Cancelled,
        End::Superseded,
        End::Revoked,
        End::Indeterminate,
    ] {
        assert_eq!(says(TicketState::Ended(end)), Said::Needs, "{end:?}");
    }
    let claimed = TicketState::Claimed {
        usable_until: after(900),
        claim: claim.clone(),
        stop: None,
    };
    assert_eq!(says(claimed), Said::Deny(Reason::TicketSpent));
    assert_eq!(says(TicketState::Consumed { claim }), Said::Needs);
}

/// E1: the API server may ask again for the same write.
#[test]
fn a_claimed_ticket_admits_its_own_write_again() {
    let ask = updates("olga", "billing/configmaps/x");
    let base = || zoned().admin("ada");
    let binding = base().demand(&ask).binding;
    let claimed = TicketState::Claimed {
        usable_until: after(900),
        claim: Claim {
            bind: binding.bind("ticket-uid"),
            by: "".into(),
            object_uid: None,
            claimed_at: now(),
            resource_version: Some("7".into()),
            resent: false,
        },
        stop: None,
    };
    let (world, ticket) = base().ticket(&ask, claimed, &[]);
    let world = world.review(&ticket, "user:ada", ReviewDecision::Approve);
    assert_eq!(world.says(&ask), Said::Allow(Reason::Approved));
}
