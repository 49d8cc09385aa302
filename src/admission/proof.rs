//! What an agent signed, for the audit log: it keeps what leaves the cluster.

use countersign_core::{
    audit::{
        Event, Record,
        record::{KeyRotation, SignedIntent},
    },
    own::Own,
    request::Request,
    snapshot::Snapshot,
};
use jiff::Timestamp;

/// What is proven by a request that is let through.
#[derive(Debug)]
pub enum Proof {
    /// An intent.
    Intent(Box<SignedIntent>),
    /// An agent has another key from now on.
    Rotation(Box<KeyRotation>),
}

impl Proof {
    /// What the request proves, if it is one that does.
    pub fn of(request: &Request<'_>, snapshot: &Snapshot) -> Option<Self> {
        match request.own? {
            Own::Intent(draft) => {
                let signed = draft.signed.clone();
                let key = snapshot.agent(&signed.statement.agent)?.key?;
                Some(Self::Intent(Box::new(SignedIntent {
                    public_key: key.to_string(),
                    signed,
                })))
            }
            Own::Agent(draft) => {
                let (agent, former) = (&draft.agent, draft.former?);
                let (key, rotation) = (agent.key?, agent.rotation.as_ref()?);
                (key != former.key).then(|| {
                    Self::Rotation(Box::new(KeyRotation {
                        by: request.caller.username.to_owned(),
                        owner: agent.owner.clone(),
                        statement: rotation.statement(&agent.identity, &snapshot.cluster.id, &key),
                        signature: rotation.signature.to_string(),
                    }))
                })
            }
            _ => None,
        }
    }

    /// The record of its own that it has.
    pub fn record(&self) -> Option<Record> {
        match self {
            Self::Intent(_) => None,
            Self::Rotation(rotation) => Some(Record {
                time: Timestamp::now(),
                event: Event::KeyRotation(rotation.clone()),
            }),
        }
    }

    /// The intent that it is.
    pub fn intent(&self) -> Option<SignedIntent> {
        match self {
            Self::Intent(intent) => Some((**intent).clone()),
            Self::Rotation(_) => None,
        }
    }
}
