//! The place of a write in the object space, and what lies there: zone, public place, environment.

use std::sync::Arc;

use smol_str::SmolStr;

use crate::{
    glob::Glob,
    request::Target,
    snapshot::Snapshot,
    zones::{Holding, Zone},
};

/// The three segments of an object's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// The namespace, or `@cluster`.
    pub project: &'a str,
    /// `<resource>.<group>`.
    pub resource: SmolStr,
    /// The name.
    pub name: &'a str,
}

/// A place that several zones claim, or that lies in a zone that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contest(Vec<Arc<str>>);

impl Contest {
    /// The zones' names, separated by commas.
    pub fn zones(&self) -> String {
        self.0.join(", ")
    }
}

impl<'a> Place<'a> {
    /// The place of a target; a subresource is a write of its parent and no place of its own.
    pub fn of(target: &Target<'a>) -> Self {
        let project = target.namespace.unwrap_or(crate::request::CLUSTER);
        Self {
            project,
            resource: target.resource_type(),
            name: target.parent().name,
        }
    }

    /// The zone that holds the place. At most one does, or the place is contested.
    pub fn zone(&self, snapshot: &Snapshot) -> Result<Option<Arc<Zone>>, Contest> {
        match snapshot.zones.object(self.project, &self.resource, self.name) {
            Holding::None => Ok(None),
            Holding::One(zone) if snapshot.unreadable_zones.contains_key(&zone.name) => {
                Err(Contest(vec![zone.name.clone()]))
            }
            Holding::One(zone) => Ok(Some(zone.clone())),
            Holding::Contested(zones) => Err(Contest(zones.iter().map(|zone| zone.name.clone()).collect())),
        }
    }

    /// The names of the zones that hold the place, separated by commas; more than one where it is contested.
    pub fn zones(&self, snapshot: &Snapshot) -> Option<String> {
        match self.zone(snapshot) {
            Ok(zone) => zone.map(|zone| zone.name.to_string()),
            Err(contest) => Some(contest.zones()),
        }
    }

    /// Whether one of the globs matches the place.
    pub fn is_under(&self, globs: &[Glob]) -> bool {
        !globs.is_empty() && {
            let path = self.path();
            globs.iter().any(|glob| glob.matches(&path))
        }
    }

    /// The place as one path.
    pub fn path(&self) -> String {
        format!("{}/{}/{}", self.project, self.resource, self.name)
    }
}

/// The zones that are about a namespace, by name.
pub fn zones_about(namespace: &str, snapshot: &Snapshot) -> impl Iterator<Item = Result<Arc<Zone>, Contest>> {
    let readable = |(name, zone)| {
        if snapshot.unreadable_zones.contains_key(&name) {
            return Err(Contest(vec![name]));
        }
        Ok(zone)
    };
    snapshot.zones.about(namespace).into_iter().map(readable)
}
