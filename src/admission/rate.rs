//! How many intents an agent makes in a minute: counted when everything else of an intent is as it should be.

use countersign_core::{
    decision::{Cause, Denial, Reason},
    own::IntentDraft,
    snapshot::Snapshot,
};
use jiff::SignedDuration;

use crate::quota::{Exceeded, Quotas};

/// What the limit is for.
const SPAN: SignedDuration = SignedDuration::from_mins(1);

/// Counts the intent, or refuses it for a while.
pub async fn take(draft: &IntentDraft, quotas: &Quotas, snapshot: &Snapshot) -> Result<(), Denial> {
    let who = &draft.signed.statement.agent;
    let most = snapshot.agent(who).map_or(0, |agent| agent.intents_per_minute);
    let cause = || Cause::new("Agent", who.local(), "spec.intentsPerMinute");
    let taken = quotas
        .take(
            &format!("intents of {who}"),
            usize::try_from(most).unwrap_or(usize::MAX),
            SPAN,
        )
        .await
        .map_err(|error| {
            let message = format!("the intents of {who} could not be counted: {error}; try again");
            Denial::new(Reason::Unreadable, message).because(cause())
        })?;
    taken.map_err(|Exceeded { wait }| {
        let message = format!(
            "{who} makes {most} intents a minute at most: make the same again when the time of Retry-After is over"
        );
        Denial::new(Reason::RateLimited, message)
            .because(cause())
            .for_now(wait)
    })
}
