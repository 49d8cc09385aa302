//! A binding as Kubernetes has it, cluster-wide or in a namespace.

use std::{collections::BTreeMap, fmt::Debug};

use countersign_api::{Agent, GROUP, RoleGrant, VERSION};
use countersign_core::read_access::{LABEL, RBAC, ROLE, Reader, Reading, Source};
use k8s_openapi::{
    api::rbac::v1::{ClusterRoleBinding, RoleBinding, RoleRef, Subject},
    apimachinery::pkg::apis::meta::v1::OwnerReference,
};
use kube::{Api, Client, Resource, api::ObjectMeta};
use serde::{Serialize, de::DeserializeOwned};

/// Namespace, empty where there is none, and name.
pub type Key = (String, String);

/// A ClusterRoleBinding or a RoleBinding.
pub trait Binding:
    Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Serialize + Send + Sync + 'static
{
    /// The binding of these subjects to [`ROLE`].
    fn new(metadata: ObjectMeta, subjects: Vec<Subject>) -> Self;

    /// Whom it binds.
    fn subjects(&self) -> &[Subject];

    /// What it binds them to.
    fn role(&self) -> &RoleRef;

    /// Where bindings of this namespace, empty where there is none, are written.
    fn api(namespace: &str, client: &Client) -> Api<Self>;

    /// Its place.
    fn key(&self) -> Key {
        let metadata = self.meta();
        (
            metadata.namespace.clone().unwrap_or_default(),
            metadata.name.clone().unwrap_or_default(),
        )
    }
}

impl Binding for ClusterRoleBinding {
    fn new(metadata: ObjectMeta, subjects: Vec<Subject>) -> Self {
        Self {
            metadata,
            role_ref: role(),
            subjects: Some(subjects),
        }
    }

    fn subjects(&self) -> &[Subject] {
        self.subjects.as_deref().unwrap_or_default()
    }

    fn role(&self) -> &RoleRef {
        &self.role_ref
    }

    fn api(_: &str, client: &Client) -> Api<Self> {
        Api::all(client.clone())
    }
}

impl Binding for RoleBinding {
    fn new(metadata: ObjectMeta, subjects: Vec<Subject>) -> Self {
        Self {
            metadata,
            role_ref: role(),
            subjects: Some(subjects),
        }
    }

    fn subjects(&self) -> &[Subject] {
        self.subjects.as_deref().unwrap_or_default()
    }

    fn role(&self) -> &RoleRef {
        &self.role_ref
    }

    fn api(namespace: &str, client: &Client) -> Api<Self> {
        Api::namespaced(client.clone(), namespace)
    }
}

/// The one role that is ever bound.
fn role() -> RoleRef {
    RoleRef {
        api_group: RBAC.to_owned(),
        kind: "ClusterRole".to_owned(),
        name: ROLE.to_owned(),
    }
}

/// All bindings that should be.
#[derive(Debug, Default)]
pub struct Bindings {
    /// Those of the whole cluster.
    pub everywhere: BTreeMap<Key, ClusterRoleBinding>,
    /// Those of a namespace.
    pub inside: BTreeMap<Key, RoleBinding>,
}

impl Bindings {
    /// Adds those that give a reading; they belong to the object that is its source, of this uid.
    pub fn add(&mut self, source: &Source, uid: &str, reading: &Reading) {
        let metadata = |namespace| metadata(source, uid, namespace);
        match reading {
            Reading::Everywhere(readers) if readers.is_empty() => {}
            Reading::Everywhere(readers) => {
                let binding = ClusterRoleBinding::new(metadata(None), subjects(readers));
                self.everywhere.insert(binding.key(), binding);
            }
            Reading::In(namespaces) => {
                for (namespace, readers) in namespaces {
                    let binding = RoleBinding::new(metadata(Some(namespace.to_string())), subjects(readers));
                    self.inside.insert(binding.key(), binding);
                }
            }
        }
    }
}

fn metadata(source: &Source, uid: &str, namespace: Option<String>) -> ObjectMeta {
    let (kind, name) = match source {
        Source::Grant(name) => (RoleGrant::kind(&()), name),
        Source::Agent(name) => (Agent::kind(&()), name),
    };
    let labels = [
        ("app.kubernetes.io/managed-by", "countersign"),
        (LABEL, source.resource()),
    ];
    ObjectMeta {
        name: Some(source.binding()),
        namespace,
        labels: Some(
            labels
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
        ),
        owner_references: Some(vec![OwnerReference {
            api_version: format!("{GROUP}/{VERSION}"),
            kind: kind.into_owned(),
            name: name.to_string(),
            uid: uid.to_owned(),
            ..OwnerReference::default()
        }]),
        ..ObjectMeta::default()
    }
}

fn subjects<'a>(readers: impl IntoIterator<Item = &'a Reader>) -> Vec<Subject> {
    readers.into_iter().map(subject).collect()
}

fn subject(reader: &Reader) -> Subject {
    let of_rbac = |kind: &str, name: &str| Subject {
        api_group: Some(RBAC.to_owned()),
        kind: kind.to_owned(),
        name: name.to_owned(),
        namespace: None,
    };
    match reader {
        Reader::User(name) => of_rbac("User", name),
        Reader::Group(name) => of_rbac("Group", name),
        Reader::ServiceAccount { namespace, name } => Subject {
            api_group: None,
            kind: "ServiceAccount".to_owned(),
            name: name.to_string(),
            namespace: Some(namespace.to_string()),
        },
    }
}
