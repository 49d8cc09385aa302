//! The one way in which a status is written, and the conditions that all kinds share.

use std::fmt::Debug;

use countersign_api::{
    STATUS_MANAGER,
    condition::{ConditionStatus, Observation, remove_condition, set_condition},
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{Patch, PatchParams},
    core::{ApiResource, DynamicObject, TypeMeta},
};
use serde::Serialize;

use super::ReconcileError;

/// Why an object is not in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// One PascalCase word.
    pub reason: &'static str,
    /// A sentence.
    pub message: String,
}

impl Problem {
    /// This problem, in these words.
    pub fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }
}

/// Sets `Ready`, and `Degraded` while there is a problem.
pub fn set_standing(
    conditions: &mut Vec<Condition>,
    problem: Option<Problem>,
    generation: Option<i64>,
    now: Timestamp,
) {
    let (ready, reason, message) = match &problem {
        None => (ConditionStatus::True, "InForce", String::new()),
        Some(problem) => (ConditionStatus::False, problem.reason, problem.message.clone()),
    };
    set_condition(
        conditions,
        Observation {
            kind: "Ready",
            status: ready,
            reason,
            message,
        },
        generation,
        now,
    );
    match problem {
        None => remove_condition(conditions, "Degraded"),
        Some(Problem { reason, message }) => {
            let observed = Observation {
                kind: "Degraded",
                status: ConditionStatus::True,
                reason,
                message,
            };
            set_condition(conditions, observed, generation, now);
        }
    }
}

/// An object's status, as server-side apply wants it.
#[derive(Debug, Serialize)]
struct Applied<'a, S> {
    #[serde(flatten)]
    types: TypeMeta,
    metadata: Applicable<'a>,
    status: &'a S,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Applicable<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_version: Option<&'a str>,
}

/// Writes what `manager` says of a cluster-scoped object's status; what others say stays.
pub async fn apply<K, S>(name: &str, status: &S, manager: &str, client: &Client) -> Result<(), ReconcileError>
where
    K: Resource<DynamicType = ()>,
    S: Serialize + Debug,
{
    let metadata = Applicable {
        name,
        ..Applicable::default()
    };
    write::<K, S>(metadata, status, manager, client).await
}

/// The same as the operator says it of this version of an object: who wrote a later one may have known more.
pub async fn apply_to<K, S>(object: &K, status: &S, client: &Client) -> Result<(), ReconcileError>
where
    K: Resource<DynamicType = ()>,
    S: Serialize + Debug,
{
    let metadata = Applicable {
        name: &object.name_any(),
        namespace: object.meta().namespace.as_deref(),
        resource_version: object.meta().resource_version.as_deref(),
    };
    write::<K, S>(metadata, status, STATUS_MANAGER, client).await
}

async fn write<K, S>(
    metadata: Applicable<'_>,
    status: &S,
    manager: &str,
    client: &Client,
) -> Result<(), ReconcileError>
where
    K: Resource<DynamicType = ()>,
    S: Serialize + Debug,
{
    let resource = ApiResource::erase::<K>(&());
    let api: Api<DynamicObject> = match metadata.namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    let (name, is_of_a_version) = (metadata.name, metadata.resource_version.is_some());
    let patch = Patch::Apply(Applied {
        types: TypeMeta::resource::<K>(),
        metadata,
        status,
    });
    let parameters = PatchParams::apply(manager).force();
    match api.patch_status(name, &parameters, &patch).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(other)) if other.is_not_found() || is_of_a_version && other.is_conflict() => {
            tracing::debug!(name, "the object is gone, or a later version will be seen");
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}
