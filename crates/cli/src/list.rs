//! `list`: the tickets of a namespace, or of all.

use std::io::Write;

use clap::Args;
use countersign_api::{ApprovalTicket, approval_ticket::TicketState};
use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use kube::{
    Api, ResourceExt,
    api::{ListParams, WatchEvent, WatchParams},
};

use crate::{
    batch::parse_name,
    connection::Session,
    failure::Outcome,
    known,
    output::{Format, age, name_of, serialized, write_table},
    ticket::{parse_state, state_of},
};

/// List tickets
#[derive(Args, Clone, Debug)]
pub struct List {
    /// The tickets of all namespaces
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,
    /// Only tickets that are for me, or that I requested
    #[arg(long)]
    pub mine: bool,
    /// Only tickets of this batch
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    pub batch: Option<String>,
    /// Only tickets in this state, such as Pending
    #[arg(long, value_parser = parse_state)]
    pub state: Option<TicketState>,
    /// The form of what is printed
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,
    /// Go on with each ticket that changes
    #[arg(short, long)]
    pub watch: bool,
}

impl List {
    /// Prints the tickets.
    pub async fn run(&self, session: &Session, out: &mut impl Write) -> anyhow::Result<Outcome> {
        let api: Api<ApprovalTicket> = if self.all_namespaces {
            Api::all(session.client.clone())
        } else {
            Api::namespaced(session.client.clone(), &session.namespace)
        };
        let me = if self.mine {
            Some(known::myself(session).await?.to_string())
        } else {
            None
        };
        let is_mine = |ticket: &ApprovalTicket| me.as_deref().is_none_or(|me| is_of(ticket, me));
        let state = self.state.map(|state| format!("status.state={state:?}"));
        let batch = self.batch.as_ref().map(|batch| format!("spec.batch={batch}"));
        let wanted: Vec<_> = state.into_iter().chain(batch).collect();
        let parameters = ListParams {
            field_selector: Some(wanted.join(",")).filter(|fields| !fields.is_empty()),
            ..ListParams::default()
        };
        let mut list = api.list(&parameters).await?;
        list.items.retain(is_mine);
        self.print(&list.items, out)?;
        if list.items.is_empty() && self.output == Format::Table && !self.watch {
            eprintln!("No tickets found{}.", self.place(session));
        }
        if self.watch {
            let fields = parameters.field_selector.unwrap_or_default();
            let version = list.metadata.resource_version.unwrap_or_default();
            let events = api
                .watch(&WatchParams::default().fields(&fields), &version)
                .await?
                .boxed();
            self.follow(events, is_mine, out).await?;
        }
        Ok(Outcome::Yes)
    }

    fn place(&self, session: &Session) -> String {
        if self.all_namespaces {
            String::new()
        } else {
            format!(" in {} namespace", session.namespace)
        }
    }

    async fn follow(
        &self,
        mut events: impl futures::Stream<Item = kube::Result<WatchEvent<ApprovalTicket>>> + Unpin,
        is_mine: impl Fn(&ApprovalTicket) -> bool,
        out: &mut impl Write,
    ) -> anyhow::Result<()> {
        while let Some(event) = events.try_next().await? {
            match event {
                WatchEvent::Added(ticket) | WatchEvent::Modified(ticket) if is_mine(&ticket) => {
                    match self.output {
                        Format::Table | Format::Wide => {
                            write_table(out, &[self.row(&ticket, Timestamp::now())])?;
                        }
                        _ => self.print(&[ticket], out)?,
                    }
                }
                WatchEvent::Error(status) => return Err(kube::Error::Api(status).into()),
                _ => {}
            }
        }
        Ok(())
    }

