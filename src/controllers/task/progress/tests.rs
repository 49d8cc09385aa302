#![expect(
    clippy::needless_pass_by_value,
    reason = "what a test says once is given away"
)]

use kube::api::ApiResource;
use serde_json::{Map, json};

use super::*;

fn object(generation: i64, data: Value) -> DynamicObject {
    let resource = ApiResource::erase::<k8s_openapi::api::apps::v1::Deployment>(&());
    let mut object = DynamicObject::new("web", &resource).data(data);
    object.metadata.generation = Some(generation);
    object
}

/// A workload of generation 2 whose controller has seen that, with these fields of its status.
fn seen(workload: Workload, spec: Value, status: Value) -> (TaskState, String) {
    let Value::Object(mut status) = status else {
        panic!("no map: {status}")
    };
    status.insert("observedGeneration".to_owned(), json!(2));
    said(workload, spec, status)
}

fn said(workload: Workload, spec: Value, status: Map<String, Value>) -> (TaskState, String) {
    let progress = workload.progress(&object(2, json!({ "spec": spec, "status": status })));
    (progress.state, progress.text)
}

#[track_caller]
fn runs(told: (TaskState, String), text: &str) {
    assert_eq!(told, (TaskState::Running, text.to_owned()));
}

#[track_caller]
fn is_done(told: (TaskState, String), text: &str) {
    assert_eq!(told, (TaskState::Succeeded, text.to_owned()));
}

#[test]
fn what_its_controller_has_not_seen_is_on_its_way() {
    let old = json!({ "observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1 });
    let Value::Object(old) = old else { unreachable!() };
    for workload in [Workload::Deployment, Workload::StatefulSet, Workload::DaemonSet] {
        runs(
            said(workload, json!({}), old.clone()),
            "its controller has not seen the change yet",
        );
        runs(
            said(workload, json!({}), Map::new()),
            "its controller has not seen the change yet",
        );
    }
}

#[test]
fn a_deployment_is_done_when_the_new_replicas_alone_are_available() {
    let of = |status| seen(Workload::Deployment, json!({ "replicas": 3 }), status);
    runs(of(json!({})), "0 of 3 replicas are updated");
    runs(
        of(json!({ "replicas": 4, "updatedReplicas": 2, "availableReplicas": 4 })),
        "2 of 3 replicas are updated",
    );
    runs(
        of(json!({ "replicas": 4, "updatedReplicas": 3, "availableReplicas": 3 })),
        "1 old replicas are still there",
    );
    runs(
        of(json!({ "replicas": 3, "updatedReplicas": 3, "availableReplicas": 2 })),
        "2 of 3 replicas are available",
    );
    is_done(
        of(json!({ "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3 })),
        "3 of 3 replicas are available",
    );
    let none = seen(Workload::Deployment, json!({ "replicas": 0 }), json!({}));
    is_done(none, "0 of 0 replicas are available");
    let gave_up = of(json!({ "conditions": [
        { "type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded" },
    ] }));
    assert_eq!(
        gave_up,
        (TaskState::Failed, "it made no progress in its time".to_owned())
    );
}

#[test]
fn a_stateful_set_is_done_when_its_revision_is_current() {
    let of = |spec: Value, status| seen(Workload::StatefulSet, spec, status);
    let three = || json!({ "replicas": 3 });
    runs(
        of(three(), json!({ "readyReplicas": 3, "updatedReplicas": 1 })),
        "1 of 3 replicas are updated",
    );
    runs(
        of(three(), json!({ "readyReplicas": 2, "updatedReplicas": 3 })),
        "2 of 3 replicas are ready",
    );
    let revisions = |current: &str| {
        json!({
            "readyReplicas": 3, "updatedReplicas": 3, "currentRevision": current, "updateRevision": "b",
        })
    };
    runs(
        of(three(), revisions("a")),
        "the former revision is still current",
    );
    is_done(of(three(), revisions("b")), "3 of 3 replicas are ready");
    let partition = json!({ "replicas": 3, "updateStrategy": { "rollingUpdate": { "partition": 2 } } });
    is_done(
        of(
            partition,
            json!({ "readyReplicas": 3, "updatedReplicas": 1, "updateRevision": "b" }),
        ),
        "3 of 3 replicas are ready",
    );
    let by_hand = json!({ "replicas": 3, "updateStrategy": { "type": "OnDelete" } });
    is_done(
        of(by_hand, json!({ "readyReplicas": 3 })),
        "3 of 3 replicas are ready",
    );
}

#[test]
fn a_daemon_set_is_done_when_its_pods_are_available_everywhere() {
    let of = |status| seen(Workload::DaemonSet, json!({}), status);
    runs(
        of(json!({ "desiredNumberScheduled": 2, "updatedNumberScheduled": 1, "numberAvailable": 2 })),
        "1 of 2 pods are updated",
    );
    runs(
        of(json!({ "desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberAvailable": 1 })),
        "1 of 2 pods are available",
    );
    is_done(
        of(json!({ "desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberAvailable": 2 })),
        "2 of 2 pods are available",
    );
}

#[test]
fn a_job_is_done_when_it_says_so() {
    let of = |status| {
        let Value::Object(status) = status else {
            unreachable!()
        };
        said(Workload::Job, json!({}), status)
    };
    runs(
        of(json!({ "active": 2, "succeeded": 1 })),
        "1 pods succeeded, 2 are running",
    );
    is_done(
        of(json!({ "succeeded": 3, "conditions": [{ "type": "Complete", "status": "True" }] })),
        "3 pods succeeded",
    );
    let failed = of(json!({ "conditions": [{ "type": "Failed", "status": "True" }] }));
    assert_eq!(failed, (TaskState::Failed, "the job failed".to_owned()));
}

#[test]
fn what_takes_too_long_is_looked_at_no_longer() {
    let hour = SignedDuration::from_hours(1);
    let running = Progress::running("0 of 1 replicas are updated");
    assert_eq!(
        running.clone().within(hour - SignedDuration::from_secs(1), hour),
        running
    );
    assert_eq!(
        running.within(hour, hour),
        Progress::unknown("DeadlineExceeded", "after 1 h still: 0 of 1 replicas are updated")
    );
    let done = Progress::done("stored");
    assert_eq!(done.clone().within(hour, hour), done);
}
