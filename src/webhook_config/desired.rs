//! The two configurations as they must read back: every field that the API server would default is spelled out.

use base64::{Engine, engine::general_purpose::STANDARD};
use countersign_core::environment::ENVIRONMENT_LABEL;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use kube::{
    Resource,
    api::{ApiResource, DynamicObject},
};
use serde_json::{Value, json};

use super::{
    Endpoint, FailurePolicy, NAME, Plan,
    conditions::{conditions, ordinary},
};

/// Seconds that the API server waits for an answer.
const TIMEOUT_SECONDS: u8 = 5;

/// Both configurations.
pub(super) struct Desired {
    pub validating: DynamicObject,
    pub mutating: DynamicObject,
    /// The failure policy in both.
    pub policy: FailurePolicy,
}

impl Desired {
    /// What the plan asks for, or the same without enforcement.
    pub fn new(plan: &Plan, switched_off: bool) -> Self {
        let policy = if plan.strict && !switched_off {
            FailurePolicy::Fail
        } else {
            FailurePolicy::Ignore
        };
        Self {
            validating: configuration::<ValidatingWebhookConfiguration>(&validating(plan, policy)),
            mutating: configuration::<MutatingWebhookConfiguration>(&[mutating(plan, policy)]),
            policy,
        }
    }
}

fn configuration<K: Resource<DynamicType = ()>>(webhooks: &[Value]) -> DynamicObject {
    let mut object =
        DynamicObject::new(NAME, &ApiResource::erase::<K>(&())).data(json!({ "webhooks": webhooks }));
    object.metadata.labels = Some([("app.kubernetes.io/managed-by".to_owned(), NAME.to_owned())].into());
    object
}

/// What is judged: everything by one webhook; or, where some environments fail open, what is in their namespaces by one
/// of its own. The API server matches a Namespace by its own labels, the new ones: so Namespaces fail nowhere open.
fn validating(plan: &Plan, policy: FailurePolicy) -> Vec<Value> {
    let all = Judged {
        name: "validate.countersign.dev",
        resources: json!([rule("*", &["*/*"])]),
        namespaces: json!({}),
        conditions: conditions(plan),
        policy,
    };
    if policy == FailurePolicy::Ignore || plan.fails_open.is_empty() {
        return vec![all.webhook(plan)];
    }
    let labelled = |operator: &str| {
        let values = plan.fails_open.clone();
        json!({ "matchExpressions": [{ "key": ENVIRONMENT_LABEL, "operator": operator, "values": values }] })
    };
    let always = Judged {
        name: "validate-always.countersign.dev",
        resources: json!([
            rule("", &["namespaces", "namespaces/*"]),
            rule("countersign.dev", &["*/*"])
        ]),
        ..all.clone()
    };
    let guarded = Judged {
        namespaces: labelled("NotIn"),
        conditions: [conditions(plan), vec![ordinary()]].concat(),
        ..all
    };
    let open = Judged {
        name: "validate-fails-open.countersign.dev",
        namespaces: labelled("In"),
        policy: FailurePolicy::Ignore,
        ..guarded.clone()
    };
    [guarded, open, always].map(|judged| judged.webhook(plan)).into()
}

/// One webhook's part of what is judged.
#[derive(Clone)]
struct Judged {
    name: &'static str,
    resources: Value,
    namespaces: Value,
    conditions: Vec<Value>,
    policy: FailurePolicy,
}

/// Every write of every version and subresource.
fn rule(group: &str, resources: &[&str]) -> Value {
    json!({
        "apiGroups": [group],
        "apiVersions": ["*"],
        "operations": ["CREATE", "UPDATE", "DELETE", "CONNECT"],
        "resources": resources,
        "scope": "*",
    })
}

impl Judged {
    /// `Exact`, since `*` leaves nothing to convert: a review arrives in the version of its request.
    fn webhook(self, plan: &Plan) -> Value {
        json!({
            "name": self.name,
            "clientConfig": client_config(plan, "validate"),
            "rules": self.resources,
            "matchPolicy": "Exact",
            "matchConditions": self.conditions,
            "namespaceSelector": self.namespaces,
            "objectSelector": {},
            "failurePolicy": self.policy.as_str(),
            "sideEffects": "NoneOnDryRun",
            "timeoutSeconds": TIMEOUT_SECONDS,
            "admissionReviewVersions": ["v1"],
        })
    }
}

/// Countersign's own kinds that are stamped when they are made, and nothing else.
fn mutating(plan: &Plan, policy: FailurePolicy) -> Value {
    json!({
        "name": countersign_api::mutator::STAMP,
        "clientConfig": client_config(plan, "mutate"),
        "rules": [{
            "apiGroups": ["countersign.dev"],
            "apiVersions": ["*"],
            "operations": ["CREATE"],
            "resources": ["approvaltickets", "approvalreviews", "intents", "breakglasses"],
            "scope": "*",
        }],
        "matchPolicy": "Exact",
        "namespaceSelector": {},
        "objectSelector": {},
        "failurePolicy": policy.as_str(),
        "sideEffects": "NoneOnDryRun",
        "timeoutSeconds": TIMEOUT_SECONDS,
        "admissionReviewVersions": ["v1"],
        "reinvocationPolicy": "Never",
    })
}

