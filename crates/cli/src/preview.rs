//! What a write would change and what Countersign would say, before it is made.

use anyhow::{Context, bail};
use countersign_api::access_policy;
use countersign_core::{
    advice::{Advice, Approval, Redaction},
    binding::{Binding, BoundTarget},
    decision::Reason,
    digest::{Digest, MacKey},
    hash::{EffectiveChange, Granule, HashContext, Pattern, Value, effective_change, is_noop, resource_hash},
    object::{Change, Object},
    policy::Policy,
    request::Operation,
};

use crate::{
    cluster::{self, Kinds},
    connection::Session,
    kubectl::Manifests,
    show::{Part, Shown},
};

/// One write, before it is made.
#[derive(Debug)]
pub struct Preview {
    /// The object; its uid when it exists.
    pub target: BoundTarget,
    /// What would be done to it.
    pub operation: Operation,
    /// What that changes.
    pub change: EffectiveChange,
    /// What is bound beside it, of a delete, an eviction or a connection, as canonical JSON.
    pub command: Option<String>,
    /// What Countersign says.
    pub verdict: Verdict,
}

/// What Countersign says to a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It changes nothing.
    Unchanged,
    /// It may be made as it is.
    Allowed,
    /// It may be made once it is approved.
    NeedsApproval(Box<Approval>),
}

/// What would be applied, object by object.
#[derive(Debug)]
pub struct Previews {
    /// The objects, in kubectl's order.
    pub objects: Vec<Preview>,
    /// The rules that some of them break where they are not enforced.
    pub violations: Vec<(Reason, String)>,
}

impl Preview {
    /// What an approval would be bound to; `None` when none is needed.
    pub fn binding(&self) -> Option<Binding> {
        let Verdict::NeedsApproval(approval) = &self.verdict else {
            return None;
        };
        Some(Binding {
            cluster_id: approval.cluster.clone(),
            subject: approval.subject.clone(),
            environment: approval.environment,
            target: self.target.clone(),
            operation: self.operation,
            resource_hash: self.change.resource_hash,
            old_hash: self.change.old_hash,
            command_hash: approval.command_hash,
            zone_claims: approval.zone_claims.clone(),
        })
    }

    /// The change as it is shown; the digest of a secret value is known only where an approval is needed.
    pub fn parts(&self) -> Vec<Part> {
        let keyed = matches!(self.verdict, Verdict::NeedsApproval(_));
        let shown = |part: Part| {
            let unkeyed = |shown| match shown {
                Shown::Secret(_) if !keyed => Shown::Secret(None),
                other => other,
            };
            Part {
                old: part.old.map(unkeyed),
                new: part.new.map(unkeyed),
                ..part
            }
        };
        self.change.granules.iter().map(Part::of).map(shown).collect()
    }
}

/// Previews what the manifests would change, by a dry-run and the live objects.
pub async fn previews(session: &Session, manifests: &Manifests) -> anyhow::Result<Previews> {
    let run = manifests.dry_run(&session.connection).await?;
    let policy = session
        .policy()
        .await?
        .map(|policy| access_policy::parse(&policy))
        .transpose()?;
    let mut kinds = Kinds::new(session.client.clone());
    let mut objects = Vec::new();
    for text in &run.objects {
        let write = Write::read(text.get(), session, &mut kinds).await?;
        objects.push(write.preview(policy.as_ref(), &run.advice)?);
    }
    Ok(Previews {
        objects,
        violations: violations(run.advice),
    })
}

/// The warnings that speak of no approval.
pub fn violations(advice: Vec<Advice>) -> Vec<(Reason, String)> {
    let violation = |advice| match advice {
        Advice::Violation { reason, message } => Some((reason, message)),
        Advice::NeedsApproval(_) | Advice::Redacted(_) => None,
    };
    advice.into_iter().filter_map(violation).collect()
}

/// One object as the dry-run would leave it, and as it is.
struct Write {
    target: BoundTarget,
    new: String,
    live: Option<String>,
}

impl Write {
    async fn read(text: &str, session: &Session, kinds: &mut Kinds) -> anyhow::Result<Self> {
        let new = Object::parse(text)?;
        let api_version = new.api_version()?.context("an object without apiVersion")?;
        let kind = new.kind()?.context("an object without kind")?;
        let name = new
            .name()?
            .context("an object without a name cannot be compared: give it a metadata.name")?;
        let namespace = new.namespace()?.map(String::from);
        let found = kinds.find(&api_version, &kind).await?;
        let live = cluster::read(&session.client, &found.path(namespace.as_deref()), &name).await?;
        let uid = match &live {
            Some(live) => Object::parse(live)?.uid()?.map(String::from),
            None => None,
        };
        let target = BoundTarget {
            group: found.resource.group,
            version: found.resource.version,
            kind: found.resource.kind,
            resource: found.resource.plural,
            subresource: String::new(),
            namespace,
            name: name.into_owned(),
            uid,
        };
        Ok(Self {
            target,
            new: text.to_owned(),
            live,
        })
    }

