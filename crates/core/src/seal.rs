//! Seals: the operator's proof that a permission object passed admission in its present form.
//!
//! No webhook guards webhook configurations (E16): who removes ours for a moment writes what nobody judged. An object
//! without a seal for its present generation grants nothing. Uid and generation are the API server's, so the seal of an
//! earlier content, or of another object of the name, fits nothing else.

use serde::{Deserialize, Serialize};

use crate::digest::{Digest, MacKey};

/// One content of one object, as the API server counts them: what admission saw, and what a watch shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// The kind, such as `Zone`.
    pub kind: String,
    /// The name.
    pub name: String,
    /// The uid.
    pub uid: String,
    /// `metadata.generation`.
    pub generation: i64,
    /// Digest of the canonical spec.
    pub spec: Digest,
}

/// What the seal of a permission object is over.
#[derive(Clone, Copy, Debug)]
pub struct Seal<'a> {
    /// The cluster.
    pub cluster_id: &'a str,
    /// What the object says.
    pub content: &'a Content,
    /// Digest of what the operator found and decisions rest on: the pinned accounts of an Agent.
    pub found: Digest,
}

impl Seal<'_> {
    /// The seal.
    pub fn sign(&self, key: &MacKey) -> String {
        self.parts(|parts| key.sign(parts))
    }

    /// Whether `seal` is the operator's.
    pub fn verify(&self, key: &MacKey, seal: &str) -> bool {
        self.parts(|parts| key.verify(parts, seal))
    }

    fn parts<T>(&self, then: impl FnOnce(&[&[u8]]) -> T) -> T {
        then(&[
            b"permission",
            self.cluster_id.as_bytes(),
            self.content.kind.as_bytes(),
            self.content.name.as_bytes(),
            self.content.uid.as_bytes(),
            &self.content.generation.to_be_bytes(),
            self.content.spec.as_bytes(),
            self.found.as_bytes(),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_fits_one_content_of_one_object() {
        let key = MacKey::new([3; 32]);
        let content = Content {
            kind: "Zone".to_owned(),
            name: "shop".to_owned(),
            uid: "u1".to_owned(),
            generation: 2,
            spec: Digest::of(&[b"spec"]),
        };
        let seal = Seal {
            cluster_id: "c",
            content: &content,
            found: Digest::of(&[]),
        };
        let mac = seal.sign(&key);
        assert!(seal.verify(&key, &mac));
        let other = Digest::of(&[b"other"]);
        let changed = |change: fn(&mut Content)| {
            let mut changed = content.clone();
            change(&mut changed);
            changed
        };
        for content in [
            changed(|content| content.kind = "Team".to_owned()),
            changed(|content| content.name = "shop2".to_owned()),
            changed(|content| content.uid = "u2".to_owned()),
            changed(|content| content.generation = 1),
            changed(|content| content.spec = Digest::of(&[b"other"])),
        ] {
            let content = &content;
            assert!(!Seal { content, ..seal }.verify(&key, &mac), "{content:?}");
        }
        let cluster_id = "d";
        assert!(!Seal { cluster_id, ..seal }.verify(&key, &mac));
        assert!(!Seal { found: other, ..seal }.verify(&key, &mac));
        assert!(!seal.verify(&MacKey::new([4; 32]), &mac));
    }
}
