//! The `matchConditions` of the validating webhook: what never reaches it.
//!
//! The webhook is called when every condition is true, so each one denies a kind of write that is left out. An
//! expression that fails counts as the failure policy says; these cannot fail, absent fields have a default.

use countersign_core::{
    builtin::{API_SERVER, MASTERS},
    decide::{CONTROL_NAMESPACES, EVENTS, GROUP, LEASES, VIRTUAL},
    digest::Digest,
    request::Operation::{self, Create, Delete, Update},
};
use serde_json::{Value, json};

use super::{
    Caller, Plan,
    built_in::built_in,
    startup::{GROUPS, NAMESPACE, StartupRule, StartupWrite, UID, USERNAME, quote},
};

/// How many delegations with `evaluation: Startup` can be compiled: one webhook has at most 64 conditions, of which some
/// are built in, and all of them stand in each of three webhooks, in an object of less than 1.5 MiB.
pub const MAX_STARTUP_DELEGATIONS: usize = 24;

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
    always(plan)
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

/// What is not guarded, by the same lists as in the rules; the operator's steps of tickets; and the API server.
fn always(plan: &Plan) -> [Value; 5] {
    [
        ("unguarded.countersign.dev/events", writes(ALL, &EVENTS)),
        (
            "unguarded.countersign.dev/virtual-reviews",
            writes(&[Create], &VIRTUAL),
        ),
        (
            "unguarded.countersign.dev/own-leases",
            own_leases(&plan.operator_namespace),
        ),
        ("operator.countersign.dev/steps", own_steps(&plan.operator)),
        ("startup.countersign.dev/api-server", api_server()),
    ]
    .map(|(name, left_out)| json!({ "name": name, "expression": format!("!({left_out})") }))
}

const ALL: &[Operation] = &[Create, Update, Delete];

/// Writes of the objects of these resources, and of none of their subresources.
fn writes(operations: &[Operation], resources: &[(&str, &str)]) -> String {
    let objects: Vec<_> = resources
        .iter()
        .map(|(group, resource)| (*group, *resource, ""))
        .collect();
    StartupWrite::of(operations, &objects).expression()
}

fn own_leases(operator_namespace: &str) -> String {
    let guarded = [&CONTROL_NAMESPACES[..], &[operator_namespace]].concat();
    let guarded: Vec<_> = guarded.into_iter().map(quote).collect();
    format!(
        "{} && {USERNAME}.startsWith('system:serviceaccount:' + {NAMESPACE} + ':') && !({NAMESPACE} in [{}])",
        writes(ALL, &[LEASES]),
        guarded.join(", ")
    )
}

/// A claim waits for its step to be stored: that asks nobody else. The engine knows the operator by the same two marks.
fn own_steps(operator: &Caller) -> String {
    let statuses = StartupWrite::of(&[Update], &[(GROUP, "approvaltickets", "status")]);
    format!(
        "{} && {USERNAME} == {} && {UID} == {}",
        statuses.expression(),
        quote(&operator.username),
        quote(&operator.uid)
    )
}

/// An API server exits when it cannot reconcile its own roles through a webhook that does not answer. Its uid is
/// another at each start; who impersonates it shows one only with the right to impersonate uids, too.
fn api_server() -> String {
    format!(
        "{USERNAME} == {} && {} in {GROUPS} && {UID} != ''",
        quote(API_SERVER),
        quote(MASTERS)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhook_config::{desired::tests::plan, startup::StartupWriters};

    #[test]
    fn the_built_in_conditions_leave_room_for_delegations() {
        let beside = [ordinary()].len();
        assert!(conditions(&plan()).len() + beside + MAX_STARTUP_DELEGATIONS <= 64);
    }

    #[test]
    fn what_is_left_out_for_everybody_is_no_subresource() {
        for (condition, resources) in always(&plan()).iter().zip([2, 6, 1]) {
            let expression = condition["expression"].as_str().unwrap();
            let (_, list) = expression.split_once(" in [[").unwrap();
            let (list, _) = list.split_once("]]").unwrap();
            let listed: Vec<_> = list.split("], [").collect();
            assert_eq!(listed.len(), resources, "{expression}");
            assert!(listed.iter().all(|one| one.ends_with(", ''")), "{expression}");
        }
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
