//! The ticket, compiled, and the text of a binding.

use countersign_core::{
    binding::{self as core, BoundTarget},
    digest::Digest,
    gitops::{Delivery, Owner, Provenance},
    hash::{command_hash, resource_hash},
    naming::TicketName,
    object::{Object, ObjectError},
    ticket,
};
use jiff::{SignedDuration, Timestamp};

use super::{
    ApprovalTicket, ApprovalTicketSpec, ApprovalTicketStatus, Binding, DeliveredBy, Side, Target, digests,
};
use crate::invalid::{Invalid, Kinds, Problem, each, name, required};

/// The ticket, compiled; its stamp and the seal of its state are still to be verified. A ticket that the operator has
/// not seen yet waits for
/// `pending_ttl` from its creation.
pub fn parse(object: &ApprovalTicket, pending_ttl: SignedDuration) -> Result<ticket::Ticket, Invalid> {
    let (meta, spec) = (&object.metadata, &object.spec);
    let created = meta
        .creation_timestamp
        .as_ref()
        .ok_or_else(|| Problem::Missing.at("metadata.creationTimestamp"))?
        .0;
    let until = created.saturating_add(pending_ttl).unwrap_or(Timestamp::MAX);
    let pending = ticket::TicketState::Pending { until };
    let requester = required("spec.requester", spec.requester.as_ref())?;
    let ticket = ticket::Ticket {
        namespace: required("metadata.namespace", meta.namespace.as_ref())?.into(),
        name: name(meta)?,
        uid: required("metadata.uid", meta.uid.as_ref())?.into(),
        resource_version: required("metadata.resourceVersion", meta.resource_version.as_ref())?.into(),
        binding: spec.bound()?,
        parts: digests(&spec.change, Side::New)?
            .into_iter()
            .map(|(pointer, digest)| (pointer.to_owned(), digest))
            .collect(),
        nonce: required("spec.binding.nonce", spec.binding.nonce.as_ref())?.into(),
        requester: Kinds::USER_OR_AGENT
            .parse(requester)
            .map_err(|problem| problem.at("spec.requester"))?,
        provenance: spec.provenance()?,
        batch: spec.batch.as_deref().map(Into::into),
        created,
        state: object
            .status
            .as_ref()
            .map_or(Ok(pending), |status| status.state(until))?,
        rollback: object
            .status
            .as_ref()
            .map_or(Ok(None), ApprovalTicketStatus::rolled_back)?,
        steps: object.status.is_none().then_some(0),
        contested: object.status.as_ref().and_then(|status| status.contested),
    };
    same(
        "spec.bindingHash",
        required("spec.bindingHash", spec.binding_hash.as_ref())?,
        &ticket.binding_hash().to_string(),
    )?;
    Ok(ticket)
}

impl ApprovalTicket {
    /// A ticket of this name.
    pub fn named(name: &TicketName, spec: ApprovalTicketSpec) -> Self {
        let mut ticket = Self::new("", spec);
        (ticket.metadata.name, ticket.metadata.generate_name) = match name {
            TicketName::Fixed(name) => (Some(name.clone()), None),
            TicketName::Beginning(beginning) => (None, Some(beginning.clone())),
        };
        ticket
    }
}

impl ApprovalTicketSpec {
    /// The binding, compiled, without its nonce; the change that the ticket shows must be the one that it binds.
    pub fn bound(&self) -> Result<core::Binding, Invalid> {
        let binding = self.binding.parse()?;
        let target = binding.target.target();
        let root = |side| {
            let digests = digests(&self.change, side)?;
            Ok(resource_hash(
                &target.api_version(),
                target.kind,
                target.subresource,
                &digests,
            ))
        };
        let shown = |side, field, hash: &Digest| match root(side) {
            Ok(root) => same(field, &hash.to_string(), &root.to_string()),
            Err(invalid) => Err(invalid),
        };
        shown(Side::New, "spec.binding.resourceHash", &binding.resource_hash)?;
        match &binding.old_hash {
            Some(old_hash) => shown(Side::Old, "spec.binding.oldHash", old_hash)?,
            None if self
                .change
                .iter()
                .any(|part| part.old.is_some() || part.old_digest.is_some()) =>
            {
                return Err(Problem::Missing.at("spec.binding.oldHash"));
            }
            None => {}
        }
        self.shows_its_command(&binding)?;
        Ok(binding)
    }

