//! What all permission objects say, as one digest: a person looks at them and then turns strict mode on for exactly
//! that.

use std::{
    borrow::Cow,
    sync::{Arc, OnceLock},
};

use imbl::OrdMap;

use crate::digest::Digest;

/// The permission objects, each by the digest of what it says.
#[derive(Clone, Debug, Default)]
pub struct Permissions {
    says: OrdMap<(Cow<'static, str>, Arc<str>), Option<Digest>>,
    /// Computed when it is first asked for, and shared by all clones of the same content.
    digest: Arc<OnceLock<Digest>>,
}

impl Permissions {
    /// Notes what the object of this kind and name says; `None` when it cannot be read.
    pub fn note(&mut self, kind: Cow<'static, str>, name: Arc<str>, says: Option<Digest>) {
        let object = (kind, name);
        if self.says.get(&object) != Some(&says) {
            self.says.insert(object, says);
            self.digest = Arc::default();
        }
    }

    /// Takes an object out.
    pub fn forget(&mut self, kind: Cow<'static, str>, name: Arc<str>) {
        if self.says.remove(&(kind, name)).is_some() {
            self.digest = Arc::default();
        }
    }

    /// The names of the objects of a kind.
    pub fn names(&self, kind: Cow<'static, str>) -> impl Iterator<Item = &Arc<str>> {
        let first = (kind.clone(), Arc::from(""));
        let after = self.says.range(first..).map(|((kind, name), _)| (kind, name));
        after
            .take_while(move |(of, _)| **of == kind)
            .map(|(_, name)| name)
    }

    /// The digest of all of them.
    pub fn digest(&self) -> Digest {
        *self.digest.get_or_init(|| {
            // Kinds and names hold no space and no line feed.
            let line = |((kind, name), says): (&(_, Arc<str>), &Option<Digest>)| {
                let kind: &Cow<'_, str> = kind;
                let says = says.map_or_else(|| "unreadable".to_owned(), |says| says.to_string());
                format!("{kind} {name} {says}\n")
            };
            let lines: String = self.says.iter().map(line).collect();
            Digest::of(&[b"countersign.dev/permissions/v1\n", lines.as_bytes()])
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    type Noted = (&'static str, u8, Option<u8>);

    fn noted<'a>(objects: impl IntoIterator<Item = &'a Noted>) -> Permissions {
        let mut permissions = Permissions::default();
        for (kind, name, says) in objects {
            let says = says.map(|says| Digest::of(&[&[says]]));
            permissions.note((*kind).into(), name.to_string().into(), says);
        }
        permissions
    }

    #[test]
    fn every_object_counts() {
        let objects = [("Team", 1, Some(1)), ("Zone", 1, Some(1))];
        let digest = noted(&objects).digest();
        for change in [
            ("Zone", 1, Some(2)),
            ("Zone", 1, None),
            ("Zone", 2, Some(1)),
            ("Zone", 2, None),
            ("Team", 1, Some(2)),
            ("Agent", 1, Some(1)),
        ] {
            let changed = [objects[0], objects[1], change];
            assert_ne!(noted(&changed).digest(), digest, "{change:?}");
        }
        let whole = noted(&objects);
        let mut without = whole.clone();
        without.forget("Zone".into(), "1".into());
        assert_ne!(without.digest(), digest);
        assert_eq!(whole.digest(), digest, "what one clone forgets the other knows");
    }

    #[test]
    fn a_digest_stays_as_it_is() {
        let digest = noted(&[("Zone", 1, Some(1)), ("Zone", 2, None)]).digest();
        let said = "sha256:5c08a1f1a1e44af6e73c86a9307fed864b57e8a5a74fa20fedb1ee464c0c7941";
        assert_eq!(digest.to_string(), said);
    }

    fn objects() -> impl Strategy<Value = Vec<Noted>> {
        let kind = prop::sample::select(vec!["Agent", "Team", "Zone"]);
        prop::collection::vec((kind, 0..4_u8, prop::option::of(0..3_u8)), 0..12)
    }

    proptest! {
        /// However the objects came to be as they are, and whoever asked for the digest in between.
        #[test]
        fn the_digest_and_the_names_are_those_of_the_content(objects in objects()) {
            let mut permissions = noted(&objects);
            permissions.digest();
            permissions.note("Team".into(), "9".into(), None);
            permissions.digest();
            permissions.forget("Team".into(), "9".into());
            let content: BTreeMap<_, _> =
                objects.iter().map(|(kind, name, says)| ((*kind, *name), *says)).collect();
            let last: Vec<Noted> =
                content.iter().rev().map(|((kind, name), says)| (*kind, *name, *says)).collect();
            prop_assert_eq!(noted(&last).digest(), permissions.digest());
            let teams: Vec<_> = permissions.names("Team".into()).map(ToString::to_string).collect();
            let expected = content.keys().filter(|(kind, _)| *kind == "Team");
            prop_assert_eq!(teams, expected.map(|(_, name)| name.to_string()).collect::<Vec<_>>());
        }
    }
}
