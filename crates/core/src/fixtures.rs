//! Fixtures that read as sentences: a world, and what somebody asks in it.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};

use crate::{
    binding::Binding,
    decide::decide,
    decision::{Decision, Demand, Reason},
    digest::{Digest, MacKey},
    gitops::Provenance,
    glob::Glob,
    identity::Identity,
    mutator::Presence,
    object::{Change, Object},
    own::Own,
    parent::LiveParent,
    policy::Policy,
    relax::{Mode, relax},
    request::{Caller, Hidden, Operation, Request, Target},
    review::{Proof, Review, ReviewDecision},
    role::Role,
    snapshot::{Account, Agent, Cluster, Grant, Impersonation, Namespace, PolicyState, Snapshot, Team},
    ticket::{Ticket, TicketState},
    zones::Zone,
};

/// The moment at which everything happens.
pub fn now() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

/// So many seconds after [`now`].
pub fn after(seconds: i64) -> Timestamp {
    now() + SignedDuration::from_secs(seconds)
}

/// The identity of this text.
pub fn id(text: &str) -> Identity {
    text.parse().unwrap()
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// It is allowed, for this reason.
    Allow(Reason),
    /// It needs a ticket.
    Needs,
    /// It is denied, for this reason.
    Deny(Reason),
}

impl From<&Decision> for Said {
    fn from(decision: &Decision) -> Self {
        match decision {
            Decision::Allow(grant) => Self::Allow(grant.reason()),
            Decision::NeedsTicket(_) => Self::Needs,
            Decision::Deny(denial) => Self::Deny(denial.reason),
        }
    }
}

/// A cluster and what is configured in it.
pub struct World {
    pub snapshot: Snapshot,
}

/// A strict cluster with the namespaces `billing` (prod) and `lab` (dev), and nothing else.
pub fn world() -> World {
    let cluster = Cluster {
        id: "cluster-1".into(),
        operator: "system:serviceaccount:countersign-system:countersign".into(),
        operator_uid: "operator-uid".into(),
        namespace: "countersign-system".into(),
        redaction: MacKey::new([1; 32]),
        stamp: MacKey::new([2; 32]),
    };
    let mut snapshot = Snapshot::new(cluster);
    let policy = Policy {
        strict_mode: true,
        ..Policy::default()
    };
    snapshot.policy = PolicyState::Loaded(Arc::new(policy));
    snapshot.latched = true;
    World { snapshot }
        .namespace("billing", &[("countersign.dev/environment", "prod")])
        .namespace("lab", &[("countersign.dev/environment", "dev")])
        .namespace("countersign-system", &[("countersign.dev/environment", "prod")])
}

impl World {
    pub fn namespace(mut self, name: &str, labels: &[(&str, &str)]) -> Self {
        let labels = labels.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        let namespace = Namespace::new(format!("uid-of-{name}"), labels);
        self.snapshot.namespaces.insert(name.into(), Arc::new(namespace));
        self
    }

    pub fn terminating(mut self, name: &str) -> Self {
        let mut namespace = (*self.snapshot.namespaces[name]).clone();
        namespace.terminating = true;
        self.snapshot.namespaces.insert(name.into(), Arc::new(namespace));
        self
    }

    /// The namespace bears labels that nobody judged.
    pub fn unsealed(mut self, name: &str) -> Self {
        let mut namespace = (*self.snapshot.namespaces[name]).clone();
        namespace.sealed = false;
        self.snapshot.namespaces.insert(name.into(), Arc::new(namespace));
        self
    }

    pub fn policy(mut self, change: impl FnOnce(&mut Policy)) -> Self {
        let mut policy = (**self.snapshot.policy.get().unwrap()).clone();
        change(&mut policy);
        self.snapshot.policy = PolicyState::Loaded(Arc::new(policy));
        self
    }

