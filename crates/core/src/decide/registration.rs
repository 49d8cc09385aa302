//! Integrity of Agents and of what they share with delegations: accounts and keys are of one, and a key gives way only
//! to one that it names itself.

use jiff::Timestamp;

use crate::{
    agent::Trouble,
    decision::{Cause, Denial, Reason},
    delegation::Delegation,
    own::{AgentDraft, FormerKey},
    request::service_account,
    rotation::{MAX_AHEAD, Rotation},
    snapshot::{Agent, Snapshot},
};

/// Refuses an agent that shares an account or a key, or whose key is changed without a proof.
pub(super) fn check_agent(draft: &AgentDraft, snapshot: &Snapshot, now: Timestamp) -> Result<(), Denial> {
    check_accounts(&draft.agent, snapshot)?;
    if let Some(trouble) = Trouble::of_registration(&draft.agent, snapshot) {
        let name = match &trouble {
            Trouble::UnknownOwner(other) | Trouble::KeyShared(other) => ("Agent", other.local().into()),
            Trouble::AccountDelegated { delegation, .. } => ("WriteDelegation", delegation.clone()),
        };
        let field = match name.0 {
            "Agent" => trouble.field(),
            _ => "spec.subject",
        };
        let cause = Cause::new(name.0, name.1, field);
        return Err(Denial::new(Reason::Invalid, trouble.to_string()).because(cause));
    }
    check_key(draft, &snapshot.cluster.id, now).map_err(|why| {
        let cause = Cause::new("Agent", draft.agent.identity.local(), "spec.publicKey");
        Denial::new(Reason::BadRotation, why).because(cause)
    })
}

/// Refuses a delegation of an account that acts as an agent.
pub(super) fn check_delegation(delegation: &Delegation, snapshot: &Snapshot) -> Result<(), Denial> {
    let Some((namespace, name)) = service_account(&delegation.username) else {
        return Ok(());
    };
    let account = format!("{namespace}:{name}");
    let Some(agent) = snapshot
        .service_accounts
        .get(account.as_str())
        .and_then(|agents| agents.iter().next())
    else {
        return Ok(());
    };
    let message = format!("spec.subject: `{account}` acts as {agent}, which writes by its role and zones");
    let cause = Cause::new("Agent", agent.local(), "spec.serviceAccounts");
    Err(Denial::new(Reason::Invalid, message).because(cause))
}

fn check_accounts(agent: &Agent, snapshot: &Snapshot) -> Result<(), Denial> {
    for account in &agent.accounts {
        let key = format!("{}:{}", account.namespace, account.name);
        let others = snapshot.service_accounts.get(key.as_str()).into_iter().flatten();
        if let Some(other) = others.into_iter().find(|other| **other != agent.identity) {
            let message = format!("spec.serviceAccounts: `{key}` acts as {other} already");
            let cause = Cause::new("Agent", other.local(), "spec.serviceAccounts");
            return Err(Denial::new(Reason::Invalid, message).because(cause));
        }
    }
    Ok(())
}

fn check_key(draft: &AgentDraft, cluster_id: &str, now: Timestamp) -> Result<(), String> {
    let agent = &draft.agent;
    if let Some(rotation) = &agent.rotation {
        check_rotation(rotation, agent, cluster_id, now)?;
    }
    let Some(FormerKey { key: former, rotated }) = draft.former else {
        return Ok(());
    };
    let name = agent.identity.local();
    let Some(key) = agent.key else {
        return Err(format!(
            "spec.publicKey: an agent keeps its key: set signing: NotSupported or suspend it, or delete Agent `{name}` \
             and register it anew"
        ));
    };
    if key == former {
        return Ok(());
    }
    match &agent.rotation {
        Some(rotation) if rotation.previous != former => Err(format!(
            "spec.rotation.previousKey: the key of {} is {former}",
            agent.identity
        )),
        Some(rotation) if rotated.is_some_and(|last| rotation.time <= last) => {
            Err("spec.rotation.time: it is not later than that of the last rotation".to_owned())
        }
        Some(_) => Ok(()),
        None => Err(format!(
            "spec.publicKey: the key that {} has must sign that it gives way: kubectl countersign agent rotate {name}; \
             when it is lost, delete Agent `{name}` and register it anew",
            agent.identity
        )),
    }
}

/// Whatever a rotation says, it is signed by the key that it names: an Agent shows no other.
fn check_rotation(
    rotation: &Rotation,
    agent: &Agent,
    cluster_id: &str,
    now: Timestamp,
) -> Result<(), String> {
    let key = agent.key.ok_or("spec.rotation: it is a rotation to no key")?;
    if rotation.previous == key {
        return Err("spec.rotation.previousKey: it is the same as publicKey".to_owned());
    }
    if rotation.time.duration_since(now) > MAX_AHEAD {
        return Err("spec.rotation.time: it is ahead of the operator's clock".to_owned());
    }
    let proven = rotation.verify(&agent.identity, cluster_id, &key);
    proven.map_err(|why| {
        format!(
            "spec.rotation.signature: {why}: previousKey signs cluster, agent, both keys and time (kubectl \
             countersign agent rotate)"
        )
    })
}
