//! `describe`: a ticket, or each of a batch, as a person reads it before deciding.

mod command;
mod progress;

use std::{collections::BTreeSet, fmt::Write as _, io::Write};

use anyhow::bail;
use clap::Args;
use countersign_api::{
    AccessPolicy, ApprovalTicket, ApprovalTicketStatus,
    approval_ticket::{Binding, DeliveredBy, TicketState},
};
use countersign_core::{gitops::Authorship, plain::plain, request::Operation, ticket::falls_back};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;

use crate::{
    batch::{self, Chosen},
    cascade,
    connection::Session,
    failure::Outcome,
    kubectl::Manifests,
    preview::{Preview, previews},
    show::{Part, diff},
    ticket::{is_final, state_of, verify},
};

/// Show a ticket: who asks, what would change, who reviewed
#[derive(Args, Clone, Debug)]
pub struct Describe {
    /// Which tickets
    #[command(flatten)]
    pub chosen: Chosen,
    /// What would be applied: shows and verifies the values that are too large for the ticket
    #[command(flatten)]
    pub manifests: Manifests,
}

impl Describe {
    /// Shows the ticket; the answer is no when it does not show what it binds.
    pub async fn run(&self, session: &Session, out: &mut impl Write) -> anyhow::Result<Outcome> {
        let tickets = self.chosen.found(session).await?;
        let previews = if self.manifests.is_empty() {
            None
        } else {
            Some(previews(session, &self.manifests).await?.objects)
        };
        let policy = session.policy().await?;
        for (number, ticket) in tickets.iter().enumerate() {
            let full = previews.as_deref().map(|found| full_change(ticket, found));
            let beside = Beside {
                full: full.transpose()?,
                cascade: cascade::of(ticket, session).await,
                unbound: unbound(ticket, policy.as_ref()),
            };
            let between = if number == 0 { "" } else { BETWEEN };
            write!(out, "{between}{}", text(ticket, beside, Timestamp::now()))?;
        }
        if !self.chosen.is_single() {
            out.write_all(self.of_batch(&tickets, session).as_bytes())?;
        }
        let shows = tickets.iter().all(|ticket| verify(ticket).is_ok());
        Ok(if shows { Outcome::Yes } else { Outcome::No })
    }

    /// Whose the batch is, and how to approve all of it.
    fn of_batch(&self, tickets: &[ApprovalTicket], session: &Session) -> String {
        let who = batch::owners(tickets);
        let mut text = format!("\nBatch of {} tickets:\n", tickets.len());
        for (who, count) in &who {
            let _ = writeln!(text, "  {count} of {who}");
        }
        if who.len() > 1 {
            text.push_str("\nSEVERAL ASK UNDER THIS NAME: whoever wants to may. Choose with --subject.\n");
        } else {
            let flags = self.chosen.flags(session);
            let _ = writeln!(
                text,
                "\nTo approve what waits of it:\n  kubectl countersign approve {flags}"
            );
        }
        text
    }
}

/// The parts of the change with their values, from manifests that make exactly this change.
fn full_change(ticket: &ApprovalTicket, previews: &[Preview]) -> anyhow::Result<Vec<Part>> {
    let bound = ticket.spec.bound()?;
    let place = bound.target.target().place();
    let found = previews
        .iter()
        .find(|preview| preview.target.target().place() == place);
    let Some(preview) = found else {
        bail!("the manifests do not hold {place}");
    };
    if preview.change.resource_hash != bound.resource_hash {
        bail!(
            "the manifests make another change of {place}: {}",
            preview.change.resource_hash
        );
    }
    Ok(preview.parts())
}

/// What stands between two tickets.
pub const BETWEEN: &str =
    "\n--------------------------------------------------------------------------------\n\n";

/// What is shown of a change beside what its ticket holds.
#[derive(Clone, Debug, Default)]
pub struct Beside {
    /// The change with the values that the ticket only digests.
    pub full: Option<Vec<Part>>,
    /// What goes with an object that is deleted, a line each.
    pub cascade: Vec<String>,
    /// What the policy leaves out of the hash of its kind; `None` where the policy cannot be read.
    pub unbound: Option<Vec<String>>,
}

