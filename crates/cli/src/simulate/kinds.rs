//! The kinds that are known without a cluster: Kubernetes' own, Countersign's, and those that the input defines.

use std::collections::{HashMap, hash_map::Entry};

use anyhow::{Context, bail};
use k8s_openapi::{
    ClusterResourceScope, NamespaceResourceScope,
    api::{
        admissionregistration, apps, autoscaling, batch, certificates, coordination, core as core_group,
        discovery, events, flowcontrol, networking, node, policy, rbac, resource, scheduling, storage,
        storagemigration,
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
    apimachinery::pkg::apis::meta::v1::{APIResource, APIResourceList},
    kube_aggregator::pkg::apis::apiregistration,
};
use kube::{Resource, core::ApiResource};

use super::document::Document;
use crate::cluster::Kind;

/// What Kubernetes serves itself and people apply; plural and scope are the same in all versions of a kind.
const KUBERNETES: &[fn() -> Kind] = &[
    of::<admissionregistration::v1::MutatingWebhookConfiguration>,
    of::<admissionregistration::v1::ValidatingAdmissionPolicy>,
    of::<admissionregistration::v1::ValidatingAdmissionPolicyBinding>,
    of::<admissionregistration::v1::ValidatingWebhookConfiguration>,
    of::<admissionregistration::v1alpha1::MutatingAdmissionPolicy>,
    of::<admissionregistration::v1alpha1::MutatingAdmissionPolicyBinding>,
    of::<apiregistration::v1::APIService>,
    of::<apps::v1::ControllerRevision>,
    of::<apps::v1::DaemonSet>,
    of::<apps::v1::Deployment>,
    of::<apps::v1::ReplicaSet>,
    of::<apps::v1::StatefulSet>,
    of::<autoscaling::v2::HorizontalPodAutoscaler>,
    of::<batch::v1::CronJob>,
    of::<batch::v1::Job>,
    of::<certificates::v1::CertificateSigningRequest>,
    of::<certificates::v1beta1::ClusterTrustBundle>,
    of::<coordination::v1::Lease>,
    of::<coordination::v1beta1::LeaseCandidate>,
    of::<CustomResourceDefinition>,
    of::<discovery::v1::EndpointSlice>,
    of::<events::v1::Event>,
    of::<flowcontrol::v1::FlowSchema>,
    of::<flowcontrol::v1::PriorityLevelConfiguration>,
    of::<networking::v1::IPAddress>,
    of::<networking::v1::Ingress>,
    of::<networking::v1::IngressClass>,
    of::<networking::v1::NetworkPolicy>,
    of::<networking::v1::ServiceCIDR>,
    of::<node::v1::RuntimeClass>,
    of::<core_group::v1::ConfigMap>,
    of::<core_group::v1::Endpoints>,
    of::<core_group::v1::Event>,
    of::<core_group::v1::LimitRange>,
    of::<core_group::v1::Namespace>,
    of::<core_group::v1::Node>,
    of::<core_group::v1::PersistentVolume>,
    of::<core_group::v1::PersistentVolumeClaim>,
    of::<core_group::v1::Pod>,
    of::<core_group::v1::PodTemplate>,
    of::<core_group::v1::ReplicationController>,
    of::<core_group::v1::ResourceQuota>,
    of::<core_group::v1::Secret>,
    of::<core_group::v1::Service>,
    of::<core_group::v1::ServiceAccount>,
    of::<policy::v1::PodDisruptionBudget>,
    of::<rbac::v1::ClusterRole>,
    of::<rbac::v1::ClusterRoleBinding>,
    of::<rbac::v1::Role>,
    of::<rbac::v1::RoleBinding>,
    of::<resource::v1beta1::DeviceClass>,
    of::<resource::v1beta1::ResourceClaim>,
    of::<resource::v1beta1::ResourceClaimTemplate>,
    of::<resource::v1beta1::ResourceSlice>,
    of::<scheduling::v1::PriorityClass>,
    of::<storage::v1::CSIDriver>,
    of::<storage::v1::CSINode>,
    of::<storage::v1::CSIStorageCapacity>,
    of::<storage::v1::StorageClass>,
    of::<storage::v1::VolumeAttachment>,
    of::<storage::v1beta1::VolumeAttributesClass>,
    of::<storagemigration::v1alpha1::StorageVersionMigration>,
];

fn of<K: Resource<DynamicType = (), Scope: Scoped>>() -> Kind {
    Kind {
        resource: ApiResource::erase::<K>(&()),
        namespaced: <K::Scope as Scoped>::NAMESPACED,
    }
}

/// Whether the objects of a scope live in namespaces.
trait Scoped {
    const NAMESPACED: bool;
}

impl Scoped for NamespaceResourceScope {
    const NAMESPACED: bool = true;
}

impl Scoped for ClusterResourceScope {
    const NAMESPACED: bool = false;
}

/// How objects of a kind are served.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Served {
    plural: String,
    namespaced: bool,
}

