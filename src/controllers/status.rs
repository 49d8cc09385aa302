//! The one way in which a status is written, and the conditions that all kinds share.

use countersign_api::condition::{ConditionStatus, Observation, remove_condition, set_condition};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{
    Api, Client, Resource,
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
    metadata: Name<'a>,
    status: &'a S,
}

#[derive(Debug, Serialize)]
struct Name<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
}

/// Writes what `manager` says of a cluster-scoped object's status; what others say stays.
pub async fn apply<K, S>(name: &str, status: &S, manager: &str, client: &Client) -> Result<(), ReconcileError>
where
    K: Resource<DynamicType = ()>,
    S: Serialize + std::fmt::Debug,
{
    apply_at::<K, S>((None, name), status, manager, client).await
}

/// The same of an object in a namespace.
pub async fn apply_at<K, S>(
    (namespace, name): (Option<&str>, &str),
    status: &S,
    manager: &str,
    client: &Client,
) -> Result<(), ReconcileError>
where
    K: Resource<DynamicType = ()>,
    S: Serialize + std::fmt::Debug,
{
    let resource = ApiResource::erase::<K>(&());
    let api: Api<DynamicObject> = match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    let patch = Patch::Apply(Applied {
        types: TypeMeta::resource::<K>(),
        metadata: Name { name, namespace },
        status,
    });
    match api
        .patch_status(name, &PatchParams::apply(manager).force(), &patch)
        .await
    {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(gone)) if gone.is_not_found() => {
            tracing::debug!(name, "the object is gone");
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}
