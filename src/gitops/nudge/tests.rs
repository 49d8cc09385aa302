use serde_json::json;

use super::*;

#[test]
fn flux_is_asked_as_it_documents_it() {
    let now = "2026-06-01T12:00:00Z".parse().unwrap();
    let patch = |tool| serde_json::to_value(reconcile(tool, now)).unwrap();
    assert_eq!(
        patch(Tool::Kustomization),
        json!({ "metadata": { "annotations": { "reconcile.fluxcd.io/requestedAt": "2026-06-01T12:00:00Z" } } })
    );
    assert_eq!(
        patch(Tool::HelmRelease),
        json!({ "metadata": { "annotations": {
            "reconcile.fluxcd.io/requestedAt": "2026-06-01T12:00:00Z",
            "reconcile.fluxcd.io/forceAt": "2026-06-01T12:00:00Z",
        } } })
    );
}

#[test]
fn argo_cd_repeats_the_operation_that_failed_and_no_other() {
    let operation = json!({ "sync": { "revision": "abc", "prune": true } });
    let after = |phase: &str| {
        let state = json!({ "phase": phase, "operation": operation });
        json!({ "metadata": {}, "status": { "operationState": state } })
    };
    let mut running = after("Failed");
    running["operation"] = json!({});
    for (object, asked) in [
        (json!({ "metadata": {} }), None),
        (after("Failed"), Some(&operation)),
        (after("Error"), Some(&operation)),
        (after("Running"), None),
        (after("Succeeded"), None),
        (running, None),
    ] {
        let patch = again(&serde_json::from_value(object.clone()).unwrap());
        let patch = serde_json::to_value(patch).unwrap();
        assert_eq!(patch.get("operation"), asked, "{object}");
        let refresh = &patch["metadata"]["annotations"]["argocd.argoproj.io/refresh"];
        assert_eq!(refresh, "normal", "{object}");
    }
}