    /// Where the change comes from.
    pub fn provenance(&self) -> Result<Provenance, Invalid> {
        let delivered_by = self.delivered_by.as_ref().map(|by| Delivery {
            owner: Owner {
                tool: by.kind,
                namespace: by.namespace.clone(),
                name: by.name.clone(),
            },
            revision: by.revision.clone(),
        });
        Ok(Provenance {
            authors: each("spec.authors", &self.authors, |text| {
                Kinds::USER_OR_AGENT.parse(text)
            })?,
            authorship: self.authorship,
            delivered_by,
        })
    }

    /// What a reviewer reads as the options of a connection or a delete is what the binding holds.
    fn shows_its_command(&self, binding: &core::Binding) -> Result<(), Invalid> {
        let unreadable =
            |error: ObjectError| Problem::unexpected(error.to_string(), "options").at("spec.command");
        let read = |text: &String| command_hash(Some(&Object::parse(text)?));
        let shown = self.command.as_ref().map(read).transpose().map_err(unreadable)?;
        let shown = shown.as_ref().map(Digest::to_string).unwrap_or_default();
        let bound = binding
            .command_hash
            .as_ref()
            .map(Digest::to_string)
            .unwrap_or_default();
        same("spec.command", &shown, &bound)
    }
}

impl Binding {
    /// The binding, compiled, without its nonce.
    pub fn parse(&self) -> Result<core::Binding, Invalid> {
        let subject = Kinds::USER_OR_AGENT.parse(&self.subject_id);
        let binding = core::Binding {
            cluster_id: self.cluster_id.clone(),
            subject: subject.map_err(|problem| problem.at("spec.binding.subjectID"))?,
            environment: self.env,
            target: self.target.parse(),
            operation: self.operation,
            resource_hash: digest("spec.binding.resourceHash", &self.resource_hash)?,
            old_hash: optional_digest("spec.binding.oldHash", self.old_hash.as_ref())?,
            command_hash: optional_digest("spec.binding.commandHash", self.command_hash.as_ref())?,
            zone_claims: each("spec.binding.zoneClaims", &self.zone_claims, |text| {
                Ok(text.parse()?)
            })?,
        };
        same("spec.binding.action", &self.action, &binding.action())?;
        same("spec.binding.resource", &self.resource, &binding.resource())?;
        Ok(binding)
    }

    /// The text of a binding, without a nonce: that is the operator's.
    pub fn of(binding: &core::Binding) -> Self {
        Self {
            cluster_id: binding.cluster_id.clone(),
            subject_id: binding.subject.to_string(),
            env: binding.environment,
            action: binding.action(),
            resource: binding.resource(),
            target: Target::of(&binding.target),
            operation: binding.operation,
            resource_hash: binding.resource_hash.to_string(),
            old_hash: binding.old_hash.as_ref().map(Digest::to_string),
            command_hash: binding.command_hash.as_ref().map(Digest::to_string),
            zone_claims: binding.zone_claims.iter().map(ToString::to_string).collect(),
            nonce: None,
        }
    }
}

impl DeliveredBy {
    /// The text of a delivery.
    pub fn of(delivery: &Delivery) -> Self {
        Self {
            kind: delivery.owner.tool,
            namespace: delivery.owner.namespace.clone(),
            name: delivery.owner.name.clone(),
            revision: delivery.revision.clone(),
        }
    }
}

impl Target {
    fn parse(&self) -> BoundTarget {
        BoundTarget {
            group: self.group.clone(),
            version: self.version.clone(),
            kind: self.kind.clone(),
            resource: self.resource.clone(),
            subresource: self.subresource.clone().unwrap_or_default(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            uid: self.uid.clone(),
        }
    }

    fn of(target: &BoundTarget) -> Self {
        Self {
            group: target.group.clone(),
            version: target.version.clone(),
            kind: target.kind.clone(),
            resource: target.resource.clone(),
            subresource: Some(target.subresource.clone()).filter(|subresource| !subresource.is_empty()),
            namespace: target.namespace.clone(),
            name: target.name.clone(),
            uid: target.uid.clone(),
        }
    }
}

pub(super) fn digest(field: &str, text: &str) -> Result<Digest, Invalid> {
    text.parse().map_err(|error| Problem::Digest(error).at(field))
}

fn optional_digest(field: &str, text: Option<&String>) -> Result<Option<Digest>, Invalid> {
    text.map(|text| digest(field, text)).transpose()
}

fn same(field: &str, value: &str, expected: &str) -> Result<(), Invalid> {
    if value == expected {
        Ok(())
    } else {
        Err(Problem::unexpected(value, format!("`{expected}`")).at(field))
    }
}
