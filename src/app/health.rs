//! Kafka's health on the metrics page and in the status.
//!
//! Read whenever it is asked for. Readiness does not hang on it: a broker that is away delays Kafka only.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::kafka::link::Health;

/// Health as the status shows it.
pub fn status(health: &Health) -> serde_json::Value {
    let fault = health
        .fault()
        .map(|f| serde_json::json!({ "by": f.kind.by(), "what": f.kind.as_str(), "why": f.why }));
    serde_json::json!({
        "connected": health.connected.load(Ordering::Relaxed),
        "drained": health.drained.load(Ordering::Relaxed),
        "lag_steps": health.lag_steps.load(Ordering::Relaxed),
        "fault": fault,
    })
}

/// Reads [`Health`] whenever the page is asked for.
#[derive(Debug)]
pub struct Kafka(pub Arc<Health>);

impl Collector for Kafka {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let count = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let h = &self.0;
        let gauges = [
            (
                "kafka_connected",
                "Whether the broker was there when last seen",
                i64::from(h.connected.load(Ordering::Relaxed)),
            ),
            (
                "kafka_lag_steps",
                "Journal batches not acknowledged by Kafka",
                count(h.lag_steps.load(Ordering::Relaxed)),
            ),
            (
                "kafka_drained",
                "Whether Kafka had all that was durable when last looked at",
                i64::from(h.drained.load(Ordering::Relaxed)),
            ),
            (
                "kafka_operator_fault",
                "Whether an operator must mend something before Kafka goes on",
                i64::from(h.fault().is_some_and(|f| f.kind.by() == "operator")),
            ),
            ("kafka_sent", "Messages acknowledged by Kafka", count(h.sent.load(Ordering::Relaxed))),
            (
                "kafka_failed",
                "Deliveries that failed and are sent again",
                count(h.failed.load(Ordering::Relaxed)),
            ),
            (
                "kafka_refused",
                "Messages too large for the broker, left out",
                count(h.refused.load(Ordering::Relaxed)),
            ),
        ];
        for (name, help, value) in gauges {
            let gauge = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(value).encode(gauge)?;
        }
        Ok(())
    }
}