    /// With a mutator that could change our kinds for the last hour; `gone` is how many seconds ago it went.
    pub fn mutated(mut self, mutator: &str, gone: Option<i64>) -> Self {
        let presence = Presence {
            mutator: mutator.parse().unwrap(),
            since: now() - SignedDuration::from_hours(1),
            gone: gone.map(|seconds| now() - SignedDuration::from_secs(seconds)),
        };
        self.snapshot.mutators.seen = [presence].into();
        self
    }

    pub fn observing(mut self) -> Self {
        self.snapshot.latched = false;
        self.policy(|policy| policy.strict_mode = false)
    }

    /// The grant `name` gives the role; the webhook has seen who holds it.
    pub fn grant(self, name: &str, identity: &str, role: Role) -> Self {
        self.granted(name, identity, role, Some(now()))
    }

    pub fn granted(mut self, name: &str, identity: &str, role: Role, last_seen: Option<Timestamp>) -> Self {
        let grant = Grant {
            name: name.into(),
            role,
            last_seen,
        };
        self.snapshot
            .grants
            .entry(id(identity))
            .or_default()
            .push_back(grant);
        self
    }

    pub fn admin(self, name: &str) -> Self {
        self.grant(name, &format!("user:{name}"), Role::Admin)
    }

    pub fn contributor(self, name: &str) -> Self {
        self.grant(name, &format!("user:{name}"), Role::Contributor)
    }

    pub fn team(mut self, name: &str, members: &[&str], groups: &[&str]) -> Self {
        let identity = id(&format!("team:{name}"));
        let members: Vec<_> = members.iter().map(|member| id(member)).collect();
        for member in &members {
            let teams = self.snapshot.memberships.entry(member.clone()).or_default();
            teams.insert(identity.clone());
        }
        for group in groups {
            let teams = self.snapshot.team_groups.entry((*group).into()).or_default();
            teams.insert(identity.clone());
        }
        let groups = groups.iter().map(|group| (*group).into()).collect();
        self.snapshot
            .teams
            .insert(identity, Arc::new(Team { members, groups }));
        self
    }

    /// `agent:<name>` owned by `user:<owner>`, acting as the service account `<namespace>:<name>` of uid `sa-uid`.
    pub fn agent(self, name: &str, role: Role, owner: &str, account: &str) -> Self {
        self.agent_but(name, role, owner, account, |_| ())
    }

    pub fn agent_but(
        mut self,
        name: &str,
        role: Role,
        owner: &str,
        account: &str,
        change: impl FnOnce(&mut Agent),
    ) -> Self {
        let (namespace, account_name) = account.split_once(':').unwrap();
        let identity = id(&format!("agent:{name}"));
        let mut agent = Agent {
            identity: identity.clone(),
            role,
            owner: id(&format!("user:{owner}")),
            suspended: false,
            key: None,
            signs: true,
            rotation: None,
            intents_per_minute: 120,
            accounts: vec![Account {
                namespace: namespace.into(),
                name: account_name.into(),
                uid: Some("sa-uid".into()),
            }],
            impersonation: Impersonation::default(),
            degraded: None,
        };
        change(&mut agent);
        if let Some(key) = &agent.key {
            let holders = self.snapshot.agent_keys.entry(*key.as_bytes()).or_default();
            holders.insert(identity.clone());
        }
        // Who answers for it is known.
        self.snapshot.memberships.entry(agent.owner.clone()).or_default();
        let listed = self.snapshot.service_accounts.entry(account.into()).or_default();
        listed.insert(identity.clone());
        self.snapshot.agents.insert(identity, Arc::new(agent));
        self
    }

    pub fn zone(mut self, zone: Zone) -> Self {
        self.snapshot.zones.insert(Arc::new(zone));
        self
    }

    /// A ticket for what the request needs, with these authors.
    pub fn ticket(mut self, ask: &Ask, state: TicketState, authors: &[&str]) -> (Self, Arc<Ticket>) {
        let ticket = Arc::new(ticket_for(self.demand(ask).binding, state, authors));
        self.snapshot = self.snapshot.with_ticket(ticket.clone());
        (self, ticket)
    }

