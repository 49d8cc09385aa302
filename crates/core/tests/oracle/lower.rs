//! From plain data to the engine's types.

#![expect(
    clippy::unwrap_used,
    reason = "a fixture that cannot be read is a failed test"
)]

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use countersign_core::{
    agent_key::AgentKey,
    binding::{Binding, BoundTarget},
    decide::KEYS_SECRET,
    delegation::{DelegatedNamespaces, DelegatedResource, Delegation, Evaluation},
    digest::{Digest, MacKey},
    emergency::{Emergency, EmergencyReview},
    environment::Environment,
    gitops::Provenance,
    glob::Glob,
    hash::{self, EffectiveChange, Granule, HashContext},
    identity::Identity,
    intent::Intent,
    mutator::{Mutators, Presence},
    object::{Change, Object},
    own::{AgentDraft, EmergencyChange, EmergencyDraft, Own, Present, ReviewDraft, TicketDraft},
    parent::LiveParent,
    permissions::Permissions,
    policy::{
        BreakGlass, Enforcement, EnvironmentRule, PasscodeRef, Policy, ReviewRule, Scope, UsernameRule,
    },
    request::{Caller, Hidden, Operation, Request, Target},
    review::{Proof, Review, ReviewDecision},
    snapshot::{Account, Agent, Cluster, Grant, Impersonation, Namespace, PolicyState, Snapshot, Team},
    ssh::{self, Statement},
    ticket::{Claim, End, Ticket, TicketState},
    zones::Zone,
};
use jiff::{SignedDuration, Timestamp};
use ssh_key::{HashAlg, LineEnding, PrivateKey, private::Ed25519Keypair};

use crate::{
    rules,
    world::{
        Asks, Case, ClaimIs, Content, Deed, FormerIs, MutatorsAre, OpenFlaw, OperatorsOwn, Permit, PolicyIs,
        ReviewFlaw, ReviewIs, Rules, Shown, Signed, StateIs, TicketFlaw, USERS, WhereIs, WindowChange,
        WindowIs, ZoneIs,
    },
};

pub fn now() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

fn in_seconds(seconds: i64) -> Timestamp {
    now() + SignedDuration::from_secs(seconds)
}

fn id(text: &str) -> Identity {
    text.parse().unwrap()
}

fn ids(texts: &[&str]) -> Vec<Identity> {
    texts.iter().map(|text| id(text)).collect()
}

const MUTATOR: &str = "MutatingAdmissionPolicy/m";

pub fn snapshot(case: &Case) -> Snapshot {
    let mut snapshot = Snapshot::new(Cluster {
        id: "cluster-1".into(),
        operator: rules::OPERATOR.into(),
        operator_uid: rules::OPERATOR_UID.into(),
        namespace: "countersign-system".into(),
        redaction: MacKey::new([1; 32]),
        stamp: MacKey::new([2; 32]),
    });
    snapshot.latched = case.latched;
    snapshot.switched_off = case.switched_off;
    snapshot.passcode = case.passcode_is_set.then(secret);
    snapshot.policy = match case.policy {
        PolicyIs::Loaded => PolicyState::Loaded(Arc::new(Policy {
            accepted_mutators: match case.mutators {
                MutatorsAre::One(mutator) if mutator.accepted => vec![MUTATOR.parse().unwrap()],
                _ => Vec::new(),
            },
            ..policy(&case.rules)
        })),
        PolicyIs::Absent => PolicyState::Absent(Arc::new(Policy::default())),
        PolicyIs::Unreadable => PolicyState::Unreadable("spec.defaults".into()),
    };
    snapshot.mutators = mutators(case.mutators);
    add_people(case, &mut snapshot);
    add_places(case, &mut snapshot);
    add_tickets(case, &mut snapshot);
    add_intents(case, &mut snapshot);
    for window in &case.windows {
        let of_person = snapshot.emergencies.entry(id(window.person)).or_default();
        of_person.push_back(Arc::new(emergency(window)));
    }
    snapshot
}

fn add_intents(case: &Case, snapshot: &mut Snapshot) {
    let resource = rules::named(&case.deed, rules::environment(case));
    for intent in &case.intents {
        let named = if intent.is_about_deed {
            &*resource
        } else {
            "pods:lab/dev/other"
        };
        let of_agent = snapshot.intents.entry(id(intent.agent)).or_default();
        of_agent.push_back(Arc::new(Intent {
            namespace: "lab".into(),
            name: "intent".into(),
            uid: "intent-uid".into(),
            agent: id(intent.agent),
            deletes: vec!["secrets:attic/prod/key".into(), named.into()],
            time: in_seconds(-intent.seconds_ago),
            key: if intent.is_of_key { key() } else { another_key() },
        }));
    }
}

fn mutators(are: MutatorsAre) -> Mutators {
    let seen = match are {
        MutatorsAre::One(mutator) => vec![Presence {
            mutator: MUTATOR.parse().unwrap(),
            since: in_seconds(-mutator.came),
            gone: mutator.gone.map(|seconds| in_seconds(-seconds)),
        }],
        MutatorsAre::None | MutatorsAre::Unknown => Vec::new(),
    };
    Mutators {
        stale: matches!(are, MutatorsAre::Unknown),
        seen: seen.into(),
    }
}