fn client_config(plan: &Plan, call: &str) -> Value {
    let path = format!("/{}/{call}", plan.path_secret);
    let ca_bundle = STANDARD.encode(&plan.ca_bundle);
    match &plan.endpoint {
        Endpoint::Service {
            namespace,
            name,
            port,
        } => json!({
            "service": { "namespace": namespace, "name": name, "port": port, "path": path },
            "caBundle": ca_bundle,
        }),
        Endpoint::Url(url) => json!({ "url": format!("{}{path}", url.base), "caBundle": ca_bundle }),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use k8s_openapi::api::admissionregistration::v1::{MutatingWebhook, ValidatingWebhook};

    use super::*;
    use crate::webhook_config::Caller;
    use countersign_core::environment::Environment;

    pub fn plan() -> Plan {
        Plan {
            endpoint: Endpoint::Url("https://localhost:8443".parse().unwrap()),
            path_secret: "secret".to_owned(),
            ca_bundle: "PEM".to_owned(),
            strict: true,
            fails_open: Vec::new(),
            operator_namespace: "ops".to_owned(),
            operator: Caller {
                username: "system:serviceaccount:ops:countersign".to_owned(),
                uid: "operator-uid".to_owned(),
            },
            startup: Vec::new(),
        }
    }

    fn service() -> Plan {
        let endpoint = Endpoint::Service {
            namespace: "ops".to_owned(),
            name: "webhook".to_owned(),
            port: 443,
        };
        Plan { endpoint, ..plan() }
    }

    fn webhook(object: &DynamicObject) -> &Value {
        &object.data["webhooks"][0]
    }

    #[test]
    fn every_field_is_one_that_the_api_has() {
        for plan in [plan(), service()] {
            let desired = Desired::new(&plan, false);
            let validating: ValidatingWebhook =
                serde_json::from_value(webhook(&desired.validating).clone()).unwrap();
            assert_eq!(
                &serde_json::to_value(validating).unwrap(),
                webhook(&desired.validating)
            );
            let mutating: MutatingWebhook =
                serde_json::from_value(webhook(&desired.mutating).clone()).unwrap();
            assert_eq!(
                &serde_json::to_value(mutating).unwrap(),
                webhook(&desired.mutating)
            );
        }
    }

    #[test]
    fn the_failure_policy_is_fail_only_while_strict_and_not_switched_off() {
        for (strict, switched_off, policy) in [
            (false, false, "Ignore"),
            (true, false, "Fail"),
            (true, true, "Ignore"),
            (false, true, "Ignore"),
        ] {
            let desired = Desired::new(&Plan { strict, ..plan() }, switched_off);
            assert_eq!(webhook(&desired.validating)["failurePolicy"], policy);
            assert_eq!(webhook(&desired.mutating)["failurePolicy"], policy);
        }
    }

    #[test]
    fn only_what_is_in_a_namespace_labelled_so_fails_open() {
        let fails_open = vec![Environment::Dev, Environment::Test];
        let open = Plan { fails_open, ..plan() };
        let webhooks = Desired::new(&open, false).validating.data["webhooks"].clone();
        let parts: Vec<_> = (webhooks.as_array().unwrap().iter())
            .map(|webhook| {
                (
                    webhook["failurePolicy"].clone(),
                    webhook["namespaceSelector"].clone(),
                )
            })
            .collect();
        let labelled = |operator: &str| {
            let key = "countersign.dev/environment";
            json!({ "matchExpressions": [{ "key": key, "operator": operator, "values": ["dev", "test"] }] })
        };
        assert_eq!(
            parts,
            [
                (json!("Fail"), labelled("NotIn")),
                (json!("Ignore"), labelled("In")),
                (json!("Fail"), json!({}))
            ]
        );
        let off = Desired::new(&open, true);
        assert_eq!(off.validating.data["webhooks"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn each_call_has_its_path_under_the_secret() {
        let by_url = Desired::new(&plan(), false);
        let url = &webhook(&by_url.validating)["clientConfig"]["url"];
        assert_eq!(url, "https://localhost:8443/secret/validate");
        let by_service = Desired::new(&service(), false);
        assert_eq!(
            webhook(&by_service.mutating)["clientConfig"],
            json!({
                "caBundle": "UEVN",
                "service": {"namespace": "ops", "name": "webhook", "port": 443, "path": "/secret/mutate"},
            })
        );
    }
}
