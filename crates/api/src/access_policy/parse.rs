//! The policy, compiled.

use std::{collections::BTreeMap, fmt::Display, sync::Arc};

use countersign_core::{
    digest::Digest, environment::Environment, identity::Identity, policy as core, role::Role, ssh::SshKey,
};
use jiff::SignedDuration;

use super::{
    AccessPolicy, AccessPolicySpec, Approvals, BreakGlassScope, Defaults, Enforcement, EnvironmentRule,
    FailurePolicy, HashIgnore, ReadAccess, ReviewRule, SshKeys, StepUp, UsernameRule,
};
use crate::{
    POLICY_NAME,
    approval_review::ProofType,
    duration,
    invalid::{Invalid, Kinds, Problem, each, functions, object_globs, path_globs},
    seal,
};

/// The policy, compiled.
pub fn parse(object: &AccessPolicy) -> Result<core::Policy, Invalid> {
    let spec = &object.spec;
    let name = object.metadata.name.as_deref().unwrap_or_default();
    if name != POLICY_NAME {
        return Err(Problem::unexpected(name, "the name of the one policy: default").at("metadata.name"));
    }
    if spec.strict_mode_locked && spec.passcode_secret_ref.is_none() {
        return Err(Problem::Missing.at("spec.passcodeSecretRef"));
    }
    // Nobody could approve anything, not even the way back.
    if spec.approvals.required_proof == ProofType::SSH && spec.directory.ssh_keys.is_empty() {
        return Err(Problem::Missing.at("spec.directory.sshKeys"));
    }
    Ok(core::Policy {
        digest: digest(object)?,
        environments: indexed("spec.environments", &spec.environments, environment)?,
        usernames: usernames(&spec.usernames)?,
        defaults: defaults(&spec.defaults)?,
        unzoned: core::Unzoned {
            prod: writing_role("spec.unzoned.prod", spec.unzoned.prod)?,
            elsewhere: writing_role("spec.unzoned.other", spec.unzoned.other)?,
        },
        review_rules: indexed("spec.reviewRules", &spec.review_rules, review_rule)?,
        aliases: spec
            .resource_types
            .iter()
            .map(|t| alias(&t.alias, &t.resource))
            .collect(),
        hash_ignore: indexed("spec.hashIgnore", &spec.hash_ignore, hash_ignore)?,
        approvals: approvals(&spec.approvals)?,
        strict_mode: spec.strict_mode,
        shown: shown(object)?,
        unswitched: unswitched(spec).ok_or_else(|| Problem::Missing.at("spec"))?,
        strict_mode_locked: spec.strict_mode_locked,
        group_roles: spec
            .directory
            .group_mapping
            .iter()
            .map(|g| (g.group.as_str().into(), g.role))
            .collect(),
        ssh_keys: ssh_keys(&spec.directory.ssh_keys)?,
        max_human_admins: size(spec.max_human_admins),
        read_access: match spec.read_access {
            ReadAccess::Unmanaged => core::ReadAccess::Unmanaged,
            ReadAccess::RBAC => core::ReadAccess::Rbac,
        },
        passcode: spec.passcode_secret_ref.as_ref().map(|secret| core::PasscodeRef {
            name: secret.name.as_str().into(),
            key: secret.key.as_str().into(),
        }),
        break_glass: core::BreakGlass {
            scope: match spec.break_glass.scope {
                BreakGlassScope::Opener => core::Scope::Opener,
                BreakGlassScope::Everyone => core::Scope::Everyone,
            },
            max_duration: duration("spec.breakGlass.maxDuration", &spec.break_glass.max_duration)?,
        },
        accepted_mutators: each("spec.acceptedMutators", &spec.accepted_mutators, |text| {
            Ok(text.parse()?)
        })?,
    })
}

/// The digest of the spec as JSON: the same for the same spec, whatever wrote it.
fn digest(object: &AccessPolicy) -> Result<Arc<str>, Invalid> {
    let text = serde_json::to_vec(&object.spec)
        .map_err(|error| Problem::unexpected(error.to_string(), "representable as JSON").at("spec"))?;
    Ok(Digest::of(&[b"countersign.dev/policy/v1\n", &text])
        .to_string()
        .into())
}

