//! What the caller may read of Countersign's configuration, and who the caller is by it.

use std::{borrow::Cow, fmt::Debug};

use anyhow::Context;
use countersign_api::{
    AccessPolicy, AccessPolicySpec, Agent, RoleGrant, Team, WriteDelegation, Zone, access_policy,
    index::{Index, Indexed},
};
use countersign_core::{
    authn::identify,
    digest::MacKey,
    identity::Identity,
    policy::Policy,
    snapshot::{Cluster, Snapshot},
};
use k8s_openapi::api::{
    authentication::v1::{SelfSubjectReview, UserInfo},
    core::v1::Namespace,
};
use kube::{
    Api, Resource,
    api::{ListParams, PostParams},
};
use serde::de::DeserializeOwned;

use crate::{
    connection::{Session, operator_namespace},
    who::Who,
};

/// What could be read.
pub struct Known {
    /// It, compiled as the operator compiles it.
    pub snapshot: Snapshot,
    /// The kinds that the caller may not read.
    pub unread: Vec<Cow<'static, str>>,
}

/// Reads what the caller may read.
pub async fn read(session: &Session) -> anyhow::Result<Known> {
    let policy = session.policy().await?;
    let namespace = operator_namespace(policy.as_ref());
    let mut index = Index::new(cluster(&cluster_id(session).await?, &namespace));
    let mut unread = Vec::new();
    file::<AccessPolicy>(session, &mut index, &mut unread).await?;
    file::<RoleGrant>(session, &mut index, &mut unread).await?;
    file::<Team>(session, &mut index, &mut unread).await?;
    file::<Agent>(session, &mut index, &mut unread).await?;
    file::<Zone>(session, &mut index, &mut unread).await?;
    file::<WriteDelegation>(session, &mut index, &mut unread).await?;
    file::<Namespace>(session, &mut index, &mut unread).await?;
    // Few may read it, and nobody begins anything here.
    let passcode = index
        .snapshot()
        .policy
        .get()
        .and_then(|policy| policy.passcode.clone());
    index.set_passcode(passcode);
    Ok(Known {
        snapshot: index.snapshot().clone(),
        unread,
    })
}

/// A cluster whose operator and keys are not known.
pub fn cluster(id: &str, namespace: &str) -> Cluster {
    Cluster {
        id: id.into(),
        operator: "".into(),
        operator_uid: "".into(),
        namespace: namespace.into(),
        redaction: MacKey::new([0; 32]),
        stamp: MacKey::new([0; 32]),
    }
}

async fn file<K>(
    session: &Session,
    index: &mut Index,
    unread: &mut Vec<Cow<'static, str>>,
) -> anyhow::Result<()>
where
    K: Indexed + Resource<DynamicType = ()> + DeserializeOwned + Debug,
{
    match Api::<K>::all(session.client.clone())
        .list(&ListParams::default())
        .await
    {
        Ok(list) => index.replace(list.items.iter().map(Ok)),
        Err(kube::Error::Api(status)) if status.is_forbidden() => unread.push(K::plural(&())),
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// The policy, or what ships where there is none or where it may not be read.
pub async fn policy(session: &Session) -> anyhow::Result<Policy> {
    let policy = match session.policy().await? {
        Some(policy) => policy,
        None => AccessPolicy::new(countersign_api::POLICY_NAME, shipped()?),
    };
    Ok(access_policy::parse(&policy)?)
}

fn shipped() -> anyhow::Result<AccessPolicySpec> {
    Ok(serde_json::from_str("{}")?)
}

/// How the API server knows the caller.
pub async fn user(session: &Session) -> anyhow::Result<UserInfo> {
    let api = Api::<SelfSubjectReview>::all(session.client.clone());
    let review = api
        .create(&PostParams::default(), &SelfSubjectReview::default())
        .await?;
    review
        .status
        .and_then(|status| status.user_info)
        .context("the API server does not say who you are")
}

/// The identity of the caller.
pub async fn myself(session: &Session) -> anyhow::Result<Identity> {
    let user = Who::from(user(session).await?);
    let known = read(session).await?;
    let policy = policy(session).await?;
    Ok(identify(&user.caller(), &known.snapshot, &policy)?.identity)
}

/// The uid of the namespace kube-system, from the policy's status or from the namespace itself.
pub async fn cluster_id(session: &Session) -> anyhow::Result<String> {
    let policy = session.policy().await?;
    if let Some(id) = policy.and_then(|policy| policy.status?.cluster_id) {
        return Ok(id);
    }
    let namespace = Api::<Namespace>::all(session.client.clone())
        .get("kube-system")
        .await;
    namespace
        .context("the cluster's id cannot be read")?
        .metadata
        .uid
        .context("kube-system has no uid")
}
