//! What must hold in every state, and what must be possible at all.

use countersign_core::ticket::{End, TicketState};
use stateright::Property;

use super::{
    pair::{BOTH, Nth},
    plan::Plan,
    protocol::{Act, Protocol},
    time::USABLE,
    world::{Stored, World},
};

pub const AT_MOST_ONE_SPEND: &str = "AtMostOneSpend";
pub const NO_WRITE_WITHOUT_APPROVAL: &str = "NoWriteWithoutApproval";
pub const DENY_WINS: &str = "DenyWins";
pub const EVENTUALLY_RESOLVED: &str = "EventuallyResolved";
pub const TELLS_THE_TRUTH: &str = "TellsTheTruth";

/// The version of a ticket that is claimed for the first time.
const CLAIMED_FIRST: u8 = 2;

pub fn all() -> Vec<Property<Protocol>> {
    vec![
        Property::always(AT_MOST_ONE_SPEND, |protocol: &Protocol, world: &World| {
            BOTH.into_iter()
                .all(|nth| world.story.spent[nth] <= protocol.plans[nth].most())
        }),
        Property::always(NO_WRITE_WITHOUT_APPROVAL, |_, world: &World| {
            !world.story.unapproved
        }),
        Property::always(DENY_WINS, |_, world: &World| !world.story.denied_passed),
        Property::always(EVENTUALLY_RESOLVED, resolves),
        Property::always(TELLS_THE_TRUTH, |protocol: &Protocol, world: &World| {
            BOTH.into_iter().all(|nth| is_true(protocol, world, nth))
        }),
        Property::sometimes(
            "a ticket is claimed again after its release",
            |_, world: &World| {
                let claimed = |state: &TicketState| matches!(state, TicketState::Claimed { stop: None, .. });
                let again = |ticket: &Stored| ticket.version > CLAIMED_FIRST && claimed(&ticket.state);
                world.tickets.iter().any(again)
            },
        ),
        Property::sometimes("both tickets are used", |_, world: &World| {
            world.story.spent.iter().all(|spent| *spent > 0)
        }),
        Property::sometimes("a ticket is Indeterminate", |_, world: &World| {
            let unknown = |state: &TicketState| *state == TicketState::Ended(End::Indeterminate);
            world.tickets.iter().any(|ticket| unknown(&ticket.state))
        }),
        Property::sometimes("a ticket is denied while a write holds it", |_, world: &World| {
            let stopped = |state: &TicketState| {
                matches!(
                    state,
                    TicketState::Claimed {
                        stop: Some(End::Denied),
                        ..
                    }
                )
            };
            world.tickets.iter().any(|ticket| stopped(&ticket.state))
        }),
    ]
}

/// Whether what a ticket says is so: it is used only if the change was made, and open or ended only if it was not.
fn is_true(protocol: &Protocol, world: &World, nth: Nth) -> bool {
    let spent = world.story.spent[nth] > 0;
    match world.tickets[nth].state {
        TicketState::Claimed { .. } | TicketState::Ended(End::Indeterminate) => true,
        TicketState::Consumed { .. } => match protocol.plans[nth] {
            Plan::Set(_) | Plan::Create => spent,
            // Whoever deleted it.
            Plan::Delete => world.is_deleted(),
            // Used when it is claimed: nobody sees what becomes of it.
            Plan::Connect => true,
        },
        TicketState::Pending { .. } | TicketState::Approved { .. } | TicketState::Ended(_) => !spent,
    }
}

/// Whether each claimed ticket is resolved when nothing more goes wrong: every wait ends, and a replica that knows what
/// there is looks at it.
fn resolves(protocol: &Protocol, world: &World) -> bool {
    let is_claimed = |world: &World| {
        let claimed = |state: &TicketState| matches!(state, TicketState::Claimed { .. });
        world.tickets.iter().any(|ticket| claimed(&ticket.state))
    };
    let waits = world.calls.iter().any(Option::is_some)
        || world.stray.is_some()
        || world.keeping.is_some()
        || world.replicas.iter().any(|replica| replica.job.is_some());
    if waits || !is_claimed(world) {
        return true;
    }
    let mut calm = world.clone();
    for _ in 0..USABLE {
        let looks = BOTH.map(|nth| {
            [
                Act::Refresh(Nth::First),
                Act::Reconcile(Nth::First, nth),
                Act::Keep,
            ]
        });
        for act in looks.into_iter().flatten().chain([Act::Tick]) {
            let _ = protocol.act(&mut calm, act);
        }
    }
    !is_claimed(&calm)
}
