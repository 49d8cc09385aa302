//! The only writes that the API server keeps from the webhook, whoever makes them, and why that is right.

use super::discovery::Resource;

/// Resources with all their verbs and subresources, and the reason.
const UNSENT: [(&[&str], &str); 3] = [
    (
        &["events", "events.events.k8s.io"],
        "not guarded: they are reports, and change nothing",
    ),
    (
        &[
            "selfsubjectreviews.authentication.k8s.io",
            "tokenreviews.authentication.k8s.io",
            "localsubjectaccessreviews.authorization.k8s.io",
            "selfsubjectaccessreviews.authorization.k8s.io",
            "selfsubjectrulesreviews.authorization.k8s.io",
            "subjectaccessreviews.authorization.k8s.io",
        ],
        "not guarded: they are questions, and nothing is stored (E23)",
    ),
    (
        &[
            "mutatingadmissionpolicies.admissionregistration.k8s.io",
            "mutatingadmissionpolicybindings.admissionregistration.k8s.io",
            "mutatingwebhookconfigurations.admissionregistration.k8s.io",
            "validatingadmissionpolicies.admissionregistration.k8s.io",
            "validatingadmissionpolicybindings.admissionregistration.k8s.io",
            "validatingwebhookconfigurations.admissionregistration.k8s.io",
        ],
        "what configures admission is sent to no webhook (E16); the operator restores its own",
    ),
];

/// Why writes of it never come; `None` when they must.
pub fn why(resource: &Resource) -> Option<&'static str> {
    let name = resource.name();
    let entry = UNSENT.iter().find(|(names, _)| names.contains(&name.as_str()));
    entry.map(|(_, why)| *why)
}
