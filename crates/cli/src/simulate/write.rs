//! One write as it would be sent, and the operator's decision about it.

use anyhow::Context;
use countersign_api::permission;
use countersign_core::{
    decide::GROUP,
    object::{Change, Object},
    own::Own,
    parent::LiveParent,
    request::{Operation, Request},
    snapshot::Snapshot,
};

use super::{apply::applied, located::Located};
use crate::{answer::Answer, who::Who};

/// One write.
pub struct Write<'d> {
    located: &'d Located<'d>,
    sent: Sent,
}

/// The objects of the write, as text.
enum Sent {
    Create(String),
    Update { old: String, new: String },
    Delete(String),
}

impl<'d> Write<'d> {
    /// The apply of a manifest to what exists in its place, if anything does.
    pub fn apply(new: &'d Located<'d>, old: Option<&Located<'_>>) -> Self {
        let sent = match old.map(Located::sent) {
            None => Sent::Create(new.sent().to_string()),
            Some(old) => Sent::Update {
                new: applied(&old, &new.sent()).to_string(),
                old: old.to_string(),
            },
        };
        Self { located: new, sent }
    }

    /// The deletion of what exists.
    pub fn prune(old: &'d Located<'d>) -> Self {
        Self {
            located: old,
            sent: Sent::Delete(old.sent().to_string()),
        }
    }

    /// What is written, and where.
    pub const fn located(&self) -> &'d Located<'d> {
        self.located
    }

    /// The operator's decision, were this sent by `who`.
    pub fn judge(&self, who: &Who, snapshot: &Snapshot) -> anyhow::Result<Answer> {
        let judge = || -> anyhow::Result<Answer> {
            let target = self.located.target();
            let own = self.own()?;
            let request = Request {
                caller: who.caller(),
                operation: self.operation(),
                change: self.change()?,
                options: None,
                hidden: None,
                live_parent: LiveParent::Unread,
                own: own.as_ref(),
                generates_name: false,
                dry_run: false,
                target,
            };
            Ok(Answer::to(&request, snapshot))
        };
        judge().with_context(|| self.located.document.source.to_string())
    }

    const fn operation(&self) -> Operation {
        match self.sent {
            Sent::Create(_) => Operation::Create,
            Sent::Update { .. } => Operation::Update,
            Sent::Delete(_) => Operation::Delete,
        }
    }

    fn change(&self) -> anyhow::Result<Change<'_>> {
        Ok(match &self.sent {
            Sent::Create(new) => Change::Create(Object::parse(new)?),
            Sent::Update { old, new } => Change::Update {
                old: Object::parse(old)?,
                new: Object::parse(new)?,
            },
            Sent::Delete(old) => Change::Delete(Some(Object::parse(old)?)),
        })
    }

    /// The object that would be, when it is of Countersign's own kinds.
    fn own(&self) -> anyhow::Result<Option<Own>> {
        let target = self.located.target();
        if target.group != GROUP {
            return Ok(None);
        }
        let (Sent::Create(text) | Sent::Update { new: text, .. } | Sent::Delete(text)) = &self.sent;
        let stored = match &self.sent {
            Sent::Update { old, .. } => Some(old.as_str()),
            Sent::Create(_) | Sent::Delete(_) => None,
        };
        let own = permission::read(target.resource, text, stored).with_context(|| {
            format!(
                "kind: `{}` is no manifest: a cluster alone can judge it",
                target.kind
            )
        })?;
        Ok(Some(match self.sent {
            Sent::Delete(_) => Own::Removed,
            Sent::Create(_) | Sent::Update { .. } => own,
        }))
    }
}
