//! The bodies: reviews of a Deployment's UPDATE, as the API server writes them.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::cluster::{ZONES, namespace_of, owner_of};

/// How many zones are written to by turns.
const PLACES: usize = 64;

/// Settings of a Deployment whose review has 3 KB.
pub const SMALL: usize = 0;

/// Settings of a Deployment whose review has 6 KB.
pub const MEDIUM: usize = 12;

/// Settings of a Deployment whose review has 20 KB.
pub const LARGE: usize = 84;

/// An UPDATE of a Deployment.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// What it does.
    pub write: Write,
    /// How many environment variables the Deployment has.
    pub settings: usize,
}

/// What an UPDATE does.
#[derive(Clone, Copy, Debug)]
pub enum Write {
    /// Nothing: both objects are the same bytes.
    NoOp,
    /// Another number of replicas.
    Change,
}

impl Request {
    /// Reviews of it in zones far from each other, each by a member of the owning team.
    pub fn bodies(self) -> anyhow::Result<Vec<Bytes>> {
        let zones = (0..PLACES).map(|k| k * (ZONES / PLACES));
        zones.map(|zone| self.review(zone)).collect()
    }

    fn review(self, zone: usize) -> anyhow::Result<Bytes> {
        let old = deployment(zone, 3, self.settings);
        let new = match self.write {
            Write::NoOp => old.clone(),
            Write::Change => deployment(zone, 4, self.settings),
        };
        review(zone, &old, &new)
    }
}

fn review(zone: usize, old: &Value, new: &Value) -> anyhow::Result<Bytes> {
    let user = json!({
        "username": owner_of(zone),
        "groups": ["people", "system:authenticated"],
        "extra": {"authentication.kubernetes.io/credential-id": ["X509SHA256=5f2b"]},
    });
    let what = r#"{"group":"apps","version":"v1","kind":"Deployment"}"#;
    let resource = r#"{"group":"apps","version":"v1","resource":"deployments"}"#;
    let text = format!(
        r#"{{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{{"uid":"{zone:08}-6b2f-4c1d-9e7a-2f1c8d3b5a60","kind":{what},"resource":{resource},"requestKind":{what},"requestResource":{resource},"name":"api","namespace":"{}","operation":"UPDATE","userInfo":{},"object":{},"oldObject":{},"dryRun":false,"options":{{"kind":"UpdateOptions","apiVersion":"meta.k8s.io/v1","fieldManager":"kubectl"}}}}}}"#,
        namespace_of(zone),
        serde_json::to_string(&user)?,
        serde_json::to_string(new)?,
        serde_json::to_string(old)?,
    );
    Ok(text.into())
}

fn deployment(zone: usize, replicas: u32, settings: usize) -> Value {
    let env: Vec<_> = (0..settings)
        .map(|i| json!({"name": format!("SETTING_{i}"), "value": format!("value-{i}")}))
        .collect();
    let owned: serde_json::Map<_, _> = (0..settings)
        .map(|i| {
            let element = format!("k:{{\"name\":\"SETTING_{i}\"}}");
            (element, json!({".": {}, "f:name": {}, "f:value": {}}))
        })
        .collect();
    let labels: serde_json::Map<_, _> = (0..8)
        .map(|i| (format!("example.com/label-{i}"), json!("x")))
        .collect();
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {
            "name": "api", "namespace": namespace_of(zone), "uid": "2f1c8d3b-5a60-4c1d-9e7a-6b2f00000000",
            "generation": replicas, "resourceVersion": "123456", "creationTimestamp": "2026-06-01T12:00:00Z",
            "labels": labels, "annotations": {"example.com/note": "n".repeat(400)},
            "managedFields": [{
                "manager": "kubectl", "operation": "Apply", "apiVersion": "apps/v1",
                "time": "2026-06-01T12:00:00Z", "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": owned},
            }],
        },
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": "api"}},
            "template": {
                "metadata": {"labels": {"app": "api"}},
                "spec": {"containers": [{"name": "api", "image": "registry.example.com/api:1.2.3", "env": env}]},
            },
        },
        "status": {"observedGeneration": replicas, "replicas": replicas, "readyReplicas": replicas},
    })
}
