//! Agent: its service accounts pinned by uid, and in force unless one of them is missing, replaced or shared.

use std::{sync::Arc, time::Duration};

use countersign_api::{
    Agent, AgentStatus,
    agent::{self, PinnedServiceAccount, ServiceAccountRef},
    invalid,
};
use countersign_core::{agent::Trouble, read_access::Source, snapshot::Snapshot};
use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::{
    Api, Client, ResourceExt,
    runtime::{
        controller::{Action, Config, Controller},
        reflector::ObjectRef,
    },
};

use super::{
    CONCURRENCY, Context, Known, ReconcileError, gathered, retry, show,
    status::{Problem, set_standing},
};
use crate::{feeds::Feed, read_access::tell};

/// How often the accounts are looked at again: nobody tells when one is deleted and made anew.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// A service account as it is at the moment.
type Present = Option<String>;

/// Pins the accounts of each agent and writes its status, also when it is among the `moved`.
pub async fn pin_accounts(
    feed: Feed<Agent>,
    moved: impl Stream<Item = ObjectRef<Agent>> + Send + 'static,
    context: Arc<Context>,
) {
    let store = feed.store.clone();
    let changes = gathered(context.permissions.clone());
    Controller::for_stream(feed.touched(), store)
        .with_config(Config::default().concurrency(CONCURRENCY))
        .reconcile_on(moved)
        .reconcile_all_on(changes)
        .run(reconcile, |_, error, _| retry(error), context)
        .for_each(|_| async {})
        .await;
}

async fn reconcile(object: Arc<Agent>, context: Arc<Context>) -> Result<Action, ReconcileError> {
    let mut accounts = Vec::new();
    for account in &object.spec.service_accounts {
        accounts.push((account, present(account, &context.client).await?));
    }
    let next = assess(&object, &accounts, &context.known());
    let wait = show(&*object, (shown(&object), next), keep_numbers, &context).await?;
    Ok(Action::requeue(wait.unwrap_or(LOOK_AGAIN)))
}

fn keep_numbers(status: &mut AgentStatus, other: &AgentStatus) {
    status.pending = other.pending;
}

async fn present(account: &ServiceAccountRef, client: &Client) -> Result<Present, kube::Error> {
    let api: Api<ServiceAccount> = Api::namespaced(client.clone(), &account.namespace);
    Ok(api
        .get_metadata_opt(&account.name)
        .await?
        .and_then(|found| found.metadata.uid))
}

/// The status without `lastUsed`, which the sightings write.
fn shown(object: &Agent) -> Option<AgentStatus> {
    object.status.clone().map(|status| AgentStatus {
        last_used: None,
        ..status
    })
}

fn assess(object: &Agent, accounts: &[(&ServiceAccountRef, Present)], known: &Known) -> AgentStatus {
    let mut status = shown(object).unwrap_or_default();
    let pins = std::mem::take(&mut status.service_accounts);
    let pinned = |account: &ServiceAccountRef| {
        pins.iter()
            .find(|pin| pin.namespace == account.namespace && pin.name == account.name)
    };
    // A new generation of the Agent was admitted by an admin, and pins anew; otherwise the first uid stays. What the
    // seal does not cover, somebody else may have written.
    let repinned = if known.snapshot.latched {
        !known.seals.hold(object)
    } else {
        status.observed_generation != object.metadata.generation
    };
    status.service_accounts = accounts
        .iter()
        .filter_map(|(account, present)| {
            let kept = pinned(account).filter(|_| !repinned).map(|pin| pin.uid.clone());
            let uid = kept.or_else(|| present.clone())?;
            Some(PinnedServiceAccount {
                namespace: account.namespace.clone(),
                name: account.name.clone(),
                uid,
            })
        })
        .collect();
    status.observed_generation = object.metadata.generation;
    let (seal, unsealed) = known.seal(object, &status.service_accounts);
    status.seal = seal;
    let problem = unsealed.or_else(|| problem(object, accounts, &status, &known.snapshot));
    status.pending = agent::parse(object).ok().map(|agent| {
        let waiting = known
            .snapshot
            .pending
            .iter()
            .filter(|((subject, _), _)| *subject == agent.identity);
        u32::try_from(waiting.map(|(_, tickets)| tickets.len()).sum::<usize>()).unwrap_or(u32::MAX)
    });
    set_standing(
        &mut status.conditions,
        problem,
        object.metadata.generation,
        known.now,
    );
    let source = Source::Agent(object.name_any().into());
    let at = (object.metadata.generation, known.now);
    tell(&known.read_access, &source, &mut status.conditions, at);
    status
}

fn problem(
    object: &Agent,
    accounts: &[(&ServiceAccountRef, Present)],
    status: &AgentStatus,
    snapshot: &Snapshot,
) -> Option<Problem> {
    let agent = match agent::parse(object) {
        Ok(agent) => agent,
        Err(
            why @ invalid::Invalid {
                problem: invalid::Problem::Key { .. },
                ..
            },
        ) => {
            return Some(Problem::new("BadKey", why.to_string()));
        }
        Err(why) => return Some(Problem::new("Invalid", why.to_string())),
    };
    if let Some(trouble) = Trouble::of(&agent, snapshot) {
        return Some(Problem::new(trouble.as_str(), trouble.to_string()));
    }
    for (account, present) in accounts {
        let place = format!("{}:{}", account.namespace, account.name);
        let pinned = status
            .service_accounts
            .iter()
            .find(|pin| pin.namespace == account.namespace && pin.name == account.name);
        let Some(present) = present else {
            return Some(Problem::new(
                "AccountMissing",
                format!("service account `{place}` does not exist"),
            ));
        };
        if pinned.is_some_and(|pin| pin.uid != *present) {
            let message =
                format!("service account `{place}` was deleted and made anew: edit the Agent to accept it");
            return Some(Problem::new("AccountReplaced", message));
        }
        if snapshot
            .service_accounts
            .get(place.as_str())
            .is_some_and(|agents| agents.len() > 1)
        {
            return Some(Problem::new(
                "AccountShared",
                format!("another Agent lists service account `{place}`"),
            ));
        }
    }
    None
}
