//! The index: place -> zone. Persistent, so that a snapshot is cheap to take and one change cheap to publish.

mod radix;
#[cfg(test)]
mod tests;
mod trie;

use std::{collections::BTreeMap, fmt, sync::Arc};

use imbl::OrdMap;

use self::trie::{Entry, Trie};
use crate::{
    glob::{Alternative, Glob, Part, all_of, common_path, is_about},
    identity::Identity,
    map::HashMap,
    role::Role,
};

/// A named region with exactly one owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    /// Its name, unique in the cluster.
    pub name: Arc<str>,
    /// Who owns it: writes, reviews, and is asked.
    pub owner: Identity,
    /// Who else may write, with review when `require_review` says so.
    pub cooperators: Vec<Identity>,
    /// Who may review without writing.
    pub reviewers: Vec<Identity>,
    /// What it holds of the object space.
    pub objects: Vec<Glob>,
    /// What it holds of the repository path space.
    pub paths: Vec<Glob>,
    /// The functions in the repository that it holds.
    pub function_ids: Vec<Arc<str>>,
    /// Whether the writes of cooperators need a review; as the policy says when absent.
    pub require_review: Option<bool>,
    /// How many reviewers a reviewed write needs.
    pub min_reviewers: u32,
    /// The roles that a reviewer may have.
    pub reviewer_roles: Vec<Role>,
}

/// In which two zones may not hold the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// `<namespace>/<resource>.<group>/<name>`
    Objects,
    /// Paths of the repository.
    Paths,
    /// Function identities in the repository.
    Functions,
}

/// Who holds a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holding<'a> {
    /// No zone.
    None,
    /// This zone.
    One(&'a Arc<Zone>),
    /// These zones, at least two, by name: until one of them is changed, nobody may write here.
    Contested(Vec<&'a Arc<Zone>>),
}

impl<'a> Holding<'a> {
    fn add(&mut self, zone: &'a Arc<Zone>) {
        match self {
            Self::None => *self = Self::One(zone),
            Self::One(first) if Arc::ptr_eq(first, zone) => {}
            Self::One(first) => {
                let mut zones = vec![*first, zone];
                zones.sort_by(|a, b| a.name.cmp(&b.name));
                *self = Self::Contested(zones);
            }
            Self::Contested(zones) => {
                if let Err(at) = zones.binary_search_by(|other| other.name.cmp(&zone.name)) {
                    zones.insert(at, zone);
                }
            }
        }
    }
}

/// What two zones have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overlap {
    /// The name of the zone that holds it already.
    pub other: Arc<str>,
    /// Where.
    pub space: Space,
    /// An object, a path or a function that both hold.
    pub witness: String,
}

/// All zones, by what they hold. Cloning shares everything; a change copies the way to it and nothing else.
#[derive(Clone, Default)]
pub struct ZoneIndex {
    zones: OrdMap<Arc<str>, Arc<Zone>>,
    objects: Trie,
    /// The same by kind, name and namespace: what holds a kind in many namespaces meets little there. No decision
    /// reads it.
    kinds: Arc<Trie>,
    paths: Trie,
    functions: HashMap<Arc<str>, Vec<Arc<Zone>>>,
}

impl ZoneIndex {
    /// Adds a zone, in place of the one of the same name. An overlap is no error here: the place becomes contested.
    pub fn insert(&mut self, zone: Arc<Zone>) {
        self.remove(&zone.name);
        let entry = |parts: Alternative| Entry {
            parts,
            zone: Arc::clone(&zone),
        };
        for parts in alternatives(&zone.objects) {
            self.objects.insert(entry(Arc::clone(parts)), 0);
            Arc::make_mut(&mut self.kinds).insert(entry(by_kind(parts)), 0);
        }
        for parts in alternatives(&zone.paths) {
            self.paths.insert(entry(Arc::clone(parts)), 0);
        }
        for id in &zone.function_ids {
            let holders = self.functions.entry(Arc::clone(id)).or_default();
            holders.push(Arc::clone(&zone));
        }
        self.zones.insert(Arc::clone(&zone.name), zone);
    }

    /// Takes the zone of this name out, when there is one.
    pub fn remove(&mut self, name: &str) {
        let Some(zone) = self.zones.remove(name) else {
            return;
        };
        for parts in alternatives(&zone.objects) {
            self.objects.remove(&zone, parts);
            Arc::make_mut(&mut self.kinds).remove(&zone, &by_kind(parts));
        }
        for parts in alternatives(&zone.paths) {
            self.paths.remove(&zone, parts);
        }
        for id in &zone.function_ids {
            let holders = self.functions.remove(id).unwrap_or_default();
            let others: Vec<_> = holders
                .into_iter()
                .filter(|other| !Arc::ptr_eq(other, &zone))
                .collect();
            if !others.is_empty() {
                self.functions.insert(Arc::clone(id), others);
            }
        }
    }

    /// The zone of this name.
    pub fn get(&self, name: &str) -> Option<&Arc<Zone>> {
        self.zones.get(name)
    }

