//! Calls that discovery does not list, and the exceptions that depend on who calls.

use http::{Request, header};
use serde_json::{Value, json};

use super::{
    super::harness::{Area, shared},
    call::Caller,
    trail::Trail,
};

/// A call: method, path, content type and body.
type Call<'a> = (&'a str, String, &'a str, Value);

#[test]
fn calls_that_discovery_does_not_list_are_judged_too() {
    let area = shared().area();
    let namespace = &area.namespace;
    let path = |rest: &str| format!("/api/v1/namespaces/{namespace}/{rest}");
    let leases = format!("/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/new");
    let settings = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "new" } });
    let (json, apply) = ("application/json", "application/apply-patch+yaml");
    // An update or an apply of what is not there creates it. Proxies take more methods than are listed, and paths.
    let calls: [(Call<'_>, _); 5] = [
        (
            ("PUT", leases, json, lease(namespace)),
            "Create leases.coordination.k8s.io/new ",
        ),
        (
            ("PATCH", path("configmaps/new?fieldManager=walk"), apply, settings),
            "Create configmaps/new ",
        ),
        (
            ("HEAD", path("pods/web/proxy"), json, Value::Null),
            "Connect pods/web proxy",
        ),
        (
            ("OPTIONS", path("services/web/proxy"), json, Value::Null),
            "Connect services/web proxy",
        ),
        (
            ("POST", path("services/web/proxy/a/b"), json, Value::Null),
            "Connect services/web proxy",
        ),
    ];
    let caller = Caller::new(area.person("mallory"));
    let mut trail = Trail::of(&shared().operator().audit_log());
    for (call, expected) in calls {
        let what = format!("{} {}", call.0, call.1);
        assert_eq!(
            caller.send(request(call)).unwrap_err().code,
            403,
            "{what} is refused"
        );
        assert_eq!(judged(&mut trail, &area), [expected], "{what}");
    }
}

fn request((method, path, content_type, body): Call<'_>) -> Request<Vec<u8>> {
    Request::builder()
        .method(method)
        .uri(path)
        .header(header::CONTENT_TYPE, content_type)
        .body(body.to_string().into_bytes())
        .unwrap()
}

/// What mallory was denied here, as operation, object and subresource.
fn judged(trail: &mut Trail, area: &Area<'_>) -> Vec<String> {
    let here = format!("{}/", area.namespace);
    let decisions = trail.decisions_of("mallory").into_iter();
    decisions
        .filter(|decision| decision.reason == "NotOfZone")
        .filter_map(|decision| {
            let object = decision.request.object.strip_prefix(&here)?;
            let subresource = decision.request.subresource.unwrap_or_default();
            Some(format!("{} {object} {subresource}", decision.request.operation))
        })
        .collect()
}

#[test]
fn a_service_account_writes_the_leases_of_its_own_namespace_and_no_others() {
    let area = shared().area();
    let agent = area.person("deployer");
    agent.create(&lease("agents")).done();
    area.ticket(agent.create(&lease(&area.namespace)));
    area.person("mallory").create(&lease("agents")).denied("Unzoned");
}

#[test]
fn who_calls_himself_the_api_server_is_a_stranger() {
    let area = shared().area();
    let create = format!("create configmap new -n {}", area.namespace);
    let as_api_server = "--as=system:apiserver --as-group=system:masters";
    let outcome = area
        .person("mallory")
        .kubectl(&format!("{create} {as_api_server}"));
    outcome.denied("SystemUser");
}

fn lease(namespace: &str) -> Value {
    json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": { "name": "new", "namespace": namespace },
        "spec": { "holderIdentity": "walk" },
    })
}
