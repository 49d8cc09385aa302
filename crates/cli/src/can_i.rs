//! `can-i`: the operator's own decision, made here over what the caller may read.

use std::{io::Write, str::FromStr};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use countersign_core::{
    identity::Identity,
    object::{Change, Object},
    parent::LiveParent,
    request::{Operation, Request},
    snapshot::Snapshot,
};
use serde_json::{Value, json};

use crate::{
    answer::Answer,
    cluster::{self, Kind, Kinds},
    connection::Session,
    failure::Outcome,
    known::{self, Known},
    output::{AnswerFormat, Format, print, serialized},
    request::unaliased,
    who::Who,
};

/// Tell whether a write would be allowed, and which line of configuration decides
#[derive(Args, Clone, Debug)]
pub struct CanI {
    /// What would be done
    #[arg(value_enum)]
    pub verb: Verb,
    /// To which object: deployments.apps/my-api, or app/my-api
    #[arg(value_name = "RESOURCE/NAME")]
    pub object: ObjectName,
    /// For whom, instead of yourself: user:alice, agent:deploy-bot
    #[arg(long, value_name = "IDENTITY")]
    pub as_identity: Option<Identity>,
    /// The form of what is printed
    #[arg(short, long, value_enum, default_value_t)]
    pub output: AnswerFormat,
}

/// What would be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Verb {
    /// A new object.
    Create,
    /// A changed object.
    #[value(aliases = ["patch", "apply"])]
    Update,
    /// A removed object.
    Delete,
}

impl Verb {
    const fn operation(self) -> Operation {
        match self {
            Self::Create => Operation::Create,
            Self::Update => Operation::Update,
            Self::Delete => Operation::Delete,
        }
    }
}

/// `<resource>[.<group>]/<name>`, or an alias for the resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectName {
    resource_type: String,
    name: String,
}

impl FromStr for ObjectName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            Some((resource_type, name))
                if !resource_type.is_empty() && !name.is_empty() && !name.contains('/') =>
            {
                Ok(Self {
                    resource_type: resource_type.to_owned(),
                    name: name.to_owned(),
                })
            }
            _ => Err("use RESOURCE/NAME, such as deployments.apps/my-api".to_owned()),
        }
    }
}

impl CanI {
    /// Prints the verdict and what decides it; the answer is yes when the write would be allowed as it is.
    pub async fn run(&self, session: &Session, out: &mut impl Write) -> anyhow::Result<Outcome> {
        let Known { snapshot, unread } = known::read(session).await?;
        let policy = known::policy(session).await?;
        let resource_type = unaliased(&self.object.resource_type, &policy);
        let kind = Kinds::new(session.client.clone()).named(&resource_type).await?;
        if kind.resource.group == countersign_api::GROUP {
            bail!("a write of {resource_type} is judged by its content: see it with diff -f");
        }
        let who = match &self.as_identity {
            Some(identity) => Who::named(identity, &[], &snapshot, &policy)?,
            None => Who::from(known::user(session).await?),
        };
        let live = self.live(session, &kind).await?;
        let answer = self.judge(&who, &kind, (&session.namespace, &live), &snapshot)?;
        let said = match self.output {
            AnswerFormat::Text => answer.text(),
            AnswerFormat::Json => serialized(&answer, Format::Json)?,
        };
        print(out, &said)?;
        if !unread.is_empty() {
            eprintln!(
                "you may not read {}: the operator may decide otherwise",
                unread.join(", ")
            );
        }
        Ok(if answer.passes() {
            Outcome::Yes
        } else {
            Outcome::No
        })
    }

    /// The object as it is, or one of this name where there is none or where it may not be read.
    async fn live(&self, session: &Session, kind: &Kind) -> anyhow::Result<String> {
        match cluster::read(
            &session.client,
            &kind.path(Some(&session.namespace)),
            &self.object.name,
        )
        .await
        {
            Ok(Some(live)) => Ok(live),
            Ok(None) => Ok(self.bare(kind, &session.namespace)),
            Err(error) => match error.downcast_ref::<kube::Error>() {
                Some(kube::Error::Api(status)) if status.is_forbidden() => {
                    Ok(self.bare(kind, &session.namespace))
                }
                _ => Err(error),
            },
        }
    }

    fn bare(&self, kind: &Kind, namespace: &str) -> String {
        let mut metadata = json!({ "name": self.object.name });
        if kind.namespaced
            && let Some(metadata) = metadata.as_object_mut()
        {
            metadata.insert("namespace".to_owned(), json!(namespace));
        }
        json!({ "apiVersion": kind.resource.api_version, "kind": kind.resource.kind, "metadata": metadata })
            .to_string()
    }

    fn judge(
        &self,
        who: &Who,
        kind: &Kind,
        (namespace, live): (&str, &str),
        snapshot: &Snapshot,
    ) -> anyhow::Result<Answer> {
        let changed = changed(live)?;
        let change = match self.verb {
            Verb::Create => Change::Create(Object::parse(live)?),
            Verb::Update => Change::Update {
                old: Object::parse(live)?,
                new: Object::parse(&changed)?,
            },
            Verb::Delete => Change::Delete(Some(Object::parse(live)?)),
        };
        let request = Request {
            caller: who.caller(),
            operation: self.verb.operation(),
            target: kind.target(namespace, &self.object.name),
            change,
            options: None,
            hidden: None,
            live_parent: LiveParent::Unread,
            own: None,
            generates_name: false,
            dry_run: true,
        };
        Ok(Answer::to(&request, snapshot))
    }
}

/// The object with an annotation more: some change, whatever it is.
fn changed(live: &str) -> anyhow::Result<String> {
    let mut object: Value = serde_json::from_str(live)?;
    let metadata = object
        .get_mut("metadata")
        .and_then(Value::as_object_mut)
        .context("an object without metadata")?;
    let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
    if let Some(annotations) = annotations.as_object_mut() {
        annotations.insert("countersign.dev/can-i".to_owned(), json!("?"));
    }
    Ok(object.to_string())
}

#[cfg(test)]
mod tests;