/// The kinds that are known, by group and kind.
pub struct KnownKinds(HashMap<(String, String), Served>);

impl KnownKinds {
    /// What every cluster with Countersign serves, and what these documents define.
    pub fn of<'a>(documents: impl IntoIterator<Item = &'a Document>) -> anyhow::Result<Self> {
        let mut known = Self(HashMap::new());
        let own = countersign_api::crd::all();
        for kind in KUBERNETES
            .iter()
            .map(|kind| kind())
            .chain(own.iter().map(defined))
        {
            known.add(kind)?;
        }
        for document in documents {
            for kind in defined_by(document)? {
                known.add(kind).with_context(|| document.source.to_string())?;
            }
        }
        Ok(known)
    }

    /// Adds a kind; one that is known is the same.
    fn add(&mut self, kind: Kind) -> anyhow::Result<()> {
        let Kind { resource, namespaced } = kind;
        let served = Served {
            plural: resource.plural,
            namespaced,
        };
        if served.plural.is_empty() || resource.kind.is_empty() {
            bail!("it defines a kind without its name or its plural");
        }
        match self.0.entry((resource.group, resource.kind)) {
            Entry::Vacant(entry) => {
                entry.insert(served);
                Ok(())
            }
            Entry::Occupied(entry) if *entry.get() == served => Ok(()),
            Entry::Occupied(entry) => {
                let ((group, kind), known) = (entry.key(), entry.get());
                let scope = |namespaced| {
                    if namespaced {
                        "in namespaces"
                    } else {
                        "without namespace"
                    }
                };
                bail!(
                    "it defines {kind} of group `{group}` as `{}` {}, and elsewhere it is `{}` {}",
                    served.plural,
                    scope(served.namespaced),
                    known.plural,
                    scope(known.namespaced)
                )
            }
        }
    }

    /// The kind of a document.
    pub fn find(&self, document: &Document) -> anyhow::Result<Kind> {
        let (group, version) = document.group_version();
        let (api_version, kind) = (&document.api_version, &document.kind);
        let Some(served) = self.0.get(&(group.to_owned(), kind.clone())) else {
            let api = if group.is_empty() { "api" } else { "apis" };
            bail!(
                "kind: `{kind}` of {api_version} is not known here: add its CustomResourceDefinition to --config, or \
                 what kubectl get --raw /{api}/{api_version} prints"
            )
        };
        Ok(Kind {
            resource: ApiResource {
                group: group.to_owned(),
                version: version.to_owned(),
                api_version: api_version.clone(),
                kind: kind.clone(),
                plural: served.plural.clone(),
            },
            namespaced: served.namespaced,
        })
    }
}

/// What a document says of other kinds: a definition, or what the API server lists of a group.
fn defined_by(document: &Document) -> anyhow::Result<Vec<Kind>> {
    let (group, _) = document.group_version();
    match (group, document.kind.as_str()) {
        ("apiextensions.k8s.io", "CustomResourceDefinition") => Ok(vec![defined(&document.typed()?)]),
        ("", "APIResourceList") => {
            let list: APIResourceList = document.typed()?;
            let is_whole = |resource: &&APIResource| !resource.name.contains('/');
            let served = list.resources.iter().filter(is_whole);
            Ok(served
                .map(|resource| listed(&list.group_version, resource))
                .collect())
        }
        _ => Ok(Vec::new()),
    }
}

fn defined(crd: &CustomResourceDefinition) -> Kind {
    let spec = &crd.spec;
    kind(
        &spec.group,
        &spec.names.kind,
        &spec.names.plural,
        spec.scope == "Namespaced",
    )
}

