//! The only writes that do not come to the webhook, whoever makes them, and why that is right.

use super::discovery::{Patch, Resource, Verb, Write};

/// Why a write does not come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exception {
    /// The API server does it without asking.
    Unsent(&'static str),
    /// The API server cannot do it, and answers so, with this status code.
    Refused(u16, &'static str),
}

/// Resources with all their verbs and subresources, and why they are not sent.
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

impl Exception {
    /// Why the write does not come; `None` when it must.
    pub fn of(write: &Write) -> Option<Self> {
        refused(write).or_else(|| unsent(&write.resource))
    }

    /// The reason.
    pub const fn why(self) -> &'static str {
        match self {
            Self::Unsent(why) | Self::Refused(_, why) => why,
        }
    }
}

/// What custom kinds cannot do, though discovery lists the verb.
fn refused(write: &Write) -> Option<Exception> {
    let resource = &write.resource;
    match write.verb {
        Verb::Patch(Patch::Strategic) if resource.custom => {
            Some(Exception::Refused(415, "strategic patches need Go types"))
        }
        Verb::Patch(Patch::Apply) if resource.custom && resource.subresource == "scale" => {
            Some(Exception::Refused(
                500,
                "the API server converts the applied Scale as if it were of the custom kind",
            ))
        }
        _ => None,
    }
}

fn unsent(resource: &Resource) -> Option<Exception> {
    let name = resource.name();
    let entry = UNSENT.iter().find(|(names, _)| names.contains(&name.as_str()));
    entry.map(|(_, why)| Exception::Unsent(why))
}