    fn preview(self, policy: Option<&Policy>, advice: &[Advice]) -> anyhow::Result<Preview> {
        let new = Object::parse(&self.new)?;
        let (operation, change) = match &self.live {
            Some(live) => (
                Operation::Update,
                Change::Update {
                    old: Object::parse(live)?,
                    new,
                },
            ),
            None => (Operation::Create, Change::Create(new)),
        };
        let ignore = policy.map(|policy| policy.hash_ignore(&self.target.group, &self.target.kind));
        let effective = compute(&change, &self.target, &ignore.unwrap_or_default())?;
        let (change, verdict) = if is_noop(&change)? {
            (effective, Verdict::Unchanged)
        } else {
            judge(effective, &self.target, advice)?
        };
        Ok(Preview {
            target: self.target,
            operation,
            change,
            command: None,
            verdict,
        })
    }
}

/// What a change changes, as far as it can be told without the operator's key.
pub fn compute(
    change: &Change<'_>,
    target: &BoundTarget,
    ignore: &[Pattern],
) -> anyhow::Result<EffectiveChange> {
    let context = HashContext {
        api_version: &target.target().api_version(),
        kind: &target.kind,
        subresource: &target.subresource,
        writer: None,
        ignore,
        redaction: &MacKey::new([0; 32]),
    };
    Ok(effective_change(change, &context)?)
}

/// Joins what was computed here with what the API server said of the same object; they must agree.
pub fn judge(
    change: EffectiveChange,
    target: &BoundTarget,
    advice: &[Advice],
) -> anyhow::Result<(EffectiveChange, Verdict)> {
    let place = target.target().place();
    let approval = advice.iter().find_map(|advice| match advice {
        Advice::NeedsApproval(approval) if approval.place == place => Some(approval),
        _ => None,
    });
    let Some(approval) = approval else {
        return Ok((change, Verdict::Allowed));
    };
    let change = keyed(change, target, advice)?;
    let hashes = [
        (
            "resourceHash",
            Some(change.resource_hash),
            Some(approval.resource_hash),
        ),
        ("oldHash", change.old_hash, approval.old_hash),
    ];
    for (name, here, there) in hashes {
        if here != there {
            bail!(
                "{place}: the {name} is {} by the API server and {} by this command: the object changed meanwhile, \
                 or the versions differ; try again",
                text(there),
                text(here)
            );
        }
    }
    Ok((change, Verdict::NeedsApproval(approval.clone())))
}

fn text(digest: Option<Digest>) -> String {
    digest.map_or_else(|| "absent".to_owned(), |digest| digest.to_string())
}

/// The change with the operator's digests in the place of secret values.
fn keyed(
    mut change: EffectiveChange,
    target: &BoundTarget,
    advice: &[Advice],
) -> anyhow::Result<EffectiveChange> {
    let place = target.target().place();
    for granule in &mut change.granules {
        let is_secret = |value: &Option<Value>| matches!(value, Some(Value::Redacted(_)));
        if !is_secret(&granule.old) && !is_secret(&granule.new) {
            continue;
        }
        let redaction = advice.iter().find_map(|advice| match advice {
            Advice::Redacted(redaction)
                if redaction.place == place && redaction.pointer == granule.pointer =>
            {
                Some(redaction)
            }
            _ => None,
        });
        let Some(Redaction { old, new, .. }) = redaction else {
            bail!(
                "{place}: the API server's answer lacks the digest of {}: too many values change at once",
                granule.pointer
            );
        };
        let value = |mac: &Option<String>| mac.as_deref().map(|mac| Value::Redacted(mac.into()));
        (granule.old, granule.new) = (value(old), value(new));
    }
    change.resource_hash = root(&change, target, |granule| granule.new.as_ref());
    change.old_hash = change
        .old_hash
        .map(|_| root(&change, target, |granule| granule.old.as_ref()));
    Ok(change)
}

fn root(change: &EffectiveChange, target: &BoundTarget, side: fn(&Granule) -> Option<&Value>) -> Digest {
    let digests = change
        .granules
        .iter()
        .map(|granule| (granule.pointer.as_str(), side(granule).map(Value::digest)));
    let api_version = target.target().api_version();
    resource_hash(
        &api_version,
        &target.kind,
        &target.subresource,
        &digests.collect(),
    )
}

#[cfg(test)]
mod tests;
