//! Tickets and reviews: those that bear the operator's stamp.

use std::{hash::Hash, sync::Arc};

use countersign_core::{
    batch::BatchKey,
    map::{HashMap, Vector},
    policy::Policy,
    review::Review,
    snapshot::Cluster,
    stamp::{ReviewStamp, TicketStamp},
    ticket::{Ticket, TicketState},
};

use super::{ApprovalReview, ApprovalTicket, Index, Indexed, Key, Ticketed};
use crate::{
    approval_review, approval_ticket,
    invalid::{Invalid, Problem},
};

/// What is said of an object without a good stamp.
const STAMPED: &str = "the operator's stamp over this object";

/// The ticket, if it bears the operator's stamp; its steps, if its state bears the operator's seal.
pub fn stamped_ticket(
    object: &ApprovalTicket,
    cluster: &Cluster,
    policy: &Policy,
) -> Result<Ticket, Invalid> {
    let mut ticket = approval_ticket::parse(object, policy.approvals.pending_ttl)?;
    if let Some(status) = &object.status {
        ticket.steps = status.sealed_steps(&ticket.uid, cluster);
    }
    let stamp = TicketStamp {
        binding: &ticket.binding,
        namespace: &ticket.namespace,
        nonce: &ticket.nonce,
        requester: &ticket.requester,
        provenance: &ticket.provenance,
    };
    let shown = object.spec.stamp.as_deref().unwrap_or_default();
    if ticket.binding.cluster_id == *cluster.id && stamp.verify(&cluster.stamp, shown) {
        return Ok(ticket);
    }
    Err(Problem::unexpected(shown, STAMPED).at("spec.stamp"))
}

/// The review, if it bears the operator's stamp.
pub fn stamped_review(object: &ApprovalReview, cluster: &Cluster) -> Result<Review, Invalid> {
    let review = approval_review::parse(object)?;
    let stamp = ReviewStamp {
        cluster_id: &cluster.id,
        namespace: object.metadata.namespace.as_deref().unwrap_or_default(),
        ticket_uid: &review.ticket_uid,
        binding_hash: review.binding_hash,
        reviewer: &review.reviewer,
        decision: review.decision,
    };
    let shown = object.spec.stamp.as_deref().unwrap_or_default();
    if stamp.verify(&cluster.stamp, shown) {
        return Ok(review);
    }
    Err(Problem::unexpected(shown, STAMPED).at("spec.stamp"))
}

impl Indexed for ApprovalTicket {
    const PERMITS: bool = false;

    fn file(&self, index: &mut Index) -> Result<(), Invalid> {
        let shipped = Policy::default();
        let policy = index.snapshot.policy.get().map_or(&shipped, |policy| policy);
        let ticket = Arc::new(stamped_ticket(self, &index.snapshot.cluster, policy)?);
        let key = Key::of(self);
        Self::unfile(&key, index);
        let filed = Ticketed {
            digest: ticket.binding.digest(),
            subject: ticket.binding.subject.clone(),
            batch: BatchKey::of(&ticket),
            namespace: ticket.namespace.clone(),
            uid: ticket.uid.clone(),
            created: created(&ticket),
        };
        if let Some(object) = &filed.created {
            index.snapshot.created.insert(object.clone(), ticket.clone());
        }
        if matches!(ticket.state, TicketState::Pending { .. }) {
            let waiting = (filed.subject.clone(), filed.namespace.clone());
            index
                .snapshot
                .pending
                .entry(waiting)
                .or_default()
                .push_back(ticket.clone());
        }
        if let Some(batch) = &filed.batch {
            index
                .snapshot
                .batches
                .entry(batch.clone())
                .or_default()
                .push_back(ticket.clone());
        }
        index
            .snapshot
            .tickets
            .entry(filed.digest)
            .or_default()
            .push_back(ticket);
        index.tickets.insert(key, filed);
        Ok(())
    }

    fn unfile(key: &Key, index: &mut Index) {
        let Some(filed) = index.tickets.remove(key) else {
            return;
        };
        drop_from(&mut index.snapshot.tickets, &filed.digest, &filed.uid);
        if let Some(object) = &filed.created {
            index.snapshot.created.remove(object);
        }
        let waiting = (filed.subject, filed.namespace);
        drop_from(&mut index.snapshot.pending, &waiting, &filed.uid);
        if let Some(batch) = filed.batch {
            drop_from(&mut index.snapshot.batches, &batch, &filed.uid);
        }
    }

    fn filed(index: &Index) -> Vec<Key> {
        index.tickets.keys().cloned().collect()
    }
}

/// The uid of the object that was made under the ticket.
fn created(ticket: &Ticket) -> Option<Arc<str>> {
    match &ticket.state {
        TicketState::Consumed { claim } => claim.object_uid.clone(),
        _ => None,
    }
}

/// Takes a ticket from the list under a key, and the list with its last one.
fn drop_from<K: Eq + Hash + Clone>(lists: &mut HashMap<K, Vector<Arc<Ticket>>>, key: &K, uid: &str) {
    let Some(tickets) = lists.get_mut(key) else {
        return;
    };
    tickets.retain(|ticket| *ticket.uid != *uid);
    if tickets.is_empty() {
        lists.remove(key);
    }
}

impl Indexed for ApprovalReview {
    const PERMITS: bool = false;

    fn file(&self, index: &mut Index) -> Result<(), Invalid> {
        let review = stamped_review(self, &index.snapshot.cluster)?;
        let key = Key::of(self);
        Self::unfile(&key, index);
        index.reviews.insert(key, review.ticket_uid.clone());
        index
            .snapshot
            .reviews
            .entry(review.ticket_uid.clone())
            .or_default()
            .push_back(Arc::new(review));
        Ok(())
    }

    fn unfile(key: &Key, index: &mut Index) {
        let Some(ticket_uid) = index.reviews.remove(key) else {
            return;
        };
        let Some(reviews) = index.snapshot.reviews.get_mut(&ticket_uid) else {
            return;
        };
        reviews.retain(|review| review.name != key.name);
        if reviews.is_empty() {
            index.snapshot.reviews.remove(&ticket_uid);
        }
    }

    fn filed(index: &Index) -> Vec<Key> {
        index.reviews.keys().cloned().collect()
    }
}