fn shown(object: &AccessPolicy) -> Result<Option<core::Shown>, Invalid> {
    let Some(text) = &object.spec.strict_mode_digest else {
        return Ok(None);
    };
    let digest = text
        .parse()
        .map_err(|error| Problem::Digest(error).at("spec.strictModeDigest"))?;
    let status = object.status.as_ref();
    Ok(Some(core::Shown {
        digest,
        has_begun: status.is_some_and(|status| status.strict_since.is_some()),
    }))
}

/// The digest of the spec as it is before strict mode is turned on, and after; `None` when it has none.
pub(crate) fn unswitched(spec: &AccessPolicySpec) -> Option<Digest> {
    seal::digest(&AccessPolicySpec {
        strict_mode: false,
        strict_mode_digest: None,
        ..spec.clone()
    })
}

fn environment(field: &str, rule: &EnvironmentRule) -> Result<core::EnvironmentRule, Invalid> {
    no_step_up(&format!("{field}.stepUp"), rule.step_up.as_ref())?;
    if rule.name == Environment::Prod && rule.failure_policy == FailurePolicy::Ignore {
        return Err(
            Problem::unexpected("Ignore", "a failure policy of prod: use Fail")
                .at(format!("{field}.failurePolicy")),
        );
    }
    let selection = &rule.selection;
    let labels = selection
        .match_labels
        .iter()
        .map(|(key, value)| (key.as_str().into(), value.as_str().into()));
    Ok(core::EnvironmentRule {
        environment: Some(rule.name),
        namespaces: selection
            .namespaces
            .iter()
            .map(|name| name.as_str().into())
            .collect(),
        labels: labels.collect(),
        cluster_scoped: selection.cluster_scoped,
        fails_open: rule.failure_policy == FailurePolicy::Ignore,
        enforcement: match rule.enforcement {
            Some(Enforcement::Enforce) => core::Enforcement::Enforce,
            Some(Enforcement::Warn) => core::Enforcement::Warn,
            None => core::shipped_enforcement(rule.name),
        },
    })
}

fn usernames(rules: &[UsernameRule]) -> Result<Vec<core::UsernameRule>, Invalid> {
    for (at, rule) in rules.iter().enumerate() {
        let others = || rules.iter().skip(at + 1);
        let refuse = |field: &str, value: &str, expected: &str| {
            Err(Problem::unexpected(value, expected).at(format!("spec.usernames[{at}].{field}")))
        };
        if others().any(|other| other.realm == rule.realm) {
            return refuse(
                "realm",
                &rule.realm,
                "a realm of its own: another entry has it, too",
            );
        }
        if others().any(|other| other.prefix == rule.prefix) {
            return refuse(
                "prefix",
                &rule.prefix,
                "a prefix of its own: another entry has it, too",
            );
        }
        if rule.prefix.starts_with("system:") {
            return refuse(
                "prefix",
                &rule.prefix,
                "a prefix of people: `system:` users are none",
            );
        }
    }
    let compile = |rule: &UsernameRule| core::UsernameRule {
        prefix: rule.prefix.as_str().into(),
        realm: rule.realm.as_str().into(),
    };
    Ok(rules.iter().map(compile).collect())
}

fn defaults(defaults: &Defaults) -> Result<core::Defaults, Invalid> {
    if !matches!(defaults.role, Role::Reader | Role::Contributor) {
        let problem = Problem::unexpected(
            defaults.role.as_str(),
            "a default role: use reader or contributor",
        );
        return Err(problem.at("spec.defaults.role"));
    }
    Ok(core::Defaults {
        role: defaults.role,
        environment: defaults.environment,
        require_review: defaults.require_review,
        min_reviewers: defaults.min_reviewers,
        public_objects: object_globs("spec.defaults.publicObjects", &defaults.public_objects)?,
        public_zones: path_globs("spec.defaults.publicZones", &defaults.public_zones)?,
    })
}

fn writing_role(field: &str, role: Role) -> Result<Role, Invalid> {
    match role {
        Role::Admin | Role::Contributor => Ok(role),
        Role::Reader | Role::Agent => {
            Err(Problem::unexpected(role.as_str(), "a role that writes: use admin or contributor").at(field))
        }
    }
}

