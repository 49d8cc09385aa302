//! `agent show`: an agent, and what the cluster still knows of what it did, was denied and waits for, zone by zone.

use std::{collections::BTreeMap, fmt::Debug, io::Write};

use clap::Args;
use countersign_api::{Agent, ApprovalTicket, Intent, Task};
use countersign_core::{
    agent_key::AgentKey, place::Place, request::Target, resource_name::ResourceName, snapshot::Snapshot,
};
use jiff::Timestamp;
use k8s_openapi::{api::events::v1::Event, apimachinery::pkg::apis::meta::v1::Time};
use kube::{Api, Resource, ResourceExt, api::ListParams};
use serde::de::DeserializeOwned;

use crate::{
    connection::Session,
    failure::Outcome,
    known,
    output::{age, write_table},
    ticket::state_of,
};

/// Show an agent
///
/// What it did and was denied is told by the tickets, tasks, intents and Events that are still in the cluster; the audit
/// log has all of it.
#[derive(Args, Clone, Debug)]
pub struct Show {
    /// The name of the Agent
    pub name: String,
}

/// Something that the agent did, said or was denied.
struct Deed {
    zone: String,
    when: Option<Time>,
    what: [String; 3],
}

impl Show {
    /// Prints all that can be read.
    pub async fn run(
        &self,
        session: &Session,
        agents: &Api<Agent>,
        out: &mut impl Write,
    ) -> anyhow::Result<Outcome> {
        let agent = agents.get(&self.name).await?;
        write_table(out, &rows(&agent))?;
        let snapshot = known::read(session).await?.snapshot;
        let who = format!("agent:{}", self.name);
        let mut deeds = Vec::new();
        let of_subject = format!("spec.binding.subjectID={who}");
        let tickets: Vec<ApprovalTicket> = list(session, &of_subject).await?;
        let tasks: Vec<Task> = list(session, "").await?;
        deeds.extend(tickets.iter().map(|ticket| of_ticket(ticket, &tasks, &snapshot)));
        let intents: Vec<Intent> = list(session, &format!("spec.agentID={who}")).await?;
        deeds.extend(intents.iter().map(|intent| of_intent(intent, &snapshot)));
        let events: Vec<Event> = list(session, "").await?;
        let by = format!(" by {who} ");
        let is_its = |event: &&Event| event.note.as_deref().is_some_and(|note| note.contains(&by));
        deeds.extend(
            events
                .iter()
                .filter(is_its)
                .map(|event| of_event(event, &snapshot)),
        );
        write_zones(deeds, out)?;
        Ok(Outcome::Yes)
    }
}

/// The objects of a kind in all namespaces; none where they may not be read, which is said.
async fn list<K>(session: &Session, fields: &str) -> anyhow::Result<Vec<K>>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let parameters = match fields {
        "" => ListParams::default(),
        fields => ListParams::default().fields(fields),
    };
    match Api::<K>::all(session.client.clone()).list(&parameters).await {
        Ok(list) => Ok(list.items),
        Err(kube::Error::Api(status)) if status.is_forbidden() => {
            eprintln!("you may not list {}: none is shown", K::plural(&()));
            Ok(Vec::new())
        }
        Err(error) => Err(error.into()),
    }
}

