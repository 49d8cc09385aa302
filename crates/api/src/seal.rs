//! Which objects of the kinds that permit passed admission in their present form: the seals in their status; and of
//! the labels of namespaces, whose seals the operator keeps.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use countersign_core::{
    digest::{Digest, MacKey},
    hash::canonical,
    seal::{Content, Seal},
};
use kube::{
    Resource,
    core::{ObjectMeta, object::HasSpec},
};
use serde::Serialize;

use crate::{AccessPolicy, Agent, RoleGrant, Team, WriteDelegation, Zone, agent::PinnedServiceAccount};

/// The annotation by which an admin attests an object that bears no seal; the write that sets it passes admission like
/// any other.
pub const ATTEST_ANNOTATION: &str = "countersign.dev/attest";

/// The value of the annotation that attests this content, other than `present`: who attests writes it.
pub fn attestation(content: &Content, present: Option<&str>) -> String {
    let mut value = attested(content);
    while present == Some(&value) {
        value.push('+');
    }
    value
}

/// Whether a write whose object has this content attests it: it sets the annotation, which may have been there before
/// with every other value, but not with this one. What somebody wrote who was not judged attests nothing.
pub fn attests(content: &Content, before: Option<&str>, after: Option<&str>) -> bool {
    before != after && after.is_some_and(|value| value.trim_end_matches('+') == attested(content))
}

fn attested(content: &Content) -> String {
    format!("{}:{}", content.generation, content.spec)
}

/// A kind that permits: its objects take effect with a seal only.
pub trait Sealed: Resource<DynamicType = ()> + HasSpec<Spec: Serialize> {
    /// The seal in the object's status.
    fn seal(&self) -> Option<&str>;

    /// What the operator found and wrote into the status, and decisions rest on.
    fn pins(&self) -> &[PinnedServiceAccount] {
        &[]
    }
}

macro_rules! sealed {
    ($($kind:ident),*) => {
        $(impl Sealed for $kind {
            fn seal(&self) -> Option<&str> {
                self.status.as_ref()?.seal.as_deref()
            }
        })*
    };
}

sealed!(AccessPolicy, RoleGrant, Team, WriteDelegation, Zone);

impl Sealed for Agent {
    fn seal(&self) -> Option<&str> {
        self.status.as_ref()?.seal.as_deref()
    }

    fn pins(&self) -> &[PinnedServiceAccount] {
        self.status
            .as_ref()
            .map_or(&[], |status| &status.service_accounts)
    }
}

/// What an object says; `None` for one that the API server has not seen yet.
pub fn content<K: Sealed>(object: &K) -> Option<Content> {
    let metadata = object.meta();
    Some(Content {
        kind: K::kind(&()).into_owned(),
        name: metadata.name.clone()?,
        uid: metadata.uid.clone()?,
        generation: metadata.generation?,
        spec: digest(object.spec())?,
    })
}

/// What the labels of a namespace say. The API server counts no generations of namespaces.
pub fn labels_content(
    name: impl Into<String>,
    uid: impl Into<String>,
    labels: &(impl Serialize + ?Sized),
) -> Option<Content> {
    Some(Content {
        kind: "Namespace".to_owned(),
        name: name.into(),
        uid: uid.into(),
        generation: 0,
        spec: digest(labels)?,
    })
}

/// Whether two versions of an object permit the same: they differ in what is noted of it at most.
pub fn permits_as<K: Sealed>(one: &K, other: &K) -> bool {
    let said = |object: &K| ObjectMeta {
        resource_version: None,
        managed_fields: None,
        ..object.meta().clone()
    };
    said(one) == said(other) && one.seal() == other.seal() && one.pins() == other.pins()
}

/// How many contents are remembered between their admission and their seal.
const REMEMBERED: usize = 4096;

/// For how long: longer than the API server takes over a write (34 s, E2), and the operator to seal it.
const REMEMBERED_FOR: Duration = Duration::from_mins(2);

/// Makes and proves seals, and remembers what passed admission until it is sealed. Clones remember the same.
#[derive(Clone, Debug)]
pub struct Seals {
    key: MacKey,
    cluster_id: String,
    admitted: Arc<Mutex<VecDeque<(Instant, Content)>>>,
    namespaces: Arc<Mutex<NamespaceSeals>>,
}

/// The seals of the labels of namespaces, by name. Who reads one could put it back together with the labels of then, as
/// nothing counts their generations: so they are kept secret, and not in the namespaces.
pub type NamespaceSeals = BTreeMap<String, String>;

impl Seals {
    /// With the operator's key, for this cluster.
    pub fn new(key: MacKey, cluster_id: &str) -> Self {
        Self {
            key,
            cluster_id: cluster_id.to_owned(),
            admitted: Arc::default(),
            namespaces: Arc::default(),
        }
    }

