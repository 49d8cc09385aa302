//! Every field of every kind counts: an object that differs in one field from another has another hash, unless the
//! field is one of those that are left out, and each of these is left out.
//!
//! The API server tells the fields of every kind that it lets anybody replace. An object that has them all is changed
//! in one place at a time, and shown with what is beside and above this place.

mod edits;
mod openapi;

use std::collections::{BTreeMap, BTreeSet};

use countersign_core::{
    digest::MacKey,
    hash::{
        EffectiveChange, GitOpsClient, HashContext, OMISSIONS, Omission, Proof, When, effective_change,
        is_noop,
    },
    object::{Change, Object},
};
use serde_json::{Value, json};

use self::{
    edits::{Edit, edits, place_of, plant},
    openapi::Body,
};
use super::harness::shared;

/// Places that are granules only by what is in them.
const SPLIT: [&[&str]; 3] = [
    &["metadata"],
    &["metadata", "labels"],
    &["metadata", "annotations"],
];

#[test]
fn every_field_of_every_kind_counts_unless_it_is_left_out() {
    let bodies = openapi::bodies(shared().admin());
    let mut kinds = BTreeSet::new();
    let (mut counted, mut left_out, mut hit) = (0, 0, BTreeMap::new());
    for body in &bodies {
        kinds.insert((&body.api_version, &body.kind));
        let sample = body.with_rows(1);
        let mut seen = BTreeSet::new();
        for edit in edits(&sample) {
            let what = format!("{} {} {}: {edit}", body.api_version, body.kind, body.subresource);
            let around = edit.around(&sample);
            let [whole, edited] = [&around, &edit.of(&around)].map(Value::to_string);
            if let Some(row) = body.row_of(&edit) {
                body.is_left_out(&whole, &edited, row, &what);
                *hit.entry(row.pointer).or_insert(0) += 1;
                left_out += 1;
            } else if !SPLIT.contains(&&*edit.place.names()) {
                let effect = body.counts(&whole, &edited, &what);
                assert!(
                    seen.insert(effect.resource_hash),
                    "{what} has the hash of another edit"
                );
                body.counts(&edited, &whole, &what);
                counted += 1;
            }
        }
    }
    let rows = OMISSIONS.iter().filter(|row| is_plain(row));
    let unhit: Vec<_> = rows.filter(|row| !hit.contains_key(row.pointer)).collect();
    assert!(unhit.is_empty(), "nothing has these places: {unhit:?}");
    println!("hash_fields_counted {counted} edits of {} kinds", kinds.len());
    println!("hash_fields_left_out {left_out} edits of {} places", hit.len());
}

#[test]
fn what_the_api_server_chose_is_left_out_of_every_kind_that_has_it() {
    let bodies = openapi::bodies(shared().admin());
    let chosen = OMISSIONS
        .iter()
        .filter(|row| matches!(row.when, When::ServerChosen(_)));
    for row in chosen {
        let (api_version, kind) = row.of.unwrap();
        let body = bodies
            .iter()
            .find(|body| body.api_version == api_version && body.kind == kind)
            .unwrap();
        let hashes = [1, 2].map(|choice| {
            let new = body.chosen(choice);
            assert!(!edits::at(&new, &place_of(row.pointer)).is_empty(), "{row:?}");
            body.effect(None, &new.to_string(), None).resource_hash
        });
        assert_eq!(hashes[0], hashes[1], "{row:?}");
    }
}

#[test]
fn the_marks_of_a_client_are_left_out_of_its_own_writes() {
    let bodies = openapi::bodies(shared().admin());
    for row in OMISSIONS {
        let When::OwnerMark(client) = row.when else {
            continue;
        };
        for body in &bodies {
            let sample = body.with_rows(1);
            let mut marked = sample.clone();
            plant(&mut marked, &place_of(row.pointer), &json!("mark"));
            let [old, new] = [sample, marked].map(|object| object.to_string());
            let granules = |writer| body.effect(Some(&old), &new, writer).granules.len();
            assert_eq!(
                (granules(Some(client)), granules(None)),
                (0, 1),
                "{} {row:?}",
                body.kind
            );
        }
    }
}

