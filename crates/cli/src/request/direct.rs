//! A write without content: a delete or an eviction, asked of the API server by a dry-run, or an exec, of which
//! there is none.

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use countersign_core::{
    advice::{Advice, Approval},
    binding::BoundTarget,
    hash::{command_hash, command_text},
    object::{Change, Object},
    request::Operation,
    resource_name::ResourceName,
};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use super::action::Verb;
use crate::{
    cluster::{self, Kind, Kinds},
    connection::Session,
    known, kubectl,
    preview::{Preview, Verdict, compute, judge},
};

/// What is bound beside the object.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// What becomes of the objects that a deleted one owns; kubectl delete has the same flag and default
    #[arg(long, value_enum, default_value_t = Cascade::Background)]
    pub cascade: Cascade,
    /// Seconds that a deleted or evicted object is given to end; kubectl has the same flag
    #[arg(long, value_name = "SECONDS")]
    pub grace_period: Option<u32>,
    /// The container of an exec, instead of the pod's default
    #[arg(short, long, value_name = "NAME")]
    pub container: Option<String>,
    /// Whether an exec passes on the standard input
    #[arg(short = 'i', long)]
    pub stdin: bool,
    /// Whether the standard input of an exec is a terminal
    #[arg(short, long)]
    pub tty: bool,
    /// The command of an exec with its arguments
    #[arg(last = true, value_name = "COMMAND")]
    pub argv: Vec<String>,
}

/// What becomes of the objects that a deleted one owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Cascade {
    /// They are deleted afterwards.
    Background,
    /// They are deleted first.
    Foreground,
    /// They stay.
    Orphan,
}

impl Cascade {
    const fn policy(self) -> &'static str {
        match self {
            Self::Background => "Background",
            Self::Foreground => "Foreground",
            Self::Orphan => "Orphan",
        }
    }
}

/// Previews the write, and tells the rules that it breaks where they are not enforced.
pub async fn preview(
    session: &Session,
    verb: Verb,
    (resource_type, resource): (&str, &ResourceName),
    options: &Options,
) -> anyhow::Result<(Preview, Vec<Advice>)> {
    let kind = Kinds::new(session.client.clone()).named(resource_type).await?;
    match verb {
        Verb::Delete => delete(session, &kind, resource, options).await,
        Verb::Evict => evict(session, &kind, resource, options).await,
        Verb::Exec => Ok((exec(session, resource, options).await?, Vec::new())),
        Verb::Write => {
            bail!("an approval that binds nothing is not given: add -f with the content of the change")
        }
    }
}

async fn delete(
    session: &Session,
    kind: &Kind,
    resource: &ResourceName,
    options: &Options,
) -> anyhow::Result<(Preview, Vec<Advice>)> {
    let target = target(session, kind, resource, None).await?;
    let mut body = grace(options);
    set(&mut body, "propagationPolicy", json!(options.cascade.policy()));
    let sent = dry(body.clone());
    let path = format!("{}/{}", kind.path(resource.namespace.as_deref()), resource.name);
    let request = http::Request::delete(path).header("content-type", "application/json");
    let advice = ask(session, request.body(serde_json::to_vec(&sent)?)?).await?;
    let change = compute(&Change::Delete(None), &target, &[])?;
    let (change, verdict) = judge(change, &target, &advice)?;
    finish(
        Preview {
            target,
            operation: Operation::Delete,
            change,
            command: Some(text(&body)?),
            verdict,
        },
        resource,
    )
    .map(|preview| (preview, advice))
}

