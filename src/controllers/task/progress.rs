//! How far a workload is, by its own status: as kstatus reads it.

use countersign_api::task::TaskState;
use jiff::SignedDuration;
use kube::api::DynamicObject;
use serde_json::Value;

/// What is known of a change that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Where it is.
    pub state: TaskState,
    /// Why, as one PascalCase word.
    pub reason: &'static str,
    /// Why, in a few words.
    pub text: String,
}

impl Progress {
    /// It is what was asked for.
    pub fn done(text: impl Into<String>) -> Self {
        Self::new(TaskState::Succeeded, "Current", text)
    }

    /// Nobody can tell.
    pub fn unknown(reason: &'static str, text: impl Into<String>) -> Self {
        Self::new(TaskState::Unknown, reason, text)
    }

    fn running(text: impl Into<String>) -> Self {
        Self::new(TaskState::Running, "InProgress", text)
    }

    fn failed(reason: &'static str, text: impl Into<String>) -> Self {
        Self::new(TaskState::Failed, reason, text)
    }

    fn new(state: TaskState, reason: &'static str, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { state, reason, text }
    }

    /// The same; or that nobody looks any longer, when it takes longer than `patience`.
    pub fn within(self, age: SignedDuration, patience: SignedDuration) -> Self {
        if self.state != TaskState::Running || age < patience {
            return self;
        }
        let hours = patience.as_hours();
        Self::unknown(
            "DeadlineExceeded",
            format!("after {hours} h still: {}", self.text),
        )
    }
}

/// What has a controller that tells how far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// A Deployment.
    Deployment,
    /// A StatefulSet.
    StatefulSet,
    /// A DaemonSet.
    DaemonSet,
    /// A Job.
    Job,
}

impl Workload {
    /// The workload of this group and plural name.
    pub fn of(group: &str, resource: &str) -> Option<Self> {
        match (group, resource) {
            ("apps", "deployments") => Some(Self::Deployment),
            ("apps", "statefulsets") => Some(Self::StatefulSet),
            ("apps", "daemonsets") => Some(Self::DaemonSet),
            ("batch", "jobs") => Some(Self::Job),
            _ => None,
        }
    }

    /// How far this one is.
    pub fn progress(self, object: &DynamicObject) -> Progress {
        let shown = Shown(&object.data);
        let seen = shown.number("/status/observedGeneration");
        if self != Self::Job && seen < object.metadata.generation.unwrap_or_default() {
            return Progress::running("its controller has not seen the change yet");
        }
        match self {
            Self::Deployment => shown.deployment(),
            Self::StatefulSet => shown.stateful_set(),
            Self::DaemonSet => shown.daemon_set(),
            Self::Job => shown.job(),
        }
    }
}

/// Spec and status of a workload.
struct Shown<'a>(&'a Value);

impl Shown<'_> {
    /// The number at this pointer; 0 where there is none, as the API server leaves zeros out of a status.
    fn number(&self, pointer: &str) -> i64 {
        self.0
            .pointer(pointer)
            .and_then(Value::as_i64)
            .unwrap_or_default()
    }

    fn text(&self, pointer: &str) -> &str {
        self.0
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    fn replicas(&self) -> i64 {
        self.0
            .pointer("/spec/replicas")
            .and_then(Value::as_i64)
            .unwrap_or(1)
    }

    /// The condition of this type that is True, or says so with this reason.
    fn condition(&self, kind: &str, status: &str) -> Option<&Value> {
        let conditions = self.0.pointer("/status/conditions")?.as_array()?;
        conditions
            .iter()
            .find(|condition| condition["type"] == kind && condition["status"] == status)
    }

    fn deployment(&self) -> Progress {
        let gave_up = self.condition("Progressing", "False");
        if gave_up.is_some_and(|why| why["reason"] == "ProgressDeadlineExceeded") {
            return Progress::failed("ProgressDeadlineExceeded", "it made no progress in its time");
        }
        let wanted = self.replicas();
        let [there, updated, available] = ["replicas", "updatedReplicas", "availableReplicas"]
            .map(|field| self.number(&format!("/status/{field}")));
        if updated < wanted {
            return Progress::running(format!("{updated} of {wanted} replicas are updated"));
        }
        if there > updated {
            return Progress::running(format!("{} old replicas are still there", there - updated));
        }
        if available < wanted {
            return Progress::running(format!("{available} of {wanted} replicas are available"));
        }
        Progress::done(format!("{wanted} of {wanted} replicas are available"))
    }

    fn stateful_set(&self) -> Progress {
        let wanted = self.replicas();
        let [ready, updated] =
            ["readyReplicas", "updatedReplicas"].map(|field| self.number(&format!("/status/{field}")));
        let by_hand = self.text("/spec/updateStrategy/type") == "OnDelete";
        let kept = self.number("/spec/updateStrategy/rollingUpdate/partition");
        let due = (wanted - kept).max(0);
        if !by_hand && updated < due {
            return Progress::running(format!("{updated} of {due} replicas are updated"));
        }
        if ready < wanted {
            return Progress::running(format!("{ready} of {wanted} replicas are ready"));
        }
        let [current, update] =
            ["currentRevision", "updateRevision"].map(|field| self.text(&format!("/status/{field}")));
        if !by_hand && kept == 0 && current != update {
            return Progress::running("the former revision is still current");
        }
        Progress::done(format!("{ready} of {wanted} replicas are ready"))
    }

    fn daemon_set(&self) -> Progress {
        let wanted = self.number("/status/desiredNumberScheduled");
        let [updated, available] = ["updatedNumberScheduled", "numberAvailable"]
            .map(|field| self.number(&format!("/status/{field}")));
        let by_hand = self.text("/spec/updateStrategy/type") == "OnDelete";
        if !by_hand && updated < wanted {
            return Progress::running(format!("{updated} of {wanted} pods are updated"));
        }
        if available < wanted {
            return Progress::running(format!("{available} of {wanted} pods are available"));
        }
        Progress::done(format!("{available} of {wanted} pods are available"))
    }

    fn job(&self) -> Progress {
        if self.condition("Failed", "True").is_some() {
            return Progress::failed("JobFailed", "the job failed");
        }
        let succeeded = self.number("/status/succeeded");
        if self.condition("Complete", "True").is_some() {
            return Progress::done(format!("{succeeded} pods succeeded"));
        }
        Progress::running(format!(
            "{succeeded} pods succeeded, {} are running",
            self.number("/status/active")
        ))
    }
}

#[cfg(test)]
mod tests;
