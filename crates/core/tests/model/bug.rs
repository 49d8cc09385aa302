//! Faults of the protocol, each of which a property must notice: what is left out, or believed too soon.

use countersign_core::ticket::{CallKind, Event, Refusal, Step, TicketState, step};
use jiff::Timestamp;

/// One fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// An object that is not there proves that its write was not stored.
    ReleaseOnAbsence,
    /// Where the past is lost, nothing was stored.
    ReleaseWithoutProof,
    /// Where the past is lost, the write was stored.
    ConsumeWithoutProof,
    /// A claim is released as soon as no commit of it is seen.
    WindowIgnored,
    /// A claim is released as soon as its window is over, though a call that passed within it may still be stored.
    ReleaseAtTheDeadline,
    /// A ticket is written whatever its version is.
    SwapWithoutVersion,
    /// The answer is given while the claim is on its way.
    AnswerBeforeTheClaim,
    /// A claim of which no answer came back was stored.
    BelieveTheUnheard,
    /// Another change passes under a claim.
    SecondBind,
    /// A create passes again under its claim.
    SecondCreate,
    /// An update of another version of the object passes again without a look at the past.
    ReadmitWithoutProof,
    /// The reviews of a claimed ticket are not read again.
    DenyIgnoredWhenClaimed,
    /// Nor those of a contested one.
    MarkIgnored,
    /// A refusal is stored before its ticket is marked.
    StoredUnmarked,
    /// What was reviewed by nobody is approved.
    NoReviewIsApproval,
    /// What cannot be known is looked for for ever.
    NeverGiveUp,
}

/// `step`, or what a fault makes of it.
pub fn faulty_step(
    bug: Option<Bug>,
    state: &TicketState,
    event: Event,
    now: Timestamp,
) -> Result<Step, Refusal> {
    let has = |one| bug == Some(one);
    let event = match (event, state) {
        (
            Event::Claim {
                bind,
                call,
                resource_version,
            },
            TicketState::Claimed { claim, .. },
        ) => Event::Claim {
            bind: if has(Bug::SecondBind) { claim.bind } else { bind },
            call: match call {
                CallKind::Once if has(Bug::SecondCreate) => CallKind::Delete,
                call => call,
            },
            resource_version,
        },
        (Event::Unknowable, _) if has(Bug::NeverGiveUp) => Event::Tick,
        (event, _) => event,
    };
    match step(state, event, now) {
        Ok(Step::ProveUncommitted) if has(Bug::ReadmitWithoutProof) => Ok(Step::Stay),
        stepped => stepped,
    }
}
