//! The ticket's life explored exhaustively: every event in every state, around every boundary of time.

use std::collections::HashSet;

use super::*;
use crate::fixtures::{after, digest, now, ticket_for, updates, world, zone};

const CALLS: [CallKind; 6] = [
    CallKind::Update,
    CallKind::Delete,
    CallKind::Once,
    CallKind::Evict,
    CallKind::Unseen,
    CallKind::Connect,
];

const ENDS: [End; 6] = [
    End::Denied,
    End::Expired,
    End::Cancelled,
    End::Superseded,
    End::Revoked,
    End::Indeterminate,
];

const USABLE: SignedDuration = SignedDuration::from_secs(900);

fn claims(seed: u8, call: CallKind, version: Option<&str>) -> Event {
    Event::Claim {
        bind: digest(seed),
        call,
        resource_version: version.map(Into::into),
    }
}

/// The claim of bind 1 at [`now`], on version 7.
fn claim() -> Claim {
    Claim {
        bind: digest(1),
        by: "".into(),
        object_uid: None,
        claimed_at: now(),
        resource_version: Some("7".into()),
        resent: false,
    }
}

fn pending() -> TicketState {
    TicketState::Pending { until: after(3600) }
}

fn approved() -> TicketState {
    TicketState::Approved {
        usable_until: after(900),
    }
}

fn claimed(stop: Option<End>) -> TicketState {
    TicketState::Claimed {
        usable_until: after(900),
        claim: claim(),
        stop,
    }
}

fn consumed() -> TicketState {
    TicketState::Consumed { claim: claim() }
}

fn to(end: End) -> Step {
    Step::To(TicketState::Ended(end))
}

/// Pending -> Approved | Denied | Expired | Cancelled | Superseded; Approved -> Claimed -> Consumed;
/// Approved | Claimed -> Revoked | Expired; Claimed -> Approved or Indeterminate. Denied wins over Approved: a denial
/// ends an approved ticket too, and so does who takes the request back.
#[test]
fn the_life_cycle_is_this_table() {
    let stays = || Ok(Step::Stay);
    let no_claim = || Err(Refusal::NotClaimed);
    let stop = |end| Ok(Step::To(claimed(Some(end))));
    let update = || claims(1, CallKind::Update, Some("7"));
    let rows = [
        (pending(), Event::Approve(USABLE), Ok(Step::To(approved()))),
        (pending(), Event::Deny, Ok(to(End::Denied))),
        (pending(), Event::Revoke, Ok(to(End::Denied))),
        (pending(), Event::Cancel, Ok(to(End::Cancelled))),
        (pending(), Event::Supersede, Ok(to(End::Superseded))),
        (pending(), update(), Err(Refusal::NotApproved)),
        (pending(), Event::Committed, no_claim()),
        (pending(), Event::NotCommitted, no_claim()),
        (pending(), Event::Unknowable, no_claim()),
        (pending(), Event::Prolong(after(9999)), stays()),
        (pending(), Event::Tick, stays()),
        (approved(), Event::Approve(USABLE), stays()),
        (approved(), Event::Deny, Ok(to(End::Denied))),
        (approved(), Event::Revoke, Ok(to(End::Revoked))),
        (approved(), Event::Cancel, Ok(to(End::Cancelled))),
        (approved(), Event::Supersede, stays()),
        (approved(), update(), Ok(Step::To(claimed(None)))),
        (approved(), Event::Committed, no_claim()),
        (approved(), Event::NotCommitted, no_claim()),
        (approved(), Event::Unknowable, no_claim()),
        (approved(), Event::Prolong(after(900)), stays()),
        (approved(), Event::Tick, stays()),
        (claimed(None), Event::Approve(USABLE), stays()),
        (claimed(None), Event::Deny, stop(End::Denied)),
        (claimed(None), Event::Revoke, stop(End::Revoked)),
        (claimed(None), Event::Cancel, stop(End::Cancelled)),
        (claimed(None), Event::Supersede, stays()),
        (claimed(None), Event::Committed, Ok(Step::To(consumed()))),
        (claimed(None), Event::NotCommitted, Ok(Step::To(approved()))),
        (claimed(None), Event::Unknowable, Ok(to(End::Indeterminate))),
        (claimed(None), Event::Prolong(after(900)), stays()),
        (claimed(Some(End::Revoked)), Event::Prolong(after(901)), stays()),
        (claimed(None), Event::Tick, stays()),
        (
            claimed(Some(End::Revoked)),
            Event::Committed,
            Ok(Step::To(consumed())),
        ),
        (
            claimed(Some(End::Revoked)),
            Event::NotCommitted,
            Ok(to(End::Revoked)),
        ),
        (
            claimed(Some(End::Expired)),
            Event::NotCommitted,
            Ok(to(End::Expired)),
        ),
        (
            claimed(Some(End::Revoked)),
            Event::Unknowable,
            Ok(to(End::Indeterminate)),
        ),
        (claimed(Some(End::Revoked)), Event::Deny, stop(End::Denied)),
        (claimed(Some(End::Denied)), Event::Revoke, stays()),
        (claimed(Some(End::Cancelled)), Event::Revoke, stays()),
        (
            claimed(Some(End::Denied)),
            update(),
            Err(Refusal::Stopped(End::Denied)),
        ),
    ];
    for (state, event, expected) in rows {
        let told = format!("{event:?} in {state:?}");
        assert_eq!(step(&state, event, now()), expected, "{told}");
    }
}

