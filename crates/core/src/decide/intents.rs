//! Intents: only the agent itself makes them, signed a moment ago, about what is in their own namespace.

use jiff::Timestamp;

use super::{subject::Actor, workflow};
use crate::{
    decision::{Cause, Denial, Reason},
    environment::Environment,
    intent::BadIntent,
    own::IntentDraft,
    policy::Policy,
    request::Request,
    resource_name::ResourceName,
    snapshot::Snapshot,
};

/// Refuses an intent that is not this agent's, or that says what does not hold.
pub(super) fn check(
    draft: &IntentDraft,
    request: &Request<'_>,
    actor: &Actor,
    (snapshot, policy): (&Snapshot, &Policy),
    now: Timestamp,
) -> Result<(), Denial> {
    let who = &actor.subject.identity;
    let Some(agent) = snapshot.agent(who) else {
        let message =
            format!("{who} is no agent: only agents make intents, each with its own service account");
        return Err(Denial::new(Reason::BadIntent, message));
    };
    let statement = &draft.signed.statement;
    let of_agent = |bad| {
        let cause = Cause::new("Agent", who.local(), "spec.publicKey");
        refused(&bad).because(cause)
    };
    if statement.agent != *who {
        return Err(refused(&BadIntent::OtherAgent(statement.agent.clone())));
    }
    let cluster = &snapshot.cluster;
    let checked = statement.check(request.target.name, &cluster.id);
    checked.map_err(|bad| refused(&bad))?;
    for (field, resource) in statement.named() {
        let resource = resource.map_err(|bad| refused(&bad))?;
        check_named(&field, &resource, &statement.namespace, (snapshot, policy))
            .map_err(|bad| refused(&bad))?;
    }
    draft.signed.check(agent, now).map_err(of_agent)?;
    workflow::check_stamp(draft.stamped)
}

fn check_named(
    field: &str,
    resource: &ResourceName,
    namespace: &str,
    (snapshot, policy): (&Snapshot, &Policy),
) -> Result<(), BadIntent> {
    let field = field.to_owned();
    let home = resource
        .namespace
        .as_deref()
        .unwrap_or(&snapshot.cluster.namespace);
    if home != namespace {
        return Err(BadIntent::OtherNamespace {
            home: home.to_owned(),
            field,
            resource: resource.to_string(),
            namespace: namespace.to_owned(),
        });
    }
    let expected = called(resource.clone(), snapshot, policy);
    if *resource == expected {
        return Ok(());
    }
    Err(BadIntent::OtherResource {
        field,
        resource: resource.to_string(),
        expected: expected.to_string(),
    })
}

/// What the resource is called: without alias, in the environment that it is in. A write that yields an identity is one
/// to prod, wherever it lands.
fn called(resource: ResourceName, snapshot: &Snapshot, policy: &Policy) -> ResourceName {
    let of_namespace = resource.namespace.as_deref();
    let environment = of_namespace
        .map(|namespace| snapshot.environment_of_namespace(namespace, policy))
        .filter(|_| resource.environment != Environment::Prod)
        .unwrap_or(resource.environment);
    let mut aliases = policy.aliases.iter();
    let alias = aliases.find(|alias| *alias.alias == *resource.resource_type);
    ResourceName {
        resource_type: alias.map_or(resource.resource_type, |alias| alias.resource.to_string()),
        environment,
        ..resource
    }
}

fn refused(bad: &BadIntent) -> Denial {
    Denial::new(Reason::BadIntent, bad.to_string())
}