fn review_rule(field: &str, rule: &ReviewRule) -> Result<core::ReviewRule, Invalid> {
    functions(&format!("{field}.functionIDs"), &rule.function_ids)?;
    Ok(core::ReviewRule {
        name: rule.name.as_str().into(),
        objects: object_globs(&format!("{field}.objects"), &rule.objects)?,
        paths: path_globs(&format!("{field}.paths"), &rule.paths)?,
        min_reviewers: rule.min_reviewers,
        reviewer_roles: rule.reviewer_roles.clone(),
    })
}

fn alias(alias: &str, resource: &str) -> core::Alias {
    core::Alias {
        alias: alias.into(),
        resource: resource.into(),
    }
}

fn hash_ignore(field: &str, entry: &HashIgnore) -> Result<core::HashIgnore, Invalid> {
    Ok(core::HashIgnore {
        group: entry.group.as_str().into(),
        kind: entry.kind.as_str().into(),
        pointers: each(&format!("{field}.pointers"), &entry.pointers, |text| {
            Ok(text.parse()?)
        })?,
    })
}

fn approvals(approvals: &Approvals) -> Result<core::Approvals, Invalid> {
    no_step_up("spec.approvals.stepUp", approvals.step_up.as_ref())?;
    let window = approvals.rollback_window.as_ref();
    Ok(core::Approvals {
        pending_ttl: duration("spec.approvals.pendingTTL", &approvals.pending_ttl)?,
        approved_ttl: duration("spec.approvals.approvedTTL", &approvals.approved_ttl)?,
        mint_on_denial: approvals.mint_on_denial,
        max_pending: size(approvals.max_pending),
        rollback_window: window
            .map(|window| duration("spec.approvals.rollbackWindow", window))
            .transpose()?,
        retention: duration("spec.approvals.retention", &approvals.retention)?,
        agent_owner_may_review: approvals.agent_owner_may_review,
        signed_in_prod: approvals.required_proof == ProofType::SSH,
    })
}

/// Each person's keys. A key of two people proves neither of them.
fn ssh_keys(listed: &[SshKeys]) -> Result<BTreeMap<Identity, Vec<SshKey>>, Invalid> {
    let mut known: BTreeMap<Identity, Vec<SshKey>> = BTreeMap::new();
    for (at, person) in listed.iter().enumerate() {
        let field = |name: &str| format!("spec.directory.sshKeys[{at}].{name}");
        let who = Kinds::USER
            .parse(&person.identity)
            .map_err(|problem| problem.at(field("identity")))?;
        if known.contains_key(&who) {
            let problem = Problem::unexpected(&person.identity, "a person of one entry: another has it, too");
            return Err(problem.at(field("identity")));
        }
        let keys = each(&field("keys"), &person.keys, |text| Ok(text.parse()?))?;
        for (at, key) in keys.iter().enumerate() {
            let mine = keys.iter().skip(at + 1);
            if mine.chain(known.values().flatten()).any(|other| other == key) {
                let problem =
                    Problem::unexpected(key.fingerprint(), "a key of one person: it is listed twice");
                return Err(problem.at(field(&format!("keys[{at}]"))));
            }
        }
        known.insert(who, keys);
    }
    Ok(known)
}

/// A policy that asks for a stronger authentication than is checked would be a promise that is not kept.
fn no_step_up(field: &str, step_up: Option<&StepUp>) -> Result<(), Invalid> {
    step_up.map_or(Ok(()), |step_up| {
        let value = step_up
            .max_age
            .clone()
            .unwrap_or_else(|| step_up.acr_values.join(", "));
        let why = "the age and strength of a reviewer's authentication are not checked";
        Err(Problem::Unsupported { value, why }.at(field))
    })
}

fn duration(field: &str, text: &str) -> Result<SignedDuration, Invalid> {
    duration::parse(text).map_err(|error| Problem::from(error).at(field))
}

fn size(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn indexed<T, U>(
    field: &(impl Display + ?Sized),
    items: &[T],
    compile: impl Fn(&str, &T) -> Result<U, Invalid>,
) -> Result<Vec<U>, Invalid> {
    let item = |(at, item)| compile(&format!("{field}[{at}]"), item);
    items.iter().enumerate().map(item).collect()
}
