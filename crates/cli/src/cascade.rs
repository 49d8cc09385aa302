//! What goes with an object that is deleted, as far as the caller may look.

use std::collections::{BTreeMap, HashMap, HashSet};

use countersign_api::ApprovalTicket;
use countersign_core::{plain::plain, request::Operation};
use futures::{StreamExt, stream};
use kube::{
    Api, ResourceExt,
    api::{ListParams, PartialObjectMeta},
    core::{ApiResource, DynamicObject},
    discovery::{ApiCapabilities, ApiGroup, Discovery, Scope, verbs},
};

use crate::{
    connection::Session,
    ticket::{is_final, state_of},
};

/// How many objects of one kind are looked at.
const OBJECTS: u32 = 500;
/// How many kinds are asked for at once.
const AT_ONCE: usize = 8;
/// How many lines are shown.
const LINES: usize = 25;

/// One object, and who owns it.
struct Found {
    name: String,
    uid: String,
    owners: Vec<String>,
}

/// What was seen in a namespace.
#[derive(Default)]
struct Seen {
    /// The objects by `<resource>.<group>`.
    objects: BTreeMap<String, Vec<Found>>,
    /// The kinds that could not be looked at, or not whole.
    unseen: Vec<String>,
}

/// The lines that tell what goes with what the ticket deletes; none for a ticket that deletes nothing any more.
pub async fn of(ticket: &ApprovalTicket, session: &Session) -> Vec<String> {
    let (binding, target) = (&ticket.spec.binding, &ticket.spec.binding.target);
    let deletes = binding.operation == Operation::Delete && target.subresource.is_none();
    let Some(uid) = target
        .uid
        .as_deref()
        .filter(|_| deletes && !is_final(state_of(ticket)))
    else {
        return Vec::new();
    };
    let is_namespace = target.group.is_empty() && target.resource == "namespaces";
    let namespace = if is_namespace {
        Some(&target.name)
    } else {
        target.namespace.as_ref()
    };
    let Some(namespace) = namespace else {
        return vec!["what it owns may be in any namespace, and was not looked for".to_owned()];
    };
    let seen = match look(namespace, session).await {
        Ok(seen) => seen,
        Err(error) => {
            return vec![format!(
                "what goes with it could not be read: {}",
                plain(&error.to_string())
            )];
        }
    };
    let mut lines = if is_namespace {
        whole(&seen)
    } else {
        owned(&seen, uid)
    };
    let left = lines.len().saturating_sub(LINES);
    lines.truncate(LINES);
    if left > 0 {
        lines.push(format!("and {left} more"));
    }
    if !seen.unseen.is_empty() {
        lines.push(format!(
            "not or not wholly looked at: {}",
            plain(&seen.unseen.join(", "))
        ));
    }
    lines
}

async fn look(namespace: &str, session: &Session) -> kube::Result<Seen> {
    let discovery = Discovery::new(session.client.clone()).run_aggregated().await?;
    let kinds = discovery.groups().flat_map(ApiGroup::recommended_resources);
    let listed: Vec<_> = kinds.filter(is_listed).map(|(kind, _)| kind).collect();
    let asked = listed.into_iter().map(|kind| async move {
        let api = Api::<DynamicObject>::namespaced_with(session.client.clone(), namespace, &kind);
        let answer = api.list_metadata(&ListParams::default().limit(OBJECTS)).await;
        (resource_type(&kind), answer)
    });
    let mut answers = stream::iter(asked).buffer_unordered(AT_ONCE);
    let mut seen = Seen::default();
    while let Some((kind, answer)) = answers.next().await {
        let Ok(list) = answer else {
            seen.unseen.push(kind);
            continue;
        };
        if list.metadata.continue_.is_some_and(|token| !token.is_empty()) {
            seen.unseen.push(kind.clone());
        }
        seen.objects
            .insert(kind, list.items.iter().map(Found::of).collect());
    }
    seen.unseen.sort_unstable();
    Ok(seen)
}

fn is_listed((kind, capabilities): &(ApiResource, ApiCapabilities)) -> bool {
    // Events speak of what happened, and are nobody's.
    let is_event = kind.plural == "events";
    capabilities.scope == Scope::Namespaced && capabilities.supports_operation(verbs::LIST) && !is_event
}

fn resource_type(kind: &ApiResource) -> String {
    if kind.group.is_empty() {
        kind.plural.clone()
    } else {
        format!("{}.{}", kind.plural, kind.group)
    }
}

impl Found {
    fn of(object: &PartialObjectMeta<DynamicObject>) -> Self {
        let owners = object.owner_references().iter();
        Self {
            name: object.name_any(),
            uid: object.uid().unwrap_or_default(),
            owners: owners.map(|owner| owner.uid.clone()).collect(),
        }
    }
}

/// How many objects of each kind are in a namespace.
fn whole(seen: &Seen) -> Vec<String> {
    let some = seen.objects.iter().filter(|(_, objects)| !objects.is_empty());
    some.map(|(kind, objects)| format!("{} {}", objects.len(), plain(kind)))
        .collect()
}

/// The objects that this one owns, and those that they own, nearest first.
fn owned(seen: &Seen, uid: &str) -> Vec<String> {
    let mut of_owner: HashMap<&str, Vec<(&str, &Found)>> = HashMap::new();
    for (kind, objects) in &seen.objects {
        for object in objects {
            for owner in &object.owners {
                of_owner.entry(owner).or_default().push((kind, object));
            }
        }
    }
    let (mut lines, mut known, mut level) = (Vec::new(), HashSet::from([uid]), vec![uid]);
    while !level.is_empty() {
        let below = level.iter().filter_map(|owner| of_owner.get(owner)).flatten();
        let new: Vec<_> = below.filter(|(_, object)| known.insert(&object.uid)).collect();
        lines.extend(
            new.iter()
                .map(|(kind, object)| plain(&format!("{kind}/{}", object.name))),
        );
        level = new.iter().map(|(_, object)| object.uid.as_str()).collect();
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str, owners: &[&str]) -> Found {
        Found {
            name: name.to_owned(),
            uid: format!("uid-of-{name}"),
            owners: owners.iter().map(|owner| format!("uid-of-{owner}")).collect(),
        }
    }

    fn seen() -> Seen {
        let pods = vec![
            found("web-1-a", &["web-1"]),
            found("alone", &[]),
            found("\u{1b}[2J", &["web-1"]),
        ];
        Seen {
            objects: BTreeMap::from([
                ("configmaps".to_owned(), Vec::new()),
                ("pods".to_owned(), pods),
                (
                    "replicasets.apps".to_owned(),
                    vec![found("web-1", &["web"]), found("loop", &["loop"])],
                ),
            ]),
            unseen: Vec::new(),
        }
    }

    #[test]
    fn what_is_owned_goes_and_what_that_owns() {
        let expected = ["replicasets.apps/web-1", "pods/web-1-a", "pods/\\u{1b}[2J"];
        assert_eq!(owned(&seen(), "uid-of-web"), expected);
        assert_eq!(
            owned(&seen(), "uid-of-loop"),
            Vec::<String>::new(),
            "who owns itself is no end"
        );
        assert_eq!(owned(&seen(), "uid-of-alone"), Vec::<String>::new());
    }

    #[test]
    fn of_a_namespace_everything_goes() {
        assert_eq!(whole(&seen()), ["3 pods", "2 replicasets.apps"]);
    }
}
