//! The index: from the objects of a cluster to the snapshot that decisions read. Pure, and one change at a time.
//!
//! The operator feeds it from its watches, the command line from what its caller may read. An object that cannot be
//! read grants nothing; an unreadable policy or zone makes its own scope deny. Once strict mode is latched, so does what
//! bears no seal.

mod emergencies;
mod intents;
mod permissions;
mod places;
mod tickets;

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    sync::Arc,
};

use countersign_core::{
    batch::BatchKey,
    digest::Digest,
    identity::Identity,
    mutator::Mutators,
    policy::{PasscodeRef, Policy},
    snapshot::{Cluster, PolicyState, Snapshot},
};
use k8s_openapi::api::core::v1::Namespace;
use kube::{Resource, ResourceExt};

pub use self::emergencies::stamped_emergency;
pub use self::tickets::{stamped_review, stamped_ticket};
use crate::{
    AccessPolicy, Agent, ApprovalReview, ApprovalTicket, BreakGlass, Intent, RoleGrant, Team,
    WriteDelegation, Zone, access_policy,
    invalid::Invalid,
    seal::{self, Seals},
};

/// A snapshot, and what is needed to take an object out of it again.
#[derive(Clone, Debug)]
pub struct Index {
    snapshot: Snapshot,
    grants: HashMap<Key, Identity>,
    agents: HashMap<Key, (Identity, Vec<Arc<str>>)>,
    delegations: HashMap<Key, Arc<str>>,
    tickets: HashMap<Key, Ticketed>,
    reviews: HashMap<Key, Arc<str>>,
    intents: HashMap<Key, Identity>,
    emergencies: HashMap<Key, Identity>,
    seals: Option<Seals>,
    /// What bears no seal, by kind and key, and how its scope is marked.
    unsealed: HashMap<(Cow<'static, str>, Key), Mark>,
}

/// Marks the scope of the object of this key, with this reason.
type Mark = fn(&Key, &str, &mut Index);

/// Why an object that bears no seal is not in force.
const UNSEALED: &str = "it bears no seal: nobody judged its present content";

/// Where a ticket is filed.
#[derive(Clone, Debug)]
struct Ticketed {
    digest: Digest,
    subject: Identity,
    batch: Option<BatchKey>,
    namespace: Arc<str>,
    uid: Arc<str>,
    /// The uid of the object that was made under it.
    created: Option<Arc<str>>,
}

/// Namespace and name of an object; the namespace is empty for a cluster-scoped one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// Namespace, or empty.
    pub namespace: Arc<str>,
    /// Name.
    pub name: Arc<str>,
}

impl Key {
    fn cluster_scoped(name: &Arc<str>) -> Self {
        Self {
            namespace: "".into(),
            name: name.clone(),
        }
    }

    /// The key of an object.
    pub fn of(object: &impl Resource) -> Self {
        let namespace = object.meta().namespace.as_deref().unwrap_or_default();
        Self {
            namespace: namespace.into(),
            name: object.name_any().into(),
        }
    }
}

/// An object of a kind that decisions depend on.
pub trait Indexed: Resource<DynamicType = ()> + Clone {
    /// Whether the objects say what others may do: then the standing of other objects depends on them.
    const PERMITS: bool = true;

    /// Whether whoever turns strict mode on is shown the objects, since they are sealed as they are then.
    const SHOWN: bool = Self::PERMITS;

    /// Whether the object bears the operator's seal, or is of a kind that bears none.
    fn is_sealed(&self, seals: &Seals) -> bool {
        let _ = seals;
        !Self::PERMITS
    }

    /// Digest of what the object says to whoever turns strict mode on; `None` when it has none, or is not shown.
    fn says(&self) -> Option<Digest> {
        None
    }

    /// Whether it permits the same as this other version of it.
    fn permits_as(&self, other: &Self) -> bool {
        let _ = other;
        !Self::PERMITS
    }

    /// Files the object, in the place of what was filed under its key.
    fn file(&self, index: &mut Index) -> Result<(), Invalid>;

    /// Files what the object makes its scope, when nobody judged what it says.
    fn file_scope(&self, index: &mut Index) {
        let _ = index;
    }

    /// Takes out what is filed under the key.
    fn unfile(key: &Key, index: &mut Index);

    /// Marks the scope of an object of this key that is there and cannot be read.
    fn unreadable(key: &Key, why: &str, index: &mut Index) {
        let _ = why;
        Self::unfile(key, index);
    }

    /// The keys of what is filed.
    fn filed(index: &Index) -> Vec<Key>;
}

impl Index {
    /// An index of a cluster in which nothing is configured.
    pub fn new(cluster: Cluster) -> Self {
        Self {
            snapshot: Snapshot::new(cluster),
            grants: HashMap::new(),
            agents: HashMap::new(),
            delegations: HashMap::new(),
            tickets: HashMap::new(),
            reviews: HashMap::new(),
            intents: HashMap::new(),
            emergencies: HashMap::new(),
            seals: None,
            unsealed: HashMap::new(),
        }
    }

