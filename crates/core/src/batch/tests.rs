//! What keeps a ticket of a batch usable, and for how long.

use super::*;
use crate::{
    digest::Digest,
    fixtures::{Ask, World, after, id, updates, world, zone},
    review::{Proof, Review, ReviewDecision, tally},
    ticket::{Claim, TicketState},
};

fn used(at: i64) -> TicketState {
    TicketState::Consumed {
        claim: Claim {
            bind: Digest::of(&[]),
            by: "call".into(),
            object_uid: None,
            claimed_at: after(at),
            resource_version: None,
            resent: false,
        },
    }
}

/// Carl's ticket of the batch `rollout`, approved by Olga 100 seconds from now, in the namespace `billing`.
fn billing() -> (World, Arc<Ticket>) {
    let world = ["carl", "olga", "mallory"]
        .into_iter()
        .fold(world(), World::contributor);
    let world = world.zone(zone("billing", "user:olga", &["billing/**"]));
    let mut world = world;
    let mut waits = (*ticket(&world, "first")).clone();
    waits.state = TicketState::Approved {
        usable_until: after(1000),
    };
    let waits = Arc::new(waits);
    let review = Review {
        name: "review".into(),
        uid: "review".into(),
        ticket_uid: waits.uid.clone(),
        binding_hash: waits.binding_hash(),
        reviewer: id("user:olga"),
        decision: ReviewDecision::Approve,
        created: after(100),
        proof: Proof::Kubernetes,
    };
    let of_ticket = world.snapshot.reviews.entry(waits.uid.clone()).or_default();
    of_ticket.push_back(Arc::new(review));
    (world.with(waits.clone()), waits)
}

fn ask(name: &str) -> Ask {
    updates("olga", &format!("billing/configmaps/{name}"))
}

fn ticket(world: &World, name: &str) -> Arc<Ticket> {
    let mut ticket = crate::fixtures::ticket_for(world.demand(&ask(name)).binding, used(200), &[]);
    ticket.uid = name.into();
    ticket.batch = Some("rollout".into());
    ticket.binding.subject = id("user:carl");
    ticket.requester = id("user:carl");
    Arc::new(ticket)
}

impl World {
    fn with(mut self, ticket: Arc<Ticket>) -> Self {
        if let Some(key) = BatchKey::of(&ticket) {
            self.snapshot.batches.entry(key).or_default().push_back(ticket);
        }
        self
    }
}

/// Until when the first ticket is usable when these changed others are there, too.
fn kept(others: &[&dyn Fn(&mut Ticket)]) -> Option<Timestamp> {
    let (mut world, waits) = billing();
    for (number, change) in others.iter().enumerate() {
        let mut other = (*ticket(&world, &format!("other-{number}"))).clone();
        change(&mut other);
        world = world.with(Arc::new(other));
    }
    let approvals = &world.snapshot.policy.get().unwrap().approvals;
    usable_until(
        &waits,
        &tally(&waits, &world.snapshot),
        &world.snapshot,
        approvals,
    )
}

#[test]
fn each_use_of_another_gives_the_time_of_a_fresh_approval() {
    assert_eq!(kept(&[]), None, "its own approval alone");
    assert_eq!(kept(&[&|_| {}]), Some(after(200 + 900)));
    let [early, late] = [150, 950].map(|at| move |ticket: &mut Ticket| ticket.state = used(at));
    assert_eq!(
        kept(&[&late, &early]),
        Some(after(950 + 900)),
        "the last one counts"
    );
    let claimed = |ticket: &mut Ticket| {
        ticket.state = TicketState::Claimed {
            usable_until: after(1000),
            claim: used(300).claim().unwrap().clone(),
            stop: None,
        };
    };
    assert_eq!(kept(&[&claimed]), Some(after(300 + 900)), "a claim is a use");
}

#[test]
fn what_is_no_use_gives_no_time() {
    let waits = |ticket: &mut Ticket| {
        ticket.state = TicketState::Approved {
            usable_until: after(1000),
        }
    };
    assert_eq!(kept(&[&waits]), None);
    let ended = |ticket: &mut Ticket| ticket.state = TicketState::Ended(crate::ticket::End::Denied);
    assert_eq!(kept(&[&ended]), None);
}

#[test]
fn a_foreign_ticket_that_bears_the_name_gives_no_time() {
    let subject = |ticket: &mut Ticket| ticket.binding.subject = id("user:mallory");
    let requester = |ticket: &mut Ticket| ticket.requester = id("user:mallory");
    let name = |ticket: &mut Ticket| ticket.batch = Some("rollout-2".into());
    let none = |ticket: &mut Ticket| ticket.batch = None;
    assert_eq!(kept(&[&subject, &requester, &name, &none]), None);
}

#[test]
fn a_ticket_that_was_made_after_the_approval_gives_no_time() {
    let at = |seconds| move |ticket: &mut Ticket| ticket.created = after(seconds);
    assert_eq!(kept(&[&at(100)]), Some(after(200 + 900)));
    assert_eq!(kept(&[&at(101)]), None);
}

#[test]
fn uses_keep_it_for_as_long_as_it_may_wait_and_no_longer() {
    let day = 24 * 3600;
    let late = |ticket: &mut Ticket| ticket.state = used(day);
    assert_eq!(kept(&[&late]), Some(after(100 + day)), "since its own approval");
}

#[test]
fn an_approval_that_does_not_count_any_more_gives_no_time() {
    let (mut world, waits) = billing();
    let other = ticket(&world, "other");
    world = world.with(other);
    world.snapshot.grants.remove(&id("user:olga"));
    let approvals = &world.snapshot.policy.get().unwrap().approvals;
    let kept = usable_until(
        &waits,
        &tally(&waits, &world.snapshot),
        &world.snapshot,
        approvals,
    );
    assert_eq!(kept, None);
}