    pub fn review(mut self, ticket: &Ticket, reviewer: &str, decision: ReviewDecision) -> Self {
        let of_ticket = self.snapshot.reviews.entry(ticket.uid.clone()).or_default();
        let number = of_ticket.len();
        of_ticket.push_back(Arc::new(Review {
            name: format!("review-{number}").into(),
            uid: format!("review-uid-{number}").into(),
            ticket_uid: ticket.uid.clone(),
            binding_hash: ticket.binding_hash(),
            reviewer: id(reviewer),
            decision,
            created: now(),
            proof: Proof::Kubernetes,
        }));
        self
    }

    /// The decision, before any relaxation.
    pub fn decides(&self, ask: &Ask) -> Decision {
        decide(&ask.request(), &self.snapshot, now()).0
    }

    /// The decision in short.
    pub fn says(&self, ask: &Ask) -> Said {
        Said::from(&self.decides(ask))
    }

    /// What is enforced in the mode that the world is in.
    pub fn enforces(&self, ask: &Ask) -> Said {
        let (decision, findings) = decide(&ask.request(), &self.snapshot, now());
        Said::from(&relax(decision, &Mode::of(&self.snapshot, &findings)).0)
    }

    /// What the request needs, which must be a ticket.
    pub fn demand(&self, ask: &Ask) -> Demand {
        match self.decides(ask) {
            Decision::NeedsTicket(demand) => *demand,
            other => panic!("{other:?}"),
        }
    }
}

/// A ticket of uid `ticket-uid` for this binding.
pub fn ticket_for(binding: Binding, state: TicketState, authors: &[&str]) -> Ticket {
    Ticket {
        namespace: "billing".into(),
        name: "ticket".into(),
        uid: "ticket-uid".into(),
        resource_version: "1".into(),
        requester: binding.subject.clone(),
        binding,
        nonce: "nonce".into(),
        parts: BTreeMap::new(),
        provenance: Provenance {
            authors: authors.iter().map(|author| id(author)).collect(),
            ..Provenance::default()
        },
        batch: None,
        created: now(),
        state,
        rollback: None,
        steps: Some(1),
        contested: Some(false),
    }
}

pub fn approved() -> TicketState {
    TicketState::Approved {
        usable_until: after(900),
    }
}

pub fn pending() -> TicketState {
    TicketState::Pending { until: after(3600) }
}

/// A zone of this owner over these objects, which asks for no review of its own.
pub fn zone(name: &str, owner: &str, objects: &[&str]) -> Zone {
    Zone {
        name: name.into(),
        owner: id(owner),
        cooperators: Vec::new(),
        reviewers: Vec::new(),
        objects: objects.iter().map(|glob| Glob::object(glob).unwrap()).collect(),
        paths: Vec::new(),
        function_ids: Vec::new(),
        require_review: Some(false),
        min_reviewers: 1,
        reviewer_roles: vec![Role::Contributor],
    }
}

/// What somebody asks.
#[derive(Clone)]
pub struct Ask {
    pub username: String,
    pub uid: String,
    pub groups: Vec<Cow<'static, str>>,
    pub operation: Operation,
    pub group: String,
    pub resource: String,
    pub subresource: String,
    pub namespace: Option<String>,
    pub name: String,
    pub old: Option<String>,
    pub new: Option<String>,
    pub options: Option<String>,
    pub hidden: Hidden,
    pub live_parent: LiveParent,
    pub own: Option<Own>,
    pub generates_name: bool,
}

const OLD: &str = r#"{"metadata":{"name":"x","uid":"object-uid","resourceVersion":"7"},"spec":{"a":1}}"#;
const NEW: &str = r#"{"metadata":{"name":"x","uid":"object-uid","resourceVersion":"7"},"spec":{"a":2}}"#;