/// The digest of what there is, or another.
fn shown(as_it_is: bool) -> countersign_core::policy::Shown {
    let mut permissions = Permissions::default();
    let unswitched = Policy::default().unswitched;
    permissions.note("AccessPolicy".into(), "default".into(), Some(unswitched));
    countersign_core::policy::Shown {
        digest: if as_it_is {
            permissions.digest()
        } else {
            Digest::of(&[b"other"])
        },
        has_begun: false,
    }
}

fn policy(rules: &Rules) -> Policy {
    let environments = rules.environments.iter().map(|rule| EnvironmentRule {
        environment: Some(rule.environment),
        namespaces: rule.namespace.into_iter().map(Into::into).collect(),
        labels: rule
            .tier
            .into_iter()
            .map(|tier| ("tier".into(), tier.into()))
            .collect(),
        cluster_scoped: rule.cluster_scoped,
        fails_open: false,
        enforcement: if rule.warns {
            Enforcement::Warn
        } else {
            Enforcement::Enforce
        },
    });
    let globs = |globs: &[&str]| globs.iter().map(|glob| Glob::object(glob).unwrap()).collect();
    let mut policy = Policy {
        environments: environments.collect(),
        strict_mode: rules.strict,
        strict_mode_locked: rules.locked,
        passcode: rules.passcode.then(secret),
        break_glass: BreakGlass {
            scope: if rules.for_everyone {
                Scope::Everyone
            } else {
                Scope::Opener
            },
            max_duration: SignedDuration::from_secs(7200),
        },
        group_roles: rules
            .group_roles
            .iter()
            .map(|(group, role)| ((*group).into(), *role))
            .collect(),
        ..Policy::default()
    };
    if rules.corp_prefix {
        policy.usernames.push(UsernameRule {
            prefix: "corp:".into(),
            realm: "corp".into(),
        });
    }
    policy.defaults.environment = rules.default_environment;
    policy.defaults.role = rules.default_role;
    policy.defaults.require_review = rules.default_review;
    policy.defaults.min_reviewers = rules.min_reviewers;
    policy.defaults.public_objects = globs(&rules.public);
    policy.unzoned.prod = rules.unzoned_prod;
    policy.unzoned.elsewhere = rules.unzoned_elsewhere;
    policy.approvals.agent_owner_may_review = rules.agent_owner_may_review;
    policy.approvals.signed_in_prod = rules.signed_in_prod;
    let keys = USERS.map(|user| (id(user), vec![public(&key_of(user)).parse().unwrap()]));
    policy.ssh_keys = keys.into_iter().collect();
    policy.approvals.max_pending = rules.max_pending;
    policy.approvals.rollback_window = rules.rollback_window.map(SignedDuration::from_secs);
    policy.review_rules = rules
        .review_rules
        .iter()
        .map(|(glob, min_reviewers, roles)| ReviewRule {
            name: "rule".into(),
            objects: globs(&[glob]),
            paths: Vec::new(),
            min_reviewers: *min_reviewers,
            reviewer_roles: roles.clone(),
        })
        .collect();
    policy
}

fn add_people(case: &Case, snapshot: &mut Snapshot) {
    for grant in &case.grants {
        snapshot
            .grants
            .entry(id(grant.identity))
            .or_default()
            .push_back(Grant {
                name: grant.name.into(),
                role: grant.role,
                last_seen: grant.seen.then(now),
            });
    }
    for team in &case.teams {
        let identity = id(team.identity);
        for member in ids(&team.members) {
            let teams = snapshot.memberships.entry(member).or_default();
            teams.insert(identity.clone());
        }
        if let Some(group) = team.group {
            let teams = snapshot.team_groups.entry(group.into()).or_default();
            teams.insert(identity.clone());
        }
        let team = Team {
            members: ids(&team.members),
            groups: team.group.into_iter().map(Into::into).collect(),
        };
        snapshot.teams.insert(identity, Arc::new(team));
    }
    for agent in &case.agents {
        let identity = id(agent.identity);
        let accounts = agent.accounts.iter().map(|(account, uid)| {
            let (namespace, name) = account.split_once(':').unwrap();
            let listed = snapshot.service_accounts.entry((*account).into()).or_default();
            listed.insert(identity.clone());
            Account {
                namespace: namespace.into(),
                name: name.into(),
                uid: uid.map(Into::into),
            }
        });
        let accounts = accounts.collect();
        let agent = Agent {
            identity: identity.clone(),
            role: agent.role,
            owner: id(agent.owner),
            suspended: agent.suspended,
            key: Some(key()),
            signs: true,
            rotation: None,
            intents_per_minute: 120,
            accounts,
            impersonation: Impersonation::default(),
            degraded: agent.degraded.then(|| "BadKey".into()),
        };
        snapshot.agents.insert(identity, Arc::new(agent));
    }
}

