//! Minting: the ticket that would open the way, made at the denial; the same one however often it is asked for.

use std::sync::Arc;

use countersign_api::approval_ticket::MAX_PARTS;
use countersign_core::{
    binding::Binding,
    decide::{check_pending, ticket_namespace},
    decision::{Demand, Denial, Reason},
    identity::Identity,
    naming::{TicketName, ticket_names},
    own::Present,
    request::Request,
    snapshot::Snapshot,
    ticket::{End, Ticket, TicketState},
};
use jiff::Timestamp;
use kube::{Client, core::Status};

use super::{own::present, record};
use crate::{
    audit::Log,
    gitops::{self, Origin},
    tickets::{self, Tickets},
    turns::Taken,
};

/// Why there is no ticket for Helm's way back.
const ROLLBACK: &str = "Helm undoes a release that failed, and nobody is asked to approve that: approve the \
                        release instead";

/// Why there is none for what was judged by an old object.
const OUTDATED: &str = "the object changed meanwhile: try again";

/// Makes tickets.
pub struct Minting {
    client: Client,
    tickets: Tickets,
    log: Log,
    turns: Taken,
}

/// The ticket for a denied write.
#[derive(Debug)]
pub enum Minted {
    /// It waits for reviews.
    Pending {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// How many more people than the place asks for have to approve it.
        more_reviews: u32,
    },
    /// It was approved, or denied, a moment ago: the decision has to be made again with it.
    Moved(Arc<Ticket>),
    /// None was made: the policy says so, or the write will be tried again on a fresher object (E3).
    None(&'static str),
}

impl Minting {
    /// Mints through `client`, and records each ticket in `log`; they are for this replica to go on with.
    pub fn new(client: Client, log: Log, turns: Taken) -> Self {
        Self {
            tickets: Tickets::new(client.clone()),
            client,
            log,
            turns,
        }
    }

    /// The ticket for `demand`, made now or found.
    pub async fn mint(
        &self,
        demand: &Demand,
        request: &Request<'_>,
        snapshot: &Snapshot,
    ) -> Result<Minted, Denial> {
        if let Some(waiting) = &demand.pending
            && let Some(found) = self.look_again(waiting, &demand.binding, snapshot).await?
        {
            return Ok(found);
        }
        snapshot.check_mutators(Timestamp::now())?;
        let Some(policy) = snapshot
            .policy
            .get()
            .filter(|policy| policy.approvals.mint_on_denial)
        else {
            return Ok(Minted::None("request one with kubectl countersign request"));
        };
        let namespace = ticket_namespace(request.target.namespace, snapshot);
        check_pending(&demand.binding.subject, namespace, (snapshot, policy))?;
        if self.is_outdated(demand, request, snapshot).await? {
            return Ok(Minted::None(OUTDATED));
        }
        let origin = gitops::origin(request, snapshot, &self.client).await;
        if origin.is_rollback {
            return Ok(Minted::None(ROLLBACK));
        }
        self.create(demand, (request, &origin), namespace, snapshot).await
    }

    /// Whether the API server judged by an old object: it will ask again by itself (E3). What else changed meanwhile
    /// does not matter to the change.
    async fn is_outdated(
        &self,
        demand: &Demand,
        request: &Request<'_>,
        snapshot: &Snapshot,
    ) -> Result<bool, Denial> {
        if request.change.before().is_none() {
            return Ok(false);
        }
        let (binding, granules) = (&demand.binding, &demand.change.granules);
        let pointers: Vec<_> = granules.iter().map(|granule| granule.pointer.as_str()).collect();
        Ok(match present(binding, &pointers, snapshot, &self.client).await? {
            Present::Absent => true,
            Present::Object { uid, old_hash } => {
                Some(uid) != binding.target.uid || old_hash != binding.old_hash
            }
        })
    }