    /// How many zones there are.
    pub fn len(&self) -> usize {
        self.zones.len()
    }

    /// Whether there is no zone at all.
    pub fn is_empty(&self) -> bool {
        self.zones.is_empty()
    }

    /// All zones, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Zone>> {
        self.zones.values()
    }

    /// Whether nothing was inserted or removed between the two, one of which is a copy of the other.
    pub fn is_untouched_since(&self, other: &Self) -> bool {
        self.zones.ptr_eq(&other.zones)
    }

    /// Who holds an object; the namespace of a cluster-scoped one is `@cluster`, the resource has its group.
    pub fn object(&self, namespace: &str, resource: &str, name: &str) -> Holding<'_> {
        let mut found = Holding::None;
        self.objects
            .find(&[namespace, resource, name].iter().copied(), 0, &mut found);
        found
    }

    /// Who holds a path of the repository: relative, without empty, `.` and `..` segments.
    pub fn path(&self, path: &str) -> Holding<'_> {
        let mut found = Holding::None;
        self.paths.find(&path.split('/'), 0, &mut found);
        found
    }

    /// Who holds a function of the repository by its identity.
    pub fn function(&self, id: &str) -> Holding<'_> {
        let mut found = Holding::None;
        for zone in self.functions.get(id).into_iter().flatten() {
            found.add(zone);
        }
        found
    }

    /// The zones that are about a namespace, by name: those with a pattern that says how it begins.
    pub fn about(&self, namespace: &str) -> BTreeMap<Arc<str>, Arc<Zone>> {
        let mut zones = BTreeMap::new();
        let mut note = |entry: &Entry| {
            if is_about(&entry.parts, namespace) {
                zones.insert(Arc::clone(&entry.zone.name), Arc::clone(&entry.zone));
            }
            None::<()>
        };
        self.objects.candidates(&all_of(namespace), &mut note);
        zones
    }

    /// What the zone has in common with another one; the one of its own name, which it would replace, apart. Exact.
    pub fn overlap(&self, zone: &Zone) -> Option<Overlap> {
        let objects = || alternatives(&zone.objects).find_map(|parts| self.common_object(&zone.name, parts));
        let paths = || alternatives(&zone.paths).find_map(|parts| common(&self.paths, &zone.name, parts));
        let of = |space| {
            move |(other, witness)| Overlap {
                other,
                space,
                witness,
            }
        };
        objects()
            .map(of(Space::Objects))
            .or_else(|| paths().map(of(Space::Paths)))
            .or_else(|| self.common_function(zone).map(of(Space::Functions)))
    }

    fn common_object(&self, name: &str, parts: &Alternative) -> Option<Common> {
        let by_kind = || {
            let common = common_soon(&self.kinds, name, &by_kind(parts))?;
            Ok(common.and_then(|(other, witness)| {
                let (place, namespace) = witness.rsplit_once('/')?;
                Some((other, format!("{namespace}/{place}")))
            }))
        };
        common_soon(&self.objects, name, parts)
            .or_else(|TooMany| by_kind())
            .unwrap_or_else(|TooMany| common(&self.objects, name, parts))
    }

    fn common_function(&self, zone: &Zone) -> Option<Common> {
        zone.function_ids.iter().find_map(|id| {
            let holders = self.functions.get(id)?;
            let other = holders.iter().find(|other| other.name != zone.name)?;
            Some((Arc::clone(&other.name), id.to_string()))
        })
    }
}

impl fmt::Debug for ZoneIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// The patterns without alternation that these stand for.
fn alternatives(globs: &[Glob]) -> impl Iterator<Item = &Alternative> {
    globs.iter().flat_map(Glob::alternatives)
}

/// The pattern with the namespace last.
fn by_kind(parts: &Alternative) -> Alternative {
    parts.iter().skip(1).chain(parts.first()).cloned().collect()
}

/// The name of another zone, and what it has in common with one.
type Common = (Arc<str>, String);

/// More patterns may have a path in common with one than are worth comparing.
struct TooMany;

/// How many that is; in tests so few that it happens.
const PATIENCE: usize = if cfg!(test) { 4 } else { 500 };

/// A zone of another name that has a path in common with the pattern.
fn common(root: &Trie, name: &str, parts: &[Part]) -> Option<Common> {
    root.candidates(parts, &mut |entry| common_with(entry, name, parts))
}

/// The same, found among the first patterns that may have one.
fn common_soon(root: &Trie, name: &str, parts: &[Part]) -> Result<Option<Common>, TooMany> {
    let mut compared = 0;
    let mut compare = |entry: &Entry| {
        compared += 1;
        if compared > PATIENCE {
            return Some(Err(TooMany));
        }
        common_with(entry, name, parts).map(Ok)
    };
    root.candidates(parts, &mut compare).transpose()
}

fn common_with(entry: &Entry, name: &str, parts: &[Part]) -> Option<Common> {
    let foreign = *entry.zone.name != *name;
    let witness = foreign.then(|| common_path(&entry.parts, parts)).flatten()?;
    Some((Arc::clone(&entry.zone.name), witness))
}
