//! `can-i`: the operator's own decision, made here over what the caller may read.

mod answer;

use std::{borrow::Cow, io::Write, str::FromStr};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use countersign_core::{
    decide::decide,
    identity::{Identity, IdentityKind},
    object::{Change, Object},
    parent::LiveParent,
    policy::Policy,
    relax::{Mode, relax},
    request::{Caller, Operation, Request, Target},
    snapshot::Snapshot,
};
use jiff::Timestamp;
use serde_json::{Value, json};

use self::answer::Answer;
use crate::{
    cluster::{self, Kind, Kinds},
    connection::Session,
    failure::Outcome,
    known::{self, Known},
    request::unaliased,
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

/// Who would write, as the API server would name them.
struct Who {
    username: String,
    uid: String,
    groups: Vec<String>,
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
            Some(identity) => named(identity, &snapshot, &policy)?,
            None => myself(session).await?,
        };
        let live = self.live(session, &kind).await?;
        let answer = self.judge(&who, &kind, (&session.namespace, &live), &snapshot)?;
        out.write_all(answer.text().as_bytes())?;
        if !unread.is_empty() {
            eprintln!(
                "you may not read {}: the operator may decide otherwise",
                unread.join(", ")
            );
        }
        Ok(if answer.verdict == "yes" {
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
        let groups: Vec<_> = who.groups.iter().map(|group| Cow::from(group.as_str())).collect();
        let request = Request {
            caller: Caller {
                username: &who.username,
                uid: &who.uid,
                groups: &groups,
            },
            operation: self.verb.operation(),
            target: Target {
                group: &kind.resource.group,
                version: &kind.resource.version,
                kind: &kind.resource.kind,
                resource: &kind.resource.plural,
                subresource: "",
                namespace: kind.namespaced.then_some(namespace),
                name: &self.object.name,
            },
            change,
            options: None,
            parent_uid: None,
            live_parent: LiveParent::Unread,
            own: None,
            generates_name: false,
            dry_run: true,
        };
        let (decision, findings) = decide(&request, snapshot, Timestamp::now());
        let would = Answer::of(&decision);
        match relax(decision, Mode::of(snapshot, &findings)) {
            (_, Some(_)) => Ok(Answer {
                verdict: "yes",
                not_enforced: true,
                ..would
            }),
            (_, None) => Ok(would),
        }
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

async fn myself(session: &Session) -> anyhow::Result<Who> {
    let user = known::user(session).await?;
    Ok(Who {
        username: user.username.unwrap_or_default(),
        uid: user.uid.unwrap_or_default(),
        groups: user.groups.unwrap_or_default(),
    })
}

/// The user that the API server would have authenticated as this identity; in no group.
fn named(identity: &Identity, snapshot: &Snapshot, policy: &Policy) -> anyhow::Result<Who> {
    let (username, uid) = match identity.kind() {
        IdentityKind::User => {
            let (realm, name) = identity.local().split_once(':').unwrap_or(("", identity.local()));
            let rule = policy.usernames.iter().find(|rule| *rule.realm == *realm);
            let rule =
                rule.with_context(|| format!("the AccessPolicy knows no usernames of realm `{realm}`"))?;
            (format!("{}{name}", rule.prefix), String::new())
        }
        IdentityKind::Agent => {
            let agent = snapshot
                .agents
                .get(identity)
                .with_context(|| format!("there is no Agent for {identity}"))?;
            let account = agent
                .accounts
                .first()
                .with_context(|| format!("{identity} has no service account"))?;
            let username = format!("system:serviceaccount:{}:{}", account.namespace, account.name);
            (username, account.uid.as_deref().unwrap_or_default().to_owned())
        }
        IdentityKind::Team => bail!("a team does nothing by itself: name one of its members"),
    };
    Ok(Who {
        username,
        uid,
        groups: Vec::new(),
    })
}

#[cfg(test)]
mod tests;
