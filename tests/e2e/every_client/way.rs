//! The ways in which clients update.

use serde_json::Value;

use super::{
    super::harness::{Outcome, Person},
    objects::{Edited, list, merge},
};

/// How an update is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// `kubectl apply`: a patch that the client computes from what it applied before, what is there, and what shall be.
    Apply,
    /// `kubectl apply --server-side`.
    ServerSide,
    /// `kubectl replace`, of what is there with the change in it, as `kubectl edit` and many controllers do.
    Replace,
    /// `kubectl patch --type=merge` of the change alone.
    Patch,
}

impl Way {
    /// All.
    pub const ALL: [Self; 4] = [Self::Apply, Self::ServerSide, Self::Replace, Self::Patch];

    /// Makes the change, with these flags; what became of all objects.
    pub fn make(self, by: &Person, edited: &Edited, flags: &str) -> Outcome {
        let all = list(&edited.whole);
        match self {
            Self::Apply => by.kubectl_with(&format!("apply {flags} -f -"), &all),
            Self::ServerSide => {
                let apply = format!("apply --server-side --force-conflicts {flags} -f -");
                by.kubectl_with(&apply, &all)
            }
            Self::Replace => {
                let replace = format!("replace --validate=false {flags} -f -");
                by.kubectl_with(&replace, &list(&present(by, edited)))
            }
            Self::Patch => patch(by, edited, flags),
        }
    }
}

/// What `kubectl apply` writes for itself.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// What is there, with the change in it. kubectl would note all of it as applied, and remove with the next apply what the
/// API server chose.
fn present(by: &Person, edited: &Edited) -> Vec<Value> {
    let there = by.kubectl_with("get -o json -f -", &list(&edited.whole)).done();
    let mut there: Value = serde_json::from_str(&there).unwrap();
    let objects = there["items"].as_array_mut().unwrap();
    for (object, change) in objects.iter_mut().zip(&edited.changes) {
        let metadata = &mut object["metadata"];
        metadata.as_object_mut().unwrap().remove("resourceVersion");
        if let Some(annotations) = metadata["annotations"].as_object_mut() {
            annotations.remove(LAST_APPLIED);
        }
        merge(object, change);
    }
    objects.clone()
}

fn patch(by: &Person, edited: &Edited, flags: &str) -> Outcome {
    let patches = edited.whole.iter().zip(&edited.changes).map(|(object, change)| {
        let change = change.to_string();
        let mut words = vec!["patch", "--type=merge", "-p", &change, "-f", "-"];
        words.extend(flags.split_whitespace());
        by.run(&words, &object.to_string())
    });
    patches.reduce(|all, one| all.and(&one)).unwrap()
}
