//! A ticket for tests, and what is wrong with one that shows something else than it binds.

use countersign_core::{
    binding::BoundTarget,
    environment::Environment,
    hash::{EffectiveChange, Granule, Value, command_hash, command_text, resource_hash},
    object::Object,
    request::Operation,
};

use super::*;

const NONCE: &str = "00112233445566778899aabbccddeeff";

/// A stamped ticket: the write of `deploy-bot` changes these parts of a Deployment.
pub fn ticket(parts: &[(&str, Option<&str>, Option<&str>)]) -> ApprovalTicket {
    let value = |text: Option<&str>| text.map(|text| text.parse::<Value>().unwrap());
    let granules: Vec<_> = parts
        .iter()
        .map(|&(pointer, old, new)| Granule {
            pointer: pointer.to_owned(),
            old: value(old),
            new: value(new),
        })
        .collect();
    let root = |side: fn(&Granule) -> &Option<Value>| {
        let digest = |granule| side(granule).as_ref().map(Value::digest);
        let digests = granules
            .iter()
            .map(|granule| (granule.pointer.as_str(), digest(granule)));
        resource_hash("apps/v1", "Deployment", "", &digests.collect())
    };
    let (resource_hash, old_hash) = (root(|granule| &granule.new), root(|granule| &granule.old));
    let bound = bound(Operation::Update, resource_hash, Some(old_hash), None);
    stamped(
        &bound,
        &EffectiveChange {
            granules,
            ignored: Vec::new(),
            resource_hash,
            old_hash: None,
        },
        None,
    )
}

/// A stamped ticket for the deletion of a Deployment with these options.
pub fn deletion(options: &str) -> ApprovalTicket {
    let options = Object::parse(options).unwrap();
    let granule = Granule {
        pointer: String::new(),
        old: None,
        new: None,
    };
    let digests = [("", None)].into_iter().collect();
    let resource_hash = resource_hash("apps/v1", "Deployment", "", &digests);
    let command = command_hash(Some(&options)).unwrap();
    let bound = bound(Operation::Delete, resource_hash, None, Some(command));
    let change = EffectiveChange {
        granules: vec![granule],
        ignored: Vec::new(),
        resource_hash,
        old_hash: None,
    };
    stamped(&bound, &change, Some(command_text(Some(&options)).unwrap()))
}

fn bound(
    operation: Operation,
    resource_hash: Digest,
    old_hash: Option<Digest>,
    command_hash: Option<Digest>,
) -> binding::Binding {
    binding::Binding {
        cluster_id: "c1".to_owned(),
        subject: "agent:deploy-bot".parse().unwrap(),
        environment: Environment::Prod,
        target: BoundTarget {
            group: "apps".to_owned(),
            version: "v1".to_owned(),
            kind: "Deployment".to_owned(),
            resource: "deployments".to_owned(),
            namespace: Some("billing".to_owned()),
            name: "my-api".to_owned(),
            uid: Some("u1".to_owned()),
            ..BoundTarget::default()
        },
        operation,
        resource_hash,
        old_hash,
        command_hash,
        zone_claims: Vec::new(),
    }
}

fn stamped(bound: &binding::Binding, change: &EffectiveChange, command: Option<String>) -> ApprovalTicket {
    let spec = ApprovalTicketSpec {
        binding: Binding {
            nonce: Some(NONCE.to_owned()),
            ..Binding::of(bound)
        },
        binding_hash: Some(bound.hash(Some(NONCE)).to_string()),
        requester: Some("agent:deploy-bot".to_owned()),
        policy_digest: None,
        change: ChangedPart::list(change),
        ignored: Vec::new(),
        change_summary: None,
        command,
        reason: Some("a fix".to_owned()),
        authors: Vec::new(),
        authorship: Authorship::Claimed,
        delivered_by: None,
        batch: None,
        stamp: None,
    };
    let mut ticket = ApprovalTicket::new("deployment-my-api-0123456789", spec);
    ticket.metadata.namespace = Some("billing".to_owned());
    ticket.metadata.uid = Some("t1".to_owned());
    ticket
}

#[test]
fn a_ticket_that_shows_what_it_binds_is_verified() {
    let ticket = ticket(&[("/spec/replicas", Some("2"), Some("3"))]);
    assert_eq!(
        verify(&ticket).unwrap().to_string(),
        ticket.spec.binding_hash.unwrap()
    );
    assert!(verify(&deletion(r#"{"propagationPolicy":"Background"}"#)).is_ok());
}

#[test]
fn a_ticket_that_shows_another_change_is_not() {
    let mut forged = ticket(&[("/spec/replicas", Some("2"), Some("3"))]);
    forged.spec.change[0].new = Some("2".to_owned());
    let error = verify(&forged).unwrap_err().to_string();
    assert!(error.starts_with("spec.binding.resourceHash: "), "{error}");
}

#[test]
fn a_ticket_with_another_hash_or_none_is_not() {
    let mut other = ticket(&[]);
    other.spec.binding_hash = Some(Digest::of(&[]).to_string());
    let error = verify(&other).unwrap_err().to_string();
    assert!(
        error.starts_with("spec.bindingHash is sha256:e3b0c44298fc"),
        "{error}"
    );
    other.spec.binding_hash = None;
    let error = verify(&other).unwrap_err().to_string();
    let expected = "spec.bindingHash is missing: the operator has not stamped `deployment-my-api-0123456789`";
    assert_eq!(error, expected);
}

#[test]
fn options_that_are_not_those_that_are_bound_are_not() {
    let mut forged = deletion(r#"{"propagationPolicy":"Background"}"#);
    let mut unbound = ticket(&[]);
    unbound.spec.command = Some("{}".to_owned());
    for text in [r#"{"propagationPolicy":"Orphan"}"#, "nothing to see here"] {
        forged.spec.command = Some(text.to_owned());
        let errors = [&forged, &unbound].map(|ticket| verify(ticket).unwrap_err().to_string());
        assert!(
            errors.iter().all(|error| error.starts_with("spec.command: ")),
            "{errors:?}"
        );
    }
}

#[test]
fn states_are_read_in_any_case_and_others_are_told() {
    assert_eq!(parse_state("approved"), Ok(TicketState::Approved));
    let error = parse_state("done").unwrap_err();
    assert!(
        error.starts_with("not a state: use one of Pending, Approved, "),
        "{error}"
    );
}