#[test]
fn expiry_is_strictly_by_time_and_before_the_event() {
    for event in [Event::Tick, Event::Approve(USABLE), Event::Deny, Event::Cancel] {
        assert_eq!(
            step(&pending(), event.clone(), after(3600)),
            Ok(to(End::Expired)),
            "{event:?}"
        );
        assert_ne!(
            step(&pending(), event.clone(), after(3599)),
            Ok(to(End::Expired)),
            "{event:?}"
        );
    }
    for call in CALLS {
        let event = || claims(1, call, Some("7"));
        assert_eq!(step(&approved(), event(), after(900)), Ok(to(End::Expired)));
        let last = step(&approved(), event(), after(899));
        assert!(
            matches!(
                last,
                Ok(Step::To(
                    TicketState::Claimed { .. } | TicketState::Consumed { .. }
                ))
            ),
            "{last:?}"
        );
    }
}

#[test]
fn a_batch_prolongs_what_is_still_usable_and_shortens_nothing() {
    let until =
        |state: TicketState, seconds, at| match step(&state, Event::Prolong(after(seconds)), after(at)) {
            Ok(Step::To(
                TicketState::Approved { usable_until } | TicketState::Claimed { usable_until, .. },
            )) => Some(usable_until),
            Ok(Step::Stay) => None,
            other => panic!("{other:?}"),
        };
    for state in [approved(), claimed(None)] {
        assert_eq!(until(state.clone(), 1800, 899), Some(after(1800)));
        assert_eq!(until(state.clone(), 901, 0), Some(after(901)));
        assert_eq!(until(state, 899, 0), None);
    }
    let late = step(&approved(), Event::Prolong(after(1800)), after(900));
    assert_eq!(late, Ok(to(End::Expired)), "what ran out stays over");
}

#[test]
fn a_held_ticket_expires_once_both_its_use_and_its_window_are_over() {
    let late = |usable, seconds| {
        let state = TicketState::Claimed {
            usable_until: after(usable),
            claim: claim(),
            stop: None,
        };
        match step(&state, Event::Tick, after(seconds)) {
            Ok(Step::To(TicketState::Claimed { stop, .. })) => stop,
            other => {
                assert_eq!(other, Ok(Step::Stay));
                None
            }
        }
    };
    assert_eq!(late(10, 74), None);
    assert_eq!(late(10, 75), Some(End::Expired));
    assert_eq!(late(900, 899), None);
    assert_eq!(late(900, 900), Some(End::Expired));
    let released = |seconds| step(&claimed(None), Event::NotCommitted, after(seconds));
    assert_eq!(released(899), Ok(Step::To(approved())));
    assert_eq!(released(900), Ok(to(End::Expired)));
}

