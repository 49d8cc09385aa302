//! `wait`: until a ticket is in a state.

use std::{io::Write, time::Duration};

use anyhow::bail;
use clap::Args;
use countersign_api::{ApprovalTicket, approval_ticket::TicketState, duration};
use kube::{Api, runtime::wait::await_condition};

use crate::{
    connection::Session,
    failure::Outcome,
    output::name_of,
    ticket::{get, is_final, parse_state, state_of},
};

/// Wait until a ticket is in a state; fails when it ends in another one
#[derive(Args, Clone, Debug)]
pub struct Wait {
    /// The ticket
    pub ticket: String,
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
    /// Waits; the answer is no when the ticket ends in another state, is removed, or when the time is over.
    pub async fn run(&self, session: &Session, out: &mut impl Write) -> anyhow::Result<Outcome> {
        let ticket = get(&session.client, &session.namespace, &self.ticket).await?;
        let uid = ticket.metadata.uid.clone();
        let api = Api::<ApprovalTicket>::namespaced(session.client.clone(), &session.namespace);
        let goal = self.goal;
        let settled = |ticket: Option<&ApprovalTicket>| {
            ticket.is_none_or(|ticket| {
                let state = state_of(ticket);
                ticket.metadata.uid != uid || state == goal || is_final(state)
            })
        };
        let name = kube::ResourceExt::name_any(&ticket);
        let Ok(end) = tokio::time::timeout(self.timeout, await_condition(api, &name, settled)).await else {
            bail!("timed out: the ticket is still not {goal:?}");
        };
        match end?.filter(|end| end.metadata.uid == uid) {
            Some(end) if state_of(&end) == goal => {
                writeln!(out, "{} is {goal:?}", name_of(&end))?;
                Ok(Outcome::Yes)
            }
            Some(end) => bail!("the ticket is {:?}, and never becomes {goal:?}", state_of(&end)),
            None => bail!("the ticket was removed"),
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
