//! Sightings: when the webhook last saw each person who holds a grant. An admin who was never seen is no live admin.

use std::{sync::Arc, time::Duration};

use countersign_api::{RoleGrant, RoleGrantStatus};
use countersign_core::identity::Identity;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Client;
use tokio::{sync::mpsc, time::sleep};

use crate::{controllers::apply_status, state::State};

/// The field manager of what is seen.
const MANAGER: &str = "countersign-sightings";

/// How old a sighting may be before it is written anew.
const RENEW: SignedDuration = SignedDuration::from_hours(1);

/// How long to wait after a failed write.
const PAUSE: Duration = Duration::from_secs(1);

/// Writes sightings into the grants of who was seen, until nobody sends any more.
pub async fn write_sightings(mut seen: mpsc::Receiver<Identity>, state: Arc<State>, client: Client) {
    while let Some(identity) = seen.recv().await {
        for name in due(&identity, &state) {
            let status = RoleGrantStatus {
                last_seen: Some(Time(Timestamp::now())),
                ..RoleGrantStatus::default()
            };
            if let Err(error) = apply_status::<RoleGrant, _>(&name, &status, MANAGER, &client).await {
                tracing::warn!(%error, %identity, "a sighting was not written");
                sleep(PAUSE).await;
            }
        }
    }
}

/// The grants of the identity whose sighting is missing or old.
fn due(identity: &Identity, state: &State) -> Vec<String> {
    let now = Timestamp::now();
    let snapshot = state.snapshot();
    let grants = snapshot.grants.get(identity).into_iter().flatten();
    let old = grants.filter(|grant| {
        grant
            .last_seen
            .is_none_or(|seen| now.duration_since(seen) > RENEW)
    });
    old.map(|grant| grant.name.to_string()).collect()
}
