//! The state of a ticket, between its status and the core's type.

use std::sync::Arc;

use countersign_core::{
    digest::Digest,
    snapshot::Cluster,
    stamp::StateSeal,
    ticket::{self, End},
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};

use super::{ApprovalTicketStatus, Claim, ClaimStop, TicketState, parse::digest};
use crate::invalid::{Invalid, Problem};

impl ApprovalTicketStatus {
    /// The state that the status shows; `until` is when a pending ticket that has no time expires.
    pub fn state(&self, until: Timestamp) -> Result<ticket::TicketState, Invalid> {
        let usable = || self.usable_until.as_ref().map(|time| time.0);
        let usable = || usable().ok_or_else(|| Problem::Missing.at("status.usableUntil"));
        let claim = || {
            self.claim
                .as_ref()
                .ok_or_else(|| Problem::Missing.at("status.claim"))
        };
        let end = match self.state {
            TicketState::Pending => {
                let until = self.pending_until.as_ref().map_or(until, |time| time.0);
                return Ok(ticket::TicketState::Pending { until });
            }
            TicketState::Approved => {
                return Ok(ticket::TicketState::Approved {
                    usable_until: usable()?,
                });
            }
            TicketState::Claimed => {
                let (claim, stop) = (claim()?.parse()?, claim()?.stop.map(ClaimStop::end));
                return Ok(ticket::TicketState::Claimed {
                    usable_until: usable()?,
                    claim,
                    stop,
                });
            }
            TicketState::Consumed => {
                return Ok(ticket::TicketState::Consumed {
                    claim: claim()?.parse()?,
                });
            }
            TicketState::Denied => End::Denied,
            TicketState::Expired => End::Expired,
            TicketState::Cancelled => End::Cancelled,
            TicketState::Superseded => End::Superseded,
            TicketState::Revoked => End::Revoked,
            TicketState::Indeterminate => End::Indeterminate,
        };
        Ok(ticket::TicketState::Ended(end))
    }

    /// Shows a state. Times that a later state does not need stay, for whoever reads the ticket afterwards.
    pub fn set_state(&mut self, state: &ticket::TicketState, now: Timestamp) {
        if self.state != TicketState::Consumed {
            self.rollback = None;
        }
        match state {
            ticket::TicketState::Pending { until } => {
                self.state = TicketState::Pending;
                self.pending_until = Some(Time(*until));
            }
            ticket::TicketState::Approved { usable_until } => {
                self.state = TicketState::Approved;
                self.usable_until = Some(Time(*usable_until));
                self.approved_at.get_or_insert(Time(now));
                self.claim = None;
            }
            ticket::TicketState::Claimed {
                usable_until,
                claim,
                stop,
            } => {
                self.state = TicketState::Claimed;
                self.usable_until = Some(Time(*usable_until));
                self.show_claim(claim, *stop);
            }
            ticket::TicketState::Consumed { claim } => {
                self.state = TicketState::Consumed;
                self.consumed_at.get_or_insert(Time(now));
                self.show_claim(claim, None);
            }
            ticket::TicketState::Ended(end) => self.state = TicketState::of(*end),
        }
        if state.is_final() {
            self.finished_at.get_or_insert(Time(now));
        }
    }

    /// Seals the state of the ticket with this uid, to which so many steps led.
    pub fn seal(&mut self, steps: u32, uid: &str, cluster: &Cluster) {
        self.steps = Some(steps);
        self.seal = self
            .facts()
            .map(|facts| seal_of(steps, uid, &facts, cluster).sign(&cluster.stamp));
    }

    /// What the operator says of a ticket that somebody refuses before it has said anything else of it.
    pub fn contested_at_first(state: &ticket::TicketState, uid: &str, cluster: &Cluster) -> Self {
        let mut status = Self {
            contested: Some(true),
            ..Self::default()
        };
        status.set_state(state, Timestamp::now());
        status.seal(0, uid, cluster);
        status
    }

    /// How many steps led to the state, if the operator says so of the ticket with this uid.
    pub fn sealed_steps(&self, uid: &str, cluster: &Cluster) -> Option<u32> {
        let (steps, seal, facts) = (self.steps?, self.seal.as_deref()?, self.facts()?);
        seal_of(steps, uid, &facts, cluster)
            .verify(&cluster.stamp, seal)
            .then_some(steps)
    }

