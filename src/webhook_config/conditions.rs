//! The `matchConditions` of the validating webhook: what never reaches it.
//!
//! The webhook is called when every condition is true, so each one denies a kind of write that is left out. An
//! expression that fails counts as the failure policy says; these cannot fail, absent fields have a default.

use countersign_core::digest::Digest;
use serde_json::{Value, json};

use super::{
    Plan,
    built_in::built_in,
    startup::{StartupRule, quote},
};

/// How many delegations with `evaluation: Startup` can be compiled: one webhook has at most 64 conditions, and
/// some are built in.
pub const MAX_STARTUP_DELEGATIONS: usize = 40;

/// The service accounts' own Leases are guarded in these namespaces and in the operator's.
const GUARDED_LEASES: [&str; 2] = ["kube-system", "kube-node-lease"];

/// What is judged wherever it is: environments are labels of Namespaces, and Countersign's own kinds are its ground.
pub(super) fn ordinary() -> Value {
    let expression = "request.resource.group != 'countersign.dev' \
         && !(request.resource.group == '' && request.resource.resource == 'namespaces')";
    json!({ "name": "always.countersign.dev/ordinary", "expression": expression })
}

/// All conditions, in a stable order.
pub(super) fn conditions(plan: &Plan) -> Vec<Value> {
    let built_in = built_in(&plan.operator_namespace);
    let mut delegations: Vec<_> = plan.startup.iter().collect();
    delegations.sort_by(|a, b| a.name.cmp(&b.name));
    let built_in = built_in
        .iter()
        .map(|rule| condition(&format!("startup.countersign.dev/{}", rule.name), rule));
    let delegations = delegations
        .into_iter()
        .map(|rule| condition(&delegation_name(&rule.name), rule));
    always(&plan.operator_namespace)
        .into_iter()
        .chain(built_in)
        .chain(delegations.take(MAX_STARTUP_DELEGATIONS))
        .collect()
}

fn condition(name: &str, rule: &StartupRule) -> Value {
    json!({ "name": name, "expression": format!("!({})", rule.expression()) })
}

/// A condition's name holds at most 63 characters after the slash; an object's name may be longer.
fn delegation_name(name: &str) -> String {
    let digest = Digest::of(&[name.as_bytes()]).hex();
    format!("delegation.countersign.dev/{name:.50}-{digest:.8}")
}

fn always(operator_namespace: &str) -> [Value; 4] {
    let leases = [&GUARDED_LEASES[..], &[operator_namespace]].concat();
    let leases: Vec<_> = leases.into_iter().map(quote).collect();
    let own_leases = format!(
        "!(request.resource.group == 'coordination.k8s.io' && request.resource.resource == 'leases' \
         && request.?userInfo.?username.orValue('').startsWith('system:serviceaccount:' + request.?namespace.orValue('') + ':') \
         && !(request.?namespace.orValue('') in [{}]))",
        leases.join(", ")
    );
    let events =
        "!(request.resource.group in ['', 'events.k8s.io'] && request.resource.resource == 'events')"
            .to_owned();
    let reviews = "!(request.operation == 'CREATE' && (\
         (request.resource.group == 'authorization.k8s.io' && request.resource.resource in \
         ['subjectaccessreviews', 'selfsubjectaccessreviews', 'localsubjectaccessreviews', 'selfsubjectrulesreviews']) \
         || (request.resource.group == 'authentication.k8s.io' && request.resource.resource in \
         ['tokenreviews', 'selfsubjectreviews'])))"
        .to_owned();
    // An API server exits when it cannot reconcile its own roles through a webhook that does not answer.
    let api_server = "!(request.?userInfo.?username.orValue('') == 'system:apiserver' \
         && 'system:masters' in request.?userInfo.?groups.orValue([]))"
        .to_owned();
    [
        ("unguarded.countersign.dev/events", events),
        ("unguarded.countersign.dev/virtual-reviews", reviews),
        ("unguarded.countersign.dev/own-leases", own_leases),
        ("startup.countersign.dev/api-server", api_server),
    ]
    .map(|(name, expression)| json!({ "name": name, "expression": expression }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhook_config::{desired::tests::plan, startup::StartupWriters};

    #[test]
    fn the_built_in_conditions_leave_room_for_delegations() {
        assert!(conditions(&plan()).len() + MAX_STARTUP_DELEGATIONS <= 64);
    }

    #[test]
    fn delegations_are_ordered_bounded_and_named_apart() {
        let rule = |name: String| StartupRule {
            name,
            writers: StartupWriters::Usernames(vec!["cni".to_owned()]),
            writes: Vec::new(),
        };
        let long = "x".repeat(200);
        let mut plan = plan();
        let built_in = conditions(&plan).len();
        plan.startup = vec![
            rule(format!("{long}b")),
            rule("a".to_owned()),
            rule(format!("{long}a")),
        ];
        let names: Vec<_> = conditions(&plan)
            .into_iter()
            .skip(built_in)
            .map(|c| c["name"].as_str().unwrap().to_owned())
            .collect();
        assert!(names[0].starts_with("delegation.countersign.dev/a-"), "{names:?}");
        assert!(
            names[1] != names[2] && names.iter().all(|name| name.len() <= 27 + 63),
            "{names:?}"
        );
        plan.startup = (0..100).map(|number| rule(number.to_string())).collect();
        assert_eq!(conditions(&plan).len(), built_in + MAX_STARTUP_DELEGATIONS);
    }
}
