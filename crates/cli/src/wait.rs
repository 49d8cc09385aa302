//! `wait`: until a ticket, or each ticket of a batch, is in a state.

use std::{io::Write, time::Duration};

use anyhow::bail;
use clap::Args;
use countersign_api::{ApprovalTicket, approval_ticket::TicketState, duration};
use countersign_core::plain::plain;
use futures::future::try_join_all;
use kube::{Api, ResourceExt, runtime::wait::await_condition};

use crate::{
    batch::Chosen,
    connection::Session,
    failure::Outcome,
    output::name_of,
    ticket::{is_final, parse_state, state_of},
};

/// Wait until a ticket, or each of a batch, is in a state; fails when one ends in another
#[derive(Args, Clone, Debug)]
pub struct Wait {
    /// Which tickets
    #[command(flatten)]
    pub chosen: Chosen,
    /// What to wait for, such as state=Approved
    #[arg(long = "for", value_name = "state=STATE", value_parser = parse_goal, default_value = "state=Approved")]
    pub goal: TicketState,
    /// How long to wait, such as 90s, 5m or 1h
    #[arg(long, value_name = "DURATION", value_parser = parse_timeout, default_value = "5m")]
    pub timeout: Duration,
}

fn parse_goal(text: &str) -> Result<TicketState, String> {
    text.strip_prefix("state=")
        .ok_or_else(|| "use state=STATE".to_owned())
        .and_then(parse_state)
}

fn parse_timeout(text: &str) -> Result<Duration, String> {
    duration::parse(text)
        .map(jiff::SignedDuration::unsigned_abs)
        .map_err(|error| error.to_string())
}

impl Wait {
    /// Waits; the answer is no when a ticket ends in another state, is removed, or when the time is over.
    pub async fn run(&self, session: &Session, out: &mut impl Write) -> anyhow::Result<Outcome> {
        let tickets = self.chosen.tickets(session).await?;
        let all = try_join_all(tickets.iter().map(|ticket| self.reached(ticket, session)));
        let Ok(ends) = tokio::time::timeout(self.timeout, all).await else {
            let what = if self.chosen.is_single() {
                "the ticket"
            } else {
                "a ticket of the batch"
            };
            bail!("timed out: {what} is still not {:?}", self.goal);
        };
        for end in ends? {
            writeln!(out, "{} is {:?}", name_of(&end), self.goal)?;
        }
        Ok(Outcome::Yes)
    }

    /// The ticket once it is in the state.
    async fn reached(&self, ticket: &ApprovalTicket, session: &Session) -> anyhow::Result<ApprovalTicket> {
        let (uid, name) = (ticket.metadata.uid.clone(), ticket.name_any());
        let namespace = ticket.namespace().unwrap_or_default();
        let api = Api::<ApprovalTicket>::namespaced(session.client.clone(), &namespace);
        let goal = self.goal;
        let settled = |ticket: Option<&ApprovalTicket>| {
            ticket.is_none_or(|ticket| {
                let state = state_of(ticket);
                ticket.metadata.uid != uid || state == goal || is_final(state)
            })
        };
        let end = await_condition(api, &name, settled).await?;
        match end.filter(|end| end.metadata.uid == uid) {
            Some(end) if state_of(&end) == goal => Ok(end),
            Some(end) => bail!(
                "the ticket {} is {:?}, and never becomes {goal:?}",
                plain(&name),
                state_of(&end)
            ),
            None => bail!("the ticket {} was removed", plain(&name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goals_and_timeouts_are_read_like_kubectls() {
        assert_eq!(parse_goal("state=Consumed"), Ok(TicketState::Consumed));
        assert_eq!(parse_goal("Consumed"), Err("use state=STATE".to_owned()));
        assert_eq!(parse_timeout("1h30m"), Ok(Duration::from_mins(90)));
        assert!(
            parse_timeout("soon")
                .unwrap_err()
                .starts_with("`soon` is not a duration")
        );
    }
}
