use std::sync::Arc;

use crate::{
    fixtures::{World, approved, id, pending, updates, world},
    role::Role,
};

#[test]
fn whoever_configuration_names_can_be_somebody() {
    let world = world()
        .grant("g", "user:granted", Role::Reader)
        .team("empty", &[], &[])
        .team("sre", &["user:member"], &[])
        .agent("bot", Role::Agent, "granted", "ci:bot");
    for known in [
        "user:granted",
        "team:empty",
        "team:sre",
        "user:member",
        "agent:bot",
    ] {
        assert!(world.snapshot.knows(&id(known)), "{known}");
    }
    for unknown in ["user:stranger", "user:sre", "team:bot", "agent:granted"] {
        assert!(!world.snapshot.knows(&id(unknown)), "{unknown}");
    }
}

#[test]
fn a_ticket_takes_the_place_of_what_is_known_of_it_and_of_no_other() {
    let ask = updates("ada", "billing/configmaps/x");
    let (world, ticket) = world().admin("ada").ticket(&ask, pending(), &[]);
    let named = |uid: &str, state| {
        let mut ticket = (*ticket).clone();
        (ticket.uid, ticket.state) = (uid.into(), state);
        Arc::new(ticket)
    };
    let snapshot = world
        .snapshot
        .with_ticket(named("other", pending()))
        .with_ticket(named(&ticket.uid, approved()));
    let known: Vec<_> = snapshot.tickets[&ticket.binding.digest()]
        .iter()
        .cloned()
        .collect();
    assert_eq!(known, [named("other", pending()), named(&ticket.uid, approved())]);
    assert_eq!(world.snapshot.tickets[&ticket.binding.digest()].len(), 1);
}

#[test]
fn the_foreign_mutators_are_those_that_are_there_and_not_accepted() {
    let mutator = "MutatingAdmissionPolicy/m";
    let names = |world: World| {
        let mutators = world.snapshot.foreign_mutators();
        mutators.map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(names(world().mutated(mutator, None)), [mutator]);
    assert_eq!(names(world().mutated(mutator, Some(1))), [""; 0], "gone");
    let accepting = world().policy(|policy| policy.accepted_mutators = vec![mutator.parse().unwrap()]);
    assert_eq!(names(accepting.mutated(mutator, None)), [""; 0], "accepted");
}