async fn evict(
    session: &Session,
    kind: &Kind,
    resource: &ResourceName,
    options: &Options,
) -> anyhow::Result<(Preview, Vec<Advice>)> {
    let target = target(session, kind, resource, Some(("eviction", "Eviction"))).await?;
    let grace = grace(options);
    let mut body = json!({
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": { "name": resource.name, "namespace": resource.namespace },
    });
    if grace != json!({}) {
        set(&mut body, "deleteOptions", grace.clone());
    }
    let path = format!(
        "{}/{}/eviction?dryRun=All",
        kind.path(resource.namespace.as_deref()),
        resource.name
    );
    let request = http::Request::post(path).header("content-type", "application/json");
    let advice = ask(session, request.body(serde_json::to_vec(&body)?)?).await?;
    let sent = body.to_string();
    let change = compute(&Change::Create(Object::parse(&sent)?), &target, &[])?;
    let (change, verdict) = judge(change, &target, &advice)?;
    finish(
        Preview {
            target,
            operation: Operation::Create,
            change,
            command: Some(text(&grace)?),
            verdict,
        },
        resource,
    )
    .map(|preview| (preview, advice))
}

/// The API server offers no dry-run of a connection: what would be bound is put together here, and checked when
/// the ticket is made.
async fn exec(session: &Session, resource: &ResourceName, options: &Options) -> anyhow::Result<Preview> {
    let Some(namespace) = resource.namespace.as_deref() else {
        bail!("a pod is in a namespace, not in @cluster")
    };
    if options.argv.is_empty() {
        bail!("an approval that binds nothing is not given: name the command behind --");
    }
    let pod = Api::<Pod>::namespaced(session.client.clone(), namespace)
        .get(&resource.name)
        .await?;
    let target = BoundTarget {
        version: "v1".to_owned(),
        kind: "PodExecOptions".to_owned(),
        resource: "pods".to_owned(),
        subresource: "exec".to_owned(),
        namespace: Some(namespace.to_owned()),
        name: resource.name.clone(),
        uid: pod.uid(),
        ..BoundTarget::default()
    };
    let container = match &options.container {
        Some(named) => named.clone(),
        None => default_container(&pod).context("the pod has no container")?,
    };
    let command = text(&exec_options(&container, options))?;
    let change = compute(&Change::Connect(None), &target, &[])?;
    let (subject, cluster) = (known::myself(session).await?, known::cluster_id(session).await?);
    let approval = Approval {
        whom: "a reviewer".to_owned(),
        place: target.target().place(),
        subject,
        environment: resource.environment,
        cluster,
        resource_hash: change.resource_hash,
        old_hash: None,
        command_hash: Some(command_hash(Some(&Object::parse(&command)?))?),
        zone_claims: Vec::new(),
    };
    let verdict = Verdict::NeedsApproval(Box::new(approval));
    Ok(Preview {
        target,
        operation: Operation::Connect,
        change,
        command: Some(command),
        verdict,
    })
}

/// The options as kubectl exec sends them: a terminal carries both outputs in one stream.
fn exec_options(container: &str, options: &Options) -> Value {
    let mut sent = json!({ "container": container, "command": options.argv, "stdout": true });
    let flags = [
        ("stdin", options.stdin),
        ("stderr", !options.tty),
        ("tty", options.tty),
    ];
    for (flag, _) in flags.into_iter().filter(|(_, set)| *set) {
        set(&mut sent, flag, json!(true));
    }
    sent
}

/// The container that kubectl takes when none is named.
fn default_container(pod: &Pod) -> Option<String> {
    let annotated = pod
        .annotations()
        .get("kubectl.kubernetes.io/default-container")
        .cloned();
    annotated.or_else(|| Some(pod.spec.as_ref()?.containers.first()?.name.clone()))
}

/// The options without which there is nothing to send.
fn grace(options: &Options) -> Value {
    options
        .grace_period
        .map_or_else(|| json!({}), |seconds| json!({ "gracePeriodSeconds": seconds }))
}

fn dry(mut options: Value) -> Value {
    set(&mut options, "dryRun", json!(["All"]));
    options
}

fn set(map: &mut Value, key: &str, value: Value) {
    if let Some(map) = map.as_object_mut() {
        map.insert(key.to_owned(), value);
    }
}

