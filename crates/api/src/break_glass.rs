//! BreakGlass: a window in which the person who opened it with the passcode is not held back by the rules.

mod status;

use countersign_core::{
    emergency::{Emergency, EmergencyReview, statement::Statement},
    snapshot::Cluster,
    stamp::EmergencyStamp,
};
use jiff::Timestamp;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::status::{BreakGlassStatus, MAX_WRITES, RelaxedWrite, WindowState};
use crate::{
    duration::{self, DURATION_PATTERN, MAX_DURATION},
    invalid::{Invalid, Kinds, Problem, name, required},
    schema,
};

/// 128 bits in hex.
const NONCE: &str = "^[0-9a-f]{32}$";

/// A signature in base64: 64 bytes.
const SIGNATURE: &str = "^[A-Za-z0-9+/]{86}==$";

/// A time as RFC 3339 writes it, in UTC.
const TIME: &str = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?Z$";

/// Who opens a window, why, from when and for how long; signed with the passcode.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "countersign.dev",
    version = "v1alpha1",
    kind = "BreakGlass",
    plural = "breakglasses",
    status = "BreakGlassStatus",
    derive = "PartialEq",
    doc = "A BreakGlass is a window in which the person who opened it with the passcode is not held back by the \
           rules: what would be denied is allowed, with a warning and a record. It is never removed. `kubectl \
           countersign admin break-glass` makes it; the passcode itself never leaves the machine that it is typed on.",
    shortname = "csbg",
    category = "countersign",
    selectable = ".spec.personID",
    printcolumn(name = "Person", type_ = "string", json_path = ".spec.personID"),
    printcolumn(name = "State", type_ = "string", json_path = ".status.state"),
    printcolumn(name = "Expires", type_ = "string", json_path = ".status.expiresAt"),
    printcolumn(name = "Writes", type_ = "integer", json_path = ".status.relaxedWrites"),
    printcolumn(
        name = "Reviewed",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Reviewed\")].status"
    ),
    printcolumn(name = "Reason", type_ = "string", json_path = ".spec.reason"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new(
        "self.personID == oldSelf.personID && self.clusterID == oldSelf.clusterID && self.reason == oldSelf.reason \
         && self.duration == oldSelf.duration && self.nonce == oldSelf.nonce && self.time == oldSelf.time \
         && self.signature == oldSelf.signature && has(self.stamp) == has(oldSelf.stamp) \
         && (!has(self.stamp) || self.stamp == oldSelf.stamp)"
    ).message("a window is immutable: it can only be ended, and reviewed"),
    validation = Rule::new("self.ended || !oldSelf.ended").message("a window that was ended stays ended"),
    validation = Rule::new(
        "!has(oldSelf.review) || (has(self.review) && self.review == oldSelf.review)"
    ).message("a window is reviewed once")
)]
pub struct BreakGlassSpec {
    /// Who opens the window: the `user:` who makes this object.
    #[serde(rename = "personID")]
    #[schemars(length(max = schema::MAX_IDENTITY), regex(pattern = schema::USER))]
    pub person_id: String,

    /// The cluster: the uid of its namespace kube-system.
    #[serde(rename = "clusterID")]
    #[schemars(length(min = 1, max = schema::MAX_UID))]
    pub cluster_id: String,

    /// Why, for whoever reads the record: the incident.
    #[schemars(length(min = 1, max = schema::MAX_REASON))]
    pub reason: String,

    /// How long the window is open, from `time`: a duration such as `30m` (the default), 1 second to 24 hours, and no
    /// more than `breakGlass.maxDuration` of the AccessPolicy.
    #[serde(default = "half_an_hour")]
    #[schemars(length(min = 2, max = MAX_DURATION), regex(pattern = DURATION_PATTERN))]
    #[x_kube(validation = Rule::new(
        "duration(self) >= duration('1s') && duration(self) <= duration('24h')"
    ).message("duration is 1s to 24h"))]
    pub duration: String,

    /// 128 random bits in hex. The object's name is `break-glass-` and this, so that no window is opened twice.
    #[schemars(length(max = 32), regex(pattern = NONCE))]
    pub nonce: String,

    /// When it was signed, in UTC (RFC 3339), at most two minutes from the operator's clock. The window begins then.
    #[schemars(length(max = 30), regex(pattern = TIME))]
    pub time: String,

    /// The signature by the key that the passcode leads to: Ed25519 in base64, over the DSSE encoding of the payload
    /// type `application/vnd.countersign.break-glass+json` and the JSON (RFC 8785) of clusterID, duration, nonce,
    /// personID, reason and time.
    #[schemars(length(max = 88), regex(pattern = SIGNATURE))]
    pub signature: String,

    /// The operator's proof that it verified the signature. Leave it out; without a valid stamp nothing is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = schema::MAX_MAC))]
    pub stamp: Option<String>,

    /// Set to true to end the window early, once and for all: its opener may, and every admin. Default: false.
    #[serde(default)]
    pub ended: bool,

    /// Who read afterwards what was done in the window, once: an admin other than its opener.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<WindowReview>,
}

