use super::*;

fn spec(operation: Operation, place: &str) -> TaskSpec {
    let mut parts = place.split('/');
    let mut next = || parts.next().unwrap_or_default().to_owned();
    TaskSpec {
        ticket_ref: TicketRef {
            name: "ticket".to_owned(),
            uid: "ticket-uid".to_owned(),
        },
        batch: None,
        operation,
        target: Target {
            group: next(),
            resource: next(),
            subresource: Some(next()).filter(|name| !name.is_empty()),
            ..Target::default()
        },
    }
}

#[test]
fn workloads_are_followed_when_they_are_made_changed_or_scaled() {
    for (operation, place, workload) in [
        (Operation::Create, "apps/deployments", Some(Workload::Deployment)),
        (
            Operation::Update,
            "apps/statefulsets",
            Some(Workload::StatefulSet),
        ),
        (
            Operation::Update,
            "apps/deployments/scale",
            Some(Workload::Deployment),
        ),
        (Operation::Create, "batch/jobs", Some(Workload::Job)),
        (Operation::Delete, "apps/deployments", None),
        (Operation::Update, "apps/deployments/status", None),
        (Operation::Update, "/configmaps", None),
        (Operation::Connect, "/pods/exec", None),
        (Operation::Create, "example.com/deployments", None),
    ] {
        assert_eq!(
            followed(&spec(operation, place)),
            workload,
            "{operation:?} {place}"
        );
    }
}

#[test]
fn a_task_shows_how_far_it_is_and_then_how_it_ended() {
    let at = |second| Timestamp::from_second(second).unwrap();
    let mut task = Task::new("ticket", spec(Operation::Update, "apps/deployments"));
    let object = |status: serde_json::Value| {
        let resource = ApiResource::erase::<k8s_openapi::api::apps::v1::Deployment>(&());
        DynamicObject::new("web", &resource).data(serde_json::json!({ "status": status }))
    };
    let running = Workload::Deployment.progress(&object(serde_json::json!({})));
    let status = assess(&task, running, at(1));
    assert_eq!(status.state, TaskState::Running);
    assert_eq!(status.progress.as_deref(), Some("0 of 1 replicas are updated"));
    assert_eq!((status.result.as_deref(), &status.finished_at), (None, &None));

    task.status = Some(status);
    let up = serde_json::json!({ "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1 });
    let status = assess(&task, Workload::Deployment.progress(&object(up)), at(2));
    assert_eq!(status.state, TaskState::Succeeded);
    assert_eq!(status.progress.as_deref(), Some("0 of 1 replicas are updated"));
    assert_eq!(status.result.as_deref(), Some("1 of 1 replicas are available"));
    assert_eq!(status.finished_at, Some(Time(at(2))));
    let holds: Vec<_> = status
        .conditions
        .iter()
        .map(|condition| (condition.type_.as_str(), condition.status.as_str()))
        .collect();
    assert_eq!(
        holds,
        [("Ready", "True"), ("Reconciling", "False"), ("Stalled", "False")]
    );
}
