//! Task: opened when a ticket is used, and followed until what was changed is what was asked for.

mod progress;

use std::{sync::Arc, time::Duration};

use countersign_api::{
    ApprovalTicket, Task, TaskSpec, TaskStatus,
    approval_review::TicketRef,
    approval_ticket::Target,
    condition::{ConditionStatus, Observation, set_condition},
    task::TaskState,
};
use countersign_core::{request::Operation, ticket::Claim};
use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{ApiResource, DynamicObject, PostParams},
    runtime::{
        controller::{Action, Config, Controller},
        watcher,
    },
};

use self::progress::{Progress, Workload};
use super::{CONCURRENCY, Context, ReconcileError, retry, status::apply_to};
use crate::turns::grace;

/// How soon to look again at first, and at most.
const SOON: Duration = Duration::from_secs(1);
const LATE: Duration = Duration::from_secs(30);

/// How long a workload is followed.
const PATIENCE: SignedDuration = SignedDuration::from_hours(1);

/// Opens the task of a ticket that was used under this claim, and tells its name; `None` when it cannot be made at the
/// moment. Nothing waits for it.
pub async fn open(ticket: &ApprovalTicket, claim: &Claim, context: &Context) -> Option<String> {
    let (namespace, name) = (ticket.namespace()?, ticket.name_any());
    let tasks: Api<Task> = Api::namespaced(context.client.clone(), &namespace);
    let task = drafted(ticket, claim)?;
    let place = (&*namespace, &*name);
    context.turns.tasks.take(place, "");
    let made = match tasks.create(&PostParams::default(), &task).await {
        Err(kube::Error::Api(status)) if status.is_already_exists() => {
            context.turns.tasks.give_up(place);
            tasks.get(&name).await
        }
        answer => answer,
    };
    match made {
        // One of the same name belongs to a ticket that was there before, and leaves with it.
        Ok(made) => (made.spec == task.spec).then_some(name),
        Err(error) => {
            tracing::warn!(ticket = name, %error, "no task could be opened");
            None
        }
    }
}

fn drafted(ticket: &ApprovalTicket, claim: &Claim) -> Option<Task> {
    let binding = &ticket.spec.binding;
    let created = || claim.object_uid.as_deref().map(str::to_owned);
    let mut task = Task::new(
        &ticket.name_any(),
        TaskSpec {
            ticket_ref: TicketRef {
                name: ticket.name_any(),
                uid: ticket.uid()?,
            },
            batch: ticket.spec.batch.clone(),
            operation: binding.operation,
            target: Target {
                uid: binding.target.uid.clone().or_else(created),
                ..binding.target.clone()
            },
        },
    );
    task.metadata.owner_references = Some(vec![ticket.controller_owner_ref(&())?]);
    Some(task)
}

/// Follows the tasks, each until it ends.
pub async fn follow_tasks(context: Arc<Context>) {
    let tasks: Api<Task> = Api::all(context.client.clone());
    Controller::new(tasks, watcher::Config::default())
        .with_config(Config::default().concurrency(CONCURRENCY))
        .run(reconcile, |_, error, _| retry(error), context)
        .for_each(|_| async {})
        .await;
}

async fn reconcile(task: Arc<Task>, context: Arc<Context>) -> Result<Action, ReconcileError> {
    let shown = task.status.as_ref().map(|status| status.state);
    if shown.is_some_and(|state| state != TaskState::Running) {
        return Ok(Action::await_change());
    }
    let now = Timestamp::now();
    let (namespace, name) = (task.namespace().unwrap_or_default(), task.name_any());
    let made = task.creation_timestamp().map_or(now, |made| made.0);
    let place = (&*namespace, &*name);
    if !context.turns.tasks.is_ours(place, None)
        && let Some(grace) = grace(made, now)
    {
        return Ok(Action::requeue(grace));
    }
    let age = now.duration_since(made);
    let progress = look(&task.spec, &context.client).await?.within(age, PATIENCE);
    let next = assess(&task, progress, now);
    if task.status.as_ref() != Some(&next) {
        apply_to(&*task, &next, &context.client).await?;
    }
    if next.state != TaskState::Running {
        context.turns.tasks.give_up(place);
        return Ok(Action::await_change());
    }
    let again = Duration::try_from(age).unwrap_or_default();
    Ok(Action::requeue(again.clamp(SOON, LATE)))
}

/// How far what was changed is at the moment.
async fn look(spec: &TaskSpec, client: &Client) -> Result<Progress, kube::Error> {
    let target = &spec.target;
    let Some(workload) = followed(spec) else {
        return Ok(Progress::done(match spec.operation {
            Operation::Connect => "the connection was let through",
            Operation::Create | Operation::Update | Operation::Delete => "the change was stored",
        }));
    };
    let resource = ApiResource {
        group: target.group.clone(),
        version: target.version.clone(),
        api_version: format!("{}/{}", target.group, target.version),
        kind: target.kind.clone(),
        plural: target.resource.clone(),
    };
    let namespace = target.namespace.as_deref().unwrap_or_default();
    let objects: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
    match objects.get_opt(&target.name).await {
        Ok(Some(object)) if object.uid() == target.uid => Ok(workload.progress(&object)),
        Ok(_) => Ok(Progress::unknown("Gone", "the object is gone, or was made anew")),
        Err(kube::Error::Api(status)) if status.is_forbidden() => Ok(Progress::unknown(
            "Unreadable",
            "the operator may not read the object",
        )),
        Err(error) => Err(error),
    }
}

/// The workload that has a controller to follow: as it was made, changed or scaled.
fn followed(spec: &TaskSpec) -> Option<Workload> {
    let target = &spec.target;
    let subresource = target.subresource.as_deref();
    let follows = match spec.operation {
        Operation::Create => subresource.is_none(),
        Operation::Update => matches!(subresource, None | Some("scale")),
        Operation::Delete | Operation::Connect => false,
    };
    follows
        .then(|| Workload::of(&target.group, &target.resource))
        .flatten()
}

fn assess(task: &Task, progress: Progress, now: Timestamp) -> TaskStatus {
    let generation = task.metadata.generation;
    let mut status = task.status.clone().unwrap_or_default();
    status.observed_generation = generation;
    let Progress { state, reason, text } = progress;
    status.state = state;
    let kept = if state == TaskState::Running {
        &mut status.progress
    } else {
        status.finished_at.get_or_insert(Time(now));
        &mut status.result
    };
    *kept = Some(text.clone());
    let ready = match state {
        TaskState::Succeeded => ConditionStatus::True,
        TaskState::Running | TaskState::Failed => ConditionStatus::False,
        TaskState::Unknown => ConditionStatus::Unknown,
    };
    for (kind, holds) in [
        ("Ready", ready),
        ("Reconciling", (state == TaskState::Running).into()),
        ("Stalled", (state == TaskState::Failed).into()),
    ] {
        let observed = Observation {
            kind,
            status: holds,
            reason,
            message: text.clone(),
        };
        set_condition(&mut status.conditions, observed, generation, now);
    }
    status
}

#[cfg(test)]
mod tests;