/// Whether a row holds for any value in its place.
fn is_plain(row: &Omission) -> bool {
    match row.when {
        When::ServerOwned | When::Identity | When::Counter => true,
        When::ServerChosen(proof) => matches!(proof, Proof::Moment | Proof::Overwritten),
        When::OwnerMark(_) => false,
    }
}

impl Body {
    /// Its sample with a value in each place that is left out of this kind: one of the API server's choices.
    fn with_rows(&self, choice: u8) -> Value {
        let mut object = self.sample.clone();
        let uid = format!("uid-{choice}");
        plant(&mut object, &place_of("/metadata/uid"), &json!(uid));
        for row in OMISSIONS.iter().filter(|row| self.has(row)) {
            let value = match row.when {
                When::OwnerMark(_) => continue,
                When::ServerChosen(Proof::OwnUid) => uid.clone(),
                When::ServerChosen(Proof::AccessVolume) => format!("kube-api-access-aaaa{choice}"),
                _ if row.pointer == "/metadata/uid" => continue,
                _ => format!("choice-{choice}"),
            };
            plant(&mut object, &place_of(row.pointer), &json!(value));
        }
        object
    }

    /// The same as somebody sent it, but for the choices.
    fn chosen(&self, choice: u8) -> Value {
        let mut object = self.with_rows(choice);
        let port = &object["spec"]["ports"][0];
        let port = json!({ "port": port["port"], "protocol": port["protocol"] });
        let ports = BTreeMap::from([(format!("k:{port}"), json!({ "f:port": {} }))]);
        let fields = json!({ "f:spec": { "f:sent": {}, "f:ports": ports } });
        object["metadata"]["managedFields"] = json!([{ "manager": "client", "fieldsV1": fields }]);
        object
    }

    fn has(&self, row: &Omission) -> bool {
        row.of
            .is_none_or(|(api_version, kind)| (api_version, kind) == (&*self.api_version, &*self.kind))
    }

    /// The row that leaves this edit's place out, whatever is there.
    fn row_of(&self, edit: &Edit) -> Option<&'static Omission> {
        OMISSIONS
            .iter()
            .find(|row| is_plain(row) && self.has(row) && edit.place.is_within(&place_of(row.pointer)))
    }

    /// That a write is a change.
    fn counts(&self, old: &str, new: &str, what: &str) -> EffectiveChange {
        assert_eq!(is_noop(&change(Some(old), new)), Ok(false), "{what}");
        let effect = self.effect(Some(old), new, None);
        assert!(!effect.granules.is_empty(), "{what} changes nothing");
        assert_ne!(Some(effect.resource_hash), effect.old_hash, "{what}");
        effect
    }

    /// That two objects have one hash. A choice of the API server's is left out of new values alone.
    fn is_left_out(&self, old: &str, new: &str, row: &Omission, what: &str) {
        if let When::ServerChosen(_) = row.when {
            let hashes = [old, new].map(|object| self.effect(None, object, None).resource_hash);
            assert_eq!(hashes[0], hashes[1], "{what}");
            return;
        }
        let noop = is_noop(&change(Some(old), new));
        assert_eq!(noop, Ok(row.when == When::ServerOwned), "{what}");
        assert_eq!(self.effect(Some(old), new, None).granules, [], "{what}");
    }

    /// What a write changes; it creates the object where there is no old one.
    fn effect(&self, old: Option<&str>, new: &str, writer: Option<GitOpsClient>) -> EffectiveChange {
        let redaction = MacKey::new([7; 32]);
        let context = HashContext {
            api_version: &self.api_version,
            kind: &self.kind,
            subresource: &self.subresource,
            writer,
            ignore: &[],
            redaction: &redaction,
        };
        effective_change(&change(old, new), &context).unwrap()
    }
}

fn change<'a>(old: Option<&'a str>, new: &'a str) -> Change<'a> {
    let new = Object::new(new);
    match old.map(Object::new) {
        None => Change::Create(new),
        Some(old) => Change::Update { old, new },
    }
}
