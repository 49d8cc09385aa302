//! What the running API server offers to write: every version, resource, subresource and verb.

use std::{collections::BTreeSet, fmt, rc::Rc};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{APIResource, APIResourceList};
use kube::Client;

/// The namespace of the walk.
pub const NAMESPACE: &str = "walk";

/// A kind in one version.
#[derive(Clone, Debug)]
pub struct Kind {
    /// `<group>/<version>`.
    pub api_version: String,
    /// The kind.
    pub kind: String,
}

/// A resource or a subresource in one version.
#[derive(Debug)]
pub struct Resource {
    /// API group, empty for the core group.
    pub group: String,
    /// Plural name, without the subresource.
    pub plural: String,
    /// Subresource, empty for the objects themselves.
    pub subresource: String,
    /// Whether its objects are in namespaces.
    pub namespaced: bool,
    /// Whether a CustomResourceDefinition defines it.
    pub custom: bool,
    /// The kind of the objects, also of those that a subresource belongs to.
    pub object: Kind,
    /// The kind of what is sent.
    pub body: Kind,
    /// What can be done with it, in discovery's words.
    pub verbs: Vec<String>,
}

/// One way to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// A new object, or something about one.
    Create,
    /// A whole object.
    Update,
    /// A part of one.
    Patch(Patch),
    /// One object.
    Delete,
    /// All that are selected.
    DeleteCollection,
    /// A connection, by this HTTP method.
    Connect(&'static str),
}

/// One format of patches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patch {
    /// RFC 6902.
    Json,
    /// RFC 7386.
    Merge,
    /// Kubernetes' own.
    Strategic,
    /// Server-side apply.
    Apply,
}

/// One triple: a resource, perhaps a subresource, and a verb.
pub struct Write {
    /// What is written.
    pub resource: Rc<Resource>,
    /// How.
    pub verb: Verb,
}

/// Everything that is served; `custom` has the groups of custom kinds.
pub async fn resources(client: &Client, custom: &BTreeSet<String>) -> Vec<Rc<Resource>> {
    let mut lists = Vec::new();
    for version in client.list_core_api_versions().await.unwrap().versions {
        lists.push(client.list_core_api_resources(&version).await.unwrap());
    }
    for group in client.list_api_groups().await.unwrap().groups {
        for version in group.versions {
            let list = client.list_api_group_resources(&version.group_version).await;
            lists.push(list.unwrap());
        }
    }
    let of_list = |list| resources_of(list, custom);
    lists.iter().flat_map(of_list).map(Rc::new).collect()
}

fn resources_of(list: &APIResourceList, custom: &BTreeSet<String>) -> Vec<Resource> {
    let resources = list.resources.iter();
    resources.map(|found| resource(found, list, custom)).collect()
}

fn resource(found: &APIResource, list: &APIResourceList, custom: &BTreeSet<String>) -> Resource {
    let (plural, subresource) = found.name.split_once('/').unwrap_or((&found.name, ""));
    let main = list.resources.iter().find(|one| one.name == plural);
    let main = main.unwrap_or_else(|| panic!("`{}` belongs to nothing", found.name));
    let version = &list.group_version;
    let body_version = match (found.group.as_deref(), found.version.as_deref()) {
        (None | Some(""), Some(version)) => version.to_owned(),
        (Some(group), Some(version)) => format!("{group}/{version}"),
        (_, None) => version.clone(),
    };
    let group = version.split_once('/').map_or("", |(group, _)| group);
    Resource {
        group: group.to_owned(),
        plural: plural.to_owned(),
        subresource: subresource.to_owned(),
        namespaced: found.namespaced,
        custom: custom.contains(group),
        object: Kind {
            api_version: version.clone(),
            kind: main.kind.clone(),
        },
        body: Kind {
            api_version: body_version,
            kind: found.kind.clone(),
        },
        verbs: found.verbs.clone(),
    }
}

impl Resource {
    /// `<resource>.<group>`; the core group has no suffix.
    pub fn name(&self) -> String {
        if self.group.is_empty() {
            self.plural.clone()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }

    /// Whether discovery lists this verb.
    pub fn can(&self, verb: &str) -> bool {
        self.verbs.iter().any(|known| known == verb)
    }

    /// Where all objects are.
    pub fn collection(&self) -> String {
        let root = if self.group.is_empty() { "/api" } else { "/apis" };
        let namespace = if self.namespaced {
            format!("/namespaces/{NAMESPACE}")
        } else {
            String::new()
        };
        format!("{root}/{}{namespace}/{}", self.object.api_version, self.plural)
    }

    /// All ways to write it.
    pub fn writes(self: &Rc<Self>) -> Vec<Write> {
        // Every call of a connection is one, the reading ones too. Discovery tells them by their options.
        let connects = !self.subresource.is_empty() && self.body.kind.ends_with("Options");
        let of_verb = |verb: &String| {
            if connects {
                vec![Verb::Connect(method(verb))]
            } else {
                verbs(verb)
            }
        };
        let verbs = self.verbs.iter().flat_map(of_verb);
        verbs
            .map(|verb| Write {
                resource: Rc::clone(self),
                verb,
            })
            .collect()
    }
}

fn verbs(verb: &str) -> Vec<Verb> {
    match verb {
        "get" | "list" | "watch" => vec![],
        "create" => vec![Verb::Create],
        "update" => vec![Verb::Update],
        "patch" => [Patch::Json, Patch::Merge, Patch::Strategic, Patch::Apply]
            .map(Verb::Patch)
            .to_vec(),
        "delete" => vec![Verb::Delete],
        "deletecollection" => vec![Verb::DeleteCollection],
        new => panic!("discovery has a new verb `{new}`: say here whether and how it writes"),
    }
}

fn method(verb: &str) -> &'static str {
    match verb {
        "get" => "GET",
        "create" => "POST",
        "update" => "PUT",
        "patch" => "PATCH",
        "delete" => "DELETE",
        new => panic!("discovery has a new verb `{new}` of a connection: say here which method it is"),
    }
}

impl fmt::Display for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Resource {
            object,
            plural,
            subresource,
            ..
        } = &*self.resource;
        write!(f, "{} {plural}", object.api_version)?;
        if !subresource.is_empty() {
            write!(f, "/{subresource}")?;
        }
        write!(f, " {:?}", self.verb)
    }
}
