//! `describe`: a ticket as a person reads it before deciding.

use std::{fmt::Write as _, io::Write};

use anyhow::bail;
use clap::Args;
use countersign_api::{
    ApprovalTicket, ApprovalTicketStatus,
    approval_ticket::{Binding, DeliveredBy, TicketState},
};
use countersign_core::{gitops::Authorship, plain::plain, request::Operation, ticket::falls_back};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;

use crate::{
    connection::Session,
    failure::Outcome,
    kubectl::Manifests,
    preview::previews,
    show::{Part, diff},
    ticket::{get, is_final, state_of, verify},
    yaml,
};

/// Show a ticket: who asks, what would change, who reviewed
#[derive(Args, Clone, Debug)]
pub struct Describe {
    /// The ticket
    pub ticket: String,
    /// What would be applied: shows and verifies the values that are too large for the ticket
    #[command(flatten)]
    pub manifests: Manifests,
}

impl Describe {
    /// Shows the ticket; the answer is no when it does not show what it binds.
    pub async fn run(&self, session: &Session, out: &mut impl Write) -> anyhow::Result<Outcome> {
        let ticket = get(&session.client, &session.namespace, &self.ticket).await?;
        let full = if self.manifests.is_empty() {
            None
        } else {
            Some(self.full_change(session, &ticket).await?)
        };
        out.write_all(text(&ticket, full, Timestamp::now()).as_bytes())?;
        Ok(if verify(&ticket).is_ok() {
            Outcome::Yes
        } else {
            Outcome::No
        })
    }

    /// The parts of the change with their values, from manifests that make exactly this change.
    async fn full_change(&self, session: &Session, ticket: &ApprovalTicket) -> anyhow::Result<Vec<Part>> {
        let bound = ticket.spec.bound()?;
        let place = bound.target.target().place();
        let found = previews(session, &self.manifests).await?.objects;
        let Some(preview) = found
            .into_iter()
            .find(|preview| preview.target.target().place() == place)
        else {
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
}

/// The whole ticket, ready for a terminal. `full` is the change with the values that the ticket only digests.
pub fn text(ticket: &ApprovalTicket, full: Option<Vec<Part>>, now: Timestamp) -> String {
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
    let parts = full.unwrap_or_else(|| ticket.spec.change.iter().map(Part::of_ticket).collect());
    text.push_str(&change(ticket, &parts));
    text.push_str(&progress(ticket, now));
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
    for pointer in &spec.ignored {
        let _ = writeln!(text, "  not bound, whatever it becomes: {}", plain(pointer));
    }
    text.push_str(&options(ticket));
    text
}

/// The options that are bound beside the content.
fn options(ticket: &ApprovalTicket) -> String {
    let spec = &ticket.spec;
    match (&spec.command, &spec.binding.command_hash) {
        (None, None) => String::new(),
        (None, Some(hash)) => format!(
            "  WITH OPTIONS THAT THE TICKET DOES NOT SHOW, digest {}\n",
            plain(hash)
        ),
        (Some(command), _) => {
            let lines = yaml::lines(command);
            lines
                .iter()
                .fold(String::from("  with these options:\n"), |mut text, line| {
                    let _ = writeln!(text, "      {line}");
                    text
                })
        }
    }
}

fn progress(ticket: &ApprovalTicket, now: Timestamp) -> String {
    let status = ticket.status.clone().unwrap_or_default();
    let mut text = match status.required_reviews {
        Some(required) => format!("\nReviews ({required} must approve):\n"),
        None => "\nReviews:\n".to_owned(),
    };
    for review in &status.reviews {
        let ago = crate::output::age(now.as_second() - review.time.0.as_second());
        let _ = writeln!(
            text,
            "  {} by {}, {ago} ago",
            review.decision.as_str(),
            plain(&review.reviewer)
        );
    }
    if status.reviews.is_empty() {
        text.push_str("  none yet\n");
    }
    if let Some(claim) = &status.claim {
        let _ = writeln!(
            text,
            "\nUsed by a write at {}, held until {}",
            claim.claimed_at.0, claim.deadline.0
        );
    }
    if let Some(resolution) = &status.resolution {
        let _ = writeln!(text, "\nNote: {}", plain(resolution));
    }
    if !status.conditions.is_empty() {
        text.push_str("\nConditions:\n");
    }
    for condition in &status.conditions {
        let said = [
            &condition.type_,
            "=",
            &condition.status,
            " (",
            &condition.reason,
            ") ",
            &condition.message,
        ];
        let _ = writeln!(text, "  {}", plain(said.concat().trim_end()));
    }
    text
}

#[cfg(test)]
mod tests;
