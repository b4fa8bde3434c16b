//! What the transmitter counts. Labels are the tenant, the stream and a closed word, never a subject.
//!
//! Filled by push and poll, registered by `app`, read by `/metrics`. The depth of queues is looked at when it is
//! asked for, so that owing costs nothing more.

use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::outbox::destination::Gate;
use crate::outbox::destinations::Destinations;
use crate::outbox::queues::Outbox;
use crate::tenant::TenantId;

/// A delivery ended: the receiver has it.
pub const DELIVERED: &str = "delivered";
/// A delivery ended: a dead letter.
pub const GAVE_UP: &str = "gave_up";
/// An attempt was taken.
pub const OK: &str = "ok";
/// An attempt failed.
pub const FAILED: &str = "failed";

/// One stream.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub struct OfStream {
    /// Its tenant.
    pub tenant: String,
    /// Its `stream_id`.
    pub stream: String,
}

/// One stream and how its deliveries ended.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub struct ByEnd {
    /// Its tenant.
    pub tenant: String,
    /// Its `stream_id`.
    pub stream: String,
    /// How.
    pub outcome: &'static str,
}

/// One stream and how attempts went.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub struct ByWent {
    /// Its tenant.
    pub tenant: String,
    /// Its `stream_id`.
    pub stream: String,
    /// How.
    pub result: &'static str,
}

/// A state of destinations: never which destination, for those are as many as receivers.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub struct OfState {
    /// `open`, `limited` or `shut`.
    pub state: &'static str,
}

/// The transmitter's counters.
#[derive(Clone, Default)]
pub struct Metrics {
    gates: Family<OfState, Counter>,
    braked: Family<ByWent, Counter>,
    pushed: Family<ByEnd, Counter>,
    attempts: Family<ByWent, Counter>,
    poll_answers: Family<OfStream, Counter>,
    poll_offered: Family<OfStream, Counter>,
    polled: Family<ByEnd, Counter>,
    stuck: Family<OfStream, Counter>,
}

impl Metrics {
    /// Registers everything; `signatures` is `Signer::made`.
    pub fn register(&self, registry: &mut Registry, outbox: Arc<Outbox>, signatures: Counter) {
        let ended = "SETs whose delivery by push is over";
        registry.register("push_sets", ended, self.pushed.clone());
        registry.register("push_attempts", "Attempts to push a SET", self.attempts.clone());
        registry.register("poll_answers", "Answers to polls", self.poll_answers.clone());
        registry.register("poll_offered_sets", "SETs in answers to polls", self.poll_offered.clone());
        registry.register("poll_sets", "SETs whose delivery by poll is over", self.polled.clone());
        let stuck = "SETs offered to polls often, neither acknowledged nor refused";
        registry.register("poll_stuck_sets", stuck, self.stuck.clone());
        registry.register("signatures", "Signatures made", signatures);
        let moved = "Times that a destination's gate came into a state";
        registry.register("destination_changes", moved, self.gates.clone());
        let braked = "Times that a stream's receiver began to count as down, and was back";
        registry.register("stream_brakes", braked, self.braked.clone());
        registry.register_collector(Box::new(Depths(outbox)));
    }

    /// Registers how many destinations are in each state.
    pub fn register_destinations(&self, registry: &mut Registry, destinations: Arc<Destinations>) {
        registry.register_collector(Box::new(States(destinations)));
    }

    /// A destination's gate came into a state.
    pub fn gate(&self, gate: Gate) {
        self.gates.get_or_create(&OfState { state: gate.as_str() }).inc();
    }

    /// A stream's receiver began to count as down, or was back.
    pub fn braked(&self, tenant: &TenantId, stream_id: &str, is_down: bool) {
        let result = if is_down { "braked" } else { "released" };
        let labels = ByWent { tenant: tenant.to_string(), stream: stream_id.into(), result };
        self.braked.get_or_create(&labels).inc();
    }

    /// A delivery by push is over.
    pub fn pushed(&self, tenant: &TenantId, stream_id: &str, outcome: &'static str) {
        self.pushed.get_or_create(&by_end(tenant, stream_id, outcome)).inc();
    }

    /// An attempt to push was made.
    pub fn attempted(&self, tenant: &TenantId, stream_id: &str, result: &'static str) {
        let labels = ByWent { tenant: tenant.to_string(), stream: stream_id.into(), result };
        self.attempts.get_or_create(&labels).inc();
    }

    /// A poll was answered with so many SETs.
    pub fn answered(&self, tenant: &TenantId, stream_id: &str, sets: usize) {
        let labels = OfStream { tenant: tenant.to_string(), stream: stream_id.into() };
        self.poll_answers.get_or_create(&labels).inc();
        self.poll_offered.get_or_create(&labels).inc_by(sets as u64);
    }

    /// So many more SETs were offered often and got no word.
    pub fn stuck(&self, tenant: &TenantId, stream_id: &str, sets: usize) {
        let labels = OfStream { tenant: tenant.to_string(), stream: stream_id.into() };
        self.stuck.get_or_create(&labels).inc_by(sets as u64);
    }

    /// A delivery by poll is over.
    pub fn polled(&self, tenant: &TenantId, stream_id: &str, outcome: &'static str) {
        self.polled.get_or_create(&by_end(tenant, stream_id, outcome)).inc();
    }
}

fn by_end(tenant: &TenantId, stream_id: &str, outcome: &'static str) -> ByEnd {
    ByEnd { tenant: tenant.to_string(), stream: stream_id.into(), outcome }
}

/// Looks at every queue when asked.
struct Depths(Arc<Outbox>);

impl std::fmt::Debug for Depths {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Depths")
    }
}

impl Collector for Depths {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let help = "SETs owed and not yet delivered or given up";
        let kind = prometheus_client::metrics::MetricType::Gauge;
        let mut family = encoder.encode_descriptor("queue_depth", help, None, kind)?;
        for queue in self.0.queues() {
            let Some(stream) = queue.stream() else { continue };
            let labels = OfStream { tenant: queue.tenant.to_string(), stream: stream.stream_id.clone() };
            let depth = ConstGauge::new(i64::try_from(queue.depth()).unwrap_or(i64::MAX));
            depth.encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

/// Looks at every destination when asked.
struct States(Arc<Destinations>);

impl std::fmt::Debug for States {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("States")
    }
}

impl Collector for States {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let help = "Destinations that streams push to, by the state of their gate";
        let kind = prometheus_client::metrics::MetricType::Gauge;
        let mut family = encoder.encode_descriptor("destinations", help, None, kind)?;
        for (gate, n) in self.0.counts() {
            let labels = OfState { state: gate.as_str() };
            ConstGauge::new(i64::try_from(n).unwrap_or(i64::MAX)).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}