/// A call that passed in the last moment of the window may be stored for as long as the API server works on it (E2).
#[test]
fn a_claim_is_settled_once_its_last_call_is_over() {
    let last = after(74);
    let again = step(&claimed(None), claims(1, CallKind::Update, Some("7")), last);
    assert_eq!(again, Ok(Step::Stay));
    let longest_call = SignedDuration::from_secs(34);
    assert!(claim().settled_at() > last + longest_call);
    assert_eq!(claim().settled_at(), after(120));
}

/// Which calls pass again, in which state, until when.
#[test]
fn one_claim_admits_each_call_as_often_as_the_api_server_asks() {
    let spent = Err(Refusal::AlreadyConsumed);
    let other = Err(Refusal::ClaimedElsewhere);
    let closed = Err(Refusal::WindowClosed);
    let stay = Ok(Step::Stay);
    let rows = [
        (claimed(None), CallKind::Update, 0, stay.clone()),
        (claimed(None), CallKind::Update, 74, stay.clone()),
        (claimed(None), CallKind::Update, 75, closed.clone()),
        (claimed(None), CallKind::Delete, 74, stay.clone()),
        (claimed(None), CallKind::Delete, 75, closed),
        (claimed(None), CallKind::Once, 0, other.clone()),
        (claimed(None), CallKind::Evict, 0, other),
        (consumed(), CallKind::Update, 0, spent.clone()),
        (consumed(), CallKind::Once, 0, spent.clone()),
        (consumed(), CallKind::Unseen, 0, spent.clone()),
        (consumed(), CallKind::Delete, 74, stay.clone()),
        (consumed(), CallKind::Delete, 75, spent.clone()),
        (consumed(), CallKind::Evict, 74, stay),
        (consumed(), CallKind::Evict, 75, spent.clone()),
        (consumed(), CallKind::Connect, 5, spent.clone()),
    ];
    for (state, call, seconds, expected) in rows {
        let told = format!("{call:?} after {seconds} s in {}", state.as_str());
        assert_eq!(
            step(&state, claims(1, call, Some("7")), after(seconds)),
            expected,
            "{told}"
        );
        assert!(
            step(&state, claims(2, call, Some("7")), after(seconds)).is_err(),
            "another bind: {told}"
        );
    }
    let resent = TicketState::Consumed {
        claim: Claim {
            resent: true,
            ..claim()
        },
    };
    let again = claims(1, CallKind::Connect, None);
    assert_eq!(
        step(&consumed(), again.clone(), after(4)),
        Ok(Step::To(resent.clone()))
    );
    assert_eq!(step(&resent, again, after(4)), spent, "one resend");
}

#[test]
fn an_update_of_another_version_needs_proof_that_nothing_was_stored() {
    let again = |version| step(&claimed(None), claims(1, CallKind::Update, version), now());
    assert_eq!(again(Some("7")), Ok(Step::Stay));
    assert_eq!(again(Some("8")), Ok(Step::ProveUncommitted));
    assert_eq!(again(None), Ok(Step::ProveUncommitted));
    let unversioned = TicketState::Claimed {
        usable_until: after(900),
        claim: Claim {
            resource_version: None,
            ..claim()
        },
        stop: None,
    };
    let again = step(&unversioned, claims(1, CallKind::Update, None), now());
    assert_eq!(
        again,
        Ok(Step::ProveUncommitted),
        "two unknown versions are not the same"
    );
}

#[test]
fn what_is_over_stays_over() {
    for end in ENDS {
        let state = TicketState::Ended(end);
        for event in events() {
            let expected = match event {
                Event::Tick => Ok(Step::Stay),
                _ => Err(Refusal::Over(end)),
            };
            assert_eq!(step(&state, event, after(1)), expected);
        }
    }
}

/// Every event, claims of two binds and all calls among them.
fn events() -> Vec<Event> {
    let mut events = vec![
        Event::Approve(USABLE),
        Event::Deny,
        Event::Revoke,
        Event::Cancel,
        Event::Supersede,
        Event::Prolong(after(1800)),
        Event::Committed,
        Event::NotCommitted,
        Event::Unknowable,
        Event::Tick,
    ];
    for call in CALLS {
        events.extend([1, 2].map(|seed| claims(seed, call, Some("7"))));
        events.push(claims(1, call, Some("8")));
    }
    events
}