fn rows(agent: &Agent) -> Vec<Vec<String>> {
    let spec = &agent.spec;
    let status = agent.status.clone().unwrap_or_default();
    let key = spec.public_key.as_deref().map(|key| {
        let parsed: Result<AgentKey, _> = key.parse();
        parsed.map_or_else(|why| why.to_string(), |key| key.fingerprint())
    });
    let ready = status
        .conditions
        .iter()
        .find(|condition| condition.type_ == "Ready");
    let standing = ready.map_or_else(String::new, |ready| {
        format!("{} {}", ready.reason, ready.message).trim().to_owned()
    });
    let rotated = spec.rotation.as_ref().map(|rotation| rotation.time.clone());
    let accounts = spec.service_accounts.iter();
    let accounts: Vec<_> = accounts
        .map(|account| format!("{}/{}", account.namespace, account.name))
        .collect();
    let row = |name: &str, value: String| vec![format!("{name}:"), value];
    [
        Some(row("agent", format!("agent:{}", agent.name_any()))),
        Some(row("owner", spec.owner.clone())),
        Some(row("role", spec.role.to_string())),
        Some(row(
            "key",
            key.unwrap_or_else(|| "none: it signs nothing".to_owned()),
        )),
        rotated.map(|time| row("rotated", time)),
        Some(row(
            "intents",
            format!("{} a minute at most", spec.intents_per_minute),
        )),
        Some(row("acts as", accounts.join(", "))),
        Some(row(
            "suspended",
            if spec.suspend { "yes" } else { "no" }.to_owned(),
        )),
        Some(row("standing", standing)),
        Some(row("pending", status.pending.unwrap_or_default().to_string())),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn of_ticket(ticket: &ApprovalTicket, tasks: &[Task], snapshot: &Snapshot) -> Deed {
    let binding = &ticket.spec.binding;
    let task = tasks
        .iter()
        .find(|task| Some(&task.spec.ticket_ref.uid) == ticket.metadata.uid.as_ref());
    let came_of_it = task.and_then(|task| task.status.as_ref());
    let state = match came_of_it {
        Some(status) => format!("{:?}, {}", state_of(ticket), status.state.as_str()),
        None => format!("{:?}", state_of(ticket)),
    };
    let place = ticket.spec.bound().ok();
    let zone = place.map(|binding| zone_of(&binding.target.target(), snapshot));
    Deed {
        zone: zone.unwrap_or_default(),
        when: ticket.creation_timestamp(),
        what: [
            format!("ticket {}", ticket.name_any()),
            state,
            format!("{} {}", binding.operation, binding.resource),
        ],
    }
}

fn of_intent(intent: &Intent, snapshot: &Snapshot) -> Deed {
    let spec = &intent.spec;
    let named = spec.deletes.first().or(spec.resource.as_ref());
    let resource = named.and_then(|name| name.parse::<ResourceName>().ok());
    let zone = resource.map(|resource| {
        let (kind, group) = resource
            .resource_type
            .split_once('.')
            .unwrap_or((&resource.resource_type, ""));
        let target = Target {
            group,
            version: "",
            kind: "",
            resource: kind,
            subresource: "",
            namespace: resource.namespace.as_deref(),
            name: &resource.name,
        };
        zone_of(&target, snapshot)
    });
    Deed {
        zone: zone.unwrap_or_default(),
        when: intent.creation_timestamp(),
        what: [
            "intent".to_owned(),
            spec.action.clone(),
            format!("{} ({})", spec.deletes.join(", "), spec.reason)
                .trim()
                .to_owned(),
        ],
    }
}

fn of_event(event: &Event, snapshot: &Snapshot) -> Deed {
    let namespace = event
        .regarding
        .as_ref()
        .and_then(|regarding| regarding.namespace.clone());
    let mut zones = namespace
        .iter()
        .flat_map(|namespace| countersign_core::place::zones_about(namespace, snapshot));
    let zone = zones
        .next()
        .and_then(Result::ok)
        .map(|zone| zone.name.to_string());
    let denied = match event.action.as_deref() {
        Some("Denied") => "denied",
        _ => "would be denied",
    };
    let when = event.event_time.as_ref().map(|time| Time(time.0));
    Deed {
        zone: zone.unwrap_or_default(),
        when: when.or_else(|| event.creation_timestamp()),
        what: [
            denied.to_owned(),
            event.reason.clone().unwrap_or_default(),
            event.note.clone().unwrap_or_default(),
        ],
    }
}

fn zone_of(target: &Target<'_>, snapshot: &Snapshot) -> String {
    Place::of(target).zones(snapshot).unwrap_or_default()
}

/// The deeds by zone, the latest first.
fn write_zones(deeds: Vec<Deed>, out: &mut impl Write) -> anyhow::Result<()> {
    let mut zones: BTreeMap<String, Vec<Deed>> = BTreeMap::new();
    for deed in deeds {
        zones.entry(deed.zone.clone()).or_default().push(deed);
    }
    let now = Timestamp::now().as_second();
    for (zone, mut deeds) in zones {
        match zone.as_str() {
            "" => writeln!(out, "\nin no zone:")?,
            zone => writeln!(out, "\nzone {}:", countersign_core::plain::plain(zone))?,
        }
        deeds.sort_by_key(|deed| std::cmp::Reverse(deed.when.as_ref().map(|when| when.0)));
        let rows: Vec<_> = deeds
            .into_iter()
            .map(|deed| {
                let when = deed.when.map(|when| age(now - when.0.as_second()));
                let [what, state, more] = deed.what;
                vec![format!("  {}", when.unwrap_or_default()), what, state, more]
            })
            .collect();
        write_table(out, &rows)?;
    }
    Ok(())
}