    /// The same, with what proves seals. Without it every object is taken for sealed: who has no key cannot tell.
    #[must_use]
    pub fn proving(self, seals: Seals) -> Self {
        Self {
            seals: Some(seals),
            ..self
        }
    }

    /// How many objects that could be read bear no seal.
    pub fn unsealed(&self) -> usize {
        self.unsealed.len()
    }

    /// Whether strict mode can be latched so, or unlatched: what is there when it begins is sealed first.
    pub fn may_latch(&self, latched: bool) -> bool {
        self.snapshot.is_strict() == latched && (!latched || self.unsealed.is_empty())
    }

    /// What decisions read. Cloning it is cheap.
    pub const fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Says whether strict mode is latched. From then on what bears no seal is not in force.
    pub fn set_latched(&mut self, latched: bool) {
        self.snapshot.latched = latched;
        if latched {
            for ((_, key), unreadable) in self.unsealed.clone() {
                unreadable(&key, UNSEALED, self);
            }
        }
    }

    /// Says whether enforcement is switched off by the documented annotation.
    pub const fn set_switched_off(&mut self, switched_off: bool) {
        self.snapshot.switched_off = switched_off;
    }

    /// Says where a passcode is known to be.
    pub fn set_passcode(&mut self, passcode: Option<PasscodeRef>) {
        self.snapshot.passcode = passcode;
    }

    /// Says what else can change Countersign's own objects.
    pub fn set_mutators(&mut self, mutators: Mutators) {
        self.snapshot.mutators = mutators;
    }

    /// Files an object; one that cannot be read, or bears no seal once strict mode is latched, marks its scope.
    pub fn apply<K: Indexed>(&mut self, object: &K) {
        let key = Key::of(object);
        self.note_permission::<K>(&key, object.says());
        let sealed = self.seals.as_ref().is_none_or(|seals| object.is_sealed(seals));
        self.note_seal::<K>(&key, sealed);
        if !sealed && self.snapshot.latched {
            object.file_scope(self);
            K::unreadable(&key, UNSEALED, self);
        } else if let Err(invalid) = object.file(self) {
            K::unreadable(&key, &invalid.to_string(), self);
        }
    }

    /// Marks the scope of an object that cannot even be deserialised.
    pub fn unreadable<K: Indexed>(&mut self, key: &Key, why: &str) {
        self.note_permission::<K>(key, None);
        self.note_seal::<K>(key, true);
        K::unreadable(key, why, self);
    }

    /// Takes an object out.
    pub fn remove<K: Indexed>(&mut self, key: &Key) {
        self.snapshot.permissions.forget(K::kind(&()), key.name.clone());
        self.note_seal::<K>(key, true);
        K::unfile(key, self);
    }

    fn note_permission<K: Indexed>(&mut self, key: &Key, says: Option<Digest>) {
        if K::SHOWN {
            self.snapshot
                .permissions
                .note(K::kind(&()), key.name.clone(), says);
        }
    }

    fn note_seal<K: Indexed>(&mut self, key: &Key, sealed: bool) {
        let of_kind = (K::kind(&()), key.clone());
        if sealed {
            self.unsealed.remove(&of_kind);
        } else {
            self.unsealed.insert(of_kind, K::unreadable);
        }
    }

    /// Makes these all the objects of their kind. What cannot even be deserialised comes as a key and a reason.
    pub fn replace<'a, K: Indexed + 'a>(
        &mut self,
        objects: impl IntoIterator<Item = Result<&'a K, (Key, String)>>,
    ) {
        let mut gone: HashSet<Key> = K::filed(self).into_iter().collect();
        gone.extend(
            self.snapshot
                .permissions
                .names(K::kind(&()))
                .map(Key::cluster_scoped),
        );
        for object in objects {
            match object {
                Ok(object) => {
                    gone.remove(&Key::of(object));
                    self.apply(object);
                }
                Err((key, why)) => {
                    gone.remove(&key);
                    self.unreadable::<K>(&key, &why);
                }
            }
        }
        for key in gone {
            self.remove::<K>(&key);
        }
    }
}

impl Indexed for AccessPolicy {
    fn is_sealed(&self, seals: &Seals) -> bool {
        seals.vouch_for(self)
    }

    fn says(&self) -> Option<Digest> {
        access_policy::unswitched(&self.spec)
    }

    fn permits_as(&self, other: &Self) -> bool {
        seal::permits_as(self, other)
    }

    fn file(&self, index: &mut Index) -> Result<(), Invalid> {
        index.snapshot.policy = PolicyState::Loaded(Arc::new(access_policy::parse(self)?));
        Ok(())
    }

    fn unfile(_: &Key, index: &mut Index) {
        index.snapshot.policy = PolicyState::Absent(Arc::new(Policy::default()));
    }

    fn unreadable(_: &Key, why: &str, index: &mut Index) {
        index.snapshot.policy = PolicyState::Unreadable(why.into());
    }

    fn filed(index: &Index) -> Vec<Key> {
        let there = !matches!(index.snapshot.policy, PolicyState::Absent(_));
        let key = there.then(|| Key::cluster_scoped(&crate::POLICY_NAME.into()));
        key.into_iter().collect()
    }
}
