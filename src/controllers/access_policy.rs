//! AccessPolicy: in force or not, and whether the API server enforces it.

use countersign_api::{
    AccessPolicy, AccessPolicyStatus,
    access_policy::{self, Counts},
    condition::{ConditionStatus, Observation, remove_condition, set_condition},
};
use countersign_core::{role::Role, snapshot::Snapshot};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    Assessed, Known,
    status::{Problem, set_standing},
};
use crate::webhook_config::FailurePolicy;

/// There while the labels of a namespace bear no seal.
const UNSEALED_NAMESPACES: &str = "UnsealedNamespaces";

impl Assessed for AccessPolicy {
    type Status = AccessPolicyStatus;

    fn shown(&self) -> Option<AccessPolicyStatus> {
        self.status.clone()
    }

    fn assess(&self, known: &Known) -> AccessPolicyStatus {
        let mut status = self.status.clone().unwrap_or_default();
        let (snapshot, generation) = (&known.snapshot, self.metadata.generation);
        let (seal, unsealed) = known.seal(self, &[]);
        status.seal = seal;
        let problem = unsealed.or_else(|| problem(self, snapshot));
        status.observed_generation = generation;
        status.cluster_id = Some(snapshot.cluster.id.to_string());
        status.operator_namespace = Some(snapshot.cluster.namespace.to_string());
        let since = status.strict_since.take();
        let since = since.or_else(|| snapshot.latched.then_some(Time(known.now)));
        status.strict_since = since.filter(|_| self.spec.strict_mode);
        let counts = counts(snapshot);
        status.counts = Some(counts);
        set_standing(&mut status.conditions, problem, generation, known.now);
        set_condition(
            &mut status.conditions,
            enforcing(self, known),
            generation,
            known.now,
        );
        let warnings = [
            ("TooManyAdmins", too_many_admins(self, counts)),
            ("ForeignMutators", foreign_mutators(snapshot)),
            (UNSEALED_NAMESPACES, unsealed_namespaces(snapshot)),
        ];
        for (kind, warning) in warnings {
            match warning {
                Some(warning) => set_condition(&mut status.conditions, warning, generation, known.now),
                None => remove_condition(&mut status.conditions, kind),
            }
        }
        status
    }

    fn keep_numbers(status: &mut AccessPolicyStatus, other: &AccessPolicyStatus) {
        if let (Some(counts), Some(others)) = (&mut status.counts, &other.counts) {
            counts.pending_tickets = others.pending_tickets;
        }
    }
}

fn problem(object: &AccessPolicy, snapshot: &Snapshot) -> Option<Problem> {
    let policy = match access_policy::parse(object) {
        Ok(policy) => policy,
        Err(invalid) => return Some(Problem::new("Invalid", invalid.to_string())),
    };
    let (live, needed) = (snapshot.live_admins().len(), policy.admins_needed());
    if !policy.strict_mode || snapshot.latched {
        return None;
    }
    if live < needed {
        let message =
            format!("spec.strictMode: {live} live human admins, and {needed} are needed before it holds");
        return Some(Problem::new("NotEnoughAdmins", message));
    }
    if !snapshot.has_passcode(&policy) {
        let message = "spec.passcodeSecretRef: the operator can read no passcode there, as its log tells, and strict mode \
                       does not begin before: kubectl countersign admin passcode set";
        return Some(Problem::new("NoPasscode", message));
    }
    (!snapshot.is_as_shown(&policy)).then(|| {
        let message = "spec.strictModeDigest: the permission objects are no longer those that were shown, and strict \
                       mode does not begin: look at them again with kubectl countersign admin enable-strict";
        Problem::new("PermissionsChanged", message)
    })
}

/// True once strict mode is on and the API server says that it refuses writes while the operator is away.
fn enforcing(policy: &AccessPolicy, known: &Known) -> Observation<'static> {
    let enforced = &known.enforced;
    let (holds, reason, message) = if enforced.switched_off {
        (
            false,
            "SwitchedOff",
            "an annotation of the webhook configuration switches enforcement off",
        )
    } else if !policy.spec.strict_mode {
        (
            false,
            "Observing",
            "strict mode is off: violations are allowed with a warning and a record",
        )
    } else if enforced.failure_policy == Some(FailurePolicy::Fail) {
        (true, "Strict", "strict mode is on: violations are blocked")
    } else {
        (
            false,
            "NotInForce",
            "the webhook configuration does not say Fail yet",
        )
    };
    Observation {
        kind: "Enforcing",
        status: holds.into(),
        reason,
        message: message.to_owned(),
    }
}

fn too_many_admins(policy: &AccessPolicy, counts: Counts) -> Option<Observation<'static>> {
    let (admins, most) = (counts.human_admins, policy.spec.max_human_admins);
    (admins > most).then(|| Observation {
        kind: "TooManyAdmins",
        status: ConditionStatus::True,
        reason: "MaxHumanAdmins",
        message: format!("{admins} human admins, and maxHumanAdmins is {most}: contributors with zones do"),
    })
}

/// How many mutators the condition names.
const NAMED: usize = 5;

/// Who else can change tickets and reviews before they are stored.
fn foreign_mutators(snapshot: &Snapshot) -> Option<Observation<'static>> {
    let foreign: Vec<_> = snapshot.foreign_mutators().map(ToString::to_string).collect();
    let (status, reason, message) = if !foreign.is_empty() {
        let named: Vec<_> = foreign.iter().take(NAMED).map(String::as_str).collect();
        let more = match foreign.len() - named.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let message = format!(
            "{}{more} can change tickets and reviews before they are stored: leave the group countersign.dev out of \
             their rules, or list them in acceptedMutators",
            named.join(", ")
        );
        (ConditionStatus::True, "MatchesOwnKinds", message)
    } else if snapshot.mutators.stale {
        let message = "mutating webhooks and policies cannot be watched".to_owned();
        (ConditionStatus::Unknown, "NotKnown", message)
    } else {
        return None;
    };
    Some(Observation {
        kind: "ForeignMutators",
        status,
        reason,
        message,
    })
}

fn unsealed_namespaces(snapshot: &Snapshot) -> Option<Observation<'static>> {
    let unsealed = snapshot.namespaces.iter().filter(|(_, known)| !known.sealed);
    let mut names: Vec<&str> = unsealed.map(|(name, _)| &**name).collect();
    names.sort_unstable();
    let first = names.first()?;
    let others = match names.len() {
        1 => String::new(),
        count => format!(" and {} others", count - 1),
    };
    Some(Observation {
        kind: UNSEALED_NAMESPACES,
        status: ConditionStatus::True,
        reason: "Unsealed",
        message: format!("nobody judged the labels of namespace {first}{others}: until then they are prod"),
    })
}

fn counts(snapshot: &Snapshot) -> Counts {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let admins = snapshot
        .grants
        .iter()
        .filter(|(who, grants)| who.is_user() && grants.iter().any(|grant| grant.role == Role::Admin));
    Counts {
        zones: count(snapshot.zones.len()),
        role_grants: count(snapshot.grants.values().map(imbl::Vector::len).sum()),
        teams: count(snapshot.teams.len()),
        agents: count(snapshot.agents.len()),
        write_delegations: count(snapshot.delegations.values().map(imbl::Vector::len).sum()),
        human_admins: count(admins.count()),
        live_admins: count(snapshot.live_admins().len()),
        pending_tickets: count(snapshot.pending.values().map(imbl::Vector::len).sum()),
    }
}