/// What `hashIgnore` leaves out of what the ticket binds, whether it was to change or not.
pub fn unbound(ticket: &ApprovalTicket, policy: Option<&AccessPolicy>) -> Option<Vec<String>> {
    let target = &ticket.spec.binding.target;
    let entries = policy?.spec.hash_ignore.iter();
    let of_kind = entries.filter(|entry| entry.group == target.group && entry.kind == target.kind);
    Some(of_kind.flat_map(|entry| entry.pointers.clone()).collect())
}

/// The whole ticket, ready for a terminal.
pub fn text(ticket: &ApprovalTicket, beside: Beside, now: Timestamp) -> String {
    let mut text = String::new();
    let verified = verify(ticket);
    if let Err(error) = &verified {
        let _ = writeln!(
            text,
            "DO NOT APPROVE: this ticket does not show what it binds: {}\n",
            plain(&error.to_string())
        );
    }
    text.push_str(&head(ticket, now));
    let parts = beside
        .full
        .unwrap_or_else(|| ticket.spec.change.iter().map(Part::of_ticket).collect());
    text.push_str(&change(ticket, &parts));
    text.push_str(&left_out(ticket, beside.unbound.as_deref()));
    text.push_str(&command::told(ticket, &beside.cascade));
    text.push_str(&progress::told(ticket, now));
    if verified.is_ok() && state_of(ticket) == TicketState::Pending {
        let _ = writeln!(text, "\nTo approve it:\n  {}", approve_command(ticket));
    }
    text
}

/// The command that approves exactly what is shown.
pub fn approve_command(ticket: &ApprovalTicket) -> String {
    let namespace = ticket.namespace().unwrap_or_default();
    let hash = ticket
        .spec
        .binding_hash
        .as_deref()
        .map(|hash| format!(" --hash {}", plain(hash)));
    format!(
        "kubectl countersign approve {} -n {}{}",
        plain(&ticket.name_any()),
        plain(&namespace),
        hash.unwrap_or_default()
    )
}

/// Aligned `Name:  value` lines of those that have a value.
fn fields<const N: usize>(fields: [(&str, Option<String>); N]) -> String {
    let lines = fields
        .into_iter()
        .filter_map(|(name, value)| Some((format!("{name}:"), value?)));
    lines.fold(String::new(), |mut text, (name, value)| {
        let _ = writeln!(text, "{name:<15} {}", plain(&value));
        text
    })
}

fn delivery(by: &DeliveredBy) -> String {
    let revision = by.revision.as_ref().map(|revision| format!(" at {revision}"));
    let revision = revision.unwrap_or_default();
    format!("{} {}/{}{revision}", by.kind.kind(), by.namespace, by.name)
}

fn head(ticket: &ApprovalTicket, now: Timestamp) -> String {
    let (spec, binding) = (&ticket.spec, &ticket.spec.binding);
    let status = ticket.status.clone().unwrap_or_default();
    let requester = spec
        .requester
        .clone()
        .filter(|requester| *requester != binding.subject_id);
    let authors = Some(spec.authors.join(", ")).filter(|authors| !authors.is_empty());
    let authors = match spec.authorship {
        Authorship::Claimed => authors,
        Authorship::Verified => authors.map(|authors| format!("{authors} (by signature)")),
        Authorship::Unverified => Some("not proven: one reviewer more is needed".to_owned()),
    };
    fields([
        ("Name", Some(ticket.name_any())),
        ("Namespace", ticket.namespace()),
        ("State", Some(format!("{:?}", status.state))),
        ("Ends", ends(&status, now)),
        ("Who", Some(binding.subject_id.clone())),
        ("Requested by", requester),
        ("Authors", authors),
        ("Delivered by", spec.delivered_by.as_ref().map(delivery)),
        ("What", Some(what(binding))),
        ("Action", Some(binding.action.clone())),
        (
            "Takes zone of",
            Some(binding.zone_claims.join(", ")).filter(|claims| !claims.is_empty()),
        ),
        ("Where", Some(binding.resource.clone())),
        ("Object uid", binding.target.uid.clone()),
        ("Environment", Some(binding.env.to_string())),
        ("Cluster", Some(binding.cluster_id.clone())),
        ("Batch", spec.batch.clone()),
        ("Reason", spec.reason.clone()),
        ("Binding hash", spec.binding_hash.clone()),
        ("Resource hash", Some(binding.resource_hash.clone())),
    ])
}

