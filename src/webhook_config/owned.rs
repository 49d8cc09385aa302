//! One configuration: read, compared, and put back by replacement; server-side apply would leave a foreign
//! `matchConditions` entry in place.

use std::cmp::Reverse;

use kube::{
    Api, Client, Resource, ResourceExt,
    api::{ApiResource, DynamicObject, PostParams},
};

use super::{NAME, diff::diff};

/// The name under which the operator writes its configurations.
const FIELD_MANAGER: &str = "countersign";

/// A configuration that the operator owns.
pub(super) struct Owned {
    pub kind: &'static str,
    api: Api<DynamicObject>,
    /// What was last seen in place: what differs from this was changed by somebody else.
    seen: Option<DynamicObject>,
}

/// A configuration as it reads after it was looked after.
pub(super) struct Outcome {
    /// Whether it is what it should be.
    pub in_sync: bool,
    /// What somebody else had done to it.
    pub foreign: Option<ForeignChange>,
}

/// A change by somebody else.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ForeignChange {
    /// Its field managers, latest first; none when it was deleted.
    pub managers: Vec<String>,
    /// Paths of what was changed.
    pub fields: Vec<String>,
}

impl Owned {
    pub fn new<K: k8s_openapi::Resource + Resource<DynamicType = ()>>(client: &Client) -> Self {
        let api = Api::all_with(client.clone(), &ApiResource::erase::<K>(&()));
        Self {
            kind: K::KIND,
            api,
            seen: None,
        }
    }

    /// The API that holds it.
    pub const fn api(&self) -> &Api<DynamicObject> {
        &self.api
    }

    /// The configuration as it is, `None` when there is none.
    pub async fn read(&self) -> kube::Result<Option<DynamicObject>> {
        self.api.get_opt(NAME).await
    }

    /// Makes `live` what is desired, and says what somebody else had done to it.
    pub async fn restore(
        &mut self,
        live: Option<DynamicObject>,
        desired: &DynamicObject,
    ) -> kube::Result<Outcome> {
        let foreign = self.foreign_change(live.as_ref(), desired);
        let present = match live {
            Some(live) if diff(&live, desired).is_empty() => live,
            Some(live) => self.replace(live, desired).await?,
            None => self.api.create(&params(), desired).await?,
        };
        let in_sync = diff(&present, desired).is_empty();
        self.seen = Some(present);
        Ok(Outcome { in_sync, foreign })
    }

    async fn replace(&self, live: DynamicObject, desired: &DynamicObject) -> kube::Result<DynamicObject> {
        let mut next = live;
        next.data = desired.data.clone();
        next.labels_mut().extend(desired.labels().clone());
        next.metadata.owner_references = None;
        next.metadata.finalizers = None;
        next.metadata.managed_fields = None;
        self.api.replace(NAME, &params(), &next).await
    }

    fn foreign_change(&self, live: Option<&DynamicObject>, desired: &DynamicObject) -> Option<ForeignChange> {
        let (fields, managers) = match (live, &self.seen) {
            (Some(live), Some(seen)) => (diff(live, seen), managers(live)),
            (None, Some(_)) => (vec!["metadata.name".to_owned()], Vec::new()),
            // Changed while no operator ran; not by an operator of another version, which wants other fields.
            (Some(live), None)
                if managers(live)
                    .first()
                    .is_some_and(|latest| latest != FIELD_MANAGER) =>
            {
                (diff(live, desired), managers(live))
            }
            (_, None) => return None,
        };
        (!fields.is_empty()).then_some(ForeignChange { managers, fields })
    }
}

fn params() -> PostParams {
    PostParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PostParams::default()
    }
}

/// The field managers, latest first: the API server's word on who wrote what.
pub(super) fn managers(live: &DynamicObject) -> Vec<String> {
    let mut entries: Vec<_> = live.managed_fields().iter().collect();
    entries.sort_by_key(|entry| Reverse(entry.time.as_ref().map(|time| time.0)));
    entries
        .into_iter()
        .filter_map(|entry| entry.manager.clone())
        .collect()
}

#[cfg(test)]
mod tests;
