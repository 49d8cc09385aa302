//! What is counted. Each part owns its numbers and registers them once; labels come from enums and constants only.

use countersign_core::{audit::record::Verdict, decision::Reason, environment::Environment};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

/// An empty registry; every metric in it is named `countersign_...`.
pub fn registry() -> Registry {
    Registry::with_prefix("countersign")
}

/// The audit log's numbers.
#[derive(Clone, Debug)]
pub struct AuditMetrics {
    /// Records that are durable.
    pub records: Counter,
    /// Seconds from taking a batch to its being durable.
    pub commit_seconds: Histogram,
}

impl AuditMetrics {
    /// Creates the metrics in `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            records: Counter::default(),
            commit_seconds: Histogram::new(exponential_buckets(0.000_1, 2.0, 14)),
        };
        registry.register("audit_records", "Durable audit records", metrics.records.clone());
        registry.register(
            "audit_commit_seconds",
            "Time to write and sync one batch of audit records",
            metrics.commit_seconds.clone(),
        );
        metrics
    }
}

/// A listener's numbers.
#[derive(Clone, Debug, Default)]
pub struct ListenerMetrics {
    /// Connections that are open.
    pub connections: Gauge,
    /// Connections that ended without having been of use, by why.
    pub rejected: Family<Rejection, Counter>,
}

/// Why a connection or a body was not served.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Rejection {
    /// The reason, from a constant.
    pub reason: &'static str,
}

impl ListenerMetrics {
    /// Creates the metrics in `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "listener_connections",
            "Open connections",
            metrics.connections.clone(),
        );
        registry.register(
            "listener_rejected",
            "Connections and bodies that were not served",
            metrics.rejected.clone(),
        );
        metrics
    }

    /// Counts one rejection.
    pub fn reject(&self, reason: &'static str) {
        self.rejected.get_or_create(&Rejection { reason }).inc();
    }
}

/// The numbers of the operator's webhook configurations.
#[derive(Clone, Debug, Default)]
pub struct WebhookConfigMetrics {
    /// Foreign changes that were undone.
    pub restored: Counter,
    /// 1 while both configurations are as they should be.
    pub in_sync: Gauge,
    /// 1 while the documented annotation keeps enforcement off.
    pub switched_off: Gauge,
}

impl WebhookConfigMetrics {
    /// Creates the metrics in `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "webhook_configuration_restored",
            "Foreign changes of the webhook configurations that were undone",
            metrics.restored.clone(),
        );
        registry.register(
            "webhook_configuration_in_sync",
            "Whether both webhook configurations are as they should be",
            metrics.in_sync.clone(),
        );
        registry.register(
            "webhook_configuration_switched_off",
            "Whether the off switch annotation is set",
            metrics.switched_off.clone(),
        );
        metrics
    }
}

/// The numbers of what else changes objects before they are stored.
#[derive(Clone, Debug, Default)]
pub struct MutatorMetrics {
    /// Those that can change tickets and reviews, and that the policy does not accept.
    pub foreign: Gauge,
}

impl MutatorMetrics {
    /// Creates the metrics in `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "foreign_mutators",
            "Mutating webhook configurations and policies that can change tickets and reviews, and are not accepted",
            metrics.foreign.clone(),
        );
        metrics
    }
}

/// 1 while strict mode is on.
pub fn strict_mode(registry: &mut Registry) -> Gauge {
    let gauge = Gauge::default();
    registry.register("strict_mode", "Whether strict mode is on", gauge.clone());
    gauge
}

/// The numbers of emergencies.
#[derive(Clone, Debug, Default)]
pub struct EmergencyMetrics {
    /// Windows of break-glass that are open.
    pub open: Gauge,
    /// Writes that one let pass.
    pub writes: Counter,
    /// Those that no status tells.
    pub untold: Counter,
}

impl EmergencyMetrics {
    /// Creates the metrics in `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "break_glass_open",
            "Windows of break-glass that are open",
            metrics.open.clone(),
        );
        registry.register(
            "break_glass_writes",
            "Writes that a window of break-glass let pass although the rules say no",
            metrics.writes.clone(),
        );
        registry.register(
            "break_glass_writes_untold",
            "Writes in a window of break-glass that its status does not tell; the audit log does",
            metrics.untold.clone(),
        );
        metrics
    }
}

/// The numbers of the admission path.
#[derive(Clone, Debug)]
pub struct AdmissionMetrics {
    /// By reason, in their order.
    decisions: Vec<Decisions>,
}

/// The decisions for one reason.
#[derive(Clone, Debug)]
struct Decisions {
    stood: Counter,
    relaxed: Counter,
}

/// How a request was decided.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Decided {
    reason: &'static str,
    relaxed: &'static str,
}

impl AdmissionMetrics {
    /// Creates the metrics in `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let decisions = Family::<Decided, Counter>::default();
        registry.register(
            "admission_decisions",
            "Judged writes, by reason and by whether a violation was let through",
            decisions.clone(),
        );
        let counter = |reason: Reason, relaxed| {
            let reason = reason.as_str();
            decisions.get_or_create_owned(&Decided { reason, relaxed })
        };
        let of_reason = |reason: &Reason| Decisions {
            stood: counter(*reason, "false"),
            relaxed: counter(*reason, "true"),
        };
        Self {
            decisions: Reason::ALL.iter().map(of_reason).collect(),
        }
    }

    /// Counts one decision.
    pub fn decided(&self, reason: Reason, relaxed: bool) {
        if let Some(decisions) = self.decisions.get(reason as usize) {
            let counter = if relaxed {
                &decisions.relaxed
            } else {
                &decisions.stood
            };
            counter.inc();
        }
    }
}

/// The numbers of what was let through although the rules say no.
#[derive(Clone, Debug, Default)]
pub struct ViolationMetrics {
    violations: Family<Violated, Counter>,
    /// Violations that no Event tells, since there are too many or the API server did not take it.
    pub untold: Counter,
}

/// What would have become of a write.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Violated {
    reason: &'static str,
    verdict: &'static str,
    environment: &'static str,
}

impl ViolationMetrics {
    /// Creates the metrics in `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "violations",
            "Writes that were let through although the rules say no; the environment is empty where it was not told",
            metrics.violations.clone(),
        );
        registry.register(
            "violations_untold",
            "Violations that no Event tells",
            metrics.untold.clone(),
        );
        metrics
    }

    /// Counts one violation.
    pub fn count(&self, reason: Reason, verdict: Verdict, environment: Option<Environment>) {
        let labels = Violated {
            reason: reason.as_str(),
            verdict: verdict.as_str(),
            environment: environment.map_or("", Environment::as_str),
        };
        self.violations.get_or_create(&labels).inc();
    }
}