/// What is done; in capitals when an object goes away.
fn what(binding: &Binding) -> String {
    let done = match (binding.operation, binding.target.subresource.as_deref()) {
        (Operation::Delete, _) => "DELETE",
        (Operation::Create, Some("eviction")) => "EVICT",
        (operation, None) => operation.verb(),
        (operation, Some(subresource)) => return format!("{} {subresource}", operation.verb()),
    };
    done.to_owned()
}

/// When an open ticket ends by itself.
fn ends(status: &ApprovalTicketStatus, now: Timestamp) -> Option<String> {
    if is_final(status.state) {
        return None;
    }
    let until = if status.state == TicketState::Pending {
        &status.pending_until
    } else {
        &status.usable_until
    };
    until
        .as_ref()
        .map(|Time(until)| format!("{until} ({})", distance(*until, now)))
}

fn distance(until: Timestamp, now: Timestamp) -> String {
    let seconds = until.as_second() - now.as_second();
    if seconds > 0 {
        format!("in {}", crate::output::age(seconds))
    } else {
        "over".to_owned()
    }
}

fn change(ticket: &ApprovalTicket, parts: &[Part]) -> String {
    let (spec, target) = (&ticket.spec, &ticket.spec.binding.target);
    let mut text = String::from("\nChange:\n");
    let evicts = target.subresource.as_deref() == Some("eviction");
    if spec.binding.operation == Operation::Delete {
        let _ = writeln!(
            text,
            "  DELETE THE WHOLE OBJECT {}",
            plain(&spec.binding.resource)
        );
    } else if evicts {
        let _ = writeln!(text, "  EVICT THE POD {}", plain(&spec.binding.resource));
    } else if spec.binding.operation == Operation::Connect {
        let subresource = target.subresource.as_deref().unwrap_or_default().to_uppercase();
        let _ = writeln!(
            text,
            "  {} IN {}",
            plain(&subresource),
            plain(&spec.binding.resource)
        );
        text.push_str(if falls_back(target.subresource.as_deref().unwrap_or_default()) {
            "  and once more within 5 seconds, for a client that falls back to another protocol\n"
        } else {
            "  by any HTTP method, with any query and any body: Kubernetes does not tell them\n"
        });
    } else {
        text.push_str(&diff(parts));
    }
    if let Some(summary) = &spec.change_summary {
        let _ = writeln!(text, "  {}", plain(summary));
        text.push_str("  To see and verify all of it: kubectl countersign describe -f MANIFEST\n");
    }
    text
}

/// What the ticket was made without, and what the policy leaves out now, by which it is used.
fn left_out(ticket: &ApprovalTicket, unbound: Option<&[String]>) -> String {
    let spec = &ticket.spec;
    if !matches!(spec.binding.operation, Operation::Create | Operation::Update) {
        return String::new();
    }
    let mut text = String::new();
    let pointers: BTreeSet<_> = spec.ignored.iter().chain(unbound.into_iter().flatten()).collect();
    for pointer in pointers {
        let _ = writeln!(text, "  not bound, whatever it becomes: {}", plain(pointer));
    }
    if unbound.is_none() {
        text.push_str("  the AccessPolicy cannot be read: what its hashIgnore leaves out is not bound\n");
    }
    text
}

#[cfg(test)]
mod tests;