fn zone(zone: &ZoneIs) -> Zone {
    Zone {
        name: zone.name.into(),
        owner: id(zone.owner),
        cooperators: ids(&zone.cooperators),
        reviewers: ids(&zone.reviewers),
        objects: zone
            .globs
            .iter()
            .map(|glob| Glob::object(glob).unwrap())
            .collect(),
        paths: Vec::new(),
        function_ids: Vec::new(),
        require_review: zone.require_review,
        min_reviewers: zone.min_reviewers,
        reviewer_roles: zone.roles.clone(),
    }
}

fn add_places(case: &Case, snapshot: &mut Snapshot) {
    for spec in &case.zones {
        snapshot.zones.insert(Arc::new(zone(spec)));
        if spec.unreadable {
            snapshot
                .unreadable_zones
                .insert(spec.name.into(), "spec.objects".into());
        }
    }
    for spec in &case.delegations {
        let delegation = Delegation {
            name: "delegation".into(),
            username: spec.username.into(),
            resources: vec![DelegatedResource {
                group: spec.resource.0.into(),
                resource: spec.resource.1.into(),
                subresource: spec.subresource.into(),
            }],
            operations: spec.operations.clone(),
            namespaces: match &spec.place {
                WhereIs::ClusterScoped => DelegatedNamespaces::ClusterScoped,
                WhereIs::Names(names) => {
                    DelegatedNamespaces::Names(names.iter().map(|name| (*name).into()).collect())
                }
                WhereIs::Tier(tier) => DelegatedNamespaces::Labels(vec![("tier".into(), (*tier).into())]),
            },
            fields: spec.fields.iter().map(|field| (*field).to_owned()).collect(),
            expires_at: spec.ends.map(in_seconds),
            parent: None,
            evaluation: Evaluation::Webhook,
            degraded: spec.degraded.then(|| "Invalid".into()),
        };
        let of_user = snapshot.delegations.entry(spec.username.into()).or_default();
        of_user.push_back(Arc::new(delegation));
    }
    for spec in &case.namespaces {
        let environment = spec.environment.map(|name| ("countersign.dev/environment", name));
        let tier = spec.tier.map(|tier| ("tier", tier));
        let labels = environment.into_iter().chain(tier);
        let labels = labels.map(|(key, value)| (key.into(), value.into()));
        let mut namespace = Namespace::new("namespace-uid", labels.collect());
        namespace.sealed = spec.sealed;
        namespace.terminating = spec.terminating;
        snapshot.namespaces.insert(spec.name.into(), Arc::new(namespace));
    }
    let labels = [("countersign.dev/environment".into(), "prod".into())];
    let home = Namespace::new("home-uid", labels.into());
    snapshot
        .namespaces
        .insert("countersign-system".into(), Arc::new(home));
}

/// The texts that a request borrows from.
pub struct Asked {
    username: &'static str,
    uid: &'static str,
    groups: Vec<Cow<'static, str>>,
    operation: Operation,
    group: &'static str,
    resource: String,
    subresource: &'static str,
    namespace: Option<String>,
    name: String,
    old: String,
    new: String,
    hidden: Hidden,
    own: Option<Own>,
    generates_name: bool,
    hides_old: bool,
    dry_run: bool,
}