/// What an observer remembers of a ticket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Seen {
    /// How many writes were stored under it.
    stored: u8,
    /// Whether somebody denied or revoked, and was heard.
    refused: bool,
}

fn is_claim(event: &Event) -> bool {
    matches!(event, Event::Claim { .. })
}

/// Checks one transition, and returns the state after it.
fn observe(state: &TicketState, event: &Event, now: Timestamp, seen: &mut Seen) -> TicketState {
    let stepped = step(state, event.clone(), now);
    let told = || format!("{event:?} in {state:?} at {now}: {stepped:?}");
    let next = match &stepped {
        Ok(Step::To(next)) => next.clone(),
        Ok(Step::Stay | Step::ProveUncommitted) | Err(_) => state.clone(),
    };
    let passes = match &stepped {
        Ok(Step::To(TicketState::Ended(_))) | Err(_) => false,
        Ok(_) => is_claim(event),
    };
    if passes && let Event::Claim { bind, .. } = event {
        let held = match &next {
            TicketState::Claimed { claim, stop, .. } => {
                assert_eq!(*stop, None, "{}", told());
                claim
            }
            TicketState::Consumed { claim } => claim,
            _ => panic!("a write passes under nothing: {}", told()),
        };
        assert_eq!(held.bind, *bind, "one bind for each claim: {}", told());
        let window = now < held.claimed_at + CLAIM_WINDOW;
        assert!(window, "nothing passes after the window: {}", told());
        if let TicketState::Approved { usable_until } = state {
            assert!(now < *usable_until, "{}", told());
        }
        let repeats = matches!(state, TicketState::Consumed { .. });
        assert!(
            !seen.refused || repeats,
            "nothing new passes after a refusal: {}",
            told()
        );
    }
    match (state, &next) {
        (TicketState::Consumed { claim: before }, TicketState::Consumed { claim }) => {
            let same = (before.bind, before.claimed_at) == (claim.bind, claim.claimed_at);
            assert!(same, "{}", told());
        }
        (TicketState::Consumed { .. } | TicketState::Ended(_), next) => {
            assert_eq!(next, state, "final states stay: {}", told());
        }
        (_, TicketState::Consumed { .. }) => seen.stored += 1,
        _ => {}
    }
    assert!(seen.stored <= 1, "one write for each ticket: {}", told());
    if matches!(event, Event::Deny | Event::Revoke) && matches!(stepped, Ok(Step::To(_))) {
        seen.refused = true;
    }
    let open = matches!(next, TicketState::Approved { .. } | TicketState::Pending { .. });
    assert!(
        !seen.refused || !open,
        "a refused ticket opens no more: {}",
        told()
    );
    next
}

/// All events from a pending ticket on, with time standing still or passing each boundary between two of them.
#[test]
fn no_history_spends_twice_or_passes_after_a_refusal() {
    let events = events();
    let passing = [0, 4, 5, 74, 75, 825, 900, 2700];
    let mut reached = HashSet::new();
    let mut frontier = vec![(pending(), 0_i64, Seen::default())];
    let mut depth = 0;
    while !frontier.is_empty() && depth < 7 {
        let mut next = Vec::new();
        for (state, at, seen) in frontier {
            for event in &events {
                for seconds in passing {
                    let (mut seen, at) = (seen.clone(), at + seconds);
                    let after = observe(&state, event, after(at), &mut seen);
                    if at <= 4600 && after != state && reached.insert((after.clone(), at, seen.clone())) {
                        next.push((after, at, seen));
                    }
                }
            }
        }
        frontier = next;
        depth += 1;
    }
    assert!(
        reached.len() > 10_000,
        "{} states are few: is something unreachable?",
        reached.len()
    );
}