    /// Makes these the seals of all namespaces.
    pub fn keep_namespaces(&self, seals: NamespaceSeals) {
        *self.namespaces.lock().unwrap_or_else(PoisonError::into_inner) = seals;
    }

    /// The seals of all namespaces.
    pub fn namespaces(&self) -> NamespaceSeals {
        let namespaces = self.namespaces.lock().unwrap_or_else(PoisonError::into_inner);
        namespaces.clone()
    }

    /// Whether labels of a namespace passed admission: their seal is kept, or will be in a moment.
    pub fn vouch_for_labels(&self, content: &Content) -> bool {
        let kept = || {
            let namespaces = self.namespaces.lock().unwrap_or_else(PoisonError::into_inner);
            Some(
                self.over(content, &[])?
                    .verify(&self.key, namespaces.get(&content.name)?),
            )
        };
        kept().unwrap_or(false) || self.admitted(content)
    }

    /// Remembers what passed admission.
    pub fn admit(&self, content: Content) {
        let mut admitted = self.admitted.lock().unwrap_or_else(PoisonError::into_inner);
        if admitted.len() == REMEMBERED {
            admitted.pop_front();
        }
        admitted.push_back((Instant::now(), content));
    }

    /// Whether this content passed admission a while ago.
    pub fn admitted(&self, content: &Content) -> bool {
        let admitted = self.admitted.lock().unwrap_or_else(PoisonError::into_inner);
        admitted
            .iter()
            .any(|(at, other)| other == content && at.elapsed() < REMEMBERED_FOR)
    }

    /// Forgets a content that bears its seal, and what its object was before: from then on the seal alone speaks for it.
    pub fn forget(&self, content: &Content) {
        let mut admitted = self.admitted.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(last) = admitted.iter().rposition(|(_, other)| other == content) else {
            return;
        };
        let mut place = 0..;
        admitted.retain(|(_, other)| place.next() > Some(last) || other.uid != content.uid);
    }

    /// Whether the object passed admission as it is now: it bears the seal, or will bear it in a moment.
    pub fn vouch_for<K: Sealed>(&self, object: &K) -> bool {
        self.hold(object) || content(object).is_some_and(|content| self.admitted(&content))
    }

    /// Whether the object bears the operator's seal for what it is now.
    pub fn hold<K: Sealed>(&self, object: &K) -> bool {
        let held = || {
            let content = content(object)?;
            Some(
                self.over(&content, object.pins())?
                    .verify(&self.key, object.seal()?),
            )
        };
        held().unwrap_or(false)
    }

    /// The seal of a content with these pins.
    pub fn sign(&self, content: &Content, pins: &[PinnedServiceAccount]) -> Option<String> {
        Some(self.over(content, pins)?.sign(&self.key))
    }

    fn over<'a>(&'a self, content: &'a Content, pins: &[PinnedServiceAccount]) -> Option<Seal<'a>> {
        Some(Seal {
            cluster_id: &self.cluster_id,
            content,
            found: digest(pins)?,
        })
    }
}