/// This username asks; a service account has the uid `sa-uid`.
pub fn ask(username: &str, operation: Operation, place: &str) -> Ask {
    let parts: Vec<&str> = place.split('/').collect();
    let [project, resource, name] = parts.as_slice() else {
        panic!("{place}")
    };
    let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
    let (old, new) = match operation {
        Operation::Create => (None, Some(NEW)),
        Operation::Update => (Some(OLD), Some(NEW)),
        Operation::Delete => (Some(OLD), None),
        Operation::Connect => (None, None),
    };
    Ask {
        username: username.to_owned(),
        uid: "sa-uid".to_owned(),
        groups: Vec::new(),
        operation,
        group: group.to_owned(),
        resource: resource.to_owned(),
        subresource: String::new(),
        namespace: (*project != "@cluster").then(|| (*project).to_owned()),
        name: (*name).to_owned(),
        old: old.map(str::to_owned),
        new: new.map(str::to_owned),
        options: None,
        hidden: Hidden {
            uid: "object-uid".to_owned(),
            service_account: None,
        },
        live_parent: LiveParent::Unread,
        own: None,
        generates_name: false,
    }
}

pub fn creates(username: &str, place: &str) -> Ask {
    ask(username, Operation::Create, place)
}

pub fn updates(username: &str, place: &str) -> Ask {
    ask(username, Operation::Update, place)
}

pub fn deletes(username: &str, place: &str) -> Ask {
    ask(username, Operation::Delete, place)
}

impl Ask {
    pub fn sub(mut self, subresource: &str) -> Self {
        subresource.clone_into(&mut self.subresource);
        self
    }

    pub fn from(mut self, old: &str, new: &str) -> Self {
        (self.old, self.new) = (Some(old.to_owned()), Some(new.to_owned()));
        self
    }

    pub fn after_a_look(mut self, live_parent: LiveParent) -> Self {
        self.live_parent = live_parent;
        self
    }

    pub fn own(mut self, own: Own) -> Self {
        self.own = Some(own);
        self
    }

    pub fn in_group(mut self, group: &'static str) -> Self {
        self.groups.push(Cow::Borrowed(group));
        self
    }

    /// The pod behind the request runs under this service account.
    pub fn running_as(mut self, account: &str) -> Self {
        self.hidden.service_account = Some(account.to_owned());
        self
    }

    pub fn of_uid(mut self, uid: &str) -> Self {
        uid.clone_into(&mut self.uid);
        self
    }

    pub fn request(&self) -> Request<'_> {
        let change = match self.operation {
            Operation::Create => Change::Create(Object::parse(self.new.as_deref().unwrap()).unwrap()),
            Operation::Update => Change::Update {
                old: Object::parse(self.old.as_deref().unwrap()).unwrap(),
                new: Object::parse(self.new.as_deref().unwrap()).unwrap(),
            },
            Operation::Delete => Change::Delete(self.old.as_deref().map(|text| Object::parse(text).unwrap())),
            Operation::Connect => {
                Change::Connect(self.new.as_deref().map(|text| Object::parse(text).unwrap()))
            }
        };
        Request {
            caller: Caller {
                username: &self.username,
                uid: &self.uid,
                groups: &self.groups,
            },
            operation: self.operation,
            target: Target {
                group: &self.group,
                version: "v1",
                kind: "Thing",
                resource: &self.resource,
                subresource: &self.subresource,
                namespace: self.namespace.as_deref(),
                name: &self.name,
            },
            change,
            options: self.options.as_deref().map(|text| Object::parse(text).unwrap()),
            hidden: self.hides_its_object().then_some(&self.hidden),
            live_parent: self.live_parent.clone(),
            own: self.own.as_ref(),
            generates_name: self.generates_name,
            dry_run: false,
        }
    }

    fn hides_its_object(&self) -> bool {
        self.operation == Operation::Connect
            || (self.operation == Operation::Create && !self.subresource.is_empty())
    }
}

/// Some digest.
pub fn digest(seed: u8) -> Digest {
    Digest::of(&[&[seed]])
}