fn object(deed: &Deed, is_new: bool) -> String {
    let label = if is_new { deed.labels.1 } else { deed.labels.0 };
    let label = label.filter(|_| deed.resource.1 == "namespaces");
    let labels = label.map_or_else(String::new, |value| {
        format!(r#","labels":{{"countersign.dev/environment":"{value}"}}"#)
    });
    let content = |of: &[Content]| i32::from(is_new && of.contains(&deed.content));
    let both = Content::SpecAndOwnerReferences;
    let note = if content(&[Content::Spelling]) == 1 {
        r"\u0078"
    } else {
        "x"
    };
    let garbled = if deed.shown == Shown::Garbled {
        r#""spec":{},"#
    } else {
        ""
    };
    let account = match deed.content {
        Content::Account if !is_new => Some("former"),
        _ => deed.account,
    };
    let account = account.map_or_else(String::new, |name| format!(r#""serviceAccountName":"{name}","#));
    let lifetime = match content(&[Content::Lifetime]) {
        1 => r#""ttlSecondsAfterFinished":0,"#,
        _ => "",
    };
    let pods = format!(r#"{account}"containers":[{}]"#, content(&[Content::Containers]));
    format!(
        r#"{{{garbled}"metadata":{{"name":"{}","uid":"object-uid","resourceVersion":"7","generation":{}{labels},"ownerReferences":[{{"apiVersion":"v1","kind":"ConfigMap","name":"owner","uid":"owner-{}"}}],"finalizers":[{}]}},"spec":{{{lifetime}"replicas":{},"a":{},"nodeName":"n1","note":"{note}",{pods},"template":{{"spec":{{{pods}}}}}}},"status":{{"b":{}}}}}"#,
        deed.name,
        content(&[Content::Bookkeeping]),
        content(&[Content::OwnerReferences, both]),
        if is_new && deed.content == Content::Finalizers {
            ""
        } else {
            r#""wait""#
        },
        1 - content(&[Content::Replicas]),
        content(&[Content::Spec, both]),
        content(&[Content::Status]),
    )
}

impl Asked {
    pub fn of(case: &Case) -> Self {
        let deed = Self::deed(case);
        let own_kind = |operation, resource, namespace, name, own| {
            Self::own_kind(case, operation, (resource, namespace, name), own)
        };
        match &case.asks {
            Asks::Deed => deed,
            Asks::Permit(permit) => Self::permits(permit, case),
            Asks::Ticket(flaw) => {
                let home = rules::ticket_home(case);
                let away = if home == "lab" { "billing" } else { "lab" };
                let home = if *flaw == TicketFlaw::WrongPlace {
                    away
                } else {
                    home
                };
                let own = Own::Ticket(Box::new(draft(*flaw, case)));
                own_kind(Operation::Create, "approvaltickets", Some(home), "t", Some(own))
            }
            Asks::Review(index, decision, flaw) => {
                let own = Own::Review(Box::new(statement(*index, *decision, *flaw, case)));
                own_kind(
                    Operation::Create,
                    "approvalreviews",
                    Some("billing"),
                    "r",
                    Some(own),
                )
            }
            Asks::Opens(flaw, lasts) => {
                let own = Own::BreakGlass(Box::new(opened(*flaw, *lasts, case)));
                let name = if *flaw == OpenFlaw::OtherName {
                    "break-glass-11"
                } else {
                    "break-glass-00"
                };
                own_kind(Operation::Create, "breakglasses", None, name, Some(own))
            }
            Asks::ChangesWindow(window, change) => {
                let (old, new, own) = window_changed(window, *change, case);
                let operation = if *change == WindowChange::Remove {
                    Operation::Delete
                } else {
                    Operation::Update
                };
                Self {
                    old,
                    new,
                    ..own_kind(operation, "breakglasses", None, "break-glass-00", Some(own))
                }
            }
            Asks::OperatorsOwn(own) => Self::operators_own(*own, case),
        }
    }

    fn own_kind(
        case: &Case,
        operation: Operation,
        (resource, namespace, name): (&str, Option<&str>, &str),
        own: Option<Own>,
    ) -> Self {
        Self {
            operation,
            group: "countersign.dev",
            resource: resource.to_owned(),
            subresource: "",
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
            old: r#"{"metadata":{"uid":"u"},"spec":1}"#.to_owned(),
            new: r#"{"metadata":{"uid":"u"},"spec":2}"#.to_owned(),
            own,
            generates_name: false,
            hides_old: false,
            ..Self::deed(case)
        }
    }

    fn permits(permit: &Permit, case: &Case) -> Self {
        let (resource, name) = rules::permission_target(permit);
        let own = permission(permit, case);
        let removed = matches!(own, Some(Own::Removed));
        let operation = if removed {
            Operation::Delete
        } else {
            Operation::Update
        };
        let (old, new) = match permit {
            Permit::Policy { alone: true, .. } => (r#"{"strictMode":true}"#, r#"{"strictMode":false}"#),
            _ => ("1", "2"),
        };
        let object = |spec: &str| format!(r#"{{"metadata":{{"uid":"u"}},"spec":{spec}}}"#);
        Self {
            old: object(old),
            new: object(new),
            ..Self::own_kind(case, operation, (resource, None, name), own)
        }
    }

    fn operators_own(own: OperatorsOwn, case: &Case) -> Self {
        use Operation::{Create, Delete, Update};
        let home = Some("countersign-system");
        let billing = Some("billing");
        let plain = |operation, place, own| Self::own_kind(case, operation, place, own);
        match own {
            OperatorsOwn::TicketStatus => Self {
                subresource: "status",
                ..plain(Update, ("approvaltickets", billing, "t"), None)
            },
            OperatorsOwn::ZoneStatus => Self {
                subresource: "status",
                ..plain(Update, ("zones", None, "z0"), None)
            },
            OperatorsOwn::TicketChange => plain(Update, ("approvaltickets", billing, "t"), None),
            OperatorsOwn::TicketRemoval => {
                plain(Delete, ("approvaltickets", billing, "t"), Some(Own::Removed))
            }
            OperatorsOwn::ReviewRemoval => {
                plain(Delete, ("approvalreviews", billing, "r"), Some(Own::Removed))
            }
            OperatorsOwn::TaskMaking => plain(Create, ("tasks", billing, "t"), None),
            OperatorsOwn::TaskRemoval => plain(Delete, ("tasks", billing, "t"), Some(Own::Removed)),
            OperatorsOwn::Keys => Self {
                group: "",
                ..plain(Delete, ("secrets", home, KEYS_SECRET), None)
            },
            OperatorsOwn::Lease => Self {
                group: "coordination.k8s.io",
                ..plain(Update, ("leases", home, "leader"), None)
            },
        }
    }

    fn deed(case: &Case) -> Self {
        let deed = &case.deed;
        Self {
            username: case.caller.username,
            uid: case.caller.uid,
            groups: case.caller.groups.iter().copied().map(Cow::Borrowed).collect(),
            operation: deed.operation,
            group: deed.resource.0,
            resource: deed.resource.1.to_owned(),
            subresource: deed.subresource,
            namespace: deed.namespace.map(str::to_owned),
            name: if deed.names_port {
                format!("https:{}:8443", deed.name)
            } else {
                deed.name.to_owned()
            },
            old: object(deed, false),
            new: object(deed, true),
            hidden: Hidden {
                uid: "object-uid".to_owned(),
                service_account: deed.account.map(str::to_owned),
            },
            own: None,
            generates_name: deed.generates_name,
            hides_old: deed.shown == Shown::Not,
            dry_run: case.dry_run,
        }
    }

    pub fn request(&self) -> Request<'_> {
        let (old, new) = (
            || Object::parse(&self.old).unwrap(),
            || Object::parse(&self.new).unwrap(),
        );
        let change = match self.operation {
            Operation::Create => Change::Create(new()),
            Operation::Update => Change::Update {
                old: old(),
                new: new(),
            },
            Operation::Delete => Change::Delete((!self.hides_old).then(old)),
            Operation::Connect => Change::Connect(Some(new())),
        };
        let mut request = Request {
            caller: Caller {
                username: self.username,
                uid: self.uid,
                groups: &self.groups,
            },
            operation: self.operation,
            target: Target {
                group: self.group,
                version: "v1",
                kind: "Thing",
                resource: &self.resource,
                subresource: self.subresource,
                namespace: self.namespace.as_deref(),
                name: &self.name,
            },
            change,
            options: None,
            hidden: None,
            live_parent: LiveParent::Unread,
            own: self.own.as_ref(),
            generates_name: self.generates_name,
            dry_run: self.dry_run,
        };
        let hides = request.target.hides_its_object(request.operation);
        request.hidden = hides.then_some(&self.hidden);
        request
    }
}

fn permission(permit: &Permit, case: &Case) -> Option<Own> {
    Some(match permit {
        Permit::Zone(spec) => Own::Zone(zone(spec)),
        Permit::Grant(_, who, role) => Own::RoleGrant {
            identity: id(who),
            role: *role,
        },
        Permit::Agent(who, account) => {
            let (namespace, name) = account.split_once(':').unwrap();
            let agent = Agent {
                identity: id(who),
                role: countersign_core::role::Role::Agent,
                owner: id("user:bob"),
                suspended: false,
                key: None,
                signs: true,
                rotation: None,
                intents_per_minute: 120,
                accounts: vec![Account {
                    namespace: namespace.into(),
                    name: name.into(),
                    uid: None,
                }],
                impersonation: Impersonation::default(),
                degraded: None,
            };
            let former = None;
            Own::Agent(Box::new(AgentDraft { agent, former }))
        }
        Permit::Policy {
            strict,
            passcode,
            as_shown,
            ..
        } => Own::AccessPolicy(Box::new(Policy {
            strict_mode: *strict,
            passcode: passcode.then(secret),
            shown: as_shown.map(shown),
            ..policy(&case.rules)
        })),
        Permit::RemoveGrant(_) | Permit::RemovePolicy | Permit::RemoveZone => Own::Removed,
        Permit::Team => Own::Team(Team {
            members: ids(&["user:bob"]),
            groups: Vec::new(),
        }),
        Permit::Delegation => Own::WriteDelegation(Delegation {
            name: "new".into(),
            username: "system:serviceaccount:lab:robo".into(),
            resources: Vec::new(),
            operations: vec![Operation::Create],
            namespaces: DelegatedNamespaces::ClusterScoped,
            parent: None,
            evaluation: Evaluation::Webhook,
            fields: Vec::new(),
            expires_at: None,
            degraded: None,
        }),
        Permit::Unsealed => Own::Unsealed {
            attestation: "countersign.dev/attest=x".to_owned(),
        },
        Permit::Invalid => Own::Invalid("spec.members[0]: `Alice` is not an identity".to_owned()),
        Permit::Unknown => return None,
    })
}

// Tickets.

fn change_of(case: &Case) -> EffectiveChange {
    let asked = Asked::deed(case);
    effective(&asked.request().change, &asked)
}

fn effective(change: &Change<'_>, asked: &Asked) -> EffectiveChange {
    let context = HashContext {
        api_version: &asked.request().target.api_version(),
        kind: "Thing",
        subresource: asked.subresource,
        writer: None,
        ignore: &[],
        redaction: &MacKey::new([1; 32]),
    };
    hash::effective_change(change, &context).unwrap()
}

/// The binding of the deed, for this subject in this environment.
fn binding(case: &Case, subject: &str, environment: Environment) -> Binding {
    let asked = Asked::deed(case);
    let change = change_of(case);
    let new = Object::parse(&asked.new).unwrap();
    let command_hash = match (asked.operation, asked.subresource) {
        (Operation::Connect, _) => Some(hash::command_hash(Some(&new)).unwrap()),
        (Operation::Delete, _) | (Operation::Create, "eviction") => Some(hash::command_hash(None).unwrap()),
        _ => None,
    };
    Binding {
        cluster_id: "cluster-1".to_owned(),
        subject: id(subject),
        environment,
        target: BoundTarget::of(
            &asked.request().target,
            rules::bound_uid(&case.deed).then_some("object-uid"),
        ),
        operation: asked.operation,
        resource_hash: change.resource_hash,
        old_hash: change.old_hash,
        command_hash,
        zone_claims: Vec::new(),
    }
}

fn tickets(case: &Case) -> Vec<Ticket> {
    let numbered = case.tickets.iter().enumerate();
    numbered
        .map(|(index, spec)| {
            let subject = rules::subject_of(spec, case);
            let environment = spec.environment.unwrap_or_else(|| rules::environment(case));
            let mut binding = binding(case, &subject, environment);
            if !spec.same_content {
                binding.resource_hash = Digest::of(&[b"another"]);
            }
            let uid = format!("ticket-{index}");
            let created = in_seconds(-3600 * spec.hours_old);
            let claim = |claim: &ClaimIs| Claim {
                bind: if claim.same_bind {
                    binding.bind(&uid)
                } else {
                    Digest::of(&[b"another"])
                },
                object_uid: None,
                by: "call".into(),
                claimed_at: in_seconds(-claim.seconds_ago),
                resource_version: Some("7".into()),
                resent: claim.resent,
            };
            let state = match &spec.state {
                StateIs::Pending(left) => TicketState::Pending {
                    until: in_seconds(*left),
                },
                StateIs::Approved(left) => TicketState::Approved {
                    usable_until: in_seconds(*left),
                },
                StateIs::Claimed {
                    usable,
                    claim: by,
                    stopped,
                } => TicketState::Claimed {
                    usable_until: in_seconds(*usable),
                    claim: claim(by),
                    stop: stopped.then_some(End::Revoked),
                },
                StateIs::Consumed(by) => TicketState::Consumed { claim: claim(by) },
                StateIs::Denied => TicketState::Ended(End::Denied),
                StateIs::Revoked => TicketState::Ended(End::Revoked),
                StateIs::Expired => TicketState::Ended(End::Expired),
            };
            Ticket {
                namespace: "billing".into(),
                name: uid.as_str().into(),
                uid: uid.as_str().into(),
                resource_version: "1".into(),
                requester: id(spec.requester.unwrap_or(&subject)),
                parts: BTreeMap::new(),
                provenance: Provenance {
                    authors: ids(&spec.authors),
                    ..Provenance::default()
                },
                batch: None,
                nonce: format!("nonce-{index}").into(),
                created,
                state,
                rollback: None,
                steps: Some(1),
                contested: Some(false),
                binding,
            }
        })
        .collect()
}

/// The key that somebody signs with.
fn key_of(user: &str) -> PrivateKey {
    let mut seed = [0; 32];
    for (byte, letter) in seed.iter_mut().zip(user.bytes()) {
        *byte = letter;
    }
    Ed25519Keypair::from_seed(&seed).into()
}

fn public(key: &PrivateKey) -> String {
    key.public_key().to_openssh().unwrap()
}

fn proof(review: &ReviewIs, ticket: &Ticket) -> Proof {
    let by = match review.signed {
        Signed::Not => return Proof::Kubernetes,
        Signed::ByReviewer => key_of(review.reviewer),
        Signed::ByStranger => key_of("user:somebody-else"),
    };
    let statement = Statement {
        cluster_id: &ticket.binding.cluster_id,
        ticket_uid: &ticket.uid,
        binding_hash: ticket.binding_hash(),
        decision: review.decision,
        reviewer: &id(review.reviewer),
    };
    let signed = by.sign(ssh::NAMESPACE, HashAlg::Sha512, statement.to_string().as_bytes());
    Proof::Ssh {
        signature: signed.unwrap().to_pem(LineEnding::LF).unwrap().into(),
        fingerprint: by.fingerprint(HashAlg::Sha256).to_string().into(),
    }
}

fn add_tickets(case: &Case, snapshot: &mut Snapshot) {
    for (ticket, spec) in tickets(case).into_iter().zip(&case.tickets) {
        for (number, review) in spec.reviews.iter().enumerate() {
            let name = format!("{}-{number}", ticket.name);
            let of_ticket = snapshot.reviews.entry(ticket.uid.clone()).or_default();
            of_ticket.push_back(Arc::new(Review {
                name: name.as_str().into(),
                uid: name.as_str().into(),
                ticket_uid: ticket.uid.clone(),
                binding_hash: if review.right_hash {
                    ticket.binding_hash()
                } else {
                    Digest::of(&[b"another"])
                },
                reviewer: id(review.reviewer),
                decision: review.decision,
                created: ticket.created,
                proof: proof(review, &ticket),
            }));
        }
        let of_binding = snapshot.tickets.entry(ticket.binding.digest()).or_default();
        of_binding.push_back(Arc::new(ticket));
    }
    add_waiting(case, snapshot);
    if let Some(former) = &case.former {
        add_former(former, case, snapshot);
    }
}

/// A ticket for what the deed undoes: an update the other way round, or the making of what it deletes.
fn add_former(former: &FormerIs, case: &Case, snapshot: &mut Snapshot) {
    let subject = former.subject.map(str::to_owned);
    let Some(subject) = subject.or_else(|| rules::caller_identity(case)) else {
        return;
    };
    let environment = former.environment.unwrap_or_else(|| rules::environment(case));
    let deed = binding(case, &subject, environment);
    let mut made = Binding {
        resource_hash: deed.old_hash.unwrap_or_else(|| Digest::of(&[b"made"])),
        old_hash: deed.old_hash.map(|_| deed.resource_hash),
        ..deed.clone()
    };
    let mut parts = BTreeMap::new();
    if deed.operation == Operation::Delete {
        (made.operation, made.command_hash, made.target.uid) = (Operation::Create, None, None);
        let asked = Asked::deed(case);
        let then = asked.old.replacen(former.since.0, former.since.1, 1);
        let making = effective(&Change::Create(Object::parse(&then).unwrap()), &asked);
        let part = |part: Granule| (part.pointer, part.new.map(|value| value.digest()));
        parts = making.granules.into_iter().map(part).collect();
    }
    if !former.is_inverse {
        made.resource_hash = Digest::of(&[b"another"]);
    }
    let claim = |bind, seconds_ago: i64| Claim {
        bind,
        by: "call".into(),
        object_uid: None,
        claimed_at: in_seconds(-seconds_ago),
        resource_version: Some("7".into()),
        resent: false,
    };
    let uid = if former.is_inverse {
        "object-uid"
    } else {
        "another"
    };
    let state = match former.used_ago {
        Some(ago) => TicketState::Consumed {
            claim: Claim {
                object_uid: (made.operation == Operation::Create).then(|| uid.into()),
                ..claim(made.bind("former"), ago)
            },
        },
        None => TicketState::Ended(End::Expired),
    };
    let ticket = Arc::new(Ticket {
        namespace: "billing".into(),
        name: "former".into(),
        uid: "former".into(),
        resource_version: "1".into(),
        requester: id(&subject),
        parts,
        provenance: Provenance::default(),
        batch: None,
        nonce: "former".into(),
        created: in_seconds(-9999),
        state,
        steps: Some(1),
        contested: Some(false),
        rollback: former.undone.as_ref().map(|undone| {
            let bind = deed.bind("former");
            claim(
                if undone.same_bind {
                    bind
                } else {
                    Digest::of(&[b"another"])
                },
                undone.seconds_ago,
            )
        }),
        binding: made,
    });
    if let Some(object) = ticket.state.claim().and_then(|claim| claim.object_uid.clone()) {
        snapshot.created.insert(object, ticket.clone());
    }
    let of_binding = snapshot.tickets.entry(ticket.binding.digest()).or_default();
    of_binding.push_back(ticket);
}

/// Tickets for other changes of the caller, in the namespace where a ticket for the deed would live.
fn add_waiting(case: &Case, snapshot: &mut Snapshot) {
    let Some(who) = rules::caller_identity(case).filter(|_| case.deed.shown == Shown::Whole) else {
        return;
    };
    let home: Arc<str> = rules::ticket_home(case).into();
    let another = Ticket {
        namespace: home.clone(),
        name: "another".into(),
        uid: "another".into(),
        resource_version: "1".into(),
        requester: id(&who),
        parts: BTreeMap::new(),
        provenance: Provenance::default(),
        batch: None,
        nonce: "another".into(),
        created: now(),
        state: TicketState::Pending { until: in_seconds(9) },
        rollback: None,
        steps: Some(0),
        contested: Some(false),
        binding: binding(case, &who, Environment::Prod),
    };
    let waiting = std::iter::repeat_n(Arc::new(another), case.waiting).collect();
    snapshot.pending.insert((id(&who), home), waiting);
}

/// A review of a ticket as its reviewer would make it, but for one flaw.
fn statement(index: usize, decision: ReviewDecision, flaw: ReviewFlaw, case: &Case) -> ReviewDraft {
    let ticket = tickets(case).into_iter().nth(index);
    let who = rules::caller_identity(case).unwrap_or_else(|| "user:alice".to_owned());
    ReviewDraft {
        ticket_uid: match (&ticket, flaw) {
            (Some(ticket), ReviewFlaw::None | ReviewFlaw::OtherHash) => ticket.uid.to_string(),
            _ => "another".to_owned(),
        },
        binding_hash: match (&ticket, flaw) {
            (Some(ticket), ReviewFlaw::None) => ticket.binding_hash(),
            _ => Digest::of(&[b"another"]),
        },
        ticket: ticket.map(Arc::new),
        decision,
        reviewer: match flaw {
            ReviewFlaw::ForeignReviewer => id("user:mallory"),
            _ => id(&who),
        },
        proof: Proof::Kubernetes,
        stamped: flaw != ReviewFlaw::Unstamped,
    }
}

/// A ticket for the deed as its requester would make it, but for one flaw.
fn draft(flaw: TicketFlaw, case: &Case) -> TicketDraft {
    let who = rules::caller_identity(case).unwrap_or_else(|| "user:alice".to_owned());
    let subject = match flaw {
        TicketFlaw::ForeignSubject => "user:mallory",
        _ => &who,
    };
    let environment = match (flaw, rules::environment_of_place(case)) {
        (TicketFlaw::WrongEnvironment, Environment::Dev) => Environment::Test,
        (TicketFlaw::WrongEnvironment, _) => Environment::Dev,
        _ => rules::environment(case),
    };
    let mut binding = binding(case, subject, environment);
    let change = change_of(case).granules.into_iter().map(|granule| {
        let digest = granule.new.as_ref().map(hash::Value::digest);
        (granule.pointer, digest)
    });
    let change = change.collect();
    match flaw {
        TicketFlaw::OtherCluster => binding.cluster_id.insert(0, 'x'),
        TicketFlaw::WrongChange => binding.resource_hash = Digest::of(&[b"another"]),
        _ => {}
    }
    let there = binding.target.uid.is_some() && flaw != TicketFlaw::Vanished;
    TicketDraft {
        binding_hash: match flaw {
            TicketFlaw::WrongHash => Digest::of(&[b"another"]),
            _ => binding.hash(Some("nonce")),
        },
        present: if there {
            Present::Object {
                uid: "object-uid".to_owned(),
                old_hash: binding.old_hash,
            }
        } else {
            Present::Absent
        },
        binding,
        nonce: "nonce".to_owned(),
        requester: id(&who),
        stamped: flaw != TicketFlaw::Unstamped,
        change,
    }
}

/// The key of each agent: of 32 bytes of 7; another: of 8.
fn key() -> AgentKey {
    "ed25519:MCowBQYDK2VwAyEA6kpsY+KcUgq+9VB7Ey7F+ZVHdq6+vnuSQh7qaRRG0iw="
        .parse()
        .unwrap()
}

fn another_key() -> AgentKey {
    "ed25519:MCowBQYDK2VwAyEAE5j2LG0aRXxRumpLXz29L2n8qTIWIY3ImX5Ba9F9k8o="
        .parse()
        .unwrap()
}

fn secret() -> PasscodeRef {
    PasscodeRef {
        name: "passcode".into(),
        key: "passcode".into(),
    }
}

// Windows of break-glass.

fn emergency(window: &WindowIs) -> Emergency {
    Emergency {
        name: "break-glass-00".into(),
        person: id(window.person),
        begins: in_seconds(window.begins),
        ends: in_seconds(window.ends),
        ended: window.ended,
        review: window.reviewed.then(|| review_of("user:previous", 0)),
    }
}

fn review_of(reviewer: &str, seconds: i64) -> EmergencyReview {
    EmergencyReview {
        reviewer: id(reviewer),
        time: in_seconds(-seconds),
    }
}

fn opened(flaw: OpenFlaw, lasts: i64, case: &Case) -> EmergencyDraft {
    let begins = match flaw {
        OpenFlaw::Signed(seconds) => seconds,
        _ => 0,
    };
    let caller = rules::caller_identity(case)
        .filter(|who| flaw != OpenFlaw::ForeignPerson && who.starts_with("user:"));
    EmergencyDraft {
        window: Emergency {
            name: "break-glass-00".into(),
            person: caller.map_or_else(|| id("user:stranger"), |who| id(&who)),
            begins: in_seconds(begins),
            ends: in_seconds(begins + lasts),
            ended: flaw == OpenFlaw::Over,
            review: None,
        },
        cluster_id: if flaw == OpenFlaw::OtherCluster {
            "cluster-2".to_owned()
        } else {
            "cluster-1".to_owned()
        },
        nonce: "00".to_owned(),
        reason: "incident".to_owned(),
        stamped: flaw != OpenFlaw::Unstamped,
    }
}

/// The object before and after, and what it says.
fn window_changed(window: &WindowIs, change: WindowChange, case: &Case) -> (String, String, Own) {
    let before = emergency(window);
    let mut after = before.clone();
    match change {
        WindowChange::Nothing | WindowChange::Remove => {}
        WindowChange::End => after.ended = true,
        WindowChange::Reopen => after.ended = false,
        WindowChange::Lengthen => after.ends = in_seconds(window.ends + 60),
        WindowChange::Review(seconds) => {
            let caller = rules::caller_identity(case).unwrap_or_else(|| "user:stranger".to_owned());
            after.review = Some(review_of(&caller, seconds));
        }
        WindowChange::ForeignReview => after.review = Some(review_of("user:stranger", 0)),
    }
    let text = |window: &Emergency| {
        let review = window.review.as_ref().map_or_else(String::new, |review| {
            format!(
                r#","review":{{"reviewer":"{}","time":"{}"}}"#,
                review.reviewer, review.time
            )
        });
        let (ended, ends) = (window.ended, window.ends);
        format!(r#"{{"metadata":{{"uid":"u"}},"spec":{{"ended":{ended},"time":"{ends}"{review}}}}}"#)
    };
    let (old, new) = (text(&before), text(&after));
    if change == WindowChange::Remove {
        return (old, new, Own::Removed);
    }
    let own = Own::BreakGlassChange(Box::new(EmergencyChange {
        before,
        after,
        writers: Vec::new(),
    }));
    (old, new, own)
}