fn listed(group_version: &str, resource: &APIResource) -> Kind {
    let group = group_version.split_once('/').map_or("", |(group, _)| group);
    kind(group, &resource.kind, &resource.name, resource.namespaced)
}

/// A kind in no version of its own: a document has one.
fn kind(group: &str, kind: &str, plural: &str, namespaced: bool) -> Kind {
    let resource = ApiResource {
        group: group.to_owned(),
        version: String::new(),
        api_version: String::new(),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
    };
    Kind { resource, namespaced }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::{document, files::File};

    fn documents(text: &str) -> Vec<Document> {
        let file = File {
            name: "a.yaml".to_owned(),
            text: text.to_owned(),
        };
        document::read(&[file]).unwrap()
    }

    /// Plural and scope of the last document's kind, or why there is none.
    fn found(text: &str) -> Result<(String, bool), String> {
        let documents = documents(text);
        let say = |error: anyhow::Error| format!("{error:#}");
        let kinds = KnownKinds::of(&documents).map_err(say)?;
        let kind = kinds.find(documents.last().unwrap()).map_err(say)?;
        Ok((kind.resource.plural, kind.namespaced))
    }

    const WIDGETS: &str = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: \
                           widgets.example.com}\nspec: {group: example.com, scope: Cluster, names: {kind: Widget, \
                           plural: widgets}, versions: []}\n---\n";

    #[test]
    fn kubernetes_own_kinds_are_known_in_every_version() {
        for (text, plural, namespaced) in [
            ("{apiVersion: apps/v1, kind: Deployment}", "deployments", true),
            ("{apiVersion: v1, kind: Endpoints}", "endpoints", true),
            ("{apiVersion: v1, kind: Namespace}", "namespaces", false),
            (
                "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy}",
                "networkpolicies",
                true,
            ),
            (
                "{apiVersion: autoscaling/v1, kind: HorizontalPodAutoscaler}",
                "horizontalpodautoscalers",
                true,
            ),
            (
                "{apiVersion: countersign.dev/v1alpha1, kind: AccessPolicy}",
                "accesspolicies",
                false,
            ),
            (
                "{apiVersion: countersign.dev/v1alpha1, kind: ApprovalTicket}",
                "approvaltickets",
                true,
            ),
        ] {
            assert_eq!(found(text), Ok((plural.to_owned(), namespaced)), "{text}");
        }
    }

    #[test]
    fn other_kinds_are_those_that_the_input_defines() {
        let widget = format!("{WIDGETS}{{apiVersion: example.com/v1, kind: Widget}}");
        assert_eq!(found(&widget), Ok(("widgets".to_owned(), false)));
        let listed = "{apiVersion: v1, kind: APIResourceList, groupVersion: example.com/v1, resources: [{name: gears, \
                      kind: Gear, namespaced: true, verbs: []}, {name: gears/status, kind: Gear, namespaced: true, \
                      verbs: []}]}\n---\n{apiVersion: example.com/v2, kind: Gear}";
        assert_eq!(found(listed), Ok(("gears".to_owned(), true)));
    }

    #[test]
    fn a_kind_that_nobody_defines_is_named_with_the_way_to_define_it() {
        let why = "kind: `Widget` of example.com/v1 is not known here: add its CustomResourceDefinition to --config, or \
                   what kubectl get --raw /apis/example.com/v1 prints";
        assert_eq!(
            found("{apiVersion: example.com/v1, kind: Widget}"),
            Err(why.to_owned())
        );
    }

    #[test]
    fn a_kind_is_not_defined_twice_and_differently() {
        let other = WIDGETS.replace("plural: widgets", "plural: gadgets");
        let why = "`a.yaml` document 2: it defines Widget of group `example.com` as `gadgets` without namespace, and \
                   elsewhere it is `widgets` without namespace";
        assert_eq!(found(&format!("{WIDGETS}{other}")), Err(why.to_owned()));
        let ours = WIDGETS
            .replace("example.com, scope", "apps, scope")
            .replace("Widget,", "Deployment,");
        assert!(
            found(&ours)
                .unwrap_err()
                .contains("elsewhere it is `deployments` in namespaces")
        );
    }
}
