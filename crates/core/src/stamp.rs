//! Stamps: the operator's proof that it chose, on a ticket or a review, what a person may not choose; that it saw an
//! intent when it was made; that the passcode signed a BreakGlass; and that it wrote a ticket's state.

use crate::{
    agent_key::AgentKey,
    binding::Binding,
    digest::{Digest, MacKey},
    dsse::Signable,
    emergency::statement::Statement,
    gitops::Provenance,
    identity::Identity,
    intent::Signed,
    review::ReviewDecision,
};

/// What the stamp of a ticket is over.
#[derive(Debug)]
pub struct TicketStamp<'a> {
    /// The binding, with its cluster.
    pub binding: &'a Binding,
    /// The namespace that the ticket lives in.
    pub namespace: &'a str,
    /// The server's nonce.
    pub nonce: &'a str,
    /// Who requested it.
    pub requester: &'a Identity,
    /// Where its change comes from.
    pub provenance: &'a Provenance,
}

impl TicketStamp<'_> {
    /// The stamp.
    pub fn sign(&self, key: &MacKey) -> String {
        let (hash, provenance) = (self.binding.hash(Some(self.nonce)), self.provenance.text());
        key.sign(&self.parts(hash.as_bytes(), &provenance))
    }

    /// Whether `stamp` is the operator's.
    pub fn verify(&self, key: &MacKey, stamp: &str) -> bool {
        let (hash, provenance) = (self.binding.hash(Some(self.nonce)), self.provenance.text());
        key.verify(&self.parts(hash.as_bytes(), &provenance), stamp)
    }

    fn parts<'a>(&'a self, hash: &'a [u8], provenance: &'a str) -> [&'a [u8]; 7] {
        let cluster = self.binding.cluster_id.as_bytes();
        let requester = self.requester.as_str().as_bytes();
        [
            b"ticket",
            cluster,
            self.namespace.as_bytes(),
            self.nonce.as_bytes(),
            requester,
            hash,
            provenance.as_bytes(),
        ]
    }
}

/// What the stamp of a review is over.
#[derive(Debug)]
pub struct ReviewStamp<'a> {
    /// The cluster.
    pub cluster_id: &'a str,
    /// The namespace that the review lives in.
    pub namespace: &'a str,
    /// Uid of the ticket.
    pub ticket_uid: &'a str,
    /// The binding hash that the reviewer saw.
    pub binding_hash: Digest,
    /// Who reviews.
    pub reviewer: &'a Identity,
    /// What is decided.
    pub decision: ReviewDecision,
}

impl ReviewStamp<'_> {
    /// The stamp.
    pub fn sign(&self, key: &MacKey) -> String {
        key.sign(&self.parts())
    }

    /// Whether `stamp` is the operator's.
    pub fn verify(&self, key: &MacKey, stamp: &str) -> bool {
        key.verify(&self.parts(), stamp)
    }

    fn parts(&self) -> [&[u8]; 7] {
        [
            b"review",
            self.cluster_id.as_bytes(),
            self.namespace.as_bytes(),
            self.ticket_uid.as_bytes(),
            self.binding_hash.as_bytes(),
            self.reviewer.as_str().as_bytes(),
            self.decision.as_str().as_bytes(),
        ]
    }
}

/// What the stamp of an intent is over: all that its agent says, and the signature. The statement names cluster,
/// namespace and agent.
#[derive(Debug)]
pub struct IntentStamp<'a> {
    /// What was said, and the signature.
    pub signed: &'a Signed,
    /// The key that it was verified by.
    pub key: &'a AgentKey,
}

impl IntentStamp<'_> {
    /// The stamp; none where the statement has no payload.
    pub fn sign(&self, key: &MacKey) -> Option<String> {
        let payload = self.signed.statement.payload().ok()?;
        Some(key.sign(&self.parts(&payload)))
    }

    /// Whether `stamp` is the operator's.
    pub fn verify(&self, key: &MacKey, stamp: &str) -> bool {
        let payload = self.signed.statement.payload();
        payload.is_ok_and(|payload| key.verify(&self.parts(&payload), stamp))
    }

    fn parts<'a>(&'a self, payload: &'a [u8]) -> [&'a [u8]; 4] {
        [
            b"intent",
            payload,
            self.signed.signature.as_bytes(),
            self.key.as_bytes(),
        ]
    }
}

/// What the stamp of a BreakGlass is over: what the passcode signed, and its name.
#[derive(Clone, Copy, Debug)]
pub struct EmergencyStamp<'a> {
    /// The cluster that the operator is in.
    pub cluster_id: &'a str,
    /// Name of the object.
    pub name: &'a str,
    /// What was signed.
    pub statement: Statement<'a>,
}

impl EmergencyStamp<'_> {
    /// The stamp.
    pub fn sign(&self, key: &MacKey) -> String {
        key.sign(&self.parts())
    }

    /// Whether `stamp` is the operator's.
    pub fn verify(&self, key: &MacKey, stamp: &str) -> bool {
        key.verify(&self.parts(), stamp)
    }

    const fn parts(&self) -> [&[u8]; 9] {
        let signed = &self.statement;
        [
            b"break-glass",
            self.cluster_id.as_bytes(),
            self.name.as_bytes(),
            signed.cluster_id.as_bytes(),
            signed.person_id.as_bytes(),
            signed.reason.as_bytes(),
            signed.duration.as_bytes(),
            signed.nonce.as_bytes(),
            signed.time.as_bytes(),
        ]
    }
}

/// What the seal of a ticket's state is over.
#[derive(Clone, Copy, Debug)]
pub struct StateSeal<'a> {
    /// The cluster.
    pub cluster_id: &'a str,
    /// Uid of the ticket.
    pub ticket_uid: &'a str,
    /// How many steps led to the state.
    pub steps: u32,
    /// Digest of what the state is made of.
    pub facts: &'a Digest,
}

impl StateSeal<'_> {
    /// The seal.
    pub fn sign(&self, key: &MacKey) -> String {
        key.sign(&self.parts(&self.steps.to_be_bytes()))
    }

    /// Whether `seal` is the operator's.
    pub fn verify(&self, key: &MacKey, seal: &str) -> bool {
        key.verify(&self.parts(&self.steps.to_be_bytes()), seal)
    }

    const fn parts<'a>(&'a self, steps: &'a [u8]) -> [&'a [u8]; 5] {
        [
            b"ticket state",
            self.cluster_id.as_bytes(),
            self.ticket_uid.as_bytes(),
            steps,
            self.facts.as_bytes(),
        ]
    }
}

#[cfg(test)]
mod tests;