/// The digest of the canonical form; `None` for what has none, such as a number beyond a double.
///
/// A field that a later version adds must be left out when absent, and have no default in the schema: otherwise the
/// seals of everything that is there would break.
pub(crate) fn digest(value: &(impl Serialize + ?Sized)) -> Option<Digest> {
    let text = serde_json::to_string(value).ok()?;
    Some(Digest::of(&[canonical(&text).ok()?.as_bytes()]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn agent(pins: &serde_json::Value, seal: Option<&str>) -> Agent {
        serde_json::from_value(json!({
            "apiVersion": "countersign.dev/v1alpha1", "kind": "Agent",
            "metadata": {"name": "bot", "uid": "u1", "generation": 3},
            "spec": {"owner": "user:ada", "signing": "NotSupported"},
            "status": {"serviceAccounts": pins, "seal": seal},
        }))
        .unwrap()
    }

    #[test]
    fn a_seal_holds_while_spec_pins_and_generation_stay() {
        let seals = Seals::new(MacKey::new([5; 32]), "cluster");
        let pins = json!([{"namespace": "bots", "name": "bot", "uid": "sa1"}]);
        let content = content(&agent(&pins, None)).unwrap();
        let seal = seals.sign(&content, agent(&pins, None).pins());
        let sealed = agent(&pins, seal.as_deref());
        assert!(seals.hold(&sealed));
        assert!(!seals.hold(&agent(&pins, None)));

        let other_account = json!([{"namespace": "bots", "name": "bot", "uid": "sa2"}]);
        assert!(!seals.hold(&agent(&other_account, seal.as_deref())));
        let mut changed = sealed.clone();
        changed.spec.suspend = true;
        assert!(!seals.hold(&changed));
        let mut later = sealed;
        later.metadata.generation = Some(4);
        assert!(!seals.hold(&later));
    }

    #[test]
    fn what_is_only_noted_permits_the_same() {
        let pins = json!([{"namespace": "bots", "name": "bot", "uid": "sa1"}]);
        let known = agent(&pins, Some("seal"));
        let mut noted = known.clone();
        noted.metadata.resource_version = Some("8".to_owned());
        noted.status.as_mut().unwrap().pending = Some(3);
        assert!(permits_as(&noted, &known));
        let changes: [fn(&mut Agent); 5] = [
            |agent| agent.metadata.generation = Some(4),
            |agent| agent.metadata.uid = Some("u2".to_owned()),
            |agent| agent.metadata.annotations = Some([("a".to_owned(), "b".to_owned())].into()),
            |agent| agent.status.as_mut().unwrap().seal = None,
            |agent| agent.status.as_mut().unwrap().service_accounts.clear(),
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let mut changed = noted.clone();
            change(&mut changed);
            assert!(!permits_as(&changed, &known), "{number}");
        }
    }

    fn digest_of<K: Sealed + serde::de::DeserializeOwned>(spec: &serde_json::Value) -> String {
        let object: K = serde_json::from_value(json!({
            "apiVersion": "countersign.dev/v1alpha1", "kind": K::kind(&()),
            "metadata": {"name": "one", "uid": "u1", "generation": 1},
            "spec": spec,
        }))
        .unwrap();
        content(&object).unwrap().spec.to_string()
    }

    /// An object that lies in somebody's cluster has the digest that an older version sealed.
    #[test]
    fn a_digest_stays_as_it_is() {
        let account = json!({"namespace": "bots", "name": "bot"});
        let delegation = json!({
            "subject": {"serviceAccount": account}, "resources": [{"group": "apps", "resource": "deployments"}],
            "verbs": ["Update"], "namespaces": {"names": ["shop"]}, "reason": "scales",
        });
        let digests = [
            digest_of::<Zone>(&json!({"owner": "team:shop", "objects": ["shop/**"], "minReviewers": 2})),
            digest_of::<RoleGrant>(&json!({"identity": "user:ada", "role": "admin"})),
            digest_of::<Team>(&json!({"members": ["user:ada"], "groups": ["shop"]})),
            digest_of::<Agent>(
                &json!({"owner": "user:ada", "signing": "NotSupported", "serviceAccounts": [account]}),
            ),
            digest_of::<WriteDelegation>(&delegation),
            digest_of::<AccessPolicy>(&json!({"strictMode": true, "environments": [{"name": "dev"}]})),
        ];
        let sealed = [
            "sha256:e21c6c33de1738b19bc84d036b6f5e3ac1a1d892e343a8651634f60aae489657",
            "sha256:4623d23e3dd98e4a0043e5019f00f0fa8c43c0dfe08a53f16b085842303e465b",
            "sha256:1cd3fec38e5f047ef5be1d21e3af7485d7e50c4a48dd0f352598ae298624a235",
            "sha256:85e6e71912335a25cfbb2d737e23b635739f66d7171b627a118a44519a33cef7",
            "sha256:a728c2b9a1a60b09d373579274ffe579f6fc17cdc636e9521dc22676411d4a7e",
            "sha256:83c01b75e65eb1da327aafc61306bf5ba9718904e0b1a807712b2be638e1109a",
        ];
        assert_eq!(digests, sealed);
    }

    #[test]
    fn an_attestation_is_set_by_the_write_itself() {
        let content = content(&agent(&json!([]), None)).unwrap();
        let value = attestation(&content, None);
        assert!(attests(&content, None, Some(&value)));
        assert!(attests(&content, Some("2:sha256:00"), Some(&value)));
        assert!(!attests(&content, Some(&value), Some(&value)));
        assert!(!attests(&content, None, None));
        let again = attestation(&content, Some(&value));
        assert!(attests(&content, Some(&value), Some(&again)));
        let later = Content {
            generation: content.generation + 1,
            ..content.clone()
        };
        assert!(!attests(&later, None, Some(&value)));
    }

    #[test]
    fn what_was_admitted_is_vouched_for_until_other_things_were() {
        let seals = Seals::new(MacKey::new([5; 32]), "cluster");
        let object = agent(&json!([]), None);
        assert!(!seals.vouch_for(&object));
        seals.clone().admit(content(&object).unwrap());
        assert!(seals.vouch_for(&object));
        let mut other = object.clone();
        other.metadata.uid = Some("u2".to_owned());
        assert!(!seals.vouch_for(&other));
        for _ in 0..REMEMBERED {
            seals.admit(content(&other).unwrap());
        }
        assert!(!seals.vouch_for(&object));
    }
}