    async fn create(
        &self,
        demand: &Demand,
        (request, origin): (&Request<'_>, &Origin),
        namespace: &str,
        snapshot: &Snapshot,
    ) -> Result<Minted, Denial> {
        let parts = demand.change.granules.len();
        if parts > MAX_PARTS {
            return Err(too_much(parts, &format!("a ticket holds {MAX_PARTS}")));
        }
        for name in ticket_names(&demand.binding) {
            let draft = tickets::minted(demand, (request, origin), (namespace, &name), snapshot)
                .map_err(|why| unmintable(&why))?;
            if let TicketName::Fixed(name) = &name {
                self.turns.take((namespace, name), "");
            }
            match self.tickets.create(namespace, &draft).await {
                Ok(made) => {
                    let more_reviews = origin.provenance.more_reviews();
                    let of = (&demand.binding.subject, snapshot);
                    return self.record((namespace, made), more_reviews, of).await;
                }
                Err(kube::Error::Api(status)) if status.is_already_exists() => {}
                Err(kube::Error::Api(status)) if is_too_large(&status) => {
                    return Err(too_much(parts, "a ticket that holds them is too large"));
                }
                Err(error) => return Err(unmintable(&error)),
            }
            let TicketName::Fixed(name) = name else { break };
            self.turns.give_up((namespace, &name));
            let there = self.read((namespace, &name), &demand.binding, snapshot).await?;
            let is_over = there.is_some();
            if let Some(found) = there.and_then(serving) {
                return Ok(found);
            }
            // It may have been used since the object was looked at.
            if is_over && self.is_outdated(demand, request, snapshot).await? {
                return Ok(Minted::None(OUTDATED));
            }
        }
        let message = "the ticket for this change could not be made: its name is taken, try again";
        Err(Denial::new(Reason::Unreadable, message))
    }

    async fn record(
        &self,
        (namespace, name): (&str, String),
        more_reviews: u32,
        (subject, snapshot): (&Identity, &Snapshot),
    ) -> Result<Minted, Denial> {
        let reference = countersign_core::audit::record::ObjectRef {
            namespace: namespace.to_owned(),
            name: name.clone(),
            uid: None,
        };
        let record = record::of_minting(reference, subject, snapshot);
        self.log
            .append(record)
            .await
            .map_err(|error| Denial::new(Reason::AuditUnavailable, error.to_string()))?;
        Ok(Minted::Pending {
            namespace: namespace.to_owned(),
            name,
            more_reviews,
        })
    }

    /// A ticket that waited when we last heard of it: whoever was told of a review may come before we are.
    async fn look_again(
        &self,
        waiting: &Ticket,
        binding: &Binding,
        snapshot: &Snapshot,
    ) -> Result<Option<Minted>, Denial> {
        let ticket = self
            .read((&waiting.namespace, &waiting.name), binding, snapshot)
            .await?;
        Ok(match ticket {
            Some(ticket) if ticket.state == TicketState::Ended(End::Denied) => {
                Some(Minted::Moved(Arc::new(ticket)))
            }
            ticket => ticket.and_then(serving),
        })
    }

    /// The ticket of this name, if it is of this binding.
    async fn read(
        &self,
        (namespace, name): (&str, &str),
        binding: &Binding,
        snapshot: &Snapshot,
    ) -> Result<Option<Ticket>, Denial> {
        let object = self
            .tickets
            .get(namespace, name)
            .await
            .map_err(|error| unmintable(&error))?;
        let ticket = object.and_then(|object| tickets::compiled(&object, snapshot));
        Ok(ticket.filter(|ticket| ticket.binding == *binding))
    }
}

/// What a ticket that is there is good for; a finished one is good for nothing.
fn serving(ticket: Ticket) -> Option<Minted> {
    match ticket.state {
        TicketState::Pending { .. } => Some(Minted::Pending {
            namespace: ticket.namespace.to_string(),
            name: ticket.name.to_string(),
            more_reviews: ticket.provenance.more_reviews(),
        }),
        TicketState::Approved { .. } | TicketState::Claimed { .. } => Some(Minted::Moved(Arc::new(ticket))),
        TicketState::Consumed { .. } | TicketState::Ended(_) => None,
    }
}

/// Whether the API server, or the store behind it, takes no object of this size: each says so in its own words.
fn is_too_large(status: &Status) -> bool {
    status.code == 413
        || ["too large", "larger than max"]
            .iter()
            .any(|words| status.message.contains(words))
}

fn too_much(parts: usize, why: &str) -> Denial {
    let message = format!("the change has {parts} parts, and {why}: make it in several steps");
    Denial::new(Reason::Unreadable, message)
}

fn unmintable(error: &dyn std::error::Error) -> Denial {
    Denial::new(
        Reason::Unreadable,
        format!("the ticket for this change could not be made: {error}"),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    #[test]
    fn each_word_for_too_large_is_known() {
        let says = |code: u16, message: &str| {
            is_too_large(&from_value(json!({ "code": code, "message": message })).unwrap())
        };
        assert!(says(500, "etcdserver: request is too large"));
        let sent = "rpc error: code = ResourceExhausted desc = trying to send message larger than max (2183840 vs. 2097152)";
        assert!(says(500, sent));
        assert!(says(413, "limit is 3145728"));
        assert!(!says(500, "etcdserver: leader changed"));
    }
}
