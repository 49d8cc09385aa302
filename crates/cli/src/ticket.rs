//! Tickets at the API server: made, found, and checked to show what they bind.

use anyhow::{Context, bail};
use countersign_api::{
    ApprovalTicket, ApprovalTicketSpec,
    approval_ticket::{Binding, ChangedPart, TicketState, summary},
};
use countersign_core::{
    binding,
    digest::Digest,
    gitops::Authorship,
    naming::{TicketName, ticket_names},
};
use kube::{Api, Client, ResourceExt, api::PostParams};

use crate::preview::Preview;

/// Every state, in the order of a ticket's life.
pub const STATES: [TicketState; 10] = [
    TicketState::Pending,
    TicketState::Approved,
    TicketState::Claimed,
    TicketState::Consumed,
    TicketState::Denied,
    TicketState::Expired,
    TicketState::Cancelled,
    TicketState::Superseded,
    TicketState::Revoked,
    TicketState::Indeterminate,
];

/// The state that a text names, in any case of letters.
pub fn parse_state(text: &str) -> Result<TicketState, String> {
    let found = STATES
        .into_iter()
        .find(|state| format!("{state:?}").eq_ignore_ascii_case(text));
    found.ok_or_else(|| {
        let names: Vec<_> = STATES.iter().map(|state| format!("{state:?}")).collect();
        format!("not a state: use one of {}", names.join(", "))
    })
}

/// Whether nothing happens to a ticket in this state any more.
pub const fn is_final(state: TicketState) -> bool {
    !matches!(
        state,
        TicketState::Pending | TicketState::Approved | TicketState::Claimed
    )
}

/// The state of a ticket; one that the operator has not seen yet is pending.
pub fn state_of(ticket: &ApprovalTicket) -> TicketState {
    ticket
        .status
        .as_ref()
        .map_or(TicketState::Pending, |status| status.state)
}

/// The ticket of this name.
pub async fn get(client: &Client, namespace: &str, name: &str) -> anyhow::Result<ApprovalTicket> {
    let name = name.rsplit_once('/').map_or(name, |(_, name)| name);
    Ok(Api::namespaced(client.clone(), namespace).get(name).await?)
}

/// A ticket, and whether it was made just now.
pub struct Made {
    /// The ticket.
    pub ticket: ApprovalTicket,
    /// `false` when there was one for the same change already.
    pub is_new: bool,
}

/// What is said of a change beside its content.
#[derive(Clone, Copy, Debug, Default)]
pub struct Said<'a> {
    /// Why it is wanted.
    pub reason: Option<&'a str>,
    /// The batch that it is of.
    pub batch: Option<&'a str>,
}

/// Asks for approval of a write: with a new ticket, or with the open one of the same binding.
pub async fn request(
    client: &Client,
    namespace: &str,
    preview: &Preview,
    said: Said<'_>,
) -> anyhow::Result<Made> {
    let bound = preview.binding().context("a write that needs no approval")?;
    let api = Api::<ApprovalTicket>::namespaced(client.clone(), namespace);
    for name in ticket_names(&bound) {
        let draft = ApprovalTicket::named(&name, spec(&bound, preview, said));
        match api.create(&PostParams::default(), &draft).await {
            Ok(ticket) => {
                check_stored(&draft, &ticket)?;
                return Ok(Made { ticket, is_new: true });
            }
            Err(kube::Error::Api(status)) if status.is_already_exists() => {}
            Err(error) => return Err(error.into()),
        }
        let TicketName::Fixed(name) = name else { break };
        let there = api.get_opt(&name).await?;
        if let Some(ticket) = there.filter(|ticket| serves(ticket, &bound)) {
            return Ok(Made {
                ticket,
                is_new: false,
            });
        }
    }
    bail!("the name of the ticket is taken: try again")
}

/// Whether the ticket is of this binding, and can still be used. One that does not show what it binds never can.
fn serves(ticket: &ApprovalTicket, bound: &binding::Binding) -> bool {
    let is_same = ticket.spec.binding.parse().is_ok_and(|other| other == *bound);
    is_same && !is_final(state_of(ticket)) && verify(ticket).is_ok()
}

/// Refuses a ticket that asks for something else than was sent. The operator adds its nonce.
fn check_stored(sent: &ApprovalTicket, stored: &ApprovalTicket) -> anyhow::Result<()> {
    let (sent, name) = (&sent.spec, stored.name_any());
    let asked = |spec: &ApprovalTicketSpec| (spec.binding.parse().ok(), spec.change.clone());
    if asked(sent) == asked(&stored.spec) {
        return Ok(());
    }
    bail!(
        "THE TICKET `{name}` WAS CHANGED ON ITS WAY by something else in the API server: it asks for another change \
         than yours. Cancel it (kubectl countersign cancel {name}), and tell an admin: kubectl get \
         mutatingadmissionpolicies,mutatingwebhookconfigurations"
    )
}

fn spec(bound: &binding::Binding, preview: &Preview, said: Said<'_>) -> ApprovalTicketSpec {
    let change = ChangedPart::list(&preview.change);
    ApprovalTicketSpec {
        binding: Binding::of(bound),
        binding_hash: None,
        requester: None,
        policy_digest: None,
        change_summary: summary(&preview.change, &change),
        change,
        ignored: Vec::new(),
        command: preview.command.clone(),
        reason: said.reason.map(str::to_owned),
        authors: Vec::new(),
        authorship: Authorship::Claimed,
        delivered_by: None,
        batch: said.batch.map(str::to_owned),
        stamp: None,
    }
}

/// What a ticket binds, once it is proven to be what it shows.
pub fn verify(ticket: &ApprovalTicket) -> anyhow::Result<Digest> {
    let spec = &ticket.spec;
    let bound = spec.bound()?;
    let hash = bound.hash(spec.binding.nonce.as_deref());
    match spec.binding_hash.as_deref() {
        Some(shown) if shown == hash.to_string() => {}
        Some(shown) => bail!("spec.bindingHash is {shown}, and the binding hashes to {hash}"),
        None => bail!(
            "spec.bindingHash is missing: the operator has not stamped `{}`",
            ticket.name_any()
        ),
    }
    Ok(hash)
}

#[cfg(test)]
pub mod tests;
