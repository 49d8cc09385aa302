//! `intent list`: the intents of a namespace, or of all.

use std::io::Write;

use clap::Args;
use countersign_api::Intent;
use jiff::Timestamp;
use kube::{Api, ResourceExt, api::ListParams};

use crate::{
    connection::Session,
    failure::Outcome,
    output::{Format, age, name_of, serialized_all, write_table},
};

/// List intents
#[derive(Args, Clone, Debug)]
pub struct List {
    /// The intents of all namespaces
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,
    /// Only intents of this agent
    #[arg(long, value_name = "NAME")]
    pub agent: Option<String>,
    /// The form of what is printed
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,
}

impl List {
    /// Prints the intents, the latest last.
    pub async fn run(&self, session: &Session, out: &mut impl Write) -> anyhow::Result<Outcome> {
        let api: Api<Intent> = if self.all_namespaces {
            Api::all(session.client.clone())
        } else {
            Api::namespaced(session.client.clone(), &session.namespace)
        };
        let of_agent = self
            .agent
            .as_ref()
            .map(|name| format!("spec.agentID=agent:{name}"));
        let parameters = ListParams {
            field_selector: of_agent,
            ..ListParams::default()
        };
        let mut intents = api.list(&parameters).await?.items;
        intents.sort_by_key(|intent| intent.creation_timestamp().map(|created| created.0));
        match self.output {
            Format::Json | Format::Yaml => {
                out.write_all(serialized_all(&intents, self.output)?.as_bytes())?;
            }
            Format::Name => {
                for intent in &intents {
                    writeln!(out, "{}", name_of(intent))?;
                }
            }
            Format::Table | Format::Wide if intents.is_empty() => eprintln!("No intents found."),
            Format::Table | Format::Wide => write_table(out, &self.table(&intents))?,
        }
        Ok(Outcome::Yes)
    }

    fn table(&self, intents: &[Intent]) -> Vec<Vec<String>> {
        let titles = ["NAMESPACE", "AGENT", "ACTION", "DELETES", "REASON", "AGE", "NAME"];
        let now = Timestamp::now().as_second();
        let row = |intent: &Intent| {
            let spec = &intent.spec;
            let created = intent.creation_timestamp();
            vec![
                intent.namespace().unwrap_or_default(),
                spec.agent_id.clone(),
                spec.action.clone(),
                spec.deletes.join(","),
                spec.reason.clone(),
                created.map_or_else(
                    || "<unknown>".to_owned(),
                    |created| age(now - created.0.as_second()),
                ),
                intent.name_any(),
            ]
        };
        let shown = |mut cells: Vec<String>| {
            if self.output == Format::Table {
                cells.truncate(titles.len() - 1);
            }
            cells
        };
        std::iter::once(titles.map(str::to_owned).to_vec())
            .chain(intents.iter().map(row))
            .map(shown)
            .collect()
    }
}