fn half_an_hour() -> String {
    "30m".to_owned()
}

/// Somebody's word on what was done in a window.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct WindowReview {
    /// The admin who reviews: the `user:` who writes this.
    #[schemars(length(max = schema::MAX_IDENTITY), regex(pattern = schema::USER))]
    pub reviewer: String,
    /// What they say of it.
    #[schemars(length(min = 1, max = schema::MAX_REASON))]
    pub reason: String,
    /// When, in UTC (RFC 3339), at most two minutes from the operator's clock.
    #[schemars(length(max = 30), regex(pattern = TIME))]
    pub time: String,
}

impl BreakGlassSpec {
    /// What the passcode signs.
    pub fn statement(&self) -> Statement<'_> {
        Statement {
            cluster_id: &self.cluster_id,
            person_id: &self.person_id,
            reason: &self.reason,
            duration: &self.duration,
            nonce: &self.nonce,
            time: &self.time,
        }
    }
}

/// What the operator's stamp is over.
pub fn stamp<'a>(object: &'a BreakGlass, cluster: &'a Cluster) -> EmergencyStamp<'a> {
    EmergencyStamp {
        cluster_id: &cluster.id,
        name: object.metadata.name.as_deref().unwrap_or_default(),
        statement: object.spec.statement(),
    }
}

/// Whether the object bears the operator's stamp.
pub fn is_stamped(object: &BreakGlass, cluster: &Cluster) -> bool {
    let shown = object.spec.stamp.as_deref().unwrap_or_default();
    stamp(object, cluster).verify(&cluster.stamp, shown)
}

/// The window, compiled; its stamp is still to be verified.
pub fn parse(object: &BreakGlass) -> Result<Emergency, Invalid> {
    let spec = &object.spec;
    required("spec.reason", Some(&spec.reason))?;
    let lasts =
        duration::parse(&spec.duration).map_err(|problem| Problem::from(problem).at("spec.duration"))?;
    let begins = time("spec.time", &spec.time)?;
    let review = spec.review.as_ref().map(|review| {
        Ok::<_, Invalid>(EmergencyReview {
            reviewer: user("spec.review.reviewer", &review.reviewer)?,
            time: time("spec.review.time", &review.time)?,
        })
    });
    Ok(Emergency {
        name: name(&object.metadata)?,
        person: user("spec.personID", &spec.person_id)?,
        begins,
        ends: begins
            .checked_add(lasts)
            .map_err(|_| Problem::unexpected(&spec.duration, "a duration that ends").at("spec.duration"))?,
        ended: spec.ended,
        review: review.transpose()?,
    })
}

fn user(field: &str, text: &str) -> Result<countersign_core::identity::Identity, Invalid> {
    Kinds::USER.parse(text).map_err(|problem| problem.at(field))
}

fn time(field: &str, text: &str) -> Result<Timestamp, Invalid> {
    let time = text.parse::<Timestamp>().ok().filter(|_| text.ends_with('Z'));
    time.ok_or_else(|| Problem::unexpected(text, "a time in UTC such as 2026-01-01T12:00:00Z").at(field))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(change: impl FnOnce(&mut BreakGlassSpec)) -> BreakGlass {
        let mut spec = BreakGlassSpec {
            person_id: "user:ada".to_owned(),
            cluster_id: "cluster-1".to_owned(),
            reason: "incident #4218".to_owned(),
            duration: "30m".to_owned(),
            nonce: "0".repeat(32),
            time: "2026-01-01T12:00:00Z".to_owned(),
            signature: "s".to_owned(),
            stamp: None,
            ended: false,
            review: None,
        };
        change(&mut spec);
        BreakGlass::new("break-glass-0", spec)
    }

    #[test]
    fn a_window_ends_so_long_after_it_was_signed() {
        let window = parse(&window(|_| ())).unwrap();
        assert_eq!(window.ends.to_string(), "2026-01-01T12:30:00Z");
    }

    #[test]
    fn what_cannot_be_relied_on_is_refused_with_field_and_value() {
        for (change, why) in [
            (
                (|spec| spec.duration = "0s".to_owned()) as fn(&mut BreakGlassSpec),
                "spec.duration: `0s` is not a duration above zero",
            ),
            (|spec| spec.duration = "-5m".to_owned(), "spec.duration: `-5m`"),
            (
                |spec| spec.time = "yesterday".to_owned(),
                "spec.time: `yesterday`",
            ),
            (
                |spec| spec.time = "2026-01-01T12:00:00+01:00".to_owned(),
                "spec.time: `2026-01-01T12:00:00+01:00`",
            ),
            (
                |spec| spec.person_id = "agent:bot".to_owned(),
                "spec.personID: `agent:bot` is not a user:",
            ),
            (|spec| spec.reason.clear(), "spec.reason: is missing"),
        ] {
            let said = parse(&window(change)).unwrap_err().to_string();
            assert!(said.starts_with(why), "{said}");
        }
    }
}