/// Who is first does not matter: once a denial was heard, the ticket is denied, or its write had happened.
#[test]
fn denied_wins_in_every_interleaving() {
    let events = [
        Event::Approve(USABLE),
        Event::Deny,
        claims(1, CallKind::Update, Some("7")),
        Event::Revoke,
        Event::Cancel,
        Event::Tick,
        Event::Committed,
        Event::NotCommitted,
    ];
    let mut order: Vec<usize> = (0..events.len()).collect();
    let mut count = 0;
    permute(&mut order, 0, &mut |order| {
        count += 1;
        let mut state = pending();
        let mut heard = false;
        let mut seen = Seen::default();
        for index in order {
            let event = &events[*index];
            let open = !state.is_final();
            state = observe(&state, event, now(), &mut seen);
            heard |= open && *event == Event::Deny;
        }
        let stopped = matches!(
            &state,
            TicketState::Claimed {
                stop: Some(End::Denied),
                ..
            }
        );
        let outcome = matches!(
            state,
            TicketState::Ended(End::Denied) | TicketState::Consumed { .. }
        );
        assert!(!heard || stopped || outcome, "{order:?} ends {state:?}");
    });
    assert_eq!(count, 40_320);
}

fn permute(order: &mut Vec<usize>, from: usize, visit: &mut impl FnMut(&[usize])) {
    if from == order.len() {
        return visit(order);
    }
    for index in from..order.len() {
        order.swap(from, index);
        permute(order, from + 1, visit);
        order.swap(from, index);
    }
}

#[test]
fn each_state_has_its_word() {
    let ended = |end| TicketState::Ended(end);
    for (state, word, is_final, claim) in [
        (pending(), "Pending", false, None),
        (approved(), "Approved", false, None),
        (claimed(None), "Claimed", false, Some(claim())),
        (consumed(), "Consumed", true, Some(claim())),
        (ended(End::Denied), "Denied", true, None),
        (ended(End::Expired), "Expired", true, None),
        (ended(End::Cancelled), "Cancelled", true, None),
        (ended(End::Superseded), "Superseded", true, None),
        (ended(End::Revoked), "Revoked", true, None),
        (ended(End::Indeterminate), "Indeterminate", true, None),
    ] {
        assert_eq!(state.as_str(), word);
        assert_eq!(state.is_final(), is_final, "{word}");
        assert_eq!(state.claim(), claim.as_ref(), "{word}");
        if let TicketState::Ended(end) = state {
            assert_eq!(end.adjective(), word.to_lowercase());
        }
    }
}

fn ticket_in(state: TicketState) -> Ticket {
    let demand = world()
        .contributor("carl")
        .zone(zone("billing", "user:carl", &["billing/**"]))
        .demand(&updates("carl", "billing/configmaps/x"));
    ticket_for(demand.binding, state, &[])
}

#[test]
fn the_last_step_of_a_ticket_is_its_state_or_its_rollback() {
    assert_eq!(ticket_in(claimed(None)).standing(), "Claimed");
    let mut used = ticket_in(consumed());
    assert_eq!(used.standing(), "Consumed");
    used.rollback = Some(claim());
    assert_eq!(used.standing(), "RolledBack");
}

#[test]
fn a_call_holds_what_it_claimed_until_somebody_stops_it() {
    let by = |state| {
        let mut state = state;
        if let TicketState::Claimed { claim, .. } | TicketState::Consumed { claim } = &mut state {
            claim.by = "call-1".into();
        }
        let ticket = ticket_in(state);
        ["call-1", "call-2"].map(|call| ticket.is_held_by(call))
    };
    assert_eq!(by(claimed(None)), [true, false]);
    assert_eq!(by(consumed()), [true, false]);
    for lost in [
        pending(),
        approved(),
        claimed(Some(End::Revoked)),
        TicketState::Ended(End::Denied),
    ] {
        assert_eq!(by(lost), [false, false]);
    }
}

#[test]
fn what_is_consumed_changes_no_more() {
    assert_eq!(step(&consumed(), Event::Tick, now()), Ok(Step::Stay));
    let changes = |event: &Event| !matches!(event, Event::Tick | Event::Claim { .. });
    for event in events().into_iter().filter(changes) {
        assert_eq!(step(&consumed(), event, now()), Err(Refusal::AlreadyConsumed));
    }
}
