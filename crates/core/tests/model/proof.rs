//! What the past of the object says of a claimed write; as `src/admission/history.rs`.

use countersign_core::ticket::Claim;

use super::{
    collection::{Collection, Event},
    names::number,
    plan::{Author, ORIGINAL, Plan},
};

/// What the past of an object says of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Past {
    Committed,
    Untouched,
    Lost,
}

/// What a watch shows from the version of the claim up to `until`.
pub fn since(plan: Plan, claim: &Claim, until: u8, collection: &Collection) -> Past {
    let version = claim.resource_version.as_deref().and_then(number);
    let Some(events) = version.and_then(|version| collection.since(version, until)) else {
        return Past::Lost;
    };
    for event in events {
        match plan.explain(claim, event) {
            Author::Us => return Past::Committed,
            Author::Others => {}
            Author::Unknown => return Past::Lost,
        }
    }
    Past::Untouched
}

/// What the object as it is now tells.
pub fn of_present(plan: Plan, claim: &Claim, collection: &Collection) -> Past {
    let Some(object) = collection.object else {
        return if plan == Plan::Delete {
            Past::Committed
        } else {
            Past::Lost
        };
    };
    let same = plan != Plan::Create
        && object.uid == ORIGINAL
        && claim.resource_version.as_deref().and_then(number) == Some(object.version);
    let event = Event {
        object,
        deleted: false,
    };
    if plan.explain(claim, &event) == Author::Us {
        Past::Committed
    } else if same {
        Past::Untouched
    } else {
        Past::Lost
    }
}