/// The options as they are bound.
fn text(options: &Value) -> anyhow::Result<String> {
    let options = options.to_string();
    Ok(command_text(Some(&Object::parse(&options)?))?)
}

/// What the API server and the flags say must fit what is bound.
fn finish(preview: Preview, resource: &ResourceName) -> anyhow::Result<Preview> {
    let Verdict::NeedsApproval(approval) = &preview.verdict else {
        return Ok(preview);
    };
    if approval.environment != resource.environment {
        bail!(
            "{} is {}, not {}",
            approval.place,
            approval.environment,
            resource.environment
        );
    }
    let options = Object::parse(preview.command.as_deref().unwrap_or("{}"))?;
    let here = command_hash(Some(&options))?;
    if approval.command_hash != Some(here) {
        bail!(
            "{}: the API server sees other options than this command sent; try again",
            approval.place
        );
    }
    Ok(preview)
}

async fn ask(session: &Session, request: http::Request<Vec<u8>>) -> anyhow::Result<Vec<Advice>> {
    let warnings = cluster::warnings_of(&session.client, request).await?;
    kubectl::advice(warnings.iter().map(String::as_str))
}

async fn target(
    session: &Session,
    kind: &Kind,
    resource: &ResourceName,
    subresource: Option<(&str, &str)>,
) -> anyhow::Result<BoundTarget> {
    let path = kind.path(resource.namespace.as_deref());
    let live = cluster::read(&session.client, &path, &resource.name).await?;
    let live = live.with_context(|| format!("there is no {} `{}`", kind.resource.plural, resource.name))?;
    let (subresource, kind_of_body) = subresource.unwrap_or(("", &kind.resource.kind));
    Ok(BoundTarget {
        group: kind.resource.group.clone(),
        version: kind.resource.version.clone(),
        kind: kind_of_body.to_owned(),
        resource: kind.resource.plural.clone(),
        subresource: subresource.to_owned(),
        namespace: resource.namespace.clone().filter(|_| kind.namespaced),
        name: resource.name.clone(),
        uid: Object::parse(&live)?.uid()?.map(String::from),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(argv: &[&str]) -> Options {
        Options {
            cascade: Cascade::Background,
            grace_period: None,
            container: None,
            stdin: false,
            tty: false,
            argv: argv.iter().map(|&word| word.to_owned()).collect(),
        }
    }

    #[test]
    fn an_exec_is_what_kubectl_sends() {
        let plain = exec_options("app", &options(&["ls", "-l"]));
        assert_eq!(
            text(&plain).unwrap(),
            r#"{"command":["ls","-l"],"container":"app","stderr":true,"stdout":true}"#
        );
        let interactive = Options {
            stdin: true,
            tty: true,
            ..options(&["sh"])
        };
        assert_eq!(
            text(&exec_options("app", &interactive)).unwrap(),
            r#"{"command":["sh"],"container":"app","stdin":true,"stdout":true,"tty":true}"#
        );
    }

    #[test]
    fn a_dry_run_is_asked_for_and_not_bound() {
        let bound = Options {
            grace_period: Some(0),
            ..options(&[])
        };
        let sent = dry(grace(&bound));
        assert_eq!(sent, json!({ "gracePeriodSeconds": 0, "dryRun": ["All"] }));
        assert_eq!(text(&sent).unwrap(), r#"{"gracePeriodSeconds":0}"#);
    }

    #[test]
    fn the_default_container_is_the_annotated_or_the_first() {
        let pod = |annotations: Value| -> Pod {
            let spec = json!({ "containers": [{ "name": "a" }, { "name": "b" }] });
            serde_json::from_value(json!({ "metadata": { "annotations": annotations }, "spec": spec }))
                .unwrap()
        };
        assert_eq!(default_container(&pod(json!({}))).as_deref(), Some("a"));
        let annotated = pod(json!({ "kubectl.kubernetes.io/default-container": "b" }));
        assert_eq!(default_container(&annotated).as_deref(), Some("b"));
    }
}