    /// The digest of what the state is made of. What an earlier state left behind is no part of it: whoever writes the
    /// next one need not know it.
    fn facts(&self) -> Option<Digest> {
        let (until, claim, rollback) = match self.state {
            TicketState::Pending => (&self.pending_until, &None, &None),
            TicketState::Approved => (&self.usable_until, &None, &None),
            TicketState::Claimed => (&self.usable_until, &self.claim, &None),
            TicketState::Consumed => (&None, &self.claim, &self.rollback),
            TicketState::Denied
            | TicketState::Expired
            | TicketState::Cancelled
            | TicketState::Superseded
            | TicketState::Revoked
            | TicketState::Indeterminate => (&None, &None, &None),
        };
        crate::seal::digest(&(self.state, until, claim, rollback))
    }

    /// Shows a claim; what the core does not need to know of it (the replica) stays.
    fn show_claim(&mut self, claim: &ticket::Claim, stop: Option<End>) {
        let bind = claim.bind.to_string();
        let replica = self
            .claim
            .take()
            .filter(|present| present.bind == bind)
            .and_then(|present| present.replica);
        self.claim = Some(Claim {
            replica,
            stop: stop.and_then(ClaimStop::of),
            ..Claim::of(claim)
        });
    }

    /// The write that undid the change without another approval, if one did.
    pub fn rolled_back(&self) -> Result<Option<ticket::Claim>, Invalid> {
        let of_used = self
            .rollback
            .as_ref()
            .filter(|_| self.state == TicketState::Consumed);
        of_used.map(Claim::parse).transpose()
    }

    /// Shows the write that undoes the change of a ticket that was used under this claim.
    pub fn show_rollback(&mut self, used: &ticket::Claim, undone: &ticket::Claim) {
        self.state = TicketState::Consumed;
        self.show_claim(used, None);
        self.rollback = Some(Claim::of(undone));
    }
}

fn seal_of<'a>(steps: u32, uid: &'a str, facts: &'a Digest, cluster: &'a Cluster) -> StateSeal<'a> {
    StateSeal {
        cluster_id: &cluster.id,
        ticket_uid: uid,
        steps,
        facts,
    }
}

impl TicketState {
    const fn of(end: End) -> Self {
        match end {
            End::Denied => Self::Denied,
            End::Expired => Self::Expired,
            End::Cancelled => Self::Cancelled,
            End::Superseded => Self::Superseded,
            End::Revoked => Self::Revoked,
            End::Indeterminate => Self::Indeterminate,
        }
    }
}

impl Claim {
    fn of(claim: &ticket::Claim) -> Self {
        Self {
            bind: claim.bind.to_string(),
            claimed_at: MicroTime(claim.claimed_at),
            deadline: MicroTime(claim.deadline()),
            uid: Some(claim.by.to_string()).filter(|uid| !uid.is_empty()),
            old_resource_version: claim.resource_version.as_deref().map(str::to_owned),
            object_uid: claim.object_uid.as_deref().map(str::to_owned),
            resent: claim.resent,
            replica: None,
            stop: None,
        }
    }

    fn parse(&self) -> Result<ticket::Claim, Invalid> {
        Ok(ticket::Claim {
            bind: digest("status.claim.bind", &self.bind)?,
            by: self.uid.as_deref().unwrap_or_default().into(),
            object_uid: self.object_uid.as_deref().map(Arc::from),
            claimed_at: self.claimed_at.0,
            resource_version: self.old_resource_version.as_deref().map(Arc::from),
            resent: self.resent,
        })
    }
}

impl ClaimStop {
    const fn end(self) -> End {
        match self {
            Self::Denied => End::Denied,
            Self::Revoked => End::Revoked,
            Self::Cancelled => End::Cancelled,
            Self::Expired => End::Expired,
        }
    }

    /// Nothing for the two ends that never come over a claimed ticket.
    const fn of(end: End) -> Option<Self> {
        match end {
            End::Denied => Some(Self::Denied),
            End::Revoked => Some(Self::Revoked),
            End::Cancelled => Some(Self::Cancelled),
            End::Expired => Some(Self::Expired),
            End::Superseded | End::Indeterminate => None,
        }
    }
}
