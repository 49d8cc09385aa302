//! Mutators: what changes objects inside the API server before they are stored, mutating webhooks and policies.
//!
//! One that can change tickets and reviews can put another decision, about another ticket, into a reviewer's mouth
//! before the operator stamps it. No webhook is asked when it is configured, so mutators are watched; those that the
//! policy does not accept are foreign.

use std::{fmt, str::FromStr, sync::Arc};

use jiff::{SignedDuration, Timestamp};

use crate::{
    decision::{Cause, Denial, Reason},
    snapshot::Snapshot,
};

/// How long a mutator may still act once it is gone: API servers learn of it one after the other, and look at policies
/// once a second.
const LINGERS: SignedDuration = SignedDuration::from_secs(10);

/// API servers date objects to the second, each by its own clock.
const SLACK: SignedDuration = SignedDuration::from_secs(1);

/// What changes objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MutatorKind {
    /// A MutatingWebhookConfiguration.
    Webhook,
    /// A MutatingAdmissionPolicy.
    Policy,
}

impl MutatorKind {
    /// The kind as objects write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "MutatingWebhookConfiguration",
            Self::Policy => "MutatingAdmissionPolicy",
        }
    }

    /// Where its rules are.
    const fn rules(self) -> &'static str {
        match self {
            Self::Webhook => "webhooks.rules",
            Self::Policy => "spec.matchConstraints",
        }
    }
}

/// One of them: `<kind>/<name>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mutator {
    /// Its kind.
    pub kind: MutatorKind,
    /// Its name.
    pub name: Arc<str>,
}

impl fmt::Display for Mutator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.as_str(), self.name)
    }
}

/// A text that names no mutator.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is no mutator: use MutatingWebhookConfiguration/<name> or MutatingAdmissionPolicy/<name>")]
pub struct InvalidMutator(String);

impl FromStr for Mutator {
    type Err = InvalidMutator;

    fn from_str(text: &str) -> Result<Self, InvalidMutator> {
        let found = text.split_once('/').and_then(|(kind, name)| {
            let kinds = [MutatorKind::Webhook, MutatorKind::Policy];
            let kind = kinds.into_iter().find(|known| known.as_str() == kind)?;
            (!name.is_empty() && !name.contains('/')).then(|| Self {
                kind,
                name: name.into(),
            })
        });
        found.ok_or_else(|| InvalidMutator(text.to_owned()))
    }
}

/// From when until when a mutator could change Countersign's own objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presence {
    /// Which one.
    pub mutator: Mutator,
    /// Since when at the latest, by the clock of the API server.
    pub since: Timestamp,
    /// When it was seen to be gone; `None` while it is there.
    pub gone: Option<Timestamp>,
}

impl Presence {
    /// Whether it may act now, or what is made now may be dated to when it did.
    fn is_at_work(&self, now: Timestamp) -> bool {
        self.gone.is_none_or(|gone| now <= gone + LINGERS + SLACK)
    }

    /// Whether it may have changed an object of this date.
    fn was_at_work(&self, created: Timestamp) -> bool {
        self.since - SLACK <= created && self.gone.is_none_or(|gone| created <= gone + LINGERS)
    }
}

/// What is known of the mutators that can change Countersign's own objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mutators {
    /// Whether there may be others.
    pub stale: bool,
    /// Those that are there, and those that were.
    pub seen: Arc<[Presence]>,
}

impl Mutators {
    /// Nobody looked yet.
    pub fn unknown() -> Self {
        Self {
            stale: true,
            ..Self::default()
        }
    }
}

impl Snapshot {
    /// The foreign mutators that are there.
    pub fn foreign_mutators(&self) -> impl Iterator<Item = &Mutator> {
        self.foreign()
            .filter(|presence| presence.gone.is_none())
            .map(|presence| &presence.mutator)
    }

    /// Refuses to make what a foreign mutator could make say something else.
    pub fn check_mutators(&self, now: Timestamp) -> Result<(), Denial> {
        if !self.latched {
            return Ok(());
        }
        if self.mutators.stale {
            let message =
                "what is known of mutating webhooks and policies may be outdated: try again in a moment";
            return Err(Denial::new(Reason::Stale, message));
        }
        let mut at_work = self.foreign().filter(|presence| presence.is_at_work(now));
        at_work.next().map_or(Ok(()), |presence| Err(foreign(presence)))
    }

    /// Whether a foreign mutator may have changed an object of this date.
    pub fn may_be_rewritten(&self, created: Timestamp) -> bool {
        self.latched && self.foreign().any(|presence| presence.was_at_work(created))
    }

    fn foreign(&self) -> impl Iterator<Item = &Presence> {
        let policy = self.policy.get();
        let is_accepted =
            move |mutator| policy.is_some_and(|policy| policy.accepted_mutators.contains(mutator));
        self.mutators
            .seen
            .iter()
            .filter(move |presence| !is_accepted(&presence.mutator))
    }
}

fn foreign(presence: &Presence) -> Denial {
    let mutator = &presence.mutator;
    let message = if presence.gone.is_none() {
        format!(
            "{mutator} can change tickets and reviews before they are stored: leave the group countersign.dev out of \
             its rules, or accept it in spec.acceptedMutators of the AccessPolicy before it comes"
        )
    } else {
        format!(
            "{mutator} could change tickets and reviews until a moment ago: try again in {} s",
            (LINGERS + SLACK).as_secs()
        )
    };
    let cause = Cause::new(mutator.kind.as_str(), mutator.name.clone(), mutator.kind.rules());
    Denial::new(Reason::ForeignMutator, message).because(cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mutator_is_a_kind_and_a_name() {
        for text in [
            "MutatingWebhookConfiguration/gatekeeper",
            "MutatingAdmissionPolicy/a.b",
        ] {
            assert_eq!(text.parse::<Mutator>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "gatekeeper",
            "MutatingAdmissionPolicy/",
            "ValidatingAdmissionPolicy/a",
            "MutatingAdmissionPolicy/a/b",
        ] {
            assert_eq!(text.parse::<Mutator>(), Err(InvalidMutator(text.to_owned())));
        }
    }

    #[test]
    fn what_was_made_while_a_mutator_was_there_may_be_rewritten() {
        let at = |second: i64| Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second);
        let presence = |gone: Option<i64>| Presence {
            mutator: "MutatingAdmissionPolicy/m".parse().unwrap(),
            since: at(100),
            gone: gone.map(at),
        };
        for (created, there, gone) in [
            (98, false, false),
            (99, true, true),
            (200, true, true),
            (210, true, true),
            (211, true, false),
        ] {
            assert_eq!(presence(None).was_at_work(at(created)), there, "{created}");
            assert_eq!(presence(Some(200)).was_at_work(at(created)), gone, "{created}");
        }
        // The operator's clock may be behind, and what is made now is dated to the second.
        assert!(presence(None).is_at_work(at(0)));
        assert!(presence(Some(200)).is_at_work(at(211)));
        assert!(!presence(Some(200)).is_at_work(at(212)));
    }
}
