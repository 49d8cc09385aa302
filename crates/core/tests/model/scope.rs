//! How much of the protocol is explored: which changes, and how much may go wrong.

use super::{
    bug::Bug,
    collection::Value,
    pair::Pair,
    plan::Plan,
    properties::{
        AT_MOST_ONE_SPEND, DENY_WINS, EVENTUALLY_RESOLVED, NO_WRITE_WITHOUT_APPROVAL, TELLS_THE_TRUTH,
    },
    protocol::Protocol,
    world::Bounds,
};

/// A value is changed, and changed back.
const REVERT: Pair<Plan> = Pair::new(Plan::Set(Value::New), Plan::Set(Value::Old));

/// An object is deleted, and another one of its name is created.
const REPLACE: Pair<Plan> = Pair::new(Plan::Create, Plan::Delete);

/// An object is created where none is, by either of two tickets.
const CREATE: Pair<Plan> = Pair::new(Plan::Create, Plan::Create);

/// Somebody connects to an object, which is deleted.
const CONNECT: Pair<Plan> = Pair::new(Plan::Connect, Plan::Delete);

/// Nothing goes wrong, and nothing happens.
const CALM: Bounds = Bounds {
    calls: 0,
    foreign: 0,
    crashes: 0,
    lost: 0,
    compactions: 0,
    duplicates: 0,
    refusals: 0,
};

/// One exploration.
pub struct Scope {
    pub name: &'static str,
    pub protocol: Protocol,
}

const fn scope(name: &'static str, plans: Pair<Plan>, lagging: bool, bounds: Bounds) -> Scope {
    Scope {
        name,
        protocol: Protocol {
            plans,
            lagging: Pair::new(lagging, false),
            bounds,
            bug: None,
        },
    }
}

/// What is explored; `whole` of it in minutes, else in a minute at most.
pub fn scopes(whole: bool) -> Vec<Scope> {
    let quick = vec![
        scope("revert_contended", REVERT, false, CONTENDED),
        scope("revert_forgotten", REVERT, false, FORGOTTEN_TWICE),
        scope("revert_broken", REVERT, false, BROKEN),
        scope("revert_late", REVERT, true, REFUSED),
        scope("replace", REPLACE, false, Bounds { calls: 2, ..CALM }),
        scope("create_vanish_create", CREATE, false, VANISHING),
        scope("connect", CONNECT, false, Bounds { calls: 2, ..CALM }),
    ];
    if !whole {
        return quick;
    }
    let more = [
        scope("replace_contended", REPLACE, false, CONTENDED),
        scope("create_broken", CREATE, false, BROKEN),
        scope("create_forgotten", CREATE, false, FORGOTTEN_TWICE),
        scope("create_late", CREATE, true, REFUSED),
        scope("connect_contended", CONNECT, false, CONTENDED),
        scope("connect_broken", CONNECT, false, BROKEN),
    ];
    quick.into_iter().chain(more).collect()
}

/// Somebody else writes, somebody says no.
const CONTENDED: Bounds = Bounds {
    foreign: 1,
    refusals: 1,
    ..REFUSED
};

/// Somebody says no.
const REFUSED: Bounds = Bounds {
    calls: 2,
    refusals: 1,
    ..CALM
};

/// A replica dies, an answer is lost, a review comes twice.
const BROKEN: Bounds = Bounds {
    calls: 2,
    crashes: 1,
    lost: 1,
    duplicates: 1,
    ..CALM
};

/// Two writes of which the past is lost.
const FORGOTTEN_TWICE: Bounds = Bounds {
    calls: 2,
    ..FORGOTTEN
};

/// A fault, and the property that must notice it.
pub struct Seeded {
    pub property: &'static str,
    pub protocol: Protocol,
}

const fn seeded(bug: Bug, property: &'static str, plans: Pair<Plan>, bounds: Bounds) -> Seeded {
    Seeded {
        property,
        protocol: Protocol {
            plans,
            lagging: Pair::new(false, false),
            bounds,
            bug: Some(bug),
        },
    }
}

/// Two creates, and somebody who removes what the first one made.
const VANISHING: Bounds = Bounds {
    calls: 2,
    foreign: 1,
    ..CALM
};

/// A write of which the past is lost.
const FORGOTTEN: Bounds = Bounds {
    calls: 1,
    foreign: 1,
    compactions: 1,
    ..CALM
};

/// Every fault.
pub const SEEDED: [Seeded; 16] = [
    seeded(Bug::ReleaseOnAbsence, AT_MOST_ONE_SPEND, CREATE, VANISHING),
    seeded(
        Bug::ReleaseWithoutProof,
        AT_MOST_ONE_SPEND,
        CREATE,
        Bounds {
            compactions: 1,
            ..VANISHING
        },
    ),
    seeded(Bug::ConsumeWithoutProof, TELLS_THE_TRUTH, REVERT, FORGOTTEN),
    seeded(Bug::WindowIgnored, AT_MOST_ONE_SPEND, CREATE, VANISHING),
    seeded(
        Bug::ReleaseAtTheDeadline,
        TELLS_THE_TRUTH,
        REVERT,
        Bounds { calls: 2, ..CALM },
    ),
    seeded(Bug::SwapWithoutVersion, AT_MOST_ONE_SPEND, CREATE, VANISHING),
    seeded(Bug::AnswerBeforeTheClaim, AT_MOST_ONE_SPEND, CREATE, VANISHING),
    seeded(
        Bug::BelieveTheUnheard,
        AT_MOST_ONE_SPEND,
        CREATE,
        Bounds { lost: 1, ..VANISHING },
    ),
    seeded(
        Bug::SecondBind,
        NO_WRITE_WITHOUT_APPROVAL,
        REVERT,
        Bounds { calls: 2, ..CALM },
    ),
    seeded(Bug::SecondCreate, AT_MOST_ONE_SPEND, CREATE, VANISHING),
    seeded(
        Bug::ReadmitWithoutProof,
        AT_MOST_ONE_SPEND,
        REVERT,
        Bounds { calls: 3, ..CALM },
    ),
    seeded(
        Bug::DenyIgnoredWhenClaimed,
        DENY_WINS,
        REVERT,
        Bounds {
            calls: 2,
            refusals: 1,
            ..CALM
        },
    ),
    seeded(Bug::MarkIgnored, DENY_WINS, REVERT, REFUSED),
    seeded(Bug::StoredUnmarked, DENY_WINS, REVERT, REFUSED),
    seeded(
        Bug::NoReviewIsApproval,
        NO_WRITE_WITHOUT_APPROVAL,
        REVERT,
        Bounds { calls: 1, ..CALM },
    ),
    seeded(Bug::NeverGiveUp, EVENTUALLY_RESOLVED, REVERT, FORGOTTEN),
];