    fn print(&self, tickets: &[ApprovalTicket], out: &mut impl Write) -> anyhow::Result<()> {
        match self.output {
            Format::Json | Format::Yaml => {
                let list = serde_json::json!({ "apiVersion": "v1", "kind": "List", "items": tickets });
                out.write_all(serialized(&list, self.output)?.as_bytes())?;
            }
            Format::Name => {
                for ticket in tickets {
                    writeln!(out, "{}", name_of(ticket))?;
                }
            }
            Format::Table | Format::Wide if tickets.is_empty() => {}
            Format::Table | Format::Wide => {
                let now = Timestamp::now();
                let rows: Vec<_> = std::iter::once(self.head())
                    .chain(tickets.iter().map(|ticket| self.row(ticket, now)))
                    .collect();
                write_table(out, &rows)?;
            }
        }
        Ok(())
    }

    fn head(&self) -> Vec<String> {
        let titles = [
            (self.all_namespaces, "NAMESPACE"),
            (true, "NAME"),
            (true, "STATE"),
            (true, "SUBJECT"),
            (true, "OPERATION"),
            (true, "RESOURCE"),
            (true, "REVIEWS"),
            (true, "AGE"),
            (self.output == Format::Wide, "REQUESTER"),
            (self.output == Format::Wide, "BATCH"),
            (self.output == Format::Wide, "REASON"),
        ];
        titles
            .into_iter()
            .filter(|(shown, _)| *shown)
            .map(|(_, title)| title.to_owned())
            .collect()
    }

    fn row(&self, ticket: &ApprovalTicket, now: Timestamp) -> Vec<String> {
        let (spec, wide) = (&ticket.spec, self.output == Format::Wide);
        let created = ticket
            .creation_timestamp()
            .map(|created| now.as_second() - created.0.as_second());
        let cells = [
            (self.all_namespaces, ticket.namespace().unwrap_or_default()),
            (true, ticket.name_any()),
            (true, format!("{:?}", state_of(ticket))),
            (true, spec.binding.subject_id.clone()),
            (true, spec.binding.operation.to_string()),
            (true, spec.binding.resource.clone()),
            (true, reviews(ticket)),
            (true, created.map_or_else(|| "<unknown>".to_owned(), age)),
            (wide, spec.requester.clone().unwrap_or_default()),
            (wide, spec.batch.clone().unwrap_or_default()),
            (wide, spec.reason.clone().unwrap_or_default()),
        ];
        cells
            .into_iter()
            .filter(|(shown, _)| *shown)
            .map(|(_, cell)| cell)
            .collect()
    }
}

fn is_of(ticket: &ApprovalTicket, me: &str) -> bool {
    ticket.spec.binding.subject_id == me || ticket.spec.requester.as_deref() == Some(me)
}

/// How many reviews counted, of how many that are needed.
fn reviews(ticket: &ApprovalTicket) -> String {
    let status = ticket.status.clone().unwrap_or_default();
    let required = status
        .required_reviews
        .map_or_else(|| "?".to_owned(), |required| required.to_string());
    format!("{}/{required}", status.reviews.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ticket::tests::ticket;

    fn list(output: Format) -> List {
        List {
            all_namespaces: true,
            mine: false,
            batch: None,
            state: None,
            output,
            watch: false,
        }
    }

    fn printed(output: Format) -> String {
        let mut out = Vec::new();
        list(output).print(&[ticket(&[])], &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_table_has_kubectls_look() {
        let expected = "\
NAMESPACE   NAME                           STATE     SUBJECT            OPERATION   RESOURCE                               REVIEWS   AGE
billing     deployment-my-api-0123456789   Pending   agent:deploy-bot   Update      deployments.apps:billing/prod/my-api   0/?       <unknown>
";
        assert_eq!(printed(Format::Table), expected);
    }

    #[test]
    fn names_can_be_given_back_to_kubectl() {
        assert_eq!(
            printed(Format::Name),
            "approvalticket.countersign.dev/deployment-my-api-0123456789\n"
        );
    }

    #[test]
    fn json_is_a_list() {
        let value: serde_json::Value = serde_json::from_str(&printed(Format::Json)).unwrap();
        assert_eq!(value["items"][0]["spec"]["binding"]["operation"], "Update");
    }
}
